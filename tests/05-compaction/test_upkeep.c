/* Back-pressure: what writers meet when flushes and compactions fall behind, fail, or
 * find no space; on simulated threads and a clock that moves only when all wait. */
#include "upkeep.h"

static uint64_t choose(void *context, uint64_t bound) {
    uint64_t *seed = context;
    return random_below(seed, 3) != 0 ? 0 : random_below(seed, bound);
}

/* ---- slow ones ------------------------------------------------------------------- */

/* In any order of threads: level 0 has no more tables than the stop and the buffers that
 * were full before it, and every writer gets on. */
static void writers_wait_and_get_on(void **state) {
    (void)state;
    uint64_t seed = test_seed();
    for (int run = 0; run < 8; run++) {
        struct simulation sim;
        uint64_t draws = random_next(&seed);
        upkeep_begin_with(&sim, choose, &draws);
        sim.options.compaction_bytes_per_second = 20000;
        struct feed feed = {.kv = open_store(&sim)};
        for (int i = 0; i < 800; i++) {
            feed_some(&feed, 1);
            assert_true(stats_of(feed.kv).levels[0].tables <=
                        sim.options.level0_stop_tables + sim.options.write_buffers - 1);
        }
        struct kv_stats stats = stats_of(feed.kv);
        assert_true(stats.stall_stops > 3);
        assert_true(stats.stall_micros > 0);
        assert_int_equal(stats.stall_slowdowns, 0);
        assert_true(stats.compactions > 3);
        assert_int_equal(stats.compaction_failures, 0);
        feed_end(&feed, &sim);
    }
}

/* The clock moves by what a refused writer has waited, no more and no less. */
static void a_slow_compaction_is_waited_for_so_long(void **state) {
    (void)state;
    struct simulation sim;
    struct error error = {0};
    upkeep_begin(&sim);
    sim.options.stall_millis = 700;
    sim.options.compaction_bytes_per_second = 100; /* a table takes a minute */
    struct feed feed = {.kv = open_store(&sim)};
    assert_int_equal(feed_until_refused(&feed, &error), STATUS_STALLED);
    assert_message_has(error, "waited 700 ms for level 0 to be compacted (stall-millis)");
    uint64_t count = feed.count;
    for (int i = 1; i <= 3; i++) {
        struct kv_stats before = stats_of(feed.kv);
        uint64_t begun = micros_of(&sim);
        assert_int_equal(feed_try(&feed, &error), STATUS_STALLED);
        assert_int_equal(micros_of(&sim) - begun, 700000);
        struct kv_stats after = stats_of(feed.kv);
        assert_int_equal(after.stall_stops, before.stall_stops + 1);
        assert_int_equal(after.stall_micros, before.stall_micros + 700000);
        assert_int_equal(after.sequence_issued, count);
    }
    feed_assert(&feed);
    /* It has gone on meanwhile, and ends. */
    scheduler_advance(sim.scheduler, 600 * 1000000);
    assert_true(stats_of(feed.kv).compactions > 0);
    feed_some(&feed, 1);
    feed_end(&feed, &sim);
}

/* A writer is slowed down more the nearer level 0 is to its stop; counters tell of it. */
static void writers_are_slowed_down(void **state) {
    (void)state;
    struct simulation sim;
    uint64_t took[2], slowdowns = 0;
    upkeep_begin(&sim);
    sim.options.level0_tables = 12; /* nothing is compacted */
    sim.options.level0_slow_tables = 2;
    sim.options.level0_stop_tables = 12;
    sim.options.write_buffer_bytes = 1 << 20;
    struct feed feed = {.kv = open_store(&sim)};
    feed_tables(&feed, 1);
    uint64_t begun = micros_of(&sim);
    feed_some(&feed, 600);
    assert_int_equal(micros_of(&sim), begun);
    assert_int_equal(stats_of(feed.kv).stall_slowdowns, 0);
    for (int i = 0; i < 2; i++) {
        feed_tables(&feed, i == 0 ? 1 : 9); /* 2 tables, then 11 */
        struct kv_stats before = stats_of(feed.kv);
        begun = micros_of(&sim);
        feed_some(&feed, 600);
        took[i] = micros_of(&sim) - begun;
        struct kv_stats after = stats_of(feed.kv);
        assert_int_equal(after.stall_micros - before.stall_micros, took[i]);
        slowdowns = after.stall_slowdowns - before.stall_slowdowns;
        assert_true(slowdowns > 0 && slowdowns < 600);
        assert_int_equal(after.stall_stops, 0);
    }
    printf("%" PRIu64 " and %" PRIu64 " us\n", took[0], took[1]);
    assert_true(took[0] > 0 && took[1] > 4 * took[0]);
    feed_end(&feed, &sim);
}

/* ---- ones that fail -------------------------------------------------------------- */

static void a_compaction_that_fails_is_tried_again(void **state) {
    (void)state;
    struct simulation sim;
    struct error error = {0};
    size_t attempts;
    upkeep_begin(&sim);
    struct feed feed = {.kv = open_store(&sim)};
    for (int i = 0; i < 2; i++) { /* the pauses begin anew after a success */
        fail_point("compaction_begin", &attempts);
        while (attempts == 0) {
            feed_some(&feed, 1);
            scheduler_settle(sim.scheduler);
        }
        uint64_t failures = stats_of(feed.kv).compaction_failures;
        assert_backs_off(&sim, &attempts, 1);
        assert_int_equal(stats_of(feed.kv).compaction_failures, failures + 12);
        uint64_t begun = micros_of(&sim);
        assert_int_equal(feed_until_refused(&feed, &error), STATUS_IO);
        assert_message_has(error, "waits for level 0 to be compacted, which failed: ");
        assert_message_has(error, "failpoint compaction_begin");
        assert_int_equal(micros_of(&sim) - begun,
                         (uint64_t)sim.options.stall_millis * 1000);
        feed_assert(&feed);
        fiu_disable("compaction_begin");
        assert_survives(&sim, 0);
        feed_some(&feed, 100); /* the first waits for the next attempt */
        scheduler_settle(sim.scheduler);
        assert_true(stats_of(feed.kv).compactions > 0);
    }
    feed_end(&feed, &sim);
}

static void a_flush_that_fails_is_tried_again(void **state) {
    (void)state;
    struct simulation sim;
    struct error error = {0};
    size_t attempts;
    upkeep_begin(&sim);
    struct feed feed = {.kv = open_store(&sim)};
    feed_some(&feed, 40);
    fail_point("table_sync", &attempts);
    uint64_t begun = micros_of(&sim);
    assert_int_equal(feed_until_refused(&feed, &error), STATUS_IO);
    assert_message_has(error,
                       "waits for a write buffer to be flushed, which failed: db/");
    assert_message_has(error, "failpoint table_sync");
    assert_int_equal(micros_of(&sim) - begun, (uint64_t)sim.options.stall_millis * 1000);
    assert_in_range(attempts, 12, 20); /* in 60 s */
    feed_assert(&feed);
    assert_int_equal(files_of(&sim).temporaries, 0);
    fiu_disable("table_sync");
    feed_some(&feed, 200);
    assert_int_equal(stats_of(feed.kv).sequence_issued, feed.count);
    fail_point("table_sync", &attempts);
    while (attempts == 0) {
        feed_some(&feed, 1);
        scheduler_settle(sim.scheduler);
    }
    assert_backs_off(&sim, &attempts, 1);
    fiu_disable("table_sync");
    scheduler_advance(sim.scheduler, 5000000);
    assert_true(stats_of(feed.kv).memtable_bytes < FEED_BUFFER_BYTES + 200);
    feed_end(&feed, &sim);
}

/* kv_flush tells its own failure at once, and tries whatever the pause is. */
static void a_flush_that_is_asked_for(void **state) {
    (void)state;
    struct simulation sim;
    struct error error = {0};
    size_t attempts;
    upkeep_begin(&sim);
    struct feed feed = {.kv = open_store(&sim)};
    feed_some(&feed, 5);
    fail_point("table_sync", &attempts);
    uint64_t begun = micros_of(&sim);
    for (size_t i = 1; i <= 5; i++) {
        assert_int_equal(kv_flush(feed.kv, &error), STATUS_IO);
        assert_message_has(error, "failpoint table_sync");
        assert_int_equal(attempts, i);
        assert_int_equal(micros_of(&sim), begun);
        feed_assert(&feed);
    }
    assert_backs_off(&sim, &attempts, 5);
    fiu_disable("table_sync");
    begun = micros_of(&sim);
    assert_ok(kv_flush(feed.kv, NULL));
    assert_int_equal(micros_of(&sim), begun);
    assert_int_equal(stats_of(feed.kv).memtable_entries, 0);
    assert_int_equal(stats_of(feed.kv).tables, 1);
    feed_end(&feed, &sim);
}

/* ---- no space -------------------------------------------------------------------- */

/* Writes to a disk that has only so much room left. Told is what was full. */
static void fill(size_t room, uint32_t stop_tables, size_t told[3]) {
    struct simulation sim;
    struct error error = {0};
    upkeep_begin(&sim);
    sim.options.level0_stop_tables = stop_tables;
    struct feed feed = {.kv = open_store(&sim)};
    feed_some(&feed, 150);
    scheduler_settle(sim.scheduler);
    disk_set_capacity(sim.disk, used_bytes(&sim) + room);
    uint64_t begun = micros_of(&sim);
    assert_int_equal(feed_until_refused(&feed, &error), STATUS_NO_SPACE);
    assert_message_has(error, "db/");
    told[strstr(error.message, "level 0") != NULL          ? 0
         : strstr(error.message, "a write buffer") != NULL ? 1
                                                           : 2]++;
    for (int i = 0; i < 3; i++) { /* as often as one likes */
        enum status status = feed_try(&feed, &error);
        assert_true(status == STATUS_OK || status == STATUS_NO_SPACE);
        scheduler_settle(sim.scheduler);
    }
    assert_int_equal(micros_of(&sim), begun);
    feed_assert(&feed);
    assert_int_equal(files_of(&sim).temporaries, 0);
    disk_set_capacity(sim.disk, SIZE_MAX);
    scheduler_advance(sim.scheduler, 5000000);
    uint64_t compactions = stats_of(feed.kv).compactions;
    feed_some(&feed, 200);
    scheduler_settle(sim.scheduler);
    assert_true(stats_of(feed.kv).compactions > compactions);
    feed_end(&feed, &sim);
}

static void no_space_is_told_at_once(void **state) {
    (void)state;
    size_t told[3] = {0};
    for (size_t room = 0; room < 30000; room += 613) {
        fill(room, room % 2 == 0 ? 2 : 4, told);
    }
    printf("compactions %zu, flushes %zu, logs %zu\n", told[0], told[1], told[2]);
    assert_true(told[0] > 0 && told[1] > 0);
}

/* ---- a damaged table ------------------------------------------------------------- */

/* A key has its newest value, or the damage of that table is told. How many have. */
static size_t read_around(struct feed *feed, const char *path) {
    struct error error = {0};
    struct buf found = {0};
    size_t readable = 0;
    for (uint64_t i = 0; i < FEED_KEYS; i++) {
        char key[24], value[FEED_VALUE_BYTES + 1];
        enum status status = kv_get(feed->kv, feed_key(key, i), &found, NULL, &error);
        if (status == STATUS_OK) {
            assert_true(
                slice_equal(buf_slice(&found), feed_value(value, feed->latest[i])));
            readable++;
        } else {
            assert_int_equal(status, STATUS_CORRUPT);
            assert_message_has(error, path);
        }
    }
    buf_free(&found);
    return readable;
}

/* One that a compaction must read: it is told, the rest can be read, writers get on as
 * long as there is room and are told why there is none, attempts are few, and nothing
 * that was acknowledged is lost. */
static void a_damaged_input(void **state) {
    (void)state;
    struct simulation sim;
    struct error error = {0};
    upkeep_begin(&sim);
    sim.options.level0_tables = 100;
    sim.options.level0_stop_tables = 100;
    struct feed feed = {.kv = open_store(&sim)};
    feed_tables(&feed, 3);
    assert_ok(kv_close(feed.kv, NULL));
    struct files files = files_of(&sim);
    uint64_t number = FILES_MAX - 1; /* the newest: older versions are behind it */
    while (!files.table[number]) {
        number--;
    }
    char path[24];
    snprintf(path, sizeof path, "db/%06" PRIu64 ".ldb", number);
    assert_true(disk_flip_bit(sim.disk, path, 8 * 300));
    sim.options.level0_tables = 2;
    sim.options.level0_stop_tables = 5;
    feed.kv = open_store(&sim);
    feed_some(&feed, 1);
    scheduler_settle(sim.scheduler);
    assert_int_equal(stats_of(feed.kv).compaction_failures, 1);
    size_t readable = read_around(&feed, path);
    assert_true(readable > FEED_KEYS / 2 && readable < FEED_KEYS);
    for (uint64_t at = 1; at < 12; at++) { /* pauses of 50 ms to 5 s are 31.35 s */
        uint64_t pause = at > 7 ? 5000000 : UINT64_C(25000) << at;
        scheduler_advance(sim.scheduler, pause - 1);
        assert_int_equal(stats_of(feed.kv).compaction_failures, at);
        scheduler_advance(sim.scheduler, 1);
        assert_int_equal(stats_of(feed.kv).compaction_failures, at + 1);
    }
    assert_int_equal(feed_until_refused(&feed, &error), STATUS_CORRUPT);
    assert_message_has(error, "waits for level 0 to be compacted, which failed: ");
    assert_message_has(error, path);
    assert_message_has(error, "offset ");
    assert_int_equal(files_of(&sim).temporaries, 0);
    (void)read_around(&feed, path);
    assert_int_equal(kv_compact(feed.kv, (struct slice){0}, (struct slice){0}, &error),
                     STATUS_CORRUPT);
    assert_message_has(error, path);
    assert_true(disk_flip_bit(sim.disk, path, 8 * 300));
    scheduler_advance(sim.scheduler, 5000000);
    assert_true(stats_of(feed.kv).compactions > 0);
    feed_some(&feed, 200);
    feed_end(&feed, &sim);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writers_wait_and_get_on),
        cmocka_unit_test(a_slow_compaction_is_waited_for_so_long),
        cmocka_unit_test(writers_are_slowed_down),
        cmocka_unit_test(a_compaction_that_fails_is_tried_again),
        cmocka_unit_test(a_flush_that_fails_is_tried_again),
        cmocka_unit_test(a_flush_that_is_asked_for),
        cmocka_unit_test(no_space_is_told_at_once),
        cmocka_unit_test(a_damaged_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
