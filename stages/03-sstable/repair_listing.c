#include <stdlib.h>

#include "catalog_listing.h"
#include "repair_engine.h"

static int compare_sources(const void *a, const void *b) {
    uint64_t left = ((const struct repair_source *)a)->smallest_sequence;
    uint64_t right = ((const struct repair_source *)b)->smallest_sequence;
    return (left > right) - (left < right);
}

/* How many sources, from the first of them on, have changes that overlap. */
static size_t overlapping(const struct repair_source *sources, size_t count,
                          uint64_t *largest) {
    size_t end = 1;
    *largest = sources[0].largest_sequence;
    while (end < count && sources[end].smallest_sequence <= *largest) {
        if (sources[end].largest_sequence > *largest) {
            *largest = sources[end].largest_sequence;
        }
        end++;
    }
    return end;
}

/* The sequences that the tables say of themselves join, as a listing wants them, and go
 * up to the last that was ever seen: that one is not given out again. */
static enum status save_listing(struct repair *repair, struct current *current,
                                struct error *error) {
    uint64_t behind = 0;
    size_t first = 0;
    enum status status = STATUS_OK;
    if (repair->count > 1) {
        qsort(repair->sources, repair->count, sizeof *repair->sources, compare_sources);
    }
    while (first < repair->count && status == STATUS_OK) {
        uint64_t last;
        size_t count = overlapping(repair->sources + first, repair->count - first, &last);
        if (first + count == repair->count) {
            last = repair->last;
        }
        status = repair_write(repair, first, count, behind, last, 0, UINT64_MAX, error);
        behind = last;
        first += count;
    }
    *current = (struct current){.kind = CURRENT_LISTING};
    return status;
}

const struct repair_parts repair_listing = {&catalog_listing, save_listing};
