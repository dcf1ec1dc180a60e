/* Everything at once (FLUSHALL). */
#ifndef STRATA_ERASE_H
#define STRATA_ERASE_H

#include "status.h"

/* As store_ops.erase_all, for engines with snapshots and with upkeep by threads. */
enum status engine_erase_all(void *engine, struct error *error);

#endif
