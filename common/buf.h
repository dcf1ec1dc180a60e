/* A growing run of bytes that it owns, in the caller's storage: `struct buf buf = {0}` is
 * an empty one, buf_free() returns its memory and leaves it empty. Not for two threads at
 * once. Growth doubles, so n appended bytes cost O(n). Functions that grow answer
 * NO_MEMORY and then leave the contents as they were. */
#ifndef STRATA_BUF_H
#define STRATA_BUF_H

#include "slice.h"
#include "status.h"

struct buf {
    unsigned char *data;
    size_t length;   /* bytes in use */
    size_t capacity; /* bytes owned */
};

/* Makes room for `extra` bytes beyond length; contents and length stay. */
MUST_CHECK enum status buf_reserve(struct buf *buf, size_t extra);

MUST_CHECK enum status buf_append(struct buf *buf, const void *bytes, size_t count);
MUST_CHECK enum status buf_append_slice(struct buf *buf, struct slice slice);
MUST_CHECK enum status buf_append_text(struct buf *buf, const char *text);
MUST_CHECK enum status buf_printf(struct buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Replaces the contents. */
MUST_CHECK enum status buf_assign(struct buf *buf, struct slice slice);

/* Keeps the memory for the next use. */
static inline void buf_clear(struct buf *buf) {
    buf->length = 0;
}

/* Valid until the buf next grows or is freed; present (non-NULL) even when empty. */
static inline struct slice buf_slice(const struct buf *buf) {
    return slice_make(buf->data != NULL ? (const void *)buf->data : "", buf->length);
}

void buf_free(struct buf *buf);

#endif
