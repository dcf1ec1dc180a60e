/* The interval syncer under the simulated clock: what may be lost stays within the bound,
 * however slow the disk is. */
#include "simulation.h"

#include "syncer.h"
#include "wal.h"

enum { MILLIS = 100, BYTES = 4000 };

struct syncing {
    struct simulation sim;
    struct wal *wal;
    struct syncer *syncer;
    struct error error; /* of the writer thread */
    enum status status; /* what it was told */
    bool told;
    size_t bytes; /* of its value */
};

static void begin(struct syncing *s) {
    const struct wal_start start = {.numbers = &s->sim.numbers};
    *s = (struct syncing){0};
    simulation_begin(&s->sim);
    assert_ok(directory_make(s->sim.world.files, "db", NULL));
    s->sim.options.interval_millis = MILLIS;
    s->sim.options.interval_bytes = BYTES;
    assert_ok(wal_open("db", &s->sim.options, &start, &s->wal, NULL));
    assert_ok(syncer_open(s->wal, &s->sim.options, &s->syncer, NULL));
}

static void end(struct syncing *s) {
    syncer_close(s->syncer);
    enum status closed = wal_close(s->wal, NULL);
    (void)closed; /* a failure that the test made */
    simulation_end(&s->sim);
}

static enum status write_bytes(struct syncing *s, size_t bytes, struct error *error) {
    static unsigned char value[16 * BYTES];
    struct kv_op op = {KV_PUT, slice_of("key"), slice_make(value, bytes)};
    uint64_t sequence = 0;
    enum status status = syncer_start(s->syncer, error);
    if (status == STATUS_OK) {
        status = wal_append(s->wal, &op, 1, &sequence, error);
    }
    return status == STATUS_OK ? syncer_admit(s->syncer, sequence, error) : status;
}

static struct wal_progress progress_of(struct syncing *s) {
    struct wal_progress progress;
    wal_progress(s->wal, &progress);
    return progress;
}

static void write_in_a_thread(void *argument) {
    struct syncing *s = argument;
    s->status = write_bytes(s, s->bytes, &s->error);
    s->told = true;
}

/* ---- the bound in time ----------------------------------------------------------- */

static void test_durable_within_the_interval(void **state) {
    (void)state;
    struct syncing s;
    begin(&s);
    assert_ok(write_bytes(&s, 10, NULL));
    scheduler_advance(s.sim.scheduler, MILLIS * 1000 / 2);
    assert_int_equal(progress_of(&s).durable, 0);
    assert_ok(write_bytes(&s, 10, NULL));
    scheduler_advance(s.sim.scheduler, MILLIS * 1000 / 2 - 1);
    assert_int_equal(progress_of(&s).durable, 0);
    scheduler_advance(s.sim.scheduler, 1);
    assert_int_equal(progress_of(&s).durable, 2); /* the live log, all of it */
    assert_int_equal(progress_of(&s).syncs, 1);
    end(&s);
}

static void test_nothing_at_risk_no_sync(void **state) {
    (void)state;
    struct syncing s;
    begin(&s);
    assert_ok(write_bytes(&s, 10, NULL));
    scheduler_advance(s.sim.scheduler, 20 * MILLIS * 1000);
    assert_int_equal(progress_of(&s).syncs, 1);
    assert_ok(write_bytes(&s, 10, NULL)); /* its time begins with itself */
    scheduler_settle(s.sim.scheduler);
    assert_int_equal(progress_of(&s).syncs, 1);
    scheduler_advance(s.sim.scheduler, MILLIS * 1000);
    assert_int_equal(progress_of(&s).durable, 2);
    end(&s);
}

static void test_older_logs_too(void **state) {
    (void)state;
    struct syncing s;
    begin(&s);
    syncer_close(s.syncer);
    wal_abandon(s.wal);
    const struct wal_start start = {.numbers = &s.sim.numbers};
    s.sim.options.log_bytes = 1;
    s.sim.options.log_step_bytes = 64;
    assert_ok(wal_open("db", &s.sim.options, &start, &s.wal, NULL));
    assert_ok(syncer_open(s.wal, &s.sim.options, &s.syncer, NULL));
    for (int i = 0; i < 4; i++) {
        assert_ok(write_bytes(&s, 10, NULL));
    }
    scheduler_advance(s.sim.scheduler, MILLIS * 1000);
    assert_int_equal(progress_of(&s).durable, 4);
    assert_int_equal(count_operations(&s.sim, 0, "sync db/000001.log"), 1);
    assert_int_equal(count_operations(&s.sim, 0, "sync db/000004.log"), 1);
    end(&s);
}

/* Again and again, at random moments: nothing is ever at risk for longer. */
static void test_always_within_the_interval(void **state) {
    (void)state;
    uint64_t seed = test_seed();
    struct syncing s;
    uint64_t written_at[400];
    begin(&s);
    for (uint64_t i = 0; i < 400; i++) {
        assert_ok(write_bytes(&s, random_below(&seed, 50), NULL));
        written_at[i] = clock_monotonic_micros(s.sim.world.clock);
        scheduler_advance(s.sim.scheduler, random_below(&seed, MILLIS * 700));
        uint64_t now = clock_monotonic_micros(s.sim.world.clock);
        uint64_t durable = progress_of(&s).durable;
        assert_true(durable == i + 1 || now - written_at[durable] <= MILLIS * 1000);
    }
    assert_true(progress_of(&s).syncs < 400);
    end(&s);
}

/* ---- the bound in bytes ---------------------------------------------------------- */

static void test_half_of_the_bytes(void **state) {
    (void)state;
    struct syncing s;
    begin(&s);
    assert_ok(write_bytes(&s, BYTES / 2 - 200, NULL));
    scheduler_settle(s.sim.scheduler);
    assert_int_equal(progress_of(&s).durable, 0);
    assert_ok(write_bytes(&s, 200, NULL));
    scheduler_settle(s.sim.scheduler);
    assert_int_equal(progress_of(&s).durable, 2);
    assert_int_equal(syncer_stalls(s.syncer), 0);
    end(&s);
}

static void test_writers_wait_beyond_the_bytes(void **state) {
    (void)state;
    struct syncing s;
    begin(&s);
    uint64_t before = clock_monotonic_micros(s.sim.world.clock);
    for (uint64_t i = 1; i <= 5; i++) {
        assert_ok(write_bytes(&s, 2 * BYTES, NULL));
        assert_int_equal(progress_of(&s).durable, i);
        assert_true(progress_of(&s).unsynced_bytes <= BYTES);
        assert_int_equal(syncer_stalls(s.syncer), i);
    }
    assert_true(clock_monotonic_micros(s.sim.world.clock) == before);
    end(&s);
}

static void test_at_risk_never_beyond_the_bytes(void **state) {
    (void)state;
    uint64_t seed = test_seed();
    struct syncing s;
    begin(&s);
    for (int i = 0; i < 500; i++) {
        assert_ok(write_bytes(&s, random_below(&seed, BYTES), NULL));
        assert_true(progress_of(&s).unsynced_bytes <= BYTES);
    }
    assert_true(syncer_stalls(s.syncer) > 0);
    end(&s);
}

/* ---- failures, and the end ------------------------------------------------------- */

static void test_a_failed_sync_refuses_the_waiting(void **state) {
    (void)state;
    struct syncing s;
    struct thread thread;
    struct error error = {0};
    begin(&s);
    assert_ok(write_bytes(&s, 10, NULL));
    scheduler_settle(s.sim.scheduler);
    fail_call(&s.sim, 3, FAULT_BEFORE, EIO, false); /* allocate, write, sync */
    s.bytes = 2 * BYTES;
    assert_ok(thread_create(&thread, s.sim.world.threads, write_in_a_thread, &s));
    scheduler_settle(s.sim.scheduler);
    assert_string_equal(disk_fault_struck(s.sim.disk), "sync db/000001.log");
    assert_true(s.told);
    thread_join(&thread);
    assert_int_equal(s.status, STATUS_IO);
    assert_message_has(s.error, "db/000001.log");
    assert_int_equal(progress_of(&s).durable, 0);
    size_t struck = disk_calls(s.sim.disk);
    scheduler_advance(s.sim.scheduler, 10 * MILLIS * 1000); /* it is not tried again */
    assert_int_equal(write_bytes(&s, 10, &error), STATUS_IO);
    assert_string_equal(error.message, s.error.message);
    assert_int_equal(disk_calls(s.sim.disk), struck);
    end(&s);
}

/* The log fails after a change was written, and before its writer asks to be admitted,
 * late: nobody is left who would wake it. */
static void test_a_failure_before_admission(void **state) {
    (void)state;
    struct syncing s;
    uint64_t sequence;
    struct error error = {0};
    const struct kv_op op = {KV_PUT, slice_of("key"), slice_of("value")};
    begin(&s);
    assert_ok(write_bytes(&s, 10, NULL));
    assert_ok(wal_append(s.wal, &op, 1, &sequence, NULL));
    fail_call(&s.sim, 1, FAULT_BEFORE, EIO, false);
    assert_int_equal(wal_sync(s.wal, sequence, NULL), STATUS_IO);
    scheduler_advance(s.sim.scheduler, 3 * MILLIS * 1000);
    assert_int_equal(syncer_admit(s.syncer, sequence, &error), STATUS_IO);
    assert_non_null(strstr(error.message, "writes are refused"));
    end(&s);
}

static void test_a_failed_sync_in_the_background(void **state) {
    (void)state;
    struct syncing s;
    struct error error = {0};
    begin(&s);
    assert_ok(write_bytes(&s, 10, NULL));
    fail_call(&s.sim, 1, FAULT_BEFORE, EIO, false);
    scheduler_advance(s.sim.scheduler, MILLIS * 1000);
    assert_int_equal(write_bytes(&s, 10, &error), STATUS_IO);
    assert_message_has(error, "db/000001.log");
    end(&s);
}

static void test_close(void **state) {
    (void)state;
    struct syncing s;
    begin(&s); /* never started: no thread */
    end(&s);
    begin(&s);
    assert_ok(write_bytes(&s, 10, NULL)); /* waiting for its deadline */
    scheduler_settle(s.sim.scheduler);
    syncer_close(s.syncer);
    s.syncer = NULL;
    assert_int_equal(progress_of(&s).durable, 0); /* without a last sync */
    end(&s);
    begin(&s);
    assert_ok(write_bytes(&s, 10, NULL)); /* has not run yet */
    end(&s);
    syncer_close(NULL);
}

static void test_no_thread_to_be_had(void **state) {
    (void)state;
    struct syncing s;
    begin(&s);
    counted_memory_fail(1, false);
    assert_int_equal(syncer_start(s.syncer, NULL), STATUS_NO_MEMORY);
    counted_memory_fail(0, false);
    assert_ok(write_bytes(&s, 10, NULL));
    scheduler_advance(s.sim.scheduler, MILLIS * 1000);
    assert_int_equal(progress_of(&s).durable, 1);
    end(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_durable_within_the_interval),
        cmocka_unit_test(test_nothing_at_risk_no_sync),
        cmocka_unit_test(test_older_logs_too),
        cmocka_unit_test(test_always_within_the_interval),
        cmocka_unit_test(test_half_of_the_bytes),
        cmocka_unit_test(test_writers_wait_beyond_the_bytes),
        cmocka_unit_test(test_at_risk_never_beyond_the_bytes),
        cmocka_unit_test(test_a_failed_sync_refuses_the_waiting),
        cmocka_unit_test(test_a_failure_before_admission),
        cmocka_unit_test(test_a_failed_sync_in_the_background),
        cmocka_unit_test(test_close),
        cmocka_unit_test(test_no_thread_to_be_had),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
