/* Several lookups that will follow, looked ahead at side by side.
 *
 * A lookup goes from a filter to an index, from there to the block cache, and into a
 * block, and at each place it waits for memory that the processor's caches do not hold.
 * It has to, since each place tells where the next one is; but another key's lookup does
 * not depend on it. So here all keys go to one place, then all to the next: each asks for
 * what it needs there, and does not wait before the others have asked, too. Lookups that
 * follow find it all at hand (Chen, Ailamaki, Gibbons, Mowry, "Improving Hash Join
 * Performance through Prefetching", 2004: group prefetching).
 *
 * It is a hint. Nothing is read from a file, no memory is taken, nothing fails, and what
 * statistics tell of lookups does not change. */
#ifndef STRATA_FORESIGHT_H
#define STRATA_FORESIGHT_H

#include "view.h"

/* Of a reader of that sequence, who is between readers_enter and readers_leave, for at
 * most KV_FORESEEN keys. */
void view_foresee(const struct view *view, const struct slice *keys, size_t count,
                  uint64_t sequence);

#endif
