/* The buffer store: a log that makes changes durable, a memtable that answers. A write
 * appends to the log, inserts into the memtable, becomes visible, and waits for a sync as
 * far as its durability asks. Opening replays the logs, so it takes longer with every
 * change ever made; and all of it must fit into memory: the reasons for stage 03.
 *
 * Threads: any number. Readers take no lock and wait for nobody: not for a writer, not
 * for a sync, not for a resume. */
#ifndef STRATA_BUFFER_STORE_H
#define STRATA_BUFFER_STORE_H

#include "stage.h"

extern const struct store_ops buffer_store_ops;

#endif
