/* What a host consists of, for host*.c. */
#ifndef STRATA_HOST_STATE_H
#define STRATA_HOST_STATE_H

#include "host.h"
#include "io_thread.h"
#include "listener.h"
#include "metrics_http.h"
#include "password.h"
#include "scan_table.h"

enum { HOST_ADDRESSES_MAX = 16 };

struct host {
    const struct world *world;
    struct config config; /* as it was at the start */
    struct server_log log;
    struct kv *kv;
    struct keyspace *keyspace;
    struct scan_table *scans;
    struct password *password;
    struct command_index index;
    struct session_commons session;
    struct server server;
    struct executor executor;
    struct io_commons commons;
    struct io_thread *ios;
    size_t io_count; /* that are open */
    struct metrics_http *metrics;
    bool has_log, has_server, has_executor, has_mutex, has_signals, has_resume, has_watch;

    /* Of listening. */
    char bind[CONFIG_TEXT_BYTES];
    const char *addresses[HOST_ADDRESSES_MAX];
    size_t address_count;
    struct connections *connections[64];
    struct mutex mutex;
    /* guarded by mutex: any thread counts */
    struct listener *listener;
    uint64_t accepted, refused; /* before it was closed */

    /* Of the first loop's thread. */
    int signals;
    struct loop_watch signal_watch;
    struct timer deadline, look_again, resume_timer, watchdog;
    uint64_t watchdog_micros; /* from sign to sign; 0: nobody waits for them */
    struct server_log_pause watchdog_pause;
    struct kv_stats seen; /* a second ago */
    uint64_t seen_saves;
    bool stopping, killed, cut_short;
    struct executor_job resume_job;
    struct loop_task resumed_task;
    bool broken_told; /* in the log */

    /* Any thread. */
    struct atomic_u64 shutdown_seconds;
    struct atomic_u64 stop_asked;
    struct atomic_u64 over; /* io threads that have finished */
    struct loop_task stop_task, over_task;
};

extern const struct server_ops host_ops; /* host_ops.c; the state is a struct host */

/* From a config, limits of connections. */
struct connection_limits host_limits(const struct config *config);

/* host_descriptors.c: before the store is opened. INVALID: there are too few. */
MUST_CHECK enum status host_descriptors_divide(struct host *host, struct error *error);

/* Whether there can be so many clients. INVALID, with the reason alone. */
MUST_CHECK enum status host_descriptors_allow(const struct host *host, uint64_t clients,
                                              struct error *error);

/* host_stop.c: watches signals, and readies what a stop needs. IO, NO_MEMORY. */
MUST_CHECK enum status host_stop_init(struct host *host, struct error *error);
void host_stop_free(struct host *host);

/* The first loop's thread. */
void host_stop(struct host *host, const char *why);

/* host_watch.c: what is told of the store, once a second, and the watchdog. */
MUST_CHECK enum status host_watch_init(struct host *host);
void host_watch_free(struct host *host);
void host_watch(struct host *host);

/* host_resume.c */
MUST_CHECK enum status host_resume_init(struct host *host);
void host_resume_free(struct host *host);

#endif
