/* How often each command was called, and how long it took: counted by each thread for
 * itself, and added up by who asks.
 *
 * Times fall into buckets: below 4 microseconds each its own, then four to each doubling.
 * Those of the last bucket are 3.6 s and more.
 *
 * A struct command_stats is written by one thread, without a lock and without an atomic
 * addition; any thread may read it meanwhile. So nothing can be set back to 0: who wants
 * that keeps the sums that there were, and takes them off. */
#ifndef STRATA_COMMAND_STATS_H
#define STRATA_COMMAND_STATS_H

#include <stddef.h>

#include "atomic.h"
#include "status.h"

enum { COMMAND_BUCKETS = 84 };

struct command_times {
    struct atomic_u64 calls; /* that were run */
    struct atomic_u64 micros;
    struct atomic_u64 rejected; /* before they were run */
    struct atomic_u64 failed;   /* with an error for a reply */
    struct atomic_u64 buckets[COMMAND_BUCKETS];
};

struct command_stats {
    struct command_times *times; /* by number of the command (redis_command.h) */
    size_t count;
};

/* Of one command, added up. */
struct command_totals {
    uint64_t calls, micros, rejected, failed;
    uint64_t buckets[COMMAND_BUCKETS];
};

/* In the caller's storage. NO_MEMORY. */
MUST_CHECK enum status command_stats_init(struct command_stats *stats, size_t count);
void command_stats_free(struct command_stats *stats);

void command_stats_called(struct command_stats *stats, size_t number, uint64_t micros,
                          bool failed);
void command_stats_rejected(struct command_stats *stats, size_t number);

/* Adds what this thread counted. */
void command_stats_sum(const struct command_stats *stats, size_t number,
                       struct command_totals *totals);

/* Takes off what there was before. */
void command_totals_since(struct command_totals *totals,
                          const struct command_totals *before);

/* The longest time that falls into a bucket; UINT64_MAX for the last one. */
uint64_t command_bucket_most(size_t bucket);

/* The time that `percent` of 100 of the calls do not exceed; at most a quarter more. */
uint64_t command_totals_percentile(const struct command_totals *totals, double percent);

#endif
