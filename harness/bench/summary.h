/* What several rounds of a row come to. */
#ifndef STRATA_SUMMARY_H
#define STRATA_SUMMARY_H

#include "campaign.h"

enum measure {
    MEASURE_MICROS,
    MEASURE_CPU_SECONDS,
    MEASURE_PEAK_BYTES,
    MEASURE_DISK_BYTES
};

struct summary {
    uint64_t rounds; /* that there are figures of; 0: none, the others mean nothing */
    double median, least, most;
};

/* Micros are those of one operation, all others of the whole row. */
struct summary summary_of_row(const struct findings *findings, uint64_t rounds,
                              enum row row, size_t contender, enum measure measure);

/* CPU seconds of all sessions of a round. */
struct summary summary_of_cpu(const struct findings *findings, uint64_t rounds,
                              size_t contender);

/* Strata, contender 0, held against the others. */
struct comparison {
    size_t rows;       /* counted rows that Strata and another one have */
    bool behind[ROWS]; /* the best of the others is faster */
    double best[ROWS]; /* micros of the best other / Strata's; 0: nothing to compare */
    double geometric_mean; /* of best, over the counted rows; 0 if there are none */
};

struct comparison summary_compare(const struct findings *findings, uint64_t rounds);

#endif
