/* The bare system calls under an append, as a yardstick. */
#ifndef STRATA_BENCH_FLOOR_H
#define STRATA_BENCH_FLOOR_H

#include <stddef.h>

#include "clock.h"
#include "status.h"

enum floor_kind {
    FLOOR_WRITE,       /* write(2) */
    FLOOR_SYNC,        /* write(2) and fdatasync(2): the file grows each time */
    FLOOR_PREALLOCATED /* the same into space allocated, zeroed and synced before */
};

/* Appends `count` times `bytes` bytes to a new file at `path`; *micros is the time of the
 * appends alone. The file is removed. IO, NO_SPACE. */
MUST_CHECK enum status floor_run(enum floor_kind kind, const char *path, uint64_t count,
                                 size_t bytes, const struct clock *clock,
                                 uint64_t *micros, struct error *error);

#endif
