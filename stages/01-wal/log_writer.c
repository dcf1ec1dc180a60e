/* The payload is built at the right end of the room that its fragments will take, so
 * framing is a walk from left to right that moves each fragment's data towards the front
 * and never overtakes what it still has to read:
 *
 *     before   [ mark | room for all headers | payload                         ]
 *     after    [ mark | header, data | header, data | … | header, data         ]
 *
 * A record that fits its block, the usual one, has a single header: nothing moves. */
#include "log_writer.h"

#include <string.h>

#include "log_format.h"

/* The bytes of data that come before a mark's beginning, if it has one: the seven bytes
 * together, or at its very end so many of the checksum's that the header of the next
 * record could complete them. Else the length. */
static size_t before_forged_mark(const unsigned char *data, size_t length, bool ends) {
    const unsigned char *forged = log_find_empty_first(data, length);
    if (forged != NULL) {
        return (size_t)(forged - data);
    }
    for (size_t part = LOG_HEADER_BYTES - 1; ends && part >= 4; part--) {
        if (length >= part && data[length - part] == log_empty_first[0] &&
            memcmp(data + length - part, log_empty_first, part) == 0) {
            return length - part;
        }
    }
    return length;
}

/* Cuts a fragment short in the middle of a mark's beginning (log_format.h). */
static size_t without_forged_mark(const unsigned char *data, size_t length, bool ends) {
    size_t before = before_forged_mark(data, length, ends);
    return before == length ? length : before + LOG_HEADER_BYTES / 2;
}

/* Lays the payload out as fragments from `offset` on and returns the bytes they take;
 * with to == NULL it only counts. `guard`: the payload holds bytes that a mark begins
 * with. */
static size_t frame(unsigned char *to, uint64_t offset, const unsigned char *payload,
                    size_t left, bool guard) {
    uint64_t start = offset;
    bool first = true;
    bool last = false;
    while (!last) {
        size_t room = log_block_room(offset);
        if (room < LOG_HEADER_BYTES) {
            if (to != NULL) {
                memset(to + (offset - start), 0, room);
            }
            offset += room;
            room = LOG_BLOCK_BYTES;
        }
        size_t piece = room - LOG_HEADER_BYTES < left ? room - LOG_HEADER_BYTES : left;
        if (guard) {
            piece = without_forged_mark(payload, piece, piece == left);
        }
        last = piece == left;
        if (to != NULL) {
            unsigned char *header = to + (offset - start);
            memmove(header + LOG_HEADER_BYTES, payload, piece);
            log_header_encode(header,
                              first  ? (last ? LOG_FULL : LOG_FIRST)
                              : last ? LOG_LAST
                                     : LOG_MIDDLE,
                              header + LOG_HEADER_BYTES, piece);
        }
        offset += LOG_HEADER_BYTES + piece;
        payload = payload == NULL ? NULL : payload + piece; /* when it only counts */
        left -= piece;
        first = false;
    }
    return (size_t)(offset - start);
}

/* A mark must lie within one block: where too little of it is left, empty first fragments
 * and the trailer fill it. Readers, LevelDB's too, pass over an empty first fragment that
 * another first follows (LevelDB once wrote such by mistake). */
static size_t mark_bytes(uint64_t offset) {
    size_t room = log_block_room(offset);
    return (room < LOG_MARK_BYTES ? room : 0) + LOG_MARK_BYTES;
}

static void mark_encode(unsigned char *to, uint64_t offset, uint64_t sequence) {
    size_t room = log_block_room(offset);
    if (room < LOG_MARK_BYTES) {
        for (; room >= LOG_HEADER_BYTES; room -= LOG_HEADER_BYTES) {
            memcpy(to, log_empty_first, LOG_HEADER_BYTES);
            to += LOG_HEADER_BYTES;
        }
        memset(to, 0, room);
        to += room;
    }
    memcpy(to, log_empty_first, LOG_HEADER_BYTES);
    unsigned char *data = to + 2 * LOG_HEADER_BYTES;
    encode_fixed64(data, sequence);
    encode_fixed32(data + 8, 0);
    log_header_encode(to + LOG_HEADER_BYTES, LOG_LAST, data, LOG_MARK_DATA_BYTES);
}

/* Where the payload is built. */
static unsigned char *place(const struct log_writer *writer) {
    return writer->space + writer->mark_bytes +
           (writer->framed_bytes - writer->payload_bytes);
}

enum status log_writer_begin(struct log_writer *writer, size_t payload_bytes,
                             uint64_t mark_sequence, unsigned char **payload,
                             struct error *error) {
    uint64_t offset = append_end(writer->append);
    writer->mark_sequence = mark_sequence;
    writer->mark_bytes = mark_sequence == 0 ? 0 : mark_bytes(offset);
    writer->payload_bytes = payload_bytes;
    writer->framed_bytes =
        frame(NULL, offset + writer->mark_bytes, NULL, payload_bytes, false);
    enum status status = append_reserve(
        writer->append, writer->mark_bytes + writer->framed_bytes, &writer->space, error);
    if (status == STATUS_OK) {
        *payload = writer->payload = place(writer);
    }
    return status;
}

/* Makes the extra room that the payload needs when it holds a mark's beginning. */
static enum status widen(struct log_writer *writer, struct error *error) {
    uint64_t offset = append_end(writer->append) + writer->mark_bytes;
    size_t lead = writer->framed_bytes - writer->payload_bytes;
    size_t framed = frame(NULL, offset, writer->payload, writer->payload_bytes, true);
    enum status status = append_reserve(writer->append, writer->mark_bytes + framed,
                                        &writer->space, error);
    if (status == STATUS_OK) {
        writer->framed_bytes = framed;
        writer->payload = place(writer);
        memmove(writer->payload, writer->space + writer->mark_bytes + lead,
                writer->payload_bytes);
    }
    return status;
}

enum status log_writer_end(struct log_writer *writer, bool *begun, struct error *error) {
    bool guard = before_forged_mark(writer->payload, writer->payload_bytes, true) !=
                 writer->payload_bytes;
    *begun = false;
    if (guard) {
        enum status status = widen(writer, error);
        if (status != STATUS_OK) {
            return status;
        }
    }
    uint64_t offset = append_end(writer->append);
    if (writer->mark_sequence != 0) {
        mark_encode(writer->space, offset, writer->mark_sequence);
    }
    frame(writer->space + writer->mark_bytes, offset + writer->mark_bytes,
          writer->payload, writer->payload_bytes, guard);
    *begun = true;
    return append_commit(writer->append, writer->mark_bytes + writer->framed_bytes,
                         error);
}

enum status log_writer_mark(struct log_writer *writer, uint64_t sequence,
                            struct error *error) {
    uint64_t offset = append_end(writer->append);
    size_t bytes = mark_bytes(offset);
    unsigned char *space;
    enum status status = append_reserve(writer->append, bytes, &space, error);
    if (status != STATUS_OK) {
        return status;
    }
    mark_encode(space, offset, sequence);
    return append_commit(writer->append, bytes, error);
}
