/* The engine as a store: what a stage's store_ops consist of (stage.h). */
#ifndef STRATA_ENGINE_STORE_H
#define STRATA_ENGINE_STORE_H

#include "stage.h"

enum status engine_close(void *engine, struct error *error);
enum status engine_write(void *engine, const struct kv_op *ops, size_t count,
                         const struct kv_write_options *how, uint64_t *sequence,
                         struct error *error);
enum status engine_get(void *engine, struct slice key, struct buf *value,
                       const struct kv_read_options *options, struct error *error);
enum status engine_iter(void *engine, const struct kv_iter_options *options,
                        struct iter **iter, struct error *error);
enum status engine_sync(void *engine, struct error *error);
enum status engine_flush(void *engine, struct error *error);
enum status engine_resume(void *engine, struct error *error);
void engine_progress(void *engine, struct kv_progress *progress);
void engine_stats(void *engine, struct kv_stats *stats);

#endif
