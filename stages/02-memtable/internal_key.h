/* Internal keys: what a user's key becomes where several versions of it are kept side by
 * side. The bytes are LevelDB's (google/leveldb, db/dbformat.h):
 *
 *     internal key := user key, tag fixed64
 *     tag          := sequence << 8 | type      (56 bits, 8 bits: 1 put, 0 delete)
 *
 * Order: user keys ascending, bytewise; of one user key, tags descending, so that the
 * newest version comes first, and a reader at sequence s that seeks (key, s) stands on
 * the newest that it may see. */
#ifndef STRATA_INTERNAL_KEY_H
#define STRATA_INTERNAL_KEY_H

#include "buf.h"
#include "coding.h"
#include "kv.h"

#define SEQUENCE_MAX ((UINT64_C(1) << 56) - 1)

enum { TAG_BYTES = 8 };

/* In the order of one user key's versions, at or before all versions up to `sequence`,
 * behind all later ones. */
static inline uint64_t tag_seek(uint64_t sequence) {
    return sequence << 8 | KV_PUT;
}

static inline uint64_t tag_make(uint64_t sequence, enum kv_op_type type) {
    return sequence << 8 | (uint64_t)type;
}

static inline uint64_t tag_sequence(uint64_t tag) {
    return tag >> 8;
}

static inline uint64_t tag_type(uint64_t tag) {
    return tag & 0xff;
}

static inline struct slice internal_key_user(struct slice key) {
    return slice_make(key.data, key.length - TAG_BYTES);
}

static inline uint64_t internal_key_tag(struct slice key) {
    return decode_fixed64(key.data + key.length - TAG_BYTES);
}

/* Whether it is long enough, and its type is one that there is: for keys from a disk. The
 * other functions require it. */
static inline bool internal_key_legal(struct slice key) {
    return key.length >= TAG_BYTES && tag_type(internal_key_tag(key)) <= KV_PUT;
}

/* <0, 0, >0 in the order above. */
int internal_key_compare(struct slice a, struct slice b);

/* Replaces the contents of *key. */
MUST_CHECK enum status internal_key_build(struct buf *key, struct slice user,
                                          uint64_t tag);

#endif
