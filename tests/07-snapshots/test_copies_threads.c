/* Copies under real threads on the real file system: what ThreadSanitizer watches.
 * Writers, one who compacts, two who make checkpoints and want the same names, one who
 * backs up, at once. Each copy holds what was written up to its sequence, and that is at
 * least all that was acknowledged before it was asked for. */
#define TEST_HAS_STAGE
#include "../common/support.h"

#include <ftw.h>
#include <unistd.h>

#include "atomic.h"
#include "kv_checkpoint.h"
#include "thread.h"

enum {
    WRITERS = 2,
    WRITES = 20000,
    KEYS = 40,
    COPIES = 8,
    BACKUPS = 3,
    PATH_BYTES = 100
};

struct shared {
    char directory[64];
    struct kv *kv;
    struct atomic_u64 writing;               /* writers that have not ended */
    struct atomic_u64 copying;               /* the same of who makes copies */
    struct atomic_u64 acknowledged[WRITERS]; /* changes */
    uint64_t sequences[WRITERS]
                      [WRITES + 1]; /* of each change; read when all have ended */
};

struct copy {
    enum status status;
    char path[PATH_BYTES];
    uint64_t sequence;
    uint64_t least[WRITERS]; /* changes that were acknowledged before */
    struct error error;
};

struct worker {
    struct shared *shared;
    struct thread thread;
    uint64_t number;
    struct copy copies[COPIES];
    const char *wrong; /* cmocka's asserts are for the main thread */
};

static struct slice key_of(char text[32], uint64_t writer, uint64_t i) {
    snprintf(text, 32, "%" PRIu64 "-%02" PRIu64, writer, i % KEYS);
    return slice_of(text);
}

static bool goes_on(const struct atomic_u64 *workers) {
    return atomic_u64_load(workers, memory_order_acquire) > 0;
}

static void write_all(void *argument) {
    struct worker *worker = argument;
    struct shared *shared = worker->shared;
    for (uint64_t i = 1; i <= WRITES && goes_on(&shared->copying); i++) {
        char key[32], value[24];
        const struct kv_write_options options = {
            .durability = DURABILITY_NONE,
            .sequence = &shared->sequences[worker->number][i]};
        snprintf(value, sizeof value, "%" PRIu64, i);
        if (kv_put(shared->kv, key_of(key, worker->number, i), slice_of(value), &options,
                   NULL) != STATUS_OK) {
            worker->wrong = "a write";
        }
        atomic_u64_store(&shared->acknowledged[worker->number], i, memory_order_release);
    }
    atomic_u64_add(&shared->writing, UINT64_MAX, memory_order_acq_rel);
}

static void compact_all(void *argument) {
    struct worker *worker = argument;
    struct shared *shared = worker->shared;
    while (goes_on(&shared->writing)) {
        if (kv_compact(shared->kv, (struct slice){0}, (struct slice){0}, NULL) !=
            STATUS_OK) {
            worker->wrong = "a compaction";
        }
    }
}

static struct copy *begin_copy(struct worker *worker, int i) {
    struct copy *copy = &worker->copies[i];
    for (int writer = 0; writer < WRITERS; writer++) {
        copy->least[writer] =
            atomic_u64_load(&worker->shared->acknowledged[writer], memory_order_acquire);
    }
    return copy;
}

static void make_checkpoints(void *argument) {
    struct worker *worker = argument;
    for (int i = 0; i < COPIES; i++) {
        struct copy *copy = begin_copy(worker, i);
        const struct kv_copy_options options = {.sequence = &copy->sequence};
        snprintf(copy->path, sizeof copy->path, "%s/cp%d", worker->shared->directory, i);
        copy->status =
            kv_checkpoint(worker->shared->kv, copy->path, &options, &copy->error);
    }
    atomic_u64_add(&worker->shared->copying, UINT64_MAX, memory_order_acq_rel);
}

static void make_backups(void *argument) {
    struct worker *worker = argument;
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/bk", worker->shared->directory);
    for (int i = 0; i < BACKUPS; i++) {
        struct copy *copy = begin_copy(worker, i);
        const struct kv_copy_options options = {.sequence = &copy->sequence};
        uint64_t number = 0;
        copy->status =
            kv_backup(worker->shared->kv, path, &options, &number, &copy->error);
        snprintf(copy->path, sizeof copy->path, "%s/bk/%06" PRIu64,
                 worker->shared->directory, number);
    }
    atomic_u64_add(&worker->shared->copying, UINT64_MAX, memory_order_acq_rel);
}

/* ---- afterwards ------------------------------------------------------------------ */

/* The last change of the key that the copy must hold; 0: none. */
static uint64_t expected(const struct shared *shared, const struct copy *copy,
                         uint64_t writer, uint64_t key) {
    uint64_t last = 0;
    uint64_t written =
        atomic_u64_load(&shared->acknowledged[writer], memory_order_relaxed);
    for (uint64_t i = 1; i <= written; i++) {
        bool in = shared->sequences[writer][i] <= copy->sequence;
        last = in && i % KEYS == key ? i : last;
    }
    return last;
}

static void check_copy(const struct shared *shared, const struct copy *copy) {
    struct kv_options options = kv_options_default();
    struct error error = {0};
    struct kv *kv = NULL;
    struct buf value = {0};
    options.create = false;
    if (kv_verify(copy->path, &options, NULL, NULL, &error) != STATUS_OK ||
        kv_open(copy->path, &options, &kv, &error) != STATUS_OK) {
        fail_msg("%s: %s", copy->path, error.message);
    }
    for (uint64_t writer = 0; writer < WRITERS; writer++) {
        uint64_t acknowledged = copy->least[writer];
        assert_true(shared->sequences[writer][acknowledged] <= copy->sequence);
        for (uint64_t i = 0; i < KEYS; i++) {
            char key[32], text[24];
            uint64_t last = expected(shared, copy, writer, i);
            enum status status = kv_get(kv, key_of(key, writer, i), &value, NULL, &error);
            snprintf(text, sizeof text, "%" PRIu64, last);
            assert_int_equal(status, last == 0 ? STATUS_NOT_FOUND : STATUS_OK);
            assert_true(last == 0 || slice_equal(buf_slice(&value), slice_of(text)));
        }
    }
    buf_free(&value);
    assert_ok(kv_close(kv, NULL));
}

static int remove_one(const char *path, const struct stat *status, int kind,
                      struct FTW *walk) {
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

static void copies_under_load(void **state) {
    (void)state;
    static void (*const roles[])(void *) = {write_all,        write_all,
                                            compact_all,      make_checkpoints,
                                            make_checkpoints, make_backups};
    enum { WORKERS = sizeof roles / sizeof roles[0] };
    static struct shared shared;
    static struct worker workers[WORKERS];
    char path[PATH_BYTES];
    struct kv_options options = kv_options_default();
    options.write_buffer_bytes = 8 << 10;
    options.table_bytes = 4 << 10;
    strcpy(shared.directory, "/tmp/strata-test-XXXXXX");
    assert_non_null(mkdtemp(shared.directory));
    snprintf(path, sizeof path, "%s/db", shared.directory);
    assert_ok(kv_open(path, &options, &shared.kv, NULL));
    atomic_u64_store(&shared.writing, WRITERS, memory_order_relaxed);
    atomic_u64_store(&shared.copying, 3, memory_order_relaxed);
    for (size_t i = 0; i < WORKERS; i++) {
        workers[i].shared = &shared;
        workers[i].number = i;
        assert_ok(thread_create(&workers[i].thread, world_system.threads, roles[i],
                                &workers[i]));
    }
    for (size_t i = 0; i < WORKERS; i++) {
        thread_join(&workers[i].thread);
        assert_null(workers[i].wrong);
    }
    assert_ok(kv_close(shared.kv, NULL));
    printf("%" PRIu64 " writes\n",
           atomic_u64_load(&shared.acknowledged[0], memory_order_relaxed));
    for (int i = 0; i < COPIES; i++) {
        const struct copy *one = &workers[3].copies[i], *other = &workers[4].copies[i];
        const struct copy *made = one->status == STATUS_OK ? one : other;
        if (made->status != STATUS_OK) {
            fail_msg("%s; %s", one->error.message, other->error.message);
        }
        assert_true(one->status != other->status); /* one of them has got the name */
        check_copy(&shared, made);
    }
    for (int i = 0; i < BACKUPS; i++) {
        const struct copy *copy = &workers[5].copies[i];
        if (copy->status != STATUS_OK) {
            fail_msg("%s", copy->error.message);
        }
        check_copy(&shared, copy);
    }
    assert_int_equal(nftw(shared.directory, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_under_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
