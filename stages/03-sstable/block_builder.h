/* Builds a block: sorted entries, each key stored as what differs from the one before it.
 * The format stands in block.h.
 *
 * The builder is a value in the caller's storage and used by one thread. Keys are plain
 * bytes to it, and whoever adds them answers for their order. */
#ifndef STRATA_BLOCK_BUILDER_H
#define STRATA_BLOCK_BUILDER_H

#include <stdint.h>

#include "buf.h"

struct block_builder {
    unsigned restart_interval; /* entries from one restart point to the next */
    unsigned since_restart;    /* entries since the last one; 0: none yet */
    struct buf entries;
    struct buf restarts; /* the array, as it will stand in the block */
    struct buf last_key;
};

/* restart_interval is at least 1. Takes no memory yet. */
void block_builder_init(struct block_builder *builder, unsigned restart_interval);
void block_builder_free(struct block_builder *builder);

/* Adds an entry whose key is above all keys before it. NO_MEMORY, or LIMIT where the
 * block would become larger than BLOCK_BYTES_MAX; the builder may then only be reset or
 * freed. */
MUST_CHECK enum status block_builder_add(struct block_builder *builder, struct slice key,
                                         struct slice value);

/* The bytes of the block if it were finished now. */
size_t block_builder_bytes(const struct block_builder *builder);

/* Whether there are no entries. */
static inline bool block_builder_empty(const struct block_builder *builder) {
    return builder->entries.length == 0;
}

/* Completes the block, which may be empty; *contents is borrowed until the builder is
 * reset or freed, which must come next. NO_MEMORY. */
MUST_CHECK enum status block_builder_finish(struct block_builder *builder,
                                            struct slice *contents);

/* Empty again, for the next block; keeps its memory. */
void block_builder_reset(struct block_builder *builder);

#endif
