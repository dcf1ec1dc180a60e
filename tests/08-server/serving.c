#include "serving.h"

#include <signal.h>

const unsigned char serving_bytes[1 << 20] = {'.'};

static void echo(struct session *session, const struct resp_request *request) {
    struct resp_writer *writer = connection_writer(session->connection);
    resp_write_aggregate(writer, RESP_ARRAY, request->count);
    for (size_t i = 0; i < request->count; i++) {
        resp_write_bulk(writer, request->arguments[i]);
    }
}

static size_t number(const struct resp_request *request, size_t index) {
    char text[32] = {0};
    assert_true(index < request->count && request->arguments[index].length < 32);
    memcpy(text, request->arguments[index].data, request->arguments[index].length);
    return strtoull(text, NULL, 10);
}

/* Of ALL: as much as there is room for. */
static enum connection_answer write_parts(struct session *session) {
    while (session->parts > 0) {
        if (connection_full(session->connection)) {
            session->pending = true;
            return CONNECTION_PENDING;
        }
        resp_write_bulk(connection_writer(session->connection),
                        slice_make(serving_bytes, session->part_bytes));
        connection_written(session->connection);
        session->parts--;
    }
    return CONNECTION_DONE;
}

static void *serving_open(void *context, struct connection *connection) {
    struct serving *serving = context;
    if (serving->refuse_sessions) {
        return NULL;
    }
    assert_true(serving->opened < SESSIONS);
    struct session *session = &serving->sessions[serving->opened++];
    *session = (struct session){.serving = serving, .connection = connection};
    connection_trust(connection, true);
    if (serving->say_goodbye) {
        resp_write_error(connection_writer(connection), "DENIED");
        connection_finish(connection);
    }
    return session;
}

static enum connection_answer
serving_command(void *context, const struct resp_request *request, bool follows) {
    struct session *session = context;
    struct slice name = request->arguments[0];
    struct resp_writer *writer = connection_writer(session->connection);
    assert_false(session->pending || session->closed);
    session->commands++;
    session->follow += follows;
    if (slice_equal(name, slice_of("LATER"))) {
        session->later = *request;
        session->pending = true;
        return CONNECTION_PENDING;
    }
    if (slice_equal(name, slice_of("BIG"))) {
        resp_write_bulk(writer, slice_make(serving_bytes, number(request, 1)));
    } else if (slice_equal(name, slice_of("PARTS"))) {
        for (size_t i = number(request, 2); i > 0; i--) {
            if (!connection_has_room(session->connection)) {
                break;
            }
            resp_write_bulk(writer, slice_make(serving_bytes, number(request, 1)));
        }
    } else if (slice_equal(name, slice_of("ALL"))) {
        session->part_bytes = number(request, 1);
        session->parts = number(request, 2);
        return write_parts(session);
    } else if (slice_equal(name, slice_of("QUIT"))) {
        resp_write_simple(writer, "OK");
        connection_finish(session->connection);
    } else if (slice_equal(name, slice_of("DIE"))) {
        connection_kill(session->connection);
    } else {
        echo(session, request);
    }
    return CONNECTION_DONE;
}

static void serving_drained(void *context) {
    struct session *session = context;
    session->drained++;
    if (session->parts > 0 && write_parts(session) == CONNECTION_DONE) {
        session->pending = false;
        connection_resume(session->connection);
    }
}

static void serving_close(void *context) {
    struct session *session = context;
    assert_false(session->closed || session->pending);
    session->closed = true;
    session->serving->closed++;
}

static const struct connection_handler serving_handler = {serving_open, serving_command,
                                                          serving_drained, serving_close};

/* Writing to a client who is gone must not end the process, nor trouble it. */
static volatile sig_atomic_t pipe_signals;

static void note_signal(int number) {
    (void)number;
    pipe_signals = 1;
}

void serving_begin(struct serving *s) {
    memset(s, 0, sizeof *s);
    pipe_signals = 0;
    assert_true(signal(SIGPIPE, note_signal) != SIG_ERR);
    looping_begin(&s->looping);
    atomic_u64_store(&s->clients.most, 1000, memory_order_relaxed);
    s->limits = connection_limits_default();
    connections_init(&s->set, s->looping.loop, &s->clients, &s->limits, &serving_handler,
                     s);
}

void serving_end(struct serving *s) {
    connections_kill(&s->set);
    assert_true(connections_over(&s->set));
    assert_int_equal(atomic_u64_load(&s->clients.count, memory_order_relaxed), 0);
    assert_int_equal(atomic_u64_load(&s->clients.ahead_bytes, memory_order_relaxed), 0);
    assert_int_equal(s->opened, s->closed);
    assert_false(pipe_signals);
    looping_end(&s->looping);
}

void turn(struct serving *s) {
    for (int i = 0; i < 8; i++) {
        loop_tick(s->looping.loop, false);
    }
}

void pass(struct serving *s, uint64_t micros) {
    s->looping.time.micros += micros;
    turn(s);
}

int client_come(struct serving *s) {
    int pair[2];
    struct socket_peer peer = {"test", "here", true};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    assert_true(clients_enter(&s->clients));
    assert_ok(connections_take(&s->set, pair[0], &peer));
    return pair[1];
}

size_t client_try(int client, struct slice bytes) {
    ssize_t sent = send(client, bytes.data, bytes.length, MSG_NOSIGNAL);
    assert_true(sent >= 0 || errno == EAGAIN || errno == EPIPE || errno == ECONNRESET);
    return sent < 0 ? 0 : (size_t)sent;
}

void client_say(struct serving *s, int client, const char *text) {
    struct slice bytes = slice_of(text);
    while (bytes.length > 0) {
        size_t sent = client_try(client, bytes);
        slice_advance(&bytes, sent);
        turn(s);
    }
}

bool client_receive(int client, struct buf *got) {
    for (;;) {
        assert_ok(buf_reserve(got, 65536));
        ssize_t count = recv(client, got->data + got->length, 65536, 0);
        if (count <= 0) {
            return count == 0 || errno != EAGAIN;
        }
        got->length += (size_t)count;
    }
}

void assert_received(int client, const char *text, bool end) {
    struct buf got = {0};
    bool ended = client_receive(client, &got);
    assert_ok(buf_append(&got, "", 1));
    assert_string_equal((const char *)got.data, text);
    assert_int_equal(ended, end);
    buf_free(&got);
}

void finish_later(struct session *session) {
    assert_true(session->pending);
    session->pending = false;
    echo(session, &session->later);
    connection_resume(session->connection);
}
