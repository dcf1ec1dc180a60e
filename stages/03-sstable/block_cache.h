/* Blocks of tables that were read lately, kept in memory: at most so many bytes of them.
 *
 * A find takes no lock and writes to one cache line, the block's own. An insert takes the
 * lock of its shard and makes room by CLOCK (Corbató, "A paging experiment with the
 * Multics system", 1968): a hand goes round, passes over what was found since it last
 * came by, and evicts what was not.
 *
 * A block is pinned from find or insert until unpin, and stays where it is that long. The
 * cache does not look inside: it keeps bytes, and block_init() (block.h) on them is a few
 * instructions at each use.
 *
 * What open tables hold in memory, filters and indexes, is charged to the same capacity,
 * and blocks make room for it. On top of the capacity come the slots, 64 bytes for
 * each 1 to 2 KiB of it.
 *
 * Keys are table number and offset. A cache serves one store, whose table numbers do not
 * come again; blocks of a table that is gone are found no more and so are soon evicted.
 *
 * Threads: any number, all functions but open and close. */
#ifndef STRATA_BLOCK_CACHE_H
#define STRATA_BLOCK_CACHE_H

#include <stdbool.h>
#include <stddef.h>

#include "atomic.h"
#include "status.h"
#include "thread.h"

struct block_cache;

/* What a holder of a pin reads; it does not change while pinned. */
struct cached_block {
    unsigned char *data;
    size_t bytes;

    /* the cache's own */
    struct atomic_u64 state;
    struct atomic_u64 table_number;
    struct atomic_u64 offset;
    uint64_t seen; /* of its hits; guarded by the shard's lock */
    unsigned char unused[16];
};

/* A capacity of 0 bytes is legal: nothing is kept. NO_MEMORY. */
MUST_CHECK enum status block_cache_open(uint64_t bytes, const struct threads *threads,
                                        struct block_cache **cache, struct error *error);

/* Nothing is pinned. NULL is allowed. */
void block_cache_close(struct block_cache *cache);

/* The block, pinned; NULL: it is not here. */
struct cached_block *block_cache_find(struct block_cache *cache, uint64_t table_number,
                                      uint64_t offset);

/* For a find that will follow. The first asks the processor's cache for where the block
 * stands, and does not wait for it; the other answers the block, pinned, as a find does,
 * and does not count as one: it was not used. */
void block_cache_prefetch(const struct block_cache *cache, uint64_t table_number,
                          uint64_t offset);
struct cached_block *block_cache_peek(struct block_cache *cache, uint64_t table_number,
                                      uint64_t offset);

enum { BLOCK_CACHE_WANTS_ONE_IN = 8 };

/* Whether a block that was not found should be inserted. A cache that is not full wants
 * all, one that is full every eighth: what is asked for often is soon kept, and of the
 * rest most is read and forgotten, which costs less than to drive out another block for
 * it (Qureshi et al., "Adaptive insertion policies for high performance caching", 2007).
 * An insert is allowed in any case. */
bool block_cache_wants(struct block_cache *cache, uint64_t table_number, uint64_t offset);

/* Takes over `data` (memory_take, at least 1 byte) and answers the block, pinned. Where
 * another thread was first it answers that one's, and gives `data` back. A block for
 * which no room can be made, because it exceeds a shard's part of the capacity (a
 * sixteenth from 8 MiB on, more below) or because the rest is pinned, is usable like any
 * other; no find will meet it, and its unpin gives it back. NULL: there was no memory for
 * this, and `data` is given back. */
struct cached_block *block_cache_insert(struct block_cache *cache, uint64_t table_number,
                                        uint64_t offset, unsigned char *data,
                                        size_t bytes);

void block_cache_unpin(struct block_cache *cache, struct cached_block *block);

/* Counts `bytes` that the caller holds as part of the capacity, and evicts what is then
 * too much. May exceed the capacity: no block is kept then. */
void block_cache_charge(struct block_cache *cache, uint64_t bytes);
void block_cache_release(struct block_cache *cache, uint64_t bytes);

/* bytes + charged_bytes exceed the capacity by no more than pinned_bytes, unless
 * charged_bytes do so alone. Blocks that a charge found pinned count as such until the
 * next insert or charge, which evicts them. */
struct block_cache_stats {
    uint64_t hits;
    uint64_t misses;
    uint64_t inserts; /* blocks that were kept */
    uint64_t evictions;
    uint64_t bytes;        /* of all blocks, those handed out without being kept too */
    uint64_t pinned_bytes; /* of those in use at this moment */
    uint64_t charged_bytes;
};

/* Visits all slots. Exact if nobody uses the cache meanwhile. */
void block_cache_stats(struct block_cache *cache, struct block_cache_stats *stats);

#endif
