/* Memory of the simulated disk: growing contents, and arrays. */
#include "disk_contents.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <isa-l.h>
#include <xxhash.h>

static void *present(void *block) {
    if (block == NULL) {
        fputs("simulated disk: out of memory\n", stderr);
        abort();
    }
    return block;
}

void *disk_take(size_t bytes) {
    return present(malloc(bytes > 0 ? bytes : 1));
}

void *disk_resize(void *block, size_t bytes) {
    return present(realloc(block, bytes > 0 ? bytes : 1));
}

void *disk_grow(void *items, size_t count, size_t *capacity, size_t item_bytes) {
    if (count < *capacity) {
        return items;
    }
    *capacity = count + count / 2 + 8;
    return disk_resize(items, *capacity * item_bytes);
}

/* Makes the bytes its own, with room for `capacity` of them. */
static void reserve(struct contents *contents, size_t capacity) {
    if (contents->capacity > 0 && contents->capacity >= capacity) {
        return;
    }
    struct contents own = contents_copy(contents, capacity);
    contents_free(contents);
    *contents = own;
}

void contents_resize(struct contents *contents, size_t size) {
    contents->stored = contents->stored < size ? contents->stored : size;
    contents->size = size;
}

void contents_write(struct contents *contents, size_t offset, const void *bytes,
                    size_t count) {
    size_t end = offset + count;
    contents->size = end > contents->size ? end : contents->size;
    if (count == 0) {
        return;
    }
    bool grows = end > contents->capacity && contents->capacity > 0;
    reserve(contents, grows ? end + contents->stored / 2 : end);
    if (offset > contents->stored) {
        memset(contents->data + contents->stored, 0, offset - contents->stored);
    }
    memcpy(contents->data + offset, bytes, count);
    contents->stored = end > contents->stored ? end : contents->stored;
}

void contents_zero(struct contents *contents, size_t first, size_t behind) {
    contents->size = behind > contents->size ? behind : contents->size;
    if (behind < contents->stored) {
        reserve(contents, 0);
        memset(contents->data + first, 0, behind - first);
    } else if (first < contents->stored) {
        contents->stored = first;
    }
}

/* How many of the `count` bytes from `offset` on are stored. */
static size_t stored_of(const struct contents *contents, size_t offset, size_t count) {
    size_t stored = contents->stored > offset ? contents->stored - offset : 0;
    return stored < count ? stored : count;
}

void contents_read(const struct contents *contents, size_t offset, void *bytes,
                   size_t count) {
    size_t stored = stored_of(contents, offset, count);
    if (stored > 0) {
        memcpy(bytes, contents->data + offset, stored);
    }
    if (count > stored) {
        memset((unsigned char *)bytes + stored, 0, count - stored);
    }
}

bool contents_equal(const struct contents *contents, size_t offset, const void *bytes,
                    size_t count) {
    static const unsigned char zeros[4096];
    const unsigned char *at = bytes;
    size_t stored = stored_of(contents, offset, count);
    if (stored > 0 && memcmp(at, contents->data + offset, stored) != 0) {
        return false;
    }
    while (stored < count) {
        size_t next = count - stored < sizeof zeros ? count - stored : sizeof zeros;
        if (memcmp(at + stored, zeros, next) != 0) {
            return false;
        }
        stored += next;
    }
    return true;
}

void contents_store(struct contents *contents) {
    if (contents->stored < contents->size) {
        reserve(contents, contents->size);
        memset(contents->data + contents->stored, 0, contents->size - contents->stored);
        contents->stored = contents->size;
    }
}

/* Zeros at the end may be stored or not. A CRC of 64 bits, since ISA-L computes one of
 * 64 KiB in a microsecond, and most images are looked at for nothing else; it is mixed
 * with the size, so that those of several files can be added. */
uint64_t contents_hash(const struct contents *contents, uint64_t seed) {
    size_t stored = contents->stored;
    while (stored > 0 && contents->data[stored - 1] == 0) {
        stored--;
    }
    uint64_t crc = stored > 0 ? crc64_ecma_refl(0, contents->data, stored) : 0;
    uint64_t parts[2] = {crc, contents->size};
    return XXH3_64bits_withSeed(parts, sizeof parts, seed);
}

struct contents contents_borrow(const struct contents *contents) {
    return (struct contents){contents->data, contents->stored, contents->size, 0};
}

struct contents contents_copy(const struct contents *contents, size_t capacity) {
    capacity = capacity > contents->stored ? capacity : contents->stored;
    struct contents own = {NULL, contents->stored, contents->size, capacity};
    if (capacity > 0) {
        own.data = disk_take(capacity);
    }
    if (contents->stored > 0) {
        memcpy(own.data, contents->data, contents->stored);
    }
    return own;
}

void contents_free(struct contents *contents) {
    if (contents->capacity > 0) {
        free(contents->data);
    }
}
