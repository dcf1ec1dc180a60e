#include "caller.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

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
    caller->is_late = false;
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

bool try_say(struct caller *caller, struct slice bytes) {
    while (bytes.length > 0) {
        ssize_t sent = send(caller->descriptor, bytes.data, bytes.length, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        slice_advance(&bytes, (size_t)sent);
    }
    return true;
}

void say_bytes(struct caller *caller, const void *bytes, size_t count) {
    assert_true(try_say(caller, slice_make(bytes, count)));
}

void say(struct caller *caller, const char *text) {
    say_bytes(caller, text, strlen(text));
}

void say_no_more(struct caller *caller) {
    (void)shutdown(caller->descriptor, SHUT_WR);
}

/* Whether there is a byte more. */
static bool has_byte(struct caller *caller) {
    if (caller->at < caller->end) {
        return true;
    }
    ssize_t got = recv(caller->descriptor, caller->bytes, sizeof caller->bytes, 0);
    caller->is_late = got < 0 && errno == EAGAIN;
    caller->at = 0;
    caller->end = got > 0 ? (size_t)got : 0;
    return got > 0;
}

void skip_bytes(struct caller *caller, size_t count) {
    while (count > 0) {
        assert_true(has_byte(caller));
        size_t there = caller->end - caller->at;
        size_t part = there < count ? there : count;
        caller->at += part;
        count -= part;
    }
}

bool hear(struct caller *caller, char line[512]) {
    size_t length = 0;
    while (has_byte(caller)) {
        char byte = caller->bytes[caller->at++];
        if (byte == '\n') {
            line[length - 1] = '\0';
            return true;
        }
        if (length < 511) {
            line[length++] = byte;
        }
    }
    assert_false(caller->is_late);
    return false;
}

/* ---- replies --------------------------------------------------------------------- */

static bool take_bytes(struct caller *caller, size_t count, struct buf *reply) {
    while (count > 0 && has_byte(caller)) {
        size_t there = caller->end - caller->at;
        size_t taken = there < count ? there : count;
        assert_ok(buf_append(reply, caller->bytes + caller->at, taken));
        caller->at += taken;
        count -= taken;
    }
    return count == 0;
}

static bool take_line(struct caller *caller, struct buf *reply) {
    do {
        if (!take_bytes(caller, 1, reply)) {
            return false;
        }
    } while (reply->data[reply->length - 1] != '\n');
    return true;
}

/* How many elements a reply that begins with such a line has, or bytes. */
static size_t count_of(const struct buf *reply, size_t at) {
    long long count = strtoll((const char *)reply->data + at + 1, NULL, 10);
    return count < 0 ? 0 : (size_t)count;
}

bool hear_reply(struct caller *caller, struct buf *reply) {
    size_t missing = 1; /* replies, that are elements of others */
    while (missing > 0) {
        size_t at = reply->length;
        if (!take_line(caller, reply)) {
            return false;
        }
        missing--;
        switch (reply->data[at]) {
        case '$':
        case '=':
            if (reply->data[at + 1] != '-' &&
                !take_bytes(caller, count_of(reply, at) + 2, reply)) {
                return false;
            }
            break;
        case '%':
            missing += 2 * count_of(reply, at);
            break;
        case '*':
        case '~':
        case '>':
            missing += count_of(reply, at);
            break;
        default: /* a line is all of it */
            break;
        }
    }
    return true;
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
