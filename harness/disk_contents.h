/* Memory of the simulated disk: arrays, and the contents of files. Out of memory ends the
 * program. */
#ifndef STRATA_DISK_CONTENTS_H
#define STRATA_DISK_CONTENTS_H

#include <stddef.h>

/* malloc and realloc that end the program when there is no memory. */
void *disk_take(size_t bytes);
void *disk_resize(void *block, size_t bytes);

/* Room for one item more than `count`. */
void *disk_grow(void *items, size_t count, size_t *capacity, size_t item_bytes);

/* Growing bytes; those between an old and a new end are zeros. With capacity 0 the bytes
 * are borrowed, and are copied before the first change. */
struct contents {
    unsigned char *data;
    size_t size;
    size_t capacity;
};

void contents_resize(struct contents *contents, size_t size);
void contents_write(struct contents *contents, size_t offset, const void *bytes,
                    size_t count);

/* Makes the bytes its own, with room for `capacity`. */
void contents_reserve(struct contents *contents, size_t capacity);
struct contents contents_borrow(const struct contents *contents);
void contents_free(struct contents *contents);

#endif
