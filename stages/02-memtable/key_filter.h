/* A filter says of a key that a memtable does not hold it, for the price of one word
 * instead of a search. It may say "perhaps" of a key that is not there, and never says
 * "no" of one that is.
 *
 * A Bloom filter whose bits of one key lie in one word of 64 (Putze, Sanders, Singler,
 * "Cache-, Hash- and Space-Efficient Bloom Filters", 2007): of absent keys, some 2 % get
 * "perhaps" at 16 bits a key, 8 % at 8.
 *
 * Threads: one adds; any number ask beside it, without a lock. Who adds a key does so
 * before it publishes the entry (write_buffer_publish), so whoever may see the entry sees
 * the bits. */
#ifndef STRATA_KEY_FILTER_H
#define STRATA_KEY_FILTER_H

#include "atomic.h"
#include "slice.h"
#include "status.h"

struct key_filter { /* {0} answers "perhaps" to all */
    struct atomic_u64 *words;
    uint64_t count;
};

/* For entries that will take so many bytes, 0: {0}. It takes a sixty-fourth of that: 16
 * bits for an entry of 128 bytes. More entries may come. NO_MEMORY. */
MUST_CHECK enum status key_filter_init(struct key_filter *filter,
                                       uint64_t expected_bytes);
void key_filter_free(struct key_filter *filter);

void key_filter_add(struct key_filter *filter, struct slice key);
bool key_filter_may_have(const struct key_filter *filter, struct slice key);

/* Asks the processor for what the answer will need, and does not wait for it. */
void key_filter_prefetch(const struct key_filter *filter, struct slice key);

static inline uint64_t key_filter_bytes(const struct key_filter *filter) {
    return filter->count * sizeof *filter->words;
}

#endif
