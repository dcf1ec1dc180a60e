/* A batch: puts and deletes that are collected first and then written as one change, all
 * of them or none (from stage 06).
 *
 *     struct kv_batch *batch;
 *     if (kv_batch_open(0, &batch, &error) == STATUS_OK) {
 *         … kv_batch_put(batch, key, value, &error) …
 *         … kv_batch_write(kv, batch, NULL, &error) …
 *         kv_batch_close(batch);
 *     }
 *
 * It copies keys and values. After a write, good or bad, it is as it was: it may be
 * written again, to another store too, or cleared. An operation that is refused leaves
 * the batch as it was. One thread uses a batch at a time. */
#ifndef STRATA_KV_BATCH_H
#define STRATA_KV_BATCH_H

#include "kv.h"

struct kv_batch;

/* limit_bytes is the most that the batch may take as a change (kv_batch_bytes); 0, and
 * all that is more: KV_CHANGE_BYTES_MAX. NO_MEMORY. */
MUST_CHECK enum status kv_batch_open(uint64_t limit_bytes, struct kv_batch **batch,
                                     struct error *error);
void kv_batch_close(struct kv_batch *batch); /* NULL is allowed */

/* A later operation on the same key wins. LIMIT: the key, the value or the batch would be
 * too long; INVALID: a key or value is absent; NO_MEMORY. */
MUST_CHECK enum status kv_batch_put(struct kv_batch *batch, struct slice key,
                                    struct slice value, struct error *error);
MUST_CHECK enum status kv_batch_delete(struct kv_batch *batch, struct slice key,
                                       struct error *error);

/* All operations of the other one, behind those that are there; it may be the same one.
 * All of them, or none after an error. */
MUST_CHECK enum status kv_batch_append(struct kv_batch *batch,
                                       const struct kv_batch *other, struct error *error);

/* Empties it, and keeps its memory. */
void kv_batch_clear(struct kv_batch *batch);

size_t kv_batch_count(const struct kv_batch *batch);
uint64_t kv_batch_bytes(const struct kv_batch *batch); /* as one change */

/* The operations, in their order: kv_batch_count of them, borrowed until the batch is
 * changed. */
const struct kv_op *kv_batch_ops(const struct kv_batch *batch);

/* As kv_write. UNSUPPORTED before stage 06. */
MUST_CHECK enum status kv_batch_write(struct kv *kv, const struct kv_batch *batch,
                                      const struct kv_write_options *options,
                                      struct error *error);

#endif
