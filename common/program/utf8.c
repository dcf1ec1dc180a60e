#include "utf8.h"

static bool continues(unsigned char byte) {
    return (byte & 0xc0) == 0x80;
}

/* The table of RFC 3629, section 4: only the second byte has a narrowed range. */
size_t utf8_character(struct slice bytes) {
    if (bytes.length == 0) {
        return 0;
    }
    unsigned char first = bytes.data[0];
    if (first < 0x80) {
        return 1;
    }
    size_t length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (first < 0xc2 || first > 0xf4 || bytes.length < length) {
        return 0;
    }
    unsigned char low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    unsigned char high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (bytes.data[1] < low || bytes.data[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < length; i++) {
        if (!continues(bytes.data[i])) {
            return 0;
        }
    }
    return length;
}

bool utf8_valid(struct slice bytes) {
    while (bytes.length > 0) {
        size_t length = utf8_character(bytes);
        if (length == 0) {
            return false;
        }
        slice_advance(&bytes, length);
    }
    return true;
}
