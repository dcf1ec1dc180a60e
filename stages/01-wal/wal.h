/* The write-ahead log: the one place where a change becomes durable.
 *
 * A wal writes one live log and remembers older logs whose bytes are not yet synced.
 * Three sequence numbers tell how far a change has come (notes/contract.md):
 *
 *     issued    given out by wal_append, whatever became of it
 *     written   W: the operating system has it; survives the death of this process
 *     durable   D: a sync that covers it has succeeded; survives the loss of power
 *
 * Append and sync are apart: a store appends, makes the change visible, and syncs as far
 * as its durability asks.
 *
 * Fail-stop: after a failed write or sync nothing is appended or synced again by this
 * wal; every call answers the first failure. A failed sync must not be repeated "to
 * success": the kernel may have dropped the pages it could not write, and would have
 * nothing left to fail on. Running out of space or memory before anything was written is
 * no such failure: it may be tried again.
 *
 * Threads: wal_append by any number of threads (they queue), wal_sync beside them. */
#ifndef STRATA_WAL_H
#define STRATA_WAL_H

#include "atomic.h"
#include "change.h"

struct wal;

/* Where a wal begins: behind changes 1 to `durable`, all of them durable. */
struct wal_start {
    uint64_t durable;
    struct atomic_u64 *numbers; /* the next log's number; each that is used adds one */
    bool continues; /* log `number` is there and clean; it is written from `offset` on, */
    uint64_t number; /* where its last change ends: a mark at most stands behind that */
    uint64_t offset;
};

/* Does no I/O: the log is created (and its directory synced) or opened by the first
 * append or by wal_begin. dir, start->numbers and options->world must outlive the wal;
 * the rest is copied. */
MUST_CHECK enum status wal_open(const char *dir, const struct kv_options *options,
                                const struct wal_start *start, struct wal **wal,
                                struct error *error);

/* Creates or opens the live log now. */
MUST_CHECK enum status wal_begin(struct wal *wal, struct error *error);

/* Gives the changes the next sequences and hands them to the operating system, in one
 * piece. *sequence is the last of them, 0 if none was issued; it is written on failure
 * too. Begins a new log when the live one has reached options->log_bytes. No change is
 * empty. A crash leaves the first so many of them, each whole. */
MUST_CHECK enum status wal_append_group(struct wal *wal, const struct change_group *group,
                                        uint64_t *sequence, struct error *error);

/* The same for one change. */
MUST_CHECK enum status wal_append(struct wal *wal, const struct kv_op *ops, size_t count,
                                  uint64_t *sequence, struct error *error);

/* The same for a change that is already encoded; the sequence that it carries is
 * replaced. */
MUST_CHECK enum status wal_append_encoded(struct wal *wal, struct slice change,
                                          uint64_t *sequence, struct error *error);

/* Returns when D has reached `sequence`, which must have been written: syncs the older
 * logs first, then the live one. Callers that come while a sync runs share the next. */
MUST_CHECK enum status wal_sync(struct wal *wal, uint64_t sequence, struct error *error);

/* Writes the mark of what is durable now, if the log does not have it; does not sync it.
 */
MUST_CHECK enum status wal_mark(struct wal *wal, struct error *error);

/* The next change begins a new log; answers its number, from which on nothing is on disk
 * yet. Where a file of that number cannot be made ready, the log takes a later one. No
 * append may be under way. */
uint64_t wal_rotate(struct wal *wal);

/* Changes up to `sequence` are durable elsewhere: D is that at least, and logs below
 * `number`, none of which holds a later change, are closed without a sync. They may be
 * removed then. IO: one could not be closed, which loses nothing. */
MUST_CHECK enum status wal_forget(struct wal *wal, uint64_t sequence, uint64_t number,
                                  struct error *error);

/* A clean end: syncs, marks, syncs the mark, cuts the log at its end. Frees the wal
 * whatever happens. After a failure of the wal it only releases what it holds, and
 * answers that failure. NULL is allowed. No other call may be under way. */
MUST_CHECK enum status wal_close(struct wal *wal, struct error *error);

/* Ends without touching the log: what the death of the process would leave. */
void wal_abandon(struct wal *wal);

struct wal_progress {
    uint64_t issued, written, durable;
    uint64_t log_number; /* the live log … */
    uint64_t log_end;    /* … and the offset behind its last whole record */
    uint64_t unsynced_bytes;
    uint64_t appended_bytes; /* in all, since wal_open */
    uint64_t syncs, sync_micros, rotations;
};

void wal_progress(struct wal *wal, struct wal_progress *progress);

/* OK, or the failure that stopped the wal, with its message. */
MUST_CHECK enum status wal_state(struct wal *wal, struct error *error);

#endif
