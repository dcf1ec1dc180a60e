/* Moments at which something is to be looked at again: a heap, the earliest on top.
 * Adding a timer may fail; setting one that was added never does. So a thing that needs a
 * timer now and then adds it once, with TIMER_NEVER. Not for two threads at once. */
#ifndef STRATA_TIMERS_H
#define STRATA_TIMERS_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"

#define TIMER_NEVER UINT64_MAX

typedef void timer_due(void *context);

/* In the caller's storage, where it stays while it is added. */
struct timer {
    timer_due *due;
    void *context;
    uint64_t micros; /* when; by the monotonic clock */
    size_t place;    /* in the heap */
};

/* {0} is an empty one. */
struct timers {
    struct timer **heap;
    size_t count;
    size_t room;
};

void timers_free(struct timers *timers); /* none is left in it */

/* NO_MEMORY. */
MUST_CHECK enum status timers_add(struct timers *timers, struct timer *timer);
void timers_set(struct timers *timers, struct timer *timer, uint64_t micros);
void timers_remove(struct timers *timers, struct timer *timer);

/* When the first is due, or TIMER_NEVER. */
uint64_t timers_next(const struct timers *timers);

/* The first, if it is due at `now`; it is then set to TIMER_NEVER. NULL: none is. */
struct timer *timers_take_due(struct timers *timers, uint64_t now);

#endif
