/* An iterator over a copy of the live entries, sorted once: what the scan store has
 * instead of an index. Filled by a replay, then finished, then iterated. */
#ifndef STRATA_SORTED_COPY_H
#define STRATA_SORTED_COPY_H

#include "kv.h"

struct sorted_copy;

/* Keys outside [options->from, options->to) are left out; options may be NULL. NULL when
 * there is no memory. */
struct sorted_copy *sorted_copy_open(const struct kv_iter_options *options);

/* Copies one operation; a later one on the same key hides the earlier. */
MUST_CHECK enum status sorted_copy_add(struct sorted_copy *copy, const struct kv_op *op);

/* Sorts, drops what is hidden or deleted, and hands out the iterator, which owns the copy
 * now. */
struct iter *sorted_copy_iter(struct sorted_copy *copy);

/* For one that did not become an iterator; NULL is allowed. */
void sorted_copy_close(struct sorted_copy *copy);

#endif
