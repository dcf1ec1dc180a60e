#include "command_stats.h"

#include "memory.h"

/* Bucket of a time: with its highest bit at position b ≥ 2, and q the two bits behind
 * that, 4 (b - 1) + q. */
static size_t bucket_of(uint64_t micros) {
    if (micros < 4) {
        return (size_t)micros;
    }
    unsigned bit = 63 - (unsigned)__builtin_clzll(micros);
    size_t bucket = 4 * (size_t)(bit - 1) + (size_t)((micros >> (bit - 2)) & 3);
    return bucket < COMMAND_BUCKETS ? bucket : COMMAND_BUCKETS - 1;
}

uint64_t command_bucket_most(size_t bucket) {
    if (bucket < 4) {
        return bucket;
    }
    if (bucket == COMMAND_BUCKETS - 1) {
        return UINT64_MAX;
    }
    size_t next = bucket + 1;
    return ((4 + (uint64_t)next % 4) << (next / 4 - 1)) - 1;
}

enum status command_stats_init(struct command_stats *stats, size_t count) {
    *stats =
        (struct command_stats){memory_take_zeroed(count * sizeof *stats->times), count};
    return stats->times != NULL ? STATUS_OK : STATUS_NO_MEMORY;
}

void command_stats_free(struct command_stats *stats) {
    memory_give(stats->times);
    *stats = (struct command_stats){0};
}

/* Nobody else writes, so reading and writing need not be one step. */
static void add(struct atomic_u64 *counter, uint64_t value) {
    atomic_u64_store(counter, atomic_u64_load(counter, memory_order_relaxed) + value,
                     memory_order_relaxed);
}

void command_stats_called(struct command_stats *stats, size_t number, uint64_t micros,
                          bool failed) {
    struct command_times *times = &stats->times[number];
    add(&times->calls, 1);
    add(&times->micros, micros);
    add(&times->buckets[bucket_of(micros)], 1);
    if (failed) {
        add(&times->failed, 1);
    }
}

void command_stats_rejected(struct command_stats *stats, size_t number) {
    add(&stats->times[number].rejected, 1);
}

void command_stats_sum(const struct command_stats *stats, size_t number,
                       struct command_totals *totals) {
    const struct command_times *times = &stats->times[number];
    totals->calls += atomic_u64_load(&times->calls, memory_order_relaxed);
    totals->micros += atomic_u64_load(&times->micros, memory_order_relaxed);
    totals->rejected += atomic_u64_load(&times->rejected, memory_order_relaxed);
    totals->failed += atomic_u64_load(&times->failed, memory_order_relaxed);
    for (size_t i = 0; i < COMMAND_BUCKETS; i++) {
        totals->buckets[i] += atomic_u64_load(&times->buckets[i], memory_order_relaxed);
    }
}

void command_totals_since(struct command_totals *totals,
                          const struct command_totals *before) {
    totals->calls -= before->calls;
    totals->micros -= before->micros;
    totals->rejected -= before->rejected;
    totals->failed -= before->failed;
    for (size_t i = 0; i < COMMAND_BUCKETS; i++) {
        totals->buckets[i] -= before->buckets[i];
    }
}

uint64_t command_totals_percentile(const struct command_totals *totals, double percent) {
    uint64_t count = 0, passed = 0;
    for (size_t i = 0; i < COMMAND_BUCKETS; i++) {
        count += totals->buckets[i];
    }
    uint64_t micros = 0;
    for (size_t i = 0; i < COMMAND_BUCKETS && passed < count; i++) {
        if (totals->buckets[i] == 0) {
            continue;
        }
        passed += totals->buckets[i];
        micros = command_bucket_most(i < COMMAND_BUCKETS - 1 ? i : i - 1);
        if ((double)passed >= (double)count * percent / 100) {
            break;
        }
    }
    return micros;
}
