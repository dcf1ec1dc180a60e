/* Values below 8 have a bucket each. A larger value with its highest bit at `exponent`
 * falls into one of eight buckets of that doubling, by the three bits below the highest,
 * so a bucket is at most an eighth as wide as its smallest value. */
#include "histogram.h"

#include <inttypes.h>

static unsigned bucket_of(uint64_t value) {
    if (value < 8) {
        return (unsigned)value;
    }
    unsigned exponent = 63u - (unsigned)__builtin_clzll(value);
    return 8 * (exponent - 2) + (unsigned)((value >> (exponent - 3)) & 7);
}

/* The largest value of the bucket. */
static uint64_t bucket_top(unsigned bucket) {
    if (bucket < 8) {
        return bucket;
    }
    unsigned exponent = bucket / 8 + 2;
    uint64_t width = (uint64_t)1 << (exponent - 3);
    return (8 + bucket % 8) * width + (width - 1);
}

void histogram_add(struct histogram *histogram, uint64_t value) {
    if (histogram->count == 0 || value < histogram->smallest) {
        histogram->smallest = value;
    }
    if (histogram->count == 0 || value > histogram->largest) {
        histogram->largest = value;
    }
    histogram->count++;
    histogram->sum += value;
    histogram->buckets[bucket_of(value)]++;
}

void histogram_merge(struct histogram *into, const struct histogram *from) {
    if (from->count == 0) {
        return;
    }
    if (into->count == 0 || from->smallest < into->smallest) {
        into->smallest = from->smallest;
    }
    if (into->count == 0 || from->largest > into->largest) {
        into->largest = from->largest;
    }
    into->count += from->count;
    into->sum += from->sum;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        into->buckets[i] += from->buckets[i];
    }
}

uint64_t histogram_percentile(const struct histogram *histogram, double percent) {
    if (histogram->count == 0) {
        return 0;
    }
    double rank = percent / 100 * (double)histogram->count;
    uint64_t below = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        below += histogram->buckets[i];
        if (below > 0 && (double)below >= rank) {
            uint64_t top = bucket_top(i);
            return top < histogram->largest ? top : histogram->largest;
        }
    }
    return histogram->largest;
}

double histogram_mean(const struct histogram *histogram) {
    return histogram->count == 0 ? 0 : (double)histogram->sum / (double)histogram->count;
}

enum status histogram_print(const struct histogram *histogram, struct buf *out) {
    return buf_printf(
        out,
        "count %" PRIu64 " mean %.1f p50 %" PRIu64 " p99 %" PRIu64 " p99.9 %" PRIu64
        " max %" PRIu64,
        histogram->count, histogram_mean(histogram), histogram_percentile(histogram, 50),
        histogram_percentile(histogram, 99), histogram_percentile(histogram, 99.9),
        histogram->count == 0 ? 0 : histogram->largest);
}
