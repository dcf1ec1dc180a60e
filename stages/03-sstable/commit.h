/* How a change goes into the engine. A seam; its tenants:
 *
 *     commit_direct   stage 03: each writer appends, and syncs, for itself
 *     commit_group    stage 06: one writer appends and syncs for all who wait */
#ifndef STRATA_COMMIT_H
#define STRATA_COMMIT_H

#include "kv.h"

struct engine;

struct commit_ops {
    enum status (*open)(struct engine *engine, const struct world *world, void **commit,
                        struct error *error);

    /* As kv_write: returns when the change has reached what the durability promises.
     * *sequence is its last, 0 if none was issued; written on failure too. Any thread,
     * inside the engine's gate. */
    enum status (*write)(void *commit, const struct kv_op *ops, size_t count,
                         const struct kv_write_options *how, uint64_t *sequence,
                         struct error *error);

    void (*close)(void *commit); /* nobody writes; NULL is allowed */
};

extern const struct commit_ops commit_direct;

#endif
