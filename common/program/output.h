/* Standard output whose failures count: a full disk or a closed pipe is an error like any
 * other (IO), not a truncated result that looks whole. */
#ifndef STRATA_OUTPUT_H
#define STRATA_OUTPUT_H

#include "buf.h"

/* Buffered. IO. */
MUST_CHECK enum status output_write(struct slice bytes, struct error *error);

/* Hands over all that was written. IO, also if an earlier write failed. */
MUST_CHECK enum status output_flush(struct error *error);

/* For kv_report: prints one line; a failure is found by output_flush. */
void output_line(void *context, const char *line);

#endif
