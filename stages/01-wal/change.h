/* A change as bytes: LevelDB's write batch (google/leveldb, db/write_batch.cc).
 *
 *     change  := sequence fixed64, count fixed32, op[count]
 *     op      := 1 key value  |  0 key          (put, delete)
 *     key, value := length varint32, bytes
 *
 * The i-th operation (from 0) has sequence number `sequence + i`. */
#ifndef STRATA_CHANGE_H
#define STRATA_CHANGE_H

#include "kv.h"

enum { CHANGE_HEADER_BYTES = 12 };

/* Changes that are written one behind the other: the operations of all of them, and how
 * many each has. */
struct change_group {
    const struct kv_op *ops;
    size_t op_count; /* of all */
    const size_t *op_counts;
    size_t changes;
};

/* Bytes that the operations take when encoded. */
size_t change_bytes(const struct kv_op *ops, size_t count);

/* Bytes of their keys and values alone. */
uint64_t change_user_bytes(const struct kv_op *ops, size_t count);

/* Writes exactly change_bytes() bytes. */
void change_encode(unsigned char *to, uint64_t sequence, const struct kv_op *ops,
                   size_t count);

/* Reads a change that came from a disk. */
struct change_reader {
    uint64_t sequence; /* of the change's first operation */
    uint32_t count;
    uint32_t taken;
    struct slice rest;
};

/* Checks the whole change: header, every length, the count, no bytes left over. false,
 * with *why in words, if anything is wrong. */
bool change_read(struct change_reader *reader, struct slice change, const char **why);

/* The next operation of a change that change_read accepted; false after the last. The
 * slices borrow from the change. */
bool change_next(struct change_reader *reader, struct kv_op *op);

#endif
