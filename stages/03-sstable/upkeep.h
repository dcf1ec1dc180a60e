/* What an engine does besides answering: it moves full write buffers into tables. A seam;
 * its tenants:
 *
 *     upkeep_inline    stage 03: the writer that finds the buffer full does the work
 *     upkeep_threads   stage 05: threads of its own do it, and merge tables besides */
#ifndef STRATA_UPKEEP_H
#define STRATA_UPKEEP_H

#include "slice.h"
#include "status.h"

struct edit;
struct engine;
struct version;

struct upkeep_ops {
    /* The version is the one that the engine begins with. */
    enum status (*open)(struct engine *engine, struct version *version, void **upkeep,
                        struct error *error);

    /* The active buffer is full, or engine_attend was called. Returns when changes of so
     * many bytes may go into the active buffer; otherwise why not, and the writer fails
     * with that: STALLED if it would have to wait, and may not. The caller holds the
     * engine's `writing`. */
    enum status (*make_room)(void *upkeep, uint64_t bytes, bool may_wait,
                             struct error *error);

    /* Returns when all buffers that were frozen before are tables, or why that failed. */
    enum status (*flush)(void *upkeep, struct error *error);

    /* The edit is in force, durably, and about to be before readers' eyes; `after` is the
     * version that came of it. One edit after the other, in their order; the engine's
     * `editing` is held. NULL: upkeep does not want to know. */
    void (*installed)(void *upkeep, const struct edit *edit, const struct version *after);

    void (*close)(void *upkeep); /* nobody writes; NULL is allowed */
};

extern const struct upkeep_ops upkeep_inline;

#endif
