/* A database directory that is being built: TARGET.unfinished, which becomes TARGET by
 * one rename when it is whole.
 *
 *     begin     made, its LOCK held, emptied of what a crash left    → fill it
 *     finish    synced → renamed → parent synced                       COMMIT POINT
 *     abandon   emptied and removed
 *
 * One thread uses one; two that are begun for one target exclude each other. */
#ifndef STRATA_UNFINISHED_H
#define STRATA_UNFINISHED_H

#include "world.h"

struct unfinished {
    const struct world *world;
    char *target;
    char *parent;
    char *path; /* to be filled, with files that a database may have */
    struct file *lock;
};

/* INVALID: the target is there, and not an empty directory, or it may not be empty
 * either; there is no parent; or files of somebody else stand where it would be built.
 * BUSY. Zeroed before; after an error there is nothing to abandon. */
MUST_CHECK enum status unfinished_begin(struct unfinished *unfinished, const char *target,
                                        bool may_be_empty, const struct world *world,
                                        struct error *error);

/* Lets go of LOCK, for a look at it as a database, and takes it again. BUSY, NOT_FOUND:
 * somebody else has taken it over meanwhile. */
void unfinished_unlock(struct unfinished *unfinished);
MUST_CHECK enum status unfinished_relock(struct unfinished *unfinished,
                                         struct error *error);

/* Requires LOCK, and that all files are synced. Ends it whatever happens: after an error
 * it is abandoned. */
MUST_CHECK enum status unfinished_finish(struct unfinished *unfinished,
                                         struct error *error);

/* As well as can be: what stays, the next begin clears away. */
void unfinished_abandon(struct unfinished *unfinished);

#endif
