/* The queue alone: who leads, with whom, and that all are told, whatever the order and
 * the time. What a leader does with its group is test_commit_group's. */
#include "../01-wal/simulation.h"

#include "writer_queue.h"

struct visitor {
    struct writer writer;
    struct writer_queue *queue;
    struct thread thread;
    enum status status;
    enum place place;
    size_t changes;
    bool back;
};

static void visit(void *argument) {
    struct visitor *visitor = argument;
    visitor->status = writer_queue_enter(visitor->queue, &visitor->writer,
                                         &visitor->place, &visitor->changes);
    visitor->back = true;
}

enum { VISITORS_MAX = GROUP_CHANGES_MAX + 3, SHORT_MICROS = 100, LONG_MICROS = 500 };

struct visits {
    struct simulation sim;
    struct writer_queue queue;
    struct visitor visitors[VISITORS_MAX];
    size_t count;
    size_t yields;
    void (*at_yield)(struct visits *visits); /* NULL: nothing happens meanwhile */
};

static void sync_ended(struct visits *visits, uint64_t begun, size_t told) {
    mutex_lock(&visits->queue.lock);
    writer_queue_sync_ended(&visits->queue, begun, told);
    mutex_unlock(&visits->queue.lock);
}

/* A sync was for `told`, and took so long. Nobody stays awake for more than SHORT. */
static void visits_begin_after(struct visits *visits, size_t told, uint64_t micros) {
    memset(visits, 0, sizeof *visits);
    simulation_begin(&visits->sim);
    assert_ok(writer_queue_init(&visits->queue, &visits->sim.world, SHORT_MICROS, NULL));
    uint64_t begun = writer_queue_sync_begins(&visits->queue);
    scheduler_advance(visits->sim.scheduler, micros - 1); /* and less than 1 more */
    sync_ended(visits, begun, told);
}

static void visits_begin(struct visits *visits, size_t told) {
    visits_begin_after(visits, told, LONG_MICROS);
}

static void visits_end(struct visits *visits) {
    for (size_t i = 0; i < visits->count; i++) {
        thread_join(&visits->visitors[i].thread);
    }
    writer_queue_free(&visits->queue);
    simulation_end(&visits->sim);
}

static struct visitor *come(struct visits *visits, enum durability durability,
                            uint64_t bytes) {
    struct visitor *visitor = &visits->visitors[visits->count++];
    assert_true(visits->count <= VISITORS_MAX);
    visitor->queue = &visits->queue;
    visitor->writer = (struct writer){.bytes = bytes, .durability = durability};
    assert_ok(thread_create(&visitor->thread, visits->sim.world.threads, visit, visitor));
    scheduler_settle(visits->sim.scheduler);
    return visitor;
}

static void assert_leads(const struct visitor *visitor, size_t changes) {
    assert_true(visitor->back);
    assert_int_equal(visitor->place, LEADS);
    assert_int_equal(visitor->changes, changes);
}

/* All of the leader's group are told. */
static void tell_group(struct visits *visits, struct visitor *leader) {
    mutex_lock(&visits->queue.lock);
    writer_queue_leave(&visits->queue, leader->changes);
    unsigned beds = writers_done(&leader->writer, &leader->writer, STATUS_OK, NULL);
    mutex_unlock(&visits->queue.lock);
    writers_wake(&visits->queue, beds);
}

static void tell(struct visits *visits, struct visitor *leader) {
    tell_group(visits, leader);
    scheduler_settle(visits->sim.scheduler);
}

static void assert_told(const struct visitor *visitor) {
    assert_true(visitor->back);
    assert_int_equal(visitor->place, DONE);
}

/* ---- who leads ------------------------------------------------------------------- */

static void who_comes_last_leads(void **state) {
    (void)state;
    for (uint64_t late = 0; late <= 10000; late += 10000) {
        static struct visits visits;
        visits_begin(&visits, 3);
        struct visitor *first = come(&visits, DURABILITY_ALWAYS, 10);
        struct visitor *second = come(&visits, DURABILITY_ALWAYS, 10);
        assert_false(first->back || second->back);
        struct visitor *last = come(&visits, DURABILITY_ALWAYS, 10);
        assert_leads(last, 3);
        assert_false(first->back || second->back);
        scheduler_advance(visits.sim.scheduler, late);
        assert_false(first->back || second->back);
        tell(&visits, last);
        assert_told(first);
        assert_told(second);
        visits_end(&visits);
    }
}

/* One who came while a sync was under way is none of those whom that told. */
static void who_was_there_already_does_not_count(void **state) {
    static struct visits visits;
    (void)state;
    visits_begin(&visits, 0);
    uint64_t begun = writer_queue_sync_begins(&visits.queue);
    struct visitor *first = come(&visits, DURABILITY_ALWAYS, 10);
    scheduler_advance(visits.sim.scheduler, 300);
    assert_false(first->back);
    sync_ended(&visits, begun, 2);
    struct visitor *second = come(&visits, DURABILITY_ALWAYS, 10);
    scheduler_advance(visits.sim.scheduler, 599);
    assert_false(first->back || second->back);
    struct visitor *last = come(&visits, DURABILITY_ALWAYS, 10);
    assert_leads(last, 3);
    tell(&visits, last);
    assert_told(first);
    assert_told(second);
    visits_end(&visits);
}

static void who_held_off_leads_when_the_time_is_up(void **state) {
    static struct visits visits;
    (void)state;
    visits_begin(&visits, 3);
    struct visitor *first = come(&visits, DURABILITY_ALWAYS, 10);
    struct visitor *second = come(&visits, DURABILITY_ALWAYS, 10);
    scheduler_advance(visits.sim.scheduler, 999);
    assert_false(first->back || second->back);
    scheduler_advance(visits.sim.scheduler, 1);
    assert_leads(first, 2);
    struct visitor *third = come(&visits, DURABILITY_ALWAYS, 10);
    tell(&visits, first);
    assert_told(second);
    assert_leads(third, 1); /* nobody is waited for twice */
    tell(&visits, third);
    visits_end(&visits);
}

/* Somebody in a hurry, or large, ends the wait, and does not lead itself. */
static void who_held_off_leads_when_it_must(void **state) {
    (void)state;
    for (int large = 0; large < 2; large++) {
        static struct visits visits;
        visits_begin(&visits, 4);
        struct visitor *first = come(&visits, DURABILITY_ALWAYS, 10);
        struct visitor *second = come(&visits, DURABILITY_ALWAYS, 10);
        struct visitor *third = large ? come(&visits, DURABILITY_ALWAYS, SMALL_BYTES + 11)
                                      : come(&visits, DURABILITY_NONE, 10);
        assert_leads(first, large ? 2 : 3);
        assert_false(second->back || third->back);
        tell(&visits, first);
        assert_told(second);
        if (large) {
            assert_leads(third, 1);
            tell(&visits, third);
        } else {
            assert_told(third);
        }
        visits_end(&visits);
    }
}

/* It was left behind by a group, among others, and then held off for a sync without an
 * end in sight; so it sleeps elsewhere than it did. */
static void who_held_off_is_told_too(void **state) {
    static struct visits visits;
    (void)state;
    visits_begin(&visits, 0);
    uint64_t begun = writer_queue_sync_begins(&visits.queue);
    visits.queue.syncing = 0; /* for the moment, so that one leads at once */
    struct visitor *first = come(&visits, DURABILITY_ALWAYS, 10);
    assert_leads(first, 1);
    struct visitor *second = come(&visits, DURABILITY_NONE, 10);
    struct visitor *third = come(&visits, DURABILITY_ALWAYS, SMALL_BYTES / 2 + 1);
    struct visitor *rest = come(&visits, DURABILITY_ALWAYS, SMALL_BYTES / 2);
    tell(&visits, first);
    assert_leads(second, 2);
    visits.queue.syncing = 1;
    tell(&visits, second);
    assert_told(third);
    while (visits.count < VISITORS_MAX - 1) {
        assert_false(come(&visits, DURABILITY_ALWAYS, 10)->back);
    }
    struct visitor *last = come(&visits, DURABILITY_ALWAYS, 10);
    assert_leads(last, GROUP_CHANGES_MAX);
    sync_ended(&visits, begun, 0);
    tell(&visits, last);
    assert_told(rest);
    visits_end(&visits);
}

/* ---- who stays awake ------------------------------------------------------------- */

/* Yields are the test's: they are counted, and other things happen meanwhile. */
static struct visits *watched;
static struct thread_ops watched_ops;
static struct threads watched_threads;
static const struct threads *unwatched;

static void watched_yield(void *state) {
    watched->yields++;
    unwatched->ops->yield(state);
    if (watched->at_yield != NULL) {
        watched->at_yield(watched);
    }
}

static void watch(struct visits *visits) {
    watched = visits;
    unwatched = visits->sim.world.threads;
    watched_ops = *unwatched->ops;
    watched_ops.yield = watched_yield;
    watched_threads = (struct threads){&watched_ops, unwatched->state};
    visits->sim.world.threads = &watched_threads;
}

/* A sync for three took so long; but now nobody is waited for. */
static void begin_watched(struct visits *visits, uint64_t micros) {
    visits_begin_after(visits, 3, micros);
    visits->queue.expected = 0;
    watch(visits);
}

/* One leads, and another one waits for its turn. A simulated yield takes 1 us. */
static void who_waits_for_a_short_sync_stays_awake(void **state) {
    (void)state;
    for (uint64_t micros = SHORT_MICROS; micros <= LONG_MICROS; micros += 400) {
        static struct visits visits;
        begin_watched(&visits, micros);
        struct visitor *first = come(&visits, DURABILITY_ALWAYS, 10);
        assert_leads(first, 1);
        struct visitor *second = come(&visits, DURABILITY_ALWAYS, 10);
        assert_int_equal(visits.yields, micros == SHORT_MICROS ? 3 * SHORT_MICROS : 0);
        assert_false(second->back);
        tell(&visits, first);
        assert_leads(second, 1);
        tell(&visits, second);
        visits_end(&visits);
    }
}

enum { AT_YIELD = 5 };

static void first_goes_at_yield(struct visits *visits) {
    if (visits->yields == AT_YIELD) {
        tell_group(visits, &visits->visitors[0]);
    }
}

static void who_is_awake_leads_at_once(void **state) {
    static struct visits visits;
    (void)state;
    begin_watched(&visits, SHORT_MICROS);
    assert_leads(come(&visits, DURABILITY_ALWAYS, 10), 1);
    visits.at_yield = first_goes_at_yield;
    struct visitor *second = come(&visits, DURABILITY_ALWAYS, 10);
    assert_leads(second, 1);
    assert_int_equal(visits.yields, AT_YIELD);
    tell(&visits, second);
    visits_end(&visits);
}

static void sync_ends_at_yield(struct visits *visits) {
    if (visits->yields == AT_YIELD) {
        uint64_t now = clock_monotonic_micros(visits->sim.world.clock);
        sync_ended(visits, now, 0);
    }
}

static void who_holds_off_awake_leads_when_the_sync_ends(void **state) {
    static struct visits visits;
    (void)state;
    begin_watched(&visits, SHORT_MICROS);
    (void)writer_queue_sync_begins(&visits.queue);
    visits.at_yield = sync_ends_at_yield;
    struct visitor *first = come(&visits, DURABILITY_ALWAYS, 10);
    assert_leads(first, 1);
    assert_int_equal(visits.yields, AT_YIELD);
    tell(&visits, first);
    visits_end(&visits);
}

/* Three are waited for, and but one comes. */
static void who_holds_off_awake_leads_when_the_time_is_up(void **state) {
    static struct visits visits;
    (void)state;
    visits_begin_after(&visits, 3, SHORT_MICROS);
    watch(&visits);
    struct visitor *first = come(&visits, DURABILITY_ALWAYS, 10);
    assert_leads(first, 1);
    assert_int_equal(visits.yields, 2 * SHORT_MICROS);
    tell(&visits, first);
    visits_end(&visits);
}

static void two_do_not_stay_awake(void **state) {
    static struct visits visits;
    (void)state;
    visits_begin_after(&visits, 2, SHORT_MICROS);
    watch(&visits);
    struct visitor *first = come(&visits, DURABILITY_ALWAYS, 10);
    struct visitor *second = come(&visits, DURABILITY_ALWAYS, 10);
    assert_leads(second, 2);
    assert_int_equal(visits.yields, 0);
    tell(&visits, second);
    assert_told(first);
    visits_end(&visits);
}

enum { SLICE_MICROS = 1500 };

static void others_run_at_yield(struct visits *visits) {
    (void)visits;
    for (int i = 0; i < SLICE_MICROS; i++) {
        unwatched->ops->yield(unwatched->state);
    }
}

static void nobody_stays_awake_where_others_want_to_run(void **state) {
    static struct visits visits;
    (void)state;
    begin_watched(&visits, SHORT_MICROS);
    visits.queue.awake_micros = 10 * SLICE_MICROS;
    visits.at_yield = others_run_at_yield;
    struct visitor *first = come(&visits, DURABILITY_ALWAYS, 10);
    for (size_t i = 0; i < 3; i++) {
        assert_false(come(&visits, DURABILITY_ALWAYS, 10)->back);
        assert_int_equal(visits.yields, 1);
    }
    scheduler_advance(visits.sim.scheduler, 16 * (SLICE_MICROS + 1) - 1);
    assert_false(come(&visits, DURABILITY_ALWAYS, 10)->back);
    assert_int_equal(visits.yields, 1);
    scheduler_advance(visits.sim.scheduler, 1);
    assert_false(come(&visits, DURABILITY_ALWAYS, 10)->back);
    assert_int_equal(visits.yields, 2);
    tell(&visits, first);
    struct visitor *second = &visits.visitors[1];
    assert_leads(second, 5);
    tell(&visits, second);
    visits_end(&visits);
}

/* ---- any order ------------------------------------------------------------------- */

enum { THREADS = 5, ROUNDS = 30 };

struct crew {
    struct simulation sim;
    struct writer_queue queue;
    struct atomic_u64 arrivals;
    size_t leaders; /* at this moment */
    uint64_t sequence;
    uint64_t took_over; /* leaders whose group had come before them */
    uint64_t seed;
    uint64_t micros;
};

struct hand {
    struct crew *crew;
    struct thread thread;
    uint64_t seed;
};

/* Time passes as it is looked at, so that leaders wait for those who were told. */
static uint64_t crew_micros(void *state) {
    struct crew *crew = state;
    return crew->micros += 1 + random_below(&crew->seed, 100);
}

static uint64_t crew_chooser(void *context, uint64_t bound) {
    struct crew *crew = context;
    return random_below(&crew->seed, 2) == 0 ? 0 : random_below(&crew->seed, bound);
}

/* As commit_group.c does, with nothing to write. */
static void lead(struct crew *crew, struct writer *leader, size_t changes) {
    struct writer_queue *queue = &crew->queue;
    assert_int_equal(crew->leaders++, 0);
    mutex_lock(&queue->lock); /* where others may go on */
    mutex_unlock(&queue->lock);
    mutex_lock(&queue->lock);
    crew->leaders--;
    writer_queue_leave(queue, changes);
    size_t count = 0;
    for (struct writer *writer = leader; writer != NULL; writer = writer->next) {
        assert_int_equal(writer->sequence, 0);
        writer->sequence = ++crew->sequence;
        count++;
    }
    assert_int_equal(count, changes);
    mutex_unlock(&queue->lock);
    bool syncs = leader->durability == DURABILITY_ALWAYS;
    uint64_t begun = syncs ? writer_queue_sync_begins(queue) : 0;
    mutex_lock(&queue->lock);
    if (syncs) {
        writer_queue_sync_ended(queue, begun, changes);
    }
    unsigned beds = writers_done(leader, leader, STATUS_OK, NULL);
    mutex_unlock(&queue->lock);
    writers_wake(queue, beds);
}

static void work(void *argument) {
    struct hand *hand = argument;
    struct crew *crew = hand->crew;
    for (int i = 0; i < ROUNDS; i++) {
        bool none = random_below(&hand->seed, 20) == 0;
        bool large = random_below(&hand->seed, 4) == 0; /* not two behind a small one */
        struct writer writer = {.bytes = large ? SMALL_BYTES / 2 + 1 : 10,
                                .durability = none ? DURABILITY_NONE : DURABILITY_ALWAYS,
                                .status = STATUS_IO};
        enum place place;
        size_t changes = 0;
        bool first = crew->queue.first == NULL;
        assert_ok(writer_queue_enter(&crew->queue, &writer, &place, &changes));
        if (place == LEADS) {
            crew->took_over += changes == THREADS && !first;
            lead(crew, &writer, changes);
        }
        assert_int_equal(writer.status, STATUS_OK);
        assert_true(writer.sequence > 0);
    }
}

static void all_are_told_once(void **state) {
    static const struct clock_ops ops = {crew_micros, crew_micros};
    uint64_t took_over = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        static struct crew crew;
        struct hand hands[THREADS];
        crew = (struct crew){.seed = seed};
        simulation_begin_with(&crew.sim, crew_chooser, &crew);
        struct world world = crew.sim.world;
        const struct clock clock = {&ops, &crew};
        world.clock = &clock;
        scheduler_wake_spuriously(crew.sim.scheduler, seed % 3 == 0 ? 0 : 4);
        assert_ok(writer_queue_init(&crew.queue, &world, 50, NULL));
        for (size_t i = 0; i < THREADS; i++) {
            hands[i] = (struct hand){.crew = &crew, .seed = seed * THREADS + i};
            assert_ok(thread_create(&hands[i].thread, world.threads, work, &hands[i]));
        }
        for (size_t i = 0; i < THREADS; i++) {
            thread_join(&hands[i].thread);
        }
        assert_int_equal(crew.sequence, THREADS * ROUNDS);
        assert_int_equal(crew.queue.queued, 0);
        assert_int_equal(crew.queue.impatient, 0);
        assert_int_equal(crew.queue.queued_bytes, 0);
        took_over += crew.took_over;
        writer_queue_free(&crew.queue);
        simulation_end(&crew.sim);
    }
    printf("%" PRIu64 " groups of all\n", took_over);
    assert_true(took_over > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_comes_last_leads),
        cmocka_unit_test(who_was_there_already_does_not_count),
        cmocka_unit_test(who_held_off_leads_when_the_time_is_up),
        cmocka_unit_test(who_held_off_leads_when_it_must),
        cmocka_unit_test(who_held_off_is_told_too),
        cmocka_unit_test(who_waits_for_a_short_sync_stays_awake),
        cmocka_unit_test(who_is_awake_leads_at_once),
        cmocka_unit_test(who_holds_off_awake_leads_when_the_sync_ends),
        cmocka_unit_test(who_holds_off_awake_leads_when_the_time_is_up),
        cmocka_unit_test(two_do_not_stay_awake),
        cmocka_unit_test(nobody_stays_awake_where_others_want_to_run),
        cmocka_unit_test(all_are_told_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
