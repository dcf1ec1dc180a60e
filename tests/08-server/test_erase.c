/* Erasing everything: what is gone and what is not, whatever is held, fails or is cut
 * off. The crashes are in test_erase_crash, the races in test_erase_races. */
#include "erase.h"

#include <fiu-control.h>
#include <fiu.h>

static void note_file(void *context, const char *path) {
    size_t *tables = context;
    *tables += strstr(path, ".ldb") != NULL || strstr(path, ".dbtmp") != NULL;
}

static size_t table_files(struct simulation *sim) {
    size_t tables = 0;
    disk_list_files(sim->disk, note_file, &tables);
    return tables;
}

static void assert_nothing_of_before(struct kv *kv) {
    struct seen seen = look_at(kv);
    assert_int_equal(assert_first_of(&seen, 1, BEFORE), 0);
}

static void everything_goes_and_what_comes_stays(void **state) {
    (void)state;
    struct simulation sim;
    erase_begin(&sim);
    struct kv *kv = open_store(&sim);
    fill(&sim, kv);
    assert_true(table_files(&sim) > 2);
    assert_ok(kv_erase_all(kv, NULL));
    assert_nothing_of_before(kv);
    struct kv_stats stats = stats_of(kv);
    assert_int_equal(stats.tables, 0);
    assert_int_equal(stats.memtable_entries, 0);
    assert_int_equal(stats.sequence_durable, BEFORE);
    assert_int_equal(stats.obsolete_tables, 0);
    assert_int_equal(stats.log_files, 0);
    assert_int_equal(table_files(&sim), 0);
    put_numbers(kv, BEFORE + 1, BEFORE + 4, DURABILITY_NONE);
    assert_int_equal(stats_of(kv).sequence_written, BEFORE + 4);
    assert_ok(kv_flush(kv, NULL));
    put_numbers(kv, BEFORE + 5, BEFORE + AFTER, DURABILITY_NONE);
    for (int i = 0; i < 2; i++) {
        struct seen seen = look_at(kv);
        assert_false(assert_all_or_nothing(&seen, 0));
        assert_int_equal(assert_first_of(&seen, BEFORE + 1, BEFORE + AFTER),
                         BEFORE + AFTER);
        assert_ok(kv_close(kv, NULL));
        assert_verified(&sim);
        kv = open_store(&sim);
    }
    assert_ok(kv_erase_all(kv, NULL)); /* with what recovery found */
    assert_nothing_of_before(kv);
    assert_ok(kv_erase_all(kv, NULL)); /* nothing */
    assert_ok(kv_close(kv, NULL));
    kv = open_store(&sim);
    struct seen seen = look_at(kv);
    assert_int_equal(assert_first_of(&seen, 1, BEFORE + AFTER), 0);
    assert_int_equal(seen.sequence, BEFORE + AFTER);
    assert_ok(kv_close(kv, NULL));
    simulation_end(&sim);
}

/* The first that a new store does. */
static void of_nothing(void **state) {
    (void)state;
    struct simulation sim;
    erase_begin(&sim);
    struct kv *kv = open_store(&sim);
    assert_ok(kv_erase_all(kv, NULL));
    put_numbers(kv, 1, 3, DURABILITY_ALWAYS);
    assert_survives(&sim, 3);
    assert_ok(kv_close(kv, NULL));
    simulation_end(&sim);
}

/* Frozen buffers that cannot be flushed go, too, and writers get on. */
static void frozen_buffers_go(void **state) {
    (void)state;
    struct simulation sim;
    struct error error = {0};
    erase_begin(&sim);
    sim.options.write_buffer_bytes = 600;
    sim.options.stall_millis = 10;
    assert_int_equal(fiu_init(0), 0);
    struct kv *kv = open_store(&sim);
    fiu_enable("table_sync", 1, NULL, 0);
    uint64_t last = 0;
    while (try_number(kv, last + 1, &error) == STATUS_OK) {
        last++;
        assert_true(last < 2000);
    }
    assert_true(last > 10);
    fiu_disable("table_sync");
    assert_ok(kv_erase_all(kv, &error));
    assert_int_equal(stats_of(kv).memtable_entries, 0);
    assert_false(has_number(kv, 1));
    assert_false(has_number(kv, last));
    assert_ok(try_number(kv, 1, &error));
    scheduler_advance(sim.scheduler, 10000000);
    assert_false(has_number(kv, 2));
    assert_true(has_number(kv, 1));
    assert_ok(kv_close(kv, NULL));
    assert_verified(&sim);
    simulation_end(&sim);
}

/* It is in the middle of a table, at a thousand bytes a second. */
static void a_slow_compaction_is_not_waited_for(void **state) {
    (void)state;
    unsigned char value[1000];
    struct simulation sim;
    simulation_begin(&sim);
    sim.options.level0_tables = 2;
    sim.options.compaction_bytes_per_second = 1000;
    struct kv *kv = open_store(&sim);
    for (uint64_t i = 0; i < 600; i++) {
        char key[24];
        for (size_t j = 0; j < sizeof value; j++) { /* that do not compress */
            value[j] = (unsigned char)(i * j * j >> 3);
        }
        snprintf(key, sizeof key, "k%" PRIu64, i % 200);
        assert_ok(kv_put(kv, slice_of(key), slice_make(value, sizeof value), NULL, NULL));
        if (i % 200 == 199) {
            assert_ok(kv_flush(kv, NULL));
        }
    }
    scheduler_settle(sim.scheduler);
    assert_int_equal(table_files(&sim), 4); /* and what is being written */
    uint64_t compactions = stats_of(kv).compactions;
    uint64_t begun = clock_monotonic_micros(sim.world.clock);
    assert_ok(kv_erase_all(kv, NULL));
    assert_in_range(clock_monotonic_micros(sim.world.clock) - begun, 0, 1000000);
    assert_int_equal(table_files(&sim), 0);
    assert_int_equal(stats_of(kv).compactions, compactions); /* it was cut off */
    assert_int_equal(stats_of(kv).compaction_failures, 0);
    put_numbers(kv, 1, 3, DURABILITY_NONE);
    assert_ok(kv_compact(kv, (struct slice){0}, (struct slice){0}, NULL));
    assert_int_equal(stats_of(kv).tables, 1);
    assert_ok(kv_close(kv, NULL));
    simulation_end(&sim);
}

/* ---- who still looks ------------------------------------------------------------- */

static size_t count_at(struct kv *kv, const struct kv_snapshot *snapshot) {
    const struct kv_read_options options = {.snapshot = snapshot};
    const struct kv_iter_options walk = {.snapshot = snapshot};
    struct buf value = {0};
    struct iter *iter;
    size_t found = 0;
    for (uint64_t i = 1; i <= BEFORE + AFTER; i++) {
        char key[24];
        snprintf(key, sizeof key, "k%" PRIu64, i);
        enum status status = kv_get(kv, slice_of(key), &value, &options, NULL);
        assert_true(status == STATUS_OK || status == STATUS_NOT_FOUND);
        found += status == STATUS_OK;
    }
    buf_free(&value);
    assert_ok(kv_iter(kv, &walk, &iter, NULL));
    assert_int_equal(count_forwards(iter), found);
    iter_close(iter);
    return found;
}

static void snapshots_and_iterators_still_see(void **state) {
    (void)state;
    struct simulation sim;
    struct kv_snapshot *early, *late, *behind;
    struct iter *iter;
    erase_begin(&sim);
    struct kv *kv = open_store(&sim);
    fill(&sim, kv);
    put_numbers(kv, BEFORE + 1, BEFORE + 1, DURABILITY_NONE);
    assert_ok(kv_snapshot_take(kv, &early, NULL));
    put_numbers(kv, BEFORE + 2, BEFORE + 2, DURABILITY_NONE);
    assert_ok(kv_snapshot_take(kv, &late, NULL));
    assert_ok(kv_iter(kv, NULL, &iter, NULL));
    assert_ok(kv_erase_all(kv, NULL));
    assert_ok(kv_snapshot_take(kv, &behind, NULL));
    put_numbers(kv, BEFORE + 3, BEFORE + AFTER, DURABILITY_NONE);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(count_at(kv, early), BEFORE + 1);
        assert_int_equal(count_at(kv, late), BEFORE + 2);
        assert_int_equal(count_at(kv, behind), 0);
        assert_int_equal(count_at(kv, NULL), AFTER - 2);
        assert_int_equal(count_forwards(iter), BEFORE + 2);
        put_numbers(kv, BEFORE + AFTER, BEFORE + AFTER, DURABILITY_NONE); /* again */
        if (i == 0) {
            assert_ok(kv_compact(kv, (struct slice){0}, (struct slice){0}, NULL));
        } else {
            fail_call(&sim, 1, FAULT_BEFORE, EIO, false);
            assert_int_equal(kv_sync(kv, NULL), STATUS_IO);
            fail_nothing(&sim);
            assert_resumes(kv);
        }
    }
    assert_true(stats_of(kv).snapshots == 3);
    kv_snapshot_release(early);
    assert_int_equal(count_at(kv, late), BEFORE + 2);
    iter_close(iter);
    kv_snapshot_release(late);
    assert_ok(kv_erase_all(kv, NULL)); /* behind sees what was there then: nothing */
    assert_int_equal(count_at(kv, behind), 0);
    kv_snapshot_release(behind);
    scheduler_advance(sim.scheduler, 2000000);
    assert_int_equal(table_files(&sim), 0);
    assert_ok(kv_close(kv, NULL));
    simulation_end(&sim);
}

/* The store lets go of what its snapshots had of before. */
static void a_close_comes_before_the_release(void **state) {
    (void)state;
    struct simulation sim;
    struct kv_snapshot *held[2];
    erase_begin(&sim);
    struct kv *kv = open_store(&sim);
    fill(&sim, kv);
    assert_ok(kv_snapshot_take(kv, &held[0], NULL));
    assert_ok(kv_snapshot_take(kv, &held[1], NULL));
    assert_ok(kv_erase_all(kv, NULL));
    assert_ok(kv_close(kv, NULL));
    assert_int_equal(table_files(&sim), 0);
    kv_snapshot_release(held[0]);
    kv_snapshot_release(held[1]);
    simulation_end(&sim);
}

/* A snapshot of before is in no compaction's way. */
static void a_snapshot_of_before_keeps_nothing_of_after(void **state) {
    (void)state;
    struct simulation sim;
    struct kv_snapshot *snapshot;
    erase_begin(&sim);
    struct kv *kv = open_store(&sim);
    fill(&sim, kv);
    assert_ok(kv_snapshot_take(kv, &snapshot, NULL));
    assert_ok(kv_erase_all(kv, NULL));
    put_numbers(kv, 1, 5, DURABILITY_NONE);
    for (uint64_t i = 1; i <= 5; i++) {
        char key[24];
        snprintf(key, sizeof key, "k%" PRIu64, i);
        assert_ok(kv_delete(kv, slice_of(key), NULL, NULL));
    }
    assert_ok(kv_compact(kv, (struct slice){0}, (struct slice){0}, NULL));
    assert_int_equal(stats_of(kv).tables, 0);
    assert_int_equal(count_at(kv, snapshot), BEFORE);
    kv_snapshot_release(snapshot);
    assert_ok(kv_close(kv, NULL));
    simulation_end(&sim);
}

/* ---- failures -------------------------------------------------------------------- */

/* Nobody knows whether everything was erased. Whatever a resume finds, snapshots of
 * before it see all, and one that is taken behind it what is there. */
static void resume_in_doubt(struct kv *kv, struct kv_snapshot *before) {
    struct kv_snapshot *meanwhile, *behind;
    assert_ok(kv_snapshot_take(kv, &meanwhile, NULL));
    assert_resumes(kv);
    assert_ok(kv_snapshot_take(kv, &behind, NULL));
    struct seen seen = look_at(kv);
    bool all = assert_all_or_nothing(&seen, BEFORE);
    assert_ok(try_number(kv, BEFORE + 1, NULL));
    assert_int_equal(count_at(kv, before), BEFORE);
    assert_int_equal(count_at(kv, meanwhile), BEFORE);
    assert_int_equal(count_at(kv, behind), all ? BEFORE : 0);
    kv_snapshot_release(meanwhile);
    kv_snapshot_release(behind);
}

/* Answers whether a call was struck. */
static bool erase_with_fault(size_t countdown, enum fault_effect effect, bool persistent,
                             size_t *refused) {
    struct simulation sim;
    struct error error = {0};
    erase_begin(&sim);
    struct kv *kv = open_store(&sim);
    struct kv_snapshot *snapshot;
    fill(&sim, kv);
    assert_ok(kv_snapshot_take(kv, &snapshot, NULL));
    fail_call(&sim, countdown, effect, EIO, persistent);
    enum status status = kv_erase_all(kv, &error);
    bool struck = disk_fault_struck(sim.disk) != NULL;
    fail_nothing(&sim);
    struct seen seen = look_at(kv);
    assert_int_equal(seen.there[1], status != STATUS_OK);
    assert_int_equal(assert_first_of(&seen, 1, BEFORE), status == STATUS_OK ? 0 : BEFORE);
    assert_true(status == STATUS_OK || error.message[0] != '\0');
    enum status written = try_number(kv, BEFORE + 1, &error);
    if (written != STATUS_OK) {
        assert_int_not_equal(status, STATUS_OK);
        assert_message_has(error, "writes are refused until resume or reopen");
        assert_int_not_equal(kv_erase_all(kv, NULL), STATUS_OK);
        ++*refused;
        resume_in_doubt(kv, snapshot);
    }
    kv_snapshot_release(snapshot);
    struct seen before = look_at(kv);
    assert_ok(kv_sync(kv, NULL));
    assert_ok(kv_close(kv, NULL));
    assert_verified(&sim);
    kv = open_store(&sim);
    seen = look_at(kv);
    assert_true(same_seen(&before, &seen));
    assert_ok(kv_erase_all(kv, &error));
    assert_nothing_of_before(kv);
    assert_ok(kv_close(kv, NULL));
    simulation_end(&sim);
    return struck;
}

static void any_call_fails(void **state) {
    (void)state;
    static const enum fault_effect effects[] = {FAULT_BEFORE, FAULT_AFTER};
    size_t faults = 0, refused = 0;
    for (size_t i = 0; i < 4; i++) {
        size_t countdown = 1;
        while (erase_with_fault(countdown, effects[i % 2], i / 2 == 1, &refused)) {
            countdown++;
        }
        faults += countdown - 1;
    }
    printf("%zu faults, %zu with writes refused\n", faults, refused);
    assert_true(faults > 10 && refused > 3);
}

static void any_allocation_fails(void **state) {
    (void)state;
    size_t failures = 0;
    for (size_t nth = 1, failed = 1; failed > 0; nth++) {
        struct simulation sim;
        struct kv_snapshot *snapshot;
        struct error error = {0};
        erase_begin(&sim);
        struct kv *kv = open_store(&sim);
        fill(&sim, kv);
        assert_ok(kv_snapshot_take(kv, &snapshot, NULL));
        counted_memory_fail(nth, false);
        enum status status = kv_erase_all(kv, &error);
        failed = counted_memory_failed();
        counted_memory_fail(0, false);
        if (status != STATUS_OK) {
            assert_int_equal(status, STATUS_NO_MEMORY);
            assert_message_has(error, "out of memory");
            failures++;
        }
        struct seen seen = look_at(kv);
        assert_int_equal(assert_all_or_nothing(&seen, BEFORE), status != STATUS_OK);
        assert_int_equal(count_at(kv, snapshot), BEFORE);
        assert_ok(try_number(kv, BEFORE + 1, &error));
        kv_snapshot_release(snapshot);
        assert_ok(kv_close(kv, NULL));
        assert_verified(&sim);
        simulation_end(&sim);
    }
    printf("%zu failures\n", failures);
    assert_true(failures > 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_goes_and_what_comes_stays),
        cmocka_unit_test(of_nothing),
        cmocka_unit_test(frozen_buffers_go),
        cmocka_unit_test(a_slow_compaction_is_not_waited_for),
        cmocka_unit_test(snapshots_and_iterators_still_see),
        cmocka_unit_test(a_close_comes_before_the_release),
        cmocka_unit_test(a_snapshot_of_before_keeps_nothing_of_after),
        cmocka_unit_test(any_call_fails),
        cmocka_unit_test(any_allocation_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
