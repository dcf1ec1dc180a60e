#include "base64.h"

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

enum status base64_print(struct slice bytes, struct buf *out) {
    while (bytes.length > 0) {
        size_t taken = bytes.length < 3 ? bytes.length : 3;
        unsigned int bits = (unsigned int)bytes.data[0] << 16;
        bits |= taken > 1 ? (unsigned int)bytes.data[1] << 8 : 0;
        bits |= taken > 2 ? (unsigned int)bytes.data[2] : 0;
        char group[4] = {alphabet[bits >> 18], alphabet[bits >> 12 & 63],
                         taken > 1 ? alphabet[bits >> 6 & 63] : '=',
                         taken > 2 ? alphabet[bits & 63] : '='};
        enum status status = buf_append(out, group, sizeof group);
        if (status != STATUS_OK) {
            return status;
        }
        slice_advance(&bytes, taken);
    }
    return STATUS_OK;
}

/* 0 to 63, or -1. */
static int value_of(unsigned char letter) {
    if (letter == '\0') {
        return -1;
    }
    const char *found = strchr(alphabet, letter);
    return found == NULL ? -1 : (int)(found - alphabet);
}

/* Four characters, of which the last `padding` are '='. */
static bool parse_group(const unsigned char *text, size_t padding, unsigned char *bytes) {
    unsigned int bits = 0;
    for (size_t i = 0; i < 4; i++) {
        int value = i >= 4 - padding ? 0 : value_of(text[i]);
        if (value < 0) {
            return false;
        }
        bits = bits << 6 | (unsigned int)value;
    }
    bytes[0] = (unsigned char)(bits >> 16);
    bytes[1] = (unsigned char)(bits >> 8);
    bytes[2] = (unsigned char)bits;
    return padding == 0 || (padding == 1 && bytes[2] == 0) ||
           (padding == 2 && bytes[1] == 0 && bytes[2] == 0);
}

enum status base64_parse(struct slice text, struct buf *out) {
    if (text.length % 4 != 0) {
        return STATUS_INVALID;
    }
    for (; text.length > 0; slice_advance(&text, 4)) {
        size_t padding = 0;
        if (text.length == 4) {
            padding = text.data[3] != '=' ? 0 : text.data[2] != '=' ? 1 : 2;
        }
        unsigned char bytes[3];
        if (!parse_group(text.data, padding, bytes)) {
            return STATUS_INVALID;
        }
        enum status status = buf_append(out, bytes, 3 - padding);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}
