/* Memory that is taken piece by piece and given back as a whole: a memtable's entries die
 * together, so none of them needs a block, or a header, of its own.
 *
 * A piece has two parts: fronts are cut off a block's beginning in turn, backs off its
 * end. So what a search looks at, the fronts, fills memory pages and caches of its own,
 * and what is wanted only of what was found stays out of them.
 *
 *     front 1 | front 2 | front 3 | …  free  … | back 3 | back 2 | back 1
 *
 * Blocks double from 4 KiB to 512 KiB, so that a small arena is small; a piece larger
 * than a quarter of the present block gets a block to itself, so that at most a quarter
 * of a block is ever left unused.
 *
 * One thread takes; the counts may be read beside it. */
#ifndef STRATA_ARENA_H
#define STRATA_ARENA_H

#include <stddef.h>

#include "atomic.h"
#include "status.h"

enum {
    ARENA_ALIGNMENT = 8,
    ARENA_BLOCK_BYTES_MIN = 4096,
    ARENA_BLOCK_BYTES_MAX = 512 * 1024
};

struct arena_block;

/* A zeroed one is empty. */
struct arena {
    struct arena_block *blocks; /* all of them, newest first */
    unsigned char *at;          /* the free bytes of the block that pieces are cut off */
    size_t left;
    size_t block_bytes;        /* of that block; 0: none yet */
    struct atomic_u64 used;    /* bytes of the pieces */
    struct atomic_u64 charged; /* bytes of the blocks */
};

struct arena_piece {
    unsigned char *front; /* aligned to ARENA_ALIGNMENT */
    unsigned char *back;  /* not aligned; at a higher address than the front */
    size_t front_bytes;
    size_t back_bytes;
};

/* Takes a piece, which lives as long as the arena. front_bytes is a multiple of
 * ARENA_ALIGNMENT. False when there is no memory. */
MUST_CHECK bool arena_take(struct arena *arena, size_t front_bytes, size_t back_bytes,
                           struct arena_piece *piece);

/* Undoes the latest arena_take. */
void arena_give_back(struct arena *arena, const struct arena_piece *piece);

static inline uint64_t arena_used(const struct arena *arena) {
    return atomic_u64_load(&arena->used, memory_order_relaxed);
}

static inline uint64_t arena_charged(const struct arena *arena) {
    return atomic_u64_load(&arena->charged, memory_order_relaxed);
}

/* Gives everything back and leaves the arena empty. */
void arena_free(struct arena *arena);

#endif
