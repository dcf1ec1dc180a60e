/* `bench tables`: what a table costs to write and to read. */
#ifndef STRATA_BENCH_TABLES_H
#define STRATA_BENCH_TABLES_H

#include "program/command.h"

enum {
    BENCH_TABLES_COUNT = 200000,
    BENCH_TABLES_ROUNDS = 5,
    BENCH_TABLES_ROUNDS_MAX = 100
};

struct bench_tables {
    uint64_t count;  /* entries of the table */
    uint64_t rounds; /* at most BENCH_TABLES_ROUNDS_MAX */
    bool json;
};

/* Works in a fresh directory under run->dir (program/scratch.h), with the settings of
 * tables that were given. An interrupt ends it between two rounds. */
MUST_CHECK enum status bench_tables_run(const struct bench_tables *bench,
                                        struct command_run *run);

#endif
