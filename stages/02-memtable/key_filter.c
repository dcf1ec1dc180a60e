/* The upper half of a key's hash chooses the word, the lowest 24 bits four bits of it. */
#include "key_filter.h"

#include <xxhash.h>

#include "memory.h"

enum { ENTRY_BYTES_A_WORD = 512 };

enum status key_filter_init(struct key_filter *filter, uint64_t expected_bytes) {
    *filter = (struct key_filter){0};
    if (expected_bytes == 0) {
        return STATUS_OK;
    }
    uint64_t count = expected_bytes / ENTRY_BYTES_A_WORD + 1;
    count = count < UINT32_MAX ? count : UINT32_MAX;
    filter->words = memory_take_zeroed(count * sizeof *filter->words);
    if (filter->words == NULL) {
        return STATUS_NO_MEMORY;
    }
    filter->count = count;
    return STATUS_OK;
}

void key_filter_free(struct key_filter *filter) {
    memory_give(filter->words);
    *filter = (struct key_filter){0};
}

static uint64_t hash_of(struct slice key) {
    return XXH3_64bits(key.data, key.length);
}

static struct atomic_u64 *word_of(const struct key_filter *filter, uint64_t hash) {
    return &filter->words[(hash >> 32) * filter->count >> 32];
}

static uint64_t bits_of(uint64_t hash) {
    return UINT64_C(1) << (hash & 63) | UINT64_C(1) << (hash >> 6 & 63) |
           UINT64_C(1) << (hash >> 12 & 63) | UINT64_C(1) << (hash >> 18 & 63);
}

/* Nobody else writes, so reading and writing need not be one step. */
void key_filter_add(struct key_filter *filter, struct slice key) {
    if (filter->count > 0) {
        uint64_t hash = hash_of(key);
        struct atomic_u64 *word = word_of(filter, hash);
        uint64_t before = atomic_u64_load(word, memory_order_relaxed);
        atomic_u64_store(word, before | bits_of(hash), memory_order_relaxed);
    }
}

void key_filter_prefetch(const struct key_filter *filter, struct slice key) {
    if (filter->count > 0) {
        __builtin_prefetch(word_of(filter, hash_of(key)));
    }
}

bool key_filter_may_have(const struct key_filter *filter, struct slice key) {
    if (filter->count == 0) {
        return true;
    }
    uint64_t hash = hash_of(key), bits = bits_of(hash);
    return (atomic_u64_load(word_of(filter, hash), memory_order_relaxed) & bits) == bits;
}
