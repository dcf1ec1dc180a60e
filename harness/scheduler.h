/* The simulated threads and clock (tenants of common/thread.h and common/clock.h).
 *
 * All threads of a simulation are fibers of one real thread: exactly one runs, and
 * control passes only where the engine calls thread.h (and, in the `sim` flavour,
 * atomic.h and failpoint.h). Which runnable thread goes on is a choice drawn from the
 * caller's chooser, so a run is determined by its choices. Time stands still until the
 * harness moves it, or until all threads wait and one of them with a deadline: then the
 * clock jumps to the earliest deadline. If all wait without a deadline the simulation is
 * deadlocked: that ends the program with a report of who waits for what.
 *
 * Mutexes, conditions and threads take a block of memory.h each, so that failing
 * allocations reach mutex_init, condition_init and thread_create. */
#ifndef STRATA_SCHEDULER_H
#define STRATA_SCHEDULER_H

#include "world.h"

/* A number below `bound` (at least 2); 0 must mean "stay with the running thread". */
typedef uint64_t scheduler_chooser(void *context, uint64_t bound);

struct scheduler;

/* chooser NULL: always 0. Out of memory ends the program. */
struct scheduler *scheduler_new(scheduler_chooser *chooser, void *context);

/* All threads but the caller's must have ended and been joined. NULL is allowed. */
void scheduler_free(struct scheduler *scheduler);

const struct threads *scheduler_threads(struct scheduler *scheduler);
const struct clock *scheduler_clock(struct scheduler *scheduler);

/* Waits on conditions wake without cause once in `one_in` (drawn from the chooser, its
 * highest answer); 0, the default: never. */
void scheduler_wake_spuriously(struct scheduler *scheduler, uint64_t one_in);

/* For choosers that go by thread: the number of the thread that the answer `choice` would
 * let run; 0: the caller's of scheduler_new, or the choice is not one of threads. */
uint64_t scheduler_candidate(const struct scheduler *scheduler, uint64_t choice);

/* Lets every other thread run until it waits. */
void scheduler_settle(struct scheduler *scheduler);

/* Moves the clock on, settling at each deadline on the way and at the end. */
void scheduler_advance(struct scheduler *scheduler, uint64_t micros);

/* When the clock begins, by the calendar. */
uint64_t scheduler_start_millis(void);

/* The clock begins anew, as in a new scheduler. No thread waits for a time. */
void scheduler_rewind(struct scheduler *scheduler);

/* The process dies: all threads but the caller's vanish where they stand; nothing they
 * hold is released (the engine's memory is reclaimed with counted_memory_reclaim). The
 * caller is the thread that made the scheduler. */
void scheduler_kill(struct scheduler *scheduler);

/* Mutexes and conditions alive, and threads not yet joined: 0 after a clean close (leak
 * check). */
size_t scheduler_objects(const struct scheduler *scheduler);

#endif
