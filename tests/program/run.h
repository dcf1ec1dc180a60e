/* Runs the real program, as a person would, and looks at what comes back.
 *
 * The program is $STRATA_PROGRAM, or build/strata-01. Every test executable works in a
 * fresh directory of its own, which it enters, so that names are short; it is removed at
 * the end. A failure of the machinery itself fails the test. */
#ifndef STRATA_TESTS_RUN_H
#define STRATA_TESTS_RUN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include <cmocka.h>

#include "buf.h"

/* What a run left behind. Texts end in a zero byte that is not counted. */
struct result {
    int code; /* exit code, or 128 + the signal that ended it */
    struct buf out, err;
};

/* For cmocka_run_group_tests. */
int run_setup(void **state);
int run_teardown(void **state);

/* Standard input is `input`, or empty if absent. Replaces *result. */
void run_program(struct result *result, struct slice input, const char *const *arguments);
/* The same, with standard output going to `fd` instead of into the result. */
void run_into(struct result *result, int fd, const char *const *arguments);
/* The same, with the descriptor `fd` (0, 1 or 2) not open at all. */
void run_closed(struct result *result, int fd, const char *const *arguments);
void result_free(struct result *result);

/* RUN(&result, "get", "key"); RUN_WITH(&result, input, …). */
#define RUN_WITH(result, input, ...)                                                     \
    run_program(result, input, (const char *const[]){__VA_ARGS__, NULL})
#define RUN(result, ...) RUN_WITH(result, (struct slice){0}, __VA_ARGS__)

/* The code, and nothing else on standard output. Prints all of the result if not. */
void expect_code(const struct result *result, int code);
void expect_out(const struct result *result, const char *text);
void expect_out_bytes(const struct result *result, struct slice bytes);
void expect_error(const struct result *result, int code, const char *words);
const char *out_text(const struct result *result);

/* The number of the program's stage, as it says itself; replaces *result. */
int stage_number(struct result *result);
/* Whether the program has a shell; else it says that it has none. */
bool has_shell(void);

/* In a child process: becomes the program. */
void run_execute(const char *const *arguments);

/* A program that is still running, behind pipes. */
struct child {
    pid_t process;
    int input, output; /* to its stdin, from its stdout */
};

void child_start(struct child *child, const char *const *arguments);
void child_say(struct child *child, const char *text);
/* Reads from its stdout up to and with a line end. */
void child_expect_line(struct child *child, const char *line);
/* Closes its stdin, sends the signal unless 0, waits; the code as in struct result. */
int child_end(struct child *child, int number);
#define CHILD_START(child, ...)                                                          \
    child_start(child, (const char *const[]){__VA_ARGS__, NULL})

/* Files. */
void write_file(const char *path, struct slice bytes);
void read_file(const char *path, struct buf *bytes);
bool exists(const char *path);
/* The one *.log in the directory with the lowest number. */
void first_log(const char *dir, char path[256]);
void remove_tree(const char *path);

#endif
