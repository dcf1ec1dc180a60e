#include "log_reader.h"

#include <string.h>

#include "log_format.h"
#include "memory.h"

enum status log_reader_init(struct log_reader *reader, struct file *file, uint64_t limit,
                            struct error *error) {
    *reader = (struct log_reader){.file = file, .limit = limit};
    reader->block = memory_take(LOG_BLOCK_BYTES);
    if (reader->block == NULL) {
        return error_no_memory(error, "a block of the log", LOG_BLOCK_BYTES);
    }
    return STATUS_OK;
}

void log_reader_free(struct log_reader *reader) {
    memory_give(reader->block);
    buf_free(&reader->record);
    *reader = (struct log_reader){0};
}

/* Makes the block that holds `offset` present; block_bytes tells how much of it there is.
 */
static enum status load(struct log_reader *reader, struct error *error) {
    uint64_t start = reader->offset - reader->offset % LOG_BLOCK_BYTES;
    if (reader->block_bytes > 0 && start == reader->block_start) {
        return STATUS_OK;
    }
    size_t want = LOG_BLOCK_BYTES;
    if (start >= reader->limit) {
        want = 0;
    } else if (reader->limit - start < want) {
        want = (size_t)(reader->limit - start);
    }
    size_t done = 0;
    enum status status =
        want == 0 ? STATUS_OK
                  : file_read(reader->file, start, reader->block, want, &done, error);
    reader->block_start = start;
    reader->block_bytes = status == STATUS_OK ? done : 0;
    return status;
}

static bool all_zero(const unsigned char *bytes, size_t count) {
    return count == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, count - 1) == 0);
}

/* Whether nothing but zeros stands from the reader's offset on. Leaves the reader at the
 * end. */
static enum status rest_is_zero(struct log_reader *reader, bool *zero,
                                struct error *error) {
    uint64_t keep = reader->offset;
    *zero = true;
    for (;;) {
        enum status status = load(reader, error);
        size_t skip = (size_t)(reader->offset - reader->block_start);
        if (status != STATUS_OK || skip >= reader->block_bytes) {
            reader->offset = keep;
            return status;
        }
        if (!all_zero(reader->block + skip, reader->block_bytes - skip)) {
            *zero = false;
            reader->offset = keep;
            return STATUS_OK;
        }
        reader->offset = reader->block_start + LOG_BLOCK_BYTES;
    }
}

struct fragment {
    enum log_type type; /* LOG_ZERO: none, see why */
    struct slice data;
    const char *why; /* NULL: the end of the log */
    bool cut_short;
};

static enum status no_fragment(struct fragment *fragment, const char *why,
                               bool cut_short) {
    *fragment = (struct fragment){LOG_ZERO, {NULL, 0}, why, cut_short};
    return STATUS_OK;
}

/* Judges the fragment whose header stands at `at`, `left` bytes before the block's end or
 * the file's. */
static enum status judge(struct log_reader *reader, const unsigned char *at, size_t left,
                         struct fragment *fragment) {
    size_t length = log_header_length(at);
    if (at[6] < LOG_FULL || at[6] > LOG_LAST) {
        return no_fragment(fragment, "unknown fragment type", false);
    }
    if (length > left - LOG_HEADER_BYTES) {
        bool at_end = reader->block_bytes < LOG_BLOCK_BYTES;
        return no_fragment(fragment,
                           at_end ? "fragment runs past the end of the file"
                                  : "fragment runs past the end of its block",
                           at_end);
    }
    const unsigned char *data = at + LOG_HEADER_BYTES;
    if (decode_fixed32(at) != log_checksum((enum log_type)at[6], data, length)) {
        return no_fragment(fragment, "checksum mismatch", false);
    }
    *fragment =
        (struct fragment){(enum log_type)at[6], slice_make(data, length), NULL, false};
    return STATUS_OK;
}

/* The next fragment; moves on behind it if there is one. */
static enum status next_fragment(struct log_reader *reader, struct fragment *fragment,
                                 struct error *error) {
    if (log_block_room(reader->offset) < LOG_HEADER_BYTES) {
        reader->offset += log_block_room(reader->offset); /* the block's trailer */
    }
    enum status status = load(reader, error);
    if (status != STATUS_OK) {
        return status;
    }
    size_t skip = (size_t)(reader->offset - reader->block_start);
    if (skip >= reader->block_bytes) {
        return no_fragment(fragment, NULL, true);
    }
    const unsigned char *at = reader->block + skip;
    size_t left = reader->block_bytes - skip;
    if (all_zero(at, left < LOG_HEADER_BYTES ? left : LOG_HEADER_BYTES)) {
        bool zero;
        status = rest_is_zero(reader, &zero, error);
        return status != STATUS_OK
                   ? status
                   : no_fragment(fragment,
                                 zero ? NULL : "zeros before the end of the log", zero);
    }
    if (left < LOG_HEADER_BYTES) {
        return no_fragment(fragment, "fragment header is cut short", true);
    }
    status = judge(reader, at, left, fragment);
    if (fragment->type != LOG_ZERO) {
        reader->offset += LOG_HEADER_BYTES + fragment->data.length;
    }
    return status;
}

static enum status damage(struct log_reader *reader, struct log_item *item,
                          const char *why, bool cut_short) {
    reader->offset = item->offset; /* to stay: the next call finds the same */
    item->kind = LOG_DAMAGE;
    item->end = item->offset;
    item->why = why;
    item->cut_short = cut_short;
    return STATUS_OK;
}

static enum status finish(struct log_reader *reader, struct log_item *item,
                          struct slice payload) {
    item->kind = LOG_RECORD;
    item->end = reader->offset;
    item->payload = payload;
    return STATUS_OK;
}

/* An empty first fragment and a last one of 12 bytes in one block, an empty change in it.
 */
static bool is_mark(uint64_t offset, uint64_t end, struct slice first,
                    struct slice last) {
    return first.length == 0 && last.length == LOG_MARK_DATA_BYTES &&
           end - offset == LOG_MARK_BYTES && log_block_room(offset) >= LOG_MARK_BYTES &&
           decode_fixed32(last.data + 8) == 0;
}

/* Begins the record anew with a first fragment's data. */
static enum status begin_record(struct log_reader *reader, struct log_item *item,
                                struct slice first, struct error *error) {
    item->offset = reader->offset - LOG_HEADER_BYTES - first.length;
    buf_clear(&reader->record);
    if (buf_append_slice(&reader->record, first) != STATUS_OK) {
        return error_no_memory(error, "a record of the log", first.length);
    }
    return STATUS_OK;
}

/* Reads on from a first fragment to the end of its record. */
static enum status rest_of_record(struct log_reader *reader, struct log_item *item,
                                  struct slice first, struct error *error) {
    size_t fragments = 1;
    enum status status = begin_record(reader, item, first, error);
    while (status == STATUS_OK) {
        struct fragment fragment = {0};
        status = next_fragment(reader, &fragment, error);
        if (status != STATUS_OK) {
            break;
        }
        fragments++;
        if (fragment.type == LOG_ZERO) {
            return damage(reader, item,
                          fragment.why != NULL ? fragment.why : "record is cut short",
                          fragment.cut_short);
        }
        if (fragment.type == LOG_FULL || fragment.type == LOG_FIRST) {
            if (reader->record.length > 0) {
                return damage(reader, item, "a record begins within another", false);
            }
            /* The empty first fragment before it was filler (log_writer.c). */
            fragments = 1;
            status = begin_record(reader, item, fragment.data, error);
            if (status == STATUS_OK && fragment.type == LOG_FULL) {
                return finish(reader, item, buf_slice(&reader->record));
            }
            continue;
        }
        if (fragments == 2 && fragment.type == LOG_LAST &&
            is_mark(item->offset, reader->offset, buf_slice(&reader->record),
                    fragment.data)) {
            item->kind = LOG_MARK;
            item->end = reader->offset;
            item->sequence = decode_fixed64(fragment.data.data);
            return STATUS_OK;
        }
        if (buf_append_slice(&reader->record, fragment.data) != STATUS_OK) {
            status = error_no_memory(error, "a record of the log", fragment.data.length);
        } else if (fragment.type == LOG_LAST) {
            return finish(reader, item, buf_slice(&reader->record));
        }
    }
    reader->offset = item->offset; /* the next call tries again */
    return status;
}

enum status log_reader_next(struct log_reader *reader, struct log_item *item,
                            struct error *error) {
    struct fragment fragment = {0};
    enum status status = next_fragment(reader, &fragment, error);
    if (status != STATUS_OK) {
        return status;
    }
    *item = (struct log_item){0};
    item->offset = reader->offset;
    switch (fragment.type) {
    case LOG_ZERO:
        if (fragment.why != NULL) {
            return damage(reader, item, fragment.why, fragment.cut_short);
        }
        item->kind = LOG_END;
        item->end = item->offset;
        return STATUS_OK;
    case LOG_FULL:
        item->offset -= LOG_HEADER_BYTES + fragment.data.length;
        return finish(reader, item, fragment.data);
    case LOG_FIRST:
        return rest_of_record(reader, item, fragment.data, error);
    case LOG_MIDDLE:
    case LOG_LAST:
        item->offset -= LOG_HEADER_BYTES + fragment.data.length;
        return damage(reader, item, "a fragment continues no record", false);
    }
    return damage(reader, item, "unknown fragment type", false);
}

enum status log_reader_skip(struct log_reader *reader, uint64_t offset,
                            struct error *error) {
    struct fragment fragment = {0};
    reader->offset = offset + log_block_room(offset);
    for (;;) {
        uint64_t at = reader->offset;
        enum status status = next_fragment(reader, &fragment, error);
        if (status != STATUS_OK) {
            return status;
        }
        if (fragment.type == LOG_ZERO || fragment.type == LOG_FULL ||
            fragment.type == LOG_FIRST) {
            reader->offset = fragment.type == LOG_ZERO ? reader->offset : at;
            return STATUS_OK;
        }
    }
}

/* The sequence of the mark at `at`, which begins as one does; 0 if it is none. */
static uint64_t mark_sequence(const unsigned char *at, uint64_t offset) {
    const unsigned char *last = at + LOG_HEADER_BYTES;
    const unsigned char *data = last + LOG_HEADER_BYTES;
    bool whole =
        last[6] == LOG_LAST && log_header_length(last) == LOG_MARK_DATA_BYTES &&
        decode_fixed32(last) == log_checksum(LOG_LAST, data, LOG_MARK_DATA_BYTES);
    return whole && is_mark(offset, offset + LOG_MARK_BYTES, slice_of(""),
                            slice_make(data, LOG_MARK_DATA_BYTES))
               ? decode_fixed64(data)
               : 0;
}

/* Looks through `count` bytes that stand at file offset `from`. */
static void find_marks(const unsigned char *bytes, size_t count, uint64_t from,
                       uint64_t *highest, uint64_t *offset) {
    const unsigned char *end = bytes + count;
    const unsigned char *at = bytes;
    while ((at = log_find_empty_first(at, (size_t)(end - at))) != NULL &&
           end - at >= LOG_MARK_BYTES) {
        uint64_t start = from + (uint64_t)(at - bytes);
        uint64_t sequence = mark_sequence(at, start);
        if (sequence > *highest) {
            *highest = sequence;
            *offset = start;
        }
        at++;
    }
}

enum status log_find_mark(struct file *file, uint64_t from, uint64_t limit,
                          uint64_t *sequence, uint64_t *offset, struct error *error) {
    enum { WINDOW_BYTES = 2 * LOG_BLOCK_BYTES };
    unsigned char *window = memory_take(WINDOW_BYTES);
    if (window == NULL) {
        return error_no_memory(error, "a window of the log", WINDOW_BYTES);
    }
    enum status status = STATUS_OK;
    uint64_t highest = 0;
    uint64_t where = 0;
    while (from < limit) {
        size_t want = limit - from < WINDOW_BYTES ? (size_t)(limit - from) : WINDOW_BYTES;
        size_t done = 0;
        status = file_read(file, from, window, want, &done, error);
        if (status != STATUS_OK || done < LOG_MARK_BYTES) {
            break;
        }
        find_marks(window, done, from, &highest, &where);
        if (done < WINDOW_BYTES) {
            break; /* the end of the file, or the limit */
        }
        from += done - (LOG_MARK_BYTES - 1); /* a mark may straddle two windows */
    }
    memory_give(window);
    if (status == STATUS_OK) {
        *sequence = highest;
        if (offset != NULL) {
            *offset = where;
        }
    }
    return status;
}
