/* What SCAN's cursors stand for: keys at which to go on. A cursor is a number of 63 bits
 * that names an entry of a bounded table. When the table is full, the entry that was used
 * least recently goes; a cursor whose entry is gone is not found, and never means another
 * key, of an earlier life of the server neither.
 *
 * A scan that goes on holds two entries: that which the client got last, and the one that
 * it used to get it, so that it may ask again when an answer was lost. Any thread. */
#ifndef STRATA_SCAN_TABLE_H
#define STRATA_SCAN_TABLE_H

#include "buf.h"
#include "world.h"

enum { SCAN_TABLE_ENTRIES = 4096, SCAN_TABLE_KEY_BYTES = 8 * 1024 * 1024 };

struct scan_table;

/* NO_MEMORY. */
MUST_CHECK enum status scan_table_open(const struct world *world,
                                       struct scan_table **table);
void scan_table_close(struct scan_table *table); /* NULL is allowed */

/* A cursor for `key`, of the scan that went on at `previous`, or began (0). NO_MEMORY. */
MUST_CHECK enum status scan_table_add(struct scan_table *table, struct slice key,
                                      uint64_t previous, uint64_t *cursor);

/* Replaces the contents of *key. NOT_FOUND; NO_MEMORY. */
MUST_CHECK enum status scan_table_find(struct scan_table *table, uint64_t cursor,
                                       struct buf *key);

#endif
