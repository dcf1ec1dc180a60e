/* Reading: the write buffers, newest first, then the runs, newest first. The first place
 * that knows the key ends the search; a tombstone is knowledge.
 *
 * A read enters (readers.h), loads the view, and then what the view's active buffer shows
 * as visible: in this order. The other way round, a flush in between could put entries
 * that the sequence leaves out into places where the older view does not look.
 *
 * A read at a snapshot takes that sequence instead, which was visible before: all that
 * the snapshot sees is in the present view, too (horizon.h); or, if it was erased from
 * there, in the view that the snapshot then has. */
#include "engine_state.h"
#include "engine_store.h"
#include "memory.h"
#include "merge_iter.h"
#include "user_iter.h"

uint64_t engine_sequence(const struct view *view, const struct kv_snapshot *snapshot) {
    return snapshot == NULL ? write_buffer_visible(view->buffers[0].buffer)
                            : snapshot->sequence;
}

/* ---- get ------------------------------------------------------------------------- */

static enum status copy_value(struct buf *value, struct slice found,
                              struct error *error) {
    return buf_assign(value, found) == STATUS_OK
               ? STATUS_OK
               : error_no_memory(error, "a value", found.length);
}

static void count(struct engine *engine, const struct reader_slot *slot,
                  const struct search_counts *met) {
    struct read_counts *counts = &engine->read_counts[slot - engine->readers.slots];
    atomic_u64_add(&counts->filters_asked, met->filters_asked, memory_order_relaxed);
    atomic_u64_add(&counts->filters_denied, met->filters_denied, memory_order_relaxed);
    atomic_u64_add(&counts->blocks_searched, met->blocks_searched, memory_order_relaxed);
}

static enum status get_from_tables(struct engine *engine, const struct reader_slot *slot,
                                   const struct view *view, struct slice key,
                                   uint64_t sequence, bool no_wait, struct buf *value,
                                   enum lookup *answer, struct error *error) {
    struct search_key search;
    if (view->version->run_count == 0) {
        return STATUS_OK;
    }
    enum status status = search_key_init(&search, key, sequence, error);
    if (status == STATUS_OK) {
        search.no_wait = no_wait;
        status =
            version_get(view->version, engine->tables, &search, value, answer, error);
        count(engine, slot, search.counts);
        search_key_free(&search);
    }
    return status;
}

enum status engine_get_from_view(struct engine *engine, const struct reader_slot *slot,
                                 const struct view *view, struct slice key,
                                 uint64_t sequence, bool no_wait, struct buf *value,
                                 enum lookup *answer, struct error *error) {
    for (size_t i = 0; i < view->buffer_count; i++) {
        struct slice found;
        *answer = memtable_get(view->buffers[i].buffer->memtable, key, sequence, &found);
        if (*answer == LOOKUP_FOUND) {
            return copy_value(value, found, error);
        }
        if (*answer == LOOKUP_DELETED) {
            return STATUS_OK;
        }
    }
    return get_from_tables(engine, slot, view, key, sequence, no_wait, value, answer,
                           error);
}

enum status engine_get(void *opened, struct slice key, struct buf *value,
                       const struct kv_read_options *options, struct error *error) {
    struct engine *engine = opened;
    enum lookup answer = LOOKUP_ABSENT;
    struct reader_slot *slot = readers_enter(&engine->readers);
    const struct view *view = engine_view(engine, options->snapshot);
    uint64_t sequence = engine_sequence(view, options->snapshot);
    enum status status = engine_get_from_view(engine, slot, view, key, sequence,
                                              options->no_wait, value, &answer, error);
    readers_leave(slot);
    if (status != STATUS_OK) {
        return status;
    }
    *options->observed = sequence;
    return answer == LOOKUP_FOUND ? STATUS_OK : STATUS_NOT_FOUND;
}

/* ---- iterate --------------------------------------------------------------------- */

/* One iterator for each buffer and each run, newest first; each of them holds what it
 * reads. A buffer in which there is nothing yet is left out: what comes there is above
 * the sequence, which was loaded before, and so is not for this reader. */
static enum status open_children(struct engine *engine, const struct view *view,
                                 struct iter **children, size_t *count,
                                 struct error *error) {
    *count = 0;
    for (size_t i = 0; i < view->buffer_count; i++) {
        struct memtable *memtable = view->buffers[i].buffer->memtable;
        if (memtable_count(memtable) == 0) {
            continue;
        }
        struct iter *iter = memtable_iter(memtable);
        if (iter == NULL) {
            return error_no_memory(error, "an iterator", 0);
        }
        children[(*count)++] = iter;
    }
    return version_iters(view->version, engine->tables, children, count, error);
}

static enum status merge_view(struct engine *engine, const struct view *view,
                              struct iter **iter, struct error *error) {
    size_t room = view->buffer_count + view->version->run_count;
    size_t count;
    struct iter **children = memory_take(room * sizeof(struct iter *));
    if (children == NULL) {
        return error_no_memory(error, "an iterator", room * sizeof(struct iter *));
    }
    enum status status = open_children(engine, view, children, &count, error);
    if (status == STATUS_OK) {
        status = merge_iter_open(children, count, iter, error);
    } else {
        for (size_t i = 0; i < count; i++) {
            iter_close(children[i]);
        }
    }
    memory_give(children);
    return status;
}

enum status engine_iter(void *opened, const struct kv_iter_options *options,
                        struct iter **iter, struct error *error) {
    struct engine *engine = opened;
    struct iter *merged;
    struct reader_slot *slot = readers_enter(&engine->readers);
    const struct view *view = engine_view(engine, options->snapshot);
    uint64_t sequence = engine_sequence(view, options->snapshot);
    enum status status = merge_view(engine, view, &merged, error);
    readers_leave(slot);
    atomic_u64_add(&engine->scans, 1, memory_order_relaxed);
    if (status != STATUS_OK) {
        return status;
    }
    const struct user_iter_options passed = {options->from, options->to, sequence};
    status = user_iter_open(merged, &passed, iter, error);
    if (status == STATUS_OK) {
        *options->observed = sequence;
    }
    return status;
}
