/* The commands that took long, the last so many of them: SLOWLOG, as Redis 7.0 keeps it
 * (its slowlog.c). Of long commands the first arguments are kept, and of long arguments
 * the first bytes.
 *
 * Any thread. Whether a command is slow is a comparison with a number, and no lock. */
#ifndef STRATA_SLOWLOG_H
#define STRATA_SLOWLOG_H

#include "atomic.h"
#include "resp_parser.h"
#include "thread.h"

enum { SLOWLOG_ARGUMENTS_MAX = 32, SLOWLOG_ARGUMENT_BYTES_MAX = 128 };

/* One piece of memory, with all its texts; they are zero-terminated too. */
struct slowlog_entry {
    struct slowlog_entry *older;
    uint64_t id;      /* from 0; never used twice in the server's life */
    uint64_t seconds; /* Unix time at which it ended */
    uint64_t micros;  /* that it took */
    struct slice peer;
    struct slice name; /* of the client */
    size_t count;
    struct slice arguments[SLOWLOG_ARGUMENTS_MAX];
};

struct slowlog {
    struct atomic_u64 threshold_micros; /* SLOWLOG_OFF: nothing is slow */
    struct mutex mutex;
    /* guarded by mutex */
    size_t most;
    size_t length;
    uint64_t next_id;
    struct slowlog_entry *newest;
};

#define SLOWLOG_OFF UINT64_MAX

/* In the caller's storage; off, and with room for nothing. NO_MEMORY: for the mutex. */
MUST_CHECK enum status slowlog_init(struct slowlog *slowlog,
                                    const struct threads *threads);
void slowlog_free(struct slowlog *slowlog);

/* threshold_micros -1: off. Entries beyond `most` go, the oldest first. */
void slowlog_configure(struct slowlog *slowlog, int64_t threshold_micros, size_t most);

static inline bool slowlog_is_slow(const struct slowlog *slowlog, uint64_t micros) {
    return micros >= atomic_u64_load(&slowlog->threshold_micros, memory_order_relaxed);
}

/* Of a command that is slow, and whose arguments are no secret. It is not kept where
 * there is no memory for it. */
void slowlog_add(struct slowlog *slowlog, const struct resp_request *request,
                 uint64_t micros, uint64_t unix_seconds, struct slice peer,
                 struct slice name);

size_t slowlog_length(struct slowlog *slowlog);
void slowlog_reset(struct slowlog *slowlog);

/* Calls visit for the newest `most`, newest first, with the mutex held: it must not use
 * the slow log. `begin` is told before how many there are. */
void slowlog_visit(struct slowlog *slowlog, size_t most,
                   void (*begin)(void *context, size_t count),
                   void (*visit)(void *context, const struct slowlog_entry *entry),
                   void *context);

#endif
