/* Requests and replies of a connection: pieces of any size, requests that somebody else
 * has, clients that take replies late, and all ways in which it ends.
 *
 * tidy: long because it is a list of short stories about one thing. */
#include "serving.h"

/* ---- pieces ---------------------------------------------------------------------- */

static void add_request(struct buf *sent, struct buf *expected, size_t longest,
                        uint64_t *seed) {
    static const unsigned char letters[70000] = {'a', '\r', '\n', '*', '$', 'z'};
    if (random_below(seed, 4) == 0) {
        uint64_t value = random_next(seed);
        assert_ok(buf_printf(sent, "inline  %" PRIu64 "%s\n", value,
                             random_below(seed, 2) ? "\r" : ""));
        char digits[24];
        int length = snprintf(digits, sizeof digits, "%" PRIu64, value);
        assert_ok(
            buf_printf(expected, "*2\r\n$6\r\ninline\r\n$%d\r\n%s\r\n", length, digits));
        return;
    }
    size_t count = 1 + (size_t)random_below(seed, 5);
    assert_ok(buf_printf(sent, "*%zu\r\n", count));
    assert_ok(buf_printf(expected, "*%zu\r\n", count));
    for (size_t i = 0; i < count; i++) {
        size_t bound = random_below(seed, 30) == 0 ? longest : 40;
        size_t length = (size_t)random_below(seed, bound);
        for (int copy = 0; copy < 2; copy++) {
            struct buf *to = copy == 0 ? sent : expected;
            assert_ok(buf_printf(to, "$%zu\r\n", length));
            assert_ok(buf_append(to, letters, length));
            assert_ok(buf_append_text(to, "\r\n"));
        }
    }
}

/* Sends it in pieces of up to `most` bytes and answers all that came. */
static void converse(struct buf *sent, size_t most, uint64_t *seed, struct buf *got) {
    struct serving *s = malloc(sizeof *s);
    assert_ok(buf_reserve(got, 1)); /* is there before and after */
    serving_begin(s);
    s->limits.read_bytes = 1 + (size_t)random_below(seed, 5000);
    s->limits.soft_output_bytes = 1 + (size_t)random_below(seed, 100000);
    connections_limit(&s->set, &s->limits);
    int client = client_come(s);
    struct slice left = buf_slice(sent);
    while (left.length > 0) {
        size_t piece = 1 + (size_t)random_below(seed, most);
        piece = piece < left.length ? piece : left.length;
        slice_advance(&left, client_try(client, slice_make(left.data, piece)));
        if (random_below(seed, 3) == 0 || most > 1000) {
            turn(s);
        }
        if (random_below(seed, 3) == 0) {
            assert_false(client_receive(client, got));
        }
    }
    shutdown(client, SHUT_WR);
    while (!client_receive(client, got)) {
        turn(s);
    }
    turn(s);
    assert_int_equal(s->closed, 1);
    close(client);
    serving_end(s);
    free(s);
}

static void test_split_anywhere(void **state) {
    (void)state;
    static const struct {
        size_t piece, longest;
    } ways[] = {{1, 100},     {3, 1000},     {20, 3000},
                {200, 70000}, {5000, 70000}, {1 << 20, 70000}};
    uint64_t seed = test_seed();
    for (size_t way = 0; way < sizeof ways / sizeof ways[0]; way++) {
        struct buf sent = {0}, expected = {0}, got = {0};
        for (int i = 0; i < 120; i++) {
            add_request(&sent, &expected, ways[way].longest, &seed);
        }
        converse(&sent, ways[way].piece, &seed, &got);
        assert_int_equal(got.length, expected.length);
        assert_memory_equal(got.data, expected.data, got.length);
        buf_free(&sent);
        buf_free(&expected);
        buf_free(&got);
    }
}

/* ---- slow clients ---------------------------------------------------------------- */

static void receive_to_the_end(struct serving *s, int client, struct buf *got) {
    for (int ticks = 0; !client_receive(client, got); ticks++) {
        assert_true(ticks < 100000);
        loop_tick(s->looping.loop, false);
    }
}

/* What the client has not taken is sent when it makes room. */
static void receive_all(struct serving *s, int client, size_t bytes) {
    struct buf got = {0};
    for (int ticks = 0; got.length < bytes; ticks++) {
        assert_true(ticks < 10000);
        assert_false(client_receive(client, &got));
        loop_tick(s->looping.loop, false);
    }
    assert_int_equal(got.length, bytes);
    assert_received(client, "", false);
    buf_free(&got);
}

/* One write is cut short; the end of what the client says comes before there is room. */
static void test_long_reply_taken_late(void **state) {
    (void)state;
    static struct serving s;
    serving_begin(&s);
    int client = client_come(&s);
    for (int round = 0; round < 3; round++) {
        client_say(&s, client, "BIG 1000000\n");
        receive_all(&s, client, 10 + 1000000 + 2);
        client_say(&s, client, "a\n");
        assert_received(client, "*1\r\n$1\r\na\r\n", false);
    }
    client_say(&s, client, "BIG 1000000\n");
    shutdown(client, SHUT_WR);
    turn(&s);
    struct buf got = {0};
    receive_to_the_end(&s, client, &got);
    assert_int_equal(got.length, 10 + 1000000 + 2);
    buf_free(&got);
    close(client);
    turn(&s);
    assert_int_equal(s.closed, 1);
    serving_end(&s);
}

/* Each write is whole, until one finds no room at all. */
static void test_short_replies_taken_late(void **state) {
    (void)state;
    static struct serving s;
    struct connection_facts facts = {0};
    serving_begin(&s);
    int client = client_come(&s);
    size_t requests = 0;
    while (facts.output_bytes == 0) {
        assert_true(++requests < 100000);
        client_say(&s, client, "a\n");
        connection_facts(s.sessions[0].connection, &facts);
    }
    receive_all(&s, client, requests * strlen("*1\r\n$1\r\na\r\n"));
    close(client);
    turn(&s);
    serving_end(&s);
}

/* One follows another if nothing has come between: no read, and nobody else's work. */
static void test_which_follow(void **state) {
    (void)state;
    static struct serving s;
    serving_begin(&s);
    s.limits.soft_output_bytes = 30000;
    connections_limit(&s.set, &s.limits);
    int client = client_come(&s);
    client_say(&s, client, "a\n");
    client_say(&s, client, "b\n");
    assert_int_equal(s.sessions[0].follow, 0);
    client_say(&s, client, "c\nd\nLATER e\nf\ng\n"); /* d, e; then g */
    assert_int_equal(s.sessions[0].follow, 2);
    finish_later(&s.sessions[0]);
    assert_int_equal(s.sessions[0].commands, 7);
    assert_int_equal(s.sessions[0].follow, 3);
    client_say(&s, client, "BIG 1000000\nh\n"); /* which waits for the client */
    assert_int_equal(s.sessions[0].commands, 8);
    receive_all(&s, client,
                6 * strlen("*1\r\n$1\r\na\r\n") +
                    strlen("*2\r\n$5\r\nLATER\r\n$1\r\ne\r\n") + 10 + 1000000 + 2 +
                    strlen("*1\r\n$1\r\nh\r\n"));
    assert_int_equal(s.sessions[0].commands, 9);
    assert_int_equal(s.sessions[0].follow, 3);
    close(client);
    turn(&s);
    serving_end(&s);
}

/* ---- requests that somebody else has --------------------------------------------- */

static void test_later_ones_wait(void **state) {
    (void)state;
    static struct serving s;
    serving_begin(&s);
    int client = client_come(&s);
    client_say(&s, client, "a\nLATER b\nc\nLATER d\n");
    assert_received(client, "*1\r\n$1\r\na\r\n", false);
    client_say(&s, client, "e\n");
    assert_received(client, "", false);
    assert_int_equal(s.sessions[0].commands, 2);
    finish_later(&s.sessions[0]);
    turn(&s);
    assert_received(client, "*2\r\n$5\r\nLATER\r\n$1\r\nb\r\n*1\r\n$1\r\nc\r\n", false);
    finish_later(&s.sessions[0]);
    turn(&s);
    assert_received(client, "*2\r\n$5\r\nLATER\r\n$1\r\nd\r\n*1\r\n$1\r\ne\r\n", false);
    close(client);
    turn(&s);
    assert_int_equal(s.closed, 1);
    serving_end(&s);
}

/* Who is lost meanwhile is there until the request comes back. */
static void test_lost_while_pending(void **state) {
    (void)state;
    static struct serving s;
    serving_begin(&s);
    int client = client_come(&s);
    client_say(&s, client, "LATER b\nc\n");
    connections_kill(&s.set);
    turn(&s);
    assert_received(client, "", true);
    assert_false(connections_over(&s.set));
    assert_int_equal(s.closed, 0);
    finish_later(&s.sessions[0]);
    assert_int_equal(s.closed, 1);
    assert_int_equal(s.sessions[0].commands, 1);
    close(client);
    serving_end(&s);
}

/* Who is to go while somebody has its request hears the answer. */
static void test_finished_while_pending(void **state) {
    (void)state;
    static struct serving s;
    serving_begin(&s);
    int client = client_come(&s);
    client_say(&s, client, "LATER b\nc\n");
    connection_finish(s.sessions[0].connection);
    turn(&s);
    assert_received(client, "", false);
    finish_later(&s.sessions[0]);
    turn(&s);
    assert_received(client, "*2\r\n$5\r\nLATER\r\n$1\r\nb\r\n", true);
    close(client);
    turn(&s);
    assert_int_equal(s.closed, 1);
    serving_end(&s);
}

/* ---- ends ------------------------------------------------------------------------ */

static void test_half_close(void **state) {
    (void)state;
    static struct serving s;
    serving_begin(&s);
    int client = client_come(&s);
    assert_int_equal(client_try(client, slice_of("a\nLATER b\nc\nunfinished")), 22);
    shutdown(client, SHUT_WR);
    turn(&s);
    assert_received(client, "*1\r\n$1\r\na\r\n", false);
    finish_later(&s.sessions[0]);
    turn(&s);
    assert_received(client, "*2\r\n$5\r\nLATER\r\n$1\r\nb\r\n*1\r\n$1\r\nc\r\n", true);
    assert_int_equal(s.closed, 1);
    close(client);
    serving_end(&s);
}

/* All that was sent before the end is answered, though it is far more than is read in a
 * tick, or may wait. */
static void test_half_close_with_much(void **state) {
    (void)state;
    static struct serving s;
    struct buf got = {0};
    serving_begin(&s);
    s.limits.soft_output_bytes = 30000;
    s.limits.read_bytes = 10;
    connections_limit(&s.set, &s.limits);
    int client = client_come(&s);
    for (int i = 0; i < 40; i++) {
        client_say(&s, client, "BIG 10000\n");
    }
    assert_true(s.sessions[0].commands < 40);
    shutdown(client, SHUT_WR);
    receive_to_the_end(&s, client, &got);
    assert_int_equal(got.length, 40 * (10000 + 10));
    assert_int_equal(s.sessions[0].commands, 40);
    buf_free(&got);
    close(client);
    serving_end(&s);
}

static void test_quit(void **state) {
    (void)state;
    static struct serving s;
    serving_begin(&s);
    int client = client_come(&s);
    client_say(&s, client, "a\nQUIT\nb\n");
    assert_received(client, "*1\r\n$1\r\na\r\n+OK\r\n", true);
    assert_int_equal(s.sessions[0].commands, 2);
    assert_int_equal(s.closed, 0);
    client_say(&s, client, "still talking\n");
    pass(&s, 900000);
    assert_int_equal(s.closed, 0);
    pass(&s, 200000); /* it is not waited for any longer */
    assert_int_equal(s.closed, 1);
    close(client);
    client = client_come(&s);
    client_say(&s, client, "QUIT\n");
    close(client);
    turn(&s);
    assert_int_equal(s.closed, 2);
    client = client_come(&s);
    client_say(&s, client, "x\nDIE\nb\n");
    assert_received(client, "", true);
    assert_int_equal(s.closed, 3);
    close(client);
    serving_end(&s);
}

/* The last words arrive though the client has sent much more than was read. */
static void test_protocol_error(void **state) {
    (void)state;
    static struct serving s;
    static char text[200000];
    serving_begin(&s);
    memset(text, 'x', sizeof text - 1);
    memcpy(text, "a\n*1\r\n+4\r\n", 10);
    int client = client_come(&s);
    struct slice bytes = slice_of(text);
    do {
        slice_advance(&bytes, client_try(client, bytes));
        turn(&s);
    } while (bytes.length > 0 && s.closed == 0);
    assert_received(
        client, "*1\r\n$1\r\na\r\n-ERR Protocol error: expected '$', got '+'\r\n", true);
    assert_int_equal(s.sessions[0].commands, 1);
    close(client);
    turn(&s);
    assert_int_equal(s.closed, 1);
    serving_end(&s);
}

/* An untrusted client may not have large arguments. */
static void test_trust(void **state) {
    (void)state;
    static struct serving s;
    serving_begin(&s);
    int client = client_come(&s);
    turn(&s);
    connection_trust(s.sessions[0].connection, false);
    client_say(&s, client, "*11\r\n");
    assert_received(client, "-ERR Protocol error: unauthenticated multibulk length\r\n",
                    true);
    close(client);
    serving_end(&s);
}

static void test_closed_in_mid_pipeline(void **state) {
    (void)state;
    static struct serving s;
    serving_begin(&s);
    for (int i = 0; i < 20; i++) {
        int client = client_come(&s);
        turn(&s);
        const char *asked = i % 4 < 2 ? "a\n" : "a\nBIG 1000000\nb\nBIG 100000\n";
        assert_true(client_try(client, slice_of(asked)) > 0);
        if (i % 2 == 0) {
            turn(&s);
        }
        close(client);
        turn(&s);
        assert_int_equal(s.closed, i + 1);
    }
    serving_end(&s);
}

static void test_no_session(void **state) {
    (void)state;
    static struct serving s;
    serving_begin(&s);
    s.refuse_sessions = true;
    int client = client_come(&s);
    turn(&s);
    assert_received(client, "", true);
    close(client);
    serving_end(&s);
}

/* Who is not welcome is told so, though it has not asked for anything. */
static void test_sent_away(void **state) {
    (void)state;
    static struct serving s;
    serving_begin(&s);
    s.say_goodbye = true;
    int client = client_come(&s);
    assert_int_equal(client_try(client, slice_of("a\n")), 2);
    turn(&s);
    assert_received(client, "-DENIED\r\n", true);
    assert_int_equal(s.sessions[0].commands, 0);
    close(client);
    turn(&s);
    assert_int_equal(s.closed, 1);
    serving_end(&s);
}

/* ---- many ------------------------------------------------------------------------ */

/* Who sends much in one go does not keep the others waiting. */
static void test_turns(void **state) {
    (void)state;
    static struct serving s;
    static char text[100000];
    serving_begin(&s);
    s.limits.read_bytes = 1000;
    connections_limit(&s.set, &s.limits);
    int flood = client_come(&s), other = client_come(&s);
    turn(&s);
    memset(text, '\n', sizeof text - 1);
    memcpy(text + 1000, "a", 1);
    size_t sent = client_try(flood, slice_of(text));
    assert_true(sent > 20000);
    loop_tick(s.looping.loop, false);
    assert_int_equal(s.sessions[0].commands, 0);
    assert_true(client_try(other, slice_of("b\n")) == 2);
    loop_tick(s.looping.loop, true);
    assert_int_equal(s.sessions[0].commands, 1);
    assert_received(other, "*1\r\n$1\r\nb\r\n", false);
    assert_int_equal(atomic_u64_load(&s.set.read_bytes, memory_order_relaxed), 2002);
    while (atomic_u64_load(&s.set.read_bytes, memory_order_relaxed) < sent + 2) {
        loop_tick(s.looping.loop, true); /* it does not wait where there is more */
    }
    close(flood);
    close(other);
    serving_end(&s);
}

static void count_one(void *context, struct connection *connection) {
    struct connection_facts facts;
    connection_facts(connection, &facts);
    assert_string_equal(facts.name, "test");
    assert_true(facts.local && facts.descriptor >= 0);
    size_t *count = context;
    ++*count;
}

static void test_many(void **state) {
    (void)state;
    enum { MANY = 300 };
    static struct serving s;
    int clients[MANY];
    size_t count = 0;
    serving_begin(&s);
    for (size_t i = 0; i < MANY; i++) {
        clients[i] = client_come(&s);
    }
    turn(&s);
    for (size_t i = 0; i < MANY; i++) {
        assert_true(client_try(clients[i], slice_of("a\nQUIT\n")) > 0);
    }
    loop_tick(s.looping.loop, false); /* 256 events */
    loop_tick(s.looping.loop, false);
    for (size_t i = 0; i < MANY; i++) {
        assert_received(clients[i], "*1\r\n$1\r\na\r\n+OK\r\n", true);
    }
    connections_each(&s.set, count_one, &count);
    assert_int_equal(count, MANY);
    for (size_t i = 0; i < MANY; i++) {
        close(clients[i]);
    }
    turn(&s);
    assert_int_equal(s.closed, MANY);
    serving_end(&s);
}

/* What was read is answered, what comes now is not, and then all are closed. */
static void test_finish(void **state) {
    (void)state;
    static struct serving s;
    serving_begin(&s);
    int a = client_come(&s), b = client_come(&s);
    client_say(&s, a, "a\nLATER b\nc\n");
    client_say(&s, b, "d\n");
    connections_finish(&s.set);
    turn(&s);
    int late = client_come(&s);
    assert_true(client_try(late, slice_of("e\n")) > 0);
    assert_true(client_try(a, slice_of("e\n")) > 0);
    turn(&s);
    assert_received(b, "*1\r\n$1\r\nd\r\n", true);
    assert_received(late, "", true);
    finish_later(&s.sessions[0]);
    turn(&s);
    assert_received(
        a, "*1\r\n$1\r\na\r\n*2\r\n$5\r\nLATER\r\n$1\r\nb\r\n*1\r\n$1\r\nc\r\n", true);
    close(a);
    close(b);
    close(late);
    turn(&s);
    assert_int_equal(s.closed, 3);
    serving_end(&s);
}

/* What was read and could not be carried out yet, for too much waits, is read, too. */
static void test_finish_paused(void **state) {
    (void)state;
    static struct serving s;
    struct buf got = {0};
    char text[40 * 10 + 1];
    assert_ok(buf_reserve(&got, 1));
    serving_begin(&s);
    s.limits.soft_output_bytes = 30000;
    connections_limit(&s.set, &s.limits);
    int client = client_come(&s);
    turn(&s);
    for (size_t i = 0; i < 40; i++) {
        memcpy(text + i * 10, "BIG 10000\n", 11);
    }
    assert_int_equal(client_try(client, slice_of(text)), 400);
    loop_tick(s.looping.loop, false);
    assert_true(s.sessions[0].commands < 40);
    connections_finish(&s.set);
    receive_to_the_end(&s, client, &got);
    assert_int_equal(got.length, 40 * (10000 + 10));
    close(client);
    turn(&s);
    serving_end(&s);
    buf_free(&got);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split_anywhere),
        cmocka_unit_test(test_long_reply_taken_late),
        cmocka_unit_test(test_short_replies_taken_late),
        cmocka_unit_test(test_which_follow),
        cmocka_unit_test(test_later_ones_wait),
        cmocka_unit_test(test_lost_while_pending),
        cmocka_unit_test(test_finished_while_pending),
        cmocka_unit_test(test_half_close),
        cmocka_unit_test(test_half_close_with_much),
        cmocka_unit_test(test_quit),
        cmocka_unit_test(test_protocol_error),
        cmocka_unit_test(test_trust),
        cmocka_unit_test(test_closed_in_mid_pipeline),
        cmocka_unit_test(test_no_session),
        cmocka_unit_test(test_sent_away),
        cmocka_unit_test(test_turns),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_finish),
        cmocka_unit_test(test_finish_paused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
