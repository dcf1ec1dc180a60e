/* Makes a table file, of the contents of a memtable or of other entries. */
#ifndef STRATA_FLUSH_H
#define STRATA_FLUSH_H

#include "directory.h"
#include "memtable.h"
#include "table_file.h"
#include "table_writer.h"

/* Writes and syncs the table under a temporary name: it is no part of the database until
 * a catalog has named it. The memtable takes no more changes, holds at least one, and
 * stands for those after `behind` up to `last`. On an error there is no such file, or a
 * temporary one, which the next open removes. */
MUST_CHECK enum status flush_memtable(struct directory *directory,
                                      const struct kv_options *options,
                                      struct memtable *memtable, uint64_t behind,
                                      uint64_t last, struct table_file **file,
                                      struct error *error);

/* Gives the writer at least one entry. */
typedef enum status flush_fill(void *context, struct table_writer *writer,
                               struct error *error);

/* The same for the entries that `fill` gives. With `last` 0 the table stands for what is
 * in it: for a table that is made of others. */
MUST_CHECK enum status flush_table(struct directory *directory,
                                   const struct kv_options *options, flush_fill *fill,
                                   void *context, uint64_t behind, uint64_t last,
                                   struct table_file **file, struct error *error);

/* Removes the table again, of that number, while its name is temporary: as far as it can,
 * and what is left the next open removes. */
void flush_take_back(const struct directory *directory, uint64_t number);

/* The settings that concern tables. */
struct table_options flush_table_options(const struct kv_options *options);

#endif
