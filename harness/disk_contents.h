/* Memory of the simulated disk: arrays, and the contents of files. Out of memory ends the
 * program. */
#ifndef STRATA_DISK_CONTENTS_H
#define STRATA_DISK_CONTENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* malloc and realloc that end the program when there is no memory. */
void *disk_take(size_t bytes);
void *disk_resize(void *block, size_t bytes);

/* Room for one item more than `count`. */
void *disk_grow(void *items, size_t count, size_t *capacity, size_t item_bytes);

/* Growing bytes; those between an old and a new end are zeros. Logs are allocated ahead,
 * so most bytes of most files are zeros at their end: only the first `stored` bytes stand
 * in memory, those behind them, up to `size`, are zeros. With capacity 0 the bytes are
 * borrowed, and are copied before the first change. */
struct contents {
    unsigned char *data;
    size_t stored;
    size_t size;
    size_t capacity;
};

void contents_resize(struct contents *contents, size_t size);
void contents_write(struct contents *contents, size_t offset, const void *bytes,
                    size_t count);

/* Zeros in [first, behind), which may lie behind the end. */
void contents_zero(struct contents *contents, size_t first, size_t behind);

/* Copies out `count` bytes from `offset` on; behind the end there are zeros. */
void contents_read(const struct contents *contents, size_t offset, void *bytes,
                   size_t count);

/* Whether a read would give these bytes. */
bool contents_equal(const struct contents *contents, size_t offset, const void *bytes,
                    size_t count);

/* Stores all bytes up to `size`: for whoever wants to look at data[0, size). */
void contents_store(struct contents *contents);

/* The same for all that hold the same bytes, however they are stored. */
uint64_t contents_hash(const struct contents *contents, uint64_t seed);

struct contents contents_borrow(const struct contents *contents);

/* Bytes of its own, with room for `capacity` of them. */
struct contents contents_copy(const struct contents *contents, size_t capacity);
void contents_free(struct contents *contents);

#endif
