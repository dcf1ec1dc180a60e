#include "lines.h"

#include <errno.h>
#include <unistd.h>

#include "interrupt.h"

enum { READ_BYTES = 256 * 1024 };

void lines_init(struct lines *lines, int fd, const char *name) {
    *lines = (struct lines){.fd = fd, .name = name};
}

void lines_free(struct lines *lines) {
    buf_free(&lines->buf);
}

/* Moves what is left to the front and reads behind it. */
static enum status fill(struct lines *lines, struct error *error) {
    struct buf *buf = &lines->buf;
    size_t left = buf->length - lines->start;
    if (left > 0 && lines->start > 0) {
        memmove(buf->data, buf->data + lines->start, left);
    }
    buf->length = left;
    lines->start = 0;
    if (buf_reserve(buf, READ_BYTES) != STATUS_OK) {
        return error_no_memory(error, "a line of input", left);
    }
    interrupt_wait_readable(lines->fd);
    if (interrupt_seen()) {
        return STATUS_OK;
    }
    ssize_t got = read(lines->fd, buf->data + left, READ_BYTES);
    if (got < 0 && errno != EINTR) {
        return error_set(error, STATUS_IO, "%s: %s", lines->name, strerror(errno));
    }
    lines->ended = got == 0;
    buf->length += got > 0 ? (size_t)got : 0;
    return STATUS_OK;
}

static void hand_out(struct lines *lines, size_t length, size_t end_bytes,
                     struct slice *line) {
    *line = slice_make(lines->buf.data + lines->start, length);
    lines->start += length + end_bytes;
    lines->bytes += length + end_bytes;
    lines->number++;
}

enum status lines_next(struct lines *lines, struct slice *line, bool *more,
                       struct error *error) {
    size_t searched = 0;
    *more = false;
    for (;;) {
        size_t left = lines->buf.length - lines->start;
        unsigned char *from = left > 0 ? lines->buf.data + lines->start : NULL;
        unsigned char *end =
            left > searched ? memchr(from + searched, '\n', left - searched) : NULL;
        if (end != NULL || (lines->ended && left > 0)) {
            *more = true;
            hand_out(lines, end != NULL ? (size_t)(end - from) : left, end != NULL, line);
            return STATUS_OK;
        }
        if (lines->ended) {
            return STATUS_OK;
        }
        searched = left;
        enum status status = fill(lines, error);
        if (status != STATUS_OK || interrupt_seen()) {
            return status;
        }
    }
}
