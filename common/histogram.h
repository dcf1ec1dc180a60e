/* A distribution of non-negative integers (micros, bytes) in fixed memory: buckets grow
 * geometrically, eight to each doubling, so a percentile is right to within 12.5 %. In
 * the caller's storage, zero-initialised; not for two threads at once (merge instead). */
#ifndef STRATA_HISTOGRAM_H
#define STRATA_HISTOGRAM_H

#include <stdint.h>

#include "buf.h"

enum { HISTOGRAM_BUCKETS = 8 * 62 };

struct histogram {
    uint64_t count;
    uint64_t sum;
    uint64_t smallest; /* meaningless while count is 0 */
    uint64_t largest;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *histogram, uint64_t value);
void histogram_merge(struct histogram *into, const struct histogram *from);

/* The value at or below which `percent` of 100 of the values lie; 0 if there are none.
 * Never outside [smallest, largest]. */
uint64_t histogram_percentile(const struct histogram *histogram, double percent);
double histogram_mean(const struct histogram *histogram);

/* "count 1000 mean 12.5 p50 11 p99 40 p99.9 55 max 61" */
MUST_CHECK enum status histogram_print(const struct histogram *histogram,
                                       struct buf *out);

#endif
