/* A connection's life:
 *
 *     OPEN --finish, protocol error--> CLOSING --all is sent--> LINGERING --+
 *      |                                  |                                 |
 *      +--- reset, too much output, idle, the end and all is answered ------+--> DEAD
 *
 * DEAD is freed at once, but where a request of it is PENDING, or one of the functions
 * here is still at work on it. Reading and carrying out goes on until one of these stops
 * it; what starts it again is in brackets:
 *
 *     nothing to read         [the loop: readable]     read_bytes are read   [next tick]
 *     a request is PENDING    [connection_resume]      much output waits     [a flush]
 *
 * While output is what stops it, bytes are read to `ahead`, and the parser has them from
 * there afterwards. For all clients there is a total, of which each may have as much as
 * is left: one that takes all that it can leaves others something, and so do those. */
#include "connection.h"

#include <assert.h>
#include <string.h>

#include "connection_state.h"
#include "memory.h"

enum {
    LINGER_MICROS = 1000000,
    DISCARD_BYTES = 4096,
    DISCARDS = 16,
    AHEAD_BYTES = 16 * 1024
};

/* ---- the end --------------------------------------------------------------------- */

static void drop_ahead(struct connection *connection) {
    atomic_u64_subtract(&connection->set->clients->ahead_bytes,
                        output_pending(&connection->ahead), memory_order_relaxed);
    output_free(&connection->ahead);
}

static void destroy(struct connection *connection) {
    if (connection->session != NULL) {
        connection->set->handler->close(connection->session);
    }
    link_remove(&connection->link);
    resp_parser_free(&connection->parser);
    drop_ahead(connection);
    memory_give(connection);
}

void connection_idle(struct connection *connection) {
    connection->busy = false;
    if (connection->state == CONNECTION_DEAD && !connection->pending) {
        destroy(connection);
    }
}

/* Who waits for room with a request that is PENDING learns that there is none to come:
 * nobody else would resume it. */
static void tell_drained(struct connection *connection) {
    bool busy = connection->busy;
    if (connection->full) {
        connection->full = false;
        connection->busy = true;
        connection->set->handler->drained(connection->session);
        connection->busy = busy;
    }
}

void connection_kill(struct connection *connection) {
    if (connection->state == CONNECTION_DEAD) {
        return;
    }
    struct loop *loop = connection->set->loop;
    connection->state = CONNECTION_DEAD;
    loop_unwatch(loop, &connection->watch);
    loop_unwrite(&connection->flusher);
    loop_timer_remove(loop, &connection->timer);
    socket_close(connection->descriptor);
    output_free(&connection->output);
    connection->output.status = STATUS_NO_MEMORY; /* nothing is put there any more */
    memory_give(connection->held);
    connection->held = NULL;
    connection->held_count = 0;
    link_remove(&connection->holding);
    clients_leave(connection->set->clients);
    tell_drained(connection);
    if (!connection->busy) {
        connection_idle(connection);
    }
}

void connection_kill_for(struct connection *connection, const char *why) {
    if (connection->why == NULL) {
        connection->why = why;
    }
    connection_kill(connection);
}

void connection_finish(struct connection *connection) {
    if (connection->state == CONNECTION_OPEN) {
        connection->state = CONNECTION_CLOSING;
        loop_write(connection->set->loop, &connection->flusher);
        connection_retime(connection);
    }
}

/* Takes what the peer still sends, so that its last words do not reset the connection. */
static void discard(struct connection *connection) {
    unsigned char bytes[DISCARD_BYTES];
    size_t count;
    for (unsigned i = 0; i < DISCARDS; i++) {
        switch (socket_read(connection->descriptor, bytes, sizeof bytes, &count)) {
        case SOCKET_DONE:
            break;
        case SOCKET_LATER:
            return;
        case SOCKET_ENDED:
        case SOCKET_BROKEN:
        case SOCKET_FULL:
        case SOCKET_TIGHT:
        default:
            connection_kill(connection);
            return;
        }
    }
    loop_again(connection->set->loop, &connection->watch);
}

void connection_linger(struct connection *connection) {
    connection->state = CONNECTION_LINGERING;
    connection->linger_micros = loop_now_micros(connection->set->loop) + LINGER_MICROS;
    resp_parser_free(&connection->parser);
    drop_ahead(connection);
    socket_end_writing(connection->descriptor);
    connection_retime(connection);
    discard(connection);
}

static const char no_memory[] = "no memory for what it asks";

/* ---- requests -------------------------------------------------------------------- */

/* The client has broken the protocol: it is told, whatever it wished to hear. */
static void refuse(struct connection *connection, const struct error *error) {
    struct resp_writer writer = {&connection->output, 2, false};
    resp_write_error(&writer, error->message);
    connection->why = "it broke the protocol";
    connection_finish(connection);
}

/* Carries out what is there; true if the parser has no more. */
static bool serve(struct connection *connection) {
    const struct connection_handler *handler = connection->set->handler;
    struct resp_request request;
    struct error error = {0};
    for (bool follows = false;; follows = true) {
        if (output_pending(&connection->output) >= connection_soft_bytes(connection)) {
            connection->paused = true;
            return false;
        }
        switch (resp_parser_next(&connection->parser, &request, &error)) {
        case STATUS_OK:
            break;
        case STATUS_NOT_FOUND:
            return true;
        case STATUS_INVALID:
        case STATUS_LIMIT:
            refuse(connection, &error);
            return false;
        case STATUS_UNSUPPORTED:
        case STATUS_CORRUPT:
        case STATUS_IO:
        case STATUS_BUSY:
        case STATUS_NO_MEMORY:
        case STATUS_NO_SPACE:
        case STATUS_STALLED:
        default:
            connection_kill_for(connection, no_memory);
            return false;
        }
        if (connection->output.status != STATUS_OK) {
            connection_kill(connection); /* and with it what it has asked for since */
            return false;
        }
        connection->pending = handler->command(connection->session, &request, follows) ==
                              CONNECTION_PENDING;
        if (connection->pending || connection->state != CONNECTION_OPEN) {
            return false;
        }
    }
}

static void note_read(struct connection *connection, size_t count) {
    connection->active_micros = loop_now_micros(connection->set->loop);
    atomic_u64_add(&connection->set->read_bytes, count, memory_order_relaxed);
    if (connection->trimmed) {
        connection->trimmed = false;
        connection_retime(connection);
    }
}

/* Less than there was room for is all that there was (epoll(7)), but for the end, which
 * the loop tells of only once. What was read is at `to`. */
static size_t read_to(struct connection *connection, unsigned char *to, size_t bytes) {
    size_t count = 0;
    switch (socket_read(connection->descriptor, to, bytes, &count)) {
    case SOCKET_DONE:
        note_read(connection, count);
        connection->may_read = count == bytes || connection->end_near;
        return count;
    case SOCKET_LATER:
        connection->may_read = false;
        return 0;
    case SOCKET_ENDED:
        connection->ended = connection->peer_ended = true;
        return 0;
    case SOCKET_BROKEN:
    case SOCKET_FULL:
    case SOCKET_TIGHT:
    default:
        connection_kill(connection);
        return 0;
    }
}

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

static void read_ahead(struct connection *connection, size_t *budget) {
    unsigned char bytes[AHEAD_BYTES];
    size_t count = read_to(connection, bytes, least(sizeof bytes, *budget));
    uint64_t before = connection->ahead.appended;
    output_append(&connection->ahead, bytes, count);
    atomic_u64_add(&connection->set->clients->ahead_bytes,
                   connection->ahead.appended - before, memory_order_relaxed);
    *budget -= count;
    if (connection->ahead.status != STATUS_OK) {
        connection_kill_for(connection, no_memory);
    }
}

static size_t take_ahead(struct connection *connection, unsigned char *to, size_t bytes) {
    struct output *ahead = &connection->ahead;
    struct slice next;
    (void)output_gather(ahead, ahead->appended, &next, 1);
    bytes = least(bytes, next.length);
    memcpy(to, next.data, bytes);
    output_advance(ahead, bytes);
    atomic_u64_subtract(&connection->set->clients->ahead_bytes, bytes,
                        memory_order_relaxed);
    return bytes;
}

/* Once, for the parser. */
static void read_some(struct connection *connection, size_t *budget) {
    unsigned char *to;
    size_t bytes, count;
    if (resp_parser_room(&connection->parser, &to, &bytes) != STATUS_OK) {
        connection_kill_for(connection, no_memory);
        return;
    }
    bytes = least(bytes, *budget);
    count = output_pending(&connection->ahead) > 0 ? take_ahead(connection, to, bytes)
                                                   : read_to(connection, to, bytes);
    if (connection->state == CONNECTION_OPEN) {
        resp_parser_filled(&connection->parser, count);
        connection_measure(connection);
        *budget -= count;
    }
}

/* Whether it is for its client, who has to take replies, that it does not go on. */
static bool is_crowded(const struct connection *connection) {
    return connection->paused || (connection->pending && connection->full);
}

static bool may_read_ahead(struct connection *connection) {
    const struct connection_limits *limits = connection_limits(connection);
    uint64_t own = output_pending(&connection->ahead);
    uint64_t all =
        atomic_u64_load(&connection->set->clients->ahead_bytes, memory_order_relaxed);
    bool stinted = all + own >= limits->all_ahead_bytes;
    if (stinted && !connection->stinted && own < limits->ahead_bytes) {
        connection->stinted = true;
        connection_retime(connection);
    }
    return !stinted && own < limits->ahead_bytes;
}

static bool has_input(struct connection *connection) {
    bool may_read = connection->may_read && !connection->ended;
    uint64_t ahead = output_pending(&connection->ahead);
    if (is_crowded(connection)) {
        return may_read && connection->parser.trusted && may_read_ahead(connection);
    }
    return connection->served && (may_read || ahead > 0);
}

void connection_go_on(struct connection *connection) {
    size_t budget = connection_limits(connection)->read_bytes;
    connection->busy = true;
    while (connection->state == CONNECTION_OPEN) {
        if (!connection->pending && !connection->paused) {
            connection->served = serve(connection);
        }
        if (connection->state != CONNECTION_OPEN || !has_input(connection)) {
            break;
        }
        if (budget == 0) {
            loop_again(connection->set->loop, &connection->watch);
            break;
        }
        (is_crowded(connection) ? read_ahead : read_some)(connection, &budget);
    }
    if (connection->state == CONNECTION_LINGERING) {
        discard(connection);
    }
    if (connection->state != CONNECTION_DEAD) {
        loop_write(connection->set->loop, &connection->flusher);
    }
    connection_idle(connection);
}

static void ready(void *context, unsigned events) {
    struct connection *connection = context;
    connection->may_read |= (events & LOOP_READABLE) != 0;
    connection->may_write |= (events & LOOP_WRITABLE) != 0;
    connection->end_near |= (events & LOOP_ENDED) != 0;
    connection_go_on(connection);
}

void connection_resume(struct connection *connection) {
    assert(connection->pending);
    connection->pending = false;
    connection->active_micros = loop_now_micros(connection->set->loop);
    if (!connection->busy) {
        connection_go_on(connection); /* which ends one that is dead */
    } else if (connection->state != CONNECTION_DEAD) {
        loop_again(connection->set->loop, &connection->watch);
    }
}

/* ---- the beginning --------------------------------------------------------------- */

/* It comes to its loop. What cannot be set up is closed like any other. */
static void arrive(void *context) {
    struct connection *connection = context;
    struct connections *set = connection->set;
    uint64_t now = loop_now_micros(set->loop);
    connection->opened_micros = connection->active_micros = now;
    connection->ended = set->finishing;
    connection->output.most_bytes = set->limits.hard_output_bytes;
    link_add(&set->all, &connection->link);
    if (loop_timer_add(set->loop, &connection->timer) != STATUS_OK) {
        goto no_timer;
    }
    if (loop_watch(set->loop, &connection->watch, NULL) != STATUS_OK) {
        goto no_watch;
    }
    if (set->limits.keepalive_seconds > 0) {
        socket_keepalive(connection->descriptor, set->limits.keepalive_seconds);
    }
    connection_measure(connection);
    connection->busy = true;
    connection->session = set->handler->open(set->context, connection);
    if (connection->session == NULL) {
        connection_kill(connection);
    } else if (connection->state != CONNECTION_DEAD) {
        connection_retime(connection);
        loop_write(set->loop, &connection->flusher);
    }
    connection_idle(connection);
    return;
no_watch:
    loop_timer_remove(set->loop, &connection->timer);
no_timer:
    socket_close(connection->descriptor);
    clients_leave(set->clients);
    destroy(connection);
}

enum status connections_take(struct connections *set, int descriptor,
                             const struct socket_peer *peer) {
    struct connection *connection = memory_take_zeroed(sizeof *connection);
    if (connection == NULL) {
        return STATUS_NO_MEMORY;
    }
    connection->set = set;
    connection->descriptor = descriptor;
    connection->peer = *peer;
    connection->served = connection->may_write = true;
    connection->crowded_micros = TIMER_NEVER;
    connection->writer = (struct resp_writer){&connection->output, 2, false};
    connection->watch = (struct loop_watch){
        .ready = ready, .context = connection, .descriptor = descriptor};
    connection->timer = (struct timer){.due = connection_due, .context = connection};
    connection->arrival = (struct loop_task){.run = arrive, .context = connection};
    loop_writer_init(&connection->flusher, connection_flush, connection);
    link_init(&connection->link, connection);
    link_init(&connection->holding, connection);
    resp_parser_init(&connection->parser, &set->limits.request, false);
    loop_post(set->loop, &connection->arrival);
    return STATUS_OK;
}

struct resp_writer *connection_writer(struct connection *connection) {
    return &connection->writer;
}

size_t connection_alike(const struct connection *connection, struct slice *seconds,
                        size_t most) {
    return resp_parser_alike(&connection->parser, seconds, most);
}

void connection_trust(struct connection *connection, bool trusted) {
    connection->parser.trusted = trusted;
}

void connection_facts(const struct connection *connection,
                      struct connection_facts *facts) {
    uint64_t now = loop_now_micros(connection->set->loop);
    *facts = (struct connection_facts){
        .name = connection->peer.name,
        .own_name = connection->peer.own,
        .meter = &connection->meter,
        .why = connection->why,
        .local = connection->peer.local,
        .descriptor = connection->descriptor,
        .age_micros = now - connection->opened_micros,
        .idle_micros = now - connection->active_micros,
        .output_bytes = connection->output.appended - connection->output.sent,
    };
}
