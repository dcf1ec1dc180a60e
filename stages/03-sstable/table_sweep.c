/* The index says where the blocks are, mostly one behind the other. So a piece of the
 * file is read from where the next block begins, and serves as long as blocks lie whole
 * in it; a block that does not begins the next piece:
 *
 *     file    | block | block | block | block | block | block | …
 *     piece   [                            ]
 *     next                            [                            ]
 *
 * A piece is as long as its first block at least. Blocks in another order, which nobody
 * writes, cost a piece each and are read all the same. */
#include "table_sweep.h"

#include "internal_key.h"
#include "memory.h"
#include "table_cache.h"
#include "table_inside.h"

struct table_sweep {
    struct iter iter; /* first: an iter is converted to its table_sweep */
    struct table_cache *cache;
    struct table_file *const *files;
    size_t count;
    size_t at;           /* the next file to be opened */
    struct table *table; /* NULL: none is open */
    struct block_iter index;
    struct block_iter data; /* over `block` */
    struct block block;
    uint64_t offset; /* of the block, in its file */
    struct buf piece;
    uint64_t piece_offset;
    struct buf unpacked;
};

static void leave_table(struct table_sweep *sweep) {
    block_iter_free(&sweep->index);
    table_unref(sweep->table);
    sweep->table = NULL;
}

/* False: there is no next one, or it cannot be opened. */
static bool enter_table(struct table_sweep *sweep) {
    leave_table(sweep);
    if (sweep->at == sweep->count ||
        table_cache_pin(sweep->cache, sweep->files[sweep->at], &sweep->table,
                        &sweep->iter.error) != STATUS_OK) {
        return false;
    }
    sweep->at++;
    buf_clear(&sweep->piece);
    block_iter_init(&sweep->index, &sweep->table->index);
    block_iter_first(&sweep->index);
    return true;
}

/* ---- blocks ---------------------------------------------------------------------- */

static bool in_piece(const struct table_sweep *sweep, uint64_t offset, size_t bytes) {
    return offset >= sweep->piece_offset &&
           offset - sweep->piece_offset <= sweep->piece.length &&
           bytes <= sweep->piece.length - (size_t)(offset - sweep->piece_offset);
}

/* Reads a piece that begins with the `bytes` at the offset, which are in the file. */
static enum status read_piece(struct table_sweep *sweep, uint64_t offset, size_t bytes,
                              struct error *error) {
    const struct table *table = sweep->table;
    uint64_t left = table->file_bytes - offset;
    size_t wanted = bytes > SWEEP_PIECE_BYTES  ? bytes
                    : left < SWEEP_PIECE_BYTES ? (size_t)left
                                               : SWEEP_PIECE_BYTES;
    size_t done;
    buf_clear(&sweep->piece);
    if (buf_reserve(&sweep->piece, wanted) != STATUS_OK) {
        return error_no_memory(error, "a piece of a table", wanted);
    }
    enum status status =
        file_read(table->file, offset, sweep->piece.data, wanted, &done, error);
    if (status == STATUS_OK && done < bytes) {
        return table_corrupt(table, offset, "the file ends inside of a block", error);
    }
    if (status == STATUS_OK) {
        sweep->piece.length = done;
        sweep->piece_offset = offset;
    }
    return status;
}

static enum status load(struct table_sweep *sweep, struct error *error) {
    const struct table *table = sweep->table;
    struct block_handle handle;
    struct slice contents;
    const char *why;
    enum status status = table_handle(table, sweep->index.iter.value, &handle, error);
    if (status == STATUS_OK) {
        status = block_check_handle(table->file, table->file_bytes, handle, error);
    }
    if (status != STATUS_OK) {
        return status;
    }
    size_t bytes = (size_t)handle.bytes + BLOCK_TRAILER_BYTES;
    if (!in_piece(sweep, handle.offset, bytes)) {
        status = read_piece(sweep, handle.offset, bytes, error);
    }
    if (status == STATUS_OK) {
        status = block_unpack(table->file, handle,
                              sweep->piece.data + (handle.offset - sweep->piece_offset),
                              &sweep->unpacked, &contents, error);
    }
    if (status == STATUS_OK && block_init(&sweep->block, contents, &why) != STATUS_OK) {
        status = table_corrupt(table, handle.offset, why, error);
    }
    sweep->offset = handle.offset;
    return status;
}

/* ---- moves ----------------------------------------------------------------------- */

/* Whether the iterator over the block or over the index has failed, and so this one. */
static bool failed(struct table_sweep *sweep, const struct block_iter *part,
                   uint64_t offset) {
    if (part->iter.error.status == STATUS_OK) {
        return false;
    }
    (void)table_block_failed(sweep->table, offset, &part->iter.error, &sweep->iter.error);
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
    return load(sweep, &sweep->iter.error) == STATUS_OK;
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
    sweep->iter.key = sweep->data.iter.key;
    sweep->iter.value = sweep->data.iter.value;
    sweep->iter.valid = internal_key_legal(sweep->iter.key);
    if (!sweep->iter.valid) {
        (void)table_corrupt(sweep->table, sweep->offset,
                            "an entry's key is no internal key", &sweep->iter.error);
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
    iter->valid = false;
    block_iter_next(&sweep->data);
    settle(sweep);
}

static void sweep_close(struct iter *iter) {
    struct table_sweep *sweep = (struct table_sweep *)iter;
    leave_table(sweep);
    block_iter_free(&sweep->data);
    buf_free(&sweep->piece);
    buf_free(&sweep->unpacked);
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
    sweep->iter.ops = &sweep_ops;
    sweep->cache = cache;
    sweep->files = files;
    sweep->count = count;
    block_iter_init(&sweep->data, &sweep->block);
    *iter = &sweep->iter;
    return STATUS_OK;
}
