/* What the server is to its commands: its settings, what it remembers of what went on,
 * and what it asks of the threads and sockets behind it (server_ops). Whoever runs those
 * owns this struct, and
 *
 *     when a client comes and goes    client_list_add, client_list_remove
 *     before a command is run         server_feed
 *     after it, on its loop's thread  server_note
 *
 * Any thread, but server_open and server_close. No call here waits for a client. */
#ifndef STRATA_SERVER_H
#define STRATA_SERVER_H

#include "client_list.h"
#include "command_stats.h"
#include "latency.h"
#include "process.h"
#include "saver.h"
#include "slowlog.h"

/* What is counted outside: name, words of INFO, help of the metric. */
#define SERVER_COUNT_TABLE(X)                                                            \
    X(connections, "total_connections_received", "connections accepted")                 \
    X(refused, "rejected_connections", "connections sent away: there were too many")     \
    X(input_bytes, "total_net_input_bytes", "bytes that clients sent")                   \
    X(output_bytes, "total_net_output_bytes", "bytes sent to clients")                   \
    X(hits, "keyspace_hits", "keys looked up and found")                                 \
    X(misses, "keyspace_misses", "keys looked up and not found")                         \
    X(expired, "expired_keys", "values found to be over, by readers")

struct server_counts {
#define SERVER_COUNT(name, words, help) uint64_t name;
    SERVER_COUNT_TABLE(SERVER_COUNT)
#undef SERVER_COUNT
};

/* Called by any thread, some with locks held: none may call a function of this header. */
struct server_ops {
    /* Settings are to change: puts into effect those that are its own, or refuses them
     * all, with the reason. One such call at a time. */
    enum status (*configure)(void *state, const struct config *config,
                             struct error *error);

    /* Fills in what was counted since the start. */
    void (*count)(void *state, struct server_counts *counts);

    /* The client is to be closed, soon; from a visit of the list of clients. */
    void (*kill)(void *state, struct client_entry *entry);

    /* A line, with its end, for all clients that monitor. */
    void (*monitored)(void *state, struct slice line);

    /* An orderly shutdown is to begin. */
    void (*stop)(void *state);
};

struct server_parts {
    const struct world *world;
    struct kv *kv;
    const struct command_index *index;
    struct server_log *log;
    const struct config *config; /* copied */
    const char *config_path;     /* NULL: there is no file */
    size_t loops;
    const struct server_ops *ops;
    void *state;
};

#define SERVER_KEYS_UNKNOWN UINT64_MAX

struct server {
    struct server_parts parts; /* config is NULL */
    char run_id[PROCESS_RUN_ID_BYTES];
    uint64_t started_micros; /* monotonic */
    struct slowlog slowlog;
    struct latency latency;
    struct client_list clients;
    struct saver saver;
    struct command_stats *stats;    /* of each loop */
    struct atomic_u64 counted_keys; /* when they were last counted */
    struct server_log_pause sent_away;
    struct atomic_u64 commands_per_second; /* in the last one */
    struct atomic_u64 writes_fail;         /* until the store is resumed */
    struct mutex mutex;
    /* guarded by mutex */
    struct config config;
    struct command_totals *before; /* the last CONFIG RESETSTAT, by number */
    struct server_counts counts_before;
    /* of who samples */
    uint64_t sampled_micros, sampled_commands;
};

/* In the caller's storage. All parts are borrowed. NO_MEMORY. */
MUST_CHECK enum status server_open(struct server *server,
                                   const struct server_parts *parts, struct error *error);
void server_close(struct server *server);

/* A copy. */
void server_config(struct server *server, struct config *config);

/* CONFIG SET: as config_change, and in effect. INVALID, with the client's message. */
MUST_CHECK enum status server_configure(struct server *server, const struct slice *pairs,
                                        size_t count, struct error *error);

/* ---- statistics ------------------------------------------------------------------ */

/* Of one command, and of what is counted outside, since the last reset. */
void server_totals(struct server *server, size_t number, struct command_totals *totals);
void server_counts(struct server *server, struct server_counts *counts);
void server_reset_statistics(struct server *server);

/* A command has been carried out, in so many microseconds, by that loop's thread; it is
 * now that time of the monotonic clock, and its arguments are still there. */
void server_note(struct server *server, size_t loop, struct client_entry *entry,
                 const struct session *session, const struct resp_request *request,
                 uint64_t now_micros, uint64_t micros);

/* Somebody was `what`, refused or closed, by the server: the operator is told, as often
 * as is good. */
void server_sent_away(struct server *server, const char *peer, const char *what,
                      const char *why);

/* Once a second, by one thread. */
void server_sample(struct server *server);

/* Tells those who monitor of a request, if there are any, and it is none of theirs. */
void server_feed(struct server *server, bool anybody, const struct session *session,
                 const struct client_entry *entry, const struct resp_request *request);

#endif
