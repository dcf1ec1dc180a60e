/* Clients who leave in the middle, each in a way of their own; and the server, which
 * leaves while they are at it. */
#include "siege.h"

#include <signal.h>
#include <sys/socket.h>

#include "buf.h"
#include "memory.h"

static const char *const modes[] = {"always", "everysec", "no"};

static void end_saying(struct caller *caller) {
    assert_int_equal(shutdown(caller->descriptor, SHUT_WR), 0);
}

/* ---- clients --------------------------------------------------------------------- */

/* Who has no more to say gets all replies, those of workers and long ones too; and what
 * was said in part is not carried out. */
static void half_closed(const char *mode) {
    enum { TIMES = 200, LONG = 1 << 20 };
    const char *const more[] = {"--appendfsync", mode, NULL};
    struct siege siege;
    struct caller *caller = memory_take(sizeof *caller);
    char line[512];
    siege_begin(&siege, more);
    call(caller, &siege.served);
    (void)snprintf(line, sizeof line, "SETRANGE long %d x\r\n", LONG - 1);
    say(caller, line);
    for (size_t i = 0; i < TIMES; i++) {
        say(caller, "INCR n\r\n*1\r\n$4\r\nPING\r\nKEYS x*\r\n");
        say(caller, i % 20 == 0 ? "GET long\r\n" : "");
    }
    say(caller, "FLUSHALL");
    end_saying(caller);
    expect_line(caller, ":1048576");
    for (size_t i = 0; i < TIMES; i++) {
        (void)snprintf(line, sizeof line, ":%zu", i + 1);
        expect_line(caller, line);
        expect_line(caller, "+PONG");
        expect_line(caller, "*0");
        if (i % 20 == 0) {
            expect_line(caller, "$1048576");
            skip_bytes(caller, LONG + 2);
        }
        if (i % 100 == 0) {
            siege_step(&siege);
        }
    }
    expect_end(caller);
    hang_up(caller);
    ask(&siege.witness, "EXISTS n", ":1");
    siege_await_clients(&siege, 1);
    siege_end(&siege);
    memory_give(caller);
}

static void half_closes(void **state) {
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        half_closed(modes[i]);
    }
}

/* Each of them counts, in all kinds of company, and is gone before the answers come. What
 * was carried out is what it said first: each time that the pipeline counts it adds a
 * letter as well. */
static void resets(void **state) {
    (void)state;
    enum { CALLERS = 60, TIMES = 40 };
    struct siege siege;
    struct caller *caller = memory_take(sizeof *caller);
    char line[512];
    uint64_t seed = test_seed();
    for (size_t mode = 0; mode < 3; mode++) {
        const char *const more[] = {"--appendfsync", modes[mode], "--io-threads",
                                    mode == 0 ? "1" : "3", NULL};
        siege_begin(&siege, more);
        for (size_t i = 0; i < CALLERS; i++) {
            static const char *const company[] = {"", "KEYS *\r\n", "RSCAN a\r\n",
                                                  "DEBUG SLEEP 0.001\r\n",
                                                  "*1\r\n$4\r\nPING\r\n"};
            call(caller, &siege.served);
            for (size_t j = 0; j < TIMES; j++) {
                (void)snprintf(line, sizeof line, "INCR n%zu\r\n%sAPPEND t%zu x\r\n", i,
                               company[random_below(&seed, 5)], i);
                say(caller, line);
            }
            say(caller, "*2\r\n$4\r\nECHO\r\n$100\r\nhalf of it");
            if (random_below(&seed, 2) == 0) {
                assert_true(hear(caller, line));
            }
            if (i % 2 == 0) {
                slam(caller);
            } else {
                hang_up(caller);
            }
            siege_step(&siege);
        }
        siege_await_clients(&siege, 1);
        for (size_t i = 0; i < CALLERS; i++) {
            (void)snprintf(line, sizeof line, "INCR n%zu\r\n", i);
            say(&siege.witness, line);
            assert_true(hear(&siege.witness, line));
            unsigned long counted = strtoul(line + 1, NULL, 10) - 1;
            (void)snprintf(line, sizeof line, "STRLEN t%zu\r\n", i);
            say(&siege.witness, line);
            assert_true(hear(&siege.witness, line));
            unsigned long letters = strtoul(line + 1, NULL, 10);
            assert_true(counted <= TIMES && letters <= counted && counted <= letters + 1);
        }
        siege_end(&siege);
    }
    memory_give(caller);
}

/* ---- the server ------------------------------------------------------------------ */

enum { WRITERS = 6, WRITES = 1000, SLOW = 4, ODD = 4, LEAVERS = WRITERS + SLOW + ODD };

/* Of each kind: writers with a pipeline under way, those who asked for much and read
 * nothing, half a request, silence, and one who listens and does not read. */
static void fill_house(struct served *served, struct caller *callers) {
    static const char *const odd[ODD] = {"*2\r\n$3\r\nGET\r\n$", "", "PIN",
                                         "MONITOR\r\n"};
    for (size_t i = 0; i < LEAVERS; i++) {
        call(&callers[i], served);
    }
    ask(&callers[0], "SETRANGE long 4000000 x", ":4000001");
    for (size_t i = 0; i < SLOW; i++) {
        for (size_t j = 0; j < 16; j++) {
            say(&callers[WRITERS + i], i % 2 == 0 ? "GET long\r\n" : "RSCAN a KEYS\r\n");
        }
        say(&callers[WRITERS + i], "GET long\r\nGET long\r\nGET long\r\nGET long\r\n");
    }
    for (size_t i = 0; i < ODD; i++) {
        say(&callers[WRITERS + SLOW + i], odd[i]);
    }
    for (size_t i = 0; i < WRITERS; i++) {
        struct buf text = {0};
        for (size_t j = 1; j <= WRITES; j++) {
            assert_ok(buf_printf(&text, "SET k%zu %zu\r\n", i, j));
        }
        say_bytes(&callers[i], text.data, text.length);
        buf_free(&text);
    }
}

/* Each key has the number of the last write that was acknowledged, or a greater one: the
 * answers to those behind may have been cut off with those who took none. */
static void expect_writes(const struct served *served, const size_t *replies) {
    struct caller caller;
    call(&caller, served);
    for (size_t i = 0; i < WRITERS; i++) {
        char line[512];
        (void)snprintf(line, sizeof line, "INCRBY k%zu 0\r\n", i);
        say(&caller, line);
        assert_true(hear(&caller, line) && line[0] == ':');
        assert_in_range(strtoul(line + 1, NULL, 10), replies[i], WRITES);
    }
    hang_up(&caller);
}

static void leaves(const char *mode, const char *io_threads) {
    const char *const more[] = {"--appendfsync",
                                mode,
                                "--io-threads",
                                io_threads,
                                "--shutdown-timeout",
                                "1",
                                NULL};
    struct served served;
    struct caller *callers = memory_take(LEAVERS * sizeof *callers);
    size_t replies[WRITERS] = {0};
    char line[512];
    make_directory(&served);
    start(&served, more);
    fill_house(&served, callers);
    expect_line(&callers[0], "+OK");
    replies[0] = 1;
    assert_int_equal(kill(served.process, SIGTERM), 0);
    for (size_t i = 0; i < WRITERS; i++) {
        while (hear(&callers[i], line)) {
            assert_string_equal(line, "+OK");
            replies[i]++;
        }
    }
    assert_int_equal(read_to_end(&served), 0);
    for (size_t i = 0; i < LEAVERS; i++) {
        hang_up(&callers[i]);
    }
    start(&served, more);
    expect_writes(&served, replies);
    assert_stops(&served, SIGTERM);
    remove_directory(&served);
    memory_give(callers);
}

static void leaves_a_full_house(void **state) {
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        leaves(modes[i], i % 2 == 0 ? "1" : "3");
    }
}

/* It would wait for an hour until these have taken their replies; a second signal is told
 * while it does. */
static void second_signal(void **state) {
    (void)state;
    const char *const more[] = {"--shutdown-timeout", "3600", NULL};
    static const int signals[][2] = {{SIGTERM, SIGTERM}, {SIGINT, SIGTERM}};
    struct served served;
    struct caller *callers = memory_take(LEAVERS * sizeof *callers), caller;
    char line[512];
    for (size_t i = 0; i < 2; i++) {
        make_directory(&served);
        start(&served, more);
        call(&caller, &served);
        ask(&caller, "SET kept v", "+OK");
        hang_up(&caller);
        fill_house(&served, callers);
        expect_line(&callers[0], "+OK");
        assert_int_equal(kill(served.process, signals[i][0]), 0);
        do {
            assert_non_null(fgets(line, sizeof line, served.log));
        } while (strstr(line, "shutting down") == NULL);
        assert_stops(&served, signals[i][1]);
        for (size_t j = 0; j < LEAVERS; j++) {
            hang_up(&callers[j]);
        }
        start(&served, more);
        call(&caller, &served);
        ask_for(&caller, "GET kept", "v");
        hang_up(&caller);
        assert_stops(&served, SIGTERM);
        remove_directory(&served);
    }
    memory_give(callers);
}

/* Nobody reads what it has to say any more: a pipe with no reader, and clients that are
 * gone, would end a process that knows nothing of SIGPIPE. */
static void nobody_listens(void **state) {
    (void)state;
    const char *const more[] = {"--loglevel", "debug", "--appendfsync", "always", NULL};
    struct siege siege;
    struct caller caller;
    siege_begin(&siege, more);
    (void)fclose(siege.served.log);
    siege.served.log = fopen("/dev/null", "re");
    assert_non_null(siege.served.log);
    for (size_t i = 0; i < 50; i++) {
        call(&caller, &siege.served);
        say(&caller, "SETRANGE long 1000000 x\r\nGET long\r\nSET k v\r\nGET long\r\n");
        slam(&caller);
        siege_check(&siege);
    }
    ask(&siege.witness, "SAVE", "+OK"); /* which is logged */
    siege_end(&siege);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(half_closes),    cmocka_unit_test(resets),
        cmocka_unit_test(second_signal),  cmocka_unit_test(leaves_a_full_house),
        cmocka_unit_test(nobody_listens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
