/* The slow log's entries, their cutting, its length; and the samples of slow events. */
#define TEST_HAS_STAGE
#include "../common/support.h"

#include "counted_memory.h"
#include "latency.h"
#include "slowlog.h"

struct seen {
    size_t count, told;
    uint64_t ids[64];
    char last[64][256]; /* the last argument of each */
    size_t arguments;
};

static void begin(void *context, size_t count) {
    struct seen *seen = context;
    *seen = (struct seen){.told = count};
}

static void visit(void *context, const struct slowlog_entry *entry) {
    struct seen *seen = context;
    seen->ids[seen->count] = entry->id;
    seen->arguments = entry->count;
    (void)snprintf(seen->last[seen->count++], 256, "%s",
                   (const char *)entry->arguments[entry->count - 1].data);
}

static void add(struct slowlog *slowlog, const struct slice *arguments, size_t count) {
    const struct resp_request request = {arguments, count};
    slowlog_add(slowlog, &request, 7, 8, slice_of("peer"), slice_of("name"));
}

static void entries_are_bounded(void **state) {
    (void)state;
    size_t blocks = counted_memory_blocks();
    struct slowlog slowlog;
    static struct seen seen;
    assert_ok(slowlog_init(&slowlog, &threads_posix));
    assert_false(slowlog_is_slow(&slowlog, UINT64_MAX - 1));
    slowlog_configure(&slowlog, 5, 3);
    assert_true(slowlog_is_slow(&slowlog, 5));
    assert_false(slowlog_is_slow(&slowlog, 4));
    for (int i = 0; i < 5; i++) {
        struct slice argument = slice_of("x");
        add(&slowlog, &argument, 1);
    }
    assert_int_equal(slowlog_length(&slowlog), 3);
    slowlog_visit(&slowlog, 2, begin, visit, &seen);
    assert_int_equal(seen.told, 2);
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.ids[0], 4);
    assert_int_equal(seen.ids[1], 3);
    assert_int_equal(counted_memory_blocks() - blocks, 3);
    slowlog_configure(&slowlog, 5, 1);
    assert_int_equal(slowlog_length(&slowlog), 1);
    slowlog_reset(&slowlog);
    slowlog_visit(&slowlog, SIZE_MAX, begin, visit, &seen);
    assert_int_equal(seen.told + seen.count, 0);
    slowlog_configure(&slowlog, -1, 9);
    assert_false(slowlog_is_slow(&slowlog, 1000000));
    slowlog_configure(&slowlog, 0, 0);
    assert_false(slowlog_is_slow(&slowlog, 1000000));
    slowlog_free(&slowlog);
    assert_int_equal(counted_memory_blocks(), blocks);
}

static void arguments_are_cut(void **state) {
    (void)state;
    struct slowlog slowlog;
    static struct seen seen;
    static char text[200];
    struct slice arguments[40];
    char expected[256];
    memset(text, 'v', sizeof text);
    for (size_t i = 0; i < 40; i++) {
        arguments[i] = slice_make(text, 1 + i);
    }
    assert_ok(slowlog_init(&slowlog, &threads_posix));
    slowlog_configure(&slowlog, 0, 10);
    for (size_t length = 127; length <= 130; length++) {
        struct slice argument = slice_make(text, length);
        add(&slowlog, &argument, 1);
        slowlog_visit(&slowlog, 1, begin, visit, &seen);
        (void)snprintf(expected, sizeof expected, "%.*s",
                       (int)(length < 128 ? length : 128), text);
        if (length > 128) {
            (void)snprintf(expected + 128, sizeof expected - 128, "... (%zu more bytes)",
                           length - 128);
        }
        assert_string_equal(seen.last[0], expected);
    }
    for (size_t count = 31; count <= 34; count++) {
        add(&slowlog, arguments, count);
        slowlog_visit(&slowlog, 1, begin, visit, &seen);
        assert_int_equal(seen.arguments, count < 32 ? count : 32);
        if (count <= 32) {
            assert_int_equal(strlen(seen.last[0]), count);
        } else {
            (void)snprintf(expected, sizeof expected, "... (%zu more arguments)",
                           count - 31);
            assert_string_equal(seen.last[0], expected);
        }
    }
    slowlog_free(&slowlog);
}

static void without_memory_nothing_is_kept(void **state) {
    (void)state;
    struct slowlog slowlog;
    struct slice argument = slice_of("x");
    assert_ok(slowlog_init(&slowlog, &threads_posix));
    slowlog_configure(&slowlog, 0, 10);
    counted_memory_fail(1, false);
    add(&slowlog, &argument, 1);
    assert_true(counted_memory_failed());
    counted_memory_fail(0, false);
    assert_int_equal(slowlog_length(&slowlog), 0);
    slowlog_free(&slowlog);
}

static void events_of_a_second_are_one(void **state) {
    (void)state;
    struct latency latency;
    struct latency_series series;
    assert_ok(latency_init(&latency, &threads_posix));
    latency_add(&latency, LATENCY_COMMAND, 100, 1);
    latency_copy(&latency, LATENCY_COMMAND, &series);
    assert_int_equal(series.count, 0);
    latency_configure(&latency, 10);
    latency_add(&latency, LATENCY_COMMAND, 9, 1);
    latency_add(&latency, LATENCY_COMMAND, 10, 1);
    latency_add(&latency, LATENCY_COMMAND, 40, 1);
    latency_add(&latency, LATENCY_COMMAND, 30, 1);
    latency_copy(&latency, LATENCY_COMMAND, &series);
    assert_int_equal(series.count, 1);
    assert_int_equal(series.samples[0].millis, 40);
    for (uint64_t second = 2; second < 200; second++) {
        latency_add(&latency, LATENCY_COMMAND, 10 + second, second);
    }
    latency_copy(&latency, LATENCY_COMMAND, &series);
    assert_int_equal(series.count, LATENCY_SAMPLES);
    for (size_t i = 0; i < series.count; i++) {
        assert_int_equal(series.samples[i].seconds, 200 - LATENCY_SAMPLES + i);
        assert_int_equal(series.samples[i].millis, 210 - LATENCY_SAMPLES + i);
    }
    assert_int_equal(series.longest, 209);
    latency_copy(&latency, LATENCY_FAST_COMMAND, &series);
    assert_int_equal(series.count, 0);
    assert_true(latency_reset(&latency, LATENCY_COMMAND));
    assert_false(latency_reset(&latency, LATENCY_COMMAND));
    assert_int_equal(latency_find(slice_of("FAST-command")), LATENCY_FAST_COMMAND);
    assert_int_equal(latency_find(slice_of("fast")), LATENCY_KINDS);
    latency_free(&latency);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_are_bounded),
        cmocka_unit_test(arguments_are_cut),
        cmocka_unit_test(without_memory_nothing_is_kept),
        cmocka_unit_test(events_of_a_second_are_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
