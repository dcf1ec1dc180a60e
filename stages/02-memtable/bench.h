/* The commands that this stage adds to the program, or replaces by its own. */
#ifndef STRATA_BENCH_H
#define STRATA_BENCH_H

#include "program/command.h"

/* `bench`, which measures memory, too: one row. */
extern const struct command bench_commands[1];

#endif
