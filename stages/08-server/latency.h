/* What took longer than a threshold, by kind: LATENCY, as Redis 7.0 keeps it (its
 * latency.c). Of each kind the last LATENCY_SAMPLES seconds in which it happened, with
 * the longest time of each.
 *
 * Any thread; below the threshold no lock is taken. */
#ifndef STRATA_LATENCY_H
#define STRATA_LATENCY_H

#include "atomic.h"
#include "slice.h"
#include "thread.h"

/* kind, its name, what may be done about it */
#define LATENCY_TABLE(X)                                                                 \
    X(COMMAND, "command",                                                                \
      "Look at SLOWLOG GET: which commands are they, and how much do they ask for?")     \
    X(FAST_COMMAND, "fast-command",                                                      \
      "These are short: the disk or the machine is busy. Look at stalls in INFO lsm.")   \
    X(SYNC, "aof-fsync",                                                                 \
      "Syncs of the log: the disk is slow, or others keep it busy. Replies wait for it " \
      "with appendfsync always.")                                                        \
    X(STALL, "write-stall",                                                              \
      "Writes waited for flushes and compactions: more write-buffer-bytes, or a faster " \
      "disk. Look at levels in INFO lsm.")                                               \
    X(CHECKPOINT, "checkpoint", "SAVE and BGSAVE; others need not wait for them.")

enum latency_kind {
#define LATENCY_KIND(kind, name, advice) LATENCY_##kind,
    LATENCY_TABLE(LATENCY_KIND)
#undef LATENCY_KIND
        LATENCY_KINDS
};

enum { LATENCY_SAMPLES = 160 };

struct latency_sample {
    uint64_t seconds; /* Unix time */
    uint64_t millis;  /* the longest of this second */
};

struct latency_series {
    struct latency_sample samples[LATENCY_SAMPLES]; /* a ring */
    size_t count;
    size_t next;
    uint64_t longest; /* millis, since the last reset */
};

struct latency {
    struct atomic_u64 threshold_millis; /* 0: nothing is kept */
    struct mutex mutex;
    struct latency_series series[LATENCY_KINDS]; /* guarded by mutex */
};

/* In the caller's storage; keeps nothing yet. NO_MEMORY: for the mutex. */
MUST_CHECK enum status latency_init(struct latency *latency,
                                    const struct threads *threads);
void latency_free(struct latency *latency);

static inline void latency_configure(struct latency *latency, uint64_t threshold_millis) {
    atomic_u64_store(&latency->threshold_millis, threshold_millis, memory_order_relaxed);
}

void latency_add(struct latency *latency, enum latency_kind kind, uint64_t millis,
                 uint64_t unix_seconds);

const char *latency_name(enum latency_kind kind);
const char *latency_advice(enum latency_kind kind);

/* LATENCY_KINDS: there is none of that name. */
enum latency_kind latency_find(struct slice name);

/* A copy, its samples the oldest first. */
void latency_copy(struct latency *latency, enum latency_kind kind,
                  struct latency_series *series);

/* True if there was anything. */
bool latency_reset(struct latency *latency, enum latency_kind kind);

#endif
