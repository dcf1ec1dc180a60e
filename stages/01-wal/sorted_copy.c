#include "sorted_copy.h"

#include <stdlib.h>

#include "memory.h"

/* Key and value stand behind one another in `bytes`, which may move while it grows: so an
 * entry keeps an offset. */
struct entry {
    size_t offset;
    size_t key_bytes;
    size_t value_bytes;
    size_t turn; /* order of arrival */
    enum kv_op_type type;
};

struct sorted_copy {
    struct iter iter; /* first: an iter is converted to its copy */
    struct buf bounds;
    struct slice from, to; /* within bounds, or absent */
    struct buf bytes;
    struct entry *entries;
    size_t count;
    size_t room;
    size_t at;
};

static struct slice key_of(const struct sorted_copy *copy, const struct entry *entry) {
    return slice_make(buf_slice(&copy->bytes).data + entry->offset, entry->key_bytes);
}

struct sorted_copy *sorted_copy_open(const struct kv_iter_options *options) {
    struct sorted_copy *copy = memory_take_zeroed(sizeof *copy);
    if (copy == NULL || options == NULL) {
        return copy;
    }
    if (buf_append_slice(&copy->bounds, options->from) != STATUS_OK ||
        buf_append_slice(&copy->bounds, options->to) != STATUS_OK) {
        sorted_copy_close(copy);
        return NULL;
    }
    const unsigned char *bounds = buf_slice(&copy->bounds).data;
    if (slice_present(options->from)) {
        copy->from = slice_make(bounds, options->from.length);
    }
    if (slice_present(options->to)) {
        copy->to = slice_make(bounds + options->from.length, options->to.length);
    }
    return copy;
}

enum status sorted_copy_add(struct sorted_copy *copy, const struct kv_op *op) {
    if ((slice_present(copy->from) && slice_compare(op->key, copy->from) < 0) ||
        (slice_present(copy->to) && slice_compare(op->key, copy->to) >= 0)) {
        return STATUS_OK;
    }
    if (copy->count == copy->room) {
        size_t room = copy->room == 0 ? 64 : 2 * copy->room;
        struct entry *entries = memory_resize(copy->entries, room * sizeof *entries);
        if (entries == NULL) {
            return STATUS_NO_MEMORY;
        }
        copy->entries = entries;
        copy->room = room;
    }
    struct entry entry = {copy->bytes.length, op->key.length, op->value.length,
                          copy->count, op->type};
    enum status status = buf_append_slice(&copy->bytes, op->key);
    if (status == STATUS_OK && op->type == KV_PUT) {
        status = buf_append_slice(&copy->bytes, op->value);
    }
    if (status == STATUS_OK) {
        copy->entries[copy->count++] = entry;
    }
    return status;
}

/* By key, the latest first. */
static int compare_entries(const void *left, const void *right, void *context) {
    const struct sorted_copy *copy = context;
    const struct entry *a = left;
    const struct entry *b = right;
    int order = slice_compare(key_of(copy, a), key_of(copy, b));
    return order != 0 ? order : (a->turn < b->turn) - (a->turn > b->turn);
}

static void drop_hidden(struct sorted_copy *copy) {
    size_t kept = 0;
    size_t i = 0;
    while (i < copy->count) {
        struct entry newest = copy->entries[i];
        struct slice key = key_of(copy, &newest);
        do {
            i++;
        } while (i < copy->count && slice_equal(key, key_of(copy, &copy->entries[i])));
        if (newest.type == KV_PUT) {
            copy->entries[kept++] = newest;
        }
    }
    copy->count = kept;
}

/* ---- the iterator ---------------------------------------------------------------- */

/* `at` == count: nowhere. */
static void show(struct sorted_copy *copy, size_t at) {
    copy->at = at;
    copy->iter.valid = at < copy->count;
    if (copy->iter.valid) {
        const struct entry *entry = &copy->entries[at];
        copy->iter.key = key_of(copy, entry);
        copy->iter.value =
            slice_make(copy->iter.key.data + entry->key_bytes, entry->value_bytes);
    }
}

/* The index of the first entry at or after key. */
static size_t find(const struct sorted_copy *copy, struct slice key) {
    size_t low = 0;
    size_t high = copy->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (slice_compare(key_of(copy, &copy->entries[middle]), key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void copy_first(struct iter *iter) {
    show((struct sorted_copy *)iter, 0);
}

static void show_before(struct sorted_copy *copy, size_t at) {
    show(copy, at == 0 ? copy->count : at - 1);
}

static void copy_last(struct iter *iter) {
    struct sorted_copy *copy = (struct sorted_copy *)iter;
    show_before(copy, copy->count);
}

static void copy_seek(struct iter *iter, struct slice key) {
    struct sorted_copy *copy = (struct sorted_copy *)iter;
    show(copy, find(copy, key));
}

static void copy_seek_before(struct iter *iter, struct slice key) {
    struct sorted_copy *copy = (struct sorted_copy *)iter;
    show_before(copy, find(copy, key));
}

static void copy_next(struct iter *iter) {
    struct sorted_copy *copy = (struct sorted_copy *)iter;
    show(copy, copy->at + 1);
}

static void copy_prev(struct iter *iter) {
    struct sorted_copy *copy = (struct sorted_copy *)iter;
    show_before(copy, copy->at);
}

static void copy_close(struct iter *iter) {
    sorted_copy_close((struct sorted_copy *)iter);
}

static const struct iter_ops copy_ops = {
    copy_first, copy_last, copy_seek, copy_seek_before, copy_next, copy_prev, copy_close};

struct iter *sorted_copy_iter(struct sorted_copy *copy) {
    if (copy->count > 1) {
        qsort_r(copy->entries, copy->count, sizeof *copy->entries, compare_entries, copy);
    }
    drop_hidden(copy);
    copy->iter.ops = &copy_ops;
    copy->at = copy->count;
    return &copy->iter;
}

void sorted_copy_close(struct sorted_copy *copy) {
    if (copy != NULL) {
        buf_free(&copy->bounds);
        buf_free(&copy->bytes);
        memory_give(copy->entries);
        memory_give(copy);
    }
}
