/* Clients that are slow, silent or greedy: what waits for them is bounded, and they go.
 * Time is simulated.
 *
 * tidy: long because it is one limit after the other, over one fixture. */
#include "serving.h"

enum { SECOND = 1000000 };

static bool is_open(int client) {
    struct pollfd poller = {client, POLLIN, 0};
    return poll(&poller, 1, 0) == 0 || (poller.revents & (POLLHUP | POLLERR)) == 0;
}

/* ---- output ---------------------------------------------------------------------- */

static void test_one_that_never_reads(void **state) {
    (void)state;
    enum { ASKED = 2000, ASK_BYTES = 11 };
    static struct serving s;
    static char asks[ASKED * ASK_BYTES];
    struct buf got = {0};
    assert_ok(buf_reserve(&got, 1));
    serving_begin(&s);
    int client = client_come(&s);
    turn(&s);
    size_t before = counted_memory_bytes();
    for (size_t i = 0; i < ASKED; i++) {
        memcpy(asks + i * ASK_BYTES, "BIG 100000\n", ASK_BYTES);
    }
    assert_int_equal(client_try(client, slice_make(asks, sizeof asks)), sizeof asks);
    turn(&s);
    /* The socket took some. */
    size_t waits = counted_memory_bytes() - before;
    assert_true(s.sessions[0].commands < 20);
    assert_true(waits > 900000 && waits < (1 << 20) + 300000);
    while (s.sessions[0].commands < ASKED) {
        assert_false(client_receive(client, &got));
        turn(&s);
        struct connection_facts facts;
        connection_facts(s.sessions[0].connection, &facts);
        assert_true(facts.output_bytes < (1 << 20) + 100011);
        got.length %= 100011;
    }
    for (int i = 0; i < 20; i++) {
        assert_false(client_receive(client, &got));
        turn(&s);
    }
    assert_int_equal(got.length % 100011, 0);
    close(client);
    turn(&s);
    serving_end(&s);
    buf_free(&got);
}

/* The same of a client who has not authenticated, with less. */
static void test_a_stranger_that_never_reads(void **state) {
    (void)state;
    enum { ASKED = 2000, ASK_BYTES = 9 };
    static struct serving s;
    static char asks[ASKED * ASK_BYTES];
    struct buf got = {0};
    struct connection_facts facts;
    assert_ok(buf_reserve(&got, 1));
    serving_begin(&s);
    int client = client_come(&s);
    turn(&s);
    connection_trust(s.sessions[0].connection, false);
    for (size_t i = 0; i < ASKED; i++) {
        memcpy(asks + i * ASK_BYTES, "BIG 1000\n", ASK_BYTES);
    }
    assert_int_equal(client_try(client, slice_make(asks, sizeof asks)), sizeof asks);
    for (int i = 0; i < 20; i++) { /* until the socket takes no more */
        turn(&s);
    }
    connection_facts(s.sessions[0].connection, &facts);
    assert_true(facts.output_bytes > 8192 && facts.output_bytes < 16384 + 1010);
    assert_true(s.sessions[0].commands < ASKED);
    while (s.sessions[0].commands < ASKED) {
        assert_false(client_receive(client, &got));
        turn(&s);
        connection_facts(s.sessions[0].connection, &facts);
        assert_true(facts.output_bytes < 16384 + 1010);
    }
    close(client);
    turn(&s);
    serving_end(&s);
    buf_free(&got);
}

static void test_hard_limit(void **state) {
    (void)state;
    static struct serving s;
    serving_begin(&s);
    s.limits.hard_output_bytes = 3000000;
    connections_limit(&s.set, &s.limits);
    int client = client_come(&s);
    client_say(&s, client, "PARTS 1000000 3\n");
    assert_int_equal(s.closed, 0);
    close(client);
    turn(&s);
    client = client_come(&s);
    client_say(&s, client, "PARTS 1000000 9\nPARTS 1000000 1\n");
    assert_int_equal(s.closed, 2);
    assert_int_equal(s.sessions[1].commands, 1);
    close(client);
    serving_end(&s);
}

/* One part may be longer than what may wait. */
static void test_one_long_reply(void **state) {
    (void)state;
    static struct serving s;
    struct buf got = {0};
    assert_ok(buf_reserve(&got, 1));
    serving_begin(&s);
    s.limits.hard_output_bytes = 300000;
    s.limits.soft_output_bytes = 150000;
    connections_limit(&s.set, &s.limits);
    int client = client_come(&s);
    client_say(&s, client, "PARTS 1000000 1\nBIG 1000000\n");
    for (int i = 0; i < 40; i++) {
        assert_false(client_receive(client, &got));
        turn(&s);
    }
    assert_int_equal(got.length, 2 * 1000012);
    close(client);
    turn(&s);
    serving_end(&s);
    buf_free(&got);
}

static void test_much_for_too_long(void **state) {
    (void)state;
    static struct serving s;
    struct buf got = {0};
    assert_ok(buf_reserve(&got, 1));
    serving_begin(&s);
    s.limits.lasting_output_bytes = 1500000;
    connections_limit(&s.set, &s.limits);
    int quick = client_come(&s), slow = client_come(&s);
    client_say(&s, quick, "PARTS 1000000 3\n");
    client_say(&s, slow, "PARTS 1000000 3\n");
    pass(&s, 59 * SECOND);
    while (got.length < 1600000) { /* less than the limit is left */
        assert_false(client_receive(quick, &got));
        turn(&s);
    }
    assert_int_equal(s.closed, 0);
    pass(&s, SECOND);
    assert_int_equal(s.closed, 1);
    assert_true(s.sessions[1].closed);
    pass(&s, 600 * SECOND);
    assert_int_equal(s.closed, 1);
    close(quick);
    close(slow);
    turn(&s);
    serving_end(&s);
    buf_free(&got);
}

/* Limits that are changed are those of who has stood still for long, too. */
static void test_much_by_new_limits(void **state) {
    (void)state;
    static struct serving s;
    serving_begin(&s);
    int client = client_come(&s);
    client_say(&s, client, "PARTS 1000000 3\n");
    pass(&s, 100 * SECOND);
    s.limits.lasting_output_bytes = 1500000;
    connections_limit(&s.set, &s.limits);
    turn(&s);
    pass(&s, 60 * SECOND - 1);
    assert_int_equal(s.closed, 0);
    pass(&s, 1);
    assert_int_equal(s.closed, 1);
    close(client);
    serving_end(&s);
}

/* What nobody asked for counts, too, and of a client who has long been silent. */
static void test_pushed_for_too_long(void **state) {
    (void)state;
    static struct serving s;
    serving_begin(&s);
    s.limits.lasting_output_bytes = 1500000;
    connections_limit(&s.set, &s.limits);
    int client = client_come(&s);
    client_say(&s, client, "x\n");
    pass(&s, 100 * SECOND);
    for (int i = 0; i < 3; i++) {
        resp_write_bulk(connection_writer(s.sessions[0].connection),
                        slice_make(serving_bytes, 1000000));
    }
    connection_written(s.sessions[0].connection);
    turn(&s);
    pass(&s, 60 * SECOND - 1);
    assert_int_equal(s.closed, 0);
    pass(&s, 1);
    assert_int_equal(s.closed, 1);
    close(client);
    serving_end(&s);
}

/* What nobody asked for is not written to who takes none of it; asking is the last that
 * may be done with such a connection. */
static void test_pushed_without_end(void **state) {
    (void)state;
    static struct serving s;
    serving_begin(&s);
    s.limits.hard_output_bytes = 1500000;
    connections_limit(&s.set, &s.limits);
    int client = client_come(&s);
    client_say(&s, client, "x\n");
    struct connection *connection = s.sessions[0].connection;
    size_t pushes = 0;
    while (connection_has_room(connection)) {
        resp_write_bulk(connection_writer(connection), slice_make(serving_bytes, 100000));
        connection_written(connection);
        turn(&s);
        assert_true(++pushes < 1000);
    }
    assert_int_equal(s.closed, 1);
    assert_true(s.sessions[0].closed);
    assert_true(pushes > 15);
    close(client);
    serving_end(&s);
}

/* A long reply is written as the client takes it. */
static void test_drained(void **state) {
    (void)state;
    static struct serving s;
    struct buf got = {0};
    assert_ok(buf_reserve(&got, 1));
    serving_begin(&s);
    s.limits.soft_output_bytes = 100000;
    connections_limit(&s.set, &s.limits);
    int client = client_come(&s);
    client_say(&s, client, "ALL 30000 200\nx\n");
    struct connection_facts facts;
    connection_facts(s.sessions[0].connection, &facts);
    assert_true(facts.output_bytes < 130100);
    size_t whole = 200 * (30000 + 10) + 11;
    for (size_t turns = 0; got.length < whole && turns < 10000; turns++) {
        assert_false(client_receive(client, &got));
        turn(&s);
        connection_facts(s.sessions[0].connection, &facts);
        assert_true(facts.output_bytes < 130100);
    }
    assert_int_equal(got.length, whole);
    assert_true(s.sessions[0].drained > 40 && !s.sessions[0].pending);
    close(client);
    turn(&s);
    assert_int_equal(s.closed, 1);
    serving_end(&s);
    buf_free(&got);
}

/* Many small pieces go out one after the other, as long as the socket takes them. */
static void test_many_pieces(void **state) {
    (void)state;
    enum { PIECES = 200 };
    static struct serving s;
    struct buf got = {0};
    assert_ok(buf_reserve(&got, 1));
    serving_begin(&s);
    int client = client_come(&s);
    turn(&s);
    struct resp_writer *writer = connection_writer(s.sessions[0].connection);
    for (int i = 0; i < PIECES; i++) {
        struct output_piece *begun = resp_begin_aggregate(writer);
        resp_write_integer(writer, 1);
        resp_end_aggregate(writer, begun, RESP_ARRAY, 1);
    }
    connection_written(s.sessions[0].connection);
    turn(&s);
    assert_false(client_receive(client, &got));
    assert_int_equal(got.length, PIECES * 8);
    close(client);
    turn(&s);
    serving_end(&s);
    buf_free(&got);
}

/* ---- silence --------------------------------------------------------------------- */

static void test_idle(void **state) {
    (void)state;
    static struct serving s;
    serving_begin(&s);
    int a = client_come(&s), b = client_come(&s), c = client_come(&s);
    client_say(&s, a, "x\n");
    pass(&s, 1000000 * (uint64_t)SECOND); /* as long as it likes */
    assert_int_equal(s.closed, 0);
    client_say(&s, a, "x\n");
    client_say(&s, b, "x\n");
    client_say(&s, c, "LATER x\n");
    pass(&s, 5 * SECOND);
    s.limits.idle_micros = 10 * SECOND;
    connections_limit(&s.set, &s.limits);
    turn(&s);
    assert_int_equal(s.closed, 0);
    pass(&s, 5 * SECOND - 1);
    assert_int_equal(s.closed, 0);
    client_say(&s, a, "x\n");
    pass(&s, 1);
    assert_int_equal(s.closed, 1);
    assert_true(s.sessions[1].closed);
    pass(&s, 10 * SECOND - 2);
    assert_int_equal(s.closed, 1);
    pass(&s, 1);
    assert_int_equal(s.closed, 2);
    pass(&s, 100 * SECOND);
    assert_int_equal(s.closed, 2); /* it waits for its answer */
    finish_later(&s.sessions[2]);
    turn(&s);
    assert_received(c, "*2\r\n$5\r\nLATER\r\n$1\r\nx\r\n", false);
    pass(&s, 10 * SECOND - 1);
    assert_int_equal(s.closed, 2);
    pass(&s, 1);
    assert_int_equal(s.closed, 3);
    close(a);
    close(b);
    close(c);
    serving_end(&s);
}

/* Who takes what waits for him, however slowly, is not silent. */
static void test_reading_slowly(void **state) {
    (void)state;
    static struct serving s;
    static char bytes[1000000]; /* all that the socket holds */
    serving_begin(&s);
    s.limits.idle_micros = 10 * SECOND;
    connections_limit(&s.set, &s.limits);
    int client = client_come(&s);
    client_say(&s, client, "BIG 1000000\nBIG 1000000\n");
    for (size_t got = 0; got < 1000000;) {
        ssize_t count = recv(client, bytes, sizeof bytes, 0);
        assert_true(count > 0);
        got += (size_t)count;
        pass(&s, 9 * SECOND);
        assert_int_equal(s.closed, 0);
    }
    pass(&s, 10 * SECOND);
    assert_int_equal(s.closed, 1);
    close(client);
    serving_end(&s);
}

/* Who has to go and does not take its last replies is not waited for long. */
static void test_last_replies_not_taken(void **state) {
    (void)state;
    static struct serving s;
    serving_begin(&s);
    int client = client_come(&s);
    client_say(&s, client, "BIG 1000000\nQUIT\n");
    pass(&s, 10 * SECOND - 1);
    assert_int_equal(s.closed, 0);
    pass(&s, 1);
    assert_int_equal(s.closed, 1);
    close(client);
    serving_end(&s);
}

static void test_memory_comes_back(void **state) {
    (void)state;
    static struct serving s;
    serving_begin(&s);
    size_t before = counted_memory_bytes();
    int clients[100];
    for (size_t i = 0; i < 100; i++) {
        clients[i] = client_come(&s);
        client_say(&s, clients[i], "x\n");
        assert_received(clients[i], "*1\r\n$1\r\nx\r\n", false);
    }
    assert_true(counted_memory_bytes() - before > 100 * RESP_READ_BYTES);
    pass(&s, 3 * SECOND);
    assert_true(counted_memory_bytes() - before < 100 * 2000);
    for (size_t i = 0; i < 100; i++) {
        client_say(&s, clients[i], "x\n");
        assert_received(clients[i], "*1\r\n$1\r\nx\r\n", false);
    }
    pass(&s, 3 * SECOND);
    assert_true(counted_memory_bytes() - before < 100 * 2000);
    for (size_t i = 0; i < 100; i++) {
        assert_true(is_open(clients[i]));
        close(clients[i]);
    }
    turn(&s);
    assert_int_equal(s.closed, 100);
    serving_end(&s);
}

/* A request whose reply waits for room is told when its connection is lost, and ends. */
static void test_lost_while_full(void **state) {
    (void)state;
    static struct serving s;
    serving_begin(&s);
    int client = client_come(&s);
    client_say(&s, client, "ALL 100000 100\n");
    assert_true(s.sessions[0].pending);
    assert_int_equal(s.sessions[0].drained, 0);
    connection_kill(s.sessions[0].connection);
    assert_int_equal(s.sessions[0].drained, 1);
    assert_true(s.sessions[0].closed);
    close(client);
    serving_end(&s);
}

/* ---- reading ahead --------------------------------------------------------------- */

enum { REQUESTS = 2000, REQUEST_BYTES = 1000 };

static uint64_t bytes_read(struct serving *s) {
    return atomic_u64_load(&s->set.read_bytes, memory_order_relaxed);
}

/* `first`, and many requests that are long and have long replies. */
static void make_pipeline(struct buf *text, const char *first) {
    char request[REQUEST_BYTES + 1];
    (void)snprintf(request, sizeof request, "BIG 3000 %0*d\n", REQUEST_BYTES - 10, 0);
    assert_ok(buf_append_text(text, first));
    for (size_t i = 0; i < REQUESTS; i++) {
        assert_ok(buf_append_text(text, request));
    }
}

/* Sends as much as the server takes from a client that takes nothing. */
static struct slice send_deaf(struct serving *s, int client, struct slice text) {
    size_t sent;
    do {
        turn(s);
        sent = client_try(client, text);
        slice_advance(&text, sent);
    } while (sent > 0);
    return text;
}

/* Who takes no reply before all is sent is not waited for with what he sends, be it a
 * request or a long reply that has to wait for him; and then he gets all. */
static void test_reads_ahead(void **state) {
    (void)state;
    static struct serving s;
    static const char *const firsts[] = {"", "ALL 30000 200\n"};
    static const size_t bytes[] = {0, (size_t)200 * (30000 + 10)};
    for (size_t i = 0; i < 2; i++) {
        struct buf text = {0}, got = {0};
        bool ended = false;
        make_pipeline(&text, firsts[i]);
        assert_ok(buf_reserve(&got, 1));
        serving_begin(&s);
        s.limits.soft_output_bytes = 30000;
        connections_limit(&s.set, &s.limits);
        int client = client_come(&s);
        assert_int_equal(send_deaf(&s, client, buf_slice(&text)).length, 0);
        assert_int_equal(bytes_read(&s), text.length);
        assert_true(s.sessions[0].commands < REQUESTS / 10);
        shutdown(client, SHUT_WR);
        while (!ended) {
            turn(&s);
            ended = client_receive(client, &got);
        }
        assert_int_equal(got.length, bytes[i] + REQUESTS * (3000 + 9));
        close(client);
        serving_end(&s);
        buf_free(&got);
        buf_free(&text);
    }
}

/* Not for ever; and who has not said who he is has nothing kept for him. */
static void test_reads_no_more(void **state) {
    (void)state;
    static struct serving s;
    static const size_t most[] = {300000, 0};
    for (size_t i = 0; i < 2; i++) {
        struct buf text = {0};
        make_pipeline(&text, "");
        serving_begin(&s);
        s.limits.soft_output_bytes = 30000;
        s.limits.ahead_bytes = 300000;
        connections_limit(&s.set, &s.limits);
        int client = client_come(&s);
        turn(&s);
        connection_trust(s.sessions[0].connection, i == 0);
        assert_true(send_deaf(&s, client, buf_slice(&text)).length > 0);
        size_t commands = s.sessions[0].commands;
        assert_in_range(bytes_read(&s), most[i],
                        most[i] + commands * REQUEST_BYTES + 2 * RESP_READ_BYTES);
        close(client);
        turn(&s);
        assert_int_equal(s.closed, 1);
        serving_end(&s);
        buf_free(&text);
    }
}

/* Each takes what is left, and leaves some; what one gives back, another may have. */
static void test_shares_what_is_read_ahead(void **state) {
    (void)state;
    static struct serving s;
    enum { ALL = 1600000, CLIENTS = 3 };
    struct buf text = {0};
    int clients[CLIENTS];
    uint64_t before = 0;
    make_pipeline(&text, "");
    serving_begin(&s);
    s.limits.soft_output_bytes = 30000;
    s.limits.all_ahead_bytes = ALL;
    connections_limit(&s.set, &s.limits);
    for (size_t i = 0; i < CLIENTS; i++) {
        clients[i] = client_come(&s);
        assert_true(send_deaf(&s, clients[i], buf_slice(&text)).length > 0);
        uint64_t all = atomic_u64_load(&s.clients.ahead_bytes, memory_order_relaxed);
        assert_in_range(all - before, (ALL - before) / 2, (ALL - before) / 2 + 16384);
        before = all;
    }
    close(clients[0]);
    turn(&s);
    before = atomic_u64_load(&s.clients.ahead_bytes, memory_order_relaxed);
    assert_in_range(before, ALL / 4 + ALL / 8, ALL / 4 + ALL / 8 + 32768);
    pass(&s, 100000);
    assert_true(atomic_u64_load(&s.clients.ahead_bytes, memory_order_relaxed) > before);
    close(clients[1]);
    close(clients[2]);
    turn(&s);
    serving_end(&s);
    buf_free(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lost_while_full),
        cmocka_unit_test(test_one_that_never_reads),
        cmocka_unit_test(test_a_stranger_that_never_reads),
        cmocka_unit_test(test_hard_limit),
        cmocka_unit_test(test_one_long_reply),
        cmocka_unit_test(test_much_for_too_long),
        cmocka_unit_test(test_much_by_new_limits),
        cmocka_unit_test(test_pushed_for_too_long),
        cmocka_unit_test(test_pushed_without_end),
        cmocka_unit_test(test_drained),
        cmocka_unit_test(test_many_pieces),
        cmocka_unit_test(test_idle),
        cmocka_unit_test(test_reading_slowly),
        cmocka_unit_test(test_last_replies_not_taken),
        cmocka_unit_test(test_memory_comes_back),
        cmocka_unit_test(test_shares_what_is_read_ahead),
        cmocka_unit_test(test_reads_ahead),
        cmocka_unit_test(test_reads_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
