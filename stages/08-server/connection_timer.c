/* One timer for all that a connection is looked at for. Most of that moves on whenever
 * something is read or written, and setting the timer each time would cost more than the
 * rest of a small request: so it is left where it is, and when it is due it is set to
 * what is due next. Only what comes sooner sets it at once. */
#include "connection_state.h"

enum {
    TRIM_MICROS = 2000000,    /* of silence, then memory is given back */
    STINTED_MICROS = 100000,  /* and then others may have left more */
    CLOSING_MICROS = 10000000 /* of silence, of one that is to take its last replies */
};

static uint64_t earlier(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

void connection_retime(struct connection *connection) {
    const struct connection_limits *limits = connection_limits(connection);
    uint64_t active = connection->active_micros, next = TIMER_NEVER;
    if (limits->idle_micros > 0) {
        next = active + limits->idle_micros;
    }
    if (!connection->trimmed) {
        next = earlier(next, active + TRIM_MICROS);
    }
    if (connection->crowded_micros != TIMER_NEVER) {
        next = earlier(next, connection->crowded_micros + limits->lasting_micros);
    }
    if (connection->stinted) {
        next = earlier(next, loop_now_micros(connection->set->loop) + STINTED_MICROS);
    }
    if (connection->state == CONNECTION_CLOSING) {
        next = earlier(next, active + CLOSING_MICROS);
    }
    if (connection->state == CONNECTION_LINGERING) {
        next = earlier(next, connection->linger_micros);
    }
    loop_timer_set(connection->set->loop, &connection->timer, next);
}

/* Why its time is over; NULL: it is not. */
static const char *over_why(const struct connection *connection, uint64_t now) {
    const struct connection_limits *limits = connection_limits(connection);
    uint64_t silent = now - connection->active_micros;
    if (limits->idle_micros > 0 && silent >= limits->idle_micros) {
        return "it was silent for too long (timeout)";
    }
    if (connection->crowded_micros != TIMER_NEVER &&
        now - connection->crowded_micros >= limits->lasting_micros) {
        return "much has waited for it for too long (client-output-buffer-limit)";
    }
    return connection->state == CONNECTION_CLOSING && silent >= CLOSING_MICROS
               ? "it did not take its last replies"
               : NULL;
}

void connection_due(void *context) {
    struct connection *connection = context;
    uint64_t now = loop_now_micros(connection->set->loop);
    if (connection->pending || connection->held_count > 0) {
        connection->active_micros = now; /* it is the client who waits */
    }
    if (connection->state == CONNECTION_LINGERING && now >= connection->linger_micros) {
        connection_kill(connection);
        return;
    }
    const char *why = over_why(connection, now);
    if (why != NULL) {
        connection_kill_for(connection, why);
        return;
    }
    if (connection->stinted) {
        connection->stinted = false;
        loop_again(connection->set->loop, &connection->watch);
    }
    if (now - connection->active_micros >= TRIM_MICROS && !connection->trimmed) {
        resp_parser_trim(&connection->parser);
        connection->trimmed = true;
        connection_measure(connection);
    }
    connection_retime(connection);
}
