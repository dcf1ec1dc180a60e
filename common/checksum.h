/* CRC-32C (Castagnoli, RFC 3720 appendix B.4), as LevelDB stores it. The work is ISA-L's,
 * which uses the processor's CRC instructions; checksum_portable() is a table-driven twin
 * that the tests hold against it. Any thread may call these. */
#ifndef STRATA_CHECKSUM_H
#define STRATA_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* CRC-32C of `count` bytes appended to data whose CRC-32C is `before` (0 for none). */
uint32_t checksum_extend(uint32_t before, const void *bytes, size_t count);
uint32_t checksum_portable(uint32_t before, const void *bytes, size_t count);

static inline uint32_t checksum(const void *bytes, size_t count) {
    return checksum_extend(0, bytes, count);
}

/* A checksum that is stored beside its data is masked: rotated right by 15 bits and a
 * constant added, since the CRC of bytes that contain their own CRC degenerates (leveldb
 * util/crc32c.h). */
static inline uint32_t checksum_mask(uint32_t crc) {
    return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

static inline uint32_t checksum_unmask(uint32_t masked) {
    uint32_t rotated = masked - 0xa282ead8u;
    return (rotated >> 17) | (rotated << 15);
}

#endif
