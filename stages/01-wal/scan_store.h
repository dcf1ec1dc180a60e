/* The scan store: the log is the database. A write appends; a lookup replays all logs and
 * remembers the last thing it saw of its key; an iterator sorts a replayed copy. Durable
 * and correct, and slower with every write: the reason for stage 02.
 *
 * Threads: any number. Readers note how far the log is written and replay up to there,
 * beside a writer that appends behind it. */
#ifndef STRATA_SCAN_STORE_H
#define STRATA_SCAN_STORE_H

#include "stage.h"

extern const struct store_ops scan_store_ops;

#endif
