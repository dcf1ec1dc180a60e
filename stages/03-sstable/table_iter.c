/* Two iterators on top of each other: one over the index, one over the block that it
 * stands on. Blocks without entries are passed over.
 *
 * Blocks come from the cache; those that are read go there if the cache wants them, and
 * are the iterator's own otherwise. One that has met SCAN_BLOCKS in a row which were not
 * there is on a scan: what the cache does not want it then reads ahead. */
#include "memory.h"
#include "read_ahead.h"
#include "table_inside.h"

enum { SCAN_BLOCKS = 16 };

/* The iterator over the block is the first part, so that its entry is this one's without
 * a copy. Its error is this one's too, once failed() has said where in the file it is. */
struct table_iter {
    struct block_iter data; /* over `block` */
    struct block_iter index;
    struct table *table;
    struct table_block block; /* or one that was read ahead */
    struct read_ahead ahead;
    size_t missed; /* blocks that were read, since the iterator last went anywhere */
};

static void begin(struct table_iter *at) {
    at->data.iter.valid = false;
    at->data.iter.error.status = STATUS_OK;
    at->missed = 0;
    buf_clear(&at->ahead.piece);
}

/* Takes the block that the index stands on. False: the iterator has failed. */
static bool enter(struct table_iter *at, bool forward) {
    struct block_handle handle;
    if (table_handle(at->table, at->index.iter.value, &handle, &at->data.iter.error) !=
        STATUS_OK) {
        return false;
    }
    if (at->block.block.data != NULL && at->block.offset == handle.offset) {
        return true;
    }
    table_block_leave(at->table, &at->block);
    bool ahead = read_ahead_has(&at->ahead, handle);
    if (!ahead && table_block_find(at->table, handle, &at->block)) {
        return true;
    }
    if (!ahead && at->missed++ >= SCAN_BLOCKS) {
        ahead = !block_cache_wants(at->table->cache, at->table->number, handle.offset);
    }
    at->block.offset = handle.offset;
    struct error *error = &at->data.iter.error;
    enum status status = ahead ? read_ahead_load(&at->ahead, at->table, handle, forward,
                                                 &at->block.block, error)
                               : table_block_load(at->table, handle, &at->block, error);
    return status == STATUS_OK;
}

/* Whether the iterator over the block or over the index has failed, and so this one. */
static bool failed(struct table_iter *at, const struct block_iter *part,
                   uint64_t offset) {
    if (part->iter.error.status == STATUS_OK) {
        return false;
    }
    struct error failure = part->iter.error;
    (void)table_block_failed(at->table, offset, &failure, &at->data.iter.error);
    return true;
}

/* After the block's iterator has moved: where it has no entry any more, the next one in
 * that direction is shown. */
static void settle(struct table_iter *at, bool forward) {
    while (!at->data.iter.valid) {
        if (failed(at, &at->data, at->block.offset)) {
            return;
        }
        if (forward) {
            block_iter_next(&at->index);
        } else {
            block_iter_prev(&at->index);
        }
        if (failed(at, &at->index, at->table->index_offset) || !at->index.iter.valid ||
            !enter(at, forward)) {
            return;
        }
        if (forward) {
            block_iter_first(&at->data);
        } else {
            block_iter_last(&at->data);
        }
    }
    if (!internal_key_legal(at->data.iter.key)) {
        at->data.iter.valid = false;
        (void)table_corrupt(at->table, at->block.offset,
                            "an entry's key is no internal key", &at->data.iter.error);
    }
}

/* After the index was positioned. */
static bool positioned(struct table_iter *at) {
    return !failed(at, &at->index, at->table->index_offset) && at->index.iter.valid &&
           enter(at, true); /* the first of a scan, if it is one */
}

static void table_iter_first(struct iter *iter) {
    struct table_iter *at = (struct table_iter *)iter;
    begin(at);
    block_iter_first(&at->index);
    if (positioned(at)) {
        block_iter_first(&at->data);
        settle(at, true);
    }
}

static void table_iter_last(struct iter *iter) {
    struct table_iter *at = (struct table_iter *)iter;
    begin(at);
    block_iter_last(&at->index);
    if (positioned(at)) {
        block_iter_last(&at->data);
        settle(at, false);
    }
}

static void table_iter_seek(struct iter *iter, struct slice key) {
    struct table_iter *at = (struct table_iter *)iter;
    begin(at);
    index_words_seek(&at->table->words, &at->index, key);
    if (positioned(at)) {
        block_iter_seek(&at->data, key);
        settle(at, true);
    }
}

/* All blocks behind the one that a seek would begin with hold keys above it. */
static void table_iter_seek_before(struct iter *iter, struct slice key) {
    struct table_iter *at = (struct table_iter *)iter;
    begin(at);
    index_words_seek(&at->table->words, &at->index, key);
    if (!at->index.iter.valid && at->index.iter.error.status == STATUS_OK) {
        table_iter_last(iter);
    } else if (positioned(at)) {
        block_iter_seek_before(&at->data, key);
        settle(at, false);
    }
}

static void table_iter_next(struct iter *iter) {
    struct table_iter *at = (struct table_iter *)iter;
    block_iter_next(&at->data);
    settle(at, true);
}

static void table_iter_prev(struct iter *iter) {
    struct table_iter *at = (struct table_iter *)iter;
    block_iter_prev(&at->data);
    settle(at, false);
}

static void table_iter_close(struct iter *iter) {
    struct table_iter *at = (struct table_iter *)iter;
    block_iter_free(&at->index);
    block_iter_free(&at->data);
    table_block_leave(at->table, &at->block);
    read_ahead_free(&at->ahead);
    table_unref(at->table);
    memory_give(at);
}

static const struct iter_ops table_iter_ops = {
    table_iter_first, table_iter_last, table_iter_seek,  table_iter_seek_before,
    table_iter_next,  table_iter_prev, table_iter_close,
};

enum status table_iter(struct table *table, struct iter **iter, struct error *error) {
    struct table_iter *at = memory_take(sizeof *at);
    if (at == NULL) {
        return error_no_memory(error, "a table's iterator", sizeof *at);
    }
    at->table = table;
    table_block_init(&at->block);
    at->ahead = (struct read_ahead){0};
    block_iter_init(&at->index, &table->index);
    block_iter_init(&at->data, &at->block.block);
    at->data.iter.ops = &table_iter_ops;
    table_ref(table);
    *iter = &at->data.iter;
    return STATUS_OK;
}
