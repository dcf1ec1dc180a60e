/* The harness's implementation of common/memory.h, linked in its place: counts, fails the
 * N-th allocation, finds leaks, and can take back all that a killed process held.
 *
 * Only memory taken through memory.h is seen; the harness's own memory comes from malloc
 * directly. What the harness itself takes through memory.h (a struct buf filled by
 * kv_get) is seen like the engine's: give it back before counted_memory_reclaim.
 *
 * Faults and the count of calls are the calling thread's, so that a campaign on one real
 * thread is not disturbed by others. Blocks are the process's: any thread may give back
 * what another took. */
#ifndef STRATA_COUNTED_MEMORY_H
#define STRATA_COUNTED_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* The countdown-th allocation from now fails (1 is the next, 0 none); persistently: all
 * after it too. */
void counted_memory_fail(size_t countdown, bool persistently);

/* Whether one has failed since it was set. */
bool counted_memory_failed(void);

/* Allocations asked for by this thread since the start, resizes and failures included. */
size_t counted_memory_calls(void);

/* Blocks and bytes not given back. */
size_t counted_memory_blocks(void);
size_t counted_memory_bytes(void);

/* Marks the present; counted_memory_reclaim frees every block taken since the mark that
 * is still outstanding (what a killed process held) and returns their number. A resized
 * block counts from when it was first taken. Without a mark: since the start. */
void counted_memory_mark(void);
size_t counted_memory_reclaim(void);

#endif
