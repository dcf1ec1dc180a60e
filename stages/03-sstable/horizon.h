/* How far back readers look: which old versions must outlive the ones that replace them.
 * Compaction, from stage 05 on, asks for it and drops the rest. A seam; its tenants:
 *
 *     horizon_newest      stage 03: nobody looks back
 *     horizon_snapshots   stage 07: as far as there are snapshots
 *
 * A reader who holds a view needs no horizon: his view holds the tables that he reads. */
#ifndef STRATA_HORIZON_H
#define STRATA_HORIZON_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"

struct engine;

struct horizon_ops {
    /* When the engine opens, once: it outlives a resume. */
    enum status (*open)(struct engine *engine, void **horizon, struct error *error);

    /* All the sequences that somebody may read at, besides the newest; ascending,
     * distinct, for memory_give. Who asks has the version first from which he will drop:
     * whatever a sequence that comes later may have to find there is the newest of its
     * key. Any thread. NO_MEMORY. */
    enum status (*sequences)(void *horizon, uint64_t **sequences, size_t *count,
                             struct error *error);

    /* Nobody reads any more, while compactions may still be at work: the engine closes.
     * NULL is allowed. */
    void (*let_go)(void *horizon);

    void (*close)(void *horizon); /* nobody compacts any more; NULL is allowed */
};

extern const struct horizon_ops horizon_newest;

#endif
