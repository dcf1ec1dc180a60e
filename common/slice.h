/* A borrowed run of bytes. It owns nothing; whoever hands one out says when it dies.
 * `data == NULL` means "absent" where a header allows absence (an iterator's bounds); an
 * empty slice that is present has length 0 and data != NULL (slice_of("")). */
#ifndef STRATA_SLICE_H
#define STRATA_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
    const unsigned char *data;
    size_t length; /* bytes */
};

static inline struct slice slice_make(const void *data, size_t length) {
    return (struct slice){(const unsigned char *)data, length};
}

/* The bytes of a C string without its terminator. */
static inline struct slice slice_of(const char *text) {
    return slice_make(text, strlen(text));
}

static inline bool slice_present(struct slice slice) {
    return slice.data != NULL;
}

/* Bytewise order, a prefix before what it begins (leveldb.BytewiseComparator): <0, 0, >0.
 */
static inline int slice_compare(struct slice a, struct slice b) {
    size_t shared = a.length < b.length ? a.length : b.length;
    int order = shared == 0 ? 0 : memcmp(a.data, b.data, shared);
    if (order != 0) {
        return order;
    }
    return (a.length > b.length) - (a.length < b.length);
}

static inline bool slice_equal(struct slice a, struct slice b) {
    return a.length == b.length &&
           (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

static inline bool slice_starts_with(struct slice slice, struct slice prefix) {
    return slice.length >= prefix.length &&
           (prefix.length == 0 || memcmp(slice.data, prefix.data, prefix.length) == 0);
}

/* Drops the first `count` bytes; count must not exceed the length. */
static inline void slice_advance(struct slice *slice, size_t count) {
    slice->data += count;
    slice->length -= count;
}

#endif
