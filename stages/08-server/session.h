/* What a connection is to the commands that it asks for: where replies go, what the
 * client has chosen, and what became of its request.
 *
 *     on the loop       session->may_wait = false; command_execute(session, request)
 *                       DONE: next request. WOULD_WAIT: it goes to a worker
 *     on a worker       session->writer = a private one (same protocol and muted),
 *                       may_wait = true; command_execute; then, back on the loop, its
 *                       output is joined to the connection's, and the writer put back
 *     STREAMS           on a worker, whenever the output has drained: reply_stream_more;
 *                       at the end reply_stream_close, stream = NULL
 *     afterwards        access.sequence tells for what the reply has to wait;
 *                       closes: the connection ends behind the reply
 *
 * Commands that change the writer (HELLO, RESET, CLIENT REPLY) never wait, so these are
 * the connection's own writer and its own thread.
 *
 * One thread at a time. Between a request that would wait and its end the session is the
 * worker's. */
#ifndef STRATA_SESSION_H
#define STRATA_SESSION_H

#include "keyspace.h"
#include "redis_command.h"
#include "reply_stream.h"
#include "resp_writer.h"

struct server;     /* all that is behind: layer 5's; nothing here looks into it */
struct scan_table; /* scan_table.h */
struct password;   /* password.h */

/* What all sessions have in common; borrowed by each. */
struct session_commons {
    struct keyspace *keyspace;
    struct scan_table *scans;
    struct password *password;
    const struct command_index *index;
    struct server *server; /* NULL in tests of what needs none */
};

enum reply_mode { REPLY_ON, REPLY_OFF, REPLY_SKIP_NEXT, REPLY_SKIP };

struct session {
    const struct session_commons *commons;
    struct resp_writer *writer; /* with the protocol */
    uint64_t id;                /* from 1, of this life of the server */

    /* The client's choices. */
    struct buf name; /* empty: none */
    struct buf library_name;
    struct buf library_version;
    bool authenticated;
    enum reply_mode reply; /* SKIP_NEXT: of the request after this one */
    bool no_evict;
    bool monitors;

    /* Of the present request. */
    bool may_wait;                 /* to be set by who carries it out */
    struct keyspace_access access; /* begun by command_execute */
    size_t number;                 /* of its command; index->count: unknown */
    bool rejected;                 /* it was never run: unknown, or refused */
    bool failed;                   /* it was run, and the reply is an error */
    bool closes;                   /* the connection ends when the reply is sent */
    struct reply_stream *stream;
};

/* Of a new connection: authenticated if no password is asked for. */
void session_init(struct session *session, const struct session_commons *commons,
                  struct resp_writer *writer, uint64_t id);
void session_free(struct session *session); /* its stream too */

/* The row that the present request was resolved to; it was not unknown. */
const struct redis_command *session_command(const struct session *session);

/* Of names: no spaces, and nothing that cannot be printed. */
bool session_name_is_valid(struct slice name);
extern const char session_name_error[];

/* One that is valid; empty: none. NO_MEMORY. */
MUST_CHECK enum status session_set_name(struct session *session, struct slice name);

/* As after a connect, but for the id: RESET. */
void session_reset(struct session *session);

/* ---- replies --------------------------------------------------------------------- */

/* An error reply, with its code: "ERR syntax error". All errors go this way, so that
 * they are counted. Each answers COMMAND_DONE, so that a command can end with it. */
enum command_outcome session_error(struct session *session, const char *message);
enum command_outcome session_errorf(struct session *session, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* What a function of the keyspace or the store answered instead of OK: WOULD_WAIT if it
 * was STALLED and the session may not wait, else an error reply that begins with
 *
 *     TRYAGAIN  STALLED       OOM  NO_MEMORY       IOERR  IO, NO_SPACE, CORRUPT
 *     ERR       all others */
enum command_outcome session_fail(struct session *session, enum status status,
                                  const struct error *error);

static inline enum command_outcome session_ok(struct session *session) {
    resp_write_simple(session->writer, "OK");
    return COMMAND_DONE;
}

static inline enum command_outcome session_integer(struct session *session,
                                                   int64_t value) {
    resp_write_integer(session->writer, value);
    return COMMAND_DONE;
}

#endif
