/* The shell on a terminal: editing, what is typed ahead, the ways to leave, history. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "terminal.h"

#define HISTORY "home/.local/state/strata/history"

/* Without durability only a clean close leaves nothing to write again. */
#define SHELL(terminal, dir)                                                             \
    TERMINAL_OPEN(terminal, "-d", dir, "--durability", "none", "shell")

static int setup(void **state) {
    static char home[4096];
    if (run_setup(state) != 0 || mkdir("home", 0700) != 0 ||
        getcwd(home, sizeof home - 8) == NULL) {
        return -1;
    }
    strcat(home, "/home");
    unsetenv("XDG_STATE_HOME");
    return setenv("HOME", home, 1) + setenv("TERM", "xterm", 1);
}

/* Closed cleanly, and holding these entries, tab-separated lines. */
static void expect_store(const char *dir, const char *entries) {
    struct result result = {0};
    RUN(&result, "-d", dir, "stats");
    expect_code(&result, 0);
    const char *rewritten = strstr(out_text(&result), "recovered_rewritten ");
    assert_non_null(rewritten);
    assert_int_equal(atoi(rewritten + strlen("recovered_rewritten ")), 0);
    RUN(&result, "-d", dir, "export");
    expect_out(&result, entries);
    result_free(&result);
}

static void expect_history(const char *lines) {
    struct buf kept = {0};
    read_file(HISTORY, &kept);
    assert_string_equal((char *)kept.data, lines);
    buf_free(&kept);
}

static void edited(void **state) {
    (void)state;
    if (!has_shell()) {
        return;
    }
    struct terminal terminal;
    SHELL(&terminal, "edited");
    terminal_expect(&terminal, "> ");
    terminal_type(&terminal, "ut k vale\x01p\x05\x02u\r"); /* to its begin, end, back */
    terminal_expect(&terminal, "> ");
    terminal_type(&terminal, "g\tk\r");
    terminal_expect(&terminal, "\r\nvalue\r\n");
    terminal_expect(&terminal, "> ");
    terminal_type(&terminal, "s\t");
    terminal_expect(&terminal, "scan  sync  stats");
    terminal_expect(&terminal, "> s");
    terminal_type(&terminal, "\x03");
    terminal_expect(&terminal, "^C");
    terminal_expect(&terminal, "> ");
    terminal_type(&terminal, "get nothing\r");
    terminal_expect(&terminal, "get: not found");
    terminal_expect(&terminal, "> ");
    terminal_type(&terminal, "\x04");
    assert_int_equal(terminal_wait(&terminal), 0);
    terminal_close(&terminal);
    expect_store("edited", "k\tvalue\n");
}

/* All is typed before the program has begun, also the Ctrl-D: no line is lost, and it
 * leaves. The keyboard buffer of a terminal holds 4,096 bytes. */
static void typed_ahead_of_the_program(void **state) {
    (void)state;
    if (!has_shell()) {
        return;
    }
    enum { LINES = 1000 };
    struct buf typed = {0}, entries = {0};
    for (int i = 0; i < LINES; i++) {
        assert_int_equal(buf_printf(&typed, "put k%03d v\r", i), STATUS_OK);
        assert_int_equal(buf_printf(&entries, "k%03d\tv\n", i), STATUS_OK);
    }
    assert_int_equal(buf_append(&typed, "\x04", 2), STATUS_OK);
    assert_int_equal(buf_append(&entries, "", 1), STATUS_OK);
    struct terminal terminal;
    SHELL(&terminal, "ahead");
    terminal_type(&terminal, (const char *)typed.data);
    assert_int_equal(terminal_wait(&terminal), 0);
    terminal_close(&terminal);
    expect_store("ahead", (const char *)entries.data);
    SHELL(&terminal, "ahead");
    terminal_type(&terminal, "\x04"); /* and nothing else */
    assert_int_equal(terminal_wait(&terminal), 0);
    terminal_close(&terminal);
    buf_free(&typed);
    buf_free(&entries);
}

/* An import that waits for its file, which is a pipe: opening it waits for the shell. */
static int begin_import(struct terminal *terminal) {
    terminal_expect(terminal, "> ");
    terminal_type(terminal, "import pipe\r");
    int pipe = open("pipe", O_WRONLY | O_CLOEXEC);
    assert_true(pipe >= 0);
    terminal_expect(terminal, "importing pipe into ");
    terminal_expect(terminal, "\n");
    return pipe;
}

static void typed_ahead_of_the_prompt(void **state) {
    (void)state;
    if (!has_shell()) {
        return;
    }
    assert_int_equal(mkfifo("pipe", 0600), 0);
    struct terminal terminal;
    SHELL(&terminal, "command");
    int pipe = begin_import(&terminal);
    terminal_type(&terminal, "get \x04k\r\x04");
    terminal_expect(&terminal, "get k\r\n"); /* the echo of the terminal itself */
    assert_int_equal(write(pipe, "k\tvalue\n", 8), 8);
    close(pipe);
    terminal_expect(&terminal, "\r\nvalue\r\n");
    assert_int_equal(terminal_wait(&terminal), 0);
    terminal_close(&terminal);
    expect_store("command", "k\tvalue\n");
    /* Ctrl-C ends the command, not the shell. */
    SHELL(&terminal, "command");
    pipe = begin_import(&terminal);
    terminal_type(&terminal, "\x03");
    terminal_expect(&terminal, "> ");
    terminal_type(&terminal, "get k\r");
    terminal_expect(&terminal, "\r\nvalue\r\n");
    terminal_type(&terminal, "\x04");
    assert_int_equal(terminal_wait(&terminal), 0);
    close(pipe);
    terminal_close(&terminal);
    assert_int_equal(unlink("pipe"), 0);
}

/* What comes after .exit is for the program that comes after the shell, which finds the
 * terminal as it was. */
static void terminal_left_as_it_was(void **state) {
    (void)state;
    if (!has_shell()) {
        return;
    }
    struct terminal terminal;
    struct termios after;
    SHELL(&terminal, "left");
    int end = open(ptsname(terminal.fd), O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(end >= 0);
    terminal_expect(&terminal, "> ");
    terminal_type(&terminal, "put k v\r.exit\rfor the next\r");
    assert_int_equal(terminal_wait(&terminal), 0);
    assert_int_equal(tcgetattr(terminal.fd, &after), 0);
    const struct termios *before = &terminal.before;
    assert_int_equal(after.c_lflag, before->c_lflag);
    assert_int_equal(after.c_iflag, before->c_iflag);
    assert_int_equal(after.c_oflag, before->c_oflag);
    assert_memory_equal(after.c_cc, before->c_cc, sizeof after.c_cc);
    struct pollfd waits = {.fd = end, .events = POLLIN};
    assert_int_equal(poll(&waits, 1, 60 * 1000), 1);
    char line[64] = "";
    assert_int_equal(read(end, line, sizeof line - 1), strlen("for the next\n"));
    assert_string_equal(line, "for the next\n");
    close(end);
    terminal_close(&terminal);
    expect_store("left", "k\tv\n");
}

/* At the prompt, within a line, while a command runs, before the program has begun. */
static void hung_up(void **state) {
    (void)state;
    if (!has_shell()) {
        return;
    }
    enum { INTERRUPTED = 130 };
    struct terminal terminal;
    assert_int_equal(mkfifo("pipe", 0600), 0);
    SHELL(&terminal, "gone");
    terminal_expect(&terminal, "> ");
    terminal_type(&terminal, "put k v\r");
    terminal_expect(&terminal, "> ");
    terminal_hang_up(&terminal);
    assert_int_equal(terminal_wait(&terminal), INTERRUPTED);
    expect_store("gone", "k\tv\n");
    SHELL(&terminal, "gone");
    terminal_expect(&terminal, "> ");
    terminal_type(&terminal, "del k");
    terminal_expect(&terminal, "del k");
    terminal_hang_up(&terminal);
    assert_int_equal(terminal_wait(&terminal), INTERRUPTED);
    expect_store("gone", "k\tv\n");
    SHELL(&terminal, "gone");
    int pipe = begin_import(&terminal);
    terminal_hang_up(&terminal);
    assert_int_equal(terminal_wait(&terminal), INTERRUPTED);
    close(pipe);
    expect_store("gone", "k\tv\n");
    SHELL(&terminal, "gone");
    terminal_hang_up(&terminal);
    (void)terminal_wait(&terminal); /* perhaps by SIGHUP, before it was held */
    expect_store("gone", "k\tv\n");
    assert_int_equal(unlink("pipe"), 0);
}

static void signals(void **state) {
    (void)state;
    if (!has_shell()) {
        return;
    }
    static const int numbers[] = {SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct terminal terminal;
        SHELL(&terminal, "signals");
        terminal_expect(&terminal, "> ");
        terminal_type(&terminal, "put k v\r");
        terminal_expect(&terminal, "> ");
        assert_int_equal(kill(terminal.process, SIGWINCH), 0); /* changes nothing */
        assert_int_equal(kill(terminal.process, numbers[i]), 0);
        assert_int_equal(terminal_wait(&terminal), 130);
        terminal_close(&terminal);
        expect_store("signals", "k\tv\n");
    }
}

/* Shells side by side, one of them killed, lose no line; the next one has them all. */
static void history_of_all_shells(void **state) {
    (void)state;
    if (!has_shell()) {
        return;
    }
    (void)unlink(HISTORY);
    umask(0);
    struct terminal one, other;
    SHELL(&one, "one");
    SHELL(&other, "other");
    terminal_expect(&one, "> ");
    terminal_expect(&other, "> ");
    terminal_type(&one, "put a 1\r");
    terminal_expect(&one, "> ");
    terminal_type(&other, "put b 2\r\r");
    terminal_expect(&other, "> ");
    terminal_expect(&other, "> ");
    terminal_type(&one, "get a\rget a\r");
    terminal_expect(&one, "\r\n1\r\n");
    terminal_expect(&one, "\r\n1\r\n");
    terminal_type(&other, "get b\r");
    terminal_expect(&other, "\r\n2\r\n");
    assert_int_equal(kill(other.process, SIGKILL), 0);
    assert_int_equal(terminal_wait(&other), 128 + SIGKILL);
    terminal_close(&other);
    terminal_type(&one, "\x04");
    assert_int_equal(terminal_wait(&one), 0);
    terminal_close(&one);
    expect_history("put a 1\nput b 2\nget a\nget b\n");
    struct stat found;
    assert_int_equal(stat(HISTORY, &found), 0);
    assert_int_equal(found.st_mode & 0777, 0600);
    SHELL(&other, "other");
    terminal_expect(&other, "> ");
    terminal_type(&other, "\x10"); /* the line before */
    terminal_expect(&other, "get b");
    terminal_type(&other, "\x10\x10\r"); /* and two before */
    terminal_expect(&other, "> ");
    terminal_type(&other, "\x04");
    assert_int_equal(terminal_wait(&other), 0);
    terminal_close(&other);
    expect_store("other", "b\t2\n");
    expect_history("put a 1\nput b 2\nget a\nget b\nput b 2\n");
}

static void history_shortened(void **state) {
    (void)state;
    if (!has_shell()) {
        return;
    }
    struct buf all = {0}, last = {0};
    for (int i = 0; i < 2001; i++) {
        assert_int_equal(buf_printf(&all, "get %d\n", i), STATUS_OK);
        if (i >= 1001) {
            assert_int_equal(buf_printf(&last, "get %d\n", i), STATUS_OK);
        }
    }
    assert_int_equal(buf_append(&last, "", 1), STATUS_OK);
    struct slice twice = slice_make(all.data + 6, all.length - 6); /* 2,000 lines */
    struct terminal terminal;
    write_file(HISTORY, twice);
    SHELL(&terminal, "short");
    terminal_type(&terminal, "\x04");
    assert_int_equal(terminal_wait(&terminal), 0);
    terminal_close(&terminal);
    struct buf kept = {0};
    read_file(HISTORY, &kept);
    assert_true(slice_equal(buf_slice(&kept), twice));
    write_file(HISTORY, buf_slice(&all));
    SHELL(&terminal, "short");
    terminal_type(&terminal, "\x04");
    assert_int_equal(terminal_wait(&terminal), 0);
    terminal_close(&terminal);
    expect_history((const char *)last.data);
    buf_free(&kept);
    buf_free(&all);
    buf_free(&last);
}

/* Told once, and the commands run: no such place, and a disk that is full. */
static void history_that_fails(void **state) {
    (void)state;
    if (!has_shell()) {
        return;
    }
    static const char *const places[][2] = {{"/dev/null/no", "Not a directory"},
                                            {"full", "No space left on device"}};
    assert_true(mkdir("full", 0700) == 0 && mkdir("full/strata", 0700) == 0);
    assert_int_equal(symlink("/dev/full", "full/strata/history"), 0);
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        char *place = i == 0 ? NULL : realpath(places[i][0], NULL);
        setenv("XDG_STATE_HOME", place != NULL ? place : places[i][0], 1);
        struct terminal terminal;
        SHELL(&terminal, "fails");
        if (i == 1) {
            terminal_expect(&terminal, "> ");
            terminal_type(&terminal, "put k v\r");
        }
        terminal_expect(&terminal, "lines are not kept for later shells: ");
        terminal_expect(&terminal, places[i][1]);
        terminal_expect(&terminal, "> ");
        terminal_type(&terminal, "put k v\rget k\rput k v\rget k\r\x04");
        assert_int_equal(terminal_wait(&terminal), 0);
        assert_null(strstr(terminal.seen, "not kept"));
        terminal_expect(&terminal, "\r\nv\r\n");
        terminal_expect(&terminal, "\r\nv\r\n");
        assert_null(strstr(terminal.seen, "not kept"));
        terminal_close(&terminal);
        free(place);
    }
    unsetenv("XDG_STATE_HOME");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edited),
        cmocka_unit_test(typed_ahead_of_the_program),
        cmocka_unit_test(typed_ahead_of_the_prompt),
        cmocka_unit_test(terminal_left_as_it_was),
        cmocka_unit_test(hung_up),
        cmocka_unit_test(signals),
        cmocka_unit_test(history_of_all_shells),
        cmocka_unit_test(history_shortened),
        cmocka_unit_test(history_that_fails),
    };
    return cmocka_run_group_tests(tests, setup, run_teardown);
}
