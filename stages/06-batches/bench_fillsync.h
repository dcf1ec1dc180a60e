/* `bench` from stage 06 on, with `bench fillsync`: what a change costs that waits for the
 * disk, when so many writers at once share the syncs. */
#ifndef STRATA_BENCH_FILLSYNC_H
#define STRATA_BENCH_FILLSYNC_H

#include "program/bench_options.h"

enum { BENCH_KEY_THREADS = 0x200, BENCH_WRITERS_CASES_MAX = 16 };

/* The values of this `bench`, and of those of later stages. */
struct bench_writers {
    struct bench_values common; /* first, for the benchmarks of earlier stages */
    uint64_t writers[BENCH_WRITERS_CASES_MAX];
    size_t cases;
};

error_t bench_writers_parse(int key, char *argument, struct argp_state *state);

extern const struct command command_bench_fillsync;

#endif
