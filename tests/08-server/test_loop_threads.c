/* Tasks from many threads, while the loop sleeps and works: ThreadSanitizer watches. */
#define TEST_HAS_STAGE
#include "../common/support.h"

#include "loop.h"

enum { POSTERS = 4, TASKS = 3000, PINGS = 300 };

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

/* Posts one, waits until it has run, and posts the next: the loop sleeps in between. */
struct pinger {
    struct thread thread;
    struct loop *loop;
    struct loop_task task;
    struct mutex lock;
    struct condition changed;
    /* guarded by lock */
    unsigned ran;
};

static void note_ping(void *context) {
    struct pinger *pinger = context;
    mutex_lock(&pinger->lock);
    pinger->ran++;
    condition_signal(&pinger->changed);
    mutex_unlock(&pinger->lock);
}

static void ping(void *argument) {
    struct pinger *pinger = argument;
    for (unsigned i = 1; i <= PINGS; i++) {
        loop_post(pinger->loop, &pinger->task);
        mutex_lock(&pinger->lock);
        while (pinger->ran < i) {
            condition_wait(&pinger->changed, &pinger->lock);
        }
        mutex_unlock(&pinger->lock);
    }
    loop_stop(pinger->loop);
}

static void test_wakes_each_time(void **state) {
    (void)state;
    struct pinger pinger = {.task = {.run = note_ping, .context = &pinger}};
    assert_ok(loop_open(&world_system, &pinger.loop, NULL));
    assert_ok(mutex_init(&pinger.lock, &threads_posix));
    assert_ok(condition_init(&pinger.changed, &threads_posix));
    assert_ok(thread_create(&pinger.thread, &threads_posix, ping, &pinger));
    loop_run(pinger.loop);
    thread_join(&pinger.thread);
    assert_int_equal(pinger.ran, PINGS);
    condition_free(&pinger.changed);
    mutex_free(&pinger.lock);
    loop_close(pinger.loop);
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

static void post_last(void *argument) {
    struct stopper *stopper = argument;
    loop_post(stopper->loop, &stopper->last);
}

/* Who posts does nothing to the loop once the task can run: that may be the last one, and
 * the loop is closed behind it. */
static void test_closed_behind_a_task(void **state) {
    (void)state;
    for (int i = 0; i < 200; i++) {
        struct stopper stopper = {0};
        assert_ok(loop_open(&world_system, &stopper.loop, NULL));
        stopper.last = (struct loop_task){.run = note, .context = &stopper};
        assert_ok(thread_create(&stopper.thread, &threads_posix, post_last, &stopper));
        while (!stopper.ran) {
            loop_tick(stopper.loop, false);
        }
        loop_close(stopper.loop);
        thread_join(&stopper.thread);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_run_in_order),
        cmocka_unit_test(test_wakes_each_time),
        cmocka_unit_test(test_stop_from_another_thread),
        cmocka_unit_test(test_closed_behind_a_task),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
