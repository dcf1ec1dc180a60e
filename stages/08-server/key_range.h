/* Ranges of keys: those that begin with something, or may match a pattern; and one key of
 * them at random. */
#ifndef STRATA_KEY_RANGE_H
#define STRATA_KEY_RANGE_H

#include "keyspace.h"

/* From `from` on, before `to` if that is present. */
struct key_range {
    struct slice from; /* borrowed from what it was made of */
    struct slice to;   /* into room, or absent */
    struct buf room;   /* to be freed by the caller */
};

/* All keys that begin with `prefix`. NO_MEMORY. */
MUST_CHECK enum status key_range_of_prefix(struct key_range *range, struct slice prefix);

/* What all texts that match the pattern (glob.h) begin with. */
struct slice key_range_pattern_prefix(struct slice pattern);

/* Any of the keys: replaces the contents of *key. Every key can come, but not all of them
 * as often: at each place where keys begin to differ, one of the bytes that stand there
 * is drawn, and those with few keys behind them come as often as those with many. So it
 * takes some hundred seeks, however many keys there are. NOT_FOUND: there are none.
 * Requires may_wait. */
MUST_CHECK enum status key_range_random(struct keyspace_access *access, struct buf *key,
                                        struct error *error);

#endif
