/* Snapshots under threads. First simulated ones, whose turns are drawn: of one key whose
 * value is its sequence a snapshot shows its own number, however writes, flushes and
 * compactions come between. Then real ones on the real file system, which ThreadSanitizer
 * watches. */
#include "../01-wal/simulation.h"

#include "../common/directory.h"

/* ---- simulated threads ----------------------------------------------------------- */

enum { SCHEDULES = 150, WRITES = 30, TAKEN = 6 };

struct turns {
    uint64_t random;
    uint64_t last; /* this thread seldom gets a turn where another may have it */
    struct scheduler *scheduler;
};

static uint64_t choose(void *context, uint64_t bound) {
    struct turns *turns = context;
    uint64_t choice =
        random_below(&turns->random, 3) != 0 ? 0 : random_below(&turns->random, bound);
    if (scheduler_candidate(turns->scheduler, choice) == turns->last &&
        random_below(&turns->random, 16) != 0) {
        choice = (choice + 1) % bound;
    }
    return choice;
}

struct pair {
    struct kv *kv;
    bool written; /* all of it; one real thread runs both */
};

static void write_numbers(void *argument) {
    struct pair *pair = argument;
    for (uint64_t i = 1; i <= WRITES; i++) {
        char value[24];
        snprintf(value, sizeof value, "%" PRIu64, i);
        assert_ok(kv_put(pair->kv, slice_of("k"), slice_of(value), NULL, NULL));
        if (i % 3 == 0) {
            assert_ok(kv_compact(pair->kv, (struct slice){0}, (struct slice){0}, NULL));
        }
    }
    pair->written = true;
}

static void assert_shows(struct kv *kv, const struct kv_snapshot *snapshot) {
    struct buf value = {0};
    uint64_t sequence = kv_snapshot_sequence(snapshot);
    char expected[24];
    const struct kv_read_options options = {.snapshot = snapshot};
    enum status status = kv_get(kv, slice_of("k"), &value, &options, NULL);
    snprintf(expected, sizeof expected, "%" PRIu64, sequence);
    if (status != (sequence == 0 ? STATUS_NOT_FOUND : STATUS_OK) ||
        (sequence > 0 && !slice_equal(buf_slice(&value), slice_of(expected)))) {
        fail_msg("at %" PRIu64 ": %s %.*s", sequence, status_words(status),
                 (int)value.length, (const char *)value.data);
    }
    buf_free(&value);
}

static void take_and_read(struct pair *pair) {
    struct kv_snapshot *taken[TAKEN] = {NULL};
    for (size_t i = 0; !pair->written; i = (i + 1) % TAKEN) {
        kv_snapshot_release(taken[i]);
        assert_ok(kv_snapshot_take(pair->kv, &taken[i], NULL));
        for (size_t j = 0; j < TAKEN; j++) {
            if (taken[j] != NULL) {
                assert_shows(pair->kv, taken[j]);
            }
        }
    }
    for (size_t j = 0; j < TAKEN; j++) {
        if (taken[j] != NULL) {
            assert_shows(pair->kv, taken[j]);
        }
        kv_snapshot_release(taken[j]);
    }
}

static void taken_under_every_schedule(void **state) {
    (void)state;
    uint64_t seed = test_seed();
    for (int round = 0; round < SCHEDULES; round++) {
        struct simulation sim;
        struct thread writer;
        struct turns turns = {.random = random_next(&seed)};
        struct pair pair = {0};
        turns.last = random_below(&turns.random, 5);
        simulation_begin_with(&sim, NULL, NULL);
        scheduler_free(sim.scheduler);
        sim.scheduler = scheduler_new(choose, &turns);
        turns.scheduler = sim.scheduler;
        sim.world.threads = scheduler_threads(sim.scheduler);
        sim.world.clock = scheduler_clock(sim.scheduler);
        pair.kv = open_store(&sim);
        assert_ok(thread_create(&writer, sim.world.threads, write_numbers, &pair));
        take_and_read(&pair);
        thread_join(&writer);
        assert_ok(kv_close(pair.kv, NULL));
        simulation_end(&sim);
    }
}

/* ---- real threads ---------------------------------------------------------------- */

enum { WRITERS = 2, READERS = 2, CHANGES = 1500, PARTS = 8 };

struct shared {
    struct kv *kv;
    struct atomic_u64 writing;
};

struct worker {
    struct shared *shared;
    struct thread thread;
    uint64_t number;
    uint64_t done;
    const char *wrong; /* cmocka's asserts are for the main thread */
};

static bool goes_on(const struct worker *worker) {
    return worker->wrong == NULL &&
           atomic_u64_load(&worker->shared->writing, memory_order_acquire) > 0;
}

/* The i-th change of a writer makes all of his parts i. */
static void write_changes(void *argument) {
    struct worker *worker = argument;
    for (uint64_t i = 1; i <= CHANGES && worker->wrong == NULL; i++) {
        struct kv_op ops[PARTS];
        char names[PARTS][24], value[24];
        const struct kv_write_options options = {.durability = DURABILITY_NONE};
        snprintf(value, sizeof value, "%" PRIu64, i);
        for (unsigned j = 0; j < PARTS; j++) {
            snprintf(names[j], sizeof names[j], "%" PRIu64 "-%u", worker->number, j);
            ops[j] = (struct kv_op){KV_PUT, slice_of(names[j]), slice_of(value)};
        }
        if (kv_write(worker->shared->kv, ops, PARTS, &options, NULL) != STATUS_OK) {
            worker->wrong = "a write";
        }
    }
    atomic_u64_add(&worker->shared->writing, UINT64_MAX, memory_order_acq_rel);
}

static uint64_t number_of(struct slice value) {
    char text[24] = {0};
    memcpy(text, value.data, value.length < 23 ? value.length : 23);
    return strtoull(text, NULL, 10);
}

/* All parts of a writer are alike, together they make the sequence. */
static const char *judge_walk(struct kv *kv, const struct kv_snapshot *snapshot) {
    struct iter *iter;
    uint64_t sum = 0, last = 0, count = 0;
    const struct kv_iter_options options = {.snapshot = snapshot};
    if (kv_iter(kv, &options, &iter, NULL) != STATUS_OK) {
        return "an iterator";
    }
    bool torn = false;
    for (iter_first(iter); iter->valid; iter_next(iter)) {
        uint64_t number = number_of(iter->value);
        torn = torn || (count % PARTS != 0 && number != last);
        last = number;
        sum += number;
        count++;
    }
    bool failed = iter->error.status != STATUS_OK;
    iter_close(iter);
    return failed                                  ? "a walk"
           : torn || count % PARTS != 0            ? "half a change"
           : sum != kv_snapshot_sequence(snapshot) ? "another moment"
                                                   : NULL;
}

static const char *judge_gets(struct kv *kv, const struct kv_snapshot *snapshot) {
    struct buf value = {0};
    const char *wrong = NULL;
    uint64_t sum = 0;
    const struct kv_read_options options = {.snapshot = snapshot};
    for (unsigned i = 0; i < WRITERS * PARTS && wrong == NULL; i++) {
        char name[24];
        snprintf(name, sizeof name, "%u-%u", i / PARTS, i % PARTS);
        enum status status = kv_get(kv, slice_of(name), &value, &options, NULL);
        if (status == STATUS_OK) {
            sum += number_of(buf_slice(&value));
        } else if (status != STATUS_NOT_FOUND) {
            wrong = "a lookup";
        }
    }
    buf_free(&value);
    return wrong != NULL                           ? wrong
           : sum != kv_snapshot_sequence(snapshot) ? "lookups at another moment"
                                                   : NULL;
}

static void take_snapshots(void *argument) {
    struct worker *worker = argument;
    struct kv *kv = worker->shared->kv;
    struct kv_snapshot *older = NULL, *newer = NULL;
    for (; goes_on(worker); worker->done++) {
        if (kv_snapshot_take(kv, &newer, NULL) != STATUS_OK) {
            worker->wrong = "a snapshot";
            break;
        }
        worker->wrong = judge_walk(kv, newer);
        if (worker->wrong == NULL) {
            worker->wrong = judge_gets(kv, newer);
        }
        if (worker->wrong == NULL && older != NULL) {
            worker->wrong = kv_snapshot_sequence(older) > kv_snapshot_sequence(newer)
                                ? "time goes back"
                                : judge_walk(kv, older);
        }
        if (worker->done % 8 == worker->number) {
            kv_snapshot_release(older);
            older = newer;
        } else {
            kv_snapshot_release(newer);
        }
    }
    kv_snapshot_release(older);
}

static void compact_all(void *argument) {
    struct worker *worker = argument;
    for (; goes_on(worker); worker->done++) {
        struct kv_stats stats;
        if (kv_compact(worker->shared->kv, (struct slice){0}, (struct slice){0}, NULL) !=
            STATUS_OK) {
            worker->wrong = "a compaction";
        }
        kv_stats(worker->shared->kv, &stats);
    }
}

static void taken_under_load(void **state) {
    static thread_body *const bodies[] = {write_changes, write_changes, take_snapshots,
                                          take_snapshots, compact_all};
    enum { WORKERS = sizeof bodies / sizeof bodies[0] };
    struct shared shared = {.writing = {WRITERS}};
    struct worker workers[WORKERS] = {0};
    struct kv_stats stats;
    struct kv_options options = kv_options_default();
    options.write_buffer_bytes = 32 << 10;
    options.table_bytes = 8 << 10;
    options.compaction_threads = 2;
    assert_ok(kv_open(*state, &options, &shared.kv, NULL));
    for (size_t i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){.shared = &shared, .number = i};
        assert_ok(
            thread_create(&workers[i].thread, &threads_posix, bodies[i], &workers[i]));
    }
    for (size_t i = 0; i < WORKERS; i++) {
        thread_join(&workers[i].thread);
        if (workers[i].wrong != NULL) {
            fail_msg("worker %zu: %s", i, workers[i].wrong);
        }
    }
    kv_stats(shared.kv, &stats);
    printf("%" PRIu64 " and %" PRIu64 " snapshots, %" PRIu64 " compactions\n",
           workers[2].done, workers[3].done, stats.compactions);
    assert_int_equal(stats.snapshots, 0);
    assert_in_range(stats.compactions, 1, UINT64_MAX);
    assert_ok(kv_close(shared.kv, NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(taken_under_every_schedule),
        cmocka_unit_test_setup_teardown(taken_under_load, directory_setup,
                                        directory_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
