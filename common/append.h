/* The append region: the end of a file, as a place to build bytes in and hand them over.
 *
 *     append_reserve  →  a run of bytes to write into
 *     append_commit   →  the first n of them are the file's: the system has them
 *     append_sync     →  all that was committed survives a loss of power
 *
 * Two tenants. Both build in a buffer: nothing is in the file before its commit.
 * APPEND_WRITE hands over with write(2), one call a commit. APPEND_MAPPED copies into a
 * shared mapping of the file, so a commit costs no system call; what is longer than a
 * page it hands over as the other does.
 *
 * Space is allocated ahead in steps of `step_bytes`, so that a sync need not write the
 * file's size: behind the committed end stand zeros, and after a crash perhaps anything
 * that was reserved but never committed. Readers must accept both. append_close cuts the
 * file at its committed end. Where a step is synced often, zeros are written over the
 * rest of it, piece by piece: allocated space that was never written costs its first sync
 * a second change of the file system's own, to note that it now holds something. Where
 * the file system cannot allocate ahead, APPEND_WRITE does without; where it can neither
 * do that nor map a file, APPEND_WRITE stands in for APPEND_MAPPED.
 *
 * NO_SPACE from append_reserve has changed nothing: it may be tried again later. After
 * any error from append_commit or append_sync the region must only be closed.
 *
 * One thread reserves and commits; append_sync may run beside it in another and covers at
 * least what was committed when it was called. */
#ifndef STRATA_APPEND_H
#define STRATA_APPEND_H

#include "atomic.h"
#include "file.h"

enum append_kind {
    APPEND_WRITE,
    APPEND_MAPPED,
    APPEND_AUTO /* in kv_options only: one of the others, by the store's durability */
};

struct append;

struct append_ops {
    enum status (*reserve)(struct append *append, size_t bytes, unsigned char **space,
                           struct error *error);
    enum status (*commit)(struct append *append, size_t bytes, struct error *error);
    enum status (*close)(struct append *append, bool cut, struct error *error);
};

/* Fields are the tenants'; readers use append_end(). */
struct append {
    const struct append_ops *ops;
    struct file *file;  /* borrowed */
    uint64_t end;       /* offset behind the last committed byte */
    uint64_t allocated; /* offset up to which the file is known to have room */
    uint64_t filled;    /* offset up to which zeros were written, if behind the end */
    struct atomic_u64 syncs; /* since space was allocated last */
    size_t step_bytes;
};

/* A region that begins at `end` bytes into the file, which is cut there if it is longer.
 * The file stays the caller's and must outlive the region. APPEND_MAPPED takes its first
 * space here, so it may answer NO_SPACE. step_bytes is not 0. */
MUST_CHECK enum status append_open(struct file *file, uint64_t end, enum append_kind kind,
                                   size_t step_bytes, struct append **append,
                                   struct error *error);

/* *space has room for `bytes` and dies at the next call other than append_sync. A second
 * reserve before a commit may ask for more and keeps what was written into the first. */
MUST_CHECK enum status append_reserve(struct append *append, size_t bytes,
                                      unsigned char **space, struct error *error);
MUST_CHECK enum status append_commit(struct append *append, size_t bytes,
                                     struct error *error);
MUST_CHECK enum status append_sync(struct append *append, struct error *error);

static inline uint64_t append_end(const struct append *append) {
    return append->end;
}

/* Frees the region even when it fails. NULL is allowed. */
MUST_CHECK enum status append_close(struct append *append, struct error *error);

/* Frees the region and leaves the file as it is: what the death of the process would do.
 * NULL is allowed. */
void append_abandon(struct append *append);

#endif
