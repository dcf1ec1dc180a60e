/* First what the engine calls, which only finds the tenant; then the POSIX tenant. Its
 * conditions run on CLOCK_MONOTONIC, the clock that deadlines are given in. */
#include "thread.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <sys/resource.h>
#include <time.h>

#include "memory.h"

enum status mutex_init(struct mutex *mutex, const struct threads *threads) {
    mutex->threads = threads;
    return threads->ops->mutex_init(threads->state, mutex);
}

void mutex_free(struct mutex *mutex) {
    mutex->threads->ops->mutex_free(mutex->threads->state, mutex);
}

void mutex_lock(struct mutex *mutex) {
    mutex->threads->ops->mutex_lock(mutex->threads->state, mutex);
}

void mutex_unlock(struct mutex *mutex) {
    mutex->threads->ops->mutex_unlock(mutex->threads->state, mutex);
}

enum status condition_init(struct condition *condition, const struct threads *threads) {
    condition->threads = threads;
    return threads->ops->condition_init(threads->state, condition);
}

void condition_free(struct condition *condition) {
    condition->threads->ops->condition_free(condition->threads->state, condition);
}

void condition_wait(struct condition *condition, struct mutex *mutex) {
    condition->threads->ops->condition_wait(condition->threads->state, condition, mutex);
}

bool condition_wait_until(struct condition *condition, struct mutex *mutex,
                          uint64_t deadline_micros) {
    return condition->threads->ops->condition_wait_until(
        condition->threads->state, condition, mutex, deadline_micros);
}

void condition_signal(struct condition *condition) {
    condition->threads->ops->condition_signal(condition->threads->state, condition);
}

void condition_broadcast(struct condition *condition) {
    condition->threads->ops->condition_broadcast(condition->threads->state, condition);
}

enum status thread_create(struct thread *thread, const struct threads *threads,
                          thread_body *body, void *argument) {
    thread->threads = threads;
    return threads->ops->create(threads->state, thread, body, argument);
}

void thread_yield(const struct threads *threads) {
    threads->ops->yield(threads->state);
}

void thread_give_way(const struct threads *threads) {
    threads->ops->give_way(threads->state);
}

void thread_join(struct thread *thread) {
    thread->threads->ops->join(thread->threads->state, thread);
}

uintptr_t thread_mark(void) {
    return (uintptr_t)pthread_self();
}

/* A call that fails only when it is misused. */
static void must_succeed(int errnum) {
    assert(errnum == 0);
    (void)errnum;
}

static enum status status_of_room(int errnum) {
    return errnum == 0 ? STATUS_OK : STATUS_NO_MEMORY;
}

static enum status posix_mutex_init(void *state, struct mutex *mutex) {
    (void)state;
    return status_of_room(pthread_mutex_init(&mutex->as.posix, NULL));
}

static void posix_mutex_free(void *state, struct mutex *mutex) {
    (void)state;
    must_succeed(pthread_mutex_destroy(&mutex->as.posix));
}

static void posix_mutex_lock(void *state, struct mutex *mutex) {
    (void)state;
    must_succeed(pthread_mutex_lock(&mutex->as.posix));
}

static void posix_mutex_unlock(void *state, struct mutex *mutex) {
    (void)state;
    must_succeed(pthread_mutex_unlock(&mutex->as.posix));
}

static enum status posix_condition_init(void *state, struct condition *condition) {
    (void)state;
    pthread_condattr_t attributes;
    int errnum = pthread_condattr_init(&attributes);
    if (errnum != 0) {
        return status_of_room(errnum);
    }
    must_succeed(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC));
    errnum = pthread_cond_init(&condition->as.posix, &attributes);
    must_succeed(pthread_condattr_destroy(&attributes));
    return status_of_room(errnum);
}

static void posix_condition_free(void *state, struct condition *condition) {
    (void)state;
    must_succeed(pthread_cond_destroy(&condition->as.posix));
}

static void posix_condition_wait(void *state, struct condition *condition,
                                 struct mutex *mutex) {
    (void)state;
    must_succeed(pthread_cond_wait(&condition->as.posix, &mutex->as.posix));
}

static bool posix_condition_wait_until(void *state, struct condition *condition,
                                       struct mutex *mutex, uint64_t deadline_micros) {
    (void)state;
    struct timespec deadline = {.tv_sec = (time_t)(deadline_micros / 1000000),
                                .tv_nsec = (long)(deadline_micros % 1000000) * 1000};
    int errnum =
        pthread_cond_timedwait(&condition->as.posix, &mutex->as.posix, &deadline);
    if (errnum == ETIMEDOUT) {
        return false;
    }
    must_succeed(errnum);
    return true;
}

static void posix_condition_signal(void *state, struct condition *condition) {
    (void)state;
    must_succeed(pthread_cond_signal(&condition->as.posix));
}

static void posix_condition_broadcast(void *state, struct condition *condition) {
    (void)state;
    must_succeed(pthread_cond_broadcast(&condition->as.posix));
}

/* What a new thread finds its body by; the thread gives it back. */
struct start {
    thread_body *body;
    void *argument;
};

static void *run(void *argument) {
    struct start *start = argument;
    thread_body *body = start->body;
    void *body_argument = start->argument;
    memory_give(start);
    body(body_argument);
    return NULL;
}

static enum status posix_create(void *state, struct thread *thread, thread_body *body,
                                void *argument) {
    (void)state;
    struct start *start = memory_take(sizeof *start);
    if (start == NULL) {
        return STATUS_NO_MEMORY;
    }
    *start = (struct start){body, argument};
    int errnum = pthread_create(&thread->as.posix, NULL, run, start);
    if (errnum != 0) {
        memory_give(start);
    }
    return status_of_room(errnum);
}

static void posix_join(void *state, struct thread *thread) {
    (void)state;
    must_succeed(pthread_join(thread->as.posix, NULL));
}

static void posix_yield(void *state) {
    (void)state;
    must_succeed(sched_yield());
}

/* Linux has a nice value for each thread (setpriority(2), under "C library/kernel
 * differences"). */
static void posix_give_way(void *state) {
    enum { NICE = 10 };
    (void)state;
    (void)setpriority(PRIO_PROCESS, 0, NICE);
}

static const struct thread_ops posix_thread_ops = {
    .mutex_init = posix_mutex_init,
    .mutex_free = posix_mutex_free,
    .mutex_lock = posix_mutex_lock,
    .mutex_unlock = posix_mutex_unlock,
    .condition_init = posix_condition_init,
    .condition_free = posix_condition_free,
    .condition_wait = posix_condition_wait,
    .condition_wait_until = posix_condition_wait_until,
    .condition_signal = posix_condition_signal,
    .condition_broadcast = posix_condition_broadcast,
    .create = posix_create,
    .join = posix_join,
    .yield = posix_yield,
    .give_way = posix_give_way,
};

const struct threads threads_posix = {&posix_thread_ops, NULL};
