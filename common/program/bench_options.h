/* What the `bench` of every stage is given, whatever it measures. */
#ifndef STRATA_BENCH_OPTIONS_H
#define STRATA_BENCH_OPTIONS_H

#include "command.h"

/* The options, for argp. */
enum { BENCH_KEY_JSON = 0x100, BENCH_KEY_COUNT, BENCH_KEY_ROUNDS };

struct bench_values {
    uint64_t count; /* 0: not given, as with the next; 1 is refused */
    uint64_t rounds;
    bool json;
};

error_t bench_parse(int key, char *argument, struct argp_state *state);

/* INVALID if the number given for the option is above `most`. */
MUST_CHECK enum status bench_at_most(const struct command_run *run, const char *name,
                                     uint64_t number, uint64_t most);

#endif
