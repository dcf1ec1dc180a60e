/* What an engine does besides answering: it moves full write buffers into tables. A seam;
 * its tenants:
 *
 *     upkeep_inline    stage 03: the writer that finds the buffer full does the work
 *     upkeep_threads   stage 05: threads of its own do it, and merge tables besides */
#ifndef STRATA_UPKEEP_H
#define STRATA_UPKEEP_H

#include "status.h"

struct engine;

struct upkeep_ops {
    enum status (*open)(struct engine *engine, void **upkeep, struct error *error);

    /* The active buffer is full, or frozen ones wait. Returns when a change may go into
     * the active buffer; otherwise why not, and the writer fails with that. The caller
     * holds the engine's `writing`. */
    enum status (*buffer_full)(void *upkeep, struct error *error);

    void (*close)(void *upkeep); /* nobody writes; NULL is allowed */
};

extern const struct upkeep_ops upkeep_inline;

#endif
