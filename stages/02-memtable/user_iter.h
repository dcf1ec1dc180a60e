/* What a user iterates over: from an iterator over internal keys (internal_key.h),
 * whatever its source, to the entries that are visible at one sequence. Of each user key
 * the newest version at or below the sequence counts; a tombstone hides the key; keys
 * outside [from, to) do not appear. */
#ifndef STRATA_USER_ITER_H
#define STRATA_USER_ITER_H

#include "kv.h"

struct user_iter_options {
    struct slice from; /* inclusive; absent: no bound */
    struct slice to;   /* exclusive; absent: no bound. Both are copied */
    uint64_t sequence;
};

/* Takes over `inner`, and closes it on failure too. While the sequence stays as it is,
 * later versions that appear in `inner` change nothing. A key in `inner` that is no
 * internal key ends the iteration with CORRUPT. NO_MEMORY. */
MUST_CHECK enum status user_iter_open(struct iter *inner,
                                      const struct user_iter_options *options,
                                      struct iter **iter, struct error *error);

#endif
