/* The catalog of stage 03: a table is part of the database because the directory holds
 * it. What orders the tables is what they say of themselves, in their properties: the
 * range of changes that each stands for.
 *
 * CURRENT says LISTING from before the first table on, so that LevelDB, which would take
 * a directory without CURRENT for an empty one and remove the tables in it, refuses it.
 *
 * What a listing cannot do is put two things in force at once: tables that come and
 * tables that go. Hence stage 04. */
#ifndef STRATA_CATALOG_LISTING_H
#define STRATA_CATALOG_LISTING_H

#include "catalog.h"

extern const struct catalog_ops catalog_listing;

/* The tables of a directory whose CURRENT says LISTING, as one edit, oldest first, and
 * the last change that they hold. CORRUPT: one is damaged or missing. End with edit_free,
 * also after an error. */
MUST_CHECK enum status catalog_listing_scan(const struct directory *directory,
                                            struct edit *edit, uint64_t *flushed,
                                            struct error *error);

#endif
