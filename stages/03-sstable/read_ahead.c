/* Blocks stand one behind the other, in the order of the index. A piece serves as long as
 * they lie whole in it; a block that does not begins the next piece, or ends it:
 *
 *     file      | block | block | block | block | block | block | …
 *     forward   [                            ]
 *                                       [                            ]
 *
 * Blocks in another order, which nobody writes, cost a piece each and are read all the
 * same. */
#include "read_ahead.h"

#include "table_inside.h"

bool read_ahead_has(const struct read_ahead *ahead, struct block_handle handle) {
    size_t length = ahead->piece.length;
    return handle.offset >= ahead->offset && handle.offset - ahead->offset <= length &&
           handle.bytes < length &&
           handle.bytes + BLOCK_TRAILER_BYTES <= length - (handle.offset - ahead->offset);
}

/* Reads a piece with the `bytes` at the offset, which are in the file. */
static enum status read_piece(struct read_ahead *ahead, const struct table *table,
                              uint64_t offset, size_t bytes, bool forward,
                              struct error *error) {
    uint64_t end = offset + bytes;
    uint64_t there = forward ? table->file_bytes - offset : end;
    size_t wanted = bytes > READ_AHEAD_BYTES   ? bytes
                    : there < READ_AHEAD_BYTES ? (size_t)there
                                               : READ_AHEAD_BYTES;
    uint64_t from = forward ? offset : end - wanted;
    size_t done;
    buf_clear(&ahead->piece);
    if (buf_reserve(&ahead->piece, wanted) != STATUS_OK) {
        return error_no_memory(error, "a piece of a table", wanted);
    }
    enum status status =
        file_read(table->file, from, ahead->piece.data, wanted, &done, error);
    if (status == STATUS_OK && from + done < end) {
        return table_corrupt(table, offset, "the file ends inside of a block", error);
    }
    if (status == STATUS_OK) {
        ahead->piece.length = done;
        ahead->offset = from;
    }
    return status;
}

enum status read_ahead_load(struct read_ahead *ahead, const struct table *table,
                            struct block_handle handle, bool forward, struct block *block,
                            struct error *error) {
    struct slice contents;
    const char *why;
    enum status status =
        block_check_handle(table->file, table->file_bytes, handle, error);
    if (status != STATUS_OK) {
        return status;
    }
    if (!read_ahead_has(ahead, handle)) {
        status = read_piece(ahead, table, handle.offset,
                            (size_t)handle.bytes + BLOCK_TRAILER_BYTES, forward, error);
    }
    if (status == STATUS_OK) {
        status = block_unpack(table->file, handle,
                              ahead->piece.data + (handle.offset - ahead->offset),
                              &ahead->unpacked, &contents, error);
    }
    if (status == STATUS_OK && block_init(block, contents, &why) != STATUS_OK) {
        status = table_corrupt(table, handle.offset, why, error);
    }
    return status;
}

void read_ahead_free(struct read_ahead *ahead) {
    buf_free(&ahead->piece);
    buf_free(&ahead->unpacked);
}
