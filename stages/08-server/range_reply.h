/* The reply that tells a range of keys, or their entries, in order: KEYS and RSCAN. Its
 * length stands at its head, so a long one is gone over twice, first to count; both times
 * with one iterator, so that they are of one moment. Short ones are told at once. */
#ifndef STRATA_RANGE_REPLY_H
#define STRATA_RANGE_REPLY_H

#include "session.h"

struct range_wanted {
    struct slice from;    /* inclusive; absent: no bound */
    struct slice to;      /* exclusive; absent: no bound */
    struct slice pattern; /* absent: all */
    uint64_t limit;       /* keys at most */
    bool reverse;
    bool keys_only;
};

/* What it borrows may go when it returns. Requires may_wait. */
enum command_outcome range_reply(struct session *session,
                                 const struct range_wanted *wanted);

#endif
