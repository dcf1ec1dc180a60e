/* Each failpoint of sockets, and each allocation, fails once or from then on, while a
 * server begins, lets a client in, serves it and lets it go. Nothing leaks, and when the
 * fault is over the next client is served. */
#include "serving.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "listener.h"
#include "points.h"

struct house {
    struct serving serving;
    struct connections *sets[1];
    struct listener *listener;
};

static void no_fault(void) {
    points_arm(FAILPOINT_COUNT, 0, false);
    counted_memory_fail(0, false);
}

static bool open_listener(struct house *h) {
    static const char *const addresses[] = {"127.0.0.1"};
    struct error error = {0};
    h->sets[0] = &h->serving.set;
    const struct listener_options options = {.addresses = addresses,
                                             .address_count = 1,
                                             .backlog = 16,
                                             .connections = h->sets,
                                             .connections_count = 1,
                                             .clients = &h->serving.clients};
    enum status status =
        listener_open(h->serving.looping.loop, &options, &h->listener, &error);
    assert_true(status == STATUS_OK || error.message[0] != 0);
    return status == STATUS_OK;
}

static int connect_to(struct house *h) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(listener_port(h->listener))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    const int yes = 1;
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof address), 0);
    return client;
}

/* The session of the client who came, late or not; NULL: none. */
static struct session *session_of(struct house *h) {
    size_t opened = h->serving.opened;
    struct session *session = &h->serving.sessions[opened - (opened > 0)];
    return opened == 0 || session->closed ? NULL : session;
}

static void answer(struct house *h) {
    struct session *session = session_of(h);
    if (session != NULL) {
        if (session->pending) {
            finish_later(session);
        }
        session = session_of(h);
    }
    if (session != NULL) {
        connection_hold(session->connection, 1, 1);
    }
    turn(&h->serving);
    connections_release(&h->serving.set, 1);
    turn(&h->serving);
}

enum { ARGUMENT = 60000, BIG = 300000, HEARD = 400000 };

/* What a client asks for that meets every part: an argument of its own, much output, a
 * request that somebody else has, held replies, the end. And what it should hear. */
static size_t compose(char *asked, char *expected) {
    static const char head[] = "*2\r\n$1\r\nx\r\n$60000\r\n";
    static const char rest[] = "\r\nBIG 300000\nLATER x\nQUIT\n";
    static const char last[] = "\r\n*2\r\n$5\r\nLATER\r\n$1\r\nx\r\n+OK\r\n";
    size_t bytes = sizeof head - 1 + ARGUMENT;
    memset(asked, 'z', bytes);
    memcpy(asked, head, sizeof head - 1);
    memcpy(expected, asked, bytes);
    memcpy(asked + bytes, rest, sizeof rest);
    memcpy(expected + bytes, "\r\n$300000\r\n", 11);
    memcpy(expected + bytes + 11, serving_bytes, BIG);
    memcpy(expected + bytes + 11 + BIG, last, sizeof last);
    return bytes + 11 + BIG + sizeof last - 1;
}

/* Who was let in hears all, or up to some point the same and then the end. */
static void assert_heard(const char *heard, size_t length, bool ended,
                         const char *expected, size_t whole) {
    bool refused = length > 5 && memcmp(heard, "-ERR ", 5) == 0;
    assert_true(length <= whole && (length == whole || ended));
    if (!refused && length > 0) {
        assert_memory_equal(heard, expected, length);
    }
}

static void live(struct house *h) {
    static char asked[ARGUMENT + 100], expected[HEARD], heard[HEARD];
    size_t whole = compose(asked, expected), length = 0;
    bool ended = false;
    int client = connect_to(h);
    turn(&h->serving);
    (void)client_try(client, slice_make(asked, 30000));
    turn(&h->serving);
    (void)client_try(client, slice_of(asked + 30000));
    turn(&h->serving);
    for (int i = 0; i < 30; i++) {
        answer(h);
        ssize_t count = recv(client, heard + length, HEARD - length, MSG_DONTWAIT);
        length += count > 0 ? (size_t)count : 0;
        ended |= count == 0 || (count < 0 && errno != EAGAIN);
    }
    if (h->serving.opened > 0) {
        assert_heard(heard, length, ended, expected, whole);
    }
    close(client);
    for (int i = 0; i < 4; i++) {
        pass(&h->serving, 100000);
        answer(h);
    }
    pass(&h->serving, 10000000);
}

static void assert_serves(struct house *h) {
    char got[11] = {0};
    int client = connect_to(h);
    assert_int_equal(send(client, "a\n", 2, 0), 2);
    struct pollfd poller = {client, POLLIN, 0};
    while (poll(&poller, 1, 1) == 0) {
        pass(&h->serving, 100000);
    }
    assert_int_equal(recv(client, got, 11, MSG_WAITALL), 11);
    assert_memory_equal(got, "*1\r\n$1\r\na\r\n", 11);
    close(client);
}

/* One life with a fault, which is armed in between; true if it struck. */
static bool survive(size_t memory, enum failpoint point, size_t countdown,
                    bool persistently) {
    static struct house h;
    size_t blocks = counted_memory_blocks();
    serving_begin(&h.serving);
    points_arm(point, countdown, persistently);
    counted_memory_fail(memory, persistently);
    bool listens = open_listener(&h);
    if (listens) {
        live(&h);
    }
    bool struck = points_struck() || (memory > 0 && counted_memory_failed());
    no_fault();
    if (listens) {
        pass(&h.serving, 100000);
        answer(&h); /* to who may have come only now */
        assert_serves(&h);
        pass(&h.serving, 10000000);
        assert_int_equal(h.serving.closed, h.serving.opened);
        listener_close(h.listener);
    }
    assert_true(listens || struck);
    serving_end(&h.serving);
    assert_int_equal(counted_memory_blocks(), blocks);
    return struck;
}

static void test_points(void **state) {
    (void)state;
    size_t of_sockets = 0;
    points_watch();
    for (enum failpoint point = 0; point < FAILPOINT_COUNT; point++) {
        if (!points_of_sockets(point)) {
            continue;
        }
        for (size_t i = 1; i < 200; i++) {
            bool once = survive(0, point, i, false);
            bool always = survive(0, point, i, true);
            assert_true(i > 1 || (once && always));
            if (!once && !always) {
                break;
            }
        }
        if (points_hits(point) == 0) {
            fail_msg("%s was never passed", points_name(point));
        }
        of_sockets++;
    }
    points_unwatch();
    assert_int_equal(of_sockets, 5);
}

static void test_memory(void **state) {
    (void)state;
    size_t struck = 0;
    for (size_t i = 1; i < 500; i++) {
        bool once = survive(i, FAILPOINT_COUNT, 0, false);
        bool always = survive(i, FAILPOINT_COUNT, 0, true);
        if (!once && !always) {
            break;
        }
        struck++;
    }
    printf("%zu allocations\n", struck);
    assert_true(struck > 10);
}

/* Without memory for a reply the client is closed, and not left to wait for the rest. */
static void test_no_memory_for_a_reply(void **state) {
    (void)state;
    static char heard[HEARD];
    static struct serving s;
    size_t struck = 0;
    for (size_t i = 1; struck + 1 == i; i++) {
        serving_begin(&s);
        int client = client_come(&s);
        turn(&s);
        counted_memory_fail(i, false);
        assert_int_equal(client_try(client, slice_of("BIG 100000\n")), 11);
        turn(&s);
        struck += counted_memory_failed();
        no_fault();
        ssize_t count = recv(client, heard, HEARD, 0);
        assert_true(struck < i ? count == 100000 + 11
                               : count == 0 || (count < 0 && errno != EAGAIN));
        close(client);
        turn(&s);
        serving_end(&s);
    }
    assert_true(struck > 1);
}

/* What is read ahead of a client that takes no replies yet needs memory, too: without it
 * the client is closed, and whoever hears all has all. */
static void test_no_memory_ahead(void **state) {
    (void)state;
    enum { REQUESTS = 60, REQUEST_BYTES = 1000, REPLY_BYTES = 3000 + 9 };
    static char text[REQUESTS * REQUEST_BYTES + 1];
    static struct serving s;
    size_t struck = 0, blocks = counted_memory_blocks();
    for (size_t i = 0; i < REQUESTS; i++) {
        (void)snprintf(text + i * REQUEST_BYTES, REQUEST_BYTES + 1, "BIG 3000 %0*d\n",
                       REQUEST_BYTES - 10, 0);
    }
    for (size_t i = 1; struck + 1 == i; i++) {
        struct buf got = {0};
        bool ended = false;
        assert_ok(buf_reserve(&got, (size_t)2 * REQUESTS * REPLY_BYTES));
        serving_begin(&s);
        s.limits.soft_output_bytes = 10000;
        connections_limit(&s.set, &s.limits);
        int client = client_come(&s);
        turn(&s);
        counted_memory_fail(i, false);
        assert_int_equal(client_try(client, slice_of(text)), sizeof text - 1);
        turn(&s);
        struck += counted_memory_failed();
        no_fault();
        for (size_t turns = 0; turns < 1000 && !ended; turns++) {
            ended = client_receive(client, &got) || got.length == REQUESTS * REPLY_BYTES;
            turn(&s);
        }
        assert_true(ended);
        assert_true(struck == i || got.length == REQUESTS * REPLY_BYTES);
        close(client);
        turn(&s);
        serving_end(&s);
        buf_free(&got);
        assert_int_equal(counted_memory_blocks(), blocks);
    }
    assert_true(struck > 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_points),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_no_memory_for_a_reply),
        cmocka_unit_test(test_no_memory_ahead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
