#include "replies.h"

#include <stdlib.h>

enum { CRLF_BYTES = 2 };

static enum reply_kind take_value(struct replies *replies, struct slice *bytes) {
    size_t part = bytes->length < replies->skip ? bytes->length : replies->skip;
    slice_advance(bytes, part);
    replies->skip -= part;
    if (replies->skip > 0) {
        return REPLY_NONE;
    }
    replies->in_value = false;
    return REPLY_GOOD;
}

/* Keeps what the bytes have of the line; true when they have its end. */
static bool take_line(struct replies *replies, struct slice *bytes) {
    const unsigned char *end = memchr(bytes->data, '\n', bytes->length);
    size_t whole = end == NULL ? bytes->length : (size_t)(end - bytes->data) + 1;
    size_t room = sizeof replies->line - 1 - replies->length;
    size_t kept = whole < room ? whole : room;
    memcpy(replies->line + replies->length, bytes->data, kept);
    replies->length += kept;
    slice_advance(bytes, whole);
    return end != NULL;
}

enum reply_kind replies_next(struct replies *replies, struct slice *bytes) {
    if (replies->in_value) {
        return take_value(replies, bytes);
    }
    if (bytes->length == 0 || !take_line(replies, bytes)) {
        return REPLY_NONE;
    }
    size_t length = replies->length;
    while (length > 0 &&
           (replies->line[length - 1] == '\r' || replies->line[length - 1] == '\n')) {
        length--;
    }
    replies->line[length] = '\0';
    replies->length = 0;
    switch (replies->line[0]) {
    case '+':
    case ':':
        return REPLY_GOOD;
    case '-':
        return REPLY_ERROR;
    case '$':
        break;
    default:
        return REPLY_STRANGE;
    }
    long count = strtol(replies->line + 1, NULL, 10);
    if (count < 0) {
        return REPLY_GOOD;
    }
    replies->in_value = true;
    replies->skip = (size_t)count + CRLF_BYTES;
    return take_value(replies, bytes);
}
