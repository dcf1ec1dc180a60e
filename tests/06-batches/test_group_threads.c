/* Groups on real threads and the real file system: what ThreadSanitizer watches. Writers
 * of all durabilities, with batches, while flushes go on and, in the end, a sync fails.
 */
#define TEST_HAS_STAGE
#include "../common/directory.h"

#include <fiu-control.h>
#include <fiu.h>

#include "atomic.h"
#include "kv_batch.h"

enum { WRITERS = 8, WRITES = 150, OPS_MAX = 3 };

struct shared {
    struct kv *kv;
    bool fails; /* a sync does, somewhere */
};

struct worker {
    struct shared *shared;
    struct thread thread;
    uint64_t number;
    uint64_t seed;
    struct {
        enum durability durability;
        enum status status;
        uint64_t sequence; /* of the last operation */
        size_t count;
    } writes[WRITES];
    const char *wrong; /* cmocka's asserts are for the main thread */
};

static enum status write_batch(struct worker *worker, size_t i, struct kv_batch *batch) {
    char key[32], value[32];
    struct kv_write_options how = {.durability = worker->writes[i].durability,
                                   .sequence = &worker->writes[i].sequence};
    kv_batch_clear(batch);
    snprintf(value, sizeof value, "%zu", i);
    for (size_t j = 0; j < worker->writes[i].count; j++) {
        snprintf(key, sizeof key, "%" PRIu64 "-%zu", worker->number, j);
        if (kv_batch_put(batch, slice_of(key), slice_of(value), NULL) != STATUS_OK) {
            worker->wrong = "a batch";
        }
    }
    return kv_batch_write(worker->shared->kv, batch, &how, NULL);
}

static void write_all(void *argument) {
    static const enum durability modes[] = {DURABILITY_ALWAYS, DURABILITY_INTERVAL,
                                            DURABILITY_NONE};
    struct worker *worker = argument;
    struct kv_batch *batch = NULL;
    if (kv_batch_open(0, &batch, NULL) != STATUS_OK) {
        worker->wrong = "no batch";
        return;
    }
    for (size_t i = 0; i < WRITES; i++) {
        worker->writes[i].durability = modes[random_below(&worker->seed, 3)];
        worker->writes[i].count = 1 + random_below(&worker->seed, OPS_MAX);
        worker->writes[i].status = write_batch(worker, i, batch);
        struct kv_progress now;
        kv_progress(worker->shared->kv, &now);
        bool good = worker->writes[i].status == STATUS_OK;
        uint64_t sequence = worker->writes[i].sequence;
        if (!good && !worker->shared->fails) {
            worker->wrong = "a write failed";
        } else if (good && now.written < sequence) {
            worker->wrong = "acknowledged, and not written";
        } else if (good && worker->writes[i].durability == DURABILITY_ALWAYS &&
                   now.durable < sequence) {
            worker->wrong = "acknowledged, and not durable";
        }
    }
    kv_batch_close(batch);
}

static void run(struct shared *shared, struct worker workers[WRITERS], uint64_t *seed) {
    for (size_t i = 0; i < WRITERS; i++) {
        workers[i] =
            (struct worker){.shared = shared, .number = i, .seed = random_next(seed)};
        assert_ok(
            thread_create(&workers[i].thread, &threads_posix, write_all, &workers[i]));
    }
    for (size_t i = 0; i < WRITERS; i++) {
        thread_join(&workers[i].thread);
        if (workers[i].wrong != NULL) {
            fail_msg("writer %zu: %s", i, workers[i].wrong);
        }
    }
}

/* Each sequence is of one acknowledged write, or of one in doubt. */
static uint64_t assert_own_sequences(const struct worker workers[WRITERS]) {
    static unsigned char taken[WRITERS * WRITES * OPS_MAX + 1];
    uint64_t most = 0;
    memset(taken, 0, sizeof taken);
    for (size_t i = 0; i < WRITERS; i++) {
        uint64_t before = 0;
        for (size_t j = 0; j < WRITES; j++) {
            uint64_t last = workers[i].writes[j].sequence;
            size_t count = workers[i].writes[j].count;
            if (last == 0) {
                assert_int_not_equal(workers[i].writes[j].status, STATUS_OK);
                continue;
            }
            assert_true(last < sizeof taken && last - count >= before);
            for (uint64_t at = last - count + 1; at <= last; at++) {
                assert_int_equal(taken[at]++, 0);
            }
            before = last;
            most = last > most ? last : most;
        }
    }
    for (uint64_t at = 1; at <= most; at++) {
        assert_int_equal(taken[at], 1);
    }
    return most;
}

static struct kv *open_store(void **state) {
    struct kv_options options = kv_options_default();
    struct kv *kv = NULL;
    options.write_buffer_bytes = 1 << 16;
    char path[DIRECTORY_BYTES + 4];
    snprintf(path, sizeof path, "%s/db", (const char *)*state);
    assert_ok(kv_open(path, &options, &kv, NULL));
    return kv;
}

static void remove_store(void **state) {
    struct error error;
    char path[DIRECTORY_BYTES + 4];
    snprintf(path, sizeof path, "%s/db", (const char *)*state);
    assert_ok(directory_list(&file_system_posix, path, remove_visited, path, &error));
    assert_int_equal(rmdir(path), 0);
}

static void groups_of_real_threads(void **state) {
    static struct worker workers[WRITERS];
    uint64_t seed = test_seed();
    struct shared shared = {.kv = open_store(state)};
    struct kv_stats stats;
    run(&shared, workers, &seed);
    uint64_t most = assert_own_sequences(workers);
    kv_stats(shared.kv, &stats);
    assert_int_equal(stats.sequence_issued, most);
    assert_int_equal(stats.writes, WRITERS * WRITES);
    printf("%" PRIu64 " groups, the largest %" PRIu64 ", %" PRIu64 " syncs\n",
           stats.write_groups, stats.largest_write_group, stats.syncs);
    assert_ok(kv_close(shared.kv, NULL));
    remove_store(state);
}

/* The tenth sync, and all after it. */
static int fail_later(const char *name, int *failnum, void **failinfo,
                      unsigned int *flags) {
    struct atomic_u64 *syncs = *failinfo;
    (void)name;
    (void)failnum;
    (void)flags;
    return atomic_u64_add(syncs, 1, memory_order_relaxed) >= 9;
}

/* From a failed sync on nothing is acknowledged; what was is there after a reopening.
 * Each write that waits for the disk needs a sync that began after it, so the tenth comes
 * before any writer is done. */
static void a_sync_fails_in_their_midst(void **state) {
    static struct worker workers[WRITERS];
    uint64_t seed = test_seed();
    struct shared shared = {.kv = open_store(state), .fails = true};
    struct buf value = {0};
    struct atomic_u64 syncs;
    atomic_u64_store(&syncs, 0, memory_order_relaxed);
    assert_int_equal(fiu_init(0), 0);
    assert_int_equal(fiu_enable_external("log_sync", 1, &syncs, 0, fail_later), 0);
    run(&shared, workers, &seed);
    fiu_disable("log_sync");
    (void)assert_own_sequences(workers);
    assert_int_equal(kv_close(shared.kv, NULL), STATUS_IO);
    shared.kv = open_store(state);
    for (size_t i = 0; i < WRITERS; i++) {
        char key[32];
        size_t good = WRITES;
        while (good > 0 && workers[i].writes[good - 1].status != STATUS_OK) {
            good--;
        }
        assert_true(good < WRITES);
        snprintf(key, sizeof key, "%zu-0", i);
        enum status status = kv_get(shared.kv, slice_of(key), &value, NULL, NULL);
        assert_ok(buf_append(&value, "", 1));
        assert_true(good == 0 || (status == STATUS_OK &&
                                  strtoull((char *)value.data, NULL, 10) >= good - 1));
    }
    buf_free(&value);
    assert_ok(kv_close(shared.kv, NULL));
    remove_store(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_of_real_threads),
        cmocka_unit_test(a_sync_fails_in_their_midst),
    };
    return cmocka_run_group_tests(tests, directory_setup, directory_teardown);
}
