/* The ways in which a block is made smaller on its way to the disk. The number of each is
 * the type byte behind a block, and so part of the format: 0, 1 and 2 are LevelDB's
 * (google/leveldb, include/leveldb/options.h), 4 is Strata's own, which LevelDB refuses.
 *
 *     snappy   Snappy's own format: the length unpacked, varint32, then the data
 *     zstd     one Zstandard frame that says its length unpacked (RFC 8878), level 1
 *     lz4      the length unpacked, varint32, then one LZ4 block
 *
 * Packed bytes come from a disk: whatever they hold, reading stays inside of them and
 * writing inside of what the caller gave. Any thread may call these.
 *
 * Snappy, to pack, and Zstandard take memory of their own, which does not pass through
 * memory.h. Where that fails, Zstandard's says so (NO_MEMORY) and Snappy's ends the
 * process (it is C++, and throws). Unpacking Snappy, and LZ4 both ways, take none. */
#ifndef STRATA_COMPRESSION_H
#define STRATA_COMPRESSION_H

#include "buf.h"
#include "slice.h"
#include "status.h"

enum compression {
    COMPRESSION_NONE = 0,
    COMPRESSION_SNAPPY = 1,
    COMPRESSION_ZSTD = 2,
    COMPRESSION_LZ4 = 4
};

/* Whether a type byte is one of the above. */
bool compression_known(unsigned type);

/* "none", "snappy", "zstd", "lz4" */
const char *compression_name(enum compression compression);

/* Replaces the contents of *packed. At most BLOCK_BYTES_MAX (block.h) of raw bytes.
 * NO_MEMORY. */
MUST_CHECK enum status compression_pack(enum compression compression, struct slice raw,
                                        struct buf *packed);

/* How long it says to be when unpacked, at most BLOCK_BYTES_MAX. CORRUPT, with *why, for
 * an unknown type and where the length cannot be read or is too long. */
MUST_CHECK enum status compression_unpacked_bytes(unsigned type, struct slice packed,
                                                  size_t *bytes, const char **why);

/* Unpacks into `to`. CORRUPT, with *why, unless exactly `bytes` bytes come out; then
 * anything may stand in them. NO_MEMORY. */
MUST_CHECK enum status compression_unpack(unsigned type, struct slice packed,
                                          unsigned char *to, size_t bytes,
                                          const char **why);

#endif
