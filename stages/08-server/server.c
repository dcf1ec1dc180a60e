#include "server.h"

#include <inttypes.h>

#include "memory.h"
#include "monitor_line.h"
#include "redaction.h"
#include "session.h"

/* ---- open and close -------------------------------------------------------------- */

static void apply(struct server *server, const struct config *config) {
    slowlog_configure(&server->slowlog, config->slowlog_micros,
                      (size_t)config->slowlog_max_len);
    latency_configure(&server->latency, (uint64_t)config->latency_millis);
    server_log_set_level(server->parts.log, (enum config_loglevel)config->loglevel);
}

static enum status open_locks(struct server *server) {
    const struct threads *threads = server->parts.world->threads;
    if (mutex_init(&server->mutex, threads) != STATUS_OK) {
        return STATUS_NO_MEMORY;
    }
    if (slowlog_init(&server->slowlog, threads) != STATUS_OK) {
        goto free_mutex;
    }
    if (latency_init(&server->latency, threads) != STATUS_OK) {
        goto free_slowlog;
    }
    if (client_list_init(&server->clients, threads) != STATUS_OK) {
        goto free_latency;
    }
    if (saver_open(&server->saver, server->parts.kv, server->parts.world,
                   server->parts.log, server->config.dir) != STATUS_OK) {
        goto free_clients;
    }
    return STATUS_OK;

free_clients:
    client_list_free(&server->clients);
free_latency:
    latency_free(&server->latency);
free_slowlog:
    slowlog_free(&server->slowlog);
free_mutex:
    mutex_free(&server->mutex);
    return STATUS_NO_MEMORY;
}

static void free_statistics(struct server *server) {
    for (size_t i = 0; server->stats != NULL && i < server->parts.loops; i++) {
        command_stats_free(&server->stats[i]);
    }
    memory_give(server->stats);
    memory_give(server->before);
}

static enum status take_statistics(struct server *server) {
    size_t commands = server->parts.index->count;
    server->stats = memory_take_zeroed(server->parts.loops * sizeof *server->stats);
    server->before = memory_take_zeroed(commands * sizeof *server->before);
    enum status status =
        server->stats != NULL && server->before != NULL ? STATUS_OK : STATUS_NO_MEMORY;
    for (size_t i = 0; i < server->parts.loops && status == STATUS_OK; i++) {
        status = command_stats_init(&server->stats[i], commands);
    }
    return status;
}

enum status server_open(struct server *server, const struct server_parts *parts,
                        struct error *error) {
    *server = (struct server){.parts = *parts, .config = *parts->config};
    server->parts.config = NULL;
    server->started_micros = clock_monotonic_micros(parts->world->clock);
    server->counted_keys = (struct atomic_u64){SERVER_KEYS_UNKNOWN};
    process_run_id(server->run_id);
    enum status status = take_statistics(server);
    if (status == STATUS_OK) {
        status = open_locks(server);
    }
    if (status != STATUS_OK) {
        free_statistics(server);
        return error_no_memory(error, "the server's statistics", 0);
    }
    apply(server, &server->config);
    return STATUS_OK;
}

void server_close(struct server *server) {
    saver_close(&server->saver);
    client_list_free(&server->clients);
    latency_free(&server->latency);
    slowlog_free(&server->slowlog);
    mutex_free(&server->mutex);
    free_statistics(server);
}

/* ---- settings -------------------------------------------------------------------- */

void server_config(struct server *server, struct config *config) {
    mutex_lock(&server->mutex);
    *config = server->config;
    mutex_unlock(&server->mutex);
}

/* The mutex is held throughout: changes take effect one after another, each whole. */
enum status server_configure(struct server *server, const struct slice *pairs,
                             size_t count, struct error *error) {
    struct config changed;
    struct error reason = {0};
    mutex_lock(&server->mutex);
    enum status status = config_change(&server->config, pairs, count, &changed, error);
    if (status == STATUS_OK) {
        status = server->parts.ops->configure(server->parts.state, &changed, &reason);
        if (status != STATUS_OK) {
            status = error_set(error, STATUS_INVALID,
                               "ERR CONFIG SET failed (possibly related to argument "
                               "'%.*s') - %s",
                               (int)pairs[0].length, (const char *)pairs[0].data,
                               reason.message);
        }
    }
    if (status == STATUS_OK) {
        server->config = changed;
        apply(server, &changed);
    }
    mutex_unlock(&server->mutex);
    return status;
}

/* ---- statistics ------------------------------------------------------------------ */

static void sum(struct server *server, size_t number, struct command_totals *totals) {
    *totals = (struct command_totals){0};
    for (size_t i = 0; i < server->parts.loops; i++) {
        command_stats_sum(&server->stats[i], number, totals);
    }
}

void server_totals(struct server *server, size_t number, struct command_totals *totals) {
    mutex_lock(&server->mutex); /* sums first: what was before is not more than they */
    sum(server, number, totals);
    command_totals_since(totals, &server->before[number]);
    mutex_unlock(&server->mutex);
}

static void count(struct server *server, struct server_counts *counts) {
    *counts = (struct server_counts){0};
    server->parts.ops->count(server->parts.state, counts);
}

void server_counts(struct server *server, struct server_counts *counts) {
    mutex_lock(&server->mutex);
    count(server, counts);
#define SINCE(name, words, help) counts->name -= server->counts_before.name;
    SERVER_COUNT_TABLE(SINCE)
#undef SINCE
    mutex_unlock(&server->mutex);
}

void server_reset_statistics(struct server *server) {
    mutex_lock(&server->mutex);
    for (size_t i = 0; i < server->parts.index->count; i++) {
        sum(server, i, &server->before[i]);
    }
    count(server, &server->counts_before);
    mutex_unlock(&server->mutex);
}

void server_sent_away(struct server *server, const char *peer, const char *what,
                      const char *why) {
    struct server_log *log = server->parts.log;
    uint64_t left_out;
    if (server_log_may(log, &server->sent_away, &left_out)) {
        server_log(log, LOGLEVEL_NOTICE,
                   "%s was %s: %s (and %" PRIu64 " others since the last such line)",
                   peer, what, why, left_out);
    }
}

void server_sample(struct server *server) {
    uint64_t now = clock_monotonic_micros(server->parts.world->clock), commands = 0;
    for (size_t i = 0; i < server->parts.index->count; i++) {
        struct command_totals totals;
        sum(server, i, &totals);
        commands += totals.calls;
    }
    uint64_t micros = now - server->sampled_micros;
    if (server->sampled_micros > 0 && micros > 0) {
        atomic_u64_store(&server->commands_per_second,
                         (commands - server->sampled_commands) * 1000000 / micros,
                         memory_order_relaxed);
    }
    server->sampled_micros = now;
    server->sampled_commands = commands;
}

void server_note(struct server *server, size_t loop, struct client_entry *entry,
                 const struct session *session, const struct resp_request *request,
                 uint64_t now_micros, uint64_t micros) {
    const struct clock *clock = server->parts.world->clock;
    client_list_note(&server->clients, entry, session, now_micros);
    if (session->number == server->parts.index->count) {
        return;
    }
    if (session->rejected) {
        command_stats_rejected(&server->stats[loop], session->number);
        return;
    }
    command_stats_called(&server->stats[loop], session->number, micros, session->failed);
    unsigned flags = session_command(session)->flags;
    if (micros >= 1000) {
        latency_add(&server->latency,
                    (flags & COMMAND_FAST) != 0 ? LATENCY_FAST_COMMAND : LATENCY_COMMAND,
                    micros / 1000, clock_wall_micros(clock) / 1000000);
    }
    if ((flags & COMMAND_SKIPS_SLOWLOG) == 0 &&
        slowlog_is_slow(&server->slowlog, micros)) {
        struct redaction redaction;
        request = redact(&redaction, session_command(session), request);
        slowlog_add(&server->slowlog, request, micros, clock_wall_micros(clock) / 1000000,
                    slice_of(entry->peer), buf_slice(&session->name));
    }
}

void server_feed(struct server *server, bool anybody, const struct session *session,
                 const struct client_entry *entry, const struct resp_request *request) {
    const struct command_index *index = server->parts.index;
    size_t number = anybody ? command_index_resolve(index, request) : index->count;
    if (number == index->count || !session->authenticated ||
        (index->by_number[number]->flags & (COMMAND_ADMIN | COMMAND_SKIPS_MONITOR)) !=
            0) {
        return;
    }
    struct redaction redaction;
    request = redact(&redaction, index->by_number[number], request);
    struct buf line = {0};
    if (monitor_line(&line, clock_wall_micros(server->parts.world->clock),
                     slice_of(entry->local_socket ? entry->local : entry->peer),
                     entry->local_socket, request) == STATUS_OK) {
        server->parts.ops->monitored(server->parts.state, buf_slice(&line));
    } /* else they miss it: no command waits for who looks on */
    buf_free(&line);
}
