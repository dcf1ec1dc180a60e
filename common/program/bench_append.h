/* `bench append`: what one change costs, and the system calls that it stands on. */
#ifndef STRATA_BENCH_APPEND_H
#define STRATA_BENCH_APPEND_H

#include "command.h"

enum { BENCH_COUNT = 100000, BENCH_ROUNDS = 5, BENCH_ROUNDS_MAX = 1000 };

struct bench_append {
    uint64_t count;  /* changes a round where no change waits for the disk */
    uint64_t rounds; /* at most BENCH_ROUNDS_MAX */
    bool json;
};

/* Works in a fresh directory under run->dir, which it makes where missing, and removes
 * what it made. An interrupt ends it between two rounds. */
MUST_CHECK enum status bench_append_run(const struct bench_append *bench,
                                        struct command_run *run);

#endif
