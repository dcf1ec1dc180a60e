/* The server as people run it: the program, on a free port of the loopback, and clients
 * with plain sockets. Whatever a test does, its servers end with it.
 *
 * tidy: long because what starts a server and talks to it is for these tests alone. */
#define TEST_HAS_STAGE
#include "../common/support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "buf.h"
#include "memory.h"

#define PRELOADS "/usr/lib/fiu/fiu_posix_preload.so:build/fail_nth.so"

enum { CLIENT_SECONDS = 60, ARGUMENTS_MAX = 16 };

/* ---- a server -------------------------------------------------------------------- */

struct served {
    char dir[64];
    pid_t process;
    unsigned port;
    FILE *log;
    char told[4096]; /* what it said until it was ready, or ended */
};

static unsigned free_port(void) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(descriptor, (struct sockaddr *)&address, length), 0);
    assert_int_equal(getsockname(descriptor, (struct sockaddr *)&address, &length), 0);
    close(descriptor);
    return ntohs(address.sin_port);
}

static void exec_server(const char *const *arguments, int log) {
    const char *line[ARGUMENTS_MAX + 2] = {getenv("STRATA_PROGRAM"), "server"};
    size_t count = 2;
    while (*arguments != NULL) {
        line[count++] = *arguments++;
    }
    (void)unsetenv("STRATA_PROGRAM"); /* it is none of the program's settings */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)dup2(log, STDERR_FILENO);
    close(log);
    (void)execv(line[0], (char *const *)(uintptr_t)line);
    _exit(127);
}

/* True: it is ready. False: it has ended; what it said is in `told`. */
static bool try_start(struct served *served, const char *const *arguments) {
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    served->process = fork();
    assert_true(served->process >= 0);
    if (served->process == 0) {
        exec_server(arguments, ends[1]);
    }
    close(ends[1]);
    served->log = fdopen(ends[0], "r");
    served->told[0] = '\0';
    char line[512];
    while (fgets(line, sizeof line, served->log) != NULL) {
        size_t length = strlen(served->told);
        (void)snprintf(served->told + length, sizeof served->told - length, "%s", line);
        if (strstr(line, " ready: ") != NULL) {
            return true;
        }
    }
    return false;
}

/* Its exit code; 128 and more: the signal that ended it. */
static int end_code(struct served *served) {
    int state;
    assert_int_equal(waitpid(served->process, &state, 0), served->process);
    (void)fclose(served->log);
    return WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
}

/* A port that was free may be somebody's by now: then another one. */
static void start(struct served *served, const char *const *more) {
    for (int attempt = 0; attempt < 8; attempt++) {
        char port[16];
        const char *arguments[ARGUMENTS_MAX] = {"--port",    port,     "--dir",
                                                served->dir, "--bind", "127.0.0.1"};
        served->port = free_port();
        (void)snprintf(port, sizeof port, "%u", served->port);
        for (size_t i = 0; more != NULL && more[i] != NULL; i++) {
            arguments[6 + i] = more[i];
        }
        if (try_start(served, arguments)) {
            return;
        }
        (void)end_code(served);
    }
    fail_msg("it does not start: %s", served->told);
}

static void make_directory(struct served *served) {
    (void)snprintf(served->dir, sizeof served->dir, "%s", "/tmp/strata-server-XXXXXX");
    assert_non_null(mkdtemp(served->dir));
}

static void remove_directory(const struct served *served) {
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf %s", served->dir);
    assert_int_equal(system(command), 0);
}

static void assert_stops(struct served *served, int signal_number) {
    assert_int_equal(kill(served->process, signal_number), 0);
    char line[512];
    while (fgets(line, sizeof line, served->log) != NULL) {
    }
    assert_int_equal(end_code(served), 0);
}

/* ---- a client -------------------------------------------------------------------- */

struct caller {
    int descriptor;
    size_t at, end;
    char bytes[65536];
};

static void call(struct caller *caller, const struct served *served) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((uint16_t)served->port)};
    const struct timeval most = {.tv_sec = CLIENT_SECONDS};
    caller->at = caller->end = 0;
    caller->descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(
        setsockopt(caller->descriptor, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most), 0);
    assert_int_equal(
        connect(caller->descriptor, (struct sockaddr *)&address, sizeof address), 0);
}

static void hang_up(struct caller *caller) {
    close(caller->descriptor);
}

static void say(struct caller *caller, const char *text) {
    struct slice bytes = slice_of(text);
    while (bytes.length > 0) {
        ssize_t sent = send(caller->descriptor, bytes.data, bytes.length, MSG_NOSIGNAL);
        assert_true(sent > 0);
        slice_advance(&bytes, (size_t)sent);
    }
}

/* The next line, without its end; false: there is none to come. */
static bool hear(struct caller *caller, char line[512]) {
    size_t length = 0;
    for (;;) {
        if (caller->at == caller->end) {
            ssize_t got =
                recv(caller->descriptor, caller->bytes, sizeof caller->bytes, 0);
            if (got <= 0) {
                assert_true(got == 0 || errno != EAGAIN);
                return false;
            }
            caller->at = 0;
            caller->end = (size_t)got;
        }
        char byte = caller->bytes[caller->at++];
        if (byte == '\n') {
            line[length - 1] = '\0';
            return true;
        }
        if (length < 511) {
            line[length++] = byte;
        }
    }
}

static void expect_line(struct caller *caller, const char *expected) {
    char line[512];
    assert_true(hear(caller, line));
    assert_string_equal(line, expected);
}

static void expect_end(struct caller *caller) {
    char line[512];
    assert_false(hear(caller, line));
}

static void ask(struct caller *caller, const char *request, const char *reply) {
    say(caller, request);
    say(caller, "\r\n");
    expect_line(caller, reply);
}

/* A bulk string. */
static void ask_for(struct caller *caller, const char *request, const char *value) {
    char head[32];
    (void)snprintf(head, sizeof head, "$%zu", strlen(value));
    ask(caller, request, head);
    expect_line(caller, value);
}

/* ---- the tests ------------------------------------------------------------------- */

static const char *const modes[] = {"always", "everysec", "no"};

static void says_and_keeps(void **state) {
    (void)state;
    for (size_t i = 0; i < 6; i++) {
        struct served served;
        struct caller caller;
        const char *const more[] = {"--appendfsync",
                                    modes[i % 3],
                                    "--io-threads",
                                    i < 3 ? "1" : "3",
                                    "--worker-threads",
                                    i < 3 ? "2" : "0",
                                    NULL};
        make_directory(&served);
        start(&served, more);
        call(&caller, &served);
        ask(&caller, "PING", "+PONG");
        ask(&caller, "SET greeting hello", "+OK");
        ask_for(&caller, "GET greeting", "hello");
        ask(&caller, "NONSENSE",
            "-ERR unknown command 'NONSENSE', with args beginning with: ");
        assert_stops(&served, SIGTERM);
        expect_end(&caller);
        hang_up(&caller);
        start(&served, more);
        call(&caller, &served);
        ask_for(&caller, "GET greeting", "hello");
        hang_up(&caller);
        assert_stops(&served, SIGINT);
        remove_directory(&served);
    }
}

/* Some go to a worker, and those behind them have to wait. */
static void keeps_order(void **state) {
    (void)state;
    struct served served;
    struct caller caller;
    make_directory(&served);
    start(&served, NULL);
    call(&caller, &served);
    for (size_t i = 0; i < 1000; i++) {
        char text[256];
        (void)snprintf(text, sizeof text, "SET k %zu\r\n%sGET k\r\nINCR n\r\n", i,
                       i % 50 == 0 ? "DEBUG SLEEP 0\r\nKEYS k\r\n" : "");
        say(&caller, text);
    }
    for (size_t i = 0; i < 1000; i++) {
        char value[32], head[32];
        (void)snprintf(value, sizeof value, "%zu", i);
        (void)snprintf(head, sizeof head, "$%zu", strlen(value));
        expect_line(&caller, "+OK");
        if (i % 50 == 0) {
            expect_line(&caller, "+OK");
            expect_line(&caller, "*1");
            expect_line(&caller, "$1");
            expect_line(&caller, "k");
        }
        expect_line(&caller, head);
        expect_line(&caller, value);
        (void)snprintf(value, sizeof value, ":%zu", i + 1);
        expect_line(&caller, value);
    }
    hang_up(&caller);
    assert_stops(&served, SIGTERM);
    remove_directory(&served);
}

enum { CALLERS = 4, WRITES = 2000 };

/* Each writes a key of its own over and over, with a number that grows. */
static void say_writes(struct caller *caller, size_t key) {
    struct buf text = {0};
    for (size_t i = 1; i <= WRITES; i++) {
        assert_ok(buf_printf(&text, "SET k%zu %zu\r\n", key, i));
    }
    assert_ok(buf_append(&text, "", 1));
    say(caller, (const char *)text.data);
    buf_free(&text);
}

static size_t count_replies(struct caller *caller) {
    char line[512];
    size_t count = 0;
    while (hear(caller, line)) {
        assert_string_equal(line, "+OK");
        count++;
    }
    return count;
}

/* What was acknowledged is there: the number of a key is not less than its replies. */
static void loses_nothing(const char *mode, int signal_number) {
    struct served served;
    struct caller callers[CALLERS];
    size_t replies[CALLERS];
    const char *const more[] = {"--appendfsync", mode, "--io-threads", "2", NULL};
    char line[512];
    make_directory(&served);
    start(&served, more);
    for (size_t i = 0; i < CALLERS; i++) {
        call(&callers[i], &served);
        say_writes(&callers[i], i);
    }
    expect_line(&callers[0], "+OK");
    assert_int_equal(kill(served.process, signal_number), 0);
    for (size_t i = 0; i < CALLERS; i++) {
        replies[i] = count_replies(&callers[i]) + (i == 0);
        hang_up(&callers[i]);
    }
    while (fgets(line, sizeof line, served.log) != NULL) {
    }
    assert_int_equal(end_code(&served), signal_number == SIGKILL ? 128 + SIGKILL : 0);
    start(&served, more);
    call(&callers[0], &served);
    for (size_t i = 0; i < CALLERS; i++) {
        char text[32];
        (void)snprintf(text, sizeof text, "GET k%zu\r\n", i);
        say(&callers[0], text);
        assert_true(hear(&callers[0], line));
        size_t found = 0;
        if (strcmp(line, "$-1") != 0) {
            assert_true(hear(&callers[0], line));
            found = strtoull(line, NULL, 10);
        }
        assert_true(found >= replies[i]);
        if (signal_number == SIGTERM) {
            assert_int_equal(found, replies[i]); /* what was read is answered */
        }
    }
    hang_up(&callers[0]);
    assert_stops(&served, SIGTERM);
    remove_directory(&served);
}

static void killed(void **state) {
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        loses_nothing(modes[i], SIGKILL);
    }
}

static void stopped_under_load(void **state) {
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        loses_nothing(modes[i], SIGTERM);
    }
}

/* A reply of many megabytes that nobody reads stays with the store; its client can be
 * closed in the midst of it. */
static void streams(void **state) {
    (void)state;
    struct served served;
    struct caller reader, other;
    char *value = memory_take(65537);
    make_directory(&served);
    start(&served, NULL);
    call(&other, &served);
    memset(value, 'v', 65536);
    value[65536] = '\0';
    for (size_t i = 0; i < 320; i++) {
        char head[64];
        (void)snprintf(head, sizeof head, "*3\r\n$3\r\nSET\r\n$4\r\nk%03zu\r\n$65536\r\n",
                       i);
        say(&other, head);
        say(&other, value);
        say(&other, "\r\n");
        expect_line(&other, "+OK");
    }
    call(&reader, &served);
    ask(&reader, "CLIENT SETNAME slow", "+OK");
    ask(&reader, "RSCAN k", "*640");
    ask(&other, "CLIENT KILL ID 2", ":1");
    char line[512];
    size_t lines = 0;
    while (hear(&reader, line)) {
        lines++;
    }
    assert_true(lines > 0 && lines < 1280);
    hang_up(&reader);
    call(&reader, &served);
    ask(&reader, "RSCAN k", "*640");
    for (size_t i = 0; i < 1280; i++) {
        assert_true(hear(&reader, line));
    }
    ask(&reader, "PING", "+PONG");
    hang_up(&reader);
    hang_up(&other);
    memory_give(value);
    assert_stops(&served, SIGTERM);
    remove_directory(&served);
}

static void refuses(void **state) {
    (void)state;
    struct served served, second;
    char port[16];
    make_directory(&served);
    make_directory(&second);
    start(&served, NULL);
    (void)snprintf(port, sizeof port, "%u", served.port);
    const char *const same_port[] = {"--port", port, "--dir", second.dir, NULL};
    assert_false(try_start(&second, same_port));
    assert_int_equal(end_code(&second), 5);
    assert_non_null(strstr(second.told, port));
    const char *const same_directory[] = {"--port", port, "--dir", served.dir, NULL};
    assert_false(try_start(&second, same_directory));
    assert_int_equal(end_code(&second), 5);
    assert_non_null(strstr(second.told, served.dir));
    const char *const nonsense[] = {"--prot", port, NULL};
    assert_false(try_start(&second, nonsense));
    assert_int_equal(end_code(&second), 2);
    assert_non_null(strstr(second.told, "port"));
    assert_stops(&served, SIGTERM);
    remove_directory(&served);
    remove_directory(&second);
}

static void knows_its_clients(void **state) {
    (void)state;
    struct served served;
    struct caller one, two;
    const char *const more[] = {"--requirepass", "secret", "--io-threads", "2", NULL};
    make_directory(&served);
    start(&served, more);
    call(&one, &served);
    call(&two, &served);
    ask(&one, "GET k", "-NOAUTH Authentication required.");
    ask(&one, "AUTH secret", "+OK");
    char line[512], killer[sizeof line + 16];
    say(&one,
        "CLIENT ID\r\n"); /* the one that came first need not have been let in first */
    assert_true(hear(&one, line));
    (void)snprintf(killer, sizeof killer, "CLIENT KILL ID %s", line + 1);
    ask(&one, "MONITOR", "+OK");
    ask(&two, "AUTH default secret", "+OK");
    ask(&two, "SET k v", "+OK");
    assert_true(hear(&one, line));
    assert_non_null(strstr(line, "\"SET\" \"k\" \"v\""));
    ask(&two, "CONFIG SET appendfsync always", "+OK");
    ask(&two, "SET k w", "+OK");
    ask(&two, killer, ":1");
    while (hear(&one, line)) {
        assert_int_equal(line[0], '+'); /* lines of MONITOR, until the end */
    }
    ask_for(&two, "GET k", "w");
    ask(&two, "GET nothing", "$-1");
    say(&two, "INFO stats\r\n");
    do {
        assert_true(hear(&two, line));
    } while (strncmp(line, "keyspace_hits:", 14) != 0);
    assert_string_equal(line, "keyspace_hits:1");
    expect_line(&two, "keyspace_misses:1");
    hang_up(&one);
    hang_up(&two);
    assert_stops(&served, SIGTERM);
    remove_directory(&served);
}

/* By command; and by a second signal, while a client does not take its replies, nor a
 * worker end. */
static void ends(void **state) {
    (void)state;
    struct served served;
    struct caller caller;
    char line[512];
    make_directory(&served);
    start(&served, NULL);
    call(&caller, &served);
    ask(&caller, "SET k v", "+OK");
    say(&caller, "SHUTDOWN\r\n");
    expect_end(&caller);
    hang_up(&caller);
    while (fgets(line, sizeof line, served.log) != NULL) {
    }
    assert_int_equal(end_code(&served), 0);
    start(&served, NULL);
    call(&caller, &served);
    ask(&caller, "SET k w", "+OK");
    say(&caller, "DEBUG SLEEP 3600\r\n");
    assert_int_equal(kill(served.process, SIGTERM), 0);
    do {
        assert_non_null(fgets(line, sizeof line, served.log));
    } while (strstr(line, "shutting down") == NULL);
    assert_stops(&served, SIGTERM);
    hang_up(&caller);
    start(&served, NULL);
    call(&caller, &served);
    ask_for(&caller, "GET k", "w");
    hang_up(&caller);
    assert_stops(&served, SIGTERM);
    remove_directory(&served);
}

/* Writes of that time are errors, reads go on, and by itself it is well again. libfiu's
 * preload and a sanitizer's own exclude each other. */
static void survives_a_failed_sync(void **state) {
    (void)state;
    if (strstr(getenv("STRATA_PROGRAM"), "build/check/") == NULL) {
        skip();
    }
    struct served served;
    struct caller caller;
    const char *const more[] = {"--appendfsync", "always", NULL};
    char line[512];
    make_directory(&served);
    start(&served, more);
    call(&caller, &served);
    ask(&caller, "SET k before", "+OK");
    hang_up(&caller);
    assert_stops(&served, SIGTERM);
    assert_int_equal(setenv("LD_PRELOAD", PRELOADS, 1), 0);
    assert_int_equal(setenv("FAIL_NTH", "posix/io/sync/fdatasync 4 4 5 -1", 1), 0);
    start(&served, more);
    assert_int_equal(unsetenv("LD_PRELOAD"), 0);
    call(&caller, &served);
    size_t failures = 0, after = 0;
    while (after < 3) {
        say(&caller, "SET other v\r\n");
        assert_true(hear(&caller, line));
        bool failed = strncmp(line, "-IOERR ", 7) == 0;
        if (!failed) {
            assert_string_equal(line, "+OK");
        }
        failures += failed;
        after += failures > 0 && !failed;
        ask_for(&caller, "GET k", "before");
    }
    hang_up(&caller);
    assert_stops(&served, SIGTERM);
    remove_directory(&served);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_and_keeps),
        cmocka_unit_test(keeps_order),
        cmocka_unit_test(killed),
        cmocka_unit_test(stopped_under_load),
        cmocka_unit_test(streams),
        cmocka_unit_test(refuses),
        cmocka_unit_test(knows_its_clients),
        cmocka_unit_test(ends),
        cmocka_unit_test(survives_a_failed_sync),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
