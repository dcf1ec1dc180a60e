/* Whether one order explains what clients were told (linearizability: Herlihy and Wing,
 * TOPLAS 12(3), 1990), object by object, which is enough (locality, the same article).
 *
 * A history is one life of the server, from a known state to its end; the calls that read
 * the state afterwards belong to it. Calls of one strand take effect in their order. One
 * without a reply did or did not, and what its strand asked for behind it did not if it
 * did not. One whose reply is an error that leaves it open is a strand of its own: it may
 * take effect at any time from its beginning on. */
#ifndef STRATA_TESTS_JUDGE_H
#define STRATA_TESTS_JUDGE_H

#include <stdio.h>

#include "request.h"

enum { STRANDS_MAX = 512, HISTORY_CALLS = 8192 };

struct call {
    struct request request;
    unsigned strand;
    uint64_t invoked;  /* by the history's clock, from 1 */
    uint64_t returned; /* 0: never, as far as it is known */
    bool open;         /* the reply was an error: done or not */
    char reply[REPLY_BYTES];
};

struct history {
    struct object_state before[OBJECTS];
    struct call calls[HISTORY_CALLS]; /* in the order of their beginnings */
    size_t count;
    unsigned strands;
    uint64_t clock;
};

/* If none does, *trouble is an object that none explains. */
bool judge_history(const struct history *history, unsigned *trouble);

/* The calls on an object, one a line. */
void judge_print(const struct history *history, unsigned object, FILE *out);

#endif
