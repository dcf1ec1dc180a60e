/* Runs a client's program to its end, as a person would, and keeps what it printed. One
 * that prints nothing for a minute is ended, and fails the test; so does whatever else
 * cannot be. */
#ifndef STRATA_TESTS_CLIENT_H
#define STRATA_TESTS_CLIENT_H

#include "served.h"

#include "buf.h"
#include "slice.h"

/* Texts end in a zero byte that is not counted. */
struct client {
    int code; /* exit code, or 128 + the signal that ended it */
    struct buf out, err;
};

/* The program is searched for in PATH; the last argument is NULL. Its standard input is
 * `input`, or empty if absent. Replaces *client. */
void client_run(struct client *client, struct slice input, const char *const *arguments);
void client_free(struct client *client);

#define CLIENT_RUN_WITH(client, input, ...)                                              \
    client_run(client, input, (const char *const[]){__VA_ARGS__, NULL})
#define CLIENT_RUN(client, ...) CLIENT_RUN_WITH(client, (struct slice){0}, __VA_ARGS__)

const char *client_out(const struct client *client);
const char *client_err(const struct client *client);

/* How it ended. All of these show what it printed if it is not so. */
void expect_code(const struct client *client, int code);

/* It ended with 0 and had nothing to complain about. */
void expect_well(const struct client *client);

/* The same, and this is what it printed. */
void expect_printed(const struct client *client, const char *text);

/* Its standard output has these words somewhere. */
void expect_words(const struct client *client, const char *words);

#endif
