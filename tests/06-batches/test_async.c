/* Changes that are submitted: who is told of them, when, how often and in which order;
 * under simulated threads in drawn orders, and under real ones. */
#include "../03-sstable/engine_faults.h"

#include <fiu-control.h>
#include <fiu.h>

#include "atomic.h"
#include "kv_async.h"

enum { THREADS = 4, EACH = 12, SUBMITS_MAX = 1000 };

/* What the calls told, in their order. */
struct told {
    struct kv *kv;
    bool progress; /* look at it */
    size_t count;
    struct {
        uint64_t sequence;
        enum status status;
        enum durability durability;
    } calls[SUBMITS_MAX];
    bool early;          /* told of a change that was not durable */
    bool without_a_word; /* a failure without a message */
};

struct request {
    struct told *told;
    enum durability durability;
    uint64_t sequence; /* as kv_submit answered */
    enum status status;
    unsigned times;
};

static void note(void *context, uint64_t sequence, enum status status,
                 const struct error *error) {
    struct request *request = context;
    struct told *told = request->told;
    request->times++;
    if (told->count < SUBMITS_MAX) {
        told->calls[told->count].sequence = sequence;
        told->calls[told->count].status = status;
        told->calls[told->count].durability = request->durability;
    }
    told->count++;
    told->without_a_word |= status != STATUS_OK && error->message[0] == '\0';
    if (told->progress && status == STATUS_OK &&
        request->durability == DURABILITY_ALWAYS) {
        struct kv_progress now;
        kv_progress(told->kv, &now);
        told->early |= now.durable < sequence;
    }
}

static enum status submit(struct kv *kv, uint64_t i, bool no_wait,
                          struct request *request, struct error *error) {
    char key[24], value[24];
    snprintf(key, sizeof key, "k%" PRIu64, i);
    snprintf(value, sizeof value, "v%" PRIu64, i);
    const struct kv_op op = {KV_PUT, slice_of(key), slice_of(value)};
    const struct kv_write_options options = {
        .durability = request->durability,
        .sequence = &request->sequence,
        .no_wait = no_wait,
    };
    request->status = kv_submit(kv, &op, 1, &options, note, request, error);
    return request->status;
}

/* Each sequence higher than that before it of the same durability. */
static void assert_in_order(const struct told *told) {
    uint64_t last[DURABILITY_ALWAYS + 1] = {0};
    assert_true(told->count <= SUBMITS_MAX);
    for (size_t i = 0; i < told->count; i++) {
        enum durability durability = told->calls[i].durability;
        assert_true(told->calls[i].sequence > last[durability]);
        last[durability] = told->calls[i].sequence;
    }
}

/* ---- when ------------------------------------------------------------------------ */

static void without_a_sync_it_is_told_at_once(void **state) {
    (void)state;
    struct simulation sim;
    struct told told = {0};
    struct request request = {.told = &told, .durability = DURABILITY_NONE};
    simulation_begin(&sim);
    struct kv *kv = open_store(&sim);
    size_t threads = scheduler_objects(sim.scheduler);
    assert_ok(submit(kv, 1, false, &request, NULL));
    assert_int_equal(request.times, 1);
    assert_int_equal(told.calls[0].sequence, 1);
    assert_int_equal(request.sequence, 1);
    const struct kv_write_options options = {.sequence = &request.sequence};
    assert_ok(kv_submit(kv, NULL, 0, &options, note, &request, NULL)); /* empty */
    assert_int_equal(request.times, 2);
    assert_int_equal(told.calls[1].sequence, 0);
    assert_int_equal(request.sequence, 0);
    assert_int_equal(scheduler_objects(sim.scheduler), threads); /* none of its own */
    assert_ok(kv_close(kv, NULL));
    assert_int_equal(told.count, 2);
    simulation_end(&sim);
}

/* The submitter goes on: until it waits for something, nobody syncs. */
static void nobody_waits_for_the_sync_they_share(void **state) {
    (void)state;
    struct simulation sim;
    struct told told = {.progress = true};
    struct request requests[20];
    simulation_begin(&sim);
    told.kv = open_store(&sim);
    for (uint64_t i = 0; i < 20; i++) {
        requests[i] = (struct request){.told = &told, .durability = DURABILITY_ALWAYS};
        assert_ok(submit(told.kv, i + 1, true, &requests[i], NULL));
        assert_int_equal(requests[i].sequence, i + 1);
        assert_true(has_number(told.kv, i + 1)); /* visible */
    }
    assert_int_equal(told.count, 0);
    assert_int_equal(stats_of(told.kv).sequence_durable, 0);
    scheduler_settle(sim.scheduler);
    assert_int_equal(told.count, 20);
    assert_int_equal(stats_of(told.kv).syncs, 1);
    assert_in_order(&told);
    assert_false(told.early);
    assert_survives(&sim, 20);
    assert_ok(kv_close(told.kv, NULL));
    simulation_end(&sim);
}

/* Of the interval: told though not durable, and of the other durability not before. */
static void each_durability_in_its_order(void **state) {
    (void)state;
    struct simulation sim;
    struct told told = {.progress = true};
    struct request requests[40];
    simulation_begin(&sim);
    told.kv = open_store(&sim);
    for (uint64_t i = 0; i < 40; i++) {
        enum durability durability = i % 2 == 0 ? DURABILITY_INTERVAL : DURABILITY_ALWAYS;
        requests[i] = (struct request){.told = &told, .durability = durability};
        assert_ok(submit(told.kv, i + 1, false, &requests[i], NULL));
    }
    scheduler_settle(sim.scheduler);
    assert_int_equal(told.count, 40);
    assert_in_order(&told);
    assert_false(told.early);
    requests[0] = (struct request){.told = &told, .durability = DURABILITY_INTERVAL};
    uint64_t syncs = stats_of(told.kv).syncs;
    assert_ok(submit(told.kv, 41, false, &requests[0], NULL));
    scheduler_settle(sim.scheduler);
    assert_int_equal(requests[0].times, 1);
    assert_int_equal(stats_of(told.kv).syncs, syncs);
    scheduler_advance(sim.scheduler, (uint64_t)sim.options.interval_millis * 1000);
    assert_int_equal(stats_of(told.kv).sequence_durable, 41);
    assert_ok(kv_close(told.kv, NULL));
    simulation_end(&sim);
}

static void close_tells_those_who_are_left(void **state) {
    (void)state;
    struct simulation sim;
    struct told told = {0};
    struct request requests[10];
    simulation_begin(&sim);
    struct kv *kv = open_store(&sim);
    for (uint64_t i = 0; i < 10; i++) {
        requests[i] = (struct request){.told = &told, .durability = DURABILITY_ALWAYS};
        assert_ok(submit(kv, i + 1, false, &requests[i], NULL));
    }
    assert_int_equal(told.count, 0);
    assert_ok(kv_close(kv, NULL));
    assert_int_equal(told.count, 10);
    for (size_t i = 0; i < 10; i++) {
        assert_int_equal(requests[i].times, 1);
        assert_int_equal(told.calls[i].status, STATUS_OK);
    }
    simulation_end(&sim);
}

/* ---- failures -------------------------------------------------------------------- */

/* The disk fails in their sync: all are told, and once; who submits then is told by the
 * call. After a resume it goes on. */
static void all_are_told_of_a_failed_sync(void **state) {
    (void)state;
    struct simulation sim;
    struct error error = {0};
    struct told told = {.progress = true};
    struct request requests[30], later = {.told = &told, .durability = DURABILITY_ALWAYS};
    simulation_begin(&sim);
    struct kv *kv = told.kv = open_store(&sim);
    for (uint64_t i = 0; i < 30; i++) {
        requests[i] = (struct request){.told = &told, .durability = DURABILITY_ALWAYS};
        assert_ok(submit(kv, i + 1, false, &requests[i], NULL));
        if (i == 9) {
            scheduler_settle(sim.scheduler);
            assert_int_equal(told.count, 10);
        }
    }
    fail_call(&sim, 1, FAULT_BEFORE, EIO, false);
    scheduler_settle(sim.scheduler);
    fail_nothing(&sim);
    assert_int_equal(told.count, 30);
    for (size_t i = 0; i < 30; i++) {
        assert_int_equal(requests[i].times, 1);
        assert_int_equal(told.calls[i].status, i < 10 ? STATUS_OK : STATUS_IO);
    }
    assert_in_order(&told);
    assert_false(told.without_a_word);
    assert_int_equal(submit(kv, 31, false, &later, &error), STATUS_IO);
    assert_message_has(error, "writes are refused until resume or reopen");
    assert_int_equal(later.sequence, 0);
    assert_resumes(kv);
    assert_numbers(kv, 30);
    assert_ok(submit(kv, 31, false, &later, &error));
    assert_int_equal(later.times, 0);
    assert_ok(kv_close(kv, &error));
    assert_int_equal(later.times, 1);
    assert_int_equal(told.calls[30].status, STATUS_OK);
    simulation_end(&sim);
}

/* A later sync fails than the one that covered the first of them. */
static void who_is_durable_is_told_so(void **state) {
    (void)state;
    struct simulation sim;
    struct told told = {.progress = true};
    struct request requests[9];
    simulation_begin(&sim);
    struct kv *kv = told.kv = open_store(&sim);
    for (uint64_t i = 0; i < 9; i++) {
        requests[i] = (struct request){.told = &told, .durability = DURABILITY_ALWAYS};
        assert_ok(submit(kv, i + 1, false, &requests[i], NULL));
        if (i == 4) {
            assert_ok(kv_sync(kv, NULL));
        }
    }
    assert_int_equal(told.count, 0);
    fail_call(&sim, 1, FAULT_BEFORE, EIO, false);
    scheduler_settle(sim.scheduler);
    fail_nothing(&sim);
    assert_int_equal(told.count, 9);
    for (size_t i = 0; i < 9; i++) {
        assert_int_equal(told.calls[i].status, i < 5 ? STATUS_OK : STATUS_IO);
    }
    assert_int_equal(kv_close(kv, NULL), STATUS_IO);
    simulation_end(&sim);
}

/* A resume makes durable what was visible; who is told afterwards hears of that. */
static void a_resume_goes_before_the_news(void **state) {
    (void)state;
    struct simulation sim;
    struct told told = {.progress = true};
    struct request request = {.told = &told, .durability = DURABILITY_ALWAYS};
    simulation_begin(&sim);
    struct kv *kv = told.kv = open_store(&sim);
    assert_ok(submit(kv, 1, false, &request, NULL));
    fail_call(&sim, 1, FAULT_BEFORE, EIO, false);
    assert_int_equal(try_number(kv, 2, NULL), STATUS_IO); /* its own write */
    fail_nothing(&sim);
    assert_resumes(kv);
    scheduler_settle(sim.scheduler);
    assert_int_equal(request.times, 1);
    assert_true(told.calls[0].status == STATUS_IO || !told.early);
    assert_survives(&sim, 1);
    assert_ok(kv_close(kv, NULL));
    simulation_end(&sim);
}

/* Whatever allocation fails: refused and not written, or told. */
static void without_memory_nothing_is_lost(void **state) {
    (void)state;
    struct simulation sim;
    struct error error = {0};
    struct told told = {0};
    size_t refused = 0;
    simulation_begin(&sim);
    struct kv *kv = open_store(&sim);
    for (uint64_t nth = 1; told.count == 0; nth++) {
        struct request request = {.told = &told, .durability = DURABILITY_ALWAYS};
        counted_memory_fail(nth, false);
        enum status status = submit(kv, 1, false, &request, &error);
        counted_memory_fail(0, false);
        if (status == STATUS_OK) {
            scheduler_settle(sim.scheduler);
            assert_int_equal(request.times, 1);
        } else {
            refused++;
            assert_int_equal(status, STATUS_NO_MEMORY);
            assert_int_equal(request.times, 0);
            assert_int_equal(request.sequence, 0);
            assert_false(has_number(kv, 1));
        }
    }
    assert_true(refused >= 2); /* the submission, and the thread */
    assert_ok(kv_close(kv, NULL));
    assert_int_equal(told.count, 1);
    simulation_end(&sim);
}

/* ---- how many -------------------------------------------------------------------- */

static void more_than_may_be_wait_or_are_stalled(void **state) {
    (void)state;
    struct simulation sim;
    struct error error = {0};
    struct told told = {0};
    struct request request = {.told = &told, .durability = DURABILITY_ALWAYS};
    simulation_begin(&sim);
    struct kv *kv = open_store(&sim);
    for (uint64_t i = 1; i <= KV_SUBMITTED_MAX; i++) {
        assert_ok(submit(kv, i % 10, true, &request, NULL));
    }
    assert_int_equal(told.count, 0);
    assert_int_equal(submit(kv, 1, true, &request, &error), STATUS_STALLED);
    assert_message_has(error, "submitted and not yet told of");
    assert_int_equal(stats_of(kv).sequence_written, KV_SUBMITTED_MAX);
    assert_ok(submit(kv, 1, false, &request, NULL)); /* waits, and others are told */
    assert_true(told.count > 0);
    assert_ok(kv_close(kv, NULL));
    assert_int_equal(told.count, KV_SUBMITTED_MAX + 1);
    simulation_end(&sim);
}

struct staller {
    struct kv *kv;
    struct thread thread;
    uint64_t last;
    enum status status;
};

static void write_until_stalled(void *argument) {
    struct staller *staller = argument;
    while (staller->status == STATUS_OK && staller->last < 1000) {
        staller->status = try_number(staller->kv, ++staller->last, NULL);
    }
}

/* While another writer waits for a flush that does not come. */
static void who_may_not_wait_does_not_wait_for_others(void **state) {
    (void)state;
    struct simulation sim;
    struct error error = {0};
    struct told told = {0};
    struct request request = {.told = &told, .durability = DURABILITY_ALWAYS};
    simulation_begin(&sim);
    sim.options.durability = DURABILITY_NONE;
    sim.options.write_buffer_bytes = 1000;
    assert_int_equal(fiu_init(0), 0);
    struct staller staller = {.kv = open_store(&sim)};
    fiu_enable("table_sync", 1, NULL, 0);
    assert_ok(
        thread_create(&staller.thread, sim.world.threads, write_until_stalled, &staller));
    scheduler_settle(sim.scheduler);
    uint64_t before = clock_monotonic_micros(sim.world.clock);
    assert_int_equal(submit(staller.kv, 1, true, &request, &error), STATUS_STALLED);
    assert_message_has(error, "would have to wait");
    assert_int_equal(request.sequence, 0);
    assert_int_equal(clock_monotonic_micros(sim.world.clock), before);
    fiu_disable("table_sync");
    thread_join(&staller.thread);
    assert_ok(staller.status);
    assert_ok(submit(staller.kv, 1, true, &request, &error));
    assert_ok(kv_close(staller.kv, NULL));
    assert_int_equal(told.count, 1);
    simulation_end(&sim);
}

/* ---- many threads ---------------------------------------------------------------- */

struct submitter {
    struct kv *kv;
    struct told *told;
    struct thread thread;
    uint64_t number;
    struct request requests[EACH];
};

static void submit_all(void *argument) {
    static const enum durability durabilities[] = {DURABILITY_ALWAYS,
                                                   DURABILITY_INTERVAL};
    struct submitter *submitter = argument;
    for (uint64_t i = 0; i < EACH; i++) {
        struct request *request = &submitter->requests[i];
        *request = (struct request){.told = submitter->told,
                                    .durability = durabilities[(i / 3) % 2]};
        enum status status =
            submit(submitter->kv, submitter->number * EACH + i + 1, false, request, NULL);
        (void)status; /* in the request */
    }
}

static uint64_t any_thread(void *seed, uint64_t bound) {
    return random_below(seed, 4) == 0 ? random_below(seed, bound) : 0;
}

/* Each that was taken is told of once, whatever the order; what was told to be durable
 * is there after a loss of power. */
static void race(uint64_t seed, size_t fault, bool resumes) {
    struct simulation sim;
    struct told told = {.progress = true};
    struct submitter submitters[THREADS];
    simulation_begin_with(&sim, any_thread, &seed);
    struct kv *kv = told.kv = open_store(&sim);
    fail_call(&sim, fault, FAULT_BEFORE, EIO, false);
    for (uint64_t i = 0; i < THREADS; i++) {
        submitters[i] = (struct submitter){.kv = kv, .told = &told, .number = i};
        assert_ok(thread_create(&submitters[i].thread, sim.world.threads, submit_all,
                                &submitters[i]));
    }
    if (resumes) {
        enum status status = kv_resume(kv, NULL);
        (void)status; /* it may have come too early, or met the fault */
    }
    for (size_t i = 0; i < THREADS; i++) {
        thread_join(&submitters[i].thread);
    }
    enum status closed = kv_close(kv, NULL);
    assert_true(closed == STATUS_OK || fault > 0);
    fail_nothing(&sim);
    assert_in_order(&told);
    assert_false(told.early);
    assert_false(told.without_a_word);
    lose_power(&sim, false);
    kv = open_store(&sim);
    size_t taken = 0;
    for (size_t i = 0; i < THREADS; i++) {
        for (size_t j = 0; j < EACH; j++) {
            const struct request *request = &submitters[i].requests[j];
            bool good = request->status == STATUS_OK;
            assert_int_equal(request->times, good);
            assert_true(good || fault > 0);
            taken += good;
        }
    }
    assert_int_equal(told.count, taken);
    for (size_t i = 0; i < told.count; i++) {
        struct kv_progress now;
        kv_progress(kv, &now);
        assert_true(told.calls[i].status != STATUS_OK ||
                    told.calls[i].durability != DURABILITY_ALWAYS ||
                    told.calls[i].sequence <= now.durable);
    }
    assert_ok(kv_close(kv, NULL));
    simulation_end(&sim);
}

static void in_any_order_each_is_told_once(void **state) {
    (void)state;
    uint64_t seed = test_seed();
    for (uint64_t i = 0; i < 150; i++) {
        race(random_next(&seed), 0, i % 2 == 0);
    }
    for (uint64_t i = 0; i < 300; i++) {
        race(random_next(&seed), 1 + random_below(&seed, 40), i % 2 == 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_sync_it_is_told_at_once),
        cmocka_unit_test(nobody_waits_for_the_sync_they_share),
        cmocka_unit_test(each_durability_in_its_order),
        cmocka_unit_test(close_tells_those_who_are_left),
        cmocka_unit_test(all_are_told_of_a_failed_sync),
        cmocka_unit_test(who_is_durable_is_told_so),
        cmocka_unit_test(a_resume_goes_before_the_news),
        cmocka_unit_test(without_memory_nothing_is_lost),
        cmocka_unit_test(more_than_may_be_wait_or_are_stalled),
        cmocka_unit_test(who_may_not_wait_does_not_wait_for_others),
        cmocka_unit_test(in_any_order_each_is_told_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
