/* Replies that wait until what they promise is durable. */
#include "serving.h"

/* ---- one by one ------------------------------------------------------------------ */

static void test_waits(void **state) {
    (void)state;
    static struct serving s;
    serving_begin(&s);
    int client = client_come(&s);
    client_say(&s, client, "a\n");
    struct connection *connection = s.sessions[0].connection;
    assert_received(client, "*1\r\n$1\r\na\r\n", false);
    resp_write_simple(connection_writer(connection), "one");
    resp_write_simple(connection_writer(connection), "two");
    connection_hold(connection, 7, 2);
    connection_written(connection);
    turn(&s);
    client_say(&s, client, "b\n"); /* not held itself, and yet behind */
    assert_received(client, "", false);
    resp_write_simple(connection_writer(connection), "three");
    connection_hold(connection, 9, 1);
    connections_release(&s.set, 6);
    turn(&s);
    assert_received(client, "", false);
    connections_release(&s.set, 8);
    turn(&s);
    assert_received(client, "+one\r\n+two\r\n*1\r\n$1\r\nb\r\n", false);
    connections_release(&s.set, 9);
    turn(&s);
    assert_received(client, "+three\r\n", false);
    close(client);
    turn(&s);
    serving_end(&s);
}

static void test_becomes_errors(void **state) {
    (void)state;
    static struct serving s;
    serving_begin(&s);
    int client = client_come(&s);
    turn(&s);
    struct connection *connection = s.sessions[0].connection;
    struct resp_writer *writer = connection_writer(connection);
    for (uint64_t sequence = 1; sequence <= 3; sequence++) {
        resp_write_integer(writer, (int64_t)sequence);
        resp_write_simple(writer, "OK");
        connection_hold(connection, sequence, 2);
        connection_written(connection);
        turn(&s);
        client_say(&s, client, "b\n");
    }
    resp_write_simple(writer, "tail");
    connections_fail(&s.set, 1, "IOERR the log failed");
    resp_write_simple(writer, "new");
    connection_hold(connection, 4, 1); /* of this tick: both */
    turn(&s);
    assert_received(client,
                    ":1\r\n+OK\r\n*1\r\n$1\r\nb\r\n"
                    "-IOERR the log failed\r\n-IOERR the log failed\r\n*1\r\n$1\r\nb\r\n"
                    "-IOERR the log failed\r\n-IOERR the log failed\r\n*1\r\n$1\r\nb\r\n",
                    false);
    connections_release(&s.set, 4);
    turn(&s);
    assert_received(client, "+tail\r\n+new\r\n", false);
    close(client);
    turn(&s);
    serving_end(&s);
}

/* Nothing was written: nothing is held. The client who leaves takes it along. */
static void test_nothing_and_nobody(void **state) {
    (void)state;
    static struct serving s;
    serving_begin(&s);
    int client = client_come(&s);
    turn(&s);
    connection_hold(s.sessions[0].connection, 1, 0);
    client_say(&s, client, "b\n");
    assert_received(client, "*1\r\n$1\r\nb\r\n", false);
    resp_write_simple(connection_writer(s.sessions[0].connection), "one");
    connection_hold(s.sessions[0].connection, 2, 1);
    connection_kill(s.sessions[0].connection);
    connections_release(&s.set, 2);
    turn(&s);
    assert_received(client, "", true);
    close(client);
    serving_end(&s);
}

/* It is not closed before it has its held replies: when it has ended, or is to go, or is
 * silent for long. */
static void test_ends_behind_them(void **state) {
    (void)state;
    static struct serving s;
    for (int way = 0; way < 3; way++) {
        serving_begin(&s);
        int client = client_come(&s);
        turn(&s);
        s.limits.idle_micros = 1000;
        connections_limit(&s.set, &s.limits);
        resp_write_simple(connection_writer(s.sessions[0].connection), "one");
        connection_hold(s.sessions[0].connection, 1, 1);
        connection_written(s.sessions[0].connection);
        if (way == 0) {
            shutdown(client, SHUT_WR);
        } else if (way == 1) {
            connection_finish(s.sessions[0].connection);
        }
        pass(&s, 60000000);
        pass(&s, 60000000);
        assert_received(client, "", false);
        connections_release(&s.set, 1);
        turn(&s);
        assert_received(client, "+one\r\n", way != 2);
        close(client);
        turn(&s);
        serving_end(&s);
    }
}

/* A reply that is still being written, with a place for its count, cannot be taken apart:
 * the client is closed rather than told half of it. */
static void test_fails_in_the_middle_of_a_reply(void **state) {
    (void)state;
    static struct serving s;
    serving_begin(&s);
    int client = client_come(&s);
    turn(&s);
    struct resp_writer *writer = connection_writer(s.sessions[0].connection);
    resp_write_simple(writer, "one");
    connection_hold(s.sessions[0].connection, 1, 1);
    assert_non_null(resp_begin_aggregate(writer));
    resp_write_simple(writer, "part");
    connections_fail(&s.set, 0, "IOERR");
    turn(&s);
    assert_received(client, "", true);
    assert_int_equal(s.closed, 1);
    close(client);
    serving_end(&s);
}

/* ---- at random ------------------------------------------------------------------- */

enum { STEPS = 4000 };

/* What a client should get: of each tick's replies when they may be sent, and as what. */
struct model {
    struct buf ready; /* all that may be sent by now */
    struct {
        struct buf text;
        size_t replies;
        uint64_t sequence; /* 0: not held */
    } ticks[STEPS];
    size_t first, end;
    uint64_t sequence;
};

static void settle_model(struct model *model, uint64_t durable, bool fails) {
    for (size_t i = model->first; i < model->end; i++) {
        if (fails && model->ticks[i].sequence > durable) {
            buf_clear(&model->ticks[i].text);
            for (size_t reply = 0; reply < model->ticks[i].replies; reply++) {
                assert_ok(buf_append_text(&model->ticks[i].text, "-IOERR\r\n"));
            }
            model->ticks[i].sequence = 0;
        } else if (model->ticks[i].sequence <= durable) {
            model->ticks[i].sequence = 0;
        }
    }
    for (; model->first < model->end && model->ticks[model->first].sequence == 0;
         model->first++) {
        struct buf *text = &model->ticks[model->first].text;
        assert_ok(buf_append_slice(&model->ready, buf_slice(text)));
        buf_free(text);
    }
}

static void write_tick(struct serving *s, struct model *model, uint64_t *seed) {
    struct connection *connection = s->sessions[0].connection;
    struct resp_writer *writer = connection_writer(connection);
    struct buf *text = &model->ticks[model->end].text;
    size_t replies = 1 + (size_t)random_below(seed, 4);
    for (size_t i = 0; i < replies; i++) {
        size_t length =
            (size_t)random_below(seed, random_below(seed, 10) == 0 ? 40000 : 20);
        struct slice bytes = slice_make(serving_bytes, length);
        resp_write_bulk(writer, bytes);
        assert_ok(buf_printf(text, "$%zu\r\n", length));
        assert_ok(buf_append_slice(text, bytes));
        assert_ok(buf_append_text(text, "\r\n"));
    }
    model->ticks[model->end].replies = replies;
    bool held = random_below(seed, 4) != 0;
    if (held) { /* now and then for less than those before */
        model->sequence += random_below(seed, 3);
        uint64_t sequence = model->sequence - random_below(seed, 3);
        connection_hold(connection, sequence, replies);
        model->ticks[model->end].sequence = sequence;
    }
    connection_written(connection);
    model->end++;
    settle_model(model, 0, false);
    if (!held || random_below(seed, 3) != 0) { /* else a tick holds twice */
        loop_tick(s->looping.loop, false);
    }
}

static void test_like_a_model(void **state) {
    (void)state;
    uint64_t seed = test_seed(), durable = 0;
    static struct serving s;
    struct model *model = calloc(1, sizeof *model);
    struct buf got = {0};
    serving_begin(&s);
    int client = client_come(&s);
    turn(&s);
    model->sequence = 9;
    for (size_t i = 0; i < STEPS; i++) {
        uint64_t some = model->sequence - random_below(&seed, 9);
        durable = some > durable ? some : durable; /* it never goes back */
        switch (random_below(&seed, 8)) {
        case 0:
            connections_release(&s.set, durable);
            settle_model(model, durable, false);
            break;
        case 1:
            if (random_below(&seed, 10) == 0) {
                connections_fail(&s.set, durable, "IOERR");
                settle_model(model, durable, true);
            }
            break;
        case 2:
            assert_false(client_receive(client, &got));
            break;
        default:
            write_tick(&s, model, &seed);
            break;
        }
        assert_true(got.length <= model->ready.length);
    }
    connections_release(&s.set, UINT64_MAX);
    settle_model(model, UINT64_MAX, false);
    for (size_t turns = 0; turns < 10000 && got.length < model->ready.length; turns++) {
        turn(&s);
        assert_false(client_receive(client, &got));
    }
    assert_int_equal(got.length, model->ready.length);
    assert_memory_equal(got.data, model->ready.data, got.length);
    close(client);
    turn(&s);
    buf_free(&got);
    buf_free(&model->ready);
    free(model);
    serving_end(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waits),
        cmocka_unit_test(test_becomes_errors),
        cmocka_unit_test(test_nothing_and_nobody),
        cmocka_unit_test(test_ends_behind_them),
        cmocka_unit_test(test_fails_in_the_middle_of_a_reply),
        cmocka_unit_test(test_like_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
