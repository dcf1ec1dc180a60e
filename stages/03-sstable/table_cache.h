/* Open tables, at most so many at once: what a reader of a version asks for the table of
 * a file. */
#ifndef STRATA_TABLE_CACHE_H
#define STRATA_TABLE_CACHE_H

#include "status.h"

struct table;
struct table_cache;
struct table_file;

/* The caller is between readers_enter and readers_leave: the table lives until it leaves.
 * CORRUPT (a missing file, too), IO, NO_MEMORY. */
MUST_CHECK enum status table_cache_get(struct table_cache *cache, struct table_file *file,
                                       struct table **table, struct error *error);

/* The same, with a reference that is the caller's (table_unref). */
MUST_CHECK enum status table_cache_pin(struct table_cache *cache, struct table_file *file,
                                       struct table **table, struct error *error);

#endif
