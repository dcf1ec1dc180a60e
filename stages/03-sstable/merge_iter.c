/* All children stand in one array. Those that are on an entry come first, as a heap by
 * what is delivered next (Knuth, volume 3, 5.2.3 and 5.4.1): going forward the first of
 * the entries is at the top, going backward the last. The exhausted ones follow.
 *
 *     top     the child whose entry is this iterator's: sources[0]
 *     second  the better of the two below it, so the second best of all
 *
 * Neighbours often come from one child, since most entries are in the largest run. So a
 * move compares the top with the second, and if it still leads, that was all: nothing in
 * the heap moves.
 *
 * Where the other children stand, while the current entry is that of (key, index):
 *
 *     forward    on their first entry after it: an equal key too, if the index is higher
 *     backward   on their last entry before it: an equal key too, if the index is lower
 *
 * To turn round, each of the others, exhausted or not, seeks its entry on the other side
 * of the current key; then the top moves, last, because the key is borrowed from it. */
#include "merge_iter.h"

#include "internal_key.h"
#include "memory.h"

struct source {
    struct iter *child;
    size_t index; /* as the caller numbered the children */
};

struct merge_iter {
    struct iter iter; /* first: an iter is converted to its merge_iter */
    bool backward;
    size_t count;
    size_t standing; /* the first so many are the heap */
    size_t second;   /* its place; if standing > 1 */
    struct source sources[];
};

/* ---- the heap -------------------------------------------------------------------- */

/* Whether a is delivered before b. */
static bool leads(const struct merge_iter *merge, const struct source *a,
                  const struct source *b) {
    int order = internal_key_compare(a->child->key, b->child->key);
    if (order == 0) {
        order = a->index < b->index ? -1 : 1;
    }
    return (order < 0) != merge->backward;
}

static void swap(struct source *a, struct source *b) {
    struct source kept = *a;
    *a = *b;
    *b = kept;
}

/* Puts the source at a place as far down as it belongs. */
static void sink(struct merge_iter *merge, size_t at) {
    struct source *sources = merge->sources;
    for (size_t below; (below = 2 * at + 1) < merge->standing; at = below) {
        if (below + 1 < merge->standing &&
            leads(merge, &sources[below + 1], &sources[below])) {
            below++;
        }
        if (leads(merge, &sources[at], &sources[below])) {
            return;
        }
        swap(&sources[at], &sources[below]);
    }
}

static void find_second(struct merge_iter *merge) {
    merge->second =
        merge->standing > 2 && leads(merge, &merge->sources[2], &merge->sources[1]) ? 2
                                                                                    : 1;
}

/* ---- where the children stand ---------------------------------------------------- */

/* Whether the child stands on an entry; if not because of a failure, that is this
 * iterator's. */
static bool standing(struct merge_iter *merge, const struct iter *child) {
    if (!child->valid) {
        if (child->error.status != STATUS_OK) {
            merge->iter.error = child->error;
        }
        return false;
    }
    if (child->key.length < TAG_BYTES) {
        error_set(&merge->iter.error, STATUS_CORRUPT,
                  "an entry's key is no internal key");
        return false;
    }
    return true;
}

/* Shows the top's entry, if there is one and no child has failed. */
static void show(struct merge_iter *merge) {
    merge->iter.valid = merge->standing > 0 && merge->iter.error.status == STATUS_OK;
    if (merge->iter.valid) {
        iter_show(&merge->iter, merge->sources[0].child);
    }
}

/* After any child may have moved. */
static void gather(struct merge_iter *merge) {
    merge->standing = 0;
    for (size_t i = 0; i < merge->count; i++) {
        if (standing(merge, merge->sources[i].child)) {
            swap(&merge->sources[i], &merge->sources[merge->standing++]);
        }
    }
    for (size_t i = merge->standing / 2; i-- > 0;) {
        sink(merge, i);
    }
    find_second(merge);
    show(merge);
}

/* After the top has moved on, in the direction that it had. */
static void gather_top(struct merge_iter *merge) {
    struct source *sources = merge->sources;
    if (!standing(merge, sources[0].child)) {
        swap(&sources[0], &sources[--merge->standing]);
        sink(merge, 0);
        find_second(merge);
    } else if (merge->standing > 1 &&
               !leads(merge, &sources[0], &sources[merge->second])) {
        swap(&sources[0], &sources[merge->second]);
        sink(merge, merge->second);
        find_second(merge);
    }
    show(merge);
}

/* ---- turning round --------------------------------------------------------------- */

static bool stands_on(struct merge_iter *merge, const struct iter *child,
                      struct slice key) {
    return standing(merge, child) && slice_equal(child->key, key);
}

static void seek_after(struct merge_iter *merge, const struct source *source) {
    const struct source *top = &merge->sources[0];
    iter_seek(source->child, top->child->key);
    if (source->index < top->index && stands_on(merge, source->child, top->child->key)) {
        iter_next(source->child);
    }
}

static void seek_before(struct merge_iter *merge, const struct source *source) {
    const struct source *top = &merge->sources[0];
    if (source->index < top->index) {
        iter_seek(source->child, top->child->key);
        if (stands_on(merge, source->child, top->child->key)) {
            return;
        }
    }
    iter_seek_before(source->child, top->child->key);
}

/* ---- operations ------------------------------------------------------------------ */

/* A move that goes anywhere begins afresh, also after a failure. */
static struct merge_iter *begin(struct iter *iter, bool backward) {
    struct merge_iter *merge = (struct merge_iter *)iter;
    iter->error.status = STATUS_OK;
    merge->backward = backward;
    return merge;
}

static void merge_first(struct iter *iter) {
    struct merge_iter *merge = begin(iter, false);
    for (size_t i = 0; i < merge->count; i++) {
        iter_first(merge->sources[i].child);
    }
    gather(merge);
}

static void merge_last(struct iter *iter) {
    struct merge_iter *merge = begin(iter, true);
    for (size_t i = 0; i < merge->count; i++) {
        iter_last(merge->sources[i].child);
    }
    gather(merge);
}

static void merge_seek(struct iter *iter, struct slice key) {
    struct merge_iter *merge = begin(iter, false);
    for (size_t i = 0; i < merge->count; i++) {
        iter_seek(merge->sources[i].child, key);
    }
    gather(merge);
}

static void merge_seek_before(struct iter *iter, struct slice key) {
    struct merge_iter *merge = begin(iter, true);
    for (size_t i = 0; i < merge->count; i++) {
        iter_seek_before(merge->sources[i].child, key);
    }
    gather(merge);
}

static void merge_next(struct iter *iter) {
    struct merge_iter *merge = (struct merge_iter *)iter;
    struct iter *top = merge->sources[0].child;
    if (!merge->backward) {
        iter_next(top);
        gather_top(merge);
        return;
    }
    merge->backward = false;
    for (size_t i = 1; i < merge->count; i++) {
        seek_after(merge, &merge->sources[i]);
    }
    iter_next(top);
    gather(merge);
}

static void merge_prev(struct iter *iter) {
    struct merge_iter *merge = (struct merge_iter *)iter;
    struct iter *top = merge->sources[0].child;
    if (merge->backward) {
        iter_prev(top);
        gather_top(merge);
        return;
    }
    merge->backward = true;
    for (size_t i = 1; i < merge->count; i++) {
        seek_before(merge, &merge->sources[i]);
    }
    iter_prev(top);
    gather(merge);
}

static void merge_close(struct iter *iter) {
    struct merge_iter *merge = (struct merge_iter *)iter;
    for (size_t i = 0; i < merge->count; i++) {
        iter_close(merge->sources[i].child);
    }
    memory_give(merge);
}

static const struct iter_ops merge_ops = {merge_first,       merge_last, merge_seek,
                                          merge_seek_before, merge_next, merge_prev,
                                          merge_close};

enum status merge_iter_open(struct iter **children, size_t count, struct iter **iter,
                            struct error *error) {
    if (count == 1) {
        *iter = children[0];
        return STATUS_OK;
    }
    size_t bytes = sizeof(struct merge_iter) + count * sizeof(struct source);
    struct merge_iter *merge = memory_take_zeroed(bytes);
    if (merge == NULL) {
        for (size_t i = 0; i < count; i++) {
            iter_close(children[i]);
        }
        return error_no_memory(error, "an iterator", bytes);
    }
    merge->iter.ops = &merge_ops;
    merge->count = count;
    for (size_t i = 0; i < count; i++) {
        merge->sources[i] = (struct source){children[i], i};
    }
    *iter = &merge->iter;
    return STATUS_OK;
}
