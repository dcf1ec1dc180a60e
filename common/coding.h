/* Integers as LevelDB lays them on disk: fixed-width little-endian, and varints of seven
 * bits per byte, lowest first, the top bit set on all bytes but the last (google/leveldb,
 * util/coding.h and doc/). `encode_*` write at a place the caller knows to be large
 * enough; `decode_*` on a slice check every length, because the bytes come from a disk.
 */
#ifndef STRATA_CODING_H
#define STRATA_CODING_H

#include <stdint.h>

#include "slice.h"

enum { VARINT32_BYTES_MAX = 5, VARINT64_BYTES_MAX = 10 };

/* Inline, since every key that is compared has one of these: compilers make one store or
 * load of it where the machine has that byte order. */
static inline void encode_fixed32(unsigned char *to, uint32_t value) {
    for (int i = 0; i < 4; i++) {
        to[i] = (unsigned char)(value >> (8 * i));
    }
}

static inline void encode_fixed64(unsigned char *to, uint64_t value) {
    encode_fixed32(to, (uint32_t)value);
    encode_fixed32(to + 4, (uint32_t)(value >> 32));
}

static inline uint32_t decode_fixed32(const unsigned char *from) {
    return (uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 |
           (uint32_t)from[3] << 24;
}

static inline uint64_t decode_fixed64(const unsigned char *from) {
    return (uint64_t)from[0] | (uint64_t)from[1] << 8 | (uint64_t)from[2] << 16 |
           (uint64_t)from[3] << 24 | (uint64_t)from[4] << 32 | (uint64_t)from[5] << 40 |
           (uint64_t)from[6] << 48 | (uint64_t)from[7] << 56;
}

/* Bytes that the varint takes, 1 to 10. */
size_t varint_bytes(uint64_t value);

/* Writes the varint and returns the byte after it. */
unsigned char *encode_varint(unsigned char *to, uint64_t value);

/* Take one value off the front of *from; false, and *from unchanged, if it is cut short
 * or a varint is longer than its width allows. */
bool take_fixed32(struct slice *from, uint32_t *value);
bool take_fixed64(struct slice *from, uint64_t *value);
bool take_varint32(struct slice *from, uint32_t *value);
bool take_varint64(struct slice *from, uint64_t *value);

/* A varint32 length, then that many bytes; the slice borrows from *from. */
bool take_prefixed(struct slice *from, struct slice *value);

/* The same, written: returns the byte after the value. */
unsigned char *encode_prefixed(unsigned char *to, struct slice value);

#endif
