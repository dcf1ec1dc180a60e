/* An open table: its index and its filter in memory, its data blocks read when they are
 * asked for, through the block cache. The files are LevelDB's (table_format.h), written
 * by table_writer.h or by LevelDB.
 *
 * A table never changes. Any number of threads use it together; what they share is read
 * only, but for the cache. Counted references: table_open hands out one, each iterator
 * holds one.
 *
 * What a file says is trusted once its checksum is right, and no further than memory
 * allows: a broken table is CORRUPT with file and offset, wherever it is met. */
#ifndef STRATA_TABLE_H
#define STRATA_TABLE_H

#include "block_cache.h"
#include "file.h"
#include "iter.h"
#include "lookup.h"
#include "properties.h"
#include "search_key.h"

struct table;

/* Reads all but the data blocks. The file becomes the table's when OK comes back.
 * `number` is the file's own among those of the cache, to which index and filter are
 * charged; the cache outlives the table. CORRUPT also where filter or properties are
 * damaged; a table without them is a table. IO, NO_MEMORY. */
MUST_CHECK enum status table_open(struct file *file, uint64_t number,
                                  struct block_cache *cache, struct table **table,
                                  struct error *error);
void table_ref(struct table *table);
void table_unref(struct table *table); /* the last one closes the file; NULL is allowed */

/* The newest version of the key that the reader may see, of those in this table: FOUND
 * replaces *value. Where the cache has what it needs it takes no memory but for *value.
 * A key's versions may continue in another table (LevelDB's do): ABSENT says nothing of
 * that. CORRUPT, IO, NO_MEMORY; STALLED for a key that does not wait. */
MUST_CHECK enum status table_get(struct table *table, const struct search_key *key,
                                 struct buf *value, enum lookup *answer,
                                 struct error *error);

/* Asks the processor for what a get of the key looks at first, and does not wait. */
void table_prefetch(const struct table *table, const struct search_key *key);

/* An iterator over all entries, in the order of internal keys; seeks take internal keys
 * too. The keys that it shows are internal keys, whatever stands in the file; their order
 * is the file's. It pins one block at a time. NO_MEMORY. */
MUST_CHECK enum status table_iter(struct table *table, struct iter **iter,
                                  struct error *error);

/* What the table says of itself; NULL: nothing. Lives as long as the table. */
const struct properties *table_properties(const struct table *table);

/* Bytes of memory that index and filter take. */
uint64_t table_memory(const struct table *table);

/* Reads every data block from the file and compares all with all: checksums, order,
 * index, filter, properties. Reports each fault as a line with file and offset; CORRUPT
 * if there was one, IO if a block could not be read, with the first as the message.
 * NO_MEMORY ends it at once. */
MUST_CHECK enum status table_verify(struct table *table, kv_report *report, void *context,
                                    struct error *error);

#endif
