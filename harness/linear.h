/* Histories of calls that overlapped, and whether one order explains them.
 *
 * Writes carry sequence numbers and reads say which they observed, so the order to be
 * tried is known. It is not trusted: it must be one that the callers could not refute
 * (linearizability: Herlihy and Wing, TOPLAS 12(3), 1990).
 *
 *   writes   own sequences from 1 without a hole, in the order of real time: what
 *            returned before another began comes first
 *   reads    observed is the end of a change, so changes are all or nothing; all that had
 *            returned before the read began is in it, nothing that began after the read
 *            returned; of two reads one after the other, the later observes no less; and
 *            the answer is the newest value at that sequence
 *   iterators are reads of all keys, as are snapshots and checkpoints, and every walk is
 *            the same
 *
 *   erasures have no sequence: each stands between two writes, somewhere that the times
 *            allow, and what is before it is not seen behind it. All places are tried.
 *            One thread makes them, so their order is known
 *
 * A write that failed is in doubt: it counts as one that never returned, and where its
 * sequence, or that of a write before it, was given to another it never happened. An
 * erasure that failed may have happened too, or not. */
#ifndef STRATA_LINEAR_H
#define STRATA_LINEAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum {
    HISTORY_KEYS = 3,
    HISTORY_OPS = 2, /* of a write */
    HISTORY_WALKS = 3,
    HISTORY_CALLS = 24
};

enum { VALUE_ABSENT = 0, VALUE_STRANGE = 1000 /* one that nobody wrote */ };

enum call_kind {
    CALL_WRITE,
    CALL_GET,
    CALL_ITER,
    CALL_RESUME,
    CALL_FLUSH,
    CALL_COMPACT,
    CALL_ERASE
};

/* How all keys are read; from the second on at a moment that the call has taken first. */
enum look {
    LOOK_ITERATOR,  /* one, for all walks */
    LOOK_SNAPSHOT,  /* a new one for each walk */
    LOOK_KEYS,      /* each key alone, and then an iterator, in turn */
    LOOK_CHECKPOINT /* opened as a store when all is over */
};

struct history_op {
    unsigned key;
    unsigned value; /* VALUE_ABSENT: a delete */
};

struct call {
    enum call_kind kind;
    unsigned thread;
    uint64_t invoked;  /* by the history's clock, from 1 */
    uint64_t returned; /* 0: it has not */
    bool failed;
    struct history_op ops[HISTORY_OPS]; /* CALL_WRITE */
    size_t op_count;
    uint64_t sequence; /* CALL_WRITE: the last of its ops; 0: none */
    uint64_t observed; /* CALL_GET, CALL_ITER */
    unsigned key;      /* CALL_GET */
    unsigned found;
    unsigned walks[HISTORY_WALKS][HISTORY_KEYS]; /* CALL_ITER: the value of each key */
    size_t walk_count;
    enum look look; /* CALL_ITER */
};

struct history {
    struct call calls[HISTORY_CALLS]; /* in the order of their beginnings */
    size_t count;
    uint64_t clock;
};

/* Whether an order explains the history; if not, says in words what was expected. */
bool history_linear(const struct history *history, char *words, size_t words_bytes);

/* A table: when each call began and returned, its thread, what it did and was told. */
void history_print(const struct history *history, FILE *out);

#endif
