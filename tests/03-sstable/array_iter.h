/* What the tests of stage 03 merge and concatenate: iterators over arrays of entries,
 * which can be made to fail, and forget what they lent at their next move. */
#ifndef STRATA_TESTS_ARRAY_ITER_H
#define STRATA_TESTS_ARRAY_ITER_H

#include "internal_key.h"
#include "iter.h"

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

/* What is to go wrong, and whether it has. */
struct fault {
    size_t in; /* the so-manieth step from now fails; 0: none does */
    bool cut;  /* not with an error, but with a key that is too short to be one */
    bool failed;
};

static inline bool fault_comes(struct fault *fault) {
    if (fault->in == 0 || --fault->in > 0) {
        return false;
    }
    fault->failed = true;
    return true;
}

struct array_iter {
    struct iter iter;
    const struct entry *entries; /* may gain some between moves */
    size_t count;
    struct fault *fault;
    unsigned char key[ENTRY_USER_BYTES_MAX + TAG_BYTES]; /* what is lent */
    size_t key_bytes;
    char value[16];
};

static inline void array_iter_show(struct array_iter *array, size_t at) {
    struct iter *iter = &array->iter;
    memset(array->key, 0xee, sizeof array->key);
    memset(array->value, 0xee, sizeof array->value);
    iter->error = (struct error){0};
    iter->valid = at < array->count;
    if (fault_comes(array->fault)) {
        iter->valid = array->fault->cut;
        iter->key = slice_make(array->key, TAG_BYTES - 1);
        if (!array->fault->cut) {
            error_set(&iter->error, STATUS_IO, "cannot read it");
        }
    } else if (iter->valid) {
        array->key_bytes = array->entries[at].key_bytes;
        memcpy(array->key, array->entries[at].key, array->key_bytes);
        snprintf(array->value, sizeof array->value, "%u", array->entries[at].number);
        iter->key = slice_make(array->key, array->key_bytes);
        iter->value = slice_of(array->value);
    }
}

static inline size_t array_iter_find(const struct array_iter *array, struct slice key) {
    return entries_find(array->entries, array->count, key);
}

static inline void array_iter_show_before(struct array_iter *array, size_t at) {
    array_iter_show(array, at == 0 ? array->count : at - 1);
}

static inline void array_iter_first(struct iter *iter) {
    array_iter_show((struct array_iter *)iter, 0);
}

static inline void array_iter_last(struct iter *iter) {
    struct array_iter *array = (struct array_iter *)iter;
    array_iter_show_before(array, array->count);
}

static inline void array_iter_seek(struct iter *iter, struct slice key) {
    struct array_iter *array = (struct array_iter *)iter;
    array_iter_show(array, array_iter_find(array, key));
}

static inline void array_iter_seek_before(struct iter *iter, struct slice key) {
    struct array_iter *array = (struct array_iter *)iter;
    array_iter_show_before(array, array_iter_find(array, key));
}

static inline void array_iter_next(struct iter *iter) {
    struct array_iter *array = (struct array_iter *)iter;
    assert_true(iter->valid);
    array_iter_show(array, array_iter_find(array, iter->key) + 1);
}

static inline void array_iter_prev(struct iter *iter) {
    struct array_iter *array = (struct array_iter *)iter;
    assert_true(iter->valid);
    array_iter_show_before(array, array_iter_find(array, iter->key));
}

/* Its operations but for close, which is the test's. */
static inline struct iter_ops array_iter_ops(void (*close)(struct iter *iter)) {
    return (struct iter_ops){array_iter_first,
                             array_iter_last,
                             array_iter_seek,
                             array_iter_seek_before,
                             array_iter_next,
                             array_iter_prev,
                             close};
}

#endif
