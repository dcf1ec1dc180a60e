/* Makes a failing tape simple: shorter first, then smaller in the order of its choices,
 * as Hypothesis does (see tape.h). It knows nothing of what the choices mean. Passes,
 * repeated until none helps or the runs are spent: delete spans, delete choices, zero
 * spans, lower single choices (binary search), lower one while raising its neighbour,
 * reorder spans. */
#ifndef STRATA_SHRINK_H
#define STRATA_SHRINK_H

#include "tape.h"

/* Runs the case that the tape gives; true if it still fails in the way that is looked
 * for. It must be a function of the tape alone. */
typedef bool shrink_fails(void *context, struct tape *tape);

/* *tape has made a failing case; it ends as the simplest failing one found, its choices
 * and spans as that case made them. Answers the number of runs used, at most `runs`. */
size_t shrink(struct tape *tape, shrink_fails *fails, void *context, size_t runs);

#endif
