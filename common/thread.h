/* Threads, mutexes and conditions, as the world provides them. Tenants: POSIX threads
 * (common/thread.c) and the harness's scheduler, which runs one thread at a time and
 * decides at each of these calls who goes on (harness/scheduler.c).
 *
 * Rules for users: a mutex is not recursive; a condition is waited for in a loop, its
 * mutex held; a thread that was created is joined exactly once. init functions and
 * thread_create answer NO_MEMORY when the system has no room; the others cannot fail
 * (misuse is a bug and asserted). */
#ifndef STRATA_THREAD_H
#define STRATA_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "status.h"

struct threads;

struct mutex {
    const struct threads *threads;
    union {
        pthread_mutex_t posix;
        void *simulated;
    } as;
};

struct condition {
    const struct threads *threads;
    union {
        pthread_cond_t posix;
        void *simulated;
    } as;
};

struct thread {
    const struct threads *threads;
    union {
        pthread_t posix;
        void *simulated;
    } as;
};

typedef void thread_body(void *argument);

struct thread_ops {
    enum status (*mutex_init)(void *state, struct mutex *mutex);
    void (*mutex_free)(void *state, struct mutex *mutex);
    void (*mutex_lock)(void *state, struct mutex *mutex);
    void (*mutex_unlock)(void *state, struct mutex *mutex);
    enum status (*condition_init)(void *state, struct condition *condition);
    void (*condition_free)(void *state, struct condition *condition);
    void (*condition_wait)(void *state, struct condition *condition, struct mutex *mutex);
    bool (*condition_wait_until)(void *state, struct condition *condition,
                                 struct mutex *mutex, uint64_t deadline_micros);
    void (*condition_signal)(void *state, struct condition *condition);
    void (*condition_broadcast)(void *state, struct condition *condition);
    enum status (*create)(void *state, struct thread *thread, thread_body *body,
                          void *argument);
    void (*join)(void *state, struct thread *thread);
    void (*yield)(void *state);
    void (*give_way)(void *state);
};

struct threads {
    const struct thread_ops *ops;
    void *state;
};

extern const struct threads threads_posix;

MUST_CHECK enum status mutex_init(struct mutex *mutex, const struct threads *threads);
void mutex_free(struct mutex *mutex); /* unlocked */
void mutex_lock(struct mutex *mutex);
void mutex_unlock(struct mutex *mutex);

MUST_CHECK enum status condition_init(struct condition *condition,
                                      const struct threads *threads);
void condition_free(struct condition *condition); /* nobody waits */
void condition_wait(struct condition *condition, struct mutex *mutex);

/* Waits no longer than until the monotonic clock reads deadline_micros; false if it did.
 */
bool condition_wait_until(struct condition *condition, struct mutex *mutex,
                          uint64_t deadline_micros);
void condition_signal(struct condition *condition);
void condition_broadcast(struct condition *condition);

MUST_CHECK enum status thread_create(struct thread *thread, const struct threads *threads,
                                     thread_body *body, void *argument);
void thread_join(struct thread *thread);

/* Lets others run that can; returns at once where there are none (sched_yield(2)). */
void thread_yield(const struct threads *threads);

/* From here on the calling thread lets others go first where there are more of them than
 * processors; it still gets on. Where the system has no such thing, nothing happens. */
void thread_give_way(const struct threads *threads);

/* A number that is the calling thread's as long as it lives, for spreading threads over
 * the parts of something shared. Simulated threads have one number together. */
uintptr_t thread_mark(void);

#endif
