/* A walk over all entries of a run of tables, from the first to the last: for merging it
 * into other tables.
 *
 * It reads ahead (read_ahead.h), and passes by the block cache. */
#ifndef STRATA_TABLE_SWEEP_H
#define STRATA_TABLE_SWEEP_H

#include "iter.h"

struct table_cache;
struct table_file;

/* An iterator over internal keys that knows first, next and close alone. The files ascend
 * by internal keys and overlap nowhere; they and their array outlive it. A table is open
 * while the walk is in it. Keys are internal keys, whatever stands in the files; their
 * order is the files'. NO_MEMORY; the moves can fail with CORRUPT, with file and offset,
 * IO and NO_MEMORY. */
MUST_CHECK enum status table_sweep(struct table_file *const *files, size_t count,
                                   struct table_cache *cache, struct iter **iter,
                                   struct error *error);

#endif
