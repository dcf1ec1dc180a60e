/* What the benchmarks of tables and of whole databases write: keys of 16 decimal digits
 * and values of 100 bytes, half of which repeat the other half, so that they compress as
 * those of LevelDB's db_bench do. The same in every run. */
#ifndef STRATA_BENCH_ENTRIES_H
#define STRATA_BENCH_ENTRIES_H

#include <stdint.h>

#include "slice.h"

enum { BENCH_KEY_BYTES = 16, BENCH_VALUE_BYTES = 100, BENCH_VALUES = 64 };

struct bench_entries {
    unsigned char key[BENCH_KEY_BYTES];
    unsigned char values[BENCH_VALUES][BENCH_VALUE_BYTES];
};

void bench_entries_init(struct bench_entries *entries);

/* `number`, below 10^16, in digits; the slice lives until the next call. */
struct slice bench_key(struct bench_entries *entries, uint64_t number);

struct slice bench_value(const struct bench_entries *entries, uint64_t number);

/* The i-th of a sequence of numbers without order, which seldom repeats one. */
uint64_t bench_scattered(uint64_t i);

#endif
