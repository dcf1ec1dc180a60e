/* What readers can no longer find and may still hold: a list of such things, each with
 * the watch (readers.h) that tells when it may end. Nobody waits: whoever comes by frees
 * what is over. One thread at a time uses a list. */
#ifndef STRATA_RETIRED_H
#define STRATA_RETIRED_H

#include "readers.h"

/* The first member of what is retired, so that retiring needs no memory. */
struct retired {
    struct retired *next;
    struct readers_watch watch;
    void (*end)(struct retired *retired); /* frees it */
};

/* After its address was replaced, with memory_order_seq_cst. */
void retire(struct retired **list, struct readers *readers, struct retired *retired,
            void (*end)(struct retired *retired));

/* Ends those that no reader can hold any more. */
void retired_free(struct retired **list, const struct readers *readers);

#endif
