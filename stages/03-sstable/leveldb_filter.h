/* Reads the filter that LevelDB writes, so that tables of a LevelDB database are searched
 * with it. Its bytes are described in leveldb_filter.c. LevelDB builds it on user keys.
 * Any thread may call these. */
#ifndef STRATA_LEVELDB_FILTER_H
#define STRATA_LEVELDB_FILTER_H

#include <stdint.h>

#include "slice.h"

/* False: the data block at that offset of the table does not hold the key. A damaged
 * filter answers true. */
bool leveldb_filter_may_contain(struct slice filter, uint64_t data_block_offset,
                                struct slice user_key);

/* False for a damaged one, with the reason in *why. */
bool leveldb_filter_check(struct slice filter, const char **why);

#endif
