/* `bench load`: what it takes to fill a database, open it again and read it. */
#ifndef STRATA_BENCH_LOAD_H
#define STRATA_BENCH_LOAD_H

#include "program/command.h"

enum { BENCH_LOAD_COUNT = 1000000 };

struct bench_load {
    uint64_t count; /* entries */
    bool json;
};

/* Works in a fresh directory under run->dir (program/scratch.h), with the settings that
 * were given but for durability, which is none. An interrupt ends it between two steps.
 */
MUST_CHECK enum status bench_load_run(const struct bench_load *bench,
                                      struct command_run *run);

#endif
