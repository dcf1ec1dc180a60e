/* Why readers need no lock.
 *
 *   1. A node's entry is complete before any pointer to it is stored, and its own pointer
 *      on a level before it can be met on that level; the store is a release, every load
 *      of a pointer an acquire. So whoever finds a node finds all that it will look at.
 *   2. Nodes never change afterwards but for their pointers, each of which only ever
 *      turns to a node between its old ends, and nothing is freed while the list lives.
 *   3. A node enters level 0 first, then the levels above. So a node that is met on a
 *      level is in all levels below, and every level is sorted at every moment.
 *   4. A search answers with the node that its last comparison has seen, and does not
 *      load that pointer again: a node that was inserted meanwhile could stand there,
 *      before the target.
 *   5. `levels` may be read too old or too new: too old, and a search begins lower and
 *      walks further; too new, and it finds NULL in the head and steps down.
 *
 * What a reader sees is some prefix of the entries in the order of their insertion, or
 * more; which of them it may take is decided by sequences (write_buffer.h). */
#include "skiplist.h"

#include <assert.h>

#include "coding.h"

/* What a search looks for. */
struct target {
    struct slice key;
    uint64_t tag;
};

enum { TAG_LENGTH = 8, CACHE_LINE_BYTES = 64 };

/* ---- nodes ----------------------------------------------------------------------- */

static const unsigned char *node_bytes(const struct skiplist_node *node) {
    return (const unsigned char *)(node + 1);
}

struct slice skiplist_key(const struct skiplist_node *node) {
    return slice_make(node_bytes(node), node->key_bytes);
}

struct slice skiplist_internal_key(const struct skiplist_node *node) {
    return slice_make(node_bytes(node), (size_t)node->key_bytes + TAG_LENGTH);
}

uint64_t skiplist_tag(const struct skiplist_node *node) {
    return decode_fixed64(node_bytes(node) + node->key_bytes);
}

struct slice skiplist_value(const struct skiplist_node *node) {
    const unsigned char *place = (const unsigned char *)node + node->value_at;
    if (*place < 0x80) {
        return slice_make(place + 1, *place);
    }
    /* The length is our own, and needs no bound. */
    struct slice from = slice_make(place, SIZE_MAX / 2);
    struct slice value = {0};
    bool whole = take_prefixed(&from, &value);
    assert(whole);
    (void)whole;
    return value;
}

/* The pointer of a node on a level. Levels above 0 stand before the node, in the memory
 * that skiplist_insert was given, or in the head. */
static const struct atomic_pointer *link_of(const struct skiplist_node *node,
                                            unsigned level) {
    return level == 0 ? &node->next : (const struct atomic_pointer *)node - level;
}

static struct skiplist_node *follow(const struct skiplist_node *node, unsigned level) {
    return atomic_pointer_load(link_of(node, level), memory_order_acquire);
}

/* Eight bytes as a number that compares as they do. */
static uint64_t word_at(const unsigned char *bytes) {
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

/* Word by word, in line: keys are short, and this is where a search spends its time. */
static bool is_before(const struct skiplist_node *node, const struct target *target) {
    const unsigned char *key = node_bytes(node);
    size_t shared =
        node->key_bytes < target->key.length ? node->key_bytes : target->key.length;
    size_t at = 0;
    for (; at + sizeof(uint64_t) <= shared; at += sizeof(uint64_t)) {
        uint64_t own = word_at(key + at);
        uint64_t other = word_at(target->key.data + at);
        if (own != other) {
            return own < other;
        }
    }
    int order = at == shared ? 0 : memcmp(key + at, target->key.data + at, shared - at);
    if (order != 0) {
        return order < 0;
    }
    if (node->key_bytes != target->key.length) {
        return node->key_bytes < target->key.length;
    }
    return skiplist_tag(node) > target->tag;
}

/* Entry by entry its height is drawn from a hash of its index (the finalizer of
 * splitmix64: Steele, Lea, Flood 2014): two bits a level. */
static unsigned height_of(uint64_t index) {
    uint64_t mixed = (index + 1) * 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    mixed ^= mixed >> 31;
    uint64_t stop = UINT64_C(1) << (2 * (SKIPLIST_LEVELS - 1));
    return 1 + (unsigned)__builtin_ctzll(mixed | stop) / 2;
}

size_t skiplist_node_bytes(uint64_t index, size_t key_bytes) {
    size_t bytes = (height_of(index) - 1) * sizeof(struct atomic_pointer) +
                   sizeof(struct skiplist_node) + key_bytes + TAG_LENGTH;
    return (bytes + 7) & ~(size_t)7;
}

size_t skiplist_value_bytes(size_t value_bytes) {
    return varint_bytes(value_bytes) + value_bytes;
}

/* ---- search ---------------------------------------------------------------------- */

/* Asks the cache for the node that a search compares next if it steps down from here, so
 * that it comes while another is compared. A hint: what it loads is not looked at. */
static void foresee(const struct skiplist_node *node, unsigned level) {
    if (level > 0) {
        __builtin_prefetch(
            atomic_pointer_load(link_of(node, level - 1), memory_order_relaxed));
    }
}

/* Neighbours in order are strangers in memory. The node after the next is asked for now,
 * so that the next step can read the pointer in it; the next node's value is asked for
 * now that its place, which stands in that node, can be read. */
void skiplist_foresee(const struct skiplist_node *node) {
    const struct skiplist_node *next = follow(node, 0);
    if (next != NULL) {
        const unsigned char *value = (const unsigned char *)next + next->value_at;
        __builtin_prefetch(follow(next, 0));
        __builtin_prefetch(value);
        __builtin_prefetch(value + CACHE_LINE_BYTES);
    }
}

/* The last node before the target (the head counts), and in *at the node found behind it.
 */
static const struct skiplist_node *search(const struct skiplist *list,
                                          const struct target *target,
                                          const struct skiplist_node **at) {
    const struct skiplist_node *node = &list->head.node;
    const struct skiplist_node *after = NULL; /* known not to be before the target */
    unsigned level = (unsigned)atomic_u64_load(&list->levels, memory_order_relaxed) - 1;
    for (;;) {
        const struct skiplist_node *next = follow(node, level);
        foresee(node, level);
        if (next != NULL && next != after && is_before(next, target)) {
            node = next;
        } else if (level == 0) {
            *at = next;
            return node;
        } else {
            after = next;
            level--;
        }
    }
}

const struct skiplist_node *skiplist_first(const struct skiplist *list) {
    return follow(&list->head.node, 0);
}

const struct skiplist_node *skiplist_last(const struct skiplist *list) {
    const struct skiplist_node *node = &list->head.node;
    unsigned level = (unsigned)atomic_u64_load(&list->levels, memory_order_relaxed) - 1;
    for (;;) {
        const struct skiplist_node *next = follow(node, level);
        if (next != NULL) {
            node = next;
        } else if (level == 0) {
            return node == &list->head.node ? NULL : node;
        } else {
            level--;
        }
    }
}

const struct skiplist_node *skiplist_seek(const struct skiplist *list, struct slice key,
                                          uint64_t tag) {
    const struct target target = {key, tag};
    const struct skiplist_node *at;
    (void)search(list, &target, &at);
    return at;
}

const struct skiplist_node *skiplist_seek_before(const struct skiplist *list,
                                                 struct slice key, uint64_t tag) {
    const struct target target = {key, tag};
    const struct skiplist_node *at;
    const struct skiplist_node *node = search(list, &target, &at);
    return node == &list->head.node ? NULL : node;
}

/* ---- insertion ------------------------------------------------------------------- */

/* Whether the new entry comes right behind the latest one, as ascending keys do. Then the
 * path to the latest is the path to the new one: where nothing stands between the two on
 * level 0, nothing does on any level. */
static bool follows_latest(const struct skiplist *list, const struct target *target) {
    const struct skiplist_node *latest = list->latest;
    if (latest == NULL || !is_before(latest, target)) {
        return false;
    }
    const struct skiplist_node *next = follow(latest, 0);
    return next == NULL || !is_before(next, target);
}

static void find_path(struct skiplist *list, const struct target *target) {
    struct skiplist_node *node = &list->head.node;
    const struct skiplist_node *after = NULL;
    unsigned level = (unsigned)atomic_u64_load(&list->levels, memory_order_relaxed) - 1;
    for (;;) {
        struct skiplist_node *next = follow(node, level);
        foresee(node, level);
        if (next != NULL && next != after && is_before(next, target)) {
            node = next;
            continue;
        }
        list->path[level] = node;
        if (level == 0) {
            return;
        }
        after = next;
        level--;
    }
}

void skiplist_init(struct skiplist *list) {
    *list = (struct skiplist){.latest = NULL};
    for (unsigned level = 0; level < SKIPLIST_LEVELS; level++) {
        list->path[level] =
            &list->head.node; /* levels not yet in use begin at the head */
    }
    atomic_u64_store(&list->levels, 1, memory_order_relaxed);
}

static void fill(struct skiplist_node *node, unsigned char *value_space,
                 const struct target *target, struct slice value) {
    assert((uintptr_t)value_space - (uintptr_t)node <= UINT32_MAX);
    node->key_bytes = (uint32_t)target->key.length;
    node->value_at = (uint32_t)((uintptr_t)value_space - (uintptr_t)node);
    unsigned char *bytes = (unsigned char *)(node + 1);
    if (target->key.length > 0) {
        memcpy(bytes, target->key.data, target->key.length);
    }
    encode_fixed64(bytes + target->key.length, target->tag);
    (void)encode_prefixed(value_space, value);
}

/* From level 0 up (3), each link complete before it can be found (1). */
static void link_in(struct skiplist *list, struct skiplist_node *node, unsigned height) {
    for (unsigned level = 0; level < height; level++) {
        struct atomic_pointer *own =
            level == 0 ? &node->next : (struct atomic_pointer *)node - level;
        struct atomic_pointer *before =
            level == 0 ? &list->path[level]->next
                       : (struct atomic_pointer *)list->path[level] - level;
        /* Nobody can reach this link yet. */
        atomic_pointer_store(own, follow(list->path[level], level), memory_order_relaxed);
        atomic_pointer_store(before, node, memory_order_release);
        list->path[level] = node;
    }
}

void skiplist_insert(struct skiplist *list, unsigned char *node_space,
                     unsigned char *value_space, struct slice key, uint64_t tag,
                     struct slice value) {
    uint64_t count = atomic_u64_load(&list->count, memory_order_relaxed);
    unsigned height = height_of(count);
    struct skiplist_node *node =
        (void *)(node_space + (height - 1) * sizeof(struct atomic_pointer));
    const struct target target = {key, tag};
    fill(node, value_space, &target, value);
    if (!follows_latest(list, &target)) {
        find_path(list, &target);
    }
    link_in(list, node, height);
    list->latest = node;
    if (height > atomic_u64_load(&list->levels, memory_order_relaxed)) {
        atomic_u64_store(&list->levels, height, memory_order_relaxed);
    }
    atomic_u64_store(&list->count, count + 1, memory_order_relaxed);
}
