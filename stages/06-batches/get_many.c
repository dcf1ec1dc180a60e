/* A reader enters once, and so has one view and one sequence for all keys. These it looks
 * up in their order, not in that of the caller: so those that share a block, or a page
 * that is read from the disk, come one after the other, while it is at hand. So many at a
 * time are looked ahead at (foresight.h). */
#include "get_many.h"

#include <stdlib.h>

#include "engine_state.h"
#include "foresight.h"
#include "memory.h"

struct wanted {
    struct slice key;
    size_t number; /* as the caller counts */
};

static int compare_wanted(const void *left, const void *right) {
    const struct wanted *a = left;
    const struct wanted *b = right;
    return slice_compare(a->key, b->key);
}

/* Before the lookups of that one and some that follow it. */
static void foresee_some(const struct view *view, uint64_t sequence,
                         const struct wanted *wanted, size_t count) {
    struct slice keys[KV_FORESEEN];
    count = count < KV_FORESEEN ? count : KV_FORESEEN;
    for (size_t i = 0; i < count; i++) {
        keys[i] = wanted[i].key;
    }
    view_foresee(view, keys, count, sequence);
}

static enum status get_sorted(struct engine *engine, const struct wanted *wanted,
                              size_t count, struct buf *values, enum status *statuses,
                              const struct kv_read_options *options,
                              struct error *error) {
    enum status status = STATUS_OK;
    struct reader_slot *slot = readers_enter(&engine->readers);
    const struct view *view = engine_view(engine, options->snapshot);
    uint64_t sequence = engine_sequence(view, options->snapshot);
    for (size_t i = 0, bytes = 0; i < count && status == STATUS_OK; i++) {
        if (i % KV_FORESEEN == 0 && count > 1) {
            foresee_some(view, sequence, wanted + i, count - i);
        }
        size_t number = wanted[i].number;
        enum lookup answer = LOOKUP_ABSENT;
        if (options->most_bytes > 0 && bytes > options->most_bytes) {
            status = error_set(error, STATUS_LIMIT,
                               "the values of %zu keys are more than %zu bytes", count,
                               options->most_bytes);
            break;
        }
        status = engine_get_from_view(engine, slot, view, wanted[i].key, sequence,
                                      options->no_wait, &values[number], &answer, error);
        statuses[number] = answer == LOOKUP_FOUND ? STATUS_OK : STATUS_NOT_FOUND;
        bytes += answer == LOOKUP_FOUND ? values[number].length : 0;
    }
    readers_leave(slot);
    *options->observed = sequence;
    return status;
}

void engine_foresee(void *opened, const struct slice *keys, size_t count) {
    struct engine *engine = opened;
    struct reader_slot *slot = readers_enter(&engine->readers);
    const struct view *view = engine_view(engine, NULL);
    view_foresee(view, keys, count, engine_sequence(view, NULL));
    readers_leave(slot);
    atomic_u64_add(&engine->foresights, 1, memory_order_relaxed);
}

enum status engine_get_many(void *opened, const struct slice *keys, size_t count,
                            struct buf *values, enum status *statuses,
                            const struct kv_read_options *options, struct error *error) {
    size_t bytes = count * sizeof(struct wanted);
    struct wanted *wanted = memory_take(bytes + 1);
    if (wanted == NULL) {
        return error_no_memory(error, "lookups", bytes);
    }
    for (size_t i = 0; i < count; i++) {
        wanted[i] = (struct wanted){keys[i], i};
    }
    qsort(wanted, count, sizeof *wanted, compare_wanted);
    enum status status =
        get_sorted(opened, wanted, count, values, statuses, options, error);
    memory_give(wanted);
    return status;
}
