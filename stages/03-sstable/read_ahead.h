/* The blocks of a table one after the other, in either direction, for a long scan: read
 * in pieces of the file, and unpacked into memory that is used again and again. So they
 * do not pass through the block cache, where they would take the room of blocks that
 * readers come back to; and most of the work is done in the processor's own caches.
 *
 * A value in an iterator's storage; a zeroed one is ready and owns nothing. */
#ifndef STRATA_READ_AHEAD_H
#define STRATA_READ_AHEAD_H

#include "block.h"
#include "table_format.h"

struct table;

enum { READ_AHEAD_BYTES = 64 * 1024 };

struct read_ahead {
    struct buf piece; /* of the file, as it stands there */
    uint64_t offset;  /* of the piece */
    struct buf unpacked;
};

/* Whether the piece has the block. */
bool read_ahead_has(const struct read_ahead *ahead, struct block_handle handle);

/* The block at `handle`, which serves until the next load. Unless the piece has it, one
 * is read that begins with it, or, going backward, ends with it. CORRUPT, IO, NO_MEMORY.
 */
MUST_CHECK enum status read_ahead_load(struct read_ahead *ahead,
                                       const struct table *table,
                                       struct block_handle handle, bool forward,
                                       struct block *block, struct error *error);
void read_ahead_free(struct read_ahead *ahead);

#endif
