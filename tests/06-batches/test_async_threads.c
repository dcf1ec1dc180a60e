/* Submitters and writers of all durabilities under real threads on the real file system:
 * what ThreadSanitizer watches. Each that was submitted is told of once; the store is
 * closed while some are not. */
#define TEST_HAS_STAGE
#include "../common/directory.h"

#include "atomic.h"
#include "kv_async.h"

enum { THREADS = 4, EACH = 150 };

struct shared {
    struct kv *kv;
    struct atomic_u64 told;
    struct atomic_u64 wrong;
    struct atomic_u64 last; /* sequence told of, of those that waited for a sync */
};

struct worker {
    struct shared *shared;
    struct thread thread;
    uint64_t number;
};

static void count(void *context, uint64_t sequence, enum status status,
                  const struct error *error) {
    struct shared *shared = context;
    (void)error;
    (void)sequence;
    atomic_u64_add(&shared->told, 1, memory_order_relaxed);
    atomic_u64_add(&shared->wrong, status != STATUS_OK, memory_order_relaxed);
}

/* One thread calls for these, in their order. */
static void count_in_order(void *context, uint64_t sequence, enum status status,
                           const struct error *error) {
    struct shared *shared = context;
    struct kv_progress now;
    kv_progress(shared->kv, &now);
    uint64_t last = atomic_u64_load(&shared->last, memory_order_relaxed);
    atomic_u64_add(&shared->wrong, last >= sequence || now.durable < sequence,
                   memory_order_relaxed);
    atomic_u64_store(&shared->last, sequence, memory_order_relaxed);
    count(context, sequence, status, error);
}

static void write_all(void *argument) {
    static const enum durability durabilities[] = {
        DURABILITY_ALWAYS, DURABILITY_NONE, DURABILITY_ALWAYS, DURABILITY_INTERVAL};
    struct worker *worker = argument;
    struct shared *shared = worker->shared;
    for (uint64_t i = 0; i < EACH; i++) {
        char key[32];
        snprintf(key, sizeof key, "%" PRIu64 "-%" PRIu64, worker->number, i);
        const struct kv_op op = {KV_PUT, slice_of(key), slice_of(key)};
        const struct kv_write_options options = {.durability = durabilities[i % 4]};
        bool waits = (i + worker->number) % 3 == 0;
        enum status status =
            waits ? kv_write(shared->kv, &op, 1, &options, NULL)
                  : kv_submit(shared->kv, &op, 1, &options,
                              options.durability == DURABILITY_ALWAYS ? count_in_order
                                                                      : count,
                              shared, NULL);
        atomic_u64_add(&shared->told, waits, memory_order_relaxed);
        atomic_u64_add(&shared->wrong, status != STATUS_OK, memory_order_relaxed);
    }
}

static void each_is_told_once(void **state) {
    struct shared shared = {0};
    struct worker workers[THREADS];
    char *dir = path_join(*state, "async");
    struct kv_options options = kv_options_default();
    options.write_buffer_bytes = 8192;
    options.interval_millis = 2;
    options.interval_bytes = 2000;
    assert_ok(kv_open(dir, &options, &shared.kv, NULL));
    for (uint64_t i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.shared = &shared, .number = i};
        assert_ok(
            thread_create(&workers[i].thread, &threads_posix, write_all, &workers[i]));
    }
    for (size_t i = 0; i < THREADS; i++) {
        thread_join(&workers[i].thread);
    }
    assert_ok(kv_close(shared.kv, NULL));
    assert_int_equal(atomic_u64_load(&shared.told, memory_order_relaxed), THREADS * EACH);
    assert_int_equal(atomic_u64_load(&shared.wrong, memory_order_relaxed), 0);
    assert_ok(directory_list(&file_system_posix, dir, remove_visited, dir, NULL));
    memory_give(dir);
}

/* ---- many lookups ---------------------------------------------------------------- */

struct changer {
    struct kv *kv;
    struct thread thread;
    struct atomic_u64 end;
    enum status status;
};

/* Each change puts the same number under three keys. */
static void change_on(void *argument) {
    static const struct kv_write_options none = {.durability = DURABILITY_NONE};
    struct changer *changer = argument;
    for (uint64_t i = 1; changer->status == STATUS_OK &&
                         atomic_u64_load(&changer->end, memory_order_relaxed) == 0;
         i++) {
        const struct slice number = slice_make(&i, sizeof i);
        const struct kv_op ops[] = {{KV_PUT, slice_of("a"), number},
                                    {KV_PUT, slice_of("b"), number},
                                    {KV_PUT, slice_of("c"), number}};
        changer->status = kv_write(changer->kv, ops, 3, &none, NULL);
    }
}

static void many_lookups_see_one_moment(void **state) {
    const struct slice keys[] = {slice_of("c"), slice_of("a"), slice_of("b")};
    struct changer changer = {0};
    struct buf values[3] = {0};
    char *dir = path_join(*state, "many");
    struct kv_options options = kv_options_default();
    options.write_buffer_bytes = 100000;
    assert_ok(kv_open(dir, &options, &changer.kv, NULL));
    assert_ok(thread_create(&changer.thread, &threads_posix, change_on, &changer));
    size_t torn = 0, failed = 0;
    uint64_t observed = 0;
    const struct kv_read_options read = {.observed = &observed};
    while (observed < 60000 && failed == 0) {
        enum status statuses[3];
        failed +=
            kv_get_many(changer.kv, keys, 3, values, statuses, &read, NULL) != STATUS_OK;
        torn += statuses[0] != statuses[1] || statuses[1] != statuses[2] ||
                !slice_equal(buf_slice(&values[0]), buf_slice(&values[1])) ||
                !slice_equal(buf_slice(&values[1]), buf_slice(&values[2]));
    }
    atomic_u64_store(&changer.end, 1, memory_order_relaxed);
    thread_join(&changer.thread);
    assert_int_equal(torn, 0);
    assert_int_equal(failed, 0);
    assert_ok(changer.status);
    assert_ok(kv_close(changer.kv, NULL));
    for (size_t i = 0; i < 3; i++) {
        buf_free(&values[i]);
    }
    assert_ok(directory_list(&file_system_posix, dir, remove_visited, dir, NULL));
    memory_give(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_is_told_once),
                                       cmocka_unit_test(many_lookups_see_one_moment)};
    return cmocka_run_group_tests(tests, directory_setup, directory_teardown);
}
