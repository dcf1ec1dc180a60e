/* `bench` from stage 06 on, with `bench fillsync`: what a change costs that waits for the
 * disk, when so many writers at once share the syncs. */
#ifndef STRATA_BENCH_FILLSYNC_H
#define STRATA_BENCH_FILLSYNC_H

#include "program/command.h"

extern const struct command command_bench_fillsync;

#endif
