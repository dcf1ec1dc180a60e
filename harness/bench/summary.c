#include "summary.h"

#include <math.h>
#include <stdlib.h>

static int compare_doubles(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static struct summary summarize(double *values, uint64_t count) {
    if (count == 0) {
        return (struct summary){0};
    }
    qsort(values, count, sizeof *values, compare_doubles);
    uint64_t middle = count / 2;
    double median =
        count % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
    return (struct summary){count, median, values[0], values[count - 1]};
}

static double measured(const struct sample *sample, enum measure measure) {
    switch (measure) {
    case MEASURE_MICROS:
        return (double)sample->micros / (double)sample->operations;
    case MEASURE_CPU_SECONDS:
        return sample->cpu_seconds;
    case MEASURE_PEAK_BYTES:
        return (double)sample->peak_bytes;
    case MEASURE_DISK_BYTES:
        return (double)sample->disk_bytes;
    }
    return 0;
}

struct summary summary_of_row(const struct findings *findings, uint64_t rounds,
                              enum row row, size_t contender, enum measure measure) {
    double values[ROUNDS_MAX];
    uint64_t count = 0;
    for (uint64_t round = 0; round < rounds; round++) {
        const struct sample *sample = &findings->samples[row][contender][round];
        if (sample->operations > 0) {
            values[count++] = measured(sample, measure);
        }
    }
    return summarize(values, count);
}

struct summary summary_of_cpu(const struct findings *findings, uint64_t rounds,
                              size_t contender) {
    double values[ROUNDS_MAX];
    for (uint64_t round = 0; round < rounds; round++) {
        values[round] = findings->cpu_seconds[contender][round];
    }
    return summarize(values, rounds);
}

static double best_ratio(const struct findings *findings, uint64_t rounds, enum row row) {
    struct summary own = summary_of_row(findings, rounds, row, 0, MEASURE_MICROS);
    double best = 0;
    for (size_t other = 1; other < CONTENDERS; other++) {
        struct summary theirs =
            summary_of_row(findings, rounds, row, other, MEASURE_MICROS);
        if (theirs.rounds > 0 && (best <= 0 || theirs.median < best)) {
            best = theirs.median;
        }
    }
    return own.rounds > 0 && own.median > 0 ? best / own.median : 0;
}

struct comparison summary_compare(const struct findings *findings, uint64_t rounds) {
    struct comparison comparison = {0};
    double logarithms = 0;
    for (enum row row = 0; row < ROWS; row++) {
        double best = best_ratio(findings, rounds, row);
        comparison.best[row] = best;
        if (best > 0 && rows[row].kind == ROW_COUNTED) {
            comparison.behind[row] = best < 1;
            comparison.rows++;
            logarithms += log(best);
        }
    }
    if (comparison.rows > 0) {
        comparison.geometric_mean = exp(logarithms / (double)comparison.rows);
    }
    return comparison;
}
