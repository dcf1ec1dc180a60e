/* What compactions leave: which tables are there, and when their files go; what a
 * person's compact does; what statistics say. On simulated threads, clock and disk. */
#include "upkeep.h"

#include "current.h"
#include "internal_key.h"
#include "manifest.h"

static const struct slice no_bound = {0};

/* ---- open ------------------------------------------------------------------------ */

/* Level 0 is full from the start, and nothing happens to it until somebody writes. */
static void who_only_reads_starts_nothing(void **state) {
    (void)state;
    struct simulation sim;
    upkeep_begin(&sim);
    sim.options.level0_tables = 100;
    sim.options.compaction_threads = 3;
    struct feed feed = {.kv = open_store(&sim)};
    feed_tables(&feed, 4);
    assert_ok(kv_close(feed.kv, NULL));
    sim.options.level0_tables = 2;
    sim.options.level0_stop_tables = 100;
    feed.kv = open_store(&sim);
    struct iter *iter = NULL;
    size_t operations = disk_operations(sim.disk);
    size_t objects = scheduler_objects(sim.scheduler);
    feed_assert(&feed);
    assert_ok(kv_iter(feed.kv, NULL, &iter, NULL));
    assert_true(count_forwards(iter) > 0);
    iter_close(iter);
    assert_ok(kv_sync(feed.kv, NULL));
    assert_ok(kv_flush(feed.kv, NULL)); /* of nothing */
    scheduler_advance(sim.scheduler, 100 * 1000000);
    assert_int_equal(disk_operations(sim.disk), operations);
    assert_int_equal(scheduler_objects(sim.scheduler), objects);
    assert_int_equal(stats_of(feed.kv).levels[0].tables, 4);
    feed_some(&feed, 1);
    assert_true(scheduler_objects(sim.scheduler) >= objects + 1 + 3);
    scheduler_settle(sim.scheduler);
    assert_int_equal(stats_of(feed.kv).levels[0].tables, 0);
    feed_end(&feed, &sim);
}

/* ---- close ----------------------------------------------------------------------- */

enum { MANY = 2000 };

static struct slice many_key(char text[24], size_t n) {
    snprintf(text, 24, "many-%05zu", n);
    return slice_of(text);
}

/* Four tables of level 0, each over the whole of many keys. */
static void write_many(struct simulation *sim) {
    struct kv *kv = open_store(sim);
    for (size_t i = 0; i < 4; i++) {
        for (size_t n = i; n < MANY; n += 4) {
            char key[24], value[FEED_VALUE_BYTES + 1];
            assert_ok(kv_put(kv, many_key(key, n), feed_value(value, n), NULL, NULL));
        }
        assert_ok(kv_flush(kv, NULL));
    }
    assert_ok(kv_close(kv, NULL));
}

static void assert_many(struct kv *kv) {
    struct iter *iter = NULL;
    size_t n = 0;
    assert_ok(kv_iter(kv, NULL, &iter, NULL));
    for (iter_first(iter); iter->valid && n < MANY; iter_next(iter), n++) {
        char key[24], value[FEED_VALUE_BYTES + 1];
        assert_true(slice_equal(iter->key, many_key(key, n)));
        assert_true(slice_equal(iter->value, feed_value(value, n)));
    }
    assert_int_equal(n, MANY);
    iter_close(iter);
}

/* The compaction has some outputs, and waits for its rate: the close cuts it off, at
 * once, and nothing of it is left. */
static void a_close_cuts_a_compaction_off(void **state) {
    (void)state;
    for (uint64_t seconds = 0; seconds < 60; seconds += 3) {
        struct simulation sim;
        upkeep_begin(&sim);
        sim.options.write_buffer_bytes = 1 << 20;
        sim.options.level0_tables = 100;
        write_many(&sim);
        struct files before = files_of(&sim);
        assert_int_equal(before.tables, 4);
        sim.options.level0_tables = 2;
        sim.options.compaction_bytes_per_second = 1000;
        struct kv *kv = open_store(&sim);
        assert_ok(kv_delete(kv, slice_of("zzz"), NULL, NULL));
        scheduler_settle(sim.scheduler);
        scheduler_advance(sim.scheduler, seconds * 1000000);
        assert_true(files_of(&sim).temporaries > 0);
        assert_int_equal(stats_of(kv).compactions, 1); /* the oldest has moved */
        assert_int_equal(stats_of(kv).tables_moved, 1);
        uint64_t begun = micros_of(&sim);
        assert_ok(kv_close(kv, NULL));
        assert_int_equal(micros_of(&sim), begun);
        struct files after = files_of(&sim);
        assert_int_equal(after.temporaries, 0);
        assert_memory_equal(after.table, before.table, sizeof after.table);
        sim.options.compaction_bytes_per_second = 0;
        kv = open_store(&sim);
        assert_many(kv);
        assert_ok(kv_compact(kv, no_bound, no_bound, NULL));
        assert_many(kv);
        assert_ok(kv_close(kv, NULL));
        assert_verified(&sim);
        simulation_end(&sim);
    }
}

/* ---- obsolete tables ------------------------------------------------------------- */

/* The files that an iterator may read stay as long as it is open, and go soon after; with
 * `close`, they go when the store is closed, if no sweep comes before. */
static void watch_obsolete(bool close, bool second) {
    struct simulation sim;
    struct iter *iters[2] = {0};
    upkeep_begin(&sim);
    sim.options.block_cache_bytes = 0;
    sim.options.max_open_files = 1;
    sim.options.level0_tables = 100;
    sim.options.level0_stop_tables = 100;
    struct feed feed = {.kv = open_store(&sim)};
    feed_tables(&feed, 4);
    for (int i = 0; i <= second; i++) {
        assert_ok(kv_iter(feed.kv, NULL, &iters[i], NULL));
    }
    size_t count = count_forwards(iters[0]);
    struct files before = files_of(&sim);
    assert_int_equal(before.tables, 4);
    feed_some(&feed, 30);
    assert_ok(kv_compact(feed.kv, no_bound, no_bound, NULL));
    for (int i = 0; i < 3; i++) {
        scheduler_advance(sim.scheduler, 10 * 1000000);
        struct files now = files_of(&sim);
        for (size_t number = 0; number < FILES_MAX; number++) {
            assert_true(!before.table[number] || now.table[number]);
        }
        assert_int_equal(stats_of(feed.kv).obsolete_tables, 4);
        assert_int_equal(now.tables, stats_of(feed.kv).tables + 4);
        assert_int_equal(count_forwards(iters[0]), count);
        if (second && i == 1) {
            iter_close(iters[0]);
            iters[0] = iters[1];
        }
    }
    uint64_t tables = stats_of(feed.kv).tables;
    iter_close(iters[0]);
    if (close) {
        assert_ok(kv_close(feed.kv, NULL));
        assert_int_equal(files_of(&sim).tables, tables);
        feed.kv = open_store(&sim);
    } else {
        scheduler_advance(sim.scheduler, 1000000);
        assert_int_equal(stats_of(feed.kv).obsolete_tables, 0);
        assert_int_equal(files_of(&sim).tables, tables);
    }
    feed_end(&feed, &sim);
}

static void tables_stay_while_they_are_read(void **state) {
    (void)state;
    watch_obsolete(false, false);
    watch_obsolete(false, true);
    watch_obsolete(true, false);
}

/* With nobody reading, no file outlives the compaction that replaced it. */
static void tables_that_nobody_reads_go_at_once(void **state) {
    (void)state;
    struct simulation sim;
    upkeep_begin(&sim);
    struct feed feed = {.kv = open_store(&sim)};
    for (int i = 0; i < 20; i++) {
        feed_some(&feed, 40);
        scheduler_settle(sim.scheduler);
        struct kv_stats stats = stats_of(feed.kv);
        assert_int_equal(stats.obsolete_tables, 0);
        assert_int_equal(files_of(&sim).tables, stats.tables);
    }
    assert_true(stats_of(feed.kv).compactions > 5);
    feed_end(&feed, &sim);
}

/* ---- compact --------------------------------------------------------------------- */

static void grow(struct feed *feed, struct simulation *sim, uint64_t puts) {
    for (; puts > 0; puts -= 20) {
        feed_some(feed, 20);
        scheduler_settle(sim->scheduler);
    }
}

static void nothing_is_left_of_what_was_deleted(void **state) {
    (void)state;
    for (int moved = 0; moved < 2; moved++) {
        struct simulation sim;
        upkeep_begin(&sim);
        sim.options.write_buffer_bytes = 1024; /* level 1 holds 2 KiB */
        sim.options.table_bytes = 1024;
        struct feed feed = {.kv = open_store(&sim)};
        grow(&feed, &sim, 400);
        feed_assert(&feed);
        if (moved) {
            assert_ok(kv_compact(feed.kv, no_bound, no_bound, NULL));
        }
        feed_delete_all(&feed);
        if (moved) { /* into tables of their own, above what they hide */
            assert_ok(kv_flush(feed.kv, NULL));
        }
        feed_assert(&feed);
        assert_ok(kv_compact(feed.kv, no_bound, no_bound, NULL));
        struct kv_stats stats = stats_of(feed.kv);
        assert_int_equal(stats.tables, 0);
        assert_int_equal(stats.table_bytes, 0);
        assert_true(stats.tombstones_dropped > 0);
        assert_int_equal(files_of(&sim).tables, 0);
        feed_end(&feed, &sim);
    }
}

struct found_table {
    bool there, near;
    unsigned level;
};

/* What the manifest says of tables: whether each has keys in [from, to). */
static void find_tables(struct simulation *sim, struct slice from, struct slice to,
                        struct found_table found[FILES_MAX]) {
    struct manifest_state state = {0};
    struct manifest_tail tail;
    struct current current;
    assert_ok(current_read("db", &sim->world, &current, NULL));
    assert_ok(manifest_load("db", &sim->world, current.number, &state, &tail, NULL));
    memset(found, 0, FILES_MAX * sizeof *found);
    for (size_t i = 0; i < state.table_count; i++) {
        const struct table_meta *meta = &state.tables[i]->meta;
        struct slice smallest = internal_key_user(buf_slice(&meta->smallest));
        struct slice largest = internal_key_user(buf_slice(&meta->largest));
        found[meta->number] = (struct found_table){
            true, slice_compare(largest, from) >= 0 && slice_compare(smallest, to) < 0,
            state.tables[i]->level};
    }
    manifest_state_free(&state);
}

/* Three keys in the midst of many, with two levels below: tables that are not near them
 * stay the files that they are, on both. A table has four keys or so. */
static void a_stretch_leaves_the_rest_alone(void **state) {
    (void)state;
    struct simulation sim;
    static struct found_table before[FILES_MAX], after[FILES_MAX];
    char texts[4][24];
    struct slice from = feed_key(texts[0], 30), to = feed_key(texts[1], 33);
    struct slice near_from = feed_key(texts[2], 18), near_to = feed_key(texts[3], 45);
    size_t alone[KV_LEVELS] = {0}, replaced = 0;
    upkeep_begin(&sim);
    sim.options.level0_tables = 1;
    sim.options.write_buffer_bytes = 2048;
    sim.options.table_bytes = 512;
    sim.options.block_bytes = 256;
    struct feed feed = {.kv = open_store(&sim)};
    for (size_t more = 320; stats_of(feed.kv).levels[1].tables < 3; more = 20) {
        grow(&feed, &sim, more);
        assert_ok(kv_flush(feed.kv, NULL));
        scheduler_settle(sim.scheduler);
    }
    sim.options.write_buffer_bytes = 1 << 20; /* level 1 is far from full */
    feed_reopen(&feed, &sim);
    assert_int_equal(stats_of(feed.kv).levels[0].tables, 0);
    for (uint64_t n = 30; n < 33; n++) {
        char key[24], value[FEED_VALUE_BYTES + 1];
        feed.latest[n] = 9000 + n;
        assert_ok(
            kv_put(feed.kv, feed_key(key, n), feed_value(value, 9000 + n), NULL, NULL));
    }
    find_tables(&sim, near_from, near_to, before);
    assert_ok(kv_compact(feed.kv, from, to, NULL));
    find_tables(&sim, near_from, near_to, after);
    for (size_t i = 0; i < FILES_MAX; i++) {
        if (before[i].there && !before[i].near) {
            assert_true(after[i].there);
            assert_int_equal(after[i].level, before[i].level);
            alone[before[i].level]++;
        }
        replaced += before[i].there && !after[i].there;
    }
    printf("left alone: %zu of level 1, %zu of level 2; %zu replaced\n", alone[1],
           alone[2], replaced);
    assert_true(alone[1] > 0 && alone[2] > 3 && replaced > 0);
    assert_int_equal(stats_of(feed.kv).levels[0].tables, 0);
    feed_end(&feed, &sim);
}

/* A compaction that somebody asks for tells its failure, and works when asked again. */
static void a_compact_that_fails(void **state) {
    (void)state;
    struct simulation sim;
    struct error error = {0};
    size_t attempts;
    upkeep_begin(&sim);
    struct feed feed = {.kv = open_store(&sim)};
    feed_some(&feed, 20);
    assert_ok(kv_flush(feed.kv, NULL));
    feed_some(&feed, 20);
    fail_point("compaction_begin", &attempts);
    uint64_t begun = micros_of(&sim);
    for (size_t i = 1; i <= 3; i++) {
        assert_int_equal(kv_compact(feed.kv, no_bound, no_bound, &error), STATUS_IO);
        assert_message_has(error, "failpoint compaction_begin");
        assert_true(attempts >= i);
    }
    fiu_disable("compaction_begin");
    assert_ok(kv_compact(feed.kv, no_bound, no_bound, NULL));
    assert_int_equal(micros_of(&sim), begun);
    assert_int_equal(stats_of(feed.kv).levels[0].tables, 0);
    feed_end(&feed, &sim);
}

/* ---- statistics ------------------------------------------------------------------ */

static void assert_adds_up(struct feed *feed, uint64_t user_bytes) {
    struct kv_stats stats = stats_of(feed->kv);
    uint64_t read = 0, written = 0, compactions = 0, tables = 0, bytes = 0, micros = 0;
    for (size_t i = 0; i < KV_LEVELS; i++) {
        read += stats.levels[i].read_bytes;
        written += stats.levels[i].written_bytes;
        compactions += stats.levels[i].compactions;
        micros += stats.levels[i].micros;
        tables += stats.levels[i].tables;
        bytes += stats.levels[i].bytes;
    }
    assert_int_equal(read, stats.compaction_read_bytes);
    assert_int_equal(written, stats.compaction_written_bytes);
    assert_int_equal(compactions, stats.compactions);
    assert_int_equal(micros, stats.compaction_micros);
    assert_int_equal(tables, stats.tables);
    assert_int_equal(bytes, stats.table_bytes);
    assert_int_equal(stats.levels[0].compactions, 0);
    assert_int_equal(stats.write_bytes, user_bytes);
    /* What came and did not go is there; a table that moves does neither. */
    assert_int_equal(stats.flush_bytes + written - read, stats.table_bytes);
}

static void statistics_add_up(void **state) {
    (void)state;
    struct simulation sim;
    upkeep_begin(&sim);
    sim.options.write_buffer_bytes = 1024;
    sim.options.table_bytes = 1024;
    struct feed feed = {.kv = open_store(&sim)};
    uint64_t bytes = 0;
    for (int i = 0; i < 40; i++) {
        feed_some(&feed, 20);
        bytes += 20 * (7 + FEED_VALUE_BYTES);
        scheduler_settle(sim.scheduler);
        assert_adds_up(&feed, bytes);
    }
    for (int i = 0; i < 5; i++) { /* ascending keys: their tables move */
        for (int j = 0; j < 20; j++) {
            char key[40];
            snprintf(key, sizeof key, "later-%02d-%02d", i, j);
            assert_ok(kv_put(feed.kv, slice_of(key), slice_of(key), NULL, NULL));
            bytes += 2 * strlen(key);
        }
        scheduler_settle(sim.scheduler);
        assert_adds_up(&feed, bytes);
    }
    struct kv_stats stats = stats_of(feed.kv);
    printf("%" PRIu64 " compactions, %" PRIu64 " moved\n", stats.compactions,
           stats.tables_moved);
    assert_true(stats.levels[2].tables > 0 && stats.levels[2].compactions > 0);
    assert_true(stats.tables_moved > 0);
    feed_end(&feed, &sim);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_only_reads_starts_nothing),
        cmocka_unit_test(a_close_cuts_a_compaction_off),
        cmocka_unit_test(tables_stay_while_they_are_read),
        cmocka_unit_test(tables_that_nobody_reads_go_at_once),
        cmocka_unit_test(nothing_is_left_of_what_was_deleted),
        cmocka_unit_test(a_stretch_leaves_the_rest_alone),
        cmocka_unit_test(a_compact_that_fails),
        cmocka_unit_test(statistics_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
