/* What came of a compaction, and whether it is what a naive reading of the rule wants,
 * and readers see what they saw before. */
#ifndef STRATA_TESTS_OUTCOME_H
#define STRATA_TESTS_OUTCOME_H

#include "layers.h"

struct outcome {
    bool inputs[ITEMS_MAX];
    bool there[ITEMS_MAX]; /* in an output or deeper */
    bool rewritten[LAYER_TABLES_MAX];
    size_t outputs;
    struct edit edit;
    struct compact_counts counts;
};

/* Judges what compact() left in `edit` and `counts`, and fills the rest. */
void outcome_check(struct layers *layers, struct outcome *outcome);

/* The first part of it: reads the outputs, and gives them their names. */
void outcome_read(struct layers *layers, struct outcome *outcome);

/* Temporary files that are there. */
size_t layers_temporaries(const struct layers *layers);

#endif
