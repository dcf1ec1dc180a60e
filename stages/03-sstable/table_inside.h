/* What table.c, table_iter.c, table_sweep.c, read_ahead.c and table_verify.c share of an
 * open table; for nobody else. */
#ifndef STRATA_TABLE_INSIDE_H
#define STRATA_TABLE_INSIDE_H

#include "block.h"
#include "filter.h"
#include "index_words.h"
#include "table.h"
#include "table_format.h"

struct table {
    struct atomic_u64 references;
    uint64_t number; /* the cache's name for its file */
    struct file *file;
    uint64_t file_bytes;
    struct block_cache *cache;
    uint64_t charged; /* to the cache */

    unsigned char *index_data;
    struct block index;
    struct index_words words; /* of it, for lookups */
    uint64_t index_offset;    /* in the file */

    unsigned char *filter_data; /* NULL: none */
    struct filter filter;       /* in there, aligned */
    unsigned char *leveldb_data;
    struct slice leveldb_filter;

    struct properties properties;
    uint64_t properties_offset;
    bool has_properties;
};

/* Room for a block of the usual size. */
enum { TABLE_ROOM_BYTES = 8 * 1024 };

/* A data block while it is in use: pinned, or, where the cache does not want to keep it,
 * in `room`, or in memory of its own. It is not copied or moved. */
struct table_block {
    struct block block;       /* its data is NULL: there is none */
    uint64_t offset;          /* in the file */
    struct cached_block *pin; /* NULL: none */
    unsigned char *own;       /* NULL: none, or not its own */
    unsigned char room[TABLE_ROOM_BYTES];
};

/* Takes the handle out of an entry of the index. CORRUPT. */
MUST_CHECK enum status table_handle(const struct table *table, struct slice index_value,
                                    struct block_handle *handle, struct error *error);

/* Reads a block into memory that becomes the caller's (memory_give), and checks its
 * structure. CORRUPT, IO, NO_MEMORY. */
MUST_CHECK enum status table_load(const struct table *table, struct block_handle handle,
                                  unsigned char **data, size_t *bytes,
                                  struct block *block, struct error *error);

/* Before anything else. There is no block. */
void table_block_init(struct table_block *block);

/* The block at `handle`, if it is in the cache. There was none before. */
bool table_block_find(const struct table *table, struct block_handle handle,
                      struct table_block *block);

/* The block from the file, one that was not found: into the cache, if that wants it.
 * CORRUPT, IO, NO_MEMORY. */
MUST_CHECK enum status table_block_load(const struct table *table,
                                        struct block_handle handle,
                                        struct table_block *block, struct error *error);

/* There is none any more. */
void table_block_leave(const struct table *table, struct table_block *block);

/* "FILE: offset N: why", CORRUPT. */
enum status table_corrupt(const struct table *table, uint64_t offset, const char *why,
                          struct error *error);

/* Passes on the failure of an iterator over the block at that offset of the file. */
enum status table_block_failed(const struct table *table, uint64_t offset,
                               const struct error *failure, struct error *error);

#endif
