/* No descriptors are left: clients are told so and the loop does not spin; later it goes
 * on. In a process of its own, whose limit is lowered. */
#include "serving.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>

#include "../common/child.h"
#include "listener.h"

enum { CLIENTS = 12 };

struct full_house {
    struct serving serving;
    struct listener *listener;
    struct connections *sets[1];
    int clients[CLIENTS]; /* made before there are none left */
    struct sockaddr_in address;
};

static void open_house(struct full_house *h) {
    static const char *const addresses[] = {"127.0.0.1"};
    serving_begin(&h->serving);
    h->sets[0] = &h->serving.set;
    const struct listener_options options = {.addresses = addresses,
                                             .address_count = 1,
                                             .backlog = 16,
                                             .connections = h->sets,
                                             .connections_count = 1,
                                             .clients = &h->serving.clients};
    check_ok(listener_open(h->serving.looping.loop, &options, &h->listener, NULL));
    h->address = (struct sockaddr_in){.sin_family = AF_INET,
                                      .sin_port = htons(listener_port(h->listener))};
    h->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (size_t i = 0; i < CLIENTS; i++) {
        h->clients[i] = socket(AF_INET, SOCK_STREAM, 0);
        check(h->clients[i] >= 0);
    }
}

static void close_house(struct full_house *h) {
    listener_close(h->listener);
    for (size_t i = 0; i < CLIENTS; i++) {
        close(h->clients[i]);
    }
    serving_end(&h->serving);
}

/* So many more descriptors can be had. */
static void allow(int more) {
    struct rlimit limit;
    check(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = limit.rlim_max;
    check(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    int next = dup(0);
    check(next >= 0);
    close(next);
    limit.rlim_cur = (rlim_t)next + (rlim_t)more;
    check(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

/* Not even one in the place of one that is there. */
static void allow_none(void) {
    struct rlimit limit;
    check(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = 0;
    check(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

static void come(struct full_house *h, size_t client) {
    check(connect(h->clients[client], (struct sockaddr *)&h->address,
                  sizeof h->address) == 0);
}

static void await(struct full_house *h, uint64_t accepted, uint64_t refused) {
    while (listener_accepted(h->listener) < accepted ||
           listener_refused(h->listener) < refused) {
        loop_tick(h->serving.looping.loop, true);
    }
    check(listener_accepted(h->listener) == accepted);
    check(listener_refused(h->listener) == refused);
}

static void check_says(int client, const char *text) {
    char got[200] = {0};
    check(recv(client, got, strlen(text), MSG_WAITALL) == (ssize_t)strlen(text));
    check(strcmp(got, text) == 0);
}

static void tell_those_for_whom_there_is_none(void) {
    static struct full_house h;
    char byte;
    open_house(&h);
    allow(2);
    for (size_t i = 0; i < 6; i++) {
        come(&h, i);
    }
    await(&h, 2, 4);
    for (size_t i = 2; i < 6; i++) {
        check_says(h.clients[i], "-ERR max number of clients reached\r\n");
        check(recv(h.clients[i], &byte, 1, 0) == 0);
    }
    turn(&h.serving);
    close(h.clients[0]); /* its number and the server's are free */
    h.clients[0] = -1;
    while (h.serving.closed == 0) {
        loop_tick(h.serving.looping.loop, true);
    }
    for (size_t i = 6; i < 9; i++) {
        come(&h, i);
    }
    await(&h, 4, 5);
    check(send(h.clients[6], "a\n", 2, 0) == 2);
    while (h.serving.sessions[2].commands == 0) {
        loop_tick(h.serving.looping.loop, true);
    }
    turn(&h.serving);
    check_says(h.clients[6], "*1\r\n$1\r\na\r\n");
    close_house(&h);
}

/* Even the reserve is of no help, as where others take what it gives up. They are looked
 * at again after a while, and not before. */
static void wait_for_better_times(void) {
    static struct full_house h;
    open_house(&h);
    allow_none();
    come(&h, 0);
    come(&h, 1);
    for (int i = 0; i < 50; i++) {
        turn(&h.serving);
        pass(&h.serving, 100000);
    }
    check(listener_accepted(h.listener) == 0 && listener_refused(h.listener) == 0);
    allow(100);
    turn(&h.serving);
    check(listener_accepted(h.listener) == 0);
    pass(&h.serving, 100000);
    check(listener_accepted(h.listener) == 2);
    close_house(&h);
}

static void test_full(void **state) {
    (void)state;
    assert_returns(tell_those_for_whom_there_is_none);
}

static void test_full_without_reserve(void **state) {
    (void)state;
    assert_returns(wait_for_better_times);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_full_without_reserve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
