/* What the tests of stage 02 share: a history of puts and deletes on few keys, and what a
 * reader at any sequence must see of it. */
#ifndef STRATA_TESTS_VERSIONS_H
#define STRATA_TESTS_VERSIONS_H

#include "internal_key.h"
#include "memtable.h"

enum { VERSION_KEY_BYTES_MAX = 12, VERSIONS_MAX = 400 };

/* The i-th has sequence i + 1 and, if it is a put, the sequence's digits as value. */
struct version {
    unsigned char key[VERSION_KEY_BYTES_MAX];
    size_t key_bytes;
    enum kv_op_type type;
    char value[24];
};

struct history {
    struct version versions[VERSIONS_MAX];
    size_t count;
};

static inline struct slice version_key(const struct version *version) {
    return slice_make(version->key, version->key_bytes);
}

static inline struct kv_op version_op(const struct version *version) {
    return (struct kv_op){version->type, version_key(version), slice_of(version->value)};
}

/* One of `keys` keys, the empty one among them. */
static inline struct version random_version(uint64_t *random, uint64_t keys) {
    struct version version = {.type = random_below(random, 3) == 0 ? KV_DELETE : KV_PUT};
    uint64_t number = random_below(random, keys);
    version.key_bytes = number == 0 ? 0 : 1 + number % (VERSION_KEY_BYTES_MAX - 1);
    memset(version.key, 'a' + (int)(number % 5), version.key_bytes);
    if (version.key_bytes > 0) {
        version.key[version.key_bytes - 1] = (unsigned char)number;
    }
    return version;
}

static inline void history_add(struct history *history, struct memtable *memtable,
                               struct version version) {
    uint64_t sequence = history->count + 1;
    snprintf(version.value, sizeof version.value, "%" PRIu64, sequence);
    history->versions[history->count++] = version;
    struct kv_op op = version_op(&version);
    struct memtable_room room;
    assert_ok(memtable_reserve(memtable, &op, 1, &room));
    memtable_insert(memtable, &room, &op, 1, sequence);
}

/* The newest version of the key at or below the sequence; NULL: none. */
static inline const struct version *history_find(const struct history *history,
                                                 struct slice key, uint64_t sequence) {
    const struct version *newest = NULL;
    for (size_t i = 0; i < history->count && i < sequence; i++) {
        if (slice_equal(version_key(&history->versions[i]), key)) {
            newest = &history->versions[i];
        }
    }
    return newest;
}

#endif
