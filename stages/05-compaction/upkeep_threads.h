/* Upkeep by threads: one writes frozen buffers to tables, one or more compact. Writers go
 * on meanwhile, into the next buffer, and wait only where the work falls behind:
 *
 *   all write_buffers are full               until one is a table
 *   level0_stop_tables or more in level 0    until a compaction has taken some away
 *   level0_slow_tables or more               a little, more the nearer the stop is
 *
 * and no longer than stall_millis: then the write fails with STALLED, and nothing of it
 * was written. A flush or compaction that fails is tried again, after a pause that
 * doubles each time; a writer who has waited too long for it is told why it failed. No
 * space is told at once.
 *
 * The threads begin with the first write that needs them: an open that only reads changes
 * nothing. */
#ifndef STRATA_UPKEEP_THREADS_H
#define STRATA_UPKEEP_THREADS_H

#include "stage.h"
#include "upkeep.h"

extern const struct upkeep_ops upkeep_threads;

/* As store_ops has them, for engines with this upkeep. */
enum status engine_compact(void *engine, struct slice from, struct slice to,
                           struct error *error);
void engine_stats_compacted(void *engine, struct kv_stats *stats);

#endif
