/* Notices: told when what others wrote is durable; once each, and not before, whatever
 * fails and in whatever order threads get on. */
#include "../03-sstable/engine_faults.h"

#include "kv_async.h"

enum { THREADS = 4, EACH = 14 };

struct notice {
    struct kv *kv;
    uint64_t sequence;
    enum durability durability;
    enum status taken; /* as kv_notify answered */
    enum status status;
    unsigned times;
    bool early;          /* told of what was not durable */
    bool without_a_word; /* a failure without a message */
};

static void note(void *context, uint64_t sequence, enum status status,
                 const struct error *error) {
    struct notice *notice = context;
    struct kv_progress now;
    kv_progress(notice->kv, &now);
    assert_int_equal(sequence, notice->sequence);
    notice->times++;
    notice->status = status;
    notice->early |= status == STATUS_OK && notice->durability == DURABILITY_ALWAYS &&
                     now.durable < sequence;
    notice->without_a_word |= status != STATUS_OK && error->message[0] == '\0';
}

static enum status ask(struct kv *kv, uint64_t sequence, enum durability durability,
                       struct notice *notice, struct error *error) {
    *notice = (struct notice){.kv = kv, .sequence = sequence, .durability = durability};
    notice->taken = kv_notify(kv, sequence, durability, note, notice, error);
    return notice->taken;
}

static void put_some(struct kv *kv, uint64_t first, uint64_t last) {
    for (uint64_t i = first; i <= last; i++) {
        put_number(kv, i, DURABILITY_NONE);
    }
}

/* ---- when ------------------------------------------------------------------------ */

static void one_sync_for_all_that_was_written(void **state) {
    (void)state;
    struct simulation sim;
    struct notice notice, lower;
    simulation_begin(&sim);
    struct kv *kv = open_store(&sim);
    put_some(kv, 1, 20);
    assert_ok(ask(kv, 20, DURABILITY_ALWAYS, &notice, NULL));
    assert_ok(ask(kv, 7, DURABILITY_ALWAYS, &lower, NULL)); /* behind a greater one */
    assert_int_equal(notice.times, 0);
    assert_int_equal(stats_of(kv).sequence_durable, 0);
    scheduler_settle(sim.scheduler);
    assert_int_equal(notice.times, 1);
    assert_int_equal(lower.times, 1);
    assert_ok(notice.status);
    assert_ok(lower.status);
    assert_false(notice.early);
    assert_int_equal(stats_of(kv).syncs, 1);
    assert_survives(&sim, 20);
    assert_ok(kv_close(kv, NULL));
    simulation_end(&sim);
}

/* Nobody is woken for what is so already. */
static void what_is_so_is_told_at_once(void **state) {
    (void)state;
    struct simulation sim;
    struct notice notice;
    simulation_begin(&sim);
    struct kv *kv = open_store(&sim);
    put_some(kv, 1, 5);
    size_t threads = scheduler_objects(sim.scheduler);
    assert_ok(ask(kv, 0, DURABILITY_ALWAYS, &notice, NULL));
    assert_int_equal(notice.times, 1);
    assert_ok(ask(kv, 5, DURABILITY_NONE, &notice, NULL));
    assert_int_equal(notice.times, 1);
    assert_ok(kv_sync(kv, NULL));
    for (enum durability d = DURABILITY_DEFAULT; d <= DURABILITY_ALWAYS; d++) {
        assert_ok(ask(kv, 5, d, &notice, NULL));
        assert_int_equal(notice.times, 1);
        assert_ok(notice.status);
    }
    assert_int_equal(scheduler_objects(sim.scheduler), threads);
    assert_ok(kv_close(kv, NULL));
    simulation_end(&sim);
}

/* A wait for what nobody wrote would never end. */
static void what_was_not_written_is_refused(void **state) {
    (void)state;
    struct simulation sim;
    struct error error = {0};
    struct notice notice;
    simulation_begin(&sim);
    struct kv *kv = open_store(&sim);
    put_some(kv, 1, 5);
    assert_int_equal(ask(kv, 6, DURABILITY_ALWAYS, &notice, &error), STATUS_INVALID);
    assert_message_has(error, "no change of sequence 6");
    assert_int_equal(ask(kv, 5, (enum durability)9, &notice, &error), STATUS_INVALID);
    assert_message_has(error, "durability 9");
    assert_ok(kv_close(kv, NULL));
    assert_int_equal(notice.times, 0);
    simulation_end(&sim);
}

/* What was written with no durability at all is synced in time from then on. */
static void an_interval_begins(void **state) {
    (void)state;
    struct simulation sim;
    struct notice notice;
    simulation_begin(&sim);
    struct kv *kv = open_store(&sim);
    uint64_t interval = (uint64_t)sim.options.interval_millis * 1000;
    put_some(kv, 1, 5);
    scheduler_advance(sim.scheduler, 5 * interval);
    assert_int_equal(stats_of(kv).sequence_durable, 0);
    assert_ok(ask(kv, 5, DURABILITY_INTERVAL, &notice, NULL));
    scheduler_settle(sim.scheduler);
    assert_int_equal(notice.times, 1);
    assert_ok(notice.status);
    scheduler_advance(sim.scheduler, interval);
    assert_int_equal(stats_of(kv).sequence_durable, 5);
    assert_ok(kv_close(kv, NULL));
    simulation_end(&sim);
}

static void close_tells_those_who_are_left(void **state) {
    (void)state;
    struct simulation sim;
    struct notice notices[10];
    simulation_begin(&sim);
    struct kv *kv = open_store(&sim);
    put_some(kv, 1, 10);
    for (size_t i = 0; i < 10; i++) {
        assert_ok(ask(kv, 10 - i, DURABILITY_ALWAYS, &notices[i], NULL));
    }
    assert_ok(kv_close(kv, NULL));
    for (size_t i = 0; i < 10; i++) {
        assert_int_equal(notices[i].times, 1);
        assert_ok(notices[i].status);
    }
    simulation_end(&sim);
}

/* ---- failures -------------------------------------------------------------------- */

/* Who asked before the sync failed is told of it; who asks afterwards is told well of
 * what was durable, and refused for the rest, until a resume. */
static void a_failed_sync_is_told(void **state) {
    (void)state;
    struct simulation sim;
    struct error error = {0};
    struct notice notice;
    simulation_begin(&sim);
    struct kv *kv = open_store(&sim);
    put_some(kv, 1, 4);
    assert_ok(kv_sync(kv, NULL));
    put_some(kv, 5, 9);
    assert_ok(ask(kv, 9, DURABILITY_ALWAYS, &notice, NULL));
    fail_call(&sim, 1, FAULT_BEFORE, EIO, false);
    scheduler_settle(sim.scheduler);
    fail_nothing(&sim);
    assert_int_equal(notice.times, 1);
    assert_int_equal(notice.status, STATUS_IO);
    assert_false(notice.without_a_word);
    assert_ok(ask(kv, 4, DURABILITY_ALWAYS, &notice, NULL));
    assert_int_equal(notice.times, 1);
    assert_ok(notice.status);
    assert_int_equal(ask(kv, 5, DURABILITY_ALWAYS, &notice, &error), STATUS_IO);
    assert_message_has(error, "writes are refused until resume or reopen");
    assert_int_equal(notice.times, 0);
    assert_resumes(kv);
    assert_ok(ask(kv, 9, DURABILITY_ALWAYS, &notice, NULL));
    scheduler_settle(sim.scheduler);
    assert_int_equal(notice.times, 1);
    assert_ok(notice.status);
    assert_survives(&sim, 9);
    assert_ok(kv_close(kv, NULL));
    simulation_end(&sim);
}

static void without_memory_it_is_refused(void **state) {
    (void)state;
    struct simulation sim;
    size_t refused = 0;
    simulation_begin(&sim);
    struct kv *kv = open_store(&sim);
    put_some(kv, 1, 3);
    struct notice notice = {.taken = STATUS_NO_MEMORY};
    for (uint64_t nth = 1; notice.taken != STATUS_OK; nth++) {
        counted_memory_fail(nth, false);
        enum status status = ask(kv, 3, DURABILITY_ALWAYS, &notice, NULL);
        counted_memory_fail(0, false);
        assert_true(status == STATUS_OK || status == STATUS_NO_MEMORY);
        assert_int_equal(notice.times, 0);
        refused += status != STATUS_OK;
    }
    assert_true(refused >= 2); /* the notice, and the thread */
    assert_ok(kv_close(kv, NULL));
    assert_int_equal(notice.times, 1);
    simulation_end(&sim);
}

static void more_than_may_be_are_stalled(void **state) {
    (void)state;
    struct simulation sim;
    struct error error = {0};
    struct notice notice = {0}, last;
    simulation_begin(&sim);
    struct kv *kv = open_store(&sim);
    put_some(kv, 1, 1);
    notice = (struct notice){.kv = kv, .sequence = 1, .durability = DURABILITY_ALWAYS};
    for (unsigned i = 0; i < KV_SUBMITTED_MAX; i++) {
        assert_ok(kv_notify(kv, 1, DURABILITY_ALWAYS, note, &notice, NULL));
    }
    assert_int_equal(ask(kv, 1, DURABILITY_ALWAYS, &last, &error), STATUS_STALLED);
    assert_message_has(error, "not yet told of");
    assert_ok(kv_close(kv, NULL));
    assert_int_equal(notice.times, KV_SUBMITTED_MAX);
    assert_int_equal(last.times, 0);
    simulation_end(&sim);
}

/* ---- many threads ---------------------------------------------------------------- */

struct asker {
    struct kv *kv;
    struct thread thread;
    uint64_t number;
    uint64_t random;
    struct notice notices[EACH];
};

static void do_nothing(void *context, uint64_t sequence, enum status status,
                       const struct error *error) {
    (void)context, (void)sequence, (void)status, (void)error;
}

/* Writes, as it comes, and asks for what it wrote, or for what it finds that others have
 * written; submissions stand in between. */
static void ask_all(void *argument) {
    struct asker *asker = argument;
    for (uint64_t i = 0; i < EACH; i++) {
        uint64_t sequence = 0;
        struct buf value = {0};
        char key[24];
        snprintf(key, sizeof key, "k%" PRIu64, asker->number * EACH + i);
        const struct kv_op op = put_op(key, "value");
        const struct kv_write_options how = {.durability = DURABILITY_NONE,
                                             .sequence = &sequence};
        const struct kv_write_options submit = {.durability = DURABILITY_ALWAYS};
        const struct kv_read_options read = {.observed = &sequence};
        enum status status = STATUS_OK;
        switch (random_below(&asker->random, 3)) {
        case 0:
            status = kv_submit(asker->kv, &op, 1, &submit, do_nothing, NULL, NULL);
            /* fallthrough */
        case 1:
            status = kv_get(asker->kv, op.key, &value, &read, NULL);
            break;
        default:
            status = kv_write(asker->kv, &op, 1, &how, NULL);
            if (status != STATUS_OK) {
                sequence = 0; /* in doubt: nobody can be told of it */
            }
            break;
        }
        status = ask(asker->kv, sequence,
                     random_below(&asker->random, 4) == 0 ? DURABILITY_INTERVAL
                                                          : DURABILITY_ALWAYS,
                     &asker->notices[i], NULL);
        (void)status; /* in the notice */
        buf_free(&value);
    }
}

static uint64_t any_thread(void *seed, uint64_t bound) {
    return random_below(seed, 4) == 0 ? random_below(seed, bound) : 0;
}

/* What was told to be durable is there after a loss of power. */
static void race(uint64_t seed, size_t fault, bool resumes) {
    struct simulation sim;
    struct asker askers[THREADS];
    struct kv_progress now;
    uint64_t random = seed;
    simulation_begin_with(&sim, any_thread, &seed);
    struct kv *kv = open_store(&sim);
    fail_call(&sim, fault, FAULT_BEFORE, EIO, false);
    for (uint64_t i = 0; i < THREADS; i++) {
        askers[i] = (struct asker){.kv = kv, .number = i, .random = random_next(&random)};
        assert_ok(
            thread_create(&askers[i].thread, sim.world.threads, ask_all, &askers[i]));
    }
    if (resumes) {
        enum status status = kv_resume(kv, NULL);
        (void)status; /* it may have come too early, or met the fault */
    }
    for (size_t i = 0; i < THREADS; i++) {
        thread_join(&askers[i].thread);
    }
    enum status closed = kv_close(kv, NULL);
    assert_true(closed == STATUS_OK || fault > 0);
    fail_nothing(&sim);
    lose_power(&sim, false);
    kv = open_store(&sim);
    kv_progress(kv, &now);
    for (size_t i = 0; i < THREADS; i++) {
        for (size_t j = 0; j < EACH; j++) {
            const struct notice *notice = &askers[i].notices[j];
            assert_int_equal(notice->times, notice->taken == STATUS_OK);
            assert_false(notice->early);
            assert_false(notice->without_a_word);
            assert_true((notice->taken == STATUS_OK && notice->status == STATUS_OK) ||
                        fault > 0);
            assert_true(notice->times == 0 || notice->status != STATUS_OK ||
                        notice->durability != DURABILITY_ALWAYS ||
                        notice->sequence <= now.durable);
        }
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
        cmocka_unit_test(one_sync_for_all_that_was_written),
        cmocka_unit_test(what_is_so_is_told_at_once),
        cmocka_unit_test(what_was_not_written_is_refused),
        cmocka_unit_test(an_interval_begins),
        cmocka_unit_test(close_tells_those_who_are_left),
        cmocka_unit_test(a_failed_sync_is_told),
        cmocka_unit_test(without_memory_it_is_refused),
        cmocka_unit_test(more_than_may_be_are_stalled),
        cmocka_unit_test(in_any_order_each_is_told_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
