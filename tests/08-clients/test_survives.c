/* Bytes that are no requests, or that come in pieces: they are answered as Redis answers
 * them, or their client has to go; and nobody else notices. */
#include "siege.h"

#include <signal.h>
#include <sys/socket.h>

#include "buf.h"
#include "memory.h"

/* ---- what is no request ---------------------------------------------------------- */

static const struct {
    const char *bytes;
    const char *told; /* behind "-ERR Protocol error: "; NULL: nothing is asked for */
} oddities[] = {
    {"\r\n", NULL},
    {"\n\n\n \t \r\n", NULL},
    {"*0\r\n", NULL},
    {"*-1\r\n", NULL},
    {"*-10\r\n", NULL},
    {"*3000000000\r\n", "invalid multibulk length"},
    {"*99999999999999999999\r\n", "invalid multibulk length"},
    {"*three\r\n", "invalid multibulk length"},
    {"*1\r\n$-10\r\n", "invalid bulk length"},
    {"*1\r\n$2000000000\r\n", "invalid bulk length"},
    {"*1\r\n$536870913\r\n", "invalid bulk length"},
    {"*1\r\n$blabla\r\n", "invalid bulk length"},
    {"*2\r\n$4\r\nPING\r\nfoo\r\n", "expected '$', got 'f'"},
    {"*1\r\nPING\r\n", "expected '$', got 'P'"},
    {"*1\r\n\r\n", "expected '$', got ' '"},
    {"SET \"k\r\n", "unbalanced quotes in request"},
    {"GET 'k'x\r\n", "unbalanced quotes in request"},
};

/* What stands behind is answered only if nothing was wrong. */
static void expect_oddity(struct caller *caller, size_t i) {
    char line[128];
    if (oddities[i].told == NULL) {
        expect_line(caller, "+PONG");
        ask(caller, "PING", "+PONG");
    } else {
        (void)snprintf(line, sizeof line, "-ERR Protocol error: %s", oddities[i].told);
        expect_line(caller, line);
        expect_end(caller);
    }
}

static void no_requests(void **state) {
    (void)state;
    struct siege siege;
    siege_begin(&siege, NULL);
    for (size_t i = 0; i < sizeof oddities / sizeof oddities[0]; i++) {
        const char *bytes = oddities[i].bytes;
        struct caller whole, pieces;
        call(&whole, &siege.served);
        ask(&whole, "PING", "+PONG");
        say(&whole, bytes);
        say(&whole, "PING\r\n");
        expect_oddity(&whole, i);
        hang_up(&whole);
        call(&pieces, &siege.served);
        for (size_t at = 0; at < strlen(bytes); at++) {
            say_bytes(&pieces, bytes + at, 1);
        }
        say(&pieces, "PING\r\n");
        expect_oddity(&pieces, i);
        hang_up(&pieces);
        siege_check(&siege);
    }
    siege_end(&siege);
}

/* One byte for as long as it likes, in `many` bytes behind a first one. The server closes
 * before it has read all, so that sending may fail. */
static void flood(struct siege *siege, const char *first, char byte, size_t many,
                  const char *told) {
    struct caller caller;
    unsigned char *bytes = memory_take(many);
    char line[512];
    memset(bytes, byte, many);
    call(&caller, &siege->served);
    say(&caller, first);
    for (size_t sent = 0; sent < many;) {
        ssize_t count = send(caller.descriptor, bytes + sent, many - sent, MSG_NOSIGNAL);
        if (count <= 0) {
            break;
        }
        sent += (size_t)count;
    }
    /* A reset may have overtaken the words, if much more than was allowed was sent. */
    if (hear(&caller, line)) {
        assert_string_equal(line, told);
        expect_end(&caller);
    } else {
        assert_true(many > (1 << 20));
    }
    hang_up(&caller);
    memory_give(bytes);
    siege_check(siege);
}

static void floods(void **state) {
    (void)state;
    enum { ONE_TOO_MANY = 65537, MANY = 64 << 20 };
    static const struct {
        const char *first, *told;
        char byte;
    } kinds[] = {
        {"", "-ERR Protocol error: too big inline request", '\0'},
        {"PING ", "-ERR Protocol error: too big inline request", 'x'},
        {"*", "-ERR Protocol error: too big mbulk count string", '1'},
        {"*1\r\n$", "-ERR Protocol error: too big bulk count string", '1'},
        {"*1\r\n", "-ERR Protocol error: too big bulk count string", '\0'},
    };
    struct siege siege;
    siege_begin(&siege, NULL);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        flood(&siege, kinds[i].first, kinds[i].byte, ONE_TOO_MANY, kinds[i].told);
        flood(&siege, kinds[i].first, kinds[i].byte, MANY, kinds[i].told);
    }
    siege_check_memory(&siege, 8 << 20);
    siege_end(&siege);
}

/* A zero byte is a byte like others, and a line of them is a word. */
static void zeros(void **state) {
    (void)state;
    struct siege siege;
    struct caller caller;
    static const char asks[] = "\0\0\0\r\nSET k \"\\x00\"\r\nSTRLEN k\r\n"
                               "*2\r\n$3\r\nGET\r\n$3\r\n\0\0\0\r\n";
    siege_begin(&siege, NULL);
    call(&caller, &siege.served);
    say_bytes(&caller, asks, sizeof asks - 1);
    expect_line(&caller, "-ERR unknown command '', with args beginning with: ");
    expect_line(&caller, "+OK");
    expect_line(&caller, ":1");
    expect_line(&caller, "$-1");
    hang_up(&caller);
    siege_end(&siege);
}

static void many_arguments(void **state) {
    (void)state;
    enum { ARGUMENTS = 20000 };
    struct siege siege;
    struct caller caller;
    struct buf text = {0};
    siege_begin(&siege, NULL);
    call(&caller, &siege.served);
    assert_ok(buf_printf(&text, "*%d\r\n$6\r\nEXISTS\r\n", ARGUMENTS));
    for (size_t i = 1; i < ARGUMENTS; i++) {
        assert_ok(buf_append_text(&text, "$5\r\nsteps\r\n"));
    }
    assert_ok(buf_printf(&text, "*%d\r\n$4\r\nMSET\r\n", ARGUMENTS + 1));
    for (size_t i = 0; i < ARGUMENTS; i++) {
        assert_ok(buf_printf(&text, "$6\r\n%06zu\r\n", i));
    }
    assert_ok(buf_append_text(&text, "GET 019998\r\n"));
    say_bytes(&caller, text.data, text.length);
    expect_line(&caller, ":19999");
    expect_line(&caller, "+OK");
    expect_line(&caller, "$6");
    expect_line(&caller, "019999");
    hang_up(&caller);
    buf_free(&text);
    siege_end(&siege);
}

/* ---- in pieces ------------------------------------------------------------------- */

static const char requests[] =
    "PING\r\n"
    "\r\n"
    "SET \"a key\" 'its \\' value'\n"
    "*2\r\n$3\r\nGET\r\n$5\r\na key\r\n"
    "*-1\r\n*0\r\n"
    "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$21\r\n*1\r\n$4\r\nPING\r\n\r\n\r\n-\0$\r\n"
    "*2\r\n$6\r\nSTRLEN\r\n$1\r\nk\r\n"
    "*1\r\n$7\r\nUNKNOWN\r\n"
    "*3\r\n$4\r\nMGET\r\n$1\r\nk\r\n$0\r\n\r\n"
    "KEYS nothing*\r\n"
    "*2\r\n$4\r\nECHO\r\n$0\r\n\r\n"
    "QUIT\r\n";

static const char replies[] =
    "+PONG\r\n"
    "+OK\r\n"
    "$11\r\nits ' value\r\n"
    "+OK\r\n"
    ":21\r\n"
    "-ERR unknown command 'UNKNOWN', with args beginning with: \r\n"
    "*2\r\n$21\r\n*1\r\n$4\r\nPING\r\n\r\n\r\n-\0$\r\n$-1\r\n"
    "*0\r\n"
    "$0\r\n\r\n"
    "+OK\r\n";

static void expect_replies(struct caller *caller) {
    char got[sizeof replies];
    size_t length = 0;
    while (length < sizeof got) {
        ssize_t count = recv(caller->descriptor, got + length, sizeof got - length, 0);
        assert_true(count >= 0);
        if (count == 0) {
            break;
        }
        length += (size_t)count;
    }
    assert_int_equal(length, sizeof replies - 1);
    assert_memory_equal(got, replies, length);
}

/* The server has seen what was sent before a step of the witness: one loop serves both.
 * Who ends with QUIT is closed by the server. */
static void cut_at_every_byte(void **state) {
    (void)state;
    const char *const more[] = {"--io-threads", "1", NULL};
    struct siege siege;
    siege_begin(&siege, more);
    for (size_t cut = 0; cut < sizeof requests; cut++) {
        struct caller caller;
        call(&caller, &siege.served);
        say_bytes(&caller, requests, cut);
        siege_step(&siege);
        say_bytes(&caller, requests + cut, sizeof requests - 1 - cut);
        expect_replies(&caller);
        hang_up(&caller);
    }
    siege_end(&siege);
}

static void byte_by_byte(void **state) {
    (void)state;
    const char *const more[] = {"--io-threads", "1", NULL};
    struct siege siege;
    struct caller slow, quick;
    siege_begin(&siege, more);
    call(&slow, &siege.served);
    call(&quick, &siege.served);
    for (size_t at = 0; at < sizeof requests - 1; at++) {
        say_bytes(&slow, requests + at, 1);
        siege_step(&siege);
    }
    for (size_t at = 0; at < sizeof requests - 1; at++) {
        say_bytes(&quick, requests + at, 1);
    }
    expect_replies(&slow);
    expect_replies(&quick);
    hang_up(&slow);
    hang_up(&quick);
    siege_end(&siege);
}

/* Those who say the half of something and then nothing more are closed; the witness, who
 * has something to say all the time, is not. */
static void silent(void **state) {
    (void)state;
    static const char *const halves[] = {"", "PI", "*2\r\n$3\r\nGET\r\n",
                                         "*2\r\n$4\r\nECHO\r\n$40000\r\nxxx"};
    enum { HALVES = sizeof halves / sizeof halves[0] };
    const char *const more[] = {"--timeout", "1", NULL};
    struct siege siege;
    struct caller callers[HALVES];
    siege_begin(&siege, more);
    for (size_t i = 0; i < HALVES; i++) {
        call(&callers[i], &siege.served);
        say(&callers[i], halves[i]);
    }
    siege_await_clients(&siege, 1);
    for (size_t i = 0; i < HALVES; i++) {
        expect_end(&callers[i]);
        hang_up(&callers[i]);
    }
    ask(&siege.witness, "CONFIG SET timeout 0", "+OK");
    siege_end(&siege);
}

/* ---- who has not told the password ----------------------------------------------- */

static void untrusted(void **state) {
    (void)state;
    enum { MOST_BYTES = 16384 };
    const char *const more[] = {"--requirepass", "secret", NULL};
    struct served served;
    struct caller caller;
    struct buf text = {0};
    make_directory(&served);
    start(&served, more);
    call(&caller, &served);
    assert_ok(buf_append_text(&text, "*10\r\n$4\r\nMGET\r\n"));
    for (size_t i = 0; i < 9; i++) {
        assert_ok(buf_printf(&text, "$%d\r\n", MOST_BYTES));
        for (size_t j = 0; j < MOST_BYTES; j++) {
            assert_ok(buf_append_text(&text, "v"));
        }
        assert_ok(buf_append_text(&text, "\r\n"));
    }
    say_bytes(&caller, text.data, text.length);
    expect_line(&caller, "-NOAUTH Authentication required.");
    ask(&caller, "*11", "-ERR Protocol error: unauthenticated multibulk length");
    expect_end(&caller);
    hang_up(&caller);
    call(&caller, &served);
    ask(&caller, "*2\r\n$4\r\nAUTH\r\n$16385",
        "-ERR Protocol error: unauthenticated bulk length");
    expect_end(&caller);
    hang_up(&caller);
    call(&caller, &served);
    ask(&caller, "AUTH secret", "+OK");
    say_bytes(&caller, text.data, text.length);
    expect_line(&caller, "*9");
    for (size_t i = 0; i < 9; i++) {
        expect_line(&caller, "$-1");
    }
    hang_up(&caller);
    buf_free(&text);
    assert_stops(&served, SIGTERM);
    remove_directory(&served);
}

/* ---- patterns -------------------------------------------------------------------- */

/* Whoever tries all ways to divide the text among the stars does not come back. */
static void hostile_patterns(void **state) {
    (void)state;
    enum { BYTES = 5000, STARS = 1000 };
    static const char *const asks[] = {"KEYS", "SCAN 0 MATCH", "CONFIG GET"};
    struct siege siege;
    struct caller caller;
    struct buf text = {0}, pattern = {0};
    siege_begin(&siege, NULL);
    call(&caller, &siege.served);
    assert_ok(buf_append_text(&text, "SET "));
    for (size_t i = 0; i < BYTES; i++) {
        assert_ok(buf_append_text(&text, "a"));
    }
    assert_ok(buf_append_text(&text, " v\r\n"));
    say_bytes(&caller, text.data, text.length);
    expect_line(&caller, "+OK");
    for (size_t i = 0; i < STARS; i++) {
        assert_ok(buf_append_text(&pattern, i % 2 == 0 ? "*a" : "*[a-z]"));
    }
    for (size_t i = 0; i < sizeof asks / sizeof asks[0]; i++) {
        buf_clear(&text);
        assert_ok(buf_printf(&text, "%s %.*sb\r\n", asks[i], (int)pattern.length,
                             (const char *)pattern.data));
        say_bytes(&caller, text.data, text.length);
        if (i == 1) {
            expect_line(&caller, "*2");
            expect_line(&caller, "$1");
            expect_line(&caller, "0");
        }
        expect_line(&caller, "*0");
    }
    hang_up(&caller);
    buf_free(&text);
    buf_free(&pattern);
    siege_end(&siege);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_requests),
        cmocka_unit_test(floods),
        cmocka_unit_test(zeros),
        cmocka_unit_test(many_arguments),
        cmocka_unit_test(cut_at_every_byte),
        cmocka_unit_test(byte_by_byte),
        cmocka_unit_test(silent),
        cmocka_unit_test(untrusted),
        cmocka_unit_test(hostile_patterns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
