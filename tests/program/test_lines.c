/* Lines out of a file descriptor: whole at every position of the reader's own seams, and
 * a wait that a signal always ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include "program/interrupt.h"
#include "program/lines.h"

enum { SEAM_BYTES = 256 * 1024 }; /* what the reader asks for at once */

static void append_line(struct buf *text, size_t length, char letter) {
    assert_int_equal(buf_reserve(text, length + 1), STATUS_OK);
    memset(text->data + text->length, letter, length);
    text->data[text->length + length] = '\n';
    text->length += length + 1;
}

static void expect_line(struct lines *lines, size_t length, char letter) {
    struct slice line;
    struct error error = {0};
    bool more = false;
    assert_int_equal(lines_next(lines, &line, &more, &error), STATUS_OK);
    assert_true(more);
    assert_int_equal(line.length, length);
    for (size_t i = 0; i < length; i++) {
        assert_int_equal(line.data[i], letter);
    }
}

static void expect_end(struct lines *lines) {
    struct slice line;
    struct error error = {0};
    bool more = true;
    assert_int_equal(lines_next(lines, &line, &more, &error), STATUS_OK);
    assert_false(more);
}

/* A first line that ends around a seam, an empty one, a short one. */
static void ends_around_seams(void **state) {
    (void)state;
    for (size_t seam = 1; seam <= 3; seam++) {
        for (size_t length = seam * SEAM_BYTES - 3; length < seam * SEAM_BYTES + 3;
             length++) {
            struct buf text = {0};
            append_line(&text, length, 'a');
            append_line(&text, 0, ' ');
            append_line(&text, 7, 'b');
            FILE *file = tmpfile();
            assert_non_null(file);
            /* The line end of the last line is left out. */
            assert_int_equal(fwrite(text.data, 1, text.length - 1, file),
                             text.length - 1);
            assert_int_equal(fflush(file), 0);
            assert_int_equal(lseek(fileno(file), 0, SEEK_SET), 0);
            struct lines lines;
            lines_init(&lines, fileno(file), "test");
            expect_line(&lines, length, 'a');
            expect_line(&lines, 0, ' ');
            expect_line(&lines, 7, 'b');
            expect_end(&lines);
            expect_end(&lines);
            assert_int_equal(lines.number, 3);
            lines_free(&lines);
            fclose(file);
            buf_free(&text);
        }
    }
}

static void empty_input(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    close(ends[1]);
    struct lines lines;
    lines_init(&lines, ends[0], "test");
    expect_end(&lines);
    assert_int_equal(lines.number, 0);
    lines_free(&lines);
    close(ends[0]);
}

static void read_error(void **state) {
    (void)state;
    struct slice line;
    struct error error = {0};
    bool more = false;
    struct lines lines;
    int directory = open("/", O_RDONLY | O_CLOEXEC);
    assert_true(directory >= 0);
    lines_init(&lines, directory, "the input");
    assert_int_equal(lines_next(&lines, &line, &more, &error), STATUS_IO);
    assert_non_null(strstr(error.message, "the input: Is a directory"));
    close(directory);
    lines_free(&lines);
}

enum { OTHER_SIGNALS = 50 };
static volatile sig_atomic_t other_signals; /* for a handler there is no other place */
static int other_pipe[2];

static void other_signal(int number) {
    (void)number;
    if (++other_signals == OTHER_SIGNALS) {
        (void)!write(other_pipe[1], "x", 1);
    }
}

/* Signals with handlers come while it waits, and only the last makes the pipe readable.
 */
static void other_signals_do_not_end_the_wait(void **state) {
    (void)state;
    const struct sigaction handled = {.sa_handler = other_signal};
    const struct itimerval often = {{0, 1000}, {0, 1000}}, never = {0};
    assert_int_equal(pipe(other_pipe), 0);
    assert_int_equal(sigaction(SIGALRM, &handled, NULL), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
    interrupt_wait_readable(other_pipe[0]);
    assert_true(other_signals >= OTHER_SIGNALS);
    assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
    signal(SIGALRM, SIG_DFL);
    close(other_pipe[0]);
    close(other_pipe[1]);
}

/* SIGHUP is held too, but for who was started to ignore it. */
static void ignored_hangups(void **state) {
    (void)state;
    signal(SIGHUP, SIG_IGN);
    interrupt_hold();
    assert_int_equal(raise(SIGHUP), 0);
    assert_false(interrupt_seen());
    signal(SIGHUP, SIG_DFL);
}

/* The last test of the file: the signal stays. If the wait did not see one that came
 * before it, it would never end: nothing is ever written to the pipe. */
static void signal_before_the_wait(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    alarm(60); /* ends the test, as failed, if the wait does not */
    interrupt_hold();
    assert_false(interrupt_seen());
    assert_int_equal(raise(SIGINT), 0);
    assert_true(interrupt_seen());
    interrupt_wait_readable(ends[0]);
    struct lines lines;
    lines_init(&lines, ends[0], "test");
    expect_end(&lines);
    alarm(0);
    lines_free(&lines);
    close(ends[0]);
    close(ends[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_around_seams),
        cmocka_unit_test(empty_input),
        cmocka_unit_test(read_error),
        cmocka_unit_test(other_signals_do_not_end_the_wait),
        cmocka_unit_test(ignored_hangups),
        cmocka_unit_test(signal_before_the_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
