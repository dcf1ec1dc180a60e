#include "caller.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "slice.h"

enum { CLIENT_SECONDS = 60 };

void call(struct caller *caller, const struct served *served) {
    call_at(caller, htonl(INADDR_LOOPBACK), served->port);
}

void call_at(struct caller *caller, uint32_t to, unsigned port) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = to, .sin_port = htons((uint16_t)port)};
    const struct timeval most = {.tv_sec = CLIENT_SECONDS};
    const int on = 1;
    caller->at = caller->end = 0;
    caller->descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(
        setsockopt(caller->descriptor, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most), 0);
    assert_int_equal(
        setsockopt(caller->descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), 0);
    assert_int_equal(
        connect(caller->descriptor, (struct sockaddr *)&address, sizeof address), 0);
}

void hang_up(struct caller *caller) {
    close(caller->descriptor);
}

void slam(struct caller *caller) {
    const struct linger at_once = {.l_onoff = 1};
    assert_int_equal(
        setsockopt(caller->descriptor, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once),
        0);
    close(caller->descriptor);
}

void say(struct caller *caller, const char *text) {
    say_bytes(caller, text, strlen(text));
}

void say_bytes(struct caller *caller, const void *from, size_t count) {
    struct slice bytes = slice_make(from, count);
    while (bytes.length > 0) {
        ssize_t sent = send(caller->descriptor, bytes.data, bytes.length, MSG_NOSIGNAL);
        assert_true(sent > 0);
        slice_advance(&bytes, (size_t)sent);
    }
}

/* False: there are no more bytes to come. */
static bool refill(struct caller *caller) {
    if (caller->at == caller->end) {
        ssize_t got = recv(caller->descriptor, caller->bytes, sizeof caller->bytes, 0);
        if (got <= 0) {
            assert_true(got == 0 || errno != EAGAIN);
            return false;
        }
        caller->at = 0;
        caller->end = (size_t)got;
    }
    return true;
}

void skip_bytes(struct caller *caller, size_t count) {
    while (count > 0) {
        assert_true(refill(caller));
        size_t there = caller->end - caller->at;
        size_t part = there < count ? there : count;
        caller->at += part;
        count -= part;
    }
}

bool hear(struct caller *caller, char line[512]) {
    size_t length = 0;
    while (refill(caller)) {
        char byte = caller->bytes[caller->at++];
        if (byte == '\n') {
            line[length - 1] = '\0';
            return true;
        }
        if (length < 511) {
            line[length++] = byte;
        }
    }
    return false;
}

void expect_line(struct caller *caller, const char *expected) {
    char line[512];
    if (!hear(caller, line)) {
        fail_msg("the end, and not \"%s\"", expected);
    }
    assert_string_equal(line, expected);
}

void expect_end(struct caller *caller) {
    char line[512];
    assert_false(hear(caller, line));
}

void ask(struct caller *caller, const char *request, const char *reply) {
    say(caller, request);
    say(caller, "\r\n");
    expect_line(caller, reply);
}

void ask_for(struct caller *caller, const char *request, const char *value) {
    char head[32];
    (void)snprintf(head, sizeof head, "$%zu", strlen(value));
    ask(caller, request, head);
    expect_line(caller, value);
}
