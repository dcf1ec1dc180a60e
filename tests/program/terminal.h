/* A program behind a terminal of its own, as its leader, and the person before it.
 *
 * Nothing here waits for a time to pass: each step waits for what the program does, and
 * fails the test after a limit that only a program that hangs can reach. */
#ifndef STRATA_TESTS_TERMINAL_H
#define STRATA_TESTS_TERMINAL_H

#include <termios.h>

#include "run.h"

struct terminal {
    pid_t process;
    int fd;                /* the person's side, or -1: hung up */
    struct termios before; /* what the program found */
    size_t length;
    char seen[65536]; /* what was read and not expected yet; ends in a zero byte */
};

void terminal_open(struct terminal *terminal, const char *const *arguments);
#define TERMINAL_OPEN(terminal, ...)                                                     \
    terminal_open(terminal, (const char *const[]){__VA_ARGS__, NULL})

void terminal_type(struct terminal *terminal, const char *text);

/* Reads until `text` has come, and forgets all up to its end. */
void terminal_expect(struct terminal *terminal, const char *text);

/* Ends the connection, as closing a window does. */
void terminal_hang_up(struct terminal *terminal);

/* Reads until the program has ended; the code as in struct result. */
int terminal_wait(struct terminal *terminal);

void terminal_close(struct terminal *terminal);

#endif
