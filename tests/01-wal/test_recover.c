/* Recovery, through the store: what it keeps is durable before open returns, and nothing
 * is written where nothing is wrong.
 *
 * tidy: long because recovery is one idea with many ways to get it wrong. */
#include "simulation.h"

#include "recover.h"

/* A database directory whose logs the test places. */
static void begin(struct simulation *sim) {
    simulation_begin(sim);
    disk_put_file(sim->disk, "db/LOCK", slice_of(""));
}

static void assert_opens_with(struct simulation *sim, uint64_t last) {
    struct kv *kv = open_store(sim);
    assert_numbers(kv, last);
    struct kv_progress progress;
    kv_progress(kv, &progress);
    assert_int_equal(progress.durable, last); /* all of it, before open returned */
    assert_ok(kv_close(kv, NULL));
}

static void assert_refused(struct simulation *sim, const char *words) {
    struct kv *kv = NULL;
    struct error error = {0};
    uint64_t before = disk_fingerprint(sim->disk);
    assert_int_equal(kv_open("db", &sim->options, &kv, &error), STATUS_CORRUPT);
    assert_message_has(error, words);
    assert_true(disk_fingerprint(sim->disk) == before);
}

/* Opens, and dies at once without closing. */
static void open_and_die(struct simulation *sim, bool power, bool keep) {
    struct kv *kv = open_store(sim);
    (void)kv;
    if (power) {
        lose_power(sim, keep);
    } else {
        disk_kill(sim->disk);
    }
    scheduler_kill(sim->scheduler);
    counted_memory_reclaim();
    scheduler_free(sim->scheduler);
    sim->scheduler = scheduler_new(NULL, NULL);
    sim->world.threads = scheduler_threads(sim->scheduler);
    sim->world.clock = scheduler_clock(sim->scheduler);
}

static void test_clean_close_writes_nothing(void **state) {
    (void)state;
    struct simulation sim;
    simulation_begin(&sim);
    sim.options.log_bytes = 200; /* several logs */
    struct kv *kv = open_store(&sim);
    for (uint64_t i = 1; i <= 20; i++) {
        put_number(kv, i, DURABILITY_NONE);
    }
    assert_ok(kv_close(kv, NULL));
    uint64_t before = disk_fingerprint(sim.disk);
    size_t operations = disk_operations(sim.disk);
    for (int i = 0; i < 3; i++) {
        assert_opens_with(&sim, 20);
    }
    assert_int_equal(disk_operations(sim.disk), operations);
    assert_true(disk_fingerprint(sim.disk) == before);
    simulation_end(&sim);
}

static void test_continues_behind_the_last_change(void **state) {
    (void)state;
    struct simulation sim;
    struct buf expected = {0};
    assert_ok(buf_reserve(&expected, 1));
    simulation_begin(&sim);
    struct kv *kv = open_store(&sim);
    put_number(kv, 1, DURABILITY_ALWAYS);
    assert_ok(kv_close(kv, NULL));
    kv = open_store(&sim);
    put_number(kv, 2, DURABILITY_ALWAYS);
    assert_ok(kv_close(kv, NULL));
    add_mark(&expected, 1);
    add_puts(&expected, 1, 1);
    add_mark(&expected, 2);
    add_puts(&expected, 2, 2);
    add_mark(&expected, 3);
    assert_true(slice_equal(file_bytes(&sim, "db/000001.log"), buf_slice(&expected)));
    assert_false(has_file(&sim, "db/000002.log"));
    simulation_end(&sim);
    buf_free(&expected);
}

/* The opening reads the log once, and each lookup of this stage once more. */
static void test_replays_are_counted(void **state) {
    (void)state;
    struct simulation sim;
    struct kv_stats stats;
    simulation_begin(&sim);
    struct kv *kv = open_store(&sim);
    put_number(kv, 1, DURABILITY_ALWAYS);
    assert_ok(kv_close(kv, NULL));
    size_t bytes = file_bytes(&sim, "db/000001.log").length;
    kv = open_store(&sim);
    kv_stats(kv, &stats);
    assert_int_equal(stats.replayed_bytes, bytes);
    assert_true(has_number(kv, 1));
    kv_stats(kv, &stats);
    /* up to where the next write goes: over the mark of the close */
    assert_int_equal(stats.replayed_bytes, 2 * bytes - LOG_MARK_BYTES);
    assert_ok(kv_close(kv, NULL));
    simulation_end(&sim);
}

/* What no mark claims is written anew and synced: a failed sync before the crash may have
 * left pages that can be read and are not on the disk. */
static void test_unmarked_changes_are_rewritten(void **state) {
    (void)state;
    struct simulation sim;
    struct buf log = {0};
    begin(&sim);
    add_mark(&log, 1);
    add_puts(&log, 1, 3);
    add_mark(&log, 3);
    size_t kept = log.length;
    add_puts(&log, 4, 6);
    place_log(&sim, 1, &log);
    struct kv *kv = open_store(&sim);
    struct kv_stats stats;
    kv_stats(kv, &stats);
    assert_int_equal(stats.recovered_changes, 6);
    assert_int_equal(stats.recovered_rewritten, 4);
    assert_numbers(kv, 6);
    assert_true(has_file(&sim, "db/000002.log"));
    assert_true(file_bytes(&sim, "db/000001.log").length < kept);
    assert_ok(kv_close(kv, NULL));
    lose_power(&sim, false);
    assert_opens_with(&sim, 6);
    simulation_end(&sim);
}

static bool is_stopped(struct kv *kv) {
    struct kv_progress progress;
    kv_progress(kv, &progress);
    return progress.stopped;
}

/* A sync fails, its pages stay readable, the process goes on by reopening; then the power
 * goes. What the reopened store served must be there. */
static void test_pages_that_were_never_written(void **state) {
    (void)state;
    struct simulation sim;
    struct kv_write_options always = {.durability = DURABILITY_ALWAYS};
    simulation_begin(&sim);
    struct kv *kv = open_store(&sim);
    put_number(kv, 1, DURABILITY_ALWAYS);
    put_number(kv, 2, DURABILITY_NONE);
    fail_call(&sim, 2, FAULT_BEFORE, EIO, false);
    assert_false(is_stopped(kv));
    assert_int_equal(kv_put(kv, slice_of("k3"), slice_of("v3"), &always, NULL),
                     STATUS_IO);
    assert_true(is_stopped(kv));
    assert_string_equal(disk_fault_struck(sim.disk), "sync db/000001.log");
    assert_int_equal(kv_close(kv, NULL), STATUS_IO);
    fail_nothing(&sim);
    kv = open_store(&sim);
    assert_numbers(kv, 3);
    lose_power(&sim, false);
    scheduler_kill(sim.scheduler);
    counted_memory_reclaim();
    scheduler_free(sim.scheduler);
    sim.scheduler = scheduler_new(NULL, NULL);
    sim.world.threads = scheduler_threads(sim.scheduler);
    sim.world.clock = scheduler_clock(sim.scheduler);
    assert_opens_with(&sim, 3);
    simulation_end(&sim);
}

/* Recovery is cut off before each of its operations, and the power takes all that was not
 * synced, or nothing; the next open may be cut off too. What the old log never had synced
 * vanishes with it, so the newer log's copy is all there is. */
static void test_cut_off_anywhere(void **state) {
    (void)state;
    struct simulation sim;
    struct buf log = {0};
    begin(&sim);
    add_mark(&log, 1);
    add_puts(&log, 1, 4);
    place_log(&sim, 1, &log);
    add_mark(&log, 3);
    add_puts(&log, 5, 6);
    add_bytes(&log, "damage", 6);
    place_log(&sim, 2, &log);
    struct disk *start = sim.disk;
    size_t from = disk_operations(start);
    struct kv *kv = open_store(&sim);
    size_t to = disk_operations(start);
    assert_true(to - from > 6);
    assert_numbers(kv, 6);
    assert_ok(kv_close(kv, NULL));
    for (size_t at = from; at <= to; at++) {
        for (int keep = 0; keep < 2; keep++) {
            struct crash crash = {.profile = DISK_POSIX, .operation = at};
            memset(crash.fates, keep ? FATE_KEPT : FATE_LOST, sizeof crash.fates);
            simulation_use(&sim, disk_crash(start, &crash));
            assert_opens_with(&sim, 6);
            disk_free(sim.disk);
        }
    }
    simulation_use(&sim, start);
    simulation_end(&sim);
}

/* Open rewrites the tail of log 1 into log 2; the process dies before the trim; the next
 * open sees both; then the power goes and log 1 loses what was never synced. */
static void test_the_old_tail_vanishes_later(void **state) {
    (void)state;
    for (int dies = 0; dies < 20; dies++) {
        struct simulation sim;
        simulation_begin(&sim);
        struct kv *kv = open_store(&sim);
        put_number(kv, 1, DURABILITY_ALWAYS);
        put_number(kv, 2, DURABILITY_NONE);
        put_number(kv, 3, DURABILITY_NONE);
        fail_call(&sim, 1, FAULT_BEFORE, EIO, false);
        assert_int_equal(kv_sync(kv, NULL),
                         STATUS_IO); /* 2 and 3 will never be written */
        assert_int_equal(kv_close(kv, NULL), STATUS_IO);
        /* The n-th call of recovery fails: it stops there. */
        fail_call(&sim, (size_t)dies + 1, FAULT_BEFORE, EIO, true);
        struct kv *cut_off = NULL;
        if (kv_open("db", &sim.options, &cut_off, NULL) == STATUS_OK) {
            fail_nothing(&sim);
            enum status closed = kv_close(cut_off, NULL);
            (void)closed;
        }
        fail_nothing(&sim);
        kv = open_store(&sim);
        assert_numbers(kv, 3);
        assert_ok(kv_close(kv, NULL));
        lose_power(&sim, false);
        assert_opens_with(&sim, 3);
        simulation_end(&sim);
    }
}

static void test_repeatedly(void **state) {
    (void)state;
    struct simulation sim;
    struct buf log = {0};
    begin(&sim);
    add_mark(&log, 1);
    add_puts(&log, 1, 5);
    place_log(&sim, 1, &log);
    for (int i = 0; i < 6; i++) {
        counted_memory_mark();
        open_and_die(&sim, i % 3 != 0, i % 2 == 0);
    }
    assert_opens_with(&sim, 5);
    simulation_end(&sim);
}

static void test_unsynced_tail_is_dropped(void **state) {
    (void)state;
    struct simulation sim;
    struct buf log = {0};
    begin(&sim);
    add_mark(&log, 1);
    add_puts(&log, 1, 2);
    add_mark(&log, 3);
    size_t whole = log.length;
    add_bytes(&log, "torn away", 9);
    place_log(&sim, 1, &log);
    struct kv *kv = open_store(&sim);
    struct kv_stats stats;
    kv_stats(kv, &stats);
    assert_int_equal(stats.recovered_dropped_bytes, 9);
    assert_int_equal(stats.replayed_bytes, 2 * whole); /* steps 1 and 2 */
    put_number(kv, 3, DURABILITY_ALWAYS); /* in a new log: never behind a damaged tail */
    assert_true(has_file(&sim, "db/000002.log"));
    assert_ok(kv_close(kv, NULL));
    assert_opens_with(&sim, 3);
    simulation_end(&sim);
}

static void test_damage_below_a_mark(void **state) {
    (void)state;
    struct simulation sim;
    struct buf log = {0};
    begin(&sim);
    add_mark(&log, 1);
    add_puts(&log, 1, 2);
    add_mark(&log, 3);
    log.data[40] ^= 4;
    place_log(&sim, 1, &log);
    assert_refused(&sim, "db/000001.log: offset 26: checksum mismatch");
    simulation_end(&sim);
}

static void test_a_missing_log(void **state) {
    (void)state;
    struct simulation sim;
    struct buf log = {0};
    begin(&sim);
    add_mark(&log, 3);
    add_puts(&log, 3, 4);
    add_mark(&log, 5);
    place_log(&sim, 2, &log);
    assert_refused(&sim, "db/000002.log");
    simulation_end(&sim);
}

/* A log of LevelDB that begins later continues tables that are elsewhere. */
static void test_foreign_logs(void **state) {
    (void)state;
    struct simulation sim;
    struct buf log = {0};
    simulation_begin(&sim);
    add_puts(&log, 7, 9);
    place_log(&sim, 5, &log);
    assert_refused(&sim, "db/000005.log: offset 0");
    assert_false(has_file(&sim, "db/LOCK"));
    add_puts(&log, 1, 9);
    add_bytes(&log, "\1\2\3", 3); /* a last record cut short is nothing unusual */
    place_log(&sim, 5, &log);
    assert_opens_with(&sim, 9);
    assert_opens_with(&sim, 9);
    simulation_end(&sim);
}

static void test_empty_logs_go(void **state) {
    (void)state;
    struct simulation sim;
    struct buf log = {0};
    begin(&sim);
    add_mark(&log, 1);
    add_puts(&log, 1, 2);
    place_log(&sim, 1, &log);
    place_log(&sim, 2, &log); /* no byte */
    add_zeros(&log, 4096);
    place_log(&sim, 3, &log);
    add_mark(&log, 1);
    place_log(&sim, 4, &log);
    assert_opens_with(&sim, 2);
    assert_false(has_file(&sim, "db/000001.log")); /* rewritten whole */
    assert_false(has_file(&sim, "db/000002.log"));
    assert_false(has_file(&sim, "db/000003.log"));
    assert_false(has_file(&sim, "db/000004.log"));
    assert_true(has_file(&sim, "db/000005.log"));
    simulation_end(&sim);
}

/* The logs of a manifest that counts changes in them: behind 4, and some up to 12. */
static struct recovery recover_counted(struct simulation *sim) {
    struct wal *wal = NULL;
    struct directory directory;
    struct recovery recovery;
    struct error error = {0};
    struct replay_options which = replay_everything;
    which.behind = 12;
    which.begins_before = true;
    assert_ok(directory_open(&directory, "db", &sim->options, NULL));
    if (recover(&directory, &sim->options, &which, NULL, NULL, &wal, &recovery, &error) !=
        STATUS_OK) {
        fail_msg("%s", error.message);
    }
    wal_abandon(wal);
    directory_close(&directory);
    return recovery;
}

/* Where the chain begins is what the oldest log says, so none may go before a later one:
 * in every state after a loss of power it begins where it did. */
static void test_logs_go_from_the_newest(void **state) {
    (void)state;
    struct simulation sim;
    uint64_t seed = test_seed();
    size_t states = 0, fewer = 0;
    begin(&sim);
    for (uint64_t log = 1; log <= 3; log++) {
        struct buf bytes = {0};
        add_puts(&bytes, 4 * log + 1, 4 * log + 4);
        place_log(&sim, log, &bytes);
    }
    size_t from = disk_operations(sim.disk);
    struct recovery first = recover_counted(&sim);
    assert_int_equal(first.base, 4);
    assert_int_equal(first.last, 16);
    for (size_t at = from; at <= disk_operations(sim.disk); at++) {
        struct exploration exploration;
        disk_explore_begin(&exploration, DISK_POSIX, at);
        for (int i = 0; i < 80 && disk_explore_next(sim.disk, &exploration, &seed); i++) {
            struct simulation after = sim;
            simulation_use(&after, disk_crash(sim.disk, &exploration.crash));
            after.options.world = &after.world;
            fewer +=
                !has_file(&after, "db/000003.log") && has_file(&after, "db/000001.log");
            struct recovery again = recover_counted(&after);
            assert_int_equal(again.base, 4);
            assert_int_equal(again.last, 16);
            disk_free(after.disk);
            states++;
        }
    }
    printf("%zu states, %zu with some of the logs\n", states, fewer);
    assert_in_range(fewer, 5, states - 5);
    simulation_end(&sim);
}

/* Opens what a loss of power left: changes 1 … `kept` of the first life, then at least
 * `least` of the second one's 11 and 12, and nothing that recovery once dropped. */
static void assert_of_lives(struct simulation *sim, uint64_t kept, uint64_t least) {
    struct kv_progress progress;
    struct kv *kv = open_store(sim);
    kv_progress(kv, &progress);
    assert_in_range(progress.written, kept + least, kept + 2);
    for (uint64_t i = 1; i <= 2; i++) {
        if (has_number(kv, i) != (i <= kept)) {
            fail_msg("k%" PRIu64 ", where recovery had kept %" PRIu64, i, kept);
        }
        assert_int_equal(has_number(kv, 10 + i), kept + i <= progress.written);
    }
    assert_ok(kv_close(kv, NULL));
}

/* The second life: recovery, then a durable change and one that is not. The power goes at
 * any of its operations; of what is pending a first part is kept, one piece shows what an
 * older log held, the rest is lost. Counts the states; *drops: recovery dropped all. */
static size_t live_again(struct simulation *sim, bool *drops) {
    struct kv_stats stats;
    struct kv_progress progress;
    struct disk *disk = sim->disk;
    size_t states = 0;
    struct kv *kv = open_store(sim);
    kv_stats(kv, &stats);
    kv_progress(kv, &progress);
    *drops = progress.written == 0 && stats.recovered_dropped_bytes > 0;
    size_t opened = disk_operations(disk);
    put_number(kv, 11, DURABILITY_ALWAYS);
    size_t synced = disk_operations(disk);
    put_number(kv, 12, DURABILITY_NONE);
    size_t written = disk_operations(disk);
    assert_ok(kv_close(kv, NULL));
    for (size_t at = opened; at <= written; at++) {
        struct crash crash = {.profile = DISK_POSIX, .operation = at};
        size_t pieces = disk_pending(disk, DISK_POSIX, at);
        assert_in_range(pieces, 0, CRASH_PIECES_MAX - 1);
        for (size_t stale = 0; stale < pieces; stale++, states++) {
            memset(crash.fates, FATE_LOST, sizeof crash.fates);
            memset(crash.fates, FATE_KEPT, stale);
            crash.fates[stale] = FATE_STALE;
            simulation_use(sim, disk_crash(disk, &crash));
            assert_of_lives(sim, progress.written, at >= synced);
            disk_free(sim->disk);
        }
    }
    simulation_use(sim, disk);
    return states;
}

/* The first of two logs loses its change, so the second one's is dropped. Its sequence is
 * given out again, and where the new change is lost the file system may show the old one.
 * Recovers all that a loss of power may leave of the two logs. */
static void test_what_is_dropped_never_comes_back(void **state) {
    (void)state;
    struct simulation sim;
    struct exploration first;
    size_t images = 0, states = 0, dropped = 0;
    simulation_begin(&sim);
    struct disk *disk = sim.disk;
    sim.options.log_bytes = 1; /* a log for each change */
    struct kv *kv = open_store(&sim);
    put_number(kv, 1, DURABILITY_NONE);
    put_number(kv, 2, DURABILITY_NONE);
    disk_explore_begin(&first, DISK_POSIX, disk_operations(disk));
    assert_ok(kv_close(kv, NULL));
    sim.options.log_bytes = kv_options_default().log_bytes;
    for (; disk_enumerate_next(disk, &first); images++) {
        bool drops;
        simulation_use(&sim, disk_crash(disk, &first.crash));
        states += live_again(&sim, &drops);
        dropped += drops;
        disk_free(sim.disk);
    }
    printf("%zu states; in %zu of %zu first lives all was dropped\n", states, dropped,
           images);
    assert_true(dropped > 0);
    simulation_use(&sim, disk);
    simulation_end(&sim);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clean_close_writes_nothing),
        cmocka_unit_test(test_continues_behind_the_last_change),
        cmocka_unit_test(test_replays_are_counted),
        cmocka_unit_test(test_unmarked_changes_are_rewritten),
        cmocka_unit_test(test_pages_that_were_never_written),
        cmocka_unit_test(test_cut_off_anywhere),
        cmocka_unit_test(test_the_old_tail_vanishes_later),
        cmocka_unit_test(test_repeatedly),
        cmocka_unit_test(test_unsynced_tail_is_dropped),
        cmocka_unit_test(test_damage_below_a_mark),
        cmocka_unit_test(test_a_missing_log),
        cmocka_unit_test(test_foreign_logs),
        cmocka_unit_test(test_empty_logs_go),
        cmocka_unit_test(test_logs_go_from_the_newest),
        cmocka_unit_test(test_what_is_dropped_never_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
