/* Arrays of the harness itself, which are never made to fail: out of memory ends the
 * program. */
#ifndef STRATA_GROW_H
#define STRATA_GROW_H

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

/* The array with room for `count` elements at least; *capacity follows. */
static inline void *grow(void *array, size_t *capacity, size_t count, size_t bytes_each) {
    if (count <= *capacity) {
        return array;
    }
    size_t larger = *capacity * 2 > count ? *capacity * 2 : count;
    larger = larger < 16 ? 16 : larger;
    void *grown = realloc(array, larger * bytes_each);
    if (grown == NULL) {
        fputs("harness: out of memory\n", stderr);
        abort();
    }
    *capacity = larger;
    return grown;
}

#endif
