/* The queue of those who want to write: who is first in it leads a group, the others
 * wait to be told. What a leader does with its group is commit_group.c's.
 *
 * A writer is on its caller's stack: once it is DONE, and the queue's lock is free,
 * nobody else touches it. */
#ifndef STRATA_WRITER_QUEUE_H
#define STRATA_WRITER_QUEUE_H

#include "acknowledger.h"
#include "atomic.h"
#include "kv.h"
#include "thread.h"

enum {
    GROUP_BYTES_MAX = 1024 * 1024,
    SMALL_BYTES = 128 * 1024, /* a leader with no more takes no more than this along */
    GROUP_CHANGES_MAX = 128
};

enum place { WAITS, HOLDS, LEADS, SYNCS, DONE };

/* Where a writer sleeps: alone, or with those who came for the same turn. */
enum bed { FRONT, TURN, TURNS = 4, BEDS = TURN + TURNS };

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

    uint64_t awake_until; /* its own; microseconds of the monotonic clock */

    /* guarded by the queue's lock, but who is awake looks at its place without */
    struct atomic_u64 place; /* enum place */
    enum bed bed;
};

struct writer_queue {
    const struct world *world;
    uint64_t awake_sync_micros; /* nobody stays awake for a sync that takes longer */
    struct mutex lock;          /* for moments */
    struct condition beds[BEDS];
    /* guarded by lock */
    struct writer *first; /* NULL: nobody is there */
    struct writer *last;
    struct writer *holder; /* leads, and waits for company; NULL: nobody does */
    unsigned turn;         /* counts groups */
    bool taken;            /* who is there is in a group: the next to come leads next */
    size_t queued;
    uint64_t queued_bytes;
    size_t impatient;   /* of them, those who wait for no sync */
    bool stalled;       /* the leader waits for a flush or a compaction … */
    struct error stall; /* … and this says so to those who will not */
    size_t syncing;
    size_t expected;        /* so many are there once those who were told are back; … */
    uint64_t synced_micros; /* … they were told at that time; */
    uint64_t hold_micros;   /* a leader waits so long for them */
    uint64_t awake_micros;  /* who comes stays awake so long */
    uint64_t quiet_until;   /* nobody does: others want the processors */
};

static inline enum place writer_place(const struct writer *writer) {
    return (enum place)atomic_u64_load(&writer->place, memory_order_acquire);
}

/* Requires the queue's lock. */
static inline void writer_move(struct writer *writer, enum place place) {
    atomic_u64_store(&writer->place, place, memory_order_release);
}

/* NO_MEMORY. */
MUST_CHECK enum status writer_queue_init(struct writer_queue *queue,
                                         const struct world *world,
                                         uint64_t awake_sync_micros, struct error *error);
void writer_queue_free(struct writer_queue *queue);

/* Waits in the queue until there is something to do, or nothing any more: LEADS, when
 * there is company enough, so many changes, its own the first of them; SYNCS; DONE.
 * STALLED for one who will not wait, in the writer's error. */
MUST_CHECK enum status writer_queue_enter(struct writer_queue *queue,
                                          struct writer *writer, enum place *place,
                                          size_t *changes);

/* The rest but the last two is the leader's. */

/* The leader waits for a flush or a compaction from here on, and nobody with it who will
 * not: those in the queue, and those who come, are told the error. */
void writer_queue_begin_stall(struct writer_queue *queue, const struct error *error);
void writer_queue_end_stall(struct writer_queue *queue);

/* Requires the queue's lock. The group of so many leaves the queue, as a list that begins
 * with its leader; whoever is first in the queue then leads from here on. */
void writer_queue_leave(struct writer_queue *queue, size_t changes);

/* Who syncs says so, before and after; the latter requires the queue's lock. With the
 * time of the first and how many it was for. */
uint64_t writer_queue_sync_begins(struct writer_queue *queue);
void writer_queue_sync_ended(struct writer_queue *queue, uint64_t begun, size_t count);

/* Requires the queue's lock. Writes into all of the list how it ended, and that they are
 * DONE, and answers the set of the beds (1 << bed) that writers_wake is to wake; `self`
 * is the one whose call this is. The list is gone once the lock is free. */
unsigned writers_done(struct writer *writer, const struct writer *self,
                      enum status status, const struct error *error);
void writers_wake(struct writer_queue *queue, unsigned beds);

#endif
