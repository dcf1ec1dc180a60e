/* Tells of changes that were submitted (kv_async.h) when they are as durable as asked. One
 * thread, which starts with the first of them, waits for all: for the greatest sequence
 * that somebody waits for, and so for the one sync that covers all before it. What is
 * submitted meanwhile shares the next.
 *
 * The life of a submission: it is taken before its change is written, so that a lack of
 * memory or of room refuses the change, and not the news of it. It is added once the
 * change is written, or given back where that failed. A notice (kv_notify) is one without
 * a change.
 *
 * Threads: any number, but for close. */
#ifndef STRATA_ACKNOWLEDGER_H
#define STRATA_ACKNOWLEDGER_H

#include "kv_async.h"

struct acknowledger;
struct engine;

struct submission {
    struct submission *next;
    uint64_t sequence;
    enum durability durability; /* ALWAYS or INTERVAL */
    kv_told *told;
    void *context;
};

/* NO_MEMORY. */
MUST_CHECK enum status acknowledger_open(struct engine *engine,
                                         const struct threads *threads,
                                         struct acknowledger **acknowledger,
                                         struct error *error);

/* Not inside the engine's gate: it waits until there is room for one more, or is STALLED.
 * NO_MEMORY. */
MUST_CHECK enum status acknowledger_take(struct acknowledger *acknowledger, kv_told *told,
                                         void *context, bool may_wait,
                                         struct submission **submission,
                                         struct error *error);

/* The change was not written. */
void acknowledger_give_back(struct acknowledger *acknowledger,
                            struct submission *submission);

/* Its change is written and visible; or it has none, and those up to its sequence are
 * written. Of one durability those with changes are added in the order of their
 * sequences. */
void acknowledger_add(struct acknowledger *acknowledger, struct submission *submission);

/* Tells of all that were added, and ends the thread. Nobody submits; the engine's log is
 * still there. NULL is allowed. */
void acknowledger_close(struct acknowledger *acknowledger);

#endif
