/* A block: the sorted entries of one piece of a table, in memory, unpacked. LevelDB's
 * format (google/leveldb, table/block_builder.cc):
 *
 *     block   := entry*, restart fixed32*, restart count fixed32
 *     entry   := shared varint32, unshared varint32, value length varint32,
 *                the unshared bytes of the key, value
 *     restart := offset of an entry
 *
 * A key is the first `shared` bytes of the key before it, and the unshared ones. At every
 * restart point, the first entry being one, a key shares nothing, so that a search can
 * begin there: it halves the restart points and walks on from one of them.
 *
 * Bytes are taken as hostile: whatever they are, nothing beyond them is read. What is
 * seen to be wrong is CORRUPT; entries out of order are not seen, but for some. */
#ifndef STRATA_BLOCK_H
#define STRATA_BLOCK_H

#include <stdint.h>

#include "buf.h"
#include "coding.h"
#include "iter.h"

enum {
    BLOCK_BYTES_MAX = 1 << 30, /* of any block, unpacked */
    BLOCK_TAIL_BYTES = 8       /* of the smallest: one restart point, and the count */
};

/* A value; it borrows its bytes, which do not change. Any number of threads may read it.
 */
struct block {
    const unsigned char *data;
    size_t restarts; /* offset of their array, where the entries end */
    uint32_t restart_count;
};

/* CORRUPT, with *why, unless the restart points are there, begin with the first entry,
 * ascend and lie within the entries. */
MUST_CHECK enum status block_init(struct block *block, struct slice contents,
                                  const char **why);

/* The same for contents that block_init() has been content with before, and that did not
 * change since. */
static inline struct block block_known(struct slice contents) {
    uint32_t count = decode_fixed32(contents.data + contents.length - 4);
    return (struct block){contents.data, contents.length - 4 - 4 * (size_t)count, count};
}

/* CORRUPT, with *why, unless each restart point is an entry that shares nothing. Reads
 * the whole block: for verification, where a walk from entry to entry met no error. */
MUST_CHECK enum status block_check_restarts(const struct block *block, const char **why);

enum { BLOCK_ITER_KEY_BYTES = 256, BLOCK_ITER_BEHIND = 32 };

/* Walks a block, in the caller's storage, where it must stay: it may point into itself.
 * key and value are borrowed until the next move; they point into the block, the key only
 * where it shares nothing. Memory is taken for keys above BLOCK_ITER_KEY_BYTES alone. The
 * key that is sought must not be the iterator's own.
 *
 * A move may end with iter.error CORRUPT, which says where in the block, or NO_MEMORY;
 * the iterator can be positioned again afterwards. */
struct block_iter {
    struct iter iter;
    const struct block *block;
    size_t entry;        /* offset of the current entry */
    size_t next;         /* of the one behind it */
    unsigned char *room; /* for the current key: `small`, or the memory of `large` */
    size_t room_bytes;
    struct buf large;
    unsigned char small[BLOCK_ITER_KEY_BYTES];
    size_t behind_count;
    uint32_t behind[BLOCK_ITER_BEHIND]; /* offsets of so many entries just behind it */
};

/* The block must outlive the iterator. */
void block_iter_init(struct block_iter *iter, const struct block *block);
void block_iter_free(struct block_iter *iter);

/* What iter->iter.ops does, for callers that know what they have (iter.h). seek and
 * seek_before are for blocks of internal keys and take one (internal_key.h); the other
 * moves are for any keys, and answer keys as they stand in the block. */
void block_iter_first(struct block_iter *iter);
void block_iter_last(struct block_iter *iter);
void block_iter_seek(struct block_iter *iter, struct slice key);
void block_iter_seek_before(struct block_iter *iter, struct slice key);
void block_iter_next(struct block_iter *iter);
void block_iter_prev(struct block_iter *iter);

/* Goes to the entry at a restart point, by number; restart_count: to the end. */
void block_iter_restart(struct block_iter *iter, uint32_t index);

/* ---- foresight -------------------------------------------------------------------
 *
 * Each of these asks the processor's caches for memory, and does not wait for it; the
 * next one finds at hand what the one before has asked for. What a seek looks at: first
 * the end of the block, where the restart points are told, then their entries, then those
 * behind the one from which it walks on. What block_iter_restart looks at: the place of
 * the restart point, then the entry. */
void block_foresee_tail(struct slice contents);
void block_foresee_restarts(const struct block *block);
void block_foresee_walk(const struct block *block, struct slice key);
void block_foresee_restart(const struct block *block, uint32_t index);
void block_foresee_entry(const struct block *block, uint32_t index);

#endif
