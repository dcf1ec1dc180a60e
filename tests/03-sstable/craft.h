/* A table put together by hand, block by block: its checksums are right, its contents are
 * what a test likes. */
#ifndef STRATA_TESTS_CRAFT_H
#define STRATA_TESTS_CRAFT_H

#include "block_builder.h"
#include "disk.h"
#include "properties.h"
#include "table_format.h"

struct craft {
    struct buf file;
    struct buf scratch;
    struct buf key;
    struct block_builder data;
    struct block_builder index;
    struct block_builder metaindex;
};

void craft_begin(struct craft *craft);

/* Stores a block; its handle. */
struct block_handle craft_store(struct craft *craft, struct slice contents);

/* Adds an entry that leads to a block. */
void craft_handle(struct block_builder *to, struct slice key, struct block_handle handle);

/* An internal key, until the next one. */
struct slice craft_key(struct craft *craft, const char *user, uint64_t tag);

/* Adds a put to the data block in the making. */
void craft_put(struct craft *craft, const char *user, uint64_t sequence);

/* Ends the data block, which the index then says to end at that key. */
void craft_block(struct craft *craft, const char *user, uint64_t sequence);

/* Stores a meta block and names it. */
void craft_meta(struct craft *craft, const char *name, struct slice contents);
void craft_properties(struct craft *craft, const struct properties *properties);
void craft_filter(struct craft *craft, const char *user); /* holds that key alone */

/* Writes the rest, puts the file on a disk as TABLE_PATH, and forgets it. */
struct disk *craft_end(struct craft *craft);

#endif
