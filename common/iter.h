/* A cursor over ordered entries: its current entry is plain fields, its operations move
 * it.
 *
 * An iterator is created unpositioned (valid == false). A move that leaves the entries
 * makes valid false; a move that fails makes it false and says why in `error`
 * (error.status is STATUS_OK at an ordinary end), so a loop ends in one way and its
 * caller looks at error.status once, afterwards. key and value are borrowed until the
 * next move or the close. One thread uses an iterator at a time. */
#ifndef STRATA_ITER_H
#define STRATA_ITER_H

#include "slice.h"
#include "status.h"

struct iter;

struct iter_ops {
    void (*first)(struct iter *iter);
    void (*last)(struct iter *iter);
    void (*seek)(struct iter *iter, struct slice key); /* first entry at or after key */
    void (*seek_before)(struct iter *iter, struct slice key); /* last entry before key */
    void (*next)(struct iter *iter);
    void (*prev)(struct iter *iter);
    void (*close)(struct iter *iter);
};

struct iter {
    bool valid;
    struct slice key;
    struct slice value;
    struct error error;
    const struct iter_ops *ops;
};

/* Makes another iterator's entry that of `iter`. The words are volatile so that each is
 * loaded as it was stored, moments ago, by itself: of two that are loaded as one, as
 * compilers do, a processor waits until both stores have left it. */
static inline void iter_show(struct iter *iter, const struct iter *of) {
    const volatile struct slice *key = &of->key;
    const volatile struct slice *value = &of->value;
    iter->key = slice_make(key->data, key->length);
    iter->value = slice_make(value->data, value->length);
    iter->valid = true;
}

static inline void iter_first(struct iter *iter) {
    iter->ops->first(iter);
}

static inline void iter_last(struct iter *iter) {
    iter->ops->last(iter);
}

static inline void iter_seek(struct iter *iter, struct slice key) {
    iter->ops->seek(iter, key);
}

static inline void iter_seek_before(struct iter *iter, struct slice key) {
    iter->ops->seek_before(iter, key);
}

/* next and prev require valid. */
static inline void iter_next(struct iter *iter) {
    iter->ops->next(iter);
}

static inline void iter_prev(struct iter *iter) {
    iter->ops->prev(iter);
}

/* Ends and frees it; NULL is allowed. */
static inline void iter_close(struct iter *iter) {
    if (iter != NULL) {
        iter->ops->close(iter);
    }
}

#endif
