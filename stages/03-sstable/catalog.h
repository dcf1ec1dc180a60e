/* The catalog: which tables are the database. A seam; its tenants:
 *
 *     catalog_listing    stage 03: the tables that the directory holds
 *     catalog_manifest   stage 04: the tables that a log of edits names
 *
 * One thread at a time uses a catalog. */
#ifndef STRATA_CATALOG_H
#define STRATA_CATALOG_H

#include "directory.h"
#include "edit.h"
#include "version.h"

/* What is in force. */
struct catalog_found {
    struct version *version; /* the caller's reference */
    uint64_t flushed;        /* the tables hold every change up to here */
    uint64_t first_log;      /* logs with lower numbers are forgotten */
    bool begins_before;      /* as in struct replay_options */
    struct error dropped; /* what was taken for an edit that a crash cut off; status OK:
                                nothing */
};

/* Adds to a CORRUPT that came of the logs what the catalog has dropped: it may be that
 * which is damaged. Answers the status. */
enum status catalog_blame(const struct catalog_found *found, enum status status,
                          struct error *error);

struct catalog_ops {
    /* INVALID: a directory of another stage; CORRUPT; IO. The directory is held, and
     * outlives the catalog. Removes what was being written when a crash came. */
    enum status (*open)(struct directory *directory, const struct kv_options *options,
                        void **catalog, struct catalog_found *found, struct error *error);

    /* The same, for a look: writes nothing. Whoever only looks can do without tables that
     * are missing or damaged: *found->version may name them. */
    enum status (*inspect)(struct directory *directory, struct catalog_found *found,
                           struct error *error);

    /* Puts the edit in force, durably: names its tables, whose bytes are synced under
     * temporary names (flush.h), and records it. `after` is the version that results.
     * After an error without *begun nothing has changed, and the call may be made again.
     * After one with *begun nobody knows whether the edit is in force, now or after a
     * loss of power: the catalog may only be closed, no file that either of the two needs
     * may be removed, and what is in force is found by opening another catalog. */
    enum status (*apply)(void *catalog, const struct edit *edit,
                         const struct version *after, bool *begun, struct error *error);

    void (*close)(void *catalog); /* NULL is allowed */
};

/* Gives the edit's new tables their names, durably: what both tenants begin with. An
 * error without *begun has renamed nothing. */
MUST_CHECK enum status catalog_name_tables(struct directory *directory,
                                           const struct edit *edit, bool *begun,
                                           struct error *error);

/* Removes temporary files of the listing, which are no part of the database. */
MUST_CHECK enum status catalog_remove_temporaries(struct directory *directory,
                                                  struct error *error);

#endif
