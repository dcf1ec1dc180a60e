/* Who carries out what may wait: a file to be read, a lock, a stalled write. A seam with
 * two tenants:
 *
 *     inline     whoever gives a job does it, at once
 *     workers    a number of threads do jobs, those that came first first
 *
 * A job stands in its owner's storage, once at a time, so what waits is bounded by the
 * owners: a connection has one. Giving one never fails and takes no memory. */
#ifndef STRATA_EXECUTOR_H
#define STRATA_EXECUTOR_H

#include <stddef.h>

#include "world.h"

/* It is the owner's again when it runs. */
struct executor_job {
    void (*run)(void *context);
    void *context;
    struct executor_job *next;
};

struct executor_ops {
    void (*give)(void *state, struct executor_job *job);
    void (*close)(void *state);
};

struct executor {
    const struct executor_ops *ops;
    void *state;
};

/* Fails never. */
struct executor executor_inline(void);

/* 1 thread or more. NO_MEMORY. */
MUST_CHECK enum status executor_workers(const struct world *world, size_t threads,
                                        struct executor *executor, struct error *error);

/* Any thread. */
static inline void executor_give(const struct executor *executor,
                                 struct executor_job *job) {
    executor->ops->give(executor->state, job);
}

/* All that was given is done first; nobody gives any more. */
static inline void executor_close(const struct executor *executor) {
    executor->ops->close(executor->state);
}

#endif
