/* Memory of the simulated disk: growing contents, and arrays. */
#include "disk_contents.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

void contents_reserve(struct contents *contents, size_t capacity) {
    if (contents->capacity > 0 && contents->capacity >= capacity) {
        return;
    }
    if (capacity < contents->size) {
        capacity = contents->size;
    }
    unsigned char *data = disk_take(capacity);
    if (contents->size > 0) {
        memcpy(data, contents->data, contents->size);
    }
    contents_free(contents);
    *contents = (struct contents){data, contents->size, capacity > 0 ? capacity : 1};
}

void contents_resize(struct contents *contents, size_t size) {
    if (size > contents->size) {
        if (size > contents->capacity) {
            contents_reserve(contents, size + contents->size / 2);
        }
        memset(contents->data + contents->size, 0, size - contents->size);
    }
    contents->size = size;
}

void contents_write(struct contents *contents, size_t offset, const void *bytes,
                    size_t count) {
    if (offset + count > contents->size) {
        contents_resize(contents, offset + count);
    }
    contents_reserve(contents, contents->size);
    memcpy(contents->data + offset, bytes, count);
}

struct contents contents_borrow(const struct contents *contents) {
    return (struct contents){contents->data, contents->size, 0};
}

void contents_free(struct contents *contents) {
    if (contents->capacity > 0) {
        free(contents->data);
    }
}
