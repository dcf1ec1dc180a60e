/* Clients who ask for much and take little: what waits for them, and what they announced,
 * is bounded, others are served all the time, and those who are beyond bearing go. */
#include "siege.h"

#include <poll.h>
#include <sys/socket.h>

#include "buf.h"
#include "memory.h"

enum { MIB = 1 << 20 };

/* A key `big` with that many bytes. */
static void set_big(struct siege *siege, size_t bytes) {
    char *value = memory_take(bytes);
    char head[64];
    memset(value, 'v', bytes);
    (void)snprintf(head, sizeof head, "*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$%zu\r\n", bytes);
    say(&siege->witness, head);
    say_bytes(&siege->witness, value, bytes);
    ask(&siege->witness, "", "+OK");
    memory_give(value);
}

static void say_often(struct caller *caller, size_t times, const char *request) {
    for (size_t i = 0; i < times; i++) {
        say(caller, request);
    }
}

/* ---- replies that nobody takes --------------------------------------------------- */

/* Of a pipeline that asks for 32 MiB each of them has a few at a time. */
static void never_read(void **state) {
    (void)state;
    enum { CALLERS = 10, GETS = 32 };
    struct siege siege;
    struct caller *callers = memory_take(CALLERS * sizeof *callers);
    siege_begin(&siege, NULL);
    set_big(&siege, MIB);
    for (size_t i = 0; i < CALLERS; i++) {
        call(&callers[i], &siege.served);
        say_often(&callers[i], GETS, "GET big\r\n");
        siege_step(&siege);
    }
    for (size_t i = 0; i < 200; i++) {
        siege_step(&siege);
    }
    siege_check_memory(&siege, (CALLERS * 4 + 32) * (uint64_t)MIB);
    for (size_t i = 0; i < CALLERS / 2; i++) {
        for (size_t j = 0; j < GETS; j++) {
            expect_line(&callers[i], "$1048576");
            skip_bytes(&callers[i], MIB + 2);
        }
        ask(&callers[i], "PING", "+PONG");
        siege_step(&siege);
    }
    for (size_t i = 0; i < CALLERS; i++) {
        if (i % 2 == 0) {
            hang_up(&callers[i]);
        } else {
            slam(&callers[i]);
        }
    }
    siege_await_clients(&siege, 1);
    siege_check_memory(&siege, (CALLERS * 4 + 32) * (uint64_t)MIB);
    siege_end(&siege);
    memory_give(callers);
}

/* One request can ask for more than the hard limit. Where it is known before anything was
 * written, the client is told; else it is closed. */
static void beyond_the_hard_limit(void **state) {
    (void)state;
    enum { KEYS = 500, NAMES = 40000 };
    const char *const more[] = {"--client-output-buffer-limit", "normal 2mb 1mb 60",
                                NULL};
    struct siege siege;
    struct caller many, names;
    struct buf text = {0};
    siege_begin(&siege, more);
    set_big(&siege, MIB);
    call(&many, &siege.served);
    assert_ok(buf_printf(&text, "*%d\r\n$4\r\nMGET\r\n", KEYS + 1));
    for (size_t i = 0; i < KEYS; i++) {
        assert_ok(buf_append_text(&text, "$3\r\nbig\r\n"));
    }
    say_bytes(&many, text.data, text.length);
    expect_line(&many, "-ERR the values of 500 keys are more than 2097152 bytes");
    ask(&many, "MGET big nothing", "*2");
    expect_line(&many, "$1048576");
    skip_bytes(&many, MIB + 2);
    expect_line(&many, "$-1");
    hang_up(&many);
    call(&names, &siege.served);
    buf_clear(&text);
    assert_ok(buf_printf(&text, "*%d\r\n$7\r\nCOMMAND\r\n$4\r\nINFO\r\n", NAMES + 2));
    for (size_t i = 0; i < NAMES; i++) {
        assert_ok(buf_append_text(&text, "$3\r\nget\r\n"));
    }
    say_bytes(&names, text.data, text.length);
    say(&names, "\r\nSET carried-on v\r\n");
    expect_end(&names);
    hang_up(&names);
    ask(&siege.witness, "EXISTS carried-on", ":0");
    siege_check_memory(&siege, 32 * (uint64_t)MIB);
    buf_free(&text);
    siege_end(&siege);
}

/* Limits that are changed are those of clients who are there, too: more than a quarter of
 * a MiB waits for this one, and soon it is gone. */
static void too_much_for_too_long(void **state) {
    (void)state;
    struct siege siege;
    struct caller slow;
    siege_begin(&siege, NULL);
    set_big(&siege, 4 * MIB);
    call(&slow, &siege.served);
    say_often(&slow, 16, "GET big\r\n");
    siege_await_clients(&siege, 2);
    ask(&siege.witness, "CONFIG SET client-output-buffer-limit \"normal 0 256kb 1\"",
        "+OK");
    siege_await_clients(&siege, 1);
    hang_up(&slow);
    siege_end(&siege);
}

/* A client that listens to others has to keep up with them; they do not wait for it. */
static void deaf_monitors(void **state) {
    (void)state;
    enum { MONITORS = 2, SETS = 20 };
    const char *const more[] = {"--client-output-buffer-limit", "normal 2mb 0 0",
                                "--io-threads", "2", NULL};
    struct siege siege;
    struct caller *monitors = memory_take(MONITORS * sizeof *monitors), good;
    char line[512];
    siege_begin(&siege, more);
    for (size_t i = 0; i < MONITORS; i++) {
        call(&monitors[i], &siege.served);
        ask(&monitors[i], "MONITOR", "+OK");
    }
    siege_await_clients(&siege, MONITORS + 1);
    for (size_t i = 0; i < SETS; i++) {
        set_big(&siege, MIB);
        siege_step(&siege);
    }
    siege_await_clients(&siege, 1);
    siege_check_memory(&siege, (MONITORS * 8 + 96) * (uint64_t)MIB);
    call(&good, &siege.served);
    ask(&good, "MONITOR", "+OK");
    siege_step(&siege);
    assert_true(hear(&good, line));
    assert_non_null(strstr(line, "\"INCR\" \"steps\""));
    hang_up(&good);
    for (size_t i = 0; i < MONITORS; i++) {
        hang_up(&monitors[i]);
    }
    siege_end(&siege);
    memory_give(monitors);
}

/* A long reply that comes in parts: the store keeps what the client has not taken. */
static void streams_to_nobody(void **state) {
    (void)state;
    enum { CALLERS = 8, KEYS = 64, STEPS = 1000 };
    const char *const more[] = {"--maxmemory", "32mb", NULL};
    struct siege siege;
    struct caller *callers = memory_take(CALLERS * sizeof *callers);
    siege_begin(&siege, more);
    set_big(&siege, MIB);
    for (size_t i = 0; i < KEYS; i++) {
        char request[32];
        (void)snprintf(request, sizeof request, "COPY big big%02zu", i);
        ask(&siege.witness, request, ":1");
    }
    ask(&siege.witness, "COMPACT", "+OK");
    siege_mark_memory(&siege);
    for (size_t i = 0; i < CALLERS; i++) {
        call(&callers[i], &siege.served);
        ask(&callers[i], "RSCAN big bih", "*130");
        siege_step(&siege);
    }
    for (size_t i = 0; i < STEPS; i++) {
        siege_step(&siege);
    }
    siege_check_memory(&siege, (64 + CALLERS * 4) * (uint64_t)MIB);
    for (size_t i = 0; i < CALLERS; i++) {
        slam(&callers[i]);
    }
    siege_await_clients(&siege, 1);
    siege_end(&siege);
    memory_give(callers);
}

/* ---- requests without an end ----------------------------------------------------- */

/* It sends as long as that can be done; that ends, because replies wait. Then nothing is
 * taken from it, however often others are answered. Once it reads, it has all replies. */
static void sends_for_ever(void **state) {
    (void)state;
    enum { ASK = 1007, REPLY = 1009, PIECE = 60 * ASK, PATIENCE = 100 };
    struct siege siege;
    struct caller sender;
    char *asks = memory_take(PIECE + 1);
    size_t sent = 0, refused = 0;
    for (size_t i = 0; i < PIECE; i += ASK) {
        (void)snprintf(asks + i, ASK + 1, "ECHO %01000d\r\n", 7);
    }
    siege_begin(&siege, NULL);
    call(&sender, &siege.served);
    while (refused < PATIENCE) {
        size_t from = sent % ASK;
        ssize_t count = send(sender.descriptor, asks + from, PIECE - from,
                             MSG_DONTWAIT | MSG_NOSIGNAL);
        sent += count > 0 ? (size_t)count : 0;
        refused = count > 0 ? 0 : refused + 1;
        siege_step(&siege);
        assert_true(sent < 512 * (size_t)MIB);
    }
    siege_check_memory(&siege, 96 * MIB); /* 64 of what is read ahead */
    skip_bytes(&sender, sent / ASK * REPLY);
    say_bytes(&sender, asks + sent % ASK, ASK - sent % ASK);
    expect_line(&sender, "$1000");
    skip_bytes(&sender, 1002);
    slam(&sender);
    siege_end(&siege);
    memory_give(asks);
}

/* What is announced costs nothing until it comes. */
static void announced(void **state) {
    (void)state;
    enum { CALLERS = 1000 };
    static const char *const heads[] = {
        "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\n",
        "*1000000\r\n$4\r\nMSET\r\n$500000000\r\nv",
        "*1048576\r\n",
    };
    struct siege siege;
    struct caller *caller = memory_take(sizeof *caller);
    int *descriptors = memory_take(CALLERS * sizeof *descriptors);
    siege_begin(&siege, NULL);
    for (size_t i = 0; i < CALLERS; i++) {
        call(caller, &siege.served);
        say(caller, heads[i % 3]);
        say(caller, i % 2 == 0 ? "xxx" : "");
        descriptors[i] = caller->descriptor;
    }
    siege_await_clients(&siege, CALLERS + 1);
    siege_check_memory(&siege, CALLERS * (uint64_t)128 * 1024);
    for (size_t i = 0; i < CALLERS; i++) {
        caller->descriptor = descriptors[i];
        hang_up(caller);
    }
    siege_await_clients(&siege, 1);
    siege_end(&siege);
    memory_give(caller);
    memory_give(descriptors);
}

static void long_requests(void **state) {
    (void)state;
    const char *const more[] = {"--client-query-buffer-limit", "1mb",
                                "--proto-max-bulk-len", "1mb", NULL};
    struct siege siege;
    struct caller caller;
    char *bytes = memory_take(MIB);
    memset(bytes, 'x', MIB);
    siege_begin(&siege, more);
    call(&caller, &siege.served);
    ask(&caller, "*2\r\n$4\r\nECHO\r\n$1048577",
        "-ERR Protocol error: invalid bulk length");
    expect_end(&caller);
    hang_up(&caller);
    call(&caller, &siege.served);
    say(&caller, "*3\r\n$4\r\nMSET\r\n$600000\r\n");
    say_bytes(&caller, bytes, 600000);
    ask(&caller, "\r\n$600000",
        "-ERR Protocol error: request exceeds the query buffer limit");
    expect_end(&caller);
    hang_up(&caller);
    ask(&siege.witness, "CONFIG SET client-query-buffer-limit 3mb", "+OK");
    call(&caller, &siege.served);
    say(&caller, "*2\r\n$4\r\nECHO\r\n$1048576\r\n");
    say_bytes(&caller, bytes, MIB);
    ask(&caller, "", "$1048576");
    skip_bytes(&caller, MIB + 2);
    hang_up(&caller);
    siege_end(&siege);
    memory_give(bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(never_read),
        cmocka_unit_test(beyond_the_hard_limit),
        cmocka_unit_test(too_much_for_too_long),
        cmocka_unit_test(deaf_monitors),
        cmocka_unit_test(streams_to_nobody),
        cmocka_unit_test(sends_for_ever),
        cmocka_unit_test(announced),
        cmocka_unit_test(long_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
