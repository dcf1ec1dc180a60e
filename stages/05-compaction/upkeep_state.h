/* What upkeep by threads consists of, for upkeep_*.c. */
#ifndef STRATA_UPKEEP_STATE_H
#define STRATA_UPKEEP_STATE_H

#include "compact.h"
#include "engine_state.h"
#include "event_log.h"
#include "obsolete.h"
#include "picker.h"
#include "rate_limit.h"

/* Work that may fail and is tried again. */
struct attempts {
    uint64_t failures; /* since the upkeep began */
    struct error last; /* of the last attempt; status OK: it did not fail */
    uint64_t pause_micros;
    uint64_t again_micros; /* not before; monotonic */
};

enum told {
    TOLD_GO_ON,
    TOLD_ABANDON, /* what is being compacted is of no use any more */
    TOLD_END
};

struct upkeep {
    struct engine *engine;
    struct event_log *events;
    struct rate_limit *limit; /* NULL: none */
    struct picker_options picker;
    struct atomic_u64 told; /* enum told: what compactors are told */

    struct mutex lock;     /* for moments, and never while anything is read or written */
    struct condition work; /* there may be something for a thread */
    struct condition done; /* something was done, or has failed */
    /* guarded by lock */
    struct thread flusher;
    struct thread compactors[KV_COMPACTION_THREADS_MAX];
    bool flusher_runs;
    bool flushing; /* the flusher is at it */
    unsigned compactors_running;
    struct attempts flushes;
    struct attempts compactions;
    unsigned claims; /* who waits for busy levels; compactors begin nothing meanwhile */
    unsigned busy;   /* a bit for each level that a compaction is at */
    struct buf pointers[LEVELS];
    struct obsolete obsolete;
    size_t level0;      /* tables of level 0 */
    double owed_micros; /* what slowed writers have not waited yet */
    uint64_t slowdowns, stops, stall_micros;
    struct compact_counts total;
    uint64_t compacted;
    struct kv_level_stats levels[LEVELS]; /* reads and writes, by output level */
};

/* What an edit's context points to: what the event log is told when it is in force. */
struct telling {
    uint64_t work;
    const struct compact_counts *counts; /* NULL: a flush */
    uint64_t begun_micros;               /* of a flush */
};

/* Requires lock: the version has changed, or may have. */
void upkeep_count_level0(struct upkeep *upkeep);

/* Requires lock, which it gives up and takes again. Carries the compaction out, puts it
 * in force and frees it. */
MUST_CHECK enum status upkeep_compact(struct upkeep *upkeep,
                                      struct compaction *compaction, struct error *error);

/* Requires lock. The threads run from now on, if they do not yet. NO_MEMORY. */
MUST_CHECK enum status upkeep_start(struct upkeep *upkeep, struct error *error);

/* Requires lock, which it gives up and takes again. Cuts off what is being compacted;
 * from its return until levels are given back nothing is, and the version changes by
 * flushes only. Who was cut off has not failed. */
void upkeep_take_levels(struct upkeep *upkeep);
void upkeep_give_levels(struct upkeep *upkeep);

/* Requires lock, which it gives up and takes again: removes obsolete tables that nobody
 * reads. */
void upkeep_sweep(struct upkeep *upkeep);

/* Requires lock. Notes how an attempt ended; one that failed makes the next one wait. */
void upkeep_note(struct upkeep *upkeep, struct attempts *attempts,
                 const struct error *error);

#endif
