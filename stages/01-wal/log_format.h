/* The log's bytes: LevelDB's log format (google/leveldb, doc/log_format.md) and the
 * durable mark that Strata adds within it.
 *
 *     log      := block*                     each 32,768 bytes, the last one shorter
 *     block    := fragment* trailer          trailer: fewer than 7 bytes, zeros
 *     fragment := checksum fixed32           CRC-32C of type and data, masked
 *                 length   fixed16
 *                 type     byte              1 full, 2 first, 3 middle, 4 last
 *                 data     byte[length]
 *
 * A record is one full fragment, or a first, any number of middle and a last one. Behind
 * the last record there may be zeros: space allocated ahead.
 *
 *     mark     := first fragment of length 0, last fragment of 12 bytes, in one block;
 *                 the 12 bytes are an empty change: sequence fixed64, count 0
 *
 * A mark with sequence D+1 says: every change up to sequence D is durable. LevelDB reads
 * it as a change that changes nothing, and never writes that shape: its writer leaves an
 * empty first fragment only at the very end of a block.
 *
 * A mark must be found by its bytes alone, at any offset, when what stands before it is
 * damaged. So no record's data may look like one: the writer never lets the seven bytes
 * of an empty first fragment stand together within a fragment's data; it begins a new
 * fragment in the middle of them (log_writer.c). */
#ifndef STRATA_LOG_FORMAT_H
#define STRATA_LOG_FORMAT_H

#include <stdint.h>

#include "checksum.h"
#include "coding.h"

enum {
    LOG_BLOCK_BYTES = 32768,
    LOG_HEADER_BYTES = 7,
    LOG_MARK_DATA_BYTES = 12,
    LOG_MARK_BYTES = 2 * LOG_HEADER_BYTES + LOG_MARK_DATA_BYTES
};

enum log_type { LOG_ZERO = 0, LOG_FULL = 1, LOG_FIRST = 2, LOG_MIDDLE = 3, LOG_LAST = 4 };

/* Bytes from `offset` to the end of its block: 1 to LOG_BLOCK_BYTES. */
static inline size_t log_block_room(uint64_t offset) {
    return LOG_BLOCK_BYTES - (size_t)(offset % LOG_BLOCK_BYTES);
}

static inline uint32_t log_checksum(enum log_type type, const unsigned char *data,
                                    size_t length) {
    unsigned char first = (unsigned char)type;
    return checksum_mask(checksum_extend(checksum(&first, 1), data, length));
}

/* Writes the header that belongs before data. */
static inline void log_header_encode(unsigned char to[LOG_HEADER_BYTES],
                                     enum log_type type, const unsigned char *data,
                                     size_t length) {
    encode_fixed32(to, log_checksum(type, data, length));
    to[4] = (unsigned char)(length & 0xff);
    to[5] = (unsigned char)(length >> 8);
    to[6] = (unsigned char)type;
}

static inline size_t log_header_length(const unsigned char header[LOG_HEADER_BYTES]) {
    return (size_t)header[4] | (size_t)header[5] << 8;
}

/* The seven bytes of a first fragment without data, by which a mark begins. */
extern const unsigned char log_empty_first[LOG_HEADER_BYTES];

/* Where they first stand in the data, or NULL. */
const unsigned char *log_find_empty_first(const unsigned char *data, size_t length);

#endif
