/* Listening, and letting in, over TCP and a socket file: with real clients, whose side is
 * in the same thread. Nothing waits but for what is on its way. */
#include "serving.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "../common/directory.h"
#include "listener.h"
#include "points.h"
#include "socket_listen.h"

struct open_house {
    struct serving serving;
    struct connections *sets[1];
    const char *addresses[4];
    struct listener_options options;
    struct listener *listener;
};

static void prepare(struct open_house *h) {
    serving_begin(&h->serving);
    h->sets[0] = &h->serving.set;
    h->addresses[0] = "127.0.0.1";
    h->options = (struct listener_options){.addresses = h->addresses,
                                           .address_count = 1,
                                           .unix_permissions = 0700,
                                           .backlog = 16,
                                           .keepalive_seconds = 300,
                                           .connections = h->sets,
                                           .connections_count = 1,
                                           .clients = &h->serving.clients};
    h->listener = NULL;
}

static enum status open_listener(struct open_house *h, struct error *error) {
    return listener_open(h->serving.looping.loop, &h->options, &h->listener, error);
}

static void begin(struct open_house *h) {
    prepare(h);
    assert_ok(open_listener(h, NULL));
}

static void end(struct open_house *h) {
    listener_close(h->listener);
    serving_end(&h->serving);
}

static int connect_v4(uint16_t port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof address), 0);
    return client;
}

/* Turns until so many have come. */
static void await(struct open_house *h, uint64_t come) {
    while (listener_accepted(h->listener) + listener_refused(h->listener) < come) {
        loop_tick(h->serving.looping.loop, true);
    }
}

/* Turns until there is something to read for the client, or its end. */
static void await_words(struct open_house *h, int client) {
    struct pollfd poller = {client, POLLIN, 0};
    for (int patience = 30000; poll(&poller, 1, 1) == 0; patience--) {
        assert_true(patience > 0); /* half a minute and more */
        turn(&h->serving);
    }
}

static void assert_says(struct open_house *h, int client, const char *text) {
    char got[200];
    size_t length = 0;
    while (length < strlen(text)) {
        await_words(h, client);
        ssize_t count = recv(client, got + length, sizeof got - 1 - length, 0);
        assert_true(count > 0);
        length += (size_t)count;
    }
    got[length] = 0;
    assert_string_equal(got, text);
}

static void assert_ends(struct open_house *h, int client) {
    char byte;
    await_words(h, client);
    assert_int_equal(recv(client, &byte, 1, 0), 0);
}

static void say(int client, const char *text) {
    assert_int_equal(send(client, text, strlen(text), 0), strlen(text));
}

static struct connection_facts facts_of(struct open_house *h, size_t session) {
    struct connection_facts facts;
    connection_facts(h->serving.sessions[session].connection, &facts);
    return facts;
}

/* ---- who comes ------------------------------------------------------------------- */

static int option_of(int descriptor, int level, int name) {
    int value = 0;
    socklen_t bytes = sizeof value;
    assert_int_equal(getsockopt(descriptor, level, name, &value, &bytes), 0);
    return value;
}

static void test_tcp(void **state) {
    (void)state;
    static struct open_house h;
    begin(&h);
    assert_true(listener_port(h.listener) != 0);
    int client = connect_v4(listener_port(h.listener));
    await(&h, 1);
    say(client, "a\n");
    assert_says(&h, client, "*1\r\n$1\r\na\r\n");
    struct connection_facts facts = facts_of(&h, 0);
    struct sockaddr_in own;
    socklen_t bytes = sizeof own;
    char name[64];
    assert_int_equal(getsockname(client, (struct sockaddr *)&own, &bytes), 0);
    snprintf(name, sizeof name, "127.0.0.1:%u", ntohs(own.sin_port));
    assert_string_equal(facts.name, name);
    snprintf(name, sizeof name, "127.0.0.1:%u", listener_port(h.listener));
    assert_string_equal(facts.own_name, name);
    assert_true(facts.local);
    assert_int_equal(option_of(facts.descriptor, IPPROTO_TCP, TCP_NODELAY), 1);
    assert_int_equal(option_of(facts.descriptor, SOL_SOCKET, SO_KEEPALIVE), 1);
    assert_int_equal(option_of(facts.descriptor, IPPROTO_TCP, TCP_KEEPIDLE), 300);
    close(client);
    end(&h);
}

static bool has_v6(void) {
    uint16_t port = 0;
    int descriptor;
    bool has = socket_listen_tcp("::1", &port, 1, &descriptor, NULL) == STATUS_OK;
    if (has) {
        close(descriptor);
    }
    return has;
}

/* One port, at several addresses; "-" passes over one that is not this machine's. */
static void test_several_addresses(void **state) {
    (void)state;
    static struct open_house h;
    prepare(&h);
    bool v6 = has_v6();
    h.addresses[1] = "-192.0.2.1"; /* nobody has that one (RFC 5737) */
    h.addresses[2] = "127.0.0.2";
    h.addresses[3] = "::1";
    h.options.address_count = v6 ? 4 : 3;
    assert_ok(open_listener(&h, NULL));
    struct sockaddr_in6 address = {.sin6_family = AF_INET6,
                                   .sin6_port = htons(listener_port(h.listener)),
                                   .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr_in second = {.sin_family = AF_INET, .sin_port = address.sin6_port};
    second.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(client, (struct sockaddr *)&second, sizeof second), 0);
    await(&h, 1);
    turn(&h.serving);
    assert_true(facts_of(&h, 0).local);
    close(client);
    if (v6) {
        client = socket(AF_INET6, SOCK_STREAM, 0);
        assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof address), 0);
        await(&h, 2);
        turn(&h.serving);
        struct connection_facts facts = facts_of(&h, 1);
        assert_true(facts.local && strncmp(facts.name, "[::1]:", 6) == 0);
        assert_true(strncmp(facts.own_name, "[::1]:", 6) == 0);
        close(client);
    } else {
        printf("no IPv6 here\n");
    }
    end(&h);
}

static void test_all_addresses(void **state) {
    (void)state;
    static struct open_house h;
    prepare(&h);
    h.addresses[0] = "*";
    h.addresses[1] = "::*";
    h.options.address_count = has_v6() ? 2 : 1;
    assert_ok(open_listener(&h, NULL));
    int client = connect_v4(listener_port(h.listener));
    await(&h, 1);
    close(client);
    end(&h);
}

static void test_socket_file(void **state) {
    static struct open_house h;
    struct stat found;
    char *dir = *state, path[300];
    snprintf(path, sizeof path, "%s/s.sock", dir);
    mode_t mask = umask(077);
    prepare(&h);
    h.options.address_count = 0;
    h.options.unix_path = path;
    h.options.unix_permissions = 0770;
    assert_ok(open_listener(&h, NULL));
    assert_int_equal(listener_port(h.listener), 0);
    assert_int_equal(stat(path, &found), 0);
    assert_true(S_ISSOCK(found.st_mode) && (found.st_mode & 0777) == 0770);
    umask(mask);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path));
    int client = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof address), 0);
    await(&h, 1);
    say(client, "a\n");
    assert_says(&h, client, "*1\r\n$1\r\na\r\n");
    struct connection_facts facts = facts_of(&h, 0);
    assert_true(facts.local && strncmp(facts.name, path, strlen(path)) == 0);
    assert_string_equal(facts.own_name, facts.name);
    close(client);
    end(&h);
    assert_int_equal(stat(path, &found), -1);
}

static void test_too_many(void **state) {
    (void)state;
    static struct open_house h;
    begin(&h);
    atomic_u64_store(&h.serving.clients.most, 2, memory_order_relaxed);
    uint16_t port = listener_port(h.listener);
    int a = connect_v4(port), b = connect_v4(port), c = connect_v4(port);
    say(c, "not heard\n");
    await(&h, 3);
    assert_says(&h, c, "-ERR max number of clients reached\r\n");
    assert_ends(&h, c);
    assert_int_equal(listener_refused(h.listener), 1);
    close(a); /* makes room */
    while (h.serving.closed == 0) {
        loop_tick(h.serving.looping.loop, true);
    }
    int d = connect_v4(port);
    say(d, "a\n");
    assert_says(&h, d, "*1\r\n$1\r\na\r\n");
    close(b);
    close(c);
    close(d);
    end(&h);
}

/* The end comes with the last bytes, and nothing after it. */
static void test_half_close(void **state) {
    (void)state;
    static struct open_house h;
    begin(&h);
    int client = connect_v4(listener_port(h.listener));
    say(client, "a\n");
    shutdown(client, SHUT_WR);
    assert_says(&h, client, "*1\r\n$1\r\na\r\n");
    assert_ends(&h, client);
    assert_int_equal(h.serving.closed, 1);
    close(client);
    end(&h);
}

/* It is written as the client takes it, and the next request is answered behind it. */
static void test_long_reply(void **state) {
    (void)state;
    static struct open_house h;
    static char bytes[100000];
    size_t whole = 1000 * (30000 + 10) + 11, length = 0;
    begin(&h);
    int client = connect_v4(listener_port(h.listener));
    await(&h, 1);
    say(client, "ALL 30000 1000\nx\n");
    while (length < whole) {
        await_words(&h, client);
        ssize_t count = recv(client, bytes, sizeof bytes, 0);
        assert_true(count > 0);
        length += (size_t)count;
    }
    assert_int_equal(length, whole);
    assert_true(h.serving.sessions[0].drained > 1);
    close(client);
    end(&h);
}

/* Reset, with requests unanswered and unread. */
static void test_reset_in_mid_pipeline(void **state) {
    (void)state;
    static struct open_house h;
    begin(&h);
    for (uint64_t i = 0; i < 10; i++) {
        const struct linger at_once = {.l_onoff = 1};
        int client = connect_v4(listener_port(h.listener));
        await(&h, i + 1);
        say(client, "a\nBIG 1000000\nb\nBIG 1000000\nLATER x\nunfinished");
        if (i % 2 == 0) {
            await_words(&h, client);
        }
        setsockopt(client, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        close(client);
        while (h.serving.closed <= i) {
            turn(&h.serving);
            if (h.serving.sessions[i].pending) {
                finish_later(&h.serving.sessions[i]);
            }
        }
    }
    end(&h);
}

static void test_many(void **state) {
    (void)state;
    enum { MANY = 300 };
    static struct open_house h;
    int clients[MANY];
    prepare(&h);
    h.options.backlog = 512;
    assert_ok(open_listener(&h, NULL));
    for (size_t i = 0; i < MANY; i++) {
        clients[i] = connect_v4(listener_port(h.listener));
        say(clients[i], "a\n");
    }
    for (size_t i = 0; i < MANY; i++) {
        assert_says(&h, clients[i], "*1\r\n$1\r\na\r\n");
    }
    for (size_t i = 0; i < MANY; i++) {
        close(clients[i]);
    }
    while (h.serving.closed < MANY) {
        loop_tick(h.serving.looping.loop, true);
    }
    end(&h);
}

/* A port that is free at the first address may be taken at the second. */
static void test_another_port(void **state) {
    (void)state;
    static struct open_house h;
    prepare(&h);
    h.addresses[1] = "127.0.0.2";
    h.options.address_count = 2;
    points_watch();
    points_arm(FAILPOINT_socket_listen, 2, false);
    int before = open_descriptors();
    assert_ok(open_listener(&h, NULL));
    assert_true(points_struck());
    assert_int_equal(open_descriptors(), before + 3); /* two, and the reserve */
    points_unwatch();
    int client = connect_v4(listener_port(h.listener));
    await(&h, 1);
    close(client);
    end(&h);
}

/* ---- what cannot be listened at -------------------------------------------------- */

static void assert_refuses(struct open_house *h, enum status status, const char *words) {
    struct error error = {0};
    assert_int_equal(open_listener(h, &error), status);
    assert_message_has(error, words);
}

static void test_bad_addresses(void **state) {
    (void)state;
    static struct open_house h;
    char words[64];
    prepare(&h);
    h.addresses[0] = "localhots";
    assert_refuses(&h, STATUS_INVALID, "bind localhots: not an address");
    h.addresses[0] = "-127.0.0.256";
    assert_refuses(&h, STATUS_INVALID, "bind 127.0.0.256: not an address");
    h.addresses[0] = "192.0.2.1";
    assert_refuses(&h, STATUS_NOT_FOUND, "does not have that address");
    h.addresses[0] = "127.0.0.1";
    uint16_t port = 0;
    int descriptor;
    assert_ok(socket_listen_tcp("127.0.0.1", &port, 1, &descriptor, NULL));
    h.options.port = port;
    snprintf(words, sizeof words, "bind 127.0.0.1 port %u: another program", port);
    assert_refuses(&h, STATUS_BUSY, words);
    /* At the second address: the first is given up, too. */
    h.addresses[0] = "127.0.0.2";
    h.addresses[1] = "127.0.0.1";
    h.options.address_count = 2;
    assert_refuses(&h, STATUS_BUSY, words);
    close(descriptor);
    assert_ok(open_listener(&h, NULL));
    end(&h);
}

static void test_bad_socket_files(void **state) {
    static struct open_house h;
    char *dir = *state, path[300], longer[200];
    int descriptor, other;
    struct error error = {0};
    snprintf(path, sizeof path, "%s/s.sock", dir);
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    prepare(&h);
    h.options.unix_path = longer;
    assert_refuses(&h, STATUS_INVALID, "a path of 1 to 107 bytes");
    h.options.unix_path = "/nowhere/at/all";
    assert_refuses(&h, STATUS_NOT_FOUND, "/nowhere/at/all: ");
    FILE *file = fopen(path, "w");
    fclose(file);
    h.options.unix_path = path;
    assert_refuses(&h, STATUS_INVALID, "there is a file that is no socket");
    assert_int_equal(access(path, F_OK), 0);
    unlink(path);
    assert_ok(socket_listen_unix(path, 0700, 1, &descriptor, &error));
    assert_refuses(&h, STATUS_BUSY, "another program listens there");
    close(descriptor); /* as a dead server leaves it */
    assert_int_equal(access(path, F_OK), 0);
    assert_ok(socket_listen_unix(path, 0700, 1, &other, &error));
    socket_unlisten_unix(path, other);
    end(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tcp),
        cmocka_unit_test(test_several_addresses),
        cmocka_unit_test(test_all_addresses),
        cmocka_unit_test_setup_teardown(test_socket_file, directory_setup,
                                        directory_teardown),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_half_close),
        cmocka_unit_test(test_long_reply),
        cmocka_unit_test(test_reset_in_mid_pipeline),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_another_port),
        cmocka_unit_test(test_bad_addresses),
        cmocka_unit_test_setup_teardown(test_bad_socket_files, directory_setup,
                                        directory_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
