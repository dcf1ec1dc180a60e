/* The store under real threads on the real file system: what ThreadSanitizer watches. Writers
 * of all durabilities, a syncer, readers and scanners at once; afterwards, and after a
 * reopening, every acknowledged change is there. */
#define TEST_HAS_STAGE
#include "../common/directory.h"

#include "atomic.h"

enum { WRITERS = 3, WRITES = 150, READERS = 2 };

struct shared {
    struct kv *kv;
    struct atomic_u64 writing; /* writers that have not ended */
};

struct worker {
    struct shared *shared;
    struct thread thread;
    uint64_t number;
    uint64_t seed;
    size_t failures; /* cmocka's asserts are for the main thread */
};

static void key_of(char text[32], uint64_t writer, uint64_t i) {
    snprintf(text, 32, "%" PRIu64 "-%03" PRIu64, writer, i);
}

static void write_all(void *argument) {
    struct worker *worker = argument;
    for (uint64_t i = 0; i < WRITES; i++) {
        /* A few wait for the disk, the others make work for those who do. */
        uint64_t sequence = 0;
        const struct kv_write_options options = {.durability =
                                                     i % 50 == 49 ? DURABILITY_ALWAYS
                                                     : i % 2 == 0 ? DURABILITY_INTERVAL
                                                                  : DURABILITY_NONE,
                                                 .sequence = &sequence};
        char key[32];
        key_of(key, worker->number, i);
        worker->failures += kv_put(worker->shared->kv, slice_of(key), slice_of(key),
                                   &options, NULL) != STATUS_OK;
        struct kv_progress progress;
        kv_progress(worker->shared->kv, &progress);
        worker->failures += progress.written < sequence;
        worker->failures +=
            options.durability == DURABILITY_ALWAYS && progress.durable < sequence;
    }
    atomic_u64_add(&worker->shared->writing, UINT64_MAX, memory_order_acq_rel);
}

/* What a read observes never goes back, and a prefix of each writer's keys is there. */
static void read_all(void *argument) {
    struct worker *worker = argument;
    uint64_t before = 0;
    do {
        uint64_t observed = 0;
        const struct kv_iter_options options = {.observed = &observed};
        struct iter *iter = NULL;
        if (kv_iter(worker->shared->kv, &options, &iter, NULL) != STATUS_OK) {
            worker->failures++;
            return;
        }
        uint64_t next[WRITERS] = {0};
        for (iter_first(iter); iter->valid; iter_next(iter)) {
            uint64_t writer = (uint64_t)(iter->key.data[0] - '0');
            char key[32];
            key_of(key, writer, next[writer]++);
            worker->failures += !slice_equal(iter->key, slice_of(key));
            worker->failures += !slice_equal(iter->value, slice_of(key));
        }
        worker->failures += next[0] + next[1] + next[2] != observed || observed < before;
        before = observed;
        iter_close(iter);
        worker->failures += random_below(&worker->seed, 4) == 0 &&
                            kv_sync(worker->shared->kv, NULL) != STATUS_OK;
    } while (atomic_u64_load(&worker->shared->writing, memory_order_acquire) > 0);
}

static void run(const char *dir, struct kv_options *options, uint64_t seed) {
    struct shared shared = {.writing = {WRITERS}};
    struct worker workers[WRITERS + READERS] = {0};
    struct buf value = {0};
    assert_ok(kv_open(dir, options, &shared.kv, NULL));
    for (size_t i = 0; i < WRITERS + READERS; i++) {
        workers[i] = (struct worker){.shared = &shared, .number = i, .seed = seed + i};
        assert_ok(thread_create(&workers[i].thread, &threads_posix,
                                i < WRITERS ? write_all : read_all, &workers[i]));
    }
    for (size_t i = 0; i < WRITERS + READERS; i++) {
        thread_join(&workers[i].thread);
        assert_int_equal(workers[i].failures, 0);
    }
    assert_ok(kv_close(shared.kv, NULL));
    assert_ok(kv_open(dir, options, &shared.kv, NULL));
    for (uint64_t i = 0; i < WRITERS * WRITES; i++) {
        char key[32];
        key_of(key, i % WRITERS, i / WRITERS);
        assert_ok(kv_get(shared.kv, slice_of(key), &value, NULL, NULL));
        assert_true(slice_equal(buf_slice(&value), slice_of(key)));
    }
    assert_ok(kv_close(shared.kv, NULL));
    buf_free(&value);
}

static void test_all_at_once(void **state) {
    uint64_t seed = test_seed();
    for (int kind = APPEND_WRITE; kind <= APPEND_MAPPED; kind++) {
        char *dir = path_join(*state, kind == APPEND_WRITE ? "write" : "mapped");
        struct kv_options options = kv_options_default();
        options.log_region = (enum append_kind)kind;
        options.log_bytes = 4096; /* many rotations, also while a sync runs */
        options.interval_bytes = 2000;
        options.interval_millis = 5;
        run(dir, &options, seed);
        struct error error;
        assert_ok(directory_list(&file_system_posix, dir, remove_visited, dir, &error));
        memory_give(dir);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_at_once)};
    return cmocka_run_group_tests(tests, directory_setup, directory_teardown);
}
