/* Open tables, no more than so many at once: what a reader of a version asks for the
 * table of a file.
 *
 * Where the table is open, a get takes no lock and writes nothing, but for one mark per
 * table and round of the hand. Otherwise the table is opened, and CLOCK (block_cache.h)
 * chooses one that is closed for it, as soon as nobody reads it. Beyond the limit there
 * are those that somebody is still reading, or has pinned, or is just opening.
 *
 * Threads: any number, all functions but open and close. */
#ifndef STRATA_TABLE_CACHE_H
#define STRATA_TABLE_CACHE_H

#include "block_cache.h"
#include "readers.h"
#include "table_file.h"
#include "world.h"

struct search_key;
struct table;
struct table_cache;

/* For the tables of the database in that directory. World, block cache and readers are
 * borrowed. max_open is at least 1. NO_MEMORY. */
MUST_CHECK enum status table_cache_open(const char *directory, const struct world *world,
                                        struct block_cache *blocks,
                                        struct readers *readers, size_t max_open,
                                        struct table_cache **cache, struct error *error);

/* Nobody reads. Tables that are pinned live on. NULL is allowed. */
void table_cache_close(struct table_cache *cache);

/* The table of the file, which the caller keeps alive. The caller is between
 * readers_enter and readers_leave: the table lives until it leaves. CORRUPT, a missing
 * file too; IO, NO_MEMORY. */
MUST_CHECK enum status table_cache_get(struct table_cache *cache, struct table_file *file,
                                       struct table **table, struct error *error);

/* The same if it is open; NULL: it is not. */
struct table *table_cache_find(struct table_file *file);

/* table_prefetch() for it, if it is open. */
void table_cache_prefetch(const struct table_file *file, const struct search_key *key);

/* The same as get with a reference that is the caller's (table_unref), who need not be a
 * reader. */
MUST_CHECK enum status table_cache_pin(struct table_cache *cache, struct table_file *file,
                                       struct table **table, struct error *error);

/* Whoever holds the file can read the table from now on, whatever becomes of it in the
 * directory: it stays open until the last reference goes, beyond the limit. One thread at
 * a time. As get. */
MUST_CHECK enum status table_cache_keep(struct table_cache *cache,
                                        struct table_file *file, struct error *error);

/* For table_file_unref: closes the table if it is open. Nobody gets or pins it any more;
 * whoever did may still be reading it: then it is closed by a later call that opens or
 * forgets a table. */
void table_cache_forget(struct table_cache *cache, struct table_file *file);

struct table_cache_stats {
    uint64_t open; /* at this moment */
    uint64_t opens;
};

void table_cache_stats(struct table_cache *cache, struct table_cache_stats *stats);

#endif
