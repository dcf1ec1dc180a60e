/* What may be written: the limits of kv.h. The bytes of a change are those of LevelDB's
 * write batch: sequence and count, then per operation a type, the key with its length
 * and, for a put, the value with its length (google/leveldb, db/write_batch.cc). */
#ifndef STRATA_KV_CHECK_H
#define STRATA_KV_CHECK_H

#include "kv.h"

enum { KV_CHANGE_HEADER_BYTES = 8 + 4 };

/* INVALID: no type that there is, or a key or value is absent; LIMIT: it is too long. */
MUST_CHECK enum status kv_check_op(const struct kv_op *op, struct error *error);

/* Of the operation within a change. */
uint64_t kv_op_bytes(const struct kv_op *op);

/* The same as kv_check_op for all of them, and LIMIT for the whole. */
MUST_CHECK enum status kv_check_change(const struct kv_op *ops, size_t count,
                                       struct error *error);

#endif
