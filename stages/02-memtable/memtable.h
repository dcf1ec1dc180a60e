/* The memtable: every put and delete of a log, in memory, sorted. All versions of a key
 * are kept, newest first; what a reader may see of them is decided by the sequence that
 * it brings along.
 *
 * Threads: one writes at a time; lookups and iterators run beside it without a lock.
 * Counted references: memtable_open hands out one, each iterator holds one. */
#ifndef STRATA_MEMTABLE_H
#define STRATA_MEMTABLE_H

#include "arena.h"
#include "kv.h"
#include "lookup.h"

struct memtable;

/* For entries that take so many bytes: as large is the filter that makes lookups of
 * absent keys quick (key_filter.h). Fewer and more may come; 0: there is none. NULL when
 * there is no memory. */
struct memtable *memtable_open(uint64_t expected_bytes);
void memtable_ref(struct memtable *memtable);
void memtable_unref(struct memtable *memtable); /* NULL is allowed */

/* Memory for a change, set aside before it is logged: what stands in the log can then not
 * fail to become visible. */
struct memtable_room {
    struct arena_piece piece; /* nodes and values */
};

/* Bytes that the change would add to memtable_used. They depend on nothing but the
 * operations inserted before, so a replay takes as much as the writes did. */
uint64_t memtable_cost(const struct memtable *memtable, const struct kv_op *ops,
                       size_t count);

/* Sets memtable_cost() bytes aside for the next change. NO_MEMORY, also for 4 GiB or
 * more: a node finds its value by 32 bits. */
MUST_CHECK enum status memtable_reserve(struct memtable *memtable,
                                        const struct kv_op *ops, size_t count,
                                        struct memtable_room *room);

/* Undoes memtable_reserve. */
void memtable_give_back(struct memtable *memtable, const struct memtable_room *room);

/* Copies the operations into the room that was reserved for them; the first of them has
 * sequence number `first`. */
void memtable_insert(struct memtable *memtable, const struct memtable_room *room,
                     const struct kv_op *ops, size_t count, uint64_t first);

/* The newest version of the key at or below the sequence. *value is written when FOUND
 * and lives as long as the memtable. */
enum lookup memtable_get(const struct memtable *memtable, struct slice key,
                         uint64_t sequence, struct slice *value);

/* False: it has no version of the key; as key_filter_may_have, and as quick. */
bool memtable_may_have(const struct memtable *memtable, struct slice key);

/* Asks the processor for what that will need, and does not wait for it. */
void memtable_prefetch(const struct memtable *memtable, struct slice key);

/* An iterator over internal keys (internal_key.h); seeks take internal keys too. It sees
 * at least what was inserted before each of its moves. NULL when there is no memory. */
struct iter *memtable_iter(struct memtable *memtable);

uint64_t memtable_count(const struct memtable *memtable);   /* puts and deletes */
uint64_t memtable_used(const struct memtable *memtable);    /* bytes of the entries */
uint64_t memtable_charged(const struct memtable *memtable); /* bytes of memory for them */

#endif
