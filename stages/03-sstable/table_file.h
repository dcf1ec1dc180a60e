/* One table of the database, as all versions that list it share it: what is known of it,
 * and the table itself while the table cache has it open.
 *
 * Counted references: table_file_open hands out one; every version, and every edit, holds
 * one for each table that it names. Any thread may take and drop references. Whether the
 * file on the disk goes when the last reference does is its owner's business. */
#ifndef STRATA_TABLE_FILE_H
#define STRATA_TABLE_FILE_H

#include "atomic.h"
#include "table_meta.h"

struct open_table;
struct table_cache;

struct table_file {
    struct table_meta meta; /* as it was opened; never changes */

    /* the table cache's; all addresses are NULL while it does not have the table open */
    struct atomic_pointer table;
    struct atomic_u64 used;      /* since the hand last came by; 0 or 1 */
    struct open_table *opened;   /* guarded by the cache's lock */
    struct atomic_pointer cache; /* that has it open; NULL: none has */

    struct atomic_pointer kept; /* the table, once table_cache_keep was called */

    struct atomic_u64 references;
};

/* Copies *meta. NULL when there is no memory. */
struct table_file *table_file_open(const struct table_meta *meta);
void table_file_ref(struct table_file *file);
/* The last one has the table cache forget the file, and frees it. NULL is allowed. */
void table_file_unref(struct table_file *file);

#endif
