/* A write buffer: a log and the memtable that holds what is in the log.
 *
 * A change goes through it in steps, which are callable apart, so that several writers
 * can share some of them:
 *
 *     reserve   memory is set aside; after this nothing but the log can fail
 *     append    the log has the change: it survives the death of the process       (W)
 *     insert    the memtable has it
 *     publish   readers see it, all of it at once
 *     sync      it survives the loss of power                                      (D)
 *
 * So what readers see is in the log; what is in the log and not in the memtable was never
 * acknowledged. Append in the order of sequences, insert and publish in the same order.
 *
 * The log side can end before the memtable side: after a failed write readers go on with
 * what the memtable holds (write_buffer_stop), and a buffer that is full hands the log on
 * to the next one (write_buffer_freeze).
 *
 * Threads: reserve, append, insert and publish are one writer's at a time; sync and
 * reading run beside it. Counted references: write_buffer_open hands out one. */
#ifndef STRATA_WRITE_BUFFER_H
#define STRATA_WRITE_BUFFER_H

#include "atomic.h"
#include "change.h"
#include "memtable.h"
#include "wal.h"

struct write_buffer {
    struct memtable *memtable;
    struct wal *wal;           /* NULL: not begun, or stopped */
    struct atomic_u64 visible; /* readers see all changes up to here */
    uint64_t memory_bytes;     /* what the memtable's entries may take */
    uint64_t behind;           /* it holds the changes after this one */
    struct atomic_u64 references;
};

/* A buffer without a log, for the changes after `behind`; expected_bytes as
 * memtable_open has them. NO_MEMORY. */
MUST_CHECK enum status write_buffer_open(uint64_t memory_bytes, uint64_t expected_bytes,
                                         uint64_t behind, struct write_buffer **buffer,
                                         struct error *error);
void write_buffer_ref(struct write_buffer *buffer);

/* The last one frees it; the log side must have ended. Iterators keep the memtable. NULL
 * is allowed. */
void write_buffer_unref(struct write_buffer *buffer);

/* Takes in a change that was read from a log, in the order of sequences. LIMIT: the
 * history is larger than the memory that it may take; NO_MEMORY. Ends the recovery. */
MUST_CHECK enum status write_buffer_replay(struct write_buffer *buffer,
                                           const struct change_reader *change,
                                           struct error *error);

/* Gives the buffer the log whose changes, up to `last`, were replayed into it, and makes
 * them visible. The buffer owns the wal from here on. */
void write_buffer_start(struct write_buffer *buffer, struct wal *wal, uint64_t last);

/* LIMIT: the change has no room in memory_bytes, and the message says what to do;
 * NO_MEMORY. Neither changes anything. */
MUST_CHECK enum status write_buffer_reserve(struct write_buffer *buffer,
                                            const struct kv_op *ops, size_t count,
                                            struct memtable_room *room,
                                            struct error *error);

/* As wal_append_group: *sequence is the last one, written on failure too. If it fails,
 * the room goes back with memtable_give_back. */
MUST_CHECK enum status write_buffer_append(struct write_buffer *buffer,
                                           const struct change_group *group,
                                           uint64_t *sequence, struct error *error);

/* `last` is what append answered. */
void write_buffer_insert(struct write_buffer *buffer, const struct memtable_room *room,
                         const struct kv_op *ops, size_t count, uint64_t last);
void write_buffer_publish(struct write_buffer *buffer, uint64_t last);

/* As wal_sync. */
MUST_CHECK enum status write_buffer_sync(struct write_buffer *buffer, uint64_t sequence,
                                         struct error *error);

/* What a reader may see; read it after the buffer's address. */
static inline uint64_t write_buffer_visible(const struct write_buffer *buffer) {
    return atomic_u64_load(&buffer->visible, memory_order_acquire);
}

/* Ends the log side as wal_close does; nobody appends or syncs any more. OK if there is
 * no log. */
MUST_CHECK enum status write_buffer_stop(struct write_buffer *buffer,
                                         struct error *error);

/* The buffer takes no more changes; its log is the caller's, for the next buffer. */
struct wal *write_buffer_freeze(struct write_buffer *buffer);

#endif
