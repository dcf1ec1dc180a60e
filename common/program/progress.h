/* One line on a terminal that says how far long work has come: percent where the whole is
 * known, count, rate. It is drawn on stderr, and only if that is a terminal; elsewhere
 * all calls do nothing. */
#ifndef STRATA_PROGRESS_H
#define STRATA_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"

struct progress {
    bool shown;
    const struct clock *clock;
    uint64_t whole_bytes; /* 0: not known */
    uint64_t began_micros;
    uint64_t drawn_micros;
};

struct progress progress_begin(const struct clock *clock, uint64_t whole_bytes);

/* Cheap enough for each step: the line is drawn ten times a second. */
void progress_show(struct progress *progress, uint64_t count, uint64_t bytes);

/* Wipes the line. */
void progress_end(struct progress *progress);

/* "1,234,567" into `text`, which has room for 27 bytes. */
void progress_print_count(char text[27], uint64_t count);

#endif
