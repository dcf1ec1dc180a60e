/* What is merged and concatenated in tests: iterators over arrays of entries. They can be
 * made to fail, and spoil at each move what they lent before. */
#ifndef STRATA_TESTS_ARRAY_ITER_H
#define STRATA_TESTS_ARRAY_ITER_H

#include "entries.h"
#include "iter.h"

/* What is to go wrong, and whether it has. */
struct injected {
    size_t in; /* the so-manieth step from now fails; 0: none does */
    bool cut;  /* not with an error, but with a key that is too short to be one */
    bool failed;
};

static inline bool injected_comes(struct injected *fault) {
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
    struct injected *fault;
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
    if (injected_comes(array->fault)) {
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
