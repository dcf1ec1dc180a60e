/* The harness's implementation of common/memory.h, linked in its place: counts, fails the
 * N-th allocation, finds leaks, and can take back all that a killed process held.
 *
 * Only memory taken through memory.h is seen; the harness's own memory comes from malloc
 * directly. The state is the calling thread's (real threads other than the harness's main
 * one fall through to malloc untouched by faults, but are counted atomically as
 * outstanding). */
#ifndef STRATA_COUNTED_MEMORY_H
#define STRATA_COUNTED_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* The countdown-th allocation from now fails (1 is the next, 0 none); persistently: all
 * after it too. */
void counted_memory_fail(size_t countdown, bool persistently);

/* Whether it has failed since it was set. */
bool counted_memory_failed(void);

/* Allocations asked for since the start. */
size_t counted_memory_calls(void);

/* Blocks and bytes not given back. */
size_t counted_memory_blocks(void);
size_t counted_memory_bytes(void);

/* Marks the present; counted_memory_reclaim frees every block taken since the mark that
 * is still outstanding (what a killed process held) and returns their number. */
void counted_memory_mark(void);
size_t counted_memory_reclaim(void);

#endif
