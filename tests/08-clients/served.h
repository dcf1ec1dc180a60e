/* The server as people run it: the program that STRATA_PROGRAM names, on a free port of
 * the loopback, over a directory of its own. A process that a test forgets ends with the
 * test. Whatever cannot be fails the test. */
#ifndef STRATA_TESTS_SERVED_H
#define STRATA_TESTS_SERVED_H

#define TEST_HAS_STAGE
#include "../common/support.h"

#include <sys/types.h>

struct served {
    char dir[64];
    pid_t process;
    unsigned port;
    FILE *log;            /* its standard error, from the line that it was ready on */
    char told[4096];      /* what it said until then, or until it ended */
    unsigned descriptors; /* that it may have, at most; 0: as this process */
};

/* Makes served->dir, empty, with no limit of descriptors; removes it, all in it, and what
 * the server put beside it: checkpoints. */
void make_directory(struct served *served);
void remove_directory(const struct served *served);

/* A port that nobody has now. */
unsigned free_port(void);

/* Starts it with just these arguments (the last is NULL), and waits. True: it is ready.
 * False: it has ended, or is about to; what it said is in `told`. */
bool try_start(struct served *served, const char *const *arguments);

/* Starts it over served->dir on a free port, with `more` behind (NULL: none). */
void start(struct served *served, const char *const *more);

/* The server of Redis itself, over served->dir on a free port, with `more` behind. */
void start_redis(struct served *served, const char *const *more);

/* Waits for its end: its exit code; 128 and more: the signal that ended it. */
int end_code(struct served *served);

/* The same, when nothing reads the log: as a client may wait for its end. What it said
 * last is in `told`. */
int read_to_end(struct served *served);

/* Sends the signal; it ends with 0. */
void assert_stops(struct served *served, int signal_number);

#endif
