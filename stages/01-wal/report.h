/* Lines for a kv_report, formatted. */
#ifndef STRATA_REPORT_H
#define STRATA_REPORT_H

#include "kv.h"

struct report {
    kv_report *line;
    void *context;
};

/* Formats one line, cut at 500 bytes, and hands it on. */
void report_line(const struct report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

enum { REPORT_BYTES_MAX = 48, REPORT_TEXT_BYTES = 4 * REPORT_BYTES_MAX + 40 };

/* Bytes as text in quotes: printable ones as they are, others as \xHH; beyond
 * REPORT_BYTES_MAX their number instead. Returns `text`. */
const char *report_bytes(char text[REPORT_TEXT_BYTES], struct slice bytes);

#endif
