/* `bench` of this stage, which measures memory, too. */
#ifndef STRATA_BENCH_H
#define STRATA_BENCH_H

#include "program/command.h"

extern const struct command command_bench_memory;

#endif
