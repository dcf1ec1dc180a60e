/* `bench` from stage 07 on, with `bench snapshot`: what a snapshot costs that is held
 * while everything is overwritten, and whether its release gives that back. */
#ifndef STRATA_BENCH_SNAPSHOT_H
#define STRATA_BENCH_SNAPSHOT_H

#include "program/command.h"

extern const struct command command_bench_snapshot;

#endif
