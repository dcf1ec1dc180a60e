#include "table_format.h"

#include <inttypes.h>

#include "block.h"
#include "checksum.h"
#include "memory.h"

enum { MAGIC_OFFSET = FOOTER_BYTES - 8 };

/* ---- handles and the footer ------------------------------------------------------ */

size_t block_handle_encode(unsigned char to[BLOCK_HANDLE_BYTES_MAX],
                           struct block_handle handle) {
    unsigned char *end = encode_varint(to, handle.offset);
    end = encode_varint(end, handle.bytes);
    return (size_t)(end - to);
}

bool take_block_handle(struct slice *from, struct block_handle *handle) {
    struct slice rest = *from;
    struct block_handle taken;
    if (!take_varint64(&rest, &taken.offset) || !take_varint64(&rest, &taken.bytes)) {
        return false;
    }
    *handle = taken;
    *from = rest;
    return true;
}

void footer_encode(unsigned char to[FOOTER_BYTES], const struct footer *footer) {
    memset(to, 0, MAGIC_OFFSET);
    size_t bytes = block_handle_encode(to, footer->metaindex);
    (void)block_handle_encode(to + bytes, footer->index);
    encode_fixed64(to + MAGIC_OFFSET, TABLE_MAGIC);
}

enum status footer_decode(const unsigned char from[FOOTER_BYTES], struct footer *footer,
                          const char **why) {
    struct slice rest = slice_make(from, MAGIC_OFFSET);
    struct footer decoded;
    if (decode_fixed64(from + MAGIC_OFFSET) != TABLE_MAGIC) {
        *why = "the file does not end as a table does";
        return STATUS_CORRUPT;
    }
    if (!take_block_handle(&rest, &decoded.metaindex) ||
        !take_block_handle(&rest, &decoded.index)) {
        *why = "the footer's handles are broken";
        return STATUS_CORRUPT;
    }
    *footer = decoded;
    return STATUS_OK;
}

/* ---- load ------------------------------------------------------------------------ */

static enum status corrupt(struct error *error, const struct file *file, uint64_t offset,
                           const char *why) {
    return error_set(error, STATUS_CORRUPT, "%s: offset %" PRIu64 ": %s", file->path,
                     offset, why);
}

/* Whether the block and its trailer end there. */
static bool ends_at(struct block_handle handle, uint64_t end) {
    return handle.offset <= end && handle.bytes <= end &&
           handle.offset + handle.bytes + BLOCK_TRAILER_BYTES == end;
}

enum status footer_read(struct file *file, uint64_t *file_bytes, struct footer *footer,
                        struct error *error) {
    unsigned char bytes[FOOTER_BYTES];
    struct footer found;
    uint64_t size;
    size_t done;
    const char *why;
    enum status status = file_size(file, &size, error);
    if (status != STATUS_OK) {
        return status;
    }
    if (size < FOOTER_BYTES) {
        return corrupt(error, file, 0, "the file is too short for a table");
    }
    uint64_t offset = size - FOOTER_BYTES;
    status = file_read(file, offset, bytes, sizeof bytes, &done, error);
    if (status != STATUS_OK) {
        return status;
    }
    if (done < sizeof bytes) {
        return corrupt(error, file, offset, "the file ends inside of the footer");
    }
    if (footer_decode(bytes, &found, &why) != STATUS_OK) {
        return corrupt(error, file, offset, why);
    }
    if (!ends_at(found.index, offset) || !ends_at(found.metaindex, found.index.offset)) {
        return corrupt(error, file, offset,
                       "the footer's handles are not of the blocks before it");
    }
    *file_bytes = size;
    *footer = found;
    return STATUS_OK;
}

enum { SMALL_BYTES = 8 * 1024 }; /* twice a block's default size */

/* Of the packed contents and the trailer, together `count` bytes. */
static enum status verify(const struct file *file, uint64_t offset,
                          const unsigned char *stored, size_t count,
                          struct error *error) {
    size_t typed = count - BLOCK_TRAILER_BYTES + 1;
    return checksum_mask(checksum(stored, typed)) == decode_fixed32(stored + typed)
               ? STATUS_OK
               : corrupt(error, file, offset, "a block's checksum is wrong");
}

/* Reads them, and verifies. */
static enum status read_stored(struct file *file, uint64_t offset, unsigned char *stored,
                               size_t count, struct error *error) {
    size_t done;
    enum status status = file_read(file, offset, stored, count, &done, error);
    if (status != STATUS_OK) {
        return status;
    }
    if (done < count) {
        return corrupt(error, file, offset, "the file ends inside of a block");
    }
    return verify(file, offset, stored, count, error);
}

/* Makes of what is stored a block of its own, in `room` where that is large enough. */
static enum status unpack(const struct file *file, uint64_t offset, unsigned type,
                          struct slice packed, unsigned char *room, size_t room_bytes,
                          unsigned char **data, size_t *bytes, struct error *error) {
    const char *why;
    size_t unpacked_bytes;
    unsigned char *unpacked = NULL;
    enum status status = compression_unpacked_bytes(type, packed, &unpacked_bytes, &why);
    if (status == STATUS_OK) {
        unpacked = room != NULL && unpacked_bytes <= room_bytes
                       ? room
                       : memory_take(unpacked_bytes);
        if (unpacked == NULL) {
            return error_no_memory(error, "a block", unpacked_bytes);
        }
        status = compression_unpack(type, packed, unpacked, unpacked_bytes, &why);
    }
    if (status == STATUS_OK) {
        *data = unpacked;
        *bytes = unpacked_bytes;
        return STATUS_OK;
    }
    if (unpacked != room) {
        memory_give(unpacked);
    }
    return status == STATUS_CORRUPT ? corrupt(error, file, offset, why)
                                    : error_no_memory(error, "a block", unpacked_bytes);
}

enum status block_check_handle(const struct file *file, uint64_t file_bytes,
                               struct block_handle handle, struct error *error) {
    return handle.bytes > BLOCK_BYTES_MAX || handle.offset > file_bytes ||
                   handle.bytes + BLOCK_TRAILER_BYTES > file_bytes - handle.offset
               ? corrupt(error, file, handle.offset, "a block would lie beyond the file")
               : STATUS_OK;
}

enum status block_unpack(const struct file *file, struct block_handle handle,
                         const unsigned char *stored, struct buf *room,
                         struct slice *contents, struct error *error) {
    const struct slice packed = slice_make(stored, (size_t)handle.bytes);
    const unsigned type = stored[packed.length];
    const char *why;
    size_t bytes;
    enum status status =
        verify(file, handle.offset, stored, packed.length + BLOCK_TRAILER_BYTES, error);
    if (status != STATUS_OK) {
        return status;
    }
    if (type == COMPRESSION_NONE) {
        *contents = packed;
        return STATUS_OK;
    }
    status = compression_unpacked_bytes(type, packed, &bytes, &why);
    if (status == STATUS_OK) {
        buf_clear(room);
        if (buf_reserve(room, bytes) != STATUS_OK) {
            return error_no_memory(error, "a block", bytes);
        }
        status = compression_unpack(type, packed, room->data, bytes, &why);
    }
    if (status == STATUS_OK) {
        room->length = bytes;
        *contents = buf_slice(room);
        return STATUS_OK;
    }
    return status == STATUS_CORRUPT ? corrupt(error, file, handle.offset, why)
                                    : error_no_memory(error, "a block", bytes);
}

/* Blocks of the usual size take memory once, for what is kept of them: they are read into
 * `small`. A long one that is not packed stays where it was read. */
enum status block_load_into(struct file *file, uint64_t file_bytes,
                            struct block_handle handle, unsigned char *room,
                            size_t room_bytes, unsigned char **data, size_t *bytes,
                            struct error *error) {
    unsigned char small[SMALL_BYTES];
    enum status status = block_check_handle(file, file_bytes, handle, error);
    if (status != STATUS_OK) {
        return status;
    }
    size_t stored_bytes = (size_t)handle.bytes;
    size_t count = stored_bytes + BLOCK_TRAILER_BYTES;
    unsigned char *stored = count <= sizeof small ? small : memory_take(count);
    if (stored == NULL) {
        return error_no_memory(error, "a block", count);
    }
    status = read_stored(file, handle.offset, stored, count, error);
    if (status == STATUS_OK && stored != small &&
        stored[stored_bytes] == COMPRESSION_NONE) {
        *data = stored;
        *bytes = stored_bytes;
        return STATUS_OK;
    }
    if (status == STATUS_OK) {
        status = unpack(file, handle.offset, stored[stored_bytes],
                        slice_make(stored, stored_bytes), room, room_bytes, data, bytes,
                        error);
    }
    if (stored != small) {
        memory_give(stored);
    }
    return status;
}

enum status block_load(struct file *file, uint64_t file_bytes, struct block_handle handle,
                       unsigned char **data, size_t *bytes, struct error *error) {
    return block_load_into(file, file_bytes, handle, NULL, 0, data, bytes, error);
}

/* ---- find ------------------------------------------------------------------------ */

enum { WINDOW_BYTES = 64 * 1024, CHECKSUM_BYTES = 4 };

/* `window` has room for WINDOW_BYTES and a checksum behind them. */
static enum status find_end(struct file *file, uint64_t offset, unsigned char *window,
                            struct block_handle *handle, bool *found,
                            struct error *error) {
    uint32_t crc = 0;
    size_t count;
    uint64_t start = offset;
    *found = false;
    do {
        enum status status =
            file_read(file, start, window, WINDOW_BYTES + CHECKSUM_BYTES, &count, error);
        if (status != STATUS_OK) {
            return status;
        }
        for (size_t i = 0; i + CHECKSUM_BYTES < count; i++) {
            crc = checksum_extend(crc, window + i, 1);
            if (checksum_mask(crc) == decode_fixed32(window + i + 1) &&
                compression_known(window[i])) {
                *handle = (struct block_handle){offset, start + i - offset};
                *found = true;
                return STATUS_OK;
            }
        }
        start += WINDOW_BYTES;
    } while (count == WINDOW_BYTES + CHECKSUM_BYTES);
    return STATUS_OK;
}

enum status block_find(struct file *file, uint64_t offset, struct block_handle *handle,
                       bool *found, struct error *error) {
    unsigned char *window = memory_take(WINDOW_BYTES + CHECKSUM_BYTES);
    if (window == NULL) {
        return error_no_memory(error, "a piece of a table", WINDOW_BYTES);
    }
    enum status status = find_end(file, offset, window, handle, found, error);
    memory_give(window);
    return status;
}

/* ---- store ----------------------------------------------------------------------- */

enum status block_store(struct buf *out, struct slice contents,
                        enum compression compression, struct buf *scratch,
                        struct block_handle *handle) {
    struct slice stored = contents;
    unsigned char type = COMPRESSION_NONE;
    enum status status = STATUS_OK;
    if (compression != COMPRESSION_NONE) {
        status = compression_pack(compression, contents, scratch);
        if (status == STATUS_OK &&
            scratch->length < contents.length - contents.length / 8) {
            stored = buf_slice(scratch);
            type = (unsigned char)compression;
        }
    }
    if (status == STATUS_OK) {
        status = buf_reserve(out, stored.length + BLOCK_TRAILER_BYTES);
    }
    if (status != STATUS_OK) {
        return status;
    }
    unsigned char *start = out->data + out->length;
    if (stored.length > 0) {
        memcpy(start, stored.data, stored.length);
    }
    start[stored.length] = type;
    encode_fixed32(start + stored.length + 1,
                   checksum_mask(checksum(start, stored.length + 1)));
    out->length += stored.length + BLOCK_TRAILER_BYTES;
    handle->bytes = stored.length;
    return STATUS_OK;
}
