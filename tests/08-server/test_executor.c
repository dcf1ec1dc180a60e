/* One contract for both executors: each job is done once, and before the close returns;
 * one worker does them in their order. */
#define TEST_HAS_STAGE
#include "../common/support.h"

#include "counted_memory.h"
#include "executor.h"

enum { JOBS = 1000, ROUNDS = 3 };

struct counted_job {
    struct executor_job job;
    struct atomic_u64 *done;
    size_t runs;
    uint64_t place; /* how many were done before */
};

static void run_counted(void *context) {
    struct counted_job *job = context;
    job->runs++;
    job->place = atomic_u64_add(job->done, 1, memory_order_relaxed);
}

static void give_all(struct executor *executor, bool in_order) {
    static struct counted_job jobs[JOBS];
    struct atomic_u64 done = {0};
    for (size_t i = 0; i < JOBS; i++) {
        jobs[i] = (struct counted_job){.job = {.run = run_counted, .context = &jobs[i]},
                                       .done = &done};
        executor_give(executor, &jobs[i].job);
    }
    executor_close(executor);
    assert_int_equal(atomic_u64_load(&done, memory_order_relaxed), JOBS);
    for (size_t i = 0; i < JOBS; i++) {
        assert_int_equal(jobs[i].runs, 1);
        assert_true(!in_order || jobs[i].place == i);
    }
}

static void test_inline(void **state) {
    (void)state;
    struct executor executor = executor_inline();
    give_all(&executor, true);
}

static void test_workers(void **state) {
    (void)state;
    size_t blocks = counted_memory_blocks();
    for (size_t threads = 1; threads <= ROUNDS; threads++) {
        struct executor executor;
        assert_ok(executor_workers(&world_system, threads, &executor, NULL));
        give_all(&executor, threads == 1);
    }
    assert_int_equal(counted_memory_blocks(), blocks);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_inline),
                                       cmocka_unit_test(test_workers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
