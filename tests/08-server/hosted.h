/* A whole host in one thread: its store on the simulated disk, its workers and the
 * store's threads simulated, its first loop turned by the test. Clients are of a unix
 * socket, at their other ends descriptors of the test. What fails, fails where the test
 * says: memory, the disk, a failpoint; and every life ends with nothing left behind. */
#ifndef STRATA_TESTS_HOSTED_H
#define STRATA_TESTS_HOSTED_H

#include "../01-wal/simulation.h"

#include "host_state.h"

struct hosted {
    struct simulation sim;
    struct config config; /* to be changed before the start */
    char directory[32];   /* of the socket */
    struct host *host;
};

/* Not started yet. */
void hosted_begin(struct hosted *hosted);

/* Opens the host, and lets clients in. */
MUST_CHECK enum status hosted_start(struct hosted *hosted, struct error *error);

/* All that there is to do is done: threads run until they wait, the loop until it
 * idles. */
void hosted_turn(struct hosted *hosted);

/* Time goes on, and what is due is done. */
void hosted_pass(struct hosted *hosted, uint64_t micros);

/* Ends the host as a signal does, and closes it; as host_close. Time goes on until it has
 * ended. */
MUST_CHECK enum status hosted_stop(struct hosted *hosted, struct error *error);

/* Nothing may be left behind. */
void hosted_end(struct hosted *hosted);

/* A client; -1: it could not connect. It does not block. */
int hosted_come(struct hosted *hosted);

/* Sends the line; the server turns. False: the connection is gone. */
bool hosted_say(struct hosted *hosted, int client, const char *line);

/* Appends what has come, with a zero behind it that does not count; true if then comes
 * the end. */
bool hosted_hear(int client, struct buf *text);

/* A new client is served, and so a write, and a read of it. */
void hosted_assert_serves(struct hosted *hosted);

/* What the server's log says. */
bool hosted_has_logged(struct hosted *hosted, const char *words);

#endif
