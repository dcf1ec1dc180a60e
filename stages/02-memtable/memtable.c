#include "memtable.h"

#include "internal_key.h"
#include "key_filter.h"
#include "memory.h"
#include "skiplist.h"

struct memtable {
    struct atomic_u64 references;
    struct arena arena;
    struct skiplist list;
    struct key_filter filter;
};

struct memtable *memtable_open(uint64_t expected_bytes) {
    struct memtable *memtable = memory_take_zeroed(sizeof *memtable);
    if (memtable == NULL ||
        key_filter_init(&memtable->filter, expected_bytes) != STATUS_OK) {
        memory_give(memtable);
        return NULL;
    }
    atomic_u64_store(&memtable->references, 1, memory_order_relaxed);
    skiplist_init(&memtable->list);
    return memtable;
}

void memtable_ref(struct memtable *memtable) {
    atomic_u64_add(&memtable->references, 1, memory_order_relaxed);
}

/* Acquire and release: what any holder did with the memtable comes before its end. */
void memtable_unref(struct memtable *memtable) {
    if (memtable != NULL &&
        atomic_u64_add(&memtable->references, UINT64_MAX, memory_order_acq_rel) == 1) {
        arena_free(&memtable->arena);
        key_filter_free(&memtable->filter);
        memory_give(memtable);
    }
}

/* ---- writing --------------------------------------------------------------------- */

static struct slice value_of(const struct kv_op *op) {
    return op->type == KV_PUT ? op->value : slice_of("");
}

/* Bytes of the nodes, and bytes of the values. */
static void count_bytes(const struct memtable *memtable, const struct kv_op *ops,
                        size_t count, size_t *nodes, size_t *values) {
    uint64_t index = memtable_count(memtable);
    *nodes = 0;
    *values = 0;
    for (size_t i = 0; i < count; i++) {
        *nodes += skiplist_node_bytes(index + i, ops[i].key.length);
        *values += skiplist_value_bytes(value_of(&ops[i]).length);
    }
}

uint64_t memtable_cost(const struct memtable *memtable, const struct kv_op *ops,
                       size_t count) {
    size_t nodes;
    size_t values;
    count_bytes(memtable, ops, count, &nodes, &values);
    return nodes + values;
}

enum status memtable_reserve(struct memtable *memtable, const struct kv_op *ops,
                             size_t count, struct memtable_room *room) {
    size_t nodes;
    size_t values;
    count_bytes(memtable, ops, count, &nodes, &values);
    return nodes + values <= UINT32_MAX &&
                   arena_take(&memtable->arena, nodes, values, &room->piece)
               ? STATUS_OK
               : STATUS_NO_MEMORY;
}

void memtable_give_back(struct memtable *memtable, const struct memtable_room *room) {
    arena_give_back(&memtable->arena, &room->piece);
}

void memtable_insert(struct memtable *memtable, const struct memtable_room *room,
                     const struct kv_op *ops, size_t count, uint64_t first) {
    unsigned char *node = room->piece.front;
    unsigned char *value = room->piece.back;
    for (size_t i = 0; i < count; i++) {
        size_t bytes = skiplist_node_bytes(memtable_count(memtable), ops[i].key.length);
        key_filter_add(&memtable->filter, ops[i].key);
        skiplist_insert(&memtable->list, node, value, ops[i].key,
                        tag_make(first + i, ops[i].type), value_of(&ops[i]));
        node += bytes;
        value += skiplist_value_bytes(value_of(&ops[i]).length);
    }
}

/* ---- reading --------------------------------------------------------------------- */

enum lookup memtable_get(const struct memtable *memtable, struct slice key,
                         uint64_t sequence, struct slice *value) {
    if (!key_filter_may_have(&memtable->filter, key)) {
        return LOOKUP_ABSENT;
    }
    const struct skiplist_node *node =
        skiplist_seek(&memtable->list, key, tag_seek(sequence));
    if (node == NULL || !slice_equal(skiplist_key(node), key)) {
        return LOOKUP_ABSENT;
    }
    if (tag_type(skiplist_tag(node)) == KV_DELETE) {
        return LOOKUP_DELETED;
    }
    *value = skiplist_value(node);
    return LOOKUP_FOUND;
}

bool memtable_may_have(const struct memtable *memtable, struct slice key) {
    return key_filter_may_have(&memtable->filter, key);
}

void memtable_prefetch(const struct memtable *memtable, struct slice key) {
    key_filter_prefetch(&memtable->filter, key);
}

uint64_t memtable_count(const struct memtable *memtable) {
    return atomic_u64_load(&memtable->list.count, memory_order_relaxed);
}

uint64_t memtable_used(const struct memtable *memtable) {
    return arena_used(&memtable->arena);
}

uint64_t memtable_charged(const struct memtable *memtable) {
    return arena_charged(&memtable->arena) + key_filter_bytes(&memtable->filter) +
           sizeof *memtable;
}

/* ---- the iterator ---------------------------------------------------------------- */

struct memtable_iter {
    struct iter iter; /* first: an iter is converted to its memtable_iter */
    struct memtable *memtable;
    const struct skiplist_node *node; /* while valid */
};

static void show(struct iter *iter, const struct skiplist_node *node) {
    ((struct memtable_iter *)iter)->node = node;
    iter->valid = node != NULL;
    if (node != NULL) {
        iter->key = skiplist_internal_key(node);
        iter->value = skiplist_value(node);
    }
}

static const struct skiplist *list_of(const struct iter *iter) {
    return &((const struct memtable_iter *)iter)->memtable->list;
}

static void memtable_iter_first(struct iter *iter) {
    show(iter, skiplist_first(list_of(iter)));
}

static void memtable_iter_last(struct iter *iter) {
    show(iter, skiplist_last(list_of(iter)));
}

static void memtable_iter_seek(struct iter *iter, struct slice key) {
    show(iter,
         skiplist_seek(list_of(iter), internal_key_user(key), internal_key_tag(key)));
}

static void memtable_iter_seek_before(struct iter *iter, struct slice key) {
    show(iter, skiplist_seek_before(list_of(iter), internal_key_user(key),
                                    internal_key_tag(key)));
}

static void memtable_iter_next(struct iter *iter) {
    const struct skiplist_node *next =
        skiplist_next(((struct memtable_iter *)iter)->node);
    show(iter, next);
    if (next != NULL) {
        skiplist_foresee(next);
    }
}

/* Nodes know no way back: the list is searched for the one before. */
static void memtable_iter_prev(struct iter *iter) {
    memtable_iter_seek_before(iter, iter->key);
}

static void memtable_iter_close(struct iter *iter) {
    memtable_unref(((struct memtable_iter *)iter)->memtable);
    memory_give(iter);
}

static const struct iter_ops memtable_iter_ops = {
    memtable_iter_first,       memtable_iter_last, memtable_iter_seek,
    memtable_iter_seek_before, memtable_iter_next, memtable_iter_prev,
    memtable_iter_close};

struct iter *memtable_iter(struct memtable *memtable) {
    struct memtable_iter *iter = memory_take_zeroed(sizeof *iter);
    if (iter == NULL) {
        return NULL;
    }
    memtable_ref(memtable);
    iter->iter.ops = &memtable_iter_ops;
    iter->memtable = memtable;
    return &iter->iter;
}
