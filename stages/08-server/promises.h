/* Replies of one loop that promise what is not durable yet.
 *
 *     always     what a tick wrote or observed beyond D is held, connection by
 *                connection, and one notice is asked for the greatest sequence of the
 *                tick; when that is durable, the replies go out
 *     everysec   nothing is held; while there are writes, a notice of the interval is
 *                asked for, so that the syncer knows of them. What is written meanwhile
 *                is asked for when it is told, and a tenth of a second has passed: at
 *                most two intervals and that tenth are at risk. What counts is the
 *                change, be its client there or not
 *     no         nothing is held, nothing is asked
 *
 * The mode may change at any time. Notices of the interval are told when W has passed
 * them, as a rule: what is held needs one of its own, and one of another mode lets
 * nothing go. In a mode that holds nothing, nothing stays held.
 *
 * When a sync fails the store takes no more writes (kv.h). Held replies become errors,
 * whether they were to reads or writes: what they tell may not survive. From then on
 * until the store is resumed, reads are answered at once, from memory and tables as they
 * are; what a write of that time is told is an error, for the store refuses it.
 *
 * Functions are for the loop's thread, but those of struct promise_rules. */
#ifndef STRATA_PROMISES_H
#define STRATA_PROMISES_H

#include "config.h"
#include "connections.h"

enum { PROMISE_NOTICES = 16 };

/* What all loops go by. Any thread. */
struct promise_rules {
    struct atomic_u64 appendfsync; /* enum config_appendfsync */
    struct atomic_u64 resumes;     /* of the store, after failures */
    struct atomic_u64 broken; /* one more than resumes, when a sync had failed; or 0 */
};

/* A sync has failed, and the store was not resumed since. */
static inline bool promise_rules_broken(const struct promise_rules *rules) {
    uint64_t resumes = atomic_u64_load(&rules->resumes, memory_order_acquire);
    return atomic_u64_load(&rules->broken, memory_order_acquire) == resumes + 1;
}

struct promise_notice {
    struct promises *promises;
    bool asked;
    bool always; /* it is told of a sync */
    uint64_t sequence;
    uint64_t resumes; /* when it was asked for */
    /* written by whoever is told, before the task is posted */
    enum status status;
    char message[ERROR_MESSAGE_BYTES + 8];
    struct loop_task task;
};

/* In the caller's storage. */
struct promises {
    struct kv *kv;
    struct loop *loop;
    struct connections *connections;
    struct promise_rules *rules;
    void (*told)(void *context); /* after each notice */
    void *context;
    uint64_t tick;
    uint64_t durable;      /* D, as it was when that was last looked at */
    uint64_t written;      /* the greatest of this tick; its client may be gone */
    uint64_t wanted;       /* a notice is to be asked for */
    uint64_t asked[2];     /* and has been, up to here: for the interval, for a sync */
    uint64_t asked_micros; /* when; 0: never, or it was stalled */
    size_t under_way;
    bool over;
    struct link touched;
    struct timer retry;
    struct promise_notice notices[PROMISE_NOTICES];
};

/* What a connection has promised in this tick; in its owner's storage. */
struct promise {
    struct connection *connection;
    struct link link;
    uint64_t tick;
    uint64_t sequence; /* the greatest that was observed or written */
    uint64_t written;  /* the greatest of commands that write */
    size_t replies;
};

/* All is borrowed. NO_MEMORY. */
MUST_CHECK enum status promises_init(struct promises *promises, struct kv *kv,
                                     struct connections *connections,
                                     struct promise_rules *rules,
                                     void (*told)(void *context), void *context);
void promises_free(struct promises *promises); /* it is idle */

void promise_init(struct promise *promise, struct connection *connection);
/* In this tick: before the hook. */
static inline bool promise_is_made(const struct promise *promise) {
    return !link_alone(&promise->link);
}

void promise_forget(struct promise *promise); /* before the connection is gone */

/* A request has been carried out: it saw or wrote up to that sequence. */
void promises_note(struct promises *promises, struct promise *promise, uint64_t sequence,
                   bool wrote, bool replied);

/* For the hook of the loop. */
void promises_tick_ends(struct promises *promises);

/* No notice is under way. */
static inline bool promises_idle(const struct promises *promises) {
    return promises->under_way == 0;
}

/* When they are idle, and no client is left: no notice is asked for any more. What the
 * last tick wrote is synced with all the rest, when the server closes. */
static inline void promises_end(struct promises *promises) {
    promises->over = true;
}

#endif
