#include "buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include "memory.h"

enum { CAPACITY_LEAST = 64 };

enum status buf_reserve(struct buf *buf, size_t extra) {
    if (extra <= buf->capacity - buf->length) {
        return STATUS_OK;
    }
    if (extra > SIZE_MAX / 2 - buf->length) {
        return STATUS_NO_MEMORY;
    }
    size_t need = buf->length + extra;
    size_t capacity = buf->capacity < CAPACITY_LEAST ? CAPACITY_LEAST : buf->capacity;
    while (capacity < need) {
        capacity *= 2;
    }
    unsigned char *data = memory_resize(buf->data, capacity);
    if (data == NULL) {
        return STATUS_NO_MEMORY;
    }
    buf->data = data;
    buf->capacity = capacity;
    return STATUS_OK;
}

enum status buf_append(struct buf *buf, const void *bytes, size_t count) {
    enum status status = buf_reserve(buf, count);
    if (status == STATUS_OK && count > 0) {
        memcpy(buf->data + buf->length, bytes, count);
        buf->length += count;
    }
    return status;
}

enum status buf_append_slice(struct buf *buf, struct slice slice) {
    return buf_append(buf, slice.data, slice.length);
}

enum status buf_append_text(struct buf *buf, const char *text) {
    return buf_append(buf, text, strlen(text));
}

enum status buf_printf(struct buf *buf, const char *format, ...) {
    for (;;) {
        size_t room = buf->capacity - buf->length;
        va_list arguments;
        va_start(arguments, format);
        int length = vsnprintf(room == 0 ? NULL : (char *)buf->data + buf->length, room,
                               format, arguments);
        va_end(arguments);
        if (length < 0) {
            return STATUS_NO_MEMORY;
        }
        if ((size_t)length < room) {
            buf->length += (size_t)length;
            return STATUS_OK;
        }
        enum status status = buf_reserve(buf, (size_t)length + 1);
        if (status != STATUS_OK) {
            return status;
        }
    }
}

enum status buf_assign(struct buf *buf, struct slice slice) {
    if (slice.length > buf->capacity) {
        enum status status = buf_reserve(buf, slice.length - buf->length);
        if (status != STATUS_OK) {
            return status;
        }
    }
    if (slice.length > 0) {
        memmove(buf->data, slice.data, slice.length);
    }
    buf->length = slice.length;
    return STATUS_OK;
}

void buf_free(struct buf *buf) {
    memory_give(buf->data);
    *buf = (struct buf){0};
}
