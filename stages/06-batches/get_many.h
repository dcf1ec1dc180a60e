/* Many lookups at one moment: as store_ops.get_many. */
#ifndef STRATA_GET_MANY_H
#define STRATA_GET_MANY_H

#include "buf.h"

enum status engine_get_many(void *engine, const struct slice *keys, size_t count,
                            struct buf *values, enum status *statuses, uint64_t *observed,
                            struct error *error);

#endif
