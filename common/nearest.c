#include "nearest.h"

#include <string.h>

enum { NAME_BYTES_MAX = 63 };

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Letters to insert, drop or replace to make one of the other (Levenshtein's distance),
 * one row of the table at a time; of longer names, the first NAME_BYTES_MAX bytes. */
static size_t distance(const char *a, const char *b) {
    size_t a_length = strnlen(a, NAME_BYTES_MAX);
    size_t b_length = strnlen(b, NAME_BYTES_MAX);
    size_t costs[NAME_BYTES_MAX + 1];
    for (size_t j = 0; j <= b_length; j++) {
        costs[j] = j;
    }
    for (size_t i = 1; i <= a_length; i++) {
        size_t diagonal = costs[0];
        costs[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = costs[j];
            costs[j] = least(replaced, least(costs[j], costs[j - 1]) + 1);
        }
    }
    return costs[b_length];
}

const char *nearest_name(const char *name, const char *(*at)(size_t index),
                         size_t count) {
    size_t nearest = 0;
    for (size_t i = 1; i < count; i++) {
        if (distance(name, at(i)) < distance(name, at(nearest))) {
            nearest = i;
        }
    }
    return at(nearest);
}
