/* Many lookups at one moment: as store_ops.get_many and store_ops.foresee. */
#ifndef STRATA_GET_MANY_H
#define STRATA_GET_MANY_H

#include "kv.h"

enum status engine_get_many(void *engine, const struct slice *keys, size_t count,
                            struct buf *values, enum status *statuses,
                            const struct kv_read_options *options, struct error *error);
void engine_foresee(void *engine, const struct slice *keys, size_t count);

#endif
