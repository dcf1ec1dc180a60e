/* What is known of a table without opening it. */
#ifndef STRATA_TABLE_META_H
#define STRATA_TABLE_META_H

#include "buf.h"

/* A zeroed one owns nothing. */
struct table_meta {
    uint64_t number;     /* of its file */
    uint64_t bytes;      /* of its file */
    struct buf smallest; /* internal keys: the first, and the last */
    struct buf largest;
    uint64_t smallest_sequence; /* of the changes that it stands for */
    uint64_t largest_sequence;
    uint64_t entries;
};

/* *to owns nothing before. NO_MEMORY. */
MUST_CHECK enum status table_meta_copy(struct table_meta *to,
                                       const struct table_meta *from);
void table_meta_free(struct table_meta *meta); /* leaves it zeroed */

#endif
