/* `bench` from stage 03 on: of the log and of memory, and of tables and databases. */
#ifndef STRATA_BENCH_COMMAND_H
#define STRATA_BENCH_COMMAND_H

#include "program/command.h"

extern const struct command command_bench_tables;

#endif
