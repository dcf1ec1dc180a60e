#include "compression.h"

#include <assert.h>

#include <lz4.h>
#include <snappy-c.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "block.h"
#include "coding.h"

enum { ZSTD_LEVEL = 1 }; /* LevelDB's */

static const char why_unknown[] = "the compression is of an unknown type";
static const char why_broken[] = "the compressed bytes are broken";

bool compression_known(unsigned type) {
    return type <= COMPRESSION_ZSTD || type == COMPRESSION_LZ4;
}

const char *compression_name(enum compression compression) {
    switch (compression) {
    case COMPRESSION_NONE:
        return "none";
    case COMPRESSION_SNAPPY:
        return "snappy";
    case COMPRESSION_ZSTD:
        return "zstd";
    case COMPRESSION_LZ4:
        return "lz4";
    }
    return "unknown";
}

/* ---- pack ------------------------------------------------------------------------ */

/* Bytes that the packed form may need at most. */
static size_t packed_bytes_max(enum compression compression, size_t raw_bytes) {
    switch (compression) {
    case COMPRESSION_SNAPPY:
        return snappy_max_compressed_length(raw_bytes);
    case COMPRESSION_ZSTD:
        return ZSTD_compressBound(raw_bytes);
    case COMPRESSION_LZ4:
        return VARINT32_BYTES_MAX + (size_t)LZ4_compressBound((int)raw_bytes);
    case COMPRESSION_NONE:
        break;
    }
    return raw_bytes;
}

/* Given as much room as these are, the libraries fail for want of memory alone. */
static enum status pack_zstd(struct slice raw, struct buf *packed) {
    size_t bytes =
        ZSTD_compress(packed->data, packed->capacity, raw.data, raw.length, ZSTD_LEVEL);
    if (ZSTD_isError(bytes)) {
        return STATUS_NO_MEMORY;
    }
    packed->length = bytes;
    return STATUS_OK;
}

static enum status pack_snappy(struct slice raw, struct buf *packed) {
    size_t bytes = packed->capacity;
    if (snappy_compress((const char *)raw.data, raw.length, (char *)packed->data,
                        &bytes) != SNAPPY_OK) {
        return STATUS_NO_MEMORY;
    }
    packed->length = bytes;
    return STATUS_OK;
}

static enum status pack_lz4(struct slice raw, struct buf *packed) {
    size_t head = (size_t)(encode_varint(packed->data, raw.length) - packed->data);
    int bytes = LZ4_compress_default((const char *)raw.data, (char *)packed->data + head,
                                     (int)raw.length, LZ4_compressBound((int)raw.length));
    if (bytes <= 0) {
        return STATUS_NO_MEMORY;
    }
    packed->length = head + (size_t)bytes;
    return STATUS_OK;
}

enum status compression_pack(enum compression compression, struct slice raw,
                             struct buf *packed) {
    assert(raw.length <= BLOCK_BYTES_MAX);
    buf_clear(packed);
    enum status status = buf_reserve(packed, packed_bytes_max(compression, raw.length));
    if (status != STATUS_OK) {
        return status;
    }
    switch (compression) {
    case COMPRESSION_SNAPPY:
        return pack_snappy(raw, packed);
    case COMPRESSION_ZSTD:
        return pack_zstd(raw, packed);
    case COMPRESSION_LZ4:
        return pack_lz4(raw, packed);
    case COMPRESSION_NONE:
        break;
    }
    return buf_append_slice(packed, raw);
}

/* ---- unpack ---------------------------------------------------------------------- */

static bool says_bytes(enum compression type, struct slice packed, uint64_t *bytes) {
    size_t snappy_bytes;
    uint32_t lz4_bytes;
    switch (type) {
    case COMPRESSION_SNAPPY:
        if (snappy_uncompressed_length((const char *)packed.data, packed.length,
                                       &snappy_bytes) != SNAPPY_OK) {
            return false;
        }
        *bytes = snappy_bytes;
        return true;
    case COMPRESSION_ZSTD:
        *bytes = ZSTD_getFrameContentSize(packed.data, packed.length);
        return *bytes != ZSTD_CONTENTSIZE_UNKNOWN && *bytes != ZSTD_CONTENTSIZE_ERROR;
    case COMPRESSION_LZ4:
        if (!take_varint32(&packed, &lz4_bytes)) {
            return false;
        }
        *bytes = lz4_bytes;
        return true;
    case COMPRESSION_NONE:
        break;
    }
    *bytes = packed.length;
    return true;
}

enum status compression_unpacked_bytes(unsigned type, struct slice packed, size_t *bytes,
                                       const char **why) {
    uint64_t says;
    if (!compression_known(type)) {
        *why = why_unknown;
        return STATUS_CORRUPT;
    }
    if (!says_bytes((enum compression)type, packed, &says)) {
        *why = why_broken;
        return STATUS_CORRUPT;
    }
    if (says > BLOCK_BYTES_MAX) {
        *why = "the block would be too large when unpacked";
        return STATUS_CORRUPT;
    }
    *bytes = (size_t)says;
    return STATUS_OK;
}

static bool unpack_none(struct slice packed, unsigned char *to, size_t bytes) {
    if (packed.length != bytes) {
        return false;
    }
    if (bytes > 0) {
        memcpy(to, packed.data, bytes);
    }
    return true;
}

/* Snappy writes as many bytes as the packed form says, whatever the room. */
static bool unpack_snappy(struct slice packed, unsigned char *to, size_t bytes) {
    size_t done = bytes;
    return snappy_uncompress((const char *)packed.data, packed.length, (char *)to,
                             &done) == SNAPPY_OK &&
           done == bytes;
}

static bool unpack_lz4(struct slice packed, unsigned char *to, size_t bytes) {
    uint32_t says;
    return take_varint32(&packed, &says) && says == bytes && bytes <= BLOCK_BYTES_MAX &&
           packed.length <= LZ4_COMPRESSBOUND(BLOCK_BYTES_MAX) &&
           LZ4_decompress_safe((const char *)packed.data, (char *)to, (int)packed.length,
                               (int)bytes) == (int)bytes;
}

enum status compression_unpack(unsigned type, struct slice packed, unsigned char *to,
                               size_t bytes, const char **why) {
    bool good = false;
    *why = why_broken;
    switch (type) {
    case COMPRESSION_NONE:
        good = unpack_none(packed, to, bytes);
        break;
    case COMPRESSION_SNAPPY:
        good = unpack_snappy(packed, to, bytes);
        break;
    case COMPRESSION_ZSTD: {
        size_t done = ZSTD_decompress(to, bytes, packed.data, packed.length);
        if (ZSTD_getErrorCode(done) == ZSTD_error_memory_allocation) {
            return STATUS_NO_MEMORY;
        }
        good = done == bytes; /* an error is a number beyond all sizes */
        break;
    }
    case COMPRESSION_LZ4:
        good = unpack_lz4(packed, to, bytes);
        break;
    default:
        *why = why_unknown;
        break;
    }
    return good ? STATUS_OK : STATUS_CORRUPT;
}
