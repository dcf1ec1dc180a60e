/* What a connection consists of, for connection*.c. */
#ifndef STRATA_CONNECTION_STATE_H
#define STRATA_CONNECTION_STATE_H

#include "connections.h"

enum connection_state {
    CONNECTION_OPEN,
    CONNECTION_CLOSING,   /* no more requests; what was written is still to be sent */
    CONNECTION_LINGERING, /* all is sent, and the end; the peer may still be sending */
    CONNECTION_DEAD,      /* without a descriptor; somebody still has its request */
};

/* Output from one position to another that waits for a sequence. */
struct held {
    uint64_t from, until;
    uint64_t sequence;
    size_t replies;
};

struct connection {
    struct connections *set;
    void *session;
    int descriptor;
    struct socket_peer peer;
    struct loop_task arrival;
    struct loop_watch watch;
    struct loop_writer flusher;
    struct timer timer;
    struct link link; /* of its set */

    enum connection_state state;
    bool busy;       /* a function below is at work: it is not freed under it */
    bool pending;    /* somebody has its request */
    bool paused;     /* too much output: no more requests for now */
    bool served;     /* the parser has no whole request */
    bool ended;      /* nothing more is read */
    bool peer_ended; /* because the peer sends no more */
    bool may_read;   /* the loop has said so, and reading has not said otherwise */
    bool may_write;  /* no write was cut short, or the loop has said so since */
    bool end_near;   /* read until the end is seen */
    bool full;       /* `drained` is owed */
    bool stinted;    /* others have read ahead so much that it may not */
    bool trimmed;    /* has given memory back since the last read */
    const char *why; /* the server ends it; NULL: it does not */

    struct connection_meter meter;
    struct resp_parser parser;
    struct output ahead; /* read, and for the parser to have */
    struct output output;
    struct resp_writer writer;
    uint64_t marked; /* position up to which output is of earlier ticks */

    struct link holding;
    struct held *held; /* in order: held_first, and so many more */
    size_t held_first, held_count, held_room;

    uint64_t opened_micros;
    uint64_t active_micros;  /* something was read or written, or waited for by us */
    uint64_t crowded_micros; /* since when much output waits; TIMER_NEVER: it does not */
    uint64_t linger_micros;  /* until when it may linger */
};

/* It is closed now, and the operator may be told why. */
void connection_kill_for(struct connection *connection, const char *why);

/* connection_output.c: sets the meter. */
void connection_measure(struct connection *connection);

/* connection.c: reads and carries out what can be. */
void connection_go_on(struct connection *connection);

/* connection_output.c: what the loop calls at the end of a tick. */
void connection_flush(void *context);

/* What waits for sequences up to there may be sent; the rest becomes errors, unless
 * message is NULL. */
void connection_release(struct connection *connection, uint64_t sequence,
                        const char *message);

/* connection_timer.c: sets it to when something is to be looked at next. */
void connection_retime(struct connection *connection);
void connection_due(void *context);

/* connection.c. All is sent: the end is, too. */
void connection_linger(struct connection *connection);

/* The end of a function that was busy: what is dead may be freed now. */
void connection_idle(struct connection *connection);

static inline const struct connection_limits *
connection_limits(const struct connection *connection) {
    return &connection->set->limits;
}

/* From so many on that wait for it, nothing more of it is carried out. Who has not
 * authenticated asks for errors only, and could have them wait on any number of
 * connections. */
static inline size_t connection_soft_bytes(const struct connection *connection) {
    enum { UNTRUSTED_BYTES = 16384 };
    size_t most = connection_limits(connection)->soft_output_bytes;
    return connection->parser.trusted || most < UNTRUSTED_BYTES ? most : UNTRUSTED_BYTES;
}

#endif
