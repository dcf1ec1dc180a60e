/* The queue of those who want to write: who is first in it leads a group, the others wait
 * to be told. What a leader does with its group is commit_group.c's.
 *
 * Each writer sleeps on a lock of its own, and is told while the queue's lock is free: of
 * those who wake at the same time none stands in another's way. A writer is on its
 * caller's stack: once it is DONE, and its lock is free, nobody else touches it. */
#ifndef STRATA_WRITER_QUEUE_H
#define STRATA_WRITER_QUEUE_H

#include "acknowledger.h"
#include "kv.h"
#include "thread.h"

enum {
    GROUP_BYTES_MAX = 1024 * 1024,
    SMALL_BYTES = 128 * 1024, /* a leader with no more takes no more than this along */
    GROUP_CHANGES_MAX = 128
};

enum place { WAITS, LEADS, SYNCS, DONE };

struct writer {
    struct writer *next; /* in the queue; later among those who are told together */
    const struct kv_op *ops;
    size_t count;
    uint64_t bytes;
    enum durability durability;
    bool no_wait;
    struct submission *submission; /* NULL: the caller waits for what it asked for */

    /* its leader's, or of who syncs for it, until it is DONE */
    uint64_t sequence;
    enum status status;
    struct error *error; /* the caller's; may be NULL */

    bool waits;        /* in the queue, and so has a lock */
    struct mutex lock; /* taken last */
    struct condition woken;
    enum place place; /* guarded by lock */
};

struct writer_queue {
    const struct world *world;
    struct mutex lock;        /* for moments */
    struct condition company; /* the leader waits for it */
    /* guarded by lock */
    struct writer *first; /* NULL: nobody is there */
    struct writer *last;
    size_t queued;
    uint64_t queued_bytes;
    size_t impatient;   /* of them, those who wait for no sync */
    bool holding;       /* the leader waits for company */
    bool stalled;       /* the leader waits for a flush or a compaction … */
    struct error stall; /* … and this says so to those who will not */
    size_t syncing;
    size_t synced;          /* so many were told by the last sync, … */
    uint64_t synced_micros; /* … at that time; */
    uint64_t hold_micros;   /* a leader waits so long for them to come back */
};

/* NO_MEMORY. */
MUST_CHECK enum status writer_queue_init(struct writer_queue *queue,
                                         const struct world *world, struct error *error);
void writer_queue_free(struct writer_queue *queue);

/* Waits in the queue until there is something to do, or nothing any more: LEADS, SYNCS,
 * DONE. writer_queue_exit follows. STALLED for one who will not wait, NO_MEMORY, in the
 * writer's error. */
MUST_CHECK enum status writer_queue_enter(struct writer_queue *queue,
                                          struct writer *writer, enum place *place);
void writer_queue_exit(struct writer *writer);

/* The rest but the last two is the leader's. */

/* Requires the queue's lock, which it gives up while it waits for company, if that is
 * worth it. How many go together, the leader with them. */
size_t writer_queue_group(struct writer_queue *queue);

/* The leader waits for a flush or a compaction from here on, and nobody with it who will
 * not: those in the queue, and those who come, are told the error. */
void writer_queue_begin_stall(struct writer_queue *queue, const struct error *error);
void writer_queue_end_stall(struct writer_queue *queue);

/* Requires the queue's lock. The group of so many leaves the queue, as a list that begins
 * with its leader; whoever is first in the queue then leads from here on. */
void writer_queue_leave(struct writer_queue *queue, size_t changes);

/* Who syncs says so, before and after, with the time of the first and how many it was
 * for. */
uint64_t writer_queue_sync_begins(struct writer_queue *queue);
void writer_queue_sync_ended(struct writer_queue *queue, uint64_t begun, size_t count);

/* The writer, which waits, is to do this now, or is DONE. */
void writer_wake(struct writer *writer, enum place place);

/* Tells all in the list how it ended; `self` is the one whose call this is. */
void writers_tell(struct writer *writer, const struct writer *self, enum status status,
                  const struct error *error);

#endif
