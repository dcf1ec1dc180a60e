/* Erasures on real threads and the real file system, which ThreadSanitizer watches:
 * beside writers, lookups, snapshots that are held across them, flushes, compactions. */
#define TEST_HAS_STAGE
#include "../common/support.h"

#include "../common/directory.h"
#include "atomic.h"
#include "kv_snapshot.h"

enum { WRITERS = 2, CHANGES = 1200, PARTS = 6, ERASURES = 25 };

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

static struct slice name_of(char text[24], uint64_t writer, uint64_t part) {
    snprintf(text, 24, "%" PRIu64 "-%" PRIu64, writer, part);
    return slice_of(text);
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
            ops[j] = (struct kv_op){KV_PUT, name_of(names[j], worker->number, j),
                                    slice_of(value)};
        }
        if (kv_write(worker->shared->kv, ops, PARTS, &options, NULL) != STATUS_OK) {
            worker->wrong = "a write";
        }
    }
    atomic_u64_add(&worker->shared->writing, UINT64_MAX, memory_order_acq_rel);
}

/* All parts of a writer are alike, or none is there. Answers what tells one moment from
 * another. */
static uint64_t judge_walk(struct worker *worker, const struct kv_snapshot *snapshot) {
    struct iter *iter;
    uint64_t sum = 0, count = 0;
    char last[24] = {0};
    const struct kv_iter_options options = {.snapshot = snapshot};
    if (kv_iter(worker->shared->kv, &options, &iter, NULL) != STATUS_OK) {
        worker->wrong = "an iterator";
        return 0;
    }
    for (iter_first(iter); iter->valid; iter_next(iter), count++) {
        char value[24] = {0};
        memcpy(value, iter->value.data,
               iter->value.length < 23 ? iter->value.length : 23);
        if (count % PARTS != 0 && strcmp(value, last) != 0) {
            worker->wrong = "half a change";
        }
        memcpy(last, value, sizeof last);
        sum += strtoull(value, NULL, 10);
    }
    if (iter->error.status != STATUS_OK || count % PARTS != 0) {
        worker->wrong = "a walk";
    }
    iter_close(iter);
    return sum;
}

static uint64_t judge_gets(struct worker *worker, const struct kv_snapshot *snapshot) {
    struct buf value = {0};
    uint64_t sum = 0;
    const struct kv_read_options options = {.snapshot = snapshot};
    for (uint64_t i = 0; i < WRITERS * PARTS; i++) {
        char name[24], text[24] = {0};
        enum status status =
            kv_get(worker->shared->kv, name_of(name, i / PARTS, i % PARTS), &value,
                   &options, NULL);
        if (status == STATUS_OK) {
            memcpy(text, value.data, value.length < 23 ? value.length : 23);
            sum += strtoull(text, NULL, 10);
        } else if (status != STATUS_NOT_FOUND) {
            worker->wrong = "a lookup";
        }
    }
    buf_free(&value);
    return sum;
}

static void look_twice(void *argument) {
    struct worker *worker = argument;
    for (; goes_on(worker); worker->done++) {
        struct kv_snapshot *snapshot;
        if (kv_snapshot_take(worker->shared->kv, &snapshot, NULL) != STATUS_OK) {
            worker->wrong = "a snapshot";
            break;
        }
        uint64_t sum = judge_walk(worker, snapshot);
        for (int i = 0; i < 4 && worker->wrong == NULL; i++) {
            if (judge_gets(worker, snapshot) != sum ||
                judge_walk(worker, snapshot) != sum) {
                worker->wrong = "another moment";
            }
        }
        kv_snapshot_release(snapshot);
        if (worker->wrong == NULL) {
            (void)judge_walk(worker, NULL);
        }
    }
}

static void compact_all(void *argument) {
    struct worker *worker = argument;
    for (; goes_on(worker); worker->done++) {
        if (kv_compact(worker->shared->kv, (struct slice){0}, (struct slice){0}, NULL) !=
            STATUS_OK) {
            worker->wrong = "a compaction";
        }
    }
}

static void erase_often(void *argument) {
    struct worker *worker = argument;
    for (; goes_on(worker) || worker->done < ERASURES; worker->done++) {
        if (kv_erase_all(worker->shared->kv, NULL) != STATUS_OK) {
            worker->wrong = "an erasure";
            break;
        }
    }
}

static void erased_under_load(void **state) {
    static thread_body *const bodies[] = {write_changes, write_changes, look_twice,
                                          look_twice,    compact_all,   erase_often};
    enum { WORKERS = sizeof bodies / sizeof bodies[0] };
    struct shared shared = {.writing = {WRITERS}};
    struct worker workers[WORKERS] = {0};
    struct kv_options options = kv_options_default();
    options.write_buffer_bytes = 8 << 10;
    options.table_bytes = 4 << 10;
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
    printf("%" PRIu64 " snapshots, %" PRIu64 " compactions, %" PRIu64 " erasures\n",
           workers[2].done + workers[3].done, workers[4].done, workers[5].done);
    assert_ok(kv_erase_all(shared.kv, NULL));
    for (int i = 0; i < 2; i++) {
        struct worker look = {.shared = &shared};
        assert_int_equal(judge_walk(&look, NULL), 0);
        assert_null(look.wrong);
        assert_ok(kv_close(shared.kv, NULL));
        assert_ok(kv_open(*state, &options, &shared.kv, NULL));
    }
    assert_ok(kv_close(shared.kv, NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(erased_under_load, directory_setup,
                                        directory_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
