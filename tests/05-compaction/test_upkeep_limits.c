/* What upkeep may not cost: buffers without end where flushes fail, a thread that spins,
 * statistics that wait for a stalled writer, waits longer than stall-millis. */
#include "../03-sstable/engine_faults.h"

#include <fiu-control.h>
#include <fiu.h>

static void begin(struct simulation *sim) {
    simulation_begin(sim);
    assert_int_equal(fiu_init(0), 0);
    sim->options.durability = DURABILITY_NONE;
    sim->options.write_buffer_bytes = 4096;
    sim->options.table_bytes = 4096;
    sim->options.level0_tables = 4;
    sim->options.level0_slow_tables = 100;
    sim->options.level0_stop_tables = 100;
    sim->options.compaction_threads = 1;
}

static void end(struct simulation *sim, struct kv *kv) {
    assert_ok(kv_close(kv, NULL));
    simulation_end(sim);
}

static uint64_t micros_of(struct simulation *sim) {
    return clock_monotonic_micros(sim->world.clock);
}

static void put_tables(struct kv *kv, uint64_t *last, size_t tables) {
    for (; tables > 0; tables--) {
        put_numbers(kv, *last + 1, *last + 3, DURABILITY_NONE);
        *last += 3;
        assert_ok(kv_flush(kv, NULL));
    }
}

/* ---- buffers --------------------------------------------------------------------- */

/* A flush that fails leaves a frozen buffer; the next does not add another for ever. */
static void flushes_that_fail_pile_nothing_up(void **state) {
    (void)state;
    struct simulation sim;
    struct error error = {0};
    begin(&sim);
    struct kv *kv = open_store(&sim);
    fiu_enable("table_sync", 1, NULL, 0);
    for (uint64_t i = 1; i <= 20; i++) {
        put_number(kv, i, DURABILITY_NONE);
        assert_int_equal(kv_flush(kv, &error), STATUS_IO);
        assert_message_has(error, "table_sync");
    }
    fiu_disable("table_sync");
    assert_numbers(kv, 20);
    assert_ok(kv_flush(kv, NULL));
    assert_int_equal(stats_of(kv).memtable_entries, 0);
    assert_true(stats_of(kv).tables <= sim.options.write_buffers);
    assert_numbers(kv, 20);
    end(&sim, kv);
}

struct flusher {
    struct kv *kv;
    struct thread thread;
    uint64_t number;
    bool failed;
};

static void put_and_flush(void *argument) {
    struct flusher *flusher = argument;
    for (uint64_t i = 0; i < 20; i++) {
        flusher->failed |= try_number(flusher->kv, flusher->number, NULL) != STATUS_OK ||
                           kv_flush(flusher->kv, NULL) != STATUS_OK;
    }
}

static uint64_t any_thread(void *seed, uint64_t bound) {
    return random_below(seed, bound);
}

/* Each who asks for a flush freezes what was written since the last one froze. */
static void many_ask_for_flushes(void **state) {
    (void)state;
    struct simulation sim;
    struct flusher flushers[16];
    uint64_t seed = test_seed();
    simulation_begin_with(&sim, any_thread, &seed);
    sim.options.durability = DURABILITY_NONE;
    struct kv *kv = open_store(&sim);
    for (uint64_t i = 0; i < 16; i++) {
        flushers[i] = (struct flusher){.kv = kv, .number = i + 1};
        assert_ok(thread_create(&flushers[i].thread, sim.world.threads, put_and_flush,
                                &flushers[i]));
    }
    for (uint64_t i = 0; i < 16; i++) {
        thread_join(&flushers[i].thread);
        assert_false(flushers[i].failed);
        assert_true(has_number(kv, i + 1));
    }
    assert_ok(kv_close(kv, NULL));
    simulation_end(&sim);
}

/* ---- threads at rest ------------------------------------------------------------- */

/* The compactor, which was told to try again, finds nothing to do; and time goes by. Who
 * spins in a simulation does so for ever. */
static void nobody_spins_after_a_failure(void **state) {
    (void)state;
    struct simulation sim;
    struct error error = {0};
    uint64_t last = 0;
    begin(&sim);
    struct kv *kv = open_store(&sim);
    put_tables(kv, &last, 3);
    fiu_enable("compaction_begin", 1, NULL, FIU_ONETIME);
    assert_int_equal(kv_compact(kv, (struct slice){0}, (struct slice){0}, &error),
                     STATUS_IO);
    fiu_disable("compaction_begin");
    scheduler_advance(sim.scheduler, 60 * 1000 * 1000);
    assert_int_equal(stats_of(kv).tables, 3);
    assert_numbers(kv, last);
    end(&sim, kv);
}

/* Nothing can be done until a resume, and nothing is tried. */
static void nobody_spins_when_the_catalog_has_failed(void **state) {
    (void)state;
    struct simulation sim;
    uint64_t last = 0;
    begin(&sim);
    struct kv *kv = open_store(&sim);
    put_tables(kv, &last, 2);
    put_number(kv, ++last, DURABILITY_NONE);
    fiu_enable("manifest_sync", 1, NULL, FIU_ONETIME);
    assert_int_equal(kv_flush(kv, NULL), STATUS_IO);
    fiu_disable("manifest_sync");
    assert_int_equal(try_number(kv, last + 1, NULL), STATUS_IO);
    scheduler_advance(sim.scheduler, 60 * 1000 * 1000);
    assert_resumes(kv);
    assert_numbers(kv, last);
    put_tables(kv, &last, 1);
    end(&sim, kv);
}

/* ---- stalls ---------------------------------------------------------------------- */

struct writer {
    struct kv *kv;
    struct thread thread;
    uint64_t number;
    enum status status;
};

static void put_one(void *argument) {
    struct writer *writer = argument;
    writer->status = try_number(writer->kv, writer->number, NULL);
}

/* Whoever asks why nothing goes on is answered while it does not. */
static void statistics_wait_for_no_writer(void **state) {
    (void)state;
    struct simulation sim;
    uint64_t last = 0;
    begin(&sim);
    sim.options.level0_tables = 2;
    sim.options.level0_slow_tables = 3;
    sim.options.level0_stop_tables = 3;
    struct kv *kv = open_store(&sim);
    fiu_enable("compaction_begin", 1, NULL, 0);
    put_tables(kv, &last, 3);
    struct writer writer = {.kv = kv, .number = last + 1};
    uint64_t begun = micros_of(&sim);
    assert_ok(thread_create(&writer.thread, sim.world.threads, put_one, &writer));
    scheduler_settle(sim.scheduler);
    struct kv_stats stats = stats_of(kv);
    assert_int_equal(stats.stall_stops, 1);
    assert_int_equal(stats.writes, last);
    assert_int_equal(micros_of(&sim), begun); /* else the stall has ended */
    fiu_disable("compaction_begin");
    thread_join(&writer.thread);
    assert_ok(writer.status);
    assert_numbers(kv, last + 1);
    end(&sim, kv);
}

/* A change so large that it would be slowed down for longer than it may be stopped. */
static void slowed_down_no_longer_than_stopped(void **state) {
    (void)state;
    struct simulation sim;
    struct buf value = {0};
    uint64_t last = 0;
    begin(&sim);
    sim.options.level0_tables = 2;
    sim.options.level0_slow_tables = 2;
    sim.options.level0_stop_tables = 1000;
    sim.options.stall_millis = 200;
    sim.options.write_buffer_bytes = 64 << 20;
    struct kv *kv = open_store(&sim);
    fiu_enable("compaction_begin", 1, NULL, 0);
    put_tables(kv, &last, 2);
    assert_ok(buf_reserve(&value, 16 << 20));
    memset(value.data, 'v', 16 << 20);
    value.length = 16 << 20;
    uint64_t begun = micros_of(&sim);
    assert_ok(kv_put(kv, slice_of("large"), buf_slice(&value), NULL, NULL));
    assert_int_equal(micros_of(&sim) - begun, 200 * 1000);
    assert_int_equal(stats_of(kv).stall_slowdowns, 1);
    fiu_disable("compaction_begin");
    buf_free(&value);
    end(&sim, kv);
}

/* ---- iterators ------------------------------------------------------------------- */

/* The log fails. */
static void fail_and_resume(struct kv *kv, uint64_t *last) {
    fiu_enable("log_append", 1, NULL, FIU_ONETIME);
    assert_int_equal(try_number(kv, *last + 1, NULL), STATUS_IO);
    fiu_disable("log_append");
    assert_resumes(kv);
    assert_ok(try_number(kv, ++*last, NULL));
}

/* The edit of a compaction may be in force, or not; a resume finds out. */
static void compact_in_doubt(struct kv *kv, uint64_t *last) {
    put_tables(kv, last, 1);
    fiu_enable("manifest_sync", 1, NULL, FIU_ONETIME);
    assert_int_equal(kv_compact(kv, (struct slice){0}, (struct slice){0}, NULL),
                     STATUS_IO);
    fiu_disable("manifest_sync");
    assert_resumes(kv);
}

static void compact_all(struct kv *kv, uint64_t *last) {
    put_tables(kv, last, 1);
    assert_ok(kv_compact(kv, (struct slice){0}, (struct slice){0}, NULL));
}

/* Whatever comes between, an iterator shows what was there when it was opened. Of its
 * tables hardly any is open: it opens each when it gets there. */
static void an_iterator_goes_on_after_a_resume(void **state) {
    (void)state;
    static void (*const steps[])(struct kv * kv, uint64_t * last) = {
        fail_and_resume, compact_in_doubt, compact_all};
    for (unsigned order = 0; order < 3 * 3 * 3; order++) {
        struct simulation sim;
        struct iter *iter;
        uint64_t last = 0;
        begin(&sim);
        sim.options.level0_tables = 100;
        sim.options.max_open_files = 1;
        struct kv *kv = open_store(&sim);
        put_tables(kv, &last, 5);
        assert_ok(kv_iter(kv, NULL, &iter, NULL));
        for (unsigned i = 0, rest = order; i < 3; i++, rest /= 3) {
            steps[rest % 3](kv, &last);
            scheduler_advance(sim.scheduler, 5 * 1000 * 1000);
        }
        assert_int_equal(count_forwards(iter), 15);
        assert_numbers(kv, last);
        iter_close(iter);
        put_tables(kv, &last, 1);
        scheduler_advance(sim.scheduler, 5 * 1000 * 1000);
        assert_no_garbage(&sim, kv);
        end(&sim, kv);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flushes_that_fail_pile_nothing_up),
        cmocka_unit_test(many_ask_for_flushes),
        cmocka_unit_test(nobody_spins_after_a_failure),
        cmocka_unit_test(nobody_spins_when_the_catalog_has_failed),
        cmocka_unit_test(statistics_wait_for_no_writer),
        cmocka_unit_test(slowed_down_no_longer_than_stopped),
        cmocka_unit_test(an_iterator_goes_on_after_a_resume),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
