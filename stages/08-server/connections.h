/* All connections of one loop. The functions are for the loop's thread, but
 * connections_take and those of clients. */
#ifndef STRATA_CONNECTIONS_H
#define STRATA_CONNECTIONS_H

#include "atomic.h"
#include "connection.h"
#include "loop.h"

struct connection_limits {
    struct resp_limits request;
    size_t read_bytes;      /* of one connection in a tick, about */
    size_t ahead_bytes;     /* read of who has to take replies first, about */
    size_t all_ahead_bytes; /* of all clients; each has as much as is left at most */
    size_t soft_output_bytes;
    size_t hard_output_bytes;
    size_t lasting_output_bytes;
    uint64_t lasting_micros;    /* for which that many may wait */
    uint64_t idle_micros;       /* after which a silent client is closed; 0: never */
    unsigned keepalive_seconds; /* after which a silent peer is asked; 0: never */
};

static inline struct connection_limits connection_limits_default(void) {
    return (struct connection_limits){
        .request = resp_limits_default(),
        .read_bytes = (size_t)256 << 10,
        .ahead_bytes = (size_t)64 << 20,
        .all_ahead_bytes = (size_t)128 << 20, /* so one alone has all of its own */
        .soft_output_bytes = (size_t)1 << 20,
        .hard_output_bytes = (size_t)256 << 20,
        .lasting_output_bytes = (size_t)128 << 20,
        .lasting_micros = 60000000,
    };
}

/* How many connections there are, of all loops, and may be, and what they have read
 * ahead. Any thread. */
struct clients {
    struct atomic_u64 count;
    struct atomic_u64 most;
    struct atomic_u64 ahead_bytes;
};

/* One more; false: there are as many as may be. */
bool clients_enter(struct clients *clients);
void clients_leave(struct clients *clients);

/* In the caller's storage; fields are for reading. */
struct connections {
    struct loop *loop;
    struct clients *clients;
    struct connection_limits limits;
    const struct connection_handler *handler;
    void *context;
    struct link all;
    struct link holding; /* those with held replies */
    bool finishing;
    /* Any thread may read these. */
    struct atomic_u64 read_bytes;
    struct atomic_u64 written_bytes;
};

/* The loop, the handler and the clients are borrowed. */
void connections_init(struct connections *connections, struct loop *loop,
                      struct clients *clients, const struct connection_limits *limits,
                      const struct connection_handler *handler, void *context);

/* Any thread: a client that has entered is these connections' from now on, and its
 * descriptor too. It leaves `clients` when it is closed. NO_MEMORY: both are still the
 * caller's. */
MUST_CHECK enum status connections_take(struct connections *connections, int descriptor,
                                        const struct socket_peer *peer);

/* Those of which part of the replies is held: what waits for `sequence` or less is
 * sent. */
void connections_release(struct connections *connections, uint64_t sequence);

/* As connections_release for `durable`; each held reply beyond becomes the error with
 * this message ("IOERR …"). */
void connections_fail(struct connections *connections, uint64_t durable,
                      const char *message);

/* Other limits, for all that are there, too. */
void connections_limit(struct connections *connections,
                       const struct connection_limits *limits);

/* Calls visit for each, in the order in which they came; it may close that one. */
void connections_each(struct connections *connections,
                      void (*visit)(void *context, struct connection *connection),
                      void *context);

/* Nothing more is read; what was read is answered, and then each is closed. */
void connections_finish(struct connections *connections);

/* All are closed now. Those with a PENDING request remain until it is resumed. */
void connections_kill(struct connections *connections);

/* None is left. Requires that no connection is on its way (connections_take). */
static inline bool connections_over(const struct connections *connections) {
    return link_alone(&connections->all);
}

#endif
