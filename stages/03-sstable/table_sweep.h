/* A walk over all entries of a run of tables, from the first to the last: for merging it
 * into other tables.
 *
 * What is read so is read once and then forgotten: it does not pass through the block
 * cache, where it would take the room of what readers come back to. The files are read in
 * pieces of SWEEP_PIECE_BYTES, and blocks are unpacked into memory that is kept. */
#ifndef STRATA_TABLE_SWEEP_H
#define STRATA_TABLE_SWEEP_H

#include "iter.h"

struct table_cache;
struct table_file;

enum { SWEEP_PIECE_BYTES = 256 * 1024 };

/* An iterator over internal keys that knows first, next and close alone. The files ascend
 * by internal keys and overlap nowhere; they and their array outlive it. A table is open
 * while the walk is in it. Keys are internal keys, whatever stands in the files; their
 * order is the files'. NO_MEMORY; the moves can fail with CORRUPT, with file and offset,
 * IO and NO_MEMORY. */
MUST_CHECK enum status table_sweep(struct table_file *const *files, size_t count,
                                   struct table_cache *cache, struct iter **iter,
                                   struct error *error);

#endif
