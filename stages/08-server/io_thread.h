/* A thread that serves clients: its loop, their connections, and what it counts. The
 * first one is run by the caller's thread, which listens, too (host.h).
 *
 * All functions are for the thread itself, but where it says otherwise. */
#ifndef STRATA_IO_THREAD_H
#define STRATA_IO_THREAD_H

#include "executor.h"
#include "promises.h"
#include "server.h"
#include "session.h"

/* What all of them have in common; borrowed by each. */
struct io_commons {
    const struct world *world;
    struct kv *kv;
    struct server *server;
    const struct session_commons *session;
    const struct executor *executor;
    struct clients clients;
    struct promise_rules rules;
    struct atomic_u64 protected_mode;
    struct atomic_u64 last_id;
    struct atomic_u64 monitors;  /* clients that monitor, of all loops */
    void (*over)(void *context); /* a thread has finished; any thread calls it */
    void *context;
};

struct io_thread {
    struct io_commons *commons;
    size_t number;
    struct loop *loop;
    struct connections connections;
    struct promises promises;
    struct thread thread; /* of all but the first */
    bool has_thread;
    struct link monitoring; /* guests */
    struct loop_task finish_task, kill_task, limit_task, check_task;
    bool finishing, checking, is_over;
    /* Any thread may read these. */
    struct atomic_u64 monitors;
    struct atomic_u64 lines; /* of MONITOR, on their way */
    struct atomic_u64 hits, misses, expired;
    struct mutex mutex;
    /* guarded by mutex */
    struct connection_limits limits;
    bool limiting; /* the task is posted */
};

/* In the caller's storage. NO_MEMORY, IO. */
MUST_CHECK enum status io_thread_open(struct io_thread *io, struct io_commons *commons,
                                      size_t number,
                                      const struct connection_limits *limits,
                                      struct error *error);
void io_thread_close(struct io_thread *io); /* it is over, or never had a client */

/* Runs the loop in a thread of its own, until it is stopped. NO_MEMORY. */
MUST_CHECK enum status io_thread_start(struct io_thread *io);

/* Any thread: what was read is answered, and all connections end; then commons->over is
 * told, once for each thread. Once; so is the next. */
void io_thread_finish(struct io_thread *io);

/* Any thread: all connections end now. */
void io_thread_kill(struct io_thread *io);

/* Any thread. */
void io_thread_limit(struct io_thread *io, const struct connection_limits *limits);

/* Any thread: a line for those who monitor. One that comes when too many are on their
 * way, or there is no memory, is lost. */
void io_thread_monitored(struct io_thread *io, struct slice line);

/* A client has gone. */
void io_thread_check(struct io_thread *io);

#endif
