/* A client, as its loop serves it: its connection, its session, its place in the list of
 * clients, and the request that is being carried out.
 *
 *     on the loop        command_execute; most requests end there
 *     would wait         the request is kept by its connection, and a job of the executor
 *                        runs it again with an output of its own; a task brings that
 *                        back to the loop, where it joins the connection's
 *     streams            the same, part by part, each when there is room for it
 *
 * One request at a time, and the parser stands still meanwhile: commands of a connection
 * take effect, and are answered, in their order. The session is the job's while that is
 * under way. */
#ifndef STRATA_GUEST_H
#define STRATA_GUEST_H

#include "io_thread.h"

/* What stands behind connections; the context is a struct io_thread. */
extern const struct connection_handler guest_handler;

/* From a visit of the list of clients, any thread: closes that one, soon. */
void guest_kill(struct client_entry *entry);

/* To those of the loop who monitor. */
void guests_show_line(struct io_thread *io, struct slice line);

#endif
