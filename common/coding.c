#include "coding.h"

size_t varint_bytes(uint64_t value) {
    size_t bytes = 1;
    while (value >= 0x80) {
        value >>= 7;
        bytes++;
    }
    return bytes;
}

unsigned char *encode_varint(unsigned char *to, uint64_t value) {
    while (value >= 0x80) {
        *to++ = (unsigned char)(value | 0x80);
        value >>= 7;
    }
    *to++ = (unsigned char)value;
    return to;
}

bool take_fixed32(struct slice *from, uint32_t *value) {
    if (from->length < 4) {
        return false;
    }
    *value = decode_fixed32(from->data);
    slice_advance(from, 4);
    return true;
}

bool take_fixed64(struct slice *from, uint64_t *value) {
    if (from->length < 8) {
        return false;
    }
    *value = decode_fixed64(from->data);
    slice_advance(from, 8);
    return true;
}

/* A varint of a `bits`-bit number: each byte carries seven bits, so the last that may
 * come carries only what is left of the width; more is refused rather than dropped. A
 * number written with needless zero groups is taken as long as it is within the width. */
static bool take_varint(struct slice *from, unsigned bits, uint64_t *value) {
    uint64_t result = 0;
    size_t at = 0;
    for (unsigned shift = 0; shift < bits && at < from->length; shift += 7) {
        uint64_t group = from->data[at] & 0x7fu;
        bool last = (from->data[at] & 0x80u) == 0;
        at++;
        if (bits - shift < 7 && group >> (bits - shift) != 0) {
            return false;
        }
        result |= group << shift;
        if (last) {
            *value = result;
            slice_advance(from, at);
            return true;
        }
    }
    return false;
}

bool take_varint32(struct slice *from, uint32_t *value) {
    uint64_t wide;
    if (!take_varint(from, 32, &wide)) {
        return false;
    }
    *value = (uint32_t)wide;
    return true;
}

bool take_varint64(struct slice *from, uint64_t *value) {
    return take_varint(from, 64, value);
}

bool take_prefixed(struct slice *from, struct slice *value) {
    struct slice rest = *from;
    uint32_t length;
    if (!take_varint32(&rest, &length) || length > rest.length) {
        return false;
    }
    *value = slice_make(rest.data, length);
    slice_advance(&rest, length);
    *from = rest;
    return true;
}

unsigned char *encode_prefixed(unsigned char *to, struct slice value) {
    to = encode_varint(to, value.length);
    if (value.length > 0) {
        memcpy(to, value.data, value.length);
    }
    return to + value.length;
}
