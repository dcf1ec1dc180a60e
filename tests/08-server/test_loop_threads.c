/* Tasks from many threads, while the loop sleeps and works: ThreadSanitizer watches. */
#define TEST_HAS_STAGE
#include "../common/support.h"

#include "loop.h"

enum { POSTERS = 4, TASKS = 3000 };

struct poster;

struct task {
    struct loop_task task;
    struct poster *poster;
    uint64_t number;
};

struct poster {
    struct thread thread;
    struct loop *loop;
    struct task tasks[TASKS];
    uint64_t ran; /* on the loop's thread: so many, in order */
    bool disorder;
    unsigned *left; /* posters of which some tasks have not run */
};

static void run(void *context) {
    struct task *task = context;
    struct poster *poster = task->poster;
    poster->disorder |= poster->ran != task->number;
    if (++poster->ran == TASKS && --*poster->left == 0) {
        loop_stop(poster->loop);
    }
}

static void post_all(void *argument) {
    struct poster *poster = argument;
    for (uint64_t i = 0; i < TASKS; i++) {
        poster->tasks[i] =
            (struct task){{.run = run, .context = &poster->tasks[i]}, poster, i};
        loop_post(poster->loop, &poster->tasks[i].task);
    }
}

static void test_all_run_in_order(void **state) {
    (void)state;
    unsigned left = POSTERS;
    struct loop *loop = NULL;
    struct poster *posters = calloc(POSTERS, sizeof *posters);
    assert_ok(loop_open(&world_system, &loop, NULL));
    for (size_t i = 0; i < POSTERS; i++) {
        posters[i].loop = loop;
        posters[i].left = &left;
        assert_ok(
            thread_create(&posters[i].thread, &threads_posix, post_all, &posters[i]));
    }
    loop_run(loop);
    for (size_t i = 0; i < POSTERS; i++) {
        thread_join(&posters[i].thread);
        assert_true(posters[i].ran == TASKS && !posters[i].disorder);
    }
    loop_close(loop);
    free(posters);
}

struct stopper {
    struct thread thread;
    struct loop *loop;
    struct loop_task last;
    bool ran;
};

static void note(void *context) {
    struct stopper *stopper = context;
    stopper->ran = true;
}

static void post_and_stop(void *argument) {
    struct stopper *stopper = argument;
    loop_stop(stopper->loop);
}

/* What was posted before is still run. */
static void test_stop_from_another_thread(void **state) {
    (void)state;
    for (int i = 0; i < 50; i++) {
        struct stopper stopper = {0};
        assert_ok(loop_open(&world_system, &stopper.loop, NULL));
        stopper.last = (struct loop_task){.run = note, .context = &stopper};
        assert_ok(
            thread_create(&stopper.thread, &threads_posix, post_and_stop, &stopper));
        loop_post(stopper.loop, &stopper.last);
        loop_run(stopper.loop);
        thread_join(&stopper.thread);
        assert_true(stopper.ran);
        loop_close(stopper.loop);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_run_in_order),
        cmocka_unit_test(test_stop_from_another_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
