/* Random walks of all moves over an iterator, beside one over a sorted array. */
#ifndef STRATA_TESTS_WALK_H
#define STRATA_TESTS_WALK_H

#include "array_iter.h"

struct walk {
    const struct entry *entries; /* all that there is, in the order of delivery */
    size_t count;
    size_t at; /* where the iterator must stand; count: nowhere */
    bool back; /* the last move went back */
};

static inline size_t walk_before(const struct walk *walk, size_t at) {
    return at == 0 ? walk->count : at - 1;
}

/* A move, mostly on in one direction, so that iterators run out. Seeks are for entries
 * that are there, and for others. */
static inline void walk_step(struct walk *walk, struct iter *iter, uint64_t *random) {
    struct entry target = random_entry(random, 200, 4);
    if (walk->count > 0 && random_below(random, 3) > 0) {
        target = walk->entries[random_below(random, walk->count)];
    }
    struct slice key = entry_key(&target);
    size_t found = entries_find(walk->entries, walk->count, key);
    uint64_t move = random_below(random, 16);
    if (move > 4 && iter->valid) {
        walk->back = walk->back == (move != 5);
        walk->back ? iter_prev(iter) : iter_next(iter);
        walk->at = walk->back ? walk_before(walk, walk->at) : walk->at + 1;
        return;
    }
    walk->back = move % 2 == 0;
    switch (move) {
    case 0:
        iter_last(iter);
        walk->at = walk_before(walk, walk->count);
        break;
    case 1:
        iter_first(iter);
        walk->at = 0;
        break;
    default:
        walk->back ? iter_seek_before(iter, key) : iter_seek(iter, key);
        walk->at = walk->back ? walk_before(walk, found) : found;
    }
}

static inline void assert_walk(const struct walk *walk, const struct iter *iter) {
    char value[16];
    assert_int_equal(iter->error.status, STATUS_OK);
    assert_int_equal(iter->valid, walk->at < walk->count);
    if (iter->valid) {
        const struct entry *entry = &walk->entries[walk->at];
        snprintf(value, sizeof value, "%u", entry->number);
        assert_true(slice_equal(iter->key, entry_key(entry)));
        assert_true(slice_equal(iter->value, slice_of(value)));
    }
}

/* From end to end, both ways. */
static inline void assert_walk_complete(struct walk *walk, struct iter *iter) {
    walk->at = 0;
    for (iter_first(iter); iter->valid; iter_next(iter), walk->at++) {
        assert_walk(walk, iter);
    }
    assert_walk(walk, iter);
    for (iter_last(iter); iter->valid; iter_prev(iter)) {
        walk->at--;
        assert_walk(walk, iter);
    }
    assert_int_equal(walk->at, 0);
    assert_int_equal(iter->error.status, STATUS_OK);
}

#endif
