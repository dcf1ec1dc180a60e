/* Lets clients in: listens at addresses of TCP and at a path, and spreads those who come
 * over the connections of several loops, in turn.
 *
 * One too many is told "-ERR max number of clients reached" and closed. So is one for
 * whom there is no descriptor left: a descriptor is kept in reserve, and given up for as
 * long as it takes to say so; where even that fails, or memory does, clients wait in the
 * backlog and are looked at again a tenth of a second later.
 *
 * All functions are for the thread of the listener's loop, but for the counts. */
#ifndef STRATA_LISTENER_H
#define STRATA_LISTENER_H

#include "connections.h"

struct listener_options {
    /* As socket_listen_tcp has them. One that begins with '-' may be of another machine;
     * it is then left out. */
    const char *const *addresses;
    size_t address_count;
    uint16_t port;         /* of all of them; 0: one that is free */
    const char *unix_path; /* NULL: none */
    unsigned unix_permissions;
    unsigned backlog;
    /* Where clients go. */
    struct connections *const *connections;
    size_t connections_count;
    struct clients *clients;
    /* Told of each who is sent away, and why; NULL: nobody is. */
    void (*refused)(void *context, const char *peer, const char *why);
    void *context;
};

struct listener;

/* What the options point to is borrowed, and so is the loop. It listens at all, or fails:
 * as socket_listen.h has it, or NO_MEMORY. */
MUST_CHECK enum status listener_open(struct loop *loop,
                                     const struct listener_options *options,
                                     struct listener **listener, struct error *error);

/* Nobody is let in any more. NULL is allowed. */
void listener_close(struct listener *listener);

/* The port of TCP; 0: none. */
uint16_t listener_port(const struct listener *listener);

/* Any thread: clients that were let in, and that were sent away. */
uint64_t listener_accepted(const struct listener *listener);
uint64_t listener_refused(const struct listener *listener);

#endif
