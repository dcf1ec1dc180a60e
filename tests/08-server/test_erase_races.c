/* Erasures beside writers, readers, flushes and compactions, in drawn orders of simulated
 * threads. Whatever the order, an erasure stands somewhere between two changes: what is
 * left is what was written behind the last one, all of it and nothing else; and who holds
 * a snapshot finds the same again and again. */
#include "erase.h"

enum {
    WRITERS = 3,
    ACTORS = 7,
    EACH = 60,
    ERASURES = 4,
    KEYS = 12,
    ROUNDS = 150,
    LARGE_BYTES = 4000
};

/* Simulated threads: nothing of this needs a lock. */
struct shared {
    struct simulation sim;
    struct kv *kv;
    size_t begun, ended; /* erasures */
    size_t writing;      /* writers */
    size_t value_bytes;
};

/* The last put of a key. */
struct put {
    uint64_t sequence; /* 0: none */
    uint64_t value;
    size_t ended_before; /* erasures that had ended when it began … */
    size_t begun_by;     /* … and that had begun when it ended */
};

struct actor {
    struct shared *shared;
    struct thread thread;
    uint64_t random;
    size_t number;
    struct put latest[KEYS]; /* a writer's */
};

static struct slice key_of(char text[24], size_t writer, size_t key) {
    snprintf(text, 24, "k%zu-%zu", key, writer);
    return slice_of(text);
}

/* Others may get on. */
static void pause_some(struct actor *actor, uint64_t most) {
    struct kv_progress now;
    for (uint64_t left = random_below(&actor->random, most + 1); left > 0; left--) {
        kv_progress(actor->shared->kv, &now);
    }
}

/* ---- the threads ----------------------------------------------------------------- */

static void write_all(void *argument) {
    struct actor *actor = argument;
    struct shared *shared = actor->shared;
    for (uint64_t i = 1; i <= EACH; i++) {
        char text[24], value[LARGE_BYTES];
        struct put *put = &actor->latest[random_below(&actor->random, KEYS)];
        size_t key = (size_t)(put - actor->latest);
        const struct kv_write_options how = {.durability = DURABILITY_NONE,
                                             .sequence = &put->sequence};
        memset(value, '.', sizeof value);
        snprintf(value, sizeof value, "%" PRIu64 " ", i);
        put->value = i;
        put->ended_before = shared->ended;
        assert_ok(kv_put(shared->kv, key_of(text, actor->number, key),
                         slice_make(value, shared->value_bytes), &how, NULL));
        put->begun_by = shared->begun;
    }
    shared->writing--;
}

static void erase_some(void *argument) {
    struct actor *actor = argument;
    struct shared *shared = actor->shared;
    for (int i = 0; i < ERASURES; i++) {
        pause_some(actor, 60);
        shared->begun++;
        assert_ok(kv_erase_all(shared->kv, NULL));
        shared->ended++;
    }
}

static void work_on_tables(void *argument) {
    struct actor *actor = argument;
    struct shared *shared = actor->shared;
    while (shared->writing > 0) {
        pause_some(actor, 20);
        assert_ok(
            random_below(&actor->random, 2) == 0
                ? kv_flush(shared->kv, NULL)
                : kv_compact(shared->kv, (struct slice){0}, (struct slice){0}, NULL));
    }
}

/* The values of all keys at the snapshot, 0: not there; by lookups, or by a walk. */
static void read_all(struct shared *shared, const struct kv_snapshot *snapshot,
                     uint64_t values[WRITERS][KEYS]) {
    const struct kv_read_options options = {.snapshot = snapshot};
    for (size_t w = 0; w < WRITERS; w++) {
        for (size_t k = 0; k < KEYS; k++) {
            char text[24];
            struct buf value = {0};
            enum status status =
                kv_get(shared->kv, key_of(text, w, k), &value, &options, NULL);
            assert_true(status == STATUS_OK || status == STATUS_NOT_FOUND);
            values[w][k] =
                status == STATUS_OK ? strtoull((const char *)value.data, NULL, 10) : 0;
            buf_free(&value);
        }
    }
}

static void walk_all(struct shared *shared, const struct kv_snapshot *snapshot,
                     uint64_t values[WRITERS][KEYS]) {
    const struct kv_iter_options options = {.snapshot = snapshot};
    struct iter *iter;
    memset(values, 0, WRITERS * sizeof *values);
    assert_ok(kv_iter(shared->kv, &options, &iter, NULL));
    for (iter_first(iter); iter->valid; iter_next(iter)) {
        char text[24] = {0};
        char *end;
        memcpy(text, iter->key.data, iter->key.length);
        size_t key = strtoull(text + 1, &end, 10);
        size_t writer = strtoull(end + 1, NULL, 10);
        values[writer][key] = strtoull((const char *)iter->value.data, NULL, 10);
    }
    assert_ok(iter->error.status);
    iter_close(iter);
}

static void read_some(void *argument) {
    struct actor *actor = argument;
    struct shared *shared = actor->shared;
    while (shared->writing > 0) {
        uint64_t first[WRITERS][KEYS], again[WRITERS][KEYS];
        struct kv_snapshot *snapshot;
        assert_ok(kv_snapshot_take(shared->kv, &snapshot, NULL));
        read_all(shared, snapshot, first);
        for (int i = 0; i < 3; i++) {
            pause_some(actor, 60);
            (i == 1 ? walk_all : read_all)(shared, snapshot, again);
            assert_memory_equal(first, again, sizeof first);
        }
        kv_snapshot_release(snapshot);
    }
}

/* ---- what is left ---------------------------------------------------------------- */

/* Answers how many keys are there. */
static size_t judge(const struct actor *writers, uint64_t values[WRITERS][KEYS]) {
    uint64_t last_gone = 0, first_there = UINT64_MAX;
    size_t there = 0;
    for (size_t w = 0; w < WRITERS; w++) {
        for (size_t k = 0; k < KEYS; k++) {
            const struct put *put = &writers[w].latest[k];
            uint64_t value = values[w][k];
            if (put->sequence == 0) {
                assert_int_equal(value, 0);
            } else if (value == 0) {
                last_gone = put->sequence > last_gone ? put->sequence : last_gone;
                assert_true(put->ended_before < ERASURES);
            } else {
                assert_int_equal(value, put->value);
                first_there = put->sequence < first_there ? put->sequence : first_there;
                assert_int_equal(put->begun_by, ERASURES);
                there++;
            }
        }
    }
    if (last_gone > first_there) {
        fail_msg("%" PRIu64 " is gone, and %" PRIu64 " is there", last_gone, first_there);
    }
    return there;
}

static uint64_t any_thread(void *seed, uint64_t bound) {
    return random_below(seed, 4) == 0 ? random_below(seed, bound) : 0;
}

/* Large values make compactions of more than 64 KiB, which can be cut off; and a limit
 * makes them wait in between. */
static void set_options(struct shared *shared, bool large) {
    struct kv_options *options = &shared->sim.options;
    uint64_t scale = large ? 60 : 1;
    shared->value_bytes = large ? LARGE_BYTES : 33;
    options->write_buffer_bytes = 900 * scale;
    options->block_bytes = 120;
    options->table_bytes = 400 * scale;
    options->level0_tables = 2;
    options->compaction_bytes_per_second = large ? 1000000 : 0;
    options->compression = TABLE_COMPRESSION_NONE;
}

static size_t race(uint64_t seed, bool large, uint64_t *compactions) {
    static void (*const bodies[ACTORS])(void *) = {write_all,     write_all, write_all,
                                                   read_some,     read_some, erase_some,
                                                   work_on_tables};
    static struct actor actors[ACTORS];
    struct shared shared = {.writing = WRITERS};
    uint64_t values[WRITERS][KEYS], again[WRITERS][KEYS], random = seed;
    simulation_begin_with(&shared.sim, any_thread, &seed);
    set_options(&shared, large);
    shared.kv = open_store(&shared.sim);
    for (size_t i = 0; i < ACTORS; i++) {
        actors[i] = (struct actor){
            .shared = &shared, .number = i, .random = random_next(&random)};
        assert_ok(thread_create(&actors[i].thread, shared.sim.world.threads, bodies[i],
                                &actors[i]));
    }
    for (size_t i = 0; i < ACTORS; i++) {
        thread_join(&actors[i].thread);
    }
    scheduler_advance(shared.sim.scheduler, 20000000);
    read_all(&shared, NULL, values);
    walk_all(&shared, NULL, again);
    assert_memory_equal(values, again, sizeof values);
    size_t there = judge(actors, values);
    struct kv_stats stats = stats_of(shared.kv);
    *compactions += stats.compactions;
    assert_int_equal(stats.compaction_failures, 0);
    assert_int_equal(stats.obsolete_tables, 0);
    assert_no_garbage(&shared.sim, shared.kv);
    assert_ok(kv_sync(shared.kv, NULL));
    assert_ok(kv_close(shared.kv, NULL));
    assert_verified(&shared.sim);
    shared.kv = open_store(&shared.sim);
    read_all(&shared, NULL, again);
    assert_memory_equal(values, again, sizeof values);
    assert_ok(kv_close(shared.kv, NULL));
    simulation_end(&shared.sim);
    return there;
}

static void an_erasure_stands_between_two_changes(void **state) {
    (void)state;
    uint64_t seed = test_seed();
    uint64_t compactions = 0;
    size_t some = 0;
    for (int round = 0; round < ROUNDS; round++) {
        size_t there = race(random_next(&seed), round % 2 == 0, &compactions);
        some += there > 0 && there < WRITERS * KEYS;
    }
    printf("%zu of %d with some keys, %" PRIu64 " compactions\n", some, ROUNDS,
           compactions);
    assert_true(some > ROUNDS / 10 && compactions > ROUNDS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_erasure_stands_between_two_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
