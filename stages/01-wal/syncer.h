/* The interval syncer: bounds what a loss of power can take from changes that were
 * acknowledged with DURABILITY_INTERVAL.
 *
 * A thread syncs the wal when the oldest change at risk is interval_millis old, or half
 * of interval_bytes are at risk. A writer is not acknowledged, but waits, while more than
 * interval_bytes are at risk or the oldest change is older than twice interval_millis: so
 * the bound holds even where the disk is slower than the writers.
 *
 * The thread starts with the first change of this durability. Any thread may call. */
#ifndef STRATA_SYNCER_H
#define STRATA_SYNCER_H

#include "wal.h"

struct syncer;

/* The wal stays the caller's and must outlive the syncer. */
MUST_CHECK enum status syncer_open(struct wal *wal, const struct kv_options *options,
                                   struct syncer **syncer, struct error *error);

/* Before a change is appended: makes sure that the thread runs. */
MUST_CHECK enum status syncer_start(struct syncer *syncer, struct error *error);

/* After the change with this last sequence was appended, before it is acknowledged: waits
 * while too much is at risk. Answers the wal's failure if it failed meanwhile. */
MUST_CHECK enum status syncer_admit(struct syncer *syncer, uint64_t sequence,
                                    struct error *error);

/* How often a writer had to wait. */
uint64_t syncer_stalls(struct syncer *syncer);

/* Ends the thread, without a last sync. NULL is allowed. */
void syncer_close(struct syncer *syncer);

#endif
