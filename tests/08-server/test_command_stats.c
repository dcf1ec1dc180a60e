/* Counts of commands: every time falls into the bucket that holds it, threads' counts add
 * up, and percentiles are as near as they promise. */
#define TEST_HAS_STAGE
#include "../common/support.h"

#include "command_stats.h"
#include "counted_memory.h"
#include "thread.h"

static size_t bucket_of(uint64_t micros) {
    struct command_stats stats;
    struct command_totals totals = {0};
    assert_ok(command_stats_init(&stats, 1));
    command_stats_called(&stats, 0, micros, false);
    command_stats_sum(&stats, 0, &totals);
    command_stats_free(&stats);
    size_t bucket = 0;
    while (totals.buckets[bucket] == 0) {
        bucket++;
    }
    return bucket;
}

static void times_fall_into_their_buckets(void **state) {
    (void)state;
    uint64_t random = test_seed();
    for (size_t i = 0; i + 1 < COMMAND_BUCKETS; i++) {
        uint64_t most = command_bucket_most(i);
        assert_int_equal(bucket_of(most), i);
        assert_int_equal(bucket_of(most + 1), i + 1);
    }
    assert_true(command_bucket_most(COMMAND_BUCKETS - 1) == UINT64_MAX);
    for (int i = 0; i < 1000; i++) {
        uint64_t micros = random_magnitude(&random);
        size_t bucket = bucket_of(micros);
        assert_true(micros <= command_bucket_most(bucket));
        assert_true(bucket == 0 || micros > command_bucket_most(bucket - 1));
    }
}

static void percentiles_are_near(void **state) {
    (void)state;
    struct command_stats stats;
    struct command_totals totals = {0};
    assert_ok(command_stats_init(&stats, 2));
    for (uint64_t micros = 1; micros <= 1000; micros++) {
        command_stats_called(&stats, 1, micros, micros % 10 == 0);
    }
    command_stats_rejected(&stats, 1);
    command_stats_sum(&stats, 1, &totals);
    assert_int_equal(totals.calls, 1000);
    assert_int_equal(totals.micros, 500500);
    assert_int_equal(totals.failed, 100);
    assert_int_equal(totals.rejected, 1);
    static const unsigned percents[] = {1, 10, 50, 90, 99, 100};
    for (size_t i = 0; i < sizeof percents / sizeof percents[0]; i++) {
        uint64_t exact = 10 * percents[i];
        uint64_t told = command_totals_percentile(&totals, percents[i]);
        assert_true(told >= exact && told <= exact + exact / 4);
    }
    struct command_totals before = totals;
    command_stats_called(&stats, 1, 7, false);
    command_stats_sum(&stats, 1, &before);
    command_totals_since(&before, &totals);
    command_totals_since(&before, &totals);
    assert_int_equal(before.calls, 1);
    assert_int_equal(before.micros, 7);
    assert_int_equal(command_totals_percentile(&before, 50), 7);
    assert_int_equal(command_totals_percentile(&(struct command_totals){0}, 50), 0);
    command_stats_free(&stats);
}

enum { CALLS = 20000 };

static void count_calls(void *argument) {
    struct command_stats *stats = argument;
    for (uint64_t i = 0; i < CALLS; i++) {
        command_stats_called(stats, 0, i % 50, false);
    }
}

/* One writes, another reads: what is read never goes back, and is all in the end. */
static void who_reads_need_not_wait(void **state) {
    (void)state;
    struct command_stats stats;
    struct thread thread;
    struct command_totals totals = {0};
    assert_ok(command_stats_init(&stats, 1));
    assert_ok(thread_create(&thread, &threads_posix, count_calls, &stats));
    for (uint64_t last = 0; totals.calls < CALLS; last = totals.calls) {
        totals = (struct command_totals){0};
        command_stats_sum(&stats, 0, &totals);
        assert_true(totals.calls >= last);
    }
    thread_join(&thread);
    assert_int_equal(totals.calls, CALLS);
    command_stats_free(&stats);
}

static void no_memory_is_told(void **state) {
    (void)state;
    struct command_stats stats;
    counted_memory_fail(1, false);
    assert_int_equal(command_stats_init(&stats, 1), STATUS_NO_MEMORY);
    counted_memory_fail(0, false);
    command_stats_free(&stats);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_fall_into_their_buckets),
        cmocka_unit_test(percentiles_are_near),
        cmocka_unit_test(who_reads_need_not_wait),
        cmocka_unit_test(no_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
