/* The tables one behind the other, and of each the blocks, in the order of its index. */
#include "table_sweep.h"

#include "internal_key.h"
#include "memory.h"
#include "read_ahead.h"
#include "table_cache.h"
#include "table_inside.h"

/* The iterator over the block is the first part, so that its entry is the sweep's without
 * a copy. Its error is the sweep's too, once failed() has said where in the file it is.
 */
struct table_sweep {
    struct block_iter data; /* over `block` */
    struct block_iter index;
    struct table_cache *cache;
    struct table_file *const *files;
    size_t count;
    size_t at;           /* the next file to be opened */
    struct table *table; /* NULL: none is open */
    struct read_ahead ahead;
    struct block block;
    uint64_t offset; /* of the block, in its file */
};

static void leave_table(struct table_sweep *sweep) {
    block_iter_free(&sweep->index);
    table_unref(sweep->table);
    sweep->table = NULL;
    buf_clear(&sweep->ahead.piece);
}

/* False: there is no next one, or it cannot be opened. */
static bool enter_table(struct table_sweep *sweep) {
    leave_table(sweep);
    if (sweep->at == sweep->count ||
        table_cache_pin(sweep->cache, sweep->files[sweep->at], &sweep->table,
                        &sweep->data.iter.error) != STATUS_OK) {
        return false;
    }
    sweep->at++;
    block_iter_init(&sweep->index, &sweep->table->index);
    block_iter_first(&sweep->index);
    return true;
}

static enum status load(struct table_sweep *sweep, struct error *error) {
    struct block_handle handle;
    enum status status =
        table_handle(sweep->table, sweep->index.iter.value, &handle, error);
    if (status == STATUS_OK) {
        sweep->offset = handle.offset;
        status = read_ahead_load(&sweep->ahead, sweep->table, handle, true, &sweep->block,
                                 error);
    }
    return status;
}

/* Whether the iterator over the block or over the index has failed, and so this one. */
static bool failed(struct table_sweep *sweep, const struct block_iter *part,
                   uint64_t offset) {
    if (part->iter.error.status == STATUS_OK) {
        return false;
    }
    struct error failure = part->iter.error;
    (void)table_block_failed(sweep->table, offset, &failure, &sweep->data.iter.error);
    return true;
}

/* Loads the block of the index's entry, or of the first that comes in the next tables.
 * False: there is none, or the walk has failed. */
static bool enter_block(struct table_sweep *sweep) {
    while (!sweep->index.iter.valid) {
        if (failed(sweep, &sweep->index, sweep->table->index_offset) ||
            !enter_table(sweep)) {
            return false;
        }
    }
    return load(sweep, &sweep->data.iter.error) == STATUS_OK;
}

/* Shows the entry that the block's iterator stands on; where it has none any more, the
 * next one. */
static void settle(struct table_sweep *sweep) {
    while (!sweep->data.iter.valid) {
        if (failed(sweep, &sweep->data, sweep->offset)) {
            return;
        }
        block_iter_next(&sweep->index);
        if (!enter_block(sweep)) {
            return;
        }
        block_iter_first(&sweep->data);
    }
    if (!internal_key_legal(sweep->data.iter.key)) {
        sweep->data.iter.valid = false;
        (void)table_corrupt(sweep->table, sweep->offset,
                            "an entry's key is no internal key", &sweep->data.iter.error);
    }
}

static void sweep_first(struct iter *iter) {
    struct table_sweep *sweep = (struct table_sweep *)iter;
    iter->valid = false;
    iter->error.status = STATUS_OK;
    sweep->at = 0;
    if (enter_table(sweep) && enter_block(sweep)) {
        block_iter_first(&sweep->data);
        settle(sweep);
    }
}

static void sweep_next(struct iter *iter) {
    struct table_sweep *sweep = (struct table_sweep *)iter;
    block_iter_next(&sweep->data);
    settle(sweep);
}

static void sweep_close(struct iter *iter) {
    struct table_sweep *sweep = (struct table_sweep *)iter;
    leave_table(sweep);
    block_iter_free(&sweep->data);
    read_ahead_free(&sweep->ahead);
    memory_give(sweep);
}

static const struct iter_ops sweep_ops = {
    .first = sweep_first, .next = sweep_next, .close = sweep_close};

enum status table_sweep(struct table_file *const *files, size_t count,
                        struct table_cache *cache, struct iter **iter,
                        struct error *error) {
    struct table_sweep *sweep = memory_take_zeroed(sizeof *sweep);
    if (sweep == NULL) {
        return error_no_memory(error, "an iterator", sizeof *sweep);
    }
    block_iter_init(&sweep->data, &sweep->block);
    sweep->data.iter.ops = &sweep_ops;
    sweep->cache = cache;
    sweep->files = files;
    sweep->count = count;
    *iter = &sweep->data.iter;
    return STATUS_OK;
}
