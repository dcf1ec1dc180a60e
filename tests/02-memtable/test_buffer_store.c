/* The store as a whole: its budget, its iterators, its failures, its threads. */
#include "../01-wal/simulation.h"

#include <fiu-control.h>
#include <fiu.h>

#include "../common/directory.h"
#include "atomic.h"
#include "thread.h"

/* ---- the budget ------------------------------------------------------------------ */

/* Puts until LIMIT; answers how many it took. */
static uint64_t fill(struct kv *kv, struct error *error) {
    uint64_t count = 0;
    for (;; count++) {
        char key[24];
        snprintf(key, sizeof key, "k%" PRIu64, count + 1);
        char value[24];
        snprintf(value, sizeof value, "v%" PRIu64, count + 1);
        enum status status = kv_put(kv, slice_of(key), slice_of(value), NULL, error);
        if (status != STATUS_OK) {
            assert_int_equal(status, STATUS_LIMIT);
            return count;
        }
    }
}

/* Full: reads go on, deletes are refused as well, a reopening with the same budget finds
 * all, with less LIMIT, with more all and room. */
static void a_full_store_says_what_to_do(void **state) {
    (void)state;
    struct simulation sim;
    struct error error = {0};
    uint64_t sequence = 99;
    simulation_begin(&sim);
    sim.options.durability = DURABILITY_NONE;
    sim.options.memory_bytes = 3000;
    struct kv *kv = open_store(&sim);
    uint64_t count = fill(kv, &error);
    assert_in_range(count, 20, 120);
    assert_message_has(error, "memory-bytes");
    const struct kv_write_options write = {.sequence = &sequence};
    assert_int_equal(kv_delete(kv, slice_of("k1"), &write, NULL), STATUS_LIMIT);
    assert_int_equal(sequence, 0);
    assert_numbers(kv, count);
    struct kv_stats stats;
    kv_stats(kv, &stats);
    assert_int_equal(stats.memtable_entries, count);
    assert_in_range(stats.memtable_bytes, 2900, 3000);
    assert_ok(kv_close(kv, NULL));

    kv = open_store(&sim);
    assert_numbers(kv, count);
    assert_int_equal(fill(kv, NULL), 0);
    assert_ok(kv_close(kv, NULL));
    sim.options.memory_bytes = 2000;
    assert_int_equal(kv_open("db", &sim.options, &kv, &error), STATUS_LIMIT);
    assert_message_has(error, "Open with more memory-bytes");
    sim.options.memory_bytes = 6000;
    kv = open_store(&sim);
    assert_numbers(kv, count);
    assert_true(fill(kv, NULL) > 20);
    assert_ok(kv_close(kv, NULL));
    simulation_end(&sim);
}

/* No space for the log is no failure: it may be tried again, and takes no memory. */
static void no_space_takes_nothing(void **state) {
    (void)state;
    struct simulation sim;
    simulation_begin(&sim);
    sim.options.durability = DURABILITY_NONE;
    sim.options.memory_bytes = 3000;
    struct kv *kv = open_store(&sim);
    for (int i = 0; i < 200; i++) {
        fail_call(&sim, 1, FAULT_BEFORE, ENOSPC, true);
        assert_int_equal(kv_put(kv, slice_of("k"), slice_of("v"), NULL, NULL),
                         STATUS_NO_SPACE);
    }
    fail_nothing(&sim);
    assert_numbers(kv, 0);
    assert_in_range(fill(kv, NULL), 20, 120);
    assert_ok(kv_close(kv, NULL));
    simulation_end(&sim);
}

/* ---- iterators ------------------------------------------------------------------- */

static size_t count_entries(struct iter *iter) {
    size_t count = 0;
    for (iter_first(iter); iter->valid; iter_next(iter)) {
        count++;
    }
    assert_int_equal(iter->error.status, STATUS_OK);
    return count;
}

static void iterators_stay_at_their_moment(void **state) {
    (void)state;
    struct simulation sim;
    uint64_t observed = 0;
    struct iter *iter;
    simulation_begin(&sim);
    struct kv *kv = open_store(&sim);
    for (uint64_t i = 1; i <= 30; i++) {
        put_number(kv, i, DURABILITY_NONE);
    }
    const struct kv_iter_options options = {.observed = &observed};
    assert_ok(kv_iter(kv, &options, &iter, NULL));
    assert_int_equal(observed, 30);
    iter_seek(iter, slice_of("k15"));
    for (uint64_t i = 31; i <= 60; i++) {
        put_number(kv, i, DURABILITY_NONE);
    }
    assert_ok(kv_delete(kv, slice_of("k16"), NULL, NULL));
    assert_ok(kv_put(kv, slice_of("k17"), slice_of("new"), NULL, NULL));
    iter_next(iter);
    assert_true(slice_equal(iter->key, slice_of("k16")));
    iter_next(iter);
    assert_true(slice_equal(iter->value, slice_of("v17")));
    assert_int_equal(count_entries(iter), 30);
    struct iter *later;
    assert_ok(kv_iter(kv, NULL, &later, NULL));
    assert_int_equal(count_entries(later), 59);
    iter_close(iter);
    iter_close(later);
    assert_ok(kv_close(kv, NULL));
    simulation_end(&sim);
}

/* ---- fail-stop and resume -------------------------------------------------------- */

static bool has(struct kv *kv, const char *key, uint64_t *observed) {
    struct buf value = {0};
    const struct kv_read_options options = {.observed = observed};
    enum status status = kv_get(kv, slice_of(key), &value, &options, NULL);
    assert_true(status == STATUS_OK || status == STATUS_NOT_FOUND);
    buf_free(&value);
    return status == STATUS_OK;
}

static void assert_stopped(struct kv *kv, bool stopped) {
    struct kv_progress progress;
    kv_progress(kv, &progress);
    assert_int_equal(progress.stopped, stopped);
}

/* The call fails before or after its effect; the change of two is whole or absent. Before
 * the resume, after a failed one, and after it, reads and an old iterator go on. */
static void resume_at(struct simulation *sim, size_t countdown, enum fault_effect effect,
                      bool *failed) {
    struct error error = {0};
    struct iter *iter;
    uint64_t observed;
    struct kv *kv = open_store(sim);
    for (uint64_t i = 1; i <= 5; i++) {
        put_number(kv, i, DURABILITY_ALWAYS);
    }
    assert_ok(kv_iter(kv, NULL, &iter, NULL));
    const struct kv_op ops[] = {put_op("a", "1"), put_op("b", "2")};
    fail_call(sim, countdown, effect, EIO, false);
    enum status status = kv_write(kv, ops, 2, NULL, &error);
    fail_nothing(sim);
    *failed = status != STATUS_OK;
    if (*failed) {
        assert_int_equal(status, STATUS_IO);
        assert_int_equal(kv_put(kv, slice_of("c"), slice_of(""), NULL, &error),
                         STATUS_IO);
        assert_stopped(kv, true);
        bool before = has(kv, "a", &observed);
        assert_int_equal(has(kv, "b", NULL), before);
        assert_int_equal(observed, before ? 7 : 5);
        fail_call(sim, 1, FAULT_BEFORE, EIO, true);
        assert_int_equal(kv_resume(kv, &error), STATUS_IO);
        assert_int_equal(kv_put(kv, slice_of("c"), slice_of(""), NULL, &error),
                         STATUS_IO);
        assert_message_has(error, "the last resume failed");
        assert_stopped(kv, true);
        assert_int_equal(kv_sync(kv, NULL), STATUS_IO);
        assert_true(has_number(kv, 5));
        fail_nothing(sim);
        assert_ok(kv_resume(kv, NULL));
    }
    assert_stopped(kv, false);
    bool after = has(kv, "a", &observed);
    assert_true(*failed || after);
    assert_int_equal(has(kv, "b", NULL), after);
    struct kv_progress progress;
    kv_progress(kv, &progress);
    assert_int_equal(progress.written, after ? 7 : 5);
    assert_int_equal(observed, progress.written);
    assert_int_equal(progress.durable, progress.written);
    assert_int_equal(count_entries(iter), 5); /* it held the old memtable */
    put_number(kv, 6, DURABILITY_ALWAYS);
    assert_true(has_number(kv, 6));
    iter_close(iter);
    assert_ok(kv_close(kv, NULL));

    kv = open_store(sim); /* and so it is in the log */
    assert_int_equal(has(kv, "a", &observed), after);
    assert_int_equal(has(kv, "b", NULL), after);
    assert_int_equal(observed, after ? 8 : 6);
    assert_ok(kv_close(kv, NULL));
}

static void resume_shows_what_the_log_holds(void **state) {
    (void)state;
    static const enum fault_effect effects[] = {FAULT_BEFORE, FAULT_AFTER};
    size_t failures = 0;
    for (size_t i = 0; i < 2; i++) {
        bool failed = true;
        for (size_t countdown = 1; failed; countdown++) {
            struct simulation sim;
            simulation_begin(&sim);
            resume_at(&sim, countdown, effects[i], &failed);
            simulation_end(&sim);
            failures += failed;
        }
    }
    assert_in_range(failures, 4, 20); /* a write and a sync, each way */
}

static void resume_does_nothing_where_nothing_is_wrong(void **state) {
    (void)state;
    struct simulation sim;
    simulation_begin(&sim);
    struct kv *kv = open_store(&sim);
    put_number(kv, 1, DURABILITY_NONE);
    size_t operations = disk_operations(sim.disk);
    assert_ok(kv_resume(kv, NULL));
    assert_int_equal(disk_operations(sim.disk), operations);
    assert_numbers(kv, 1);
    assert_ok(kv_close(kv, NULL));
    simulation_end(&sim);
}

/* The log is read by the opening and by a resume, never by a lookup. */
static void replays_are_counted(void **state) {
    (void)state;
    struct simulation sim;
    struct kv_stats stats;
    simulation_begin(&sim);
    struct kv *kv = open_store(&sim);
    put_number(kv, 1, DURABILITY_ALWAYS);
    assert_ok(kv_close(kv, NULL));
    size_t bytes = file_bytes(&sim, "db/000001.log").length;
    kv = open_store(&sim);
    assert_true(has_number(kv, 1));
    kv_stats(kv, &stats);
    assert_int_equal(stats.replayed_bytes, bytes);
    fail_call(&sim, 1, FAULT_BEFORE, EIO, false);
    assert_int_equal(kv_put(kv, slice_of("k"), slice_of("v"), NULL, NULL), STATUS_IO);
    fail_nothing(&sim);
    assert_ok(kv_resume(kv, NULL));
    kv_stats(kv, &stats);
    assert_int_equal(stats.replayed_bytes, 2 * bytes);
    assert_ok(kv_close(kv, NULL));
    simulation_end(&sim);
}

/* ---- threads --------------------------------------------------------------------- */

enum { THREADS = 5, RESUMES = 16 };

struct crowd {
    struct kv *kv;
    struct atomic_u64 over;
};

struct member {
    struct crowd *crowd;
    uint64_t number;
    uint64_t done;
    const char *wrong;
};

static bool is_over(const struct member *member) {
    return member->wrong != NULL ||
           atomic_u64_load(&member->crowd->over, memory_order_relaxed) != 0;
}

/* Always both keys, always the same value. A failed write is the point of it all. */
static void write_pairs(void *argument) {
    struct member *member = argument;
    for (uint64_t i = 1; !is_over(member); i++) {
        char value[40];
        snprintf(value, sizeof value, "%" PRIu64 ".%" PRIu64, member->number, i);
        const struct kv_op ops[] = {put_op("left", value), put_op("right", value)};
        const struct kv_write_options options = {.durability = DURABILITY_NONE};
        enum status status = kv_write(member->crowd->kv, ops, 2, &options, NULL);
        member->wrong = status == STATUS_OK || status == STATUS_IO ? NULL : "a write";
        member->done += status == STATUS_OK;
    }
}

/* What a reader has observed, later reads observe too. */
static void read_one(void *argument) {
    struct member *member = argument;
    struct buf value = {0};
    uint64_t last = 0;
    for (; !is_over(member); member->done++) {
        uint64_t observed = 0;
        const struct kv_read_options options = {.observed = &observed};
        enum status status =
            kv_get(member->crowd->kv, slice_of("left"), &value, &options, NULL);
        member->wrong = status != STATUS_OK ? "a lookup" : NULL;
        member->wrong = observed < last ? "time went back" : member->wrong;
        last = observed;
    }
    buf_free(&value);
}

static void read_pairs(void *argument) {
    struct member *member = argument;
    struct buf value = {0};
    for (; !is_over(member); member->done++) {
        struct iter *iter;
        size_t count = 0;
        if (kv_iter(member->crowd->kv, NULL, &iter, NULL) != STATUS_OK) {
            member->wrong = "an iterator";
            break;
        }
        for (iter_first(iter); iter->valid; iter_next(iter), count++) {
            if (count == 1 && !slice_equal(buf_slice(&value), iter->value)) {
                member->wrong = "half a change";
            }
            if (buf_assign(&value, iter->value) != STATUS_OK) {
                member->wrong = "memory";
            }
        }
        member->wrong = count != 2 ? "a number of entries" : member->wrong;
        iter_close(iter);
    }
    buf_free(&value);
}

/* Real threads, a real directory. The log fails and is resumed under them: what they hold
 * is not freed, and what is not held is. */
static void a_crowd_outlives_resumes(void **state) {
    static thread_body *const bodies[THREADS] = {write_pairs, write_pairs, read_one,
                                                 read_one, read_pairs};
    struct crowd crowd = {0};
    struct thread threads[THREADS];
    struct member members[THREADS];
    struct kv_options options = kv_options_default();
    options.log_step_bytes = 4096;
    size_t blocks = counted_memory_blocks();
    assert_int_equal(fiu_init(0), 0);
    assert_ok(kv_open(*state, &options, &crowd.kv, NULL));
    const struct kv_op ops[] = {put_op("left", ""), put_op("right", "")};
    assert_ok(kv_write(crowd.kv, ops, 2, NULL, NULL));
    for (size_t i = 0; i < THREADS; i++) {
        members[i] = (struct member){.crowd = &crowd, .number = i};
        assert_ok(thread_create(&threads[i], &threads_posix, bodies[i], &members[i]));
    }
    for (int i = 0; i < RESUMES; i++) {
        const char *point = i % 2 == 0 ? "log_sync" : "log_append";
        assert_int_equal(fiu_enable(point, 1, NULL, FIU_ONETIME), 0);
        while (kv_sync(crowd.kv, NULL) == STATUS_OK) {
            /* at log_append, until a writer has met it */
        }
        (void)fiu_disable(point);
        assert_ok(kv_resume(crowd.kv, NULL));
    }
    atomic_u64_store(&crowd.over, 1, memory_order_relaxed);
    for (size_t i = 0; i < THREADS; i++) {
        thread_join(&threads[i]);
        if (members[i].wrong != NULL) {
            fail_msg("thread %zu: %s", i, members[i].wrong);
        }
        assert_true(members[i].done > 0);
    }
    /* The next write finds nobody inside, and frees all memtables but the present one. */
    size_t with_retired = counted_memory_blocks();
    struct kv_stats stats;
    assert_ok(kv_write(crowd.kv, ops, 2, NULL, NULL));
    kv_stats(crowd.kv, &stats);
    assert_true(counted_memory_blocks() <= with_retired + 1);
    assert_true(counted_memory_bytes() < stats.memtable_charged_bytes + (1 << 20));
    assert_ok(kv_close(crowd.kv, NULL));
    assert_int_equal(counted_memory_blocks(), blocks);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_store_says_what_to_do),
        cmocka_unit_test(no_space_takes_nothing),
        cmocka_unit_test(iterators_stay_at_their_moment),
        cmocka_unit_test(resume_shows_what_the_log_holds),
        cmocka_unit_test(resume_does_nothing_where_nothing_is_wrong),
        cmocka_unit_test(replays_are_counted),
        cmocka_unit_test_setup_teardown(a_crowd_outlives_resumes, directory_setup,
                                        directory_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
