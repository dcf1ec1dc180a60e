#include "escape.h"

#include "utf8.h"

/* Bytes at the front that stand for themselves as one character; 0 if the first byte
 * needs an escape. */
static size_t plain_character(struct slice bytes) {
    unsigned char first = bytes.data[0];
    if (first < 0x20 || first == '\\' || first == 0x7f) {
        return 0;
    }
    size_t length = utf8_character(bytes);
    bool c1_control = length == 2 && first == 0xc2 && bytes.data[1] < 0xa0;
    return c1_control ? 0 : length;
}

static size_t plain_run(struct slice bytes) {
    size_t length = 0;
    while (length < bytes.length) {
        struct slice rest = slice_make(bytes.data + length, bytes.length - length);
        size_t character = plain_character(rest);
        if (character == 0) {
            break;
        }
        length += character;
    }
    return length;
}

static enum status print_escape(unsigned char byte, struct buf *out) {
    switch (byte) {
    case '\t':
        return buf_append_text(out, "\\t");
    case '\n':
        return buf_append_text(out, "\\n");
    case '\r':
        return buf_append_text(out, "\\r");
    case '\\':
        return buf_append_text(out, "\\\\");
    default:
        return buf_printf(out, "\\x%02x", byte);
    }
}

enum status escape_print(struct slice bytes, struct buf *out) {
    while (bytes.length > 0) {
        size_t plain = plain_run(bytes);
        enum status status = buf_append(out, bytes.data, plain);
        slice_advance(&bytes, plain);
        if (status == STATUS_OK && bytes.length > 0) {
            status = print_escape(bytes.data[0], out);
            slice_advance(&bytes, 1);
        }
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

static int digit_value(unsigned char digit) {
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    unsigned char lower = digit | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Takes one escape, whose backslash is at the front, off *text; false if it is none. */
static bool take_escape(struct slice *text, unsigned char *byte) {
    if (text->length < 2) {
        return false;
    }
    unsigned char letter = text->data[1];
    slice_advance(text, 2);
    switch (letter) {
    case 't':
        *byte = '\t';
        return true;
    case 'n':
        *byte = '\n';
        return true;
    case 'r':
        *byte = '\r';
        return true;
    case '\\':
        *byte = '\\';
        return true;
    case 'x':
        break;
    default:
        return false;
    }
    int high = text->length < 2 ? -1 : digit_value(text->data[0]);
    int low = text->length < 2 ? -1 : digit_value(text->data[1]);
    if (high < 0 || low < 0) {
        return false;
    }
    *byte = (unsigned char)(high * 16 + low);
    slice_advance(text, 2);
    return true;
}

enum status escape_parse(struct slice text, struct buf *out, struct error *error) {
    const unsigned char *start = text.data;
    while (text.length > 0) {
        const unsigned char *backslash = memchr(text.data, '\\', text.length);
        size_t plain = backslash == NULL ? text.length : (size_t)(backslash - text.data);
        enum status status = buf_append(out, text.data, plain);
        slice_advance(&text, plain);
        if (status == STATUS_OK && text.length > 0) {
            size_t position = (size_t)(text.data - start) + 1;
            unsigned char byte = 0;
            if (!take_escape(&text, &byte)) {
                return error_set(error, STATUS_INVALID,
                                 "column %zu: after a backslash must stand t, n, r, "
                                 "another backslash, or x and two hexadecimal digits",
                                 position);
            }
            status = buf_append(out, &byte, 1);
        }
        if (status != STATUS_OK) {
            return error_no_memory(error, "escaped text", text.length);
        }
    }
    return STATUS_OK;
}
