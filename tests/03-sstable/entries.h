/* Entries in arrays, sorted by internal key, as models of what tables hold. */
#ifndef STRATA_TESTS_ENTRIES_H
#define STRATA_TESTS_ENTRIES_H

#include "internal_key.h"

enum { ENTRY_USER_BYTES_MAX = 20 };

/* The value is the digits of `number`. */
struct entry {
    unsigned char key[ENTRY_USER_BYTES_MAX + TAG_BYTES];
    size_t key_bytes;
    unsigned number;
};

static inline struct slice entry_key(const struct entry *entry) {
    return slice_make(entry->key, entry->key_bytes);
}

static inline int entry_compare(const void *left, const void *right) {
    return internal_key_compare(entry_key(left), entry_key(right));
}

/* User keys of all lengths that begin alike, and words that end in their middle. */
static inline struct entry random_entry(uint64_t *random, uint64_t keys,
                                        uint64_t sequences) {
    struct entry entry = {0};
    uint64_t number = random_below(random, keys);
    size_t bytes = number % (ENTRY_USER_BYTES_MAX + 1);
    memset(entry.key, number % 3 == 0 ? 0 : 'a', bytes);
    if (bytes > 0) {
        entry.key[bytes - 1] = (unsigned char)number;
    }
    enum kv_op_type type = random_below(random, 4) == 0 ? KV_DELETE : KV_PUT;
    encode_fixed64(entry.key + bytes, tag_make(random_below(random, sequences), type));
    entry.key_bytes = bytes + TAG_BYTES;
    entry.number = (unsigned)random_below(random, 1000000);
    return entry;
}

/* Sorts them, and drops what is there twice. Answers how many are left. */
static inline size_t entries_sort(struct entry *entries, size_t count) {
    size_t kept = 0;
    qsort(entries, count, sizeof *entries, entry_compare);
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || entry_compare(&entries[kept - 1], &entries[i]) != 0) {
            entries[kept++] = entries[i];
        }
    }
    return kept;
}

/* The first at or after the key. */
static inline size_t entries_find(const struct entry *entries, size_t count,
                                  struct slice key) {
    size_t at = 0;
    while (at < count && internal_key_compare(entry_key(&entries[at]), key) < 0) {
        at++;
    }
    return at;
}

#endif
