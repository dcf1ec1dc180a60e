/* Writes a table: sorted entries, each an internal key with its value, in LevelDB's file
 * format (table_format.h), with a filter and properties of its own beside (filter.h,
 * properties.h). Memory goes with the index and the filter, and 64 KiB of blocks: tables
 * may be larger than memory.
 *
 * One thread uses a writer. After a failure it may only be closed, and the file is worth
 * nothing. */
#ifndef STRATA_TABLE_WRITER_H
#define STRATA_TABLE_WRITER_H

#include "compression.h"
#include "file.h"
#include "table_meta.h"

struct table_writer;

struct table_options {
    size_t block_bytes;        /* a data block ends once it has so many, unpacked */
    unsigned restart_interval; /* at least 1 */
    unsigned filter_bits;      /* per key; 0: no filter; at most FILTER_BITS_MAX */
    enum compression compression;
};

/* The file is empty, borrowed and used by nobody else until the close. NO_MEMORY. */
MUST_CHECK enum status table_writer_open(struct file *file,
                                         const struct table_options *options,
                                         struct table_writer **writer,
                                         struct error *error);

/* CORRUPT: the key is no internal key, or not above the one before (internal_key.h): what
 * the entries are read from is damaged. LIMIT: no block can hold the entry. IO, NO_SPACE,
 * NO_MEMORY. */
MUST_CHECK enum status table_writer_add(struct table_writer *writer, struct slice key,
                                        struct slice value, struct error *error);

/* Writes what is left, and nothing is synced: that is the caller's. The sequences are the
 * range of changes that the table stands for; 0 and 0: from the least to the largest of
 * its entries. *meta receives all but the number, and owned nothing before; smallest and
 * largest are empty where the table is. Then the writer can only be closed. */
MUST_CHECK enum status table_writer_finish(struct table_writer *writer,
                                           uint64_t smallest_sequence,
                                           uint64_t largest_sequence,
                                           uint64_t created_seconds,
                                           struct table_meta *meta, struct error *error);

/* Bytes of the file so far, but for the block that is being filled. */
uint64_t table_writer_bytes(const struct table_writer *writer);

/* NULL is allowed. */
void table_writer_close(struct table_writer *writer);

#endif
