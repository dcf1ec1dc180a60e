/* The server as people run it: the program, and clients with plain sockets. */
#include "caller.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "buf.h"
#include "memory.h"

#define PRELOADS "/usr/lib/fiu/fiu_posix_preload.so:build/fail_nth.so"

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
    assert_int_equal(read_to_end(&served), signal_number == SIGKILL ? 128 + SIGKILL : 0);
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
    assert_int_equal(end_code(&second), 4);
    assert_non_null(strstr(second.told, port));
    assert_null(strstr(second.told, "open"));
    const char *const same_directory[] = {"--port", port, "--dir", served.dir, NULL};
    assert_false(try_start(&second, same_directory));
    assert_int_equal(end_code(&second), 5);
    assert_non_null(strstr(second.told, served.dir));
    char holder[32];
    (void)snprintf(holder, sizeof holder, "process %d (", (int)served.process);
    assert_non_null(strstr(second.told, holder));
    assert_non_null(strstr(second.told, "has it open"));
    assert_int_equal(setenv("STRATA_DURABILITY", "none", 1), 0);
    const char *const none[] = {"--dir", second.dir, NULL};
    assert_false(try_start(&second, none));
    assert_int_equal(end_code(&second), 2);
    assert_non_null(strstr(second.told, "appendfsync"));
    assert_int_equal(unsetenv("STRATA_DURABILITY"), 0);
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
    assert_int_equal(read_to_end(&served), 0);
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

/* What is set for the program holds for its server, unless that is told otherwise. */
static void takes_settings(void **state) {
    (void)state;
    struct served served;
    struct caller caller;
    const char *const more[] = {"--table-bytes", "3m", NULL};
    make_directory(&served);
    assert_int_equal(setenv("STRATA_TABLE_BYTES", "1m", 1), 0);
    assert_int_equal(setenv("STRATA_BLOCK_BYTES", "8k", 1), 0);
    start(&served, more);
    assert_int_equal(unsetenv("STRATA_TABLE_BYTES"), 0);
    assert_int_equal(unsetenv("STRATA_BLOCK_BYTES"), 0);
    call(&caller, &served);
    for (size_t i = 0; i < 2; i++) {
        ask(&caller, i == 0 ? "CONFIG GET table-bytes" : "CONFIG GET block-bytes", "*2");
        expect_line(&caller, "$11");
        expect_line(&caller, i == 0 ? "table-bytes" : "block-bytes");
        expect_line(&caller, "$2");
        expect_line(&caller, i == 0 ? "3m" : "8k");
    }
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
        cmocka_unit_test(takes_settings),
        cmocka_unit_test(survives_a_failed_sync),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
