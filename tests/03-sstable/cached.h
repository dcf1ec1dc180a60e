/* Blocks for the block cache's tests: what a key's block holds is derived from the key,
 * so a block can be told from any other, from one that is half written, and from memory
 * that was given back (which the harness spoils). */
#ifndef STRATA_TESTS_CACHED_H
#define STRATA_TESTS_CACHED_H

#define TEST_HAS_STAGE
#include "../common/support.h"

#include "block_cache.h"
#include "counted_memory.h"
#include "memory.h"

struct cached_key {
    uint64_t table_number, offset;
};

static inline unsigned char cached_byte(struct cached_key key, size_t at) {
    uint64_t state = key.table_number * 1000003 + key.offset * 31 + at;
    return (unsigned char)random_next(&state);
}

/* NULL: no memory. */
static inline unsigned char *cached_data(struct cached_key key, size_t bytes) {
    unsigned char *data = memory_take(bytes);
    for (size_t i = 0; data != NULL && i < bytes; i++) {
        data[i] = cached_byte(key, i);
    }
    return data;
}

static inline bool cached_is(const struct cached_block *block, struct cached_key key,
                             size_t bytes) {
    if (block->bytes != bytes) {
        return false;
    }
    for (size_t i = 0; i < bytes; i++) {
        if (block->data[i] != cached_byte(key, i)) {
            return false;
        }
    }
    return true;
}

static inline struct cached_block *cached_find(struct block_cache *cache,
                                               struct cached_key key) {
    return block_cache_find(cache, key.table_number, key.offset);
}

static inline struct cached_block *cached_insert(struct block_cache *cache,
                                                 struct cached_key key, size_t bytes) {
    unsigned char *data = cached_data(key, bytes);
    return data == NULL
               ? NULL
               : block_cache_insert(cache, key.table_number, key.offset, data, bytes);
}

#endif
