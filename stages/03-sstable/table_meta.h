/* What is known of a table without opening it: a value, which owns its keys.
 * `struct table_meta meta = {0}` is an empty one, table_meta_free returns its memory. */
#ifndef STRATA_TABLE_META_H
#define STRATA_TABLE_META_H

#include "buf.h"

struct table_meta {
    uint64_t number;     /* of its file */
    uint64_t bytes;      /* of its file */
    struct buf smallest; /* the first and the last internal key */
    struct buf largest;
    uint64_t smallest_sequence; /* the range of changes that it stands for */
    uint64_t largest_sequence;
    uint64_t entries;
};

/* *to, which holds nothing, gets a copy. NO_MEMORY. */
MUST_CHECK enum status table_meta_copy(struct table_meta *to,
                                       const struct table_meta *from);

void table_meta_free(struct table_meta *meta);

#endif
