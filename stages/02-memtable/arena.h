/* Memory that is taken piece by piece and given back as a whole: a memtable's entries die
 * together, so none of them needs a block, or a header, of its own.
 *
 * Pieces are cut off the end of a block in turn. Blocks double from 4 KiB to 512 KiB, so
 * that a small arena is small; a piece larger than a quarter of the present block gets a
 * block to itself, so that at most a quarter of a block is ever left unused.
 *
 * One thread takes; the counts may be read beside it. */
#ifndef STRATA_ARENA_H
#define STRATA_ARENA_H

#include <stddef.h>

#include "atomic.h"

enum {
    ARENA_ALIGNMENT = 8,
    ARENA_BLOCK_BYTES_MIN = 4096,
    ARENA_BLOCK_BYTES_MAX = 512 * 1024
};

struct arena_block;

/* A zeroed one is empty. */
struct arena {
    struct arena_block *blocks; /* all of them, newest first */
    unsigned char *at;          /* the rest of the block that pieces are cut off */
    size_t left;
    size_t block_bytes;        /* of that block; 0: none yet */
    struct atomic_u64 used;    /* bytes of the pieces */
    struct atomic_u64 charged; /* bytes of the blocks */
};

/* What a piece of that many bytes counts for. */
static inline size_t arena_rounded(size_t bytes) {
    return (bytes + ARENA_ALIGNMENT - 1) & ~(size_t)(ARENA_ALIGNMENT - 1);
}

/* A piece, aligned to 8 bytes; NULL when there is no memory. It lives as long as the
 * arena. */
void *arena_take(struct arena *arena, size_t bytes);

/* Undoes the latest arena_take, which must have been for that many bytes. */
void arena_give_back(struct arena *arena, void *piece, size_t bytes);

static inline uint64_t arena_used(const struct arena *arena) {
    return atomic_u64_load(&arena->used, memory_order_relaxed);
}

static inline uint64_t arena_charged(const struct arena *arena) {
    return atomic_u64_load(&arena->charged, memory_order_relaxed);
}

/* Gives everything back and leaves the arena empty. */
void arena_free(struct arena *arena);

#endif
