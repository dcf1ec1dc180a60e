/* A client's connection, as commands see it. Bytes come in, requests go to the handler,
 * replies that it writes go out: in the order of the requests, whatever happens between.
 *
 *   a request      the handler answers it at once (DONE), or somebody else has it and the
 *                  connection goes no further until connection_resume (PENDING)
 *   a held reply   a reply may promise what is not durable yet. connection_hold keeps all
 *                  that this tick wrote, until connections_release or connections_fail
 *   a slow client  more than soft_output_bytes wait for it (of one that is not trusted:
 *                  16 KiB): nothing more of it is carried out until half of that is gone;
 *                  more than hard_output_bytes, or more than lasting_output_bytes for too
 *                  long: it is closed
 *   a long pipeline   many clients take no reply before they have sent all. Who waits for
 *                  them to take some and does not read meanwhile waits for ever; so of a
 *                  slow client that is trusted ahead_bytes are read, and kept
 *   the end        a peer that sends no more gets all answers to what it sent. One that
 *                  is told to go (a protocol error, QUIT) gets what was written, the end,
 *                  and a second to say goodbye: closing before it has read would reset
 *                  the connection, and lose the last words. One that is gone is gone.
 *
 * All functions are for the thread of the connection's loop. */
#ifndef STRATA_CONNECTION_H
#define STRATA_CONNECTION_H

#include "atomic.h"
#include "resp_parser.h"
#include "resp_writer.h"
#include "socket.h"

struct connection;

enum connection_answer { CONNECTION_DONE, CONNECTION_PENDING };

/* What stands behind connections. The context is that of their set. */
struct connection_handler {
    /* A client has come; the answer is its session. It may write, and finish it. NULL: it
     * is closed, and nothing else is called for it. */
    void *(*open)(void *context, struct connection *connection);

    /* The request lives until it returns DONE; if PENDING, until connection_resume. It
     * follows if nothing was done, but to look for it, since the one before was DONE. */
    enum connection_answer (*command)(void *session, const struct resp_request *request,
                                      bool follows);

    /* connection_full was true, and there is room again; or the connection is lost, and
     * connection_has_room says so. */
    void (*drained)(void *session);

    /* The last call for it. While a request is PENDING it does not come. */
    void (*close)(void *session);
};

/* Where the replies go. */
struct resp_writer *connection_writer(struct connection *connection);

/* From within `command`: what requests will ask for that have arrived already, as
 * resp_parser_alike. */
size_t connection_alike(const struct connection *connection, struct slice *seconds,
                        size_t most);

/* A request that was PENDING is answered. If the connection was lost meanwhile this ends
 * it. Not from within `command`. */
void connection_resume(struct connection *connection);

/* Something was written, while no request of this connection was being carried out. */
void connection_written(struct connection *connection);

/* To be asked before each part of a reply that may have many, and before what no request
 * asked for: if it is false, more than hard_output_bytes wait already, the connection is
 * closed, and what is still written is dropped; outside of a request it is freed, too.
 * One part more is always allowed, for a value may be longer than that. */
bool connection_has_room(struct connection *connection);

/* Whether who has long replies to write should wait for `drained` first. */
bool connection_full(struct connection *connection);

/* From the hook of the loop: what was written in this tick waits for this sequence. It is
 * so many replies, which become errors if that fails. */
void connection_hold(struct connection *connection, uint64_t sequence, size_t replies);

/* Whether its arguments may be large: a new client's may not (resp_parser.h). */
void connection_trust(struct connection *connection, bool trusted);

/* It asks for no more: what was written is sent, then it is closed. */
void connection_finish(struct connection *connection);

/* It is closed now, and what was written is lost. */
void connection_kill(struct connection *connection);

/* What it holds, as it was when something was read last, or a tick ended. Any thread may
 * read it, for as long as the connection lives. */
struct connection_meter {
    struct atomic_u64 query_bytes;  /* read, and not carried out yet */
    struct atomic_u64 query_room;   /* for more */
    struct atomic_u64 output_bytes; /* that wait to be sent */
    struct atomic_u64 output_memory;
    struct atomic_u64 memory; /* all that it takes */
};

struct connection_facts {
    const char *name;     /* of the peer; all of these live as long as the connection */
    const char *own_name; /* of the server's side */
    const struct connection_meter *meter;
    const char *why; /* the server ended it; NULL: it did not */
    bool local;
    int descriptor;
    uint64_t age_micros;
    uint64_t idle_micros;  /* since something was read or written */
    uint64_t output_bytes; /* that wait */
};

void connection_facts(const struct connection *connection,
                      struct connection_facts *facts);

#endif
