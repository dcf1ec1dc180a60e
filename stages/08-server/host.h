/* The server as a whole: the store, the threads that serve clients, the workers, and what
 * they share; from its start to an orderly end.
 *
 *     start    log, store, threads' loops; then it listens, and clients are let in
 *     run      the caller's thread runs the first loop, which listens, looks at signals,
 *              and once a second whether the store has to be resumed
 *     stop     by a signal or SHUTDOWN: nobody is let in, what was read is answered, each
 *              connection ends when its replies are sent; after shutdown-timeout seconds,
 *              or at a second signal, all are closed. Then the store is synced and closed
 *
 * A checkpoint in the background that takes longer than that, and a command of a worker
 * that takes two seconds more, is left alone: the store is synced, and the process is to
 * end without waiting (host_stop_is_cut_short). All that was acknowledged is durable
 * then, and the rest is a crash, for which the store is made.
 *
 * One host in a process, for it takes the process's signals. One thread, but for what
 * server_ops calls. */
#ifndef STRATA_HOST_H
#define STRATA_HOST_H

#include "config.h"

struct host;

/* Opens the log, the store and the sockets; the message names what was refused. Requires
 * that SIGTERM, SIGINT and SIGHUP are held back (program/interrupt.h). BUSY: another
 * process has the database. INVALID, CORRUPT, IO, NO_MEMORY. */
MUST_CHECK enum status host_open(const struct world *world, const struct config *config,
                                 const char *config_path, struct host **host,
                                 struct error *error);

/* Lets clients in, until it is stopped. */
MUST_CHECK enum status host_run(struct host *host, struct error *error);

/* Commands go on that were not waited for: after host_sync the process has to end
 * (_exit), and host_close must not be called. */
bool host_stop_is_cut_short(const struct host *host);
MUST_CHECK enum status host_sync(struct host *host, struct error *error);

/* As kv_close. NULL is allowed. */
MUST_CHECK enum status host_close(struct host *host, struct error *error);

#endif
