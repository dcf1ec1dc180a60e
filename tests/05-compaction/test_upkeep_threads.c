/* Upkeep on real threads and the real file system: what ThreadSanitizer watches. Writers,
 * readers, scans and several who compact at once, with four compaction threads beside,
 * while compactions fail now and then. Each change puts or deletes a key on the left and
 * its like on the right: whoever scans finds the two alike. */
#define TEST_HAS_STAGE
#include "../common/directory.h"

#include <fiu-control.h>
#include <fiu.h>

#include "atomic.h"

enum { WRITERS = 2, WRITES = 900, KEYS = 120, VALUE_BYTES = 150 };

struct shared {
    struct kv *kv;
    struct atomic_u64 writing;      /* writers that have not ended */
    uint64_t latest[WRITERS][KEYS]; /* of each key, by its writer; 0: none */
};

struct worker {
    struct shared *shared;
    struct thread thread;
    uint64_t number;
    uint64_t seed;
    uint64_t done;
    const char *wrong; /* cmocka's asserts are for the main thread */
};

static bool goes_on(const struct worker *worker) {
    return worker->wrong == NULL &&
           atomic_u64_load(&worker->shared->writing, memory_order_acquire) > 0;
}

/* "left-1-005" */
static struct slice key_of(char text[32], bool right, uint64_t writer, uint64_t key) {
    snprintf(text, 32, "%s-%" PRIu64 "-%03" PRIu64, right ? "right" : "left", writer,
             key);
    return slice_of(text);
}

static struct slice value_of(char text[VALUE_BYTES + 1], uint64_t n) {
    snprintf(text, VALUE_BYTES + 1, "%0*" PRIu64, VALUE_BYTES, n);
    return slice_of(text);
}

static void write_all(void *argument) {
    struct worker *worker = argument;
    struct shared *shared = worker->shared;
    for (uint64_t n = 1; n <= WRITES && worker->wrong == NULL; n++) {
        char left[32], right[32], value[VALUE_BYTES + 1];
        uint64_t key = random_below(&worker->seed, KEYS);
        enum kv_op_type type = random_below(&worker->seed, 4) == 0 ? KV_DELETE : KV_PUT;
        const struct kv_op ops[] = {
            {type, key_of(left, false, worker->number, key), value_of(value, n)},
            {type, key_of(right, true, worker->number, key), value_of(value, n)}};
        if (kv_write(shared->kv, ops, 2, NULL, NULL) != STATUS_OK) {
            worker->wrong = "a write";
        }
        shared->latest[worker->number][key] = type == KV_PUT ? n : 0;
    }
    atomic_u64_subtract(&shared->writing, 1, memory_order_release);
}

static void compact(void *argument) {
    struct worker *worker = argument;
    struct kv *kv = worker->shared->kv;
    for (; goes_on(worker); worker->done++) {
        char texts[2][32];
        struct slice bounds[2];
        struct error error = {0};
        struct kv_stats stats;
        for (int i = 0; i < 2; i++) {
            bounds[i] = key_of(texts[i], random_below(&worker->seed, 2) == 0,
                               random_below(&worker->seed, WRITERS),
                               random_below(&worker->seed, KEYS));
        }
        /* One thread alone: libfiu leaks the name of a point that is enabled twice. */
        bool fails = worker->number == WRITERS && random_below(&worker->seed, 2) == 0;
        if (fails) {
            fiu_enable("compaction_begin", 1, NULL, FIU_ONETIME);
        }
        enum status status = kv_compact(kv, bounds[0], bounds[1], &error);
        if (fails) {
            fiu_disable("compaction_begin");
        }
        if (status != STATUS_OK &&
            (status != STATUS_IO || strstr(error.message, "compaction_begin") == NULL)) {
            worker->wrong = "a compaction";
        }
        kv_stats(kv, &stats);
    }
}

/* Left and right one behind the other: the second half of a scan is like the first. */
static const char *judge_scan(struct iter *iter) {
    static const size_t left = sizeof "left" - 1, right = sizeof "right" - 1;
    struct buf kept = {0};
    const char *wrong = NULL;
    size_t at = 0;
    for (iter_first(iter); iter->valid && wrong == NULL; iter_next(iter)) {
        bool is_left = iter->key.data[0] == 'l';
        struct slice rest = iter->key;
        slice_advance(&rest, is_left ? left : right);
        if (is_left) {
            wrong = buf_append(&kept, rest.data, rest.length) != STATUS_OK ||
                            buf_append(&kept, iter->value.data, iter->value.length) !=
                                STATUS_OK
                        ? "memory"
                        : NULL;
        } else if (kept.length - at < rest.length + VALUE_BYTES ||
                   memcmp(kept.data + at, rest.data, rest.length) != 0 ||
                   memcmp(kept.data + at + rest.length, iter->value.data, VALUE_BYTES) !=
                       0) {
            wrong = "a scan: left and right differ";
        } else {
            at += rest.length + VALUE_BYTES;
        }
    }
    if (wrong == NULL && (iter->error.status != STATUS_OK || at != kept.length)) {
        wrong = "a scan ends early";
    }
    buf_free(&kept);
    return wrong;
}

static void scan(void *argument) {
    struct worker *worker = argument;
    for (; goes_on(worker); worker->done++) {
        struct iter *iter = NULL;
        if (kv_iter(worker->shared->kv, NULL, &iter, NULL) != STATUS_OK) {
            worker->wrong = "an iterator";
            break;
        }
        for (int i = 0; i < 2 && worker->wrong == NULL; i++) {
            worker->wrong = judge_scan(iter);
        }
        iter_close(iter);
    }
}

/* Keys come and go, what is found has its own shape. */
static void look(void *argument) {
    struct worker *worker = argument;
    struct buf value = {0};
    for (; goes_on(worker); worker->done++) {
        char text[32];
        enum status status =
            kv_get(worker->shared->kv,
                   key_of(text, worker->done % 2 == 0, worker->done % WRITERS,
                          random_below(&worker->seed, KEYS)),
                   &value, NULL, NULL);
        if (status != STATUS_NOT_FOUND &&
            (status != STATUS_OK || value.length != VALUE_BYTES)) {
            worker->wrong = "a lookup";
        }
    }
    buf_free(&value);
}

/* ---------------------------------------------------------------------------------- */

static void assert_all_there(struct shared *shared) {
    struct iter *iter = NULL;
    struct buf found = {0};
    assert_ok(kv_iter(shared->kv, NULL, &iter, NULL));
    const char *wrong = judge_scan(iter);
    iter_close(iter);
    if (wrong != NULL) {
        fail_msg("%s", wrong);
    }
    for (uint64_t i = 0; i < WRITERS * KEYS; i++) {
        char key[32], value[VALUE_BYTES + 1];
        uint64_t latest = shared->latest[i / KEYS][i % KEYS];
        enum status status = kv_get(shared->kv, key_of(key, false, i / KEYS, i % KEYS),
                                    &found, NULL, NULL);
        assert_int_equal(status, latest == 0 ? STATUS_NOT_FOUND : STATUS_OK);
        assert_true(latest == 0 ||
                    slice_equal(buf_slice(&found), value_of(value, latest)));
    }
    buf_free(&found);
}

static void assert_adds_up(struct kv *kv) {
    struct kv_stats stats;
    uint64_t bytes = 0;
    kv_stats(kv, &stats);
    for (size_t i = 0; i < KV_LEVELS; i++) {
        bytes += stats.levels[i].bytes;
    }
    assert_int_equal(bytes, stats.table_bytes);
    assert_int_equal(stats.flush_bytes + stats.compaction_written_bytes -
                         stats.compaction_read_bytes,
                     stats.table_bytes);
    printf("%" PRIu64 " flushes, %" PRIu64 " compactions, %" PRIu64 " failed\n",
           stats.flushes, stats.compactions, stats.compaction_failures);
    assert_true(stats.flushes > 10 && stats.compactions > 5);
}

static void all_at_once(void **state) {
    static thread_body *const bodies[] = {write_all, write_all, compact, compact,
                                          compact,   scan,      look};
    enum { WORKERS = sizeof bodies / sizeof bodies[0] };
    static struct shared shared;
    struct worker workers[WORKERS] = {0};
    uint64_t seed = test_seed();
    struct error error = {0};
    struct kv_options options = kv_options_default();
    char *dir = path_join(*state, "store");
    assert_int_equal(fiu_init(0), 0);
    options.durability = DURABILITY_NONE;
    options.write_buffer_bytes = 16 * 1024;
    options.table_bytes = 8 * 1024;
    options.level0_tables = 2;
    options.level0_slow_tables = 3;
    options.level0_stop_tables = 5;
    options.compaction_threads = 4;
    options.block_cache_bytes = 64 * 1024;
    options.max_open_files = 4;
    assert_ok(kv_open(dir, &options, &shared.kv, NULL));
    atomic_u64_store(&shared.writing, WRITERS, memory_order_relaxed);
    for (size_t i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){.shared = &shared, .number = i, .seed = seed + i};
        assert_ok(
            thread_create(&workers[i].thread, &threads_posix, bodies[i], &workers[i]));
    }
    for (size_t i = 0; i < WORKERS; i++) {
        thread_join(&workers[i].thread);
        if (workers[i].wrong != NULL) {
            fail_msg("worker %zu: %s", i, workers[i].wrong);
        }
    }
    assert_adds_up(shared.kv);
    assert_all_there(&shared);
    assert_ok(kv_close(shared.kv, NULL));
    if (kv_verify(dir, &options, NULL, NULL, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
    assert_ok(kv_open(dir, &options, &shared.kv, NULL));
    assert_all_there(&shared);
    assert_ok(kv_compact(shared.kv, (struct slice){0}, (struct slice){0}, NULL));
    assert_all_there(&shared);
    assert_ok(kv_close(shared.kv, NULL));
    assert_ok(directory_list(&file_system_posix, dir, remove_visited, dir, &error));
    memory_give(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_at_once)};
    return cmocka_run_group_tests(tests, directory_setup, directory_teardown);
}
