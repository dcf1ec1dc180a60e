/* The file CURRENT: which catalog of the tables is in force. It holds one line:
 *
 *     LISTING\n            the directory's tables are the database (stage 03)
 *     MANIFEST-000005\n    that manifest lists them (stage 04 and later, LevelDB)
 *
 * LevelDB refuses a database whose CURRENT it does not understand, and deletes the tables
 * of one that has none (google/leveldb, db/db_impl.cc and db/version_set.cc): so a
 * CURRENT must be durable before the first table is. It is only ever replaced by a
 * rename, so that it holds one whole line at any time.
 *
 * One thread at a time, for one directory. */
#ifndef STRATA_CURRENT_H
#define STRATA_CURRENT_H

#include <stdint.h>

#include "world.h"

enum current_kind {
    CURRENT_NONE, /* there is no such file */
    CURRENT_LISTING,
    CURRENT_MANIFEST
};

struct current {
    enum current_kind kind;
    uint64_t number; /* CURRENT_MANIFEST: the manifest's */
};

/* CORRUPT if it holds anything but one of the lines above. What is read is what a process
 * sees now: after a current_write that failed, or was cut off, a loss of power may still
 * bring the older line back. */
MUST_CHECK enum status current_read(const char *dir, const struct world *world,
                                    struct current *current, struct error *error);

/* Makes *current, which is not CURRENT_NONE, durably the one in force: writes and syncs
 * the temporary file of this number, which nothing else may use, renames it over CURRENT
 * and syncs the directory. What the line names must be durable before.
 *
 * After an error without *begun the old CURRENT is in force and the temporary is removed
 * as well as can be: the call may be made again. After an error with *begun it is not
 * known which CURRENT is in force, now or after a loss of power: the store must be
 * fail-stop, and no file that either of the two needs may be removed before a later
 * current_write, by whoever opens the directory next, has succeeded. */
MUST_CHECK enum status current_write(const char *dir, const struct world *world,
                                     const struct current *current,
                                     uint64_t temporary_number, bool *begun,
                                     struct error *error);

/* What the file at that path says, whatever its name. NOT_FOUND; CORRUPT as above. */
MUST_CHECK enum status current_read_path(const char *path, const struct world *world,
                                         struct current *current, struct error *error);

/* Writes and syncs the line as the temporary file of this number: for a repair, which
 * decides by a rename of its own. */
MUST_CHECK enum status current_prepare(const char *dir, const struct world *world,
                                       const struct current *current, uint64_t number,
                                       struct error *error);

#endif
