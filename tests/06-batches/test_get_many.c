/* Many lookups at once see one moment: against single lookups at rest, and beside a
 * writer whose changes they see whole. */
#include "../03-sstable/engine_faults.h"

enum { KEYS = 200, ASKED = 60 };

/* In tables, in the buffer, in both, deleted, or nowhere. */
static void fill(struct kv *kv, uint64_t *seed) {
    for (uint64_t i = 0; i < 4 * KEYS; i++) {
        uint64_t key = random_below(seed, KEYS);
        char name[24];
        snprintf(name, sizeof name, "k%" PRIu64, key);
        if (random_below(seed, 4) == 0) {
            assert_ok(kv_delete(kv, slice_of(name), NULL, NULL));
        } else {
            put_number(kv, key, DURABILITY_NONE);
        }
        if (random_below(seed, 100) == 0) {
            assert_ok(kv_flush(kv, NULL));
        }
    }
}

static void as_single_lookups(void **state) {
    (void)state;
    struct simulation sim;
    struct buf values[ASKED] = {0}, value = {0};
    uint64_t seed = test_seed();
    simulation_begin(&sim);
    struct kv *kv = open_store(&sim);
    fill(kv, &seed);
    for (size_t round = 0; round < 200; round++) {
        char names[ASKED][24];
        struct slice keys[ASKED];
        enum status statuses[ASKED];
        uint64_t observed = 0;
        const struct kv_read_options options = {.observed = &observed};
        size_t count = random_below(&seed, ASKED + 1);
        for (size_t i = 0; i < count; i++) { /* some twice, some nowhere */
            snprintf(names[i], sizeof names[i], "k%" PRIu64,
                     random_below(&seed, KEYS + 20));
            keys[i] = slice_of(names[i]);
        }
        assert_ok(kv_get_many(kv, keys, count, values, statuses, &options, NULL));
        assert_int_equal(observed, stats_of(kv).sequence_written);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(kv_get(kv, keys[i], &value, NULL, NULL), statuses[i]);
            assert_true(statuses[i] == STATUS_NOT_FOUND ||
                        slice_equal(buf_slice(&value), buf_slice(&values[i])));
        }
    }
    struct error error = {0};
    const struct slice absent[] = {slice_of("k1"), {0}};
    enum status statuses[2];
    assert_int_equal(kv_get_many(kv, absent, 2, values, statuses, NULL, &error),
                     STATUS_INVALID);
    assert_message_has(error, "key 1 is absent");
    for (size_t i = 0; i < ASKED; i++) {
        buf_free(&values[i]);
    }
    buf_free(&value);
    assert_ok(kv_close(kv, NULL));
    simulation_end(&sim);
}

struct writer {
    struct kv *kv;
    struct thread thread;
    bool failed;
};

/* The i-th change puts the same number under three keys. */
static void write_threes(void *argument) {
    struct writer *writer = argument;
    for (unsigned i = 1; i <= 30; i++) {
        char number[24];
        snprintf(number, sizeof number, "%u", i);
        const struct kv_op ops[] = {put_op("a", number), put_op("b", number),
                                    put_op("c", number)};
        writer->failed |= kv_write(writer->kv, ops, 3, NULL, NULL) != STATUS_OK;
        if (i % 10 == 0) {
            writer->failed |= kv_flush(writer->kv, NULL) != STATUS_OK;
        }
    }
}

static uint64_t any_thread(void *seed, uint64_t bound) {
    return random_below(seed, 3) == 0 ? random_below(seed, bound) : 0;
}

static uint64_t number_of(const struct buf *value) {
    char text[24] = {0};
    assert_true(value->length < sizeof text);
    memcpy(text, value->data, value->length);
    return strtoull(text, NULL, 10);
}

static void one_moment(uint64_t seed) {
    struct simulation sim;
    struct buf values[3] = {0};
    const struct slice keys[] = {slice_of("c"), slice_of("a"), slice_of("b")};
    simulation_begin_with(&sim, any_thread, &seed);
    struct kv *kv = open_store(&sim);
    struct writer writer = {.kv = kv};
    assert_ok(thread_create(&writer.thread, sim.world.threads, write_threes, &writer));
    for (unsigned i = 0; i < 30; i++) {
        enum status statuses[3];
        uint64_t observed = 99;
        const struct kv_read_options options = {.observed = &observed};
        assert_ok(kv_get_many(kv, keys, 3, values, statuses, &options, NULL));
        assert_int_equal(observed % 3, 0);
        for (size_t j = 0; j < 3; j++) {
            assert_int_equal(statuses[j], observed == 0 ? STATUS_NOT_FOUND : STATUS_OK);
            assert_true(observed == 0 || number_of(&values[j]) == observed / 3);
        }
    }
    thread_join(&writer.thread);
    assert_false(writer.failed);
    for (size_t j = 0; j < 3; j++) {
        buf_free(&values[j]);
    }
    assert_ok(kv_close(kv, NULL));
    simulation_end(&sim);
}

static void beside_a_writer_one_moment(void **state) {
    (void)state;
    uint64_t seed = test_seed();
    for (uint64_t i = 0; i < 200; i++) {
        one_moment(random_next(&seed));
    }
}

/* Whatever fails, memory or disk, the call says so, and the next is well. */
static void failures_are_told(void **state) {
    (void)state;
    struct simulation sim;
    struct buf values[3] = {0};
    struct error error = {0};
    enum status statuses[3], status = STATUS_NO_MEMORY;
    const struct slice keys[] = {slice_of("k3"), slice_of("k1"), slice_of("k9")};
    size_t failures = 0;
    simulation_begin(&sim);
    struct kv *kv = open_store(&sim);
    put_numbers(kv, 1, 5, DURABILITY_NONE);
    assert_ok(kv_flush(kv, NULL));
    for (uint64_t nth = 1; status != STATUS_OK; nth++) {
        assert_ok(kv_close(kv, NULL));
        kv = open_store(&sim);
        counted_memory_fail(nth, false);
        status = kv_get_many(kv, keys, 3, values, statuses, NULL, &error);
        counted_memory_fail(0, false);
        assert_true(status == STATUS_OK || status == STATUS_NO_MEMORY);
        failures += status != STATUS_OK;
    }
    assert_true(failures >= 2);
    assert_int_equal(statuses[0], STATUS_OK);
    assert_int_equal(statuses[2], STATUS_NOT_FOUND);
    assert_ok(kv_close(kv, NULL));
    kv = open_store(&sim);
    fail_call(&sim, 1, FAULT_BEFORE, EIO, false);
    assert_int_equal(kv_get_many(kv, keys, 3, values, statuses, NULL, &error), STATUS_IO);
    fail_nothing(&sim);
    for (size_t j = 0; j < 3; j++) {
        buf_free(&values[j]);
    }
    assert_ok(kv_close(kv, NULL));
    simulation_end(&sim);
}

/* What is asked for may be more than there is memory for; one value alone never is. */
static void bounded(void **state) {
    (void)state;
    struct simulation sim;
    static unsigned char large[1000];
    struct buf values[4] = {0};
    enum status statuses[4];
    struct error error = {0};
    const struct slice keys[] = {slice_of("b"), slice_of("a"), slice_of("b"),
                                 slice_of("nothing")};
    simulation_begin(&sim);
    struct kv *kv = open_store(&sim);
    const struct slice value = slice_make(large, sizeof large);
    assert_ok(kv_put(kv, slice_of("a"), value, NULL, NULL));
    assert_ok(kv_put(kv, slice_of("b"), value, NULL, NULL));
    for (size_t most = 1; most < 4000; most++) {
        const struct kv_read_options options = {.most_bytes = most};
        enum status status = kv_get_many(kv, keys, 4, values, statuses, &options, &error);
        assert_int_equal(status, most < 3000 ? STATUS_LIMIT : STATUS_OK);
        assert_ok(kv_get_many(kv, keys, 1, values, statuses, &options, NULL));
    }
    assert_message_has(error, "the values of 4 keys are more than 2999 bytes");
    for (size_t i = 0; i < 4; i++) {
        buf_free(&values[i]);
    }
    assert_ok(kv_close(kv, NULL));
    simulation_end(&sim);
}

/* To look ahead takes no memory and no call of the system, whatever is cached; neither
 * what is found changes by it, nor what is counted. Closing the store asserts that no
 * block is left pinned. */
static void looking_ahead_changes_nothing(void **state) {
    (void)state;
    struct simulation sim;
    static unsigned char longest[300];
    struct buf value = {0};
    uint64_t seed = test_seed();
    simulation_begin(&sim);
    struct kv *kv = open_store(&sim);
    for (size_t round = 0; round < 300; round++) {
        char names[KV_FORESEEN][24];
        struct slice keys[KV_FORESEEN];
        size_t count = random_below(&seed, KV_FORESEEN + 1);
        if (round % 100 == 0) {
            fill(kv, &seed);
        } else if (round % 100 == 50) { /* no table is open */
            assert_ok(kv_close(kv, NULL));
            kv = open_store(&sim);
        }
        for (size_t i = 0; i < count; i++) {
            snprintf(names[i], sizeof names[i], "k%" PRIu64,
                     random_below(&seed, KEYS + 20));
            keys[i] = random_below(&seed, 20) == 0
                          ? slice_make(longest, random_below(&seed, sizeof longest))
                          : slice_of(names[i]);
        }
        const struct kv_stats before = stats_of(kv);
        size_t memory = counted_memory_calls(), disk = disk_calls(sim.disk);
        kv_foresee(kv, keys, count);
        assert_int_equal(counted_memory_calls(), memory);
        assert_int_equal(disk_calls(sim.disk), disk);
        const struct kv_stats after = stats_of(kv);
        assert_memory_equal(&before, &after, sizeof before);
        for (size_t i = 0; i < count; i++) {
            enum status status = kv_get(kv, keys[i], &value, NULL, NULL);
            assert_true(status == STATUS_OK || status == STATUS_NOT_FOUND);
        }
    }
    buf_free(&value);
    assert_ok(kv_close(kv, NULL));
    simulation_end(&sim);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_single_lookups),
        cmocka_unit_test(looking_ahead_changes_nothing),
        cmocka_unit_test(bounded),
        cmocka_unit_test(beside_a_writer_one_moment),
        cmocka_unit_test(failures_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
