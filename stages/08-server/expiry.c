#include "expiry.h"

#include <string.h>

#include "coding.h"

static const unsigned char magic[EXPIRY_MAGIC_BYTES] = {0xfe, 'X', 'T', 'L'};

static bool begins_with_magic(struct slice bytes) {
    return bytes.length >= sizeof magic && memcmp(bytes.data, magic, sizeof magic) == 0;
}

struct expiry_value expiry_decode(struct slice stored) {
    if (stored.length < EXPIRY_HEADER_BYTES || !begins_with_magic(stored)) {
        return (struct expiry_value){stored, EXPIRY_NEVER};
    }
    return (struct expiry_value){slice_make(stored.data + EXPIRY_HEADER_BYTES,
                                            stored.length - EXPIRY_HEADER_BYTES),
                                 decode_fixed64(stored.data + EXPIRY_MAGIC_BYTES)};
}

size_t expiry_header(unsigned char header[EXPIRY_HEADER_BYTES], struct slice payload,
                     uint64_t expires_at_millis) {
    if (expires_at_millis == EXPIRY_NEVER && !begins_with_magic(payload)) {
        return 0;
    }
    memcpy(header, magic, sizeof magic);
    encode_fixed64(header + EXPIRY_MAGIC_BYTES, expires_at_millis);
    return EXPIRY_HEADER_BYTES;
}

enum status expiry_encode(struct buf *stored, struct slice payload,
                          uint64_t expires_at_millis) {
    unsigned char header[EXPIRY_HEADER_BYTES];
    size_t bytes = expiry_header(header, payload, expires_at_millis);
    enum status status = buf_assign(stored, slice_make(header, bytes));
    return status == STATUS_OK ? buf_append(stored, payload.data, payload.length)
                               : status;
}

static bool is_over(struct slice value, uint64_t now_millis) {
    return expiry_is_over(expiry_decode(value).expires_at_millis, now_millis);
}

const struct value_filter_ops value_filter_expiry = {true, is_over};
