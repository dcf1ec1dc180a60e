/* One queue under a lock, and threads that take from its front. A worker ends when it is
 * closing and the queue is empty: so all that was given before is done. */
#include "executor.h"

#include "memory.h"

struct workers {
    struct mutex mutex;
    struct condition given;
    /* guarded by mutex */
    struct executor_job *first, *last;
    bool closing;

    size_t count;
    struct thread threads[];
};

static void work(void *argument) {
    struct workers *workers = argument;
    mutex_lock(&workers->mutex);
    for (;;) {
        while (workers->first == NULL && !workers->closing) {
            condition_wait(&workers->given, &workers->mutex);
        }
        struct executor_job *job = workers->first;
        if (job == NULL) {
            break;
        }
        workers->first = job->next;
        mutex_unlock(&workers->mutex);
        job->run(job->context);
        mutex_lock(&workers->mutex);
    }
    mutex_unlock(&workers->mutex);
}

static void workers_give(void *state, struct executor_job *job) {
    struct workers *workers = state;
    job->next = NULL;
    mutex_lock(&workers->mutex);
    if (workers->first == NULL) {
        workers->first = job;
    } else {
        workers->last->next = job;
    }
    workers->last = job;
    condition_signal(&workers->given);
    mutex_unlock(&workers->mutex);
}

static void workers_close(void *state) {
    struct workers *workers = state;
    mutex_lock(&workers->mutex);
    workers->closing = true;
    condition_broadcast(&workers->given);
    mutex_unlock(&workers->mutex);
    for (size_t i = 0; i < workers->count; i++) {
        thread_join(&workers->threads[i]);
    }
    condition_free(&workers->given);
    mutex_free(&workers->mutex);
    memory_give(workers);
}

static const struct executor_ops ops = {workers_give, workers_close};

enum status executor_workers(const struct world *world, size_t threads,
                             struct executor *executor, struct error *error) {
    size_t bytes = sizeof(struct workers) + threads * sizeof(struct thread);
    struct workers *workers = memory_take_zeroed(bytes);
    if (workers == NULL) {
        return error_no_memory(error, "workers", bytes);
    }
    if (mutex_init(&workers->mutex, world->threads) != STATUS_OK) {
        goto give;
    }
    if (condition_init(&workers->given, world->threads) != STATUS_OK) {
        mutex_free(&workers->mutex);
        goto give;
    }
    while (workers->count < threads) {
        if (thread_create(&workers->threads[workers->count], world->threads, work,
                          workers) != STATUS_OK) {
            workers_close(workers);
            return error_no_memory(error, "a worker", sizeof(struct thread));
        }
        workers->count++;
    }
    *executor = (struct executor){&ops, workers};
    return STATUS_OK;

give:
    memory_give(workers);
    return error_no_memory(error, "a lock", sizeof(struct mutex));
}
