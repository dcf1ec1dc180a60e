/* What waits to be sent, by position (output.h):
 *
 *     sent          held[0].from   held[0].until       marked      appended
 *     | may be sent | waits for    | waits for held[1] | not held, | this tick's |
 *     |             | held[0]      |                   | behind it |             |
 *
 * Nothing behind the first held byte is sent: replies keep their order. */
#include "connection_state.h"

#include <string.h>

#include "memory.h"

enum { FIRST_HELD = 4 };

/* ---- held replies ---------------------------------------------------------------- */

static enum status make_room(struct connection *connection) {
    if (connection->held_first + connection->held_count < connection->held_room) {
        return STATUS_OK;
    }
    if (connection->held_first > 0) {
        memmove(connection->held, connection->held + connection->held_first,
                connection->held_count * sizeof *connection->held);
        connection->held_first = 0;
        return STATUS_OK;
    }
    size_t room = connection->held_room == 0 ? FIRST_HELD : connection->held_room * 2;
    struct held *held = memory_resize(connection->held, room * sizeof *held);
    if (held == NULL) {
        return STATUS_NO_MEMORY;
    }
    connection->held = held;
    connection->held_room = room;
    return STATUS_OK;
}

void connection_hold(struct connection *connection, uint64_t sequence, size_t replies) {
    struct output *output = &connection->output;
    if (connection->state == CONNECTION_DEAD || connection->marked == output->appended) {
        return;
    }
    if (make_room(connection) != STATUS_OK) {
        output->status = STATUS_NO_MEMORY; /* the flush finds it, and sends nothing */
        return;
    }
    connection->held[connection->held_first + connection->held_count++] =
        (struct held){connection->marked, output->appended, sequence, replies};
    connection->marked = output->appended;
    link_add(&connection->set->holding, &connection->holding);
}

/* Moves what waits before the position to the end of `to`. */
static void move_output(struct output *to, struct output *from, uint64_t until) {
    struct slice slices[SOCKET_SLICES_MAX];
    size_t count;
    while ((count = output_gather(from, until, slices, SOCKET_SLICES_MAX)) > 0) {
        size_t bytes = 0;
        for (size_t i = 0; i < count; i++) {
            output_append(to, slices[i].data, slices[i].length);
            bytes += slices[i].length;
        }
        output_advance(from, bytes);
    }
}

static void drop_output(struct output *from, uint64_t until) {
    struct output none = {.status = STATUS_NO_MEMORY}; /* takes nothing */
    move_output(&none, from, until);
}

/* Puts together anew what waits: with errors in the places of the replies that are held
 * for more than is durable.
 * A place that is kept for a reply's count (output_later) cannot be passed; who has one
 * open is closed. */
static void replace_held(struct connection *connection, uint64_t durable,
                         const char *message) {
    struct output fresh = {0}, *output = &connection->output;
    struct resp_writer writer = {&fresh, 2, false};
    uint64_t unmarked = output->appended - connection->marked;
    for (size_t i = 0; i < connection->held_count; i++) {
        const struct held *held = &connection->held[connection->held_first + i];
        if (held->sequence <= durable) {
            continue;
        }
        move_output(&fresh, output, held->from);
        for (size_t reply = 0; reply < held->replies; reply++) {
            resp_write_error(&writer, message);
        }
        drop_output(output, held->until);
    }
    move_output(&fresh, output, output->appended);
    if (output->status != STATUS_OK || output->first != NULL) {
        fresh.status = STATUS_NO_MEMORY;
    }
    fresh.most_bytes = output->most_bytes;
    output_free(output);
    *output = fresh;
    connection->marked = fresh.appended - unmarked;
    connection->held_count = 0;
}

void connection_release(struct connection *connection, uint64_t sequence,
                        const char *message) {
    size_t before = connection->held_count;
    while (connection->held_count > 0 &&
           connection->held[connection->held_first].sequence <= sequence) {
        connection->held_first++;
        connection->held_count--;
    }
    if (connection->held_count > 0 && message != NULL) {
        replace_held(connection, sequence, message);
    }
    if (connection->held_count == before) {
        return;
    }
    if (connection->held_count == 0) {
        connection->held_first = 0;
        link_remove(&connection->holding);
    }
    connection->active_micros = loop_now_micros(connection->set->loop);
    loop_write(connection->set->loop, &connection->flusher);
}

/* ---- sending --------------------------------------------------------------------- */

/* The loop says when there is room again. */
static void cut_short(struct connection *connection) {
    connection->may_write = false;
    loop_watch_writing(connection->set->loop, &connection->watch, true);
}

static void write_some(struct connection *connection) {
    struct slice slices[SOCKET_SLICES_MAX];
    size_t bytes = 0, sent = 0;
    uint64_t until = connection->held_count == 0
                         ? connection->output.appended
                         : connection->held[connection->held_first].from;
    size_t count = connection->may_write ? output_gather(&connection->output, until,
                                                         slices, SOCKET_SLICES_MAX)
                                         : 0;
    if (count == 0) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        bytes += slices[i].length;
    }
    switch (socket_write(connection->descriptor, slices, count, &sent)) {
    case SOCKET_DONE:
        break;
    case SOCKET_LATER:
        cut_short(connection);
        return;
    case SOCKET_ENDED:
    case SOCKET_BROKEN:
    case SOCKET_FULL:
    case SOCKET_TIGHT:
    default:
        connection_kill(connection);
        return;
    }
    output_advance(&connection->output, sent);
    connection->active_micros = loop_now_micros(connection->set->loop);
    atomic_u64_add(&connection->set->written_bytes, sent, memory_order_relaxed);
    if (sent < bytes) {
        cut_short(connection);
    } else if (connection->output.sent < until) {
        loop_write(connection->set->loop, &connection->flusher);
    } else {
        loop_watch_writing(connection->set->loop, &connection->watch, false);
    }
}

void connection_measure(struct connection *connection) {
    struct connection_meter *meter = &connection->meter;
    const struct resp_parser *parser = &connection->parser;
    const struct output *output = &connection->output;
    const struct {
        struct atomic_u64 *to;
        uint64_t value;
    } measures[] = {
        {&meter->query_bytes,
         resp_parser_held(parser) + output_pending(&connection->ahead)},
        {&meter->query_room, parser->capacity - parser->end},
        {&meter->output_bytes, output_pending(output)},
        {&meter->output_memory, output->memory},
        {&meter->memory, sizeof *connection + resp_parser_memory(parser) +
                             connection->ahead.memory + output->memory +
                             connection->held_room * sizeof *connection->held},
    };
    for (size_t i = 0; i < sizeof measures / sizeof measures[0]; i++) {
        atomic_u64_store(measures[i].to, measures[i].value, memory_order_relaxed);
    }
}

/* How slow the client is, after what it has taken. */
static void judge(struct connection *connection) {
    const struct connection_limits *limits = connection_limits(connection);
    uint64_t waits = output_pending(&connection->output);
    if (waits <= limits->lasting_output_bytes) {
        connection->crowded_micros = TIMER_NEVER;
    } else if (connection->crowded_micros == TIMER_NEVER) {
        connection->crowded_micros = loop_now_micros(connection->set->loop);
        connection_retime(connection);
    }
    if (waits > connection_soft_bytes(connection) / 2) {
        return;
    }
    if (connection->paused) {
        connection->paused = false;
        loop_again(connection->set->loop, &connection->watch);
    }
    if (connection->full) {
        connection->full = false;
        connection->set->handler->drained(connection->session);
    }
}

/* All is sent; is all over? */
static void end_if_over(struct connection *connection) {
    bool answered = connection->ended && connection->served &&
                    output_pending(&connection->ahead) == 0;
    if (connection->state == CONNECTION_OPEN && !answered) {
        return;
    }
    if (connection->peer_ended) {
        connection_kill(connection);
    } else {
        connection_linger(connection);
    }
}

void connection_flush(void *context) {
    struct connection *connection = context;
    if (connection->state == CONNECTION_LINGERING) {
        return;
    }
    connection->busy = true;
    if (connection->output.status != STATUS_OK) {
        connection_kill_for(connection, "no memory for its replies");
    } else {
        write_some(connection);
        connection->marked = connection->output.appended;
    }
    if (connection->state != CONNECTION_DEAD) {
        judge(connection);
        connection_measure(connection);
    }
    if (connection->state != CONNECTION_DEAD && !connection->pending &&
        output_pending(&connection->output) == 0) {
        end_if_over(connection);
    }
    connection_idle(connection);
}

void connection_written(struct connection *connection) {
    if (connection->state != CONNECTION_DEAD) {
        loop_write(connection->set->loop, &connection->flusher);
    }
}

bool connection_has_room(struct connection *connection) {
    if (connection->state == CONNECTION_DEAD) {
        return false;
    }
    if (output_pending(&connection->output) >
        connection_limits(connection)->hard_output_bytes) {
        connection_kill_for(connection, "more replies wait for it than may "
                                        "(client-output-buffer-limit)");
        return false; /* it may be freed by now */
    }
    return true;
}

bool connection_full(struct connection *connection) {
    bool full = connection->state != CONNECTION_DEAD &&
                output_pending(&connection->output) >=
                    connection_limits(connection)->soft_output_bytes;
    if (full && !connection->full) {
        connection->full = true;
        loop_again(connection->set->loop, &connection->watch); /* it may read ahead */
    }
    return full;
}
