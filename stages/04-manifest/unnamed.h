/* Tables of the directory that the manifest does not name: what they tell of the manifest
 * that was read, and what becomes of them. unnamed.c has the argument. */
#ifndef STRATA_UNNAMED_H
#define STRATA_UNNAMED_H

#include "catalog.h"

/* What the manifest said, beside *found. */
struct unnamed {
    const struct directory *directory;
    uint64_t manifest;    /* its number */
    uint64_t next_number; /* of files, as its last edit has it */
    bool torn;            /* behind that edit something was dropped */
    bool foreign;         /* LevelDB's: its last sequence counts changes of the logs */
};

/* Whether this is one: a table that the version does not have. */
bool unnamed_is(const struct name *name, const struct version *version);

/* Whether the manifest may be believed. Writes nothing. found->dropped receives, if
 * nothing stands there, that a table is there which an edit must have named. CORRUPT: and
 * that edit is missing, with what it named. */
MUST_CHECK enum status unnamed_judge(const struct unnamed *unnamed,
                                     struct catalog_found *found, struct error *error);

/* CORRUPT: a table that the version has is missing. */
MUST_CHECK enum status unnamed_none_missing(const struct directory *directory,
                                            const struct version *version,
                                            struct error *error);

/* Removes them, or sets them aside. Requires that the manifest was judged, that none of
 * its tables is missing, and that it, or a later one, is durably in force. What cannot be
 * removed is left for the next open. */
MUST_CHECK enum status unnamed_collect(const struct unnamed *unnamed,
                                       const struct catalog_found *found,
                                       struct error *error);

#endif
