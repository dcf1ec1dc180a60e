/* `bench memory`: what the memtable's operations cost, by its size. */
#ifndef STRATA_BENCH_MEMORY_H
#define STRATA_BENCH_MEMORY_H

#include "program/command.h"

enum {
    BENCH_MEMORY_ENTRIES_MAX = 100000000,
    BENCH_MEMORY_ROUNDS = 5,
    BENCH_MEMORY_ROUNDS_MAX = 100
};

struct bench_memory {
    uint64_t count;  /* entries; 0: 1 thousand, 100 thousand and 1 million */
    uint64_t rounds; /* at most BENCH_MEMORY_ROUNDS_MAX */
    bool json;
};

/* An interrupt ends it between two rounds. */
MUST_CHECK enum status bench_memory_run(const struct bench_memory *bench,
                                        struct command_run *run);

#endif
