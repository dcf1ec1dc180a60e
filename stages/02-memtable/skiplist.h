/* A sorted list of entries (user key, tag, value) in the order of internal keys, after W.
 * Pugh, "Skip lists: a probabilistic alternative to balanced trees", 1990. Every fourth
 * entry of a level is in the level above, too.
 *
 * An entry is a node and a value, each a piece of memory:
 *
 *     … level 2, level 1 | key length 4, value's place 4, level 0 8 | user key | tag 8
 *                        ^ struct skiplist_node
 *     value length, a varint | value
 *
 * A search looks at nodes alone. The key begins at a fixed place, 16 bytes from what led
 * to it, so most of its steps touch one cache line; and the values between them would
 * fill caches and translation buffers with what it never looks at. User key and tag
 * together are the internal key's bytes.
 *
 * Threads: one inserts, any number read beside it without a lock. Entries never move,
 * change or go. The argument stands in skiplist.c. */
#ifndef STRATA_SKIPLIST_H
#define STRATA_SKIPLIST_H

#include "atomic.h"
#include "slice.h"

enum { SKIPLIST_LEVELS = 12 }; /* 4^12 entries, 16 million, are searched in O(log n) */

struct skiplist_node {
    uint32_t key_bytes;         /* of the user key */
    uint32_t value_at;          /* the value is so many bytes behind the node */
    struct atomic_pointer next; /* level 0; higher levels stand before the node */
};

struct skiplist_head {
    struct atomic_pointer above[SKIPLIST_LEVELS - 1];
    struct skiplist_node node; /* no entry: before all of them */
};

struct skiplist {
    struct skiplist_head head;
    struct atomic_u64 levels; /* in use */
    struct atomic_u64 count;  /* entries */

    /* The inserter's: on each level the last node that is not after the latest entry. */
    struct skiplist_node *path[SKIPLIST_LEVELS];
    struct skiplist_node *latest;
};

void skiplist_init(struct skiplist *list);

/* Bytes of memory for the node, a multiple of 8, and for the value of the entry that
 * becomes the index-th (from 0) of a list. The height of an entry depends on its index
 * alone: what a list takes is known beforehand, and is the same each time the same
 * changes are replayed. */
size_t skiplist_node_bytes(uint64_t index, size_t key_bytes);
size_t skiplist_value_bytes(size_t value_bytes);

/* Copies the entry into `node_space`, of skiplist_node_bytes(list->count, …) and aligned
 * to 8, and `value_space`, behind it and less than 4 GiB away. Both must outlive the
 * list. No other entry has the same key and tag. */
void skiplist_insert(struct skiplist *list, unsigned char *node_space,
                     unsigned char *value_space, struct slice key, uint64_t tag,
                     struct slice value);

/* Nodes; NULL where there is none. A prev costs as much as a seek. */
const struct skiplist_node *skiplist_first(const struct skiplist *list);
const struct skiplist_node *skiplist_last(const struct skiplist *list);
const struct skiplist_node *skiplist_seek(const struct skiplist *list, struct slice key,
                                          uint64_t tag); /* first at or after */
const struct skiplist_node *skiplist_seek_before(const struct skiplist *list,
                                                 struct slice key, uint64_t tag);

static inline const struct skiplist_node *
skiplist_next(const struct skiplist_node *node) {
    return atomic_pointer_load(&node->next, memory_order_acquire);
}

/* For a walk that stands on the node: asks the cache for what its next steps will look
 * at, and does not wait for it. */
void skiplist_foresee(const struct skiplist_node *node);

/* What a node holds; the slices live as long as the list's memory. */
struct slice skiplist_key(const struct skiplist_node *node); /* the user's */
struct slice skiplist_internal_key(const struct skiplist_node *node);
uint64_t skiplist_tag(const struct skiplist_node *node);
struct slice skiplist_value(const struct skiplist_node *node);

#endif
