/* Several iterators over internal keys as one: all their entries, in the order of
 * internal keys, in both directions.
 *
 * Entries of equal internal keys are all delivered, those of the child with the lower
 * index first, going forward. Entries that appear in a child meanwhile, as in a memtable,
 * are met by later moves.
 *
 * A child that fails ends the iteration, and its error is this iterator's: its failure is
 * never taken for its end. Moves that go anywhere begin afresh after it. A key that is
 * too short to be compared is CORRUPT; whether a key is legal, its user asks. Moves take
 * no memory. */
#ifndef STRATA_MERGE_ITER_H
#define STRATA_MERGE_ITER_H

#include "iter.h"

/* Takes over the children, though not the array, and closes them on failure, too. A
 * single child is its own merge, and is answered itself; of none there are no entries.
 * NO_MEMORY. */
MUST_CHECK enum status merge_iter_open(struct iter **children, size_t count,
                                       struct iter **iter, struct error *error);

#endif
