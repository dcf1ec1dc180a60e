/* How much memory this process holds that is its own: anonymous resident memory, RssAnon
 * in /proc/self/status (proc_pid_status(5)). Pages of files, which mappings of them show,
 * are not in it: the system takes those back when it wants. */
#ifndef STRATA_RESIDENT_H
#define STRATA_RESIDENT_H

#include "world.h"

/* 0: the system does not say. */
uint64_t resident_bytes(void);

/* Looks every few milliseconds, in a thread of its own, so that a peak within one
 * call is seen too. In the caller's storage, where it stays. */
struct resident_watch {
    struct mutex lock;
    struct condition ending;
    struct thread thread;
    const struct world *world;
    /* guarded by lock */
    uint64_t peak;
    bool end;
};

/* NO_MEMORY; there is then nothing to end. */
MUST_CHECK enum status resident_watch_begin(struct resident_watch *watch,
                                            const struct world *world,
                                            struct error *error);

/* Answers the most that was seen. */
uint64_t resident_watch_end(struct resident_watch *watch);

#endif
