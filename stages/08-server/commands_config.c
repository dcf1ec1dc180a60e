/* CONFIG, INFO and what looks at the server: SLOWLOG, LATENCY, MONITOR. */
#include "arguments.h"
#include "commands.h"
#include "config_rewrite.h"
#include "glob.h"
#include "info.h"
#include "resp_number.h"
#include "server.h"

static struct server *server_of(const struct session *session) {
    return session->commons->server;
}

/* ---- CONFIG ---------------------------------------------------------------------- */

struct config_reply {
    struct session *session;
    struct config config;
    bool told[CONFIG_ROWS_MAX];
    size_t count;
    enum status status;
};

static void tell_setting(struct config_reply *reply, size_t index, struct slice name) {
    struct buf value = {0};
    if (reply->told[index] || reply->status != STATUS_OK) {
        return;
    }
    reply->told[index] = true;
    reply->status = config_print(&reply->config, index, &value);
    if (reply->status == STATUS_OK) {
        resp_write_bulk(reply->session->writer, name);
        resp_write_bulk(reply->session->writer, buf_slice(&value));
        reply->count++;
    }
    buf_free(&value);
}

static bool has_pattern(struct slice text) {
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] == '*' || text.data[i] == '?' || text.data[i] == '[') {
            return true;
        }
    }
    return false;
}

/* A name is told as it was asked for; what a pattern finds, as the table has it. */
static void tell_settings(struct config_reply *reply, struct slice pattern) {
    uint64_t steps = 0;
    if (!has_pattern(pattern)) {
        size_t index = config_find(pattern);
        if (index < config_count()) {
            tell_setting(reply, index, pattern);
        }
        return;
    }
    for (size_t i = 0; i < config_count(); i++) {
        struct config_row row;
        config_row(i, &row);
        if (glob_match(pattern, slice_of(row.name), GLOB_NO_CASE, &steps)) {
            tell_setting(reply, i, slice_of(row.name));
        }
    }
}

static enum command_outcome run_config_get(struct session *session,
                                           const struct resp_request *request) {
    struct config_reply reply = {.session = session};
    server_config(server_of(session), &reply.config);
    struct output_piece *begun = resp_begin_aggregate(session->writer);
    for (size_t i = 2; i < request->count; i++) {
        tell_settings(&reply, request->arguments[i]);
    }
    resp_end_aggregate(session->writer, begun, RESP_MAP, reply.count);
    session->closes |= reply.status != STATUS_OK; /* half of it is written */
    return COMMAND_DONE;
}

static enum command_outcome run_config_set(struct session *session,
                                           const struct resp_request *request) {
    struct error error = {0};
    if (request->count % 2 != 0) {
        return session_error(session, syntax_error);
    }
    enum status status = server_configure(server_of(session), request->arguments + 2,
                                          (request->count - 2) / 2, &error);
    return status == STATUS_OK ? session_ok(session)
                               : session_error(session, error.message);
}

static enum command_outcome run_config_rewrite(struct session *session,
                                               const struct resp_request *request) {
    (void)request;
    struct server *server = server_of(session);
    const char *path = server->parts.config_path;
    struct config config;
    struct error error = {0};
    if (path == NULL) {
        return session_error(session, "ERR The server is running without a config file");
    }
    server_config(server, &config);
    enum status status =
        config_rewrite(&config, server->parts.world->files, path, &error);
    if (status != STATUS_OK) {
        server_log(server->parts.log, LOGLEVEL_WARNING, "CONFIG REWRITE failed: %s",
                   error.message);
        return session_errorf(session, "ERR Rewriting config file: %s", error.message);
    }
    server_log(server->parts.log, LOGLEVEL_NOTICE, "CONFIG REWRITE: %s", path);
    return session_ok(session);
}

static enum command_outcome run_config_resetstat(struct session *session,
                                                 const struct resp_request *request) {
    (void)request;
    server_reset_statistics(server_of(session));
    return session_ok(session);
}

/* ---- INFO ------------------------------------------------------------------------ */

/* Going over all keys is only done for who asks for that alone. */
static enum command_outcome count_keys(struct session *session) {
    uint64_t count = 0;
    struct error error = {0};
    if (!session->may_wait) {
        return COMMAND_WOULD_WAIT;
    }
    enum status status = keyspace_count(&session->access, &count, &error);
    if (status != STATUS_OK) {
        return session_fail(session, status, &error);
    }
    atomic_u64_store(&server_of(session)->counted_keys, count, memory_order_relaxed);
    return COMMAND_DONE;
}

static enum command_outcome run_info(struct session *session,
                                     const struct resp_request *request) {
    unsigned sections = info_sections(request->arguments + 1, request->count - 1);
    struct info_facts facts;
    struct buf text = {0};
    if (sections == 1u << INFO_keyspace) {
        enum command_outcome outcome = count_keys(session);
        if (outcome != COMMAND_DONE || session->failed) {
            return outcome;
        }
    }
    enum status status = info_gather(server_of(session), &facts);
    if (status == STATUS_OK) {
        status = info_print(&facts, sections, &text);
        info_free(&facts);
    }
    if (status == STATUS_OK) {
        resp_write_verbatim(session->writer, "txt", buf_slice(&text));
    }
    buf_free(&text);
    return status == STATUS_OK ? COMMAND_DONE : session_fail(session, status, NULL);
}

/* ---- SLOWLOG --------------------------------------------------------------------- */

static void begin_slowlog(void *context, size_t count) {
    struct session *session = context;
    resp_write_aggregate(session->writer, RESP_ARRAY, count);
}

static void tell_slow(void *context, const struct slowlog_entry *entry) {
    struct session *session = context;
    struct resp_writer *writer = session->writer;
    resp_write_aggregate(writer, RESP_ARRAY, 6);
    resp_write_integer(writer, (int64_t)entry->id);
    resp_write_integer(writer, (int64_t)entry->seconds);
    resp_write_integer(writer, (int64_t)entry->micros);
    resp_write_aggregate(writer, RESP_ARRAY, entry->count);
    for (size_t i = 0; i < entry->count; i++) {
        resp_write_bulk(writer, entry->arguments[i]);
    }
    resp_write_bulk(writer, entry->peer);
    resp_write_bulk(writer, entry->name);
}

static enum command_outcome run_slowlog_get(struct session *session,
                                            const struct resp_request *request) {
    enum { MOST = 10 }; /* if it is not said */
    int64_t most = MOST;
    if (request->count > 3) {
        return argument_count_error(session, request);
    }
    if (request->count == 3 &&
        (!resp_integer_parse(request->arguments[2], &most) || most < -1)) {
        return session_error(session, "ERR count should be greater than or equal to -1");
    }
    slowlog_visit(&server_of(session)->slowlog, most < 0 ? SIZE_MAX : (size_t)most,
                  begin_slowlog, tell_slow, session);
    return COMMAND_DONE;
}

static enum command_outcome run_slowlog_len(struct session *session,
                                            const struct resp_request *request) {
    (void)request;
    return session_integer(session,
                           (int64_t)slowlog_length(&server_of(session)->slowlog));
}

static enum command_outcome run_slowlog_reset(struct session *session,
                                              const struct resp_request *request) {
    (void)request;
    slowlog_reset(&server_of(session)->slowlog);
    return session_ok(session);
}

/* ---- LATENCY --------------------------------------------------------------------- */

static enum command_outcome run_latency_latest(struct session *session,
                                               const struct resp_request *request) {
    (void)request;
    struct resp_writer *writer = session->writer;
    struct output_piece *begun = resp_begin_aggregate(writer);
    size_t count = 0;
    for (size_t kind = 0; kind < LATENCY_KINDS; kind++) {
        struct latency_series series;
        latency_copy(&server_of(session)->latency, (enum latency_kind)kind, &series);
        if (series.count > 0) {
            const struct latency_sample *last = &series.samples[series.count - 1];
            resp_write_aggregate(writer, RESP_ARRAY, 4);
            resp_write_bulk(writer, slice_of(latency_name((enum latency_kind)kind)));
            resp_write_integer(writer, (int64_t)last->seconds);
            resp_write_integer(writer, (int64_t)last->millis);
            resp_write_integer(writer, (int64_t)series.longest);
            count++;
        }
    }
    resp_end_aggregate(writer, begun, RESP_ARRAY, count);
    return COMMAND_DONE;
}

static enum command_outcome run_latency_history(struct session *session,
                                                const struct resp_request *request) {
    struct latency_series series = {.count = 0};
    enum latency_kind kind = latency_find(request->arguments[2]);
    if (kind < LATENCY_KINDS) {
        latency_copy(&server_of(session)->latency, kind, &series);
    }
    resp_write_aggregate(session->writer, RESP_ARRAY, series.count);
    for (size_t i = 0; i < series.count; i++) {
        resp_write_aggregate(session->writer, RESP_ARRAY, 2);
        resp_write_integer(session->writer, (int64_t)series.samples[i].seconds);
        resp_write_integer(session->writer, (int64_t)series.samples[i].millis);
    }
    return COMMAND_DONE;
}

static enum command_outcome run_latency_reset(struct session *session,
                                              const struct resp_request *request) {
    int64_t count = 0;
    for (size_t kind = 0; kind < LATENCY_KINDS; kind++) {
        bool asked = request->count == 2;
        for (size_t i = 2; i < request->count; i++) {
            asked |= latency_find(request->arguments[i]) == (enum latency_kind)kind;
        }
        count +=
            asked && latency_reset(&server_of(session)->latency, (enum latency_kind)kind);
    }
    return session_integer(session, count);
}

static enum status advise(struct server *server, struct buf *text) {
    enum status status = STATUS_OK;
    for (size_t kind = 0; kind < LATENCY_KINDS && status == STATUS_OK; kind++) {
        struct latency_series series;
        latency_copy(&server->latency, (enum latency_kind)kind, &series);
        if (series.count > 0) {
            status = buf_printf(text, "%s: %zu spikes, the longest of %llu ms. %s\n",
                                latency_name((enum latency_kind)kind), series.count,
                                (unsigned long long)series.longest,
                                latency_advice((enum latency_kind)kind));
        }
    }
    return status;
}

static enum command_outcome run_latency_doctor(struct session *session,
                                               const struct resp_request *request) {
    (void)request;
    struct server *server = server_of(session);
    struct buf text = {0};
    enum status status = advise(server, &text);
    if (status == STATUS_OK && text.length == 0) {
        bool on =
            atomic_u64_load(&server->latency.threshold_millis, memory_order_relaxed) > 0;
        status = buf_append_text(
            &text, on ? "No event took longer than latency-monitor-threshold.\n"
                      : "Nothing is kept: set latency-monitor-threshold to the "
                        "milliseconds from which on an event is of interest.\n");
    }
    if (status == STATUS_OK) {
        resp_write_verbatim(session->writer, "txt", buf_slice(&text));
    }
    buf_free(&text);
    return status == STATUS_OK ? COMMAND_DONE : session_fail(session, status, NULL);
}

/* Calls up to each time, wherever there are more of them; times are the longest below a
 * power of two. */
static void tell_histogram(struct resp_writer *writer,
                           const struct command_totals *totals) {
    resp_write_aggregate(writer, RESP_MAP, 2);
    resp_write_bulk(writer, slice_of("calls"));
    resp_write_integer(writer, (int64_t)totals->calls);
    resp_write_bulk(writer, slice_of("histogram_usec"));
    struct output_piece *begun = resp_begin_aggregate(writer);
    size_t count = 0;
    uint64_t passed = 0, told = 0;
    for (size_t i = 0; i < COMMAND_BUCKETS; i++) {
        uint64_t most = command_bucket_most(i);
        passed += totals->buckets[i];
        if (passed > told && (most & (most + 1)) == 0) {
            resp_write_integer(writer, most > INT64_MAX ? INT64_MAX : (int64_t)most);
            resp_write_integer(writer, (int64_t)passed);
            told = passed;
            count++;
        }
    }
    resp_end_aggregate(writer, begun, RESP_MAP, count);
}

/* Fills in which are asked for: all, or those that are named; with a container, its
 * subcommands. */
static void find_asked(const struct command_index *index,
                       const struct resp_request *request, bool asked[COMMAND_SLOTS]) {
    for (size_t i = 2; i < request->count; i++) {
        asked[command_index_find(index, request->arguments[i])] = true;
    }
    asked[index->count] = false; /* those that there are not */
    for (size_t i = 0; i < index->count; i++) {
        const char *name = index->by_number[i]->name;
        size_t length = strcspn(name, "|");
        asked[i] |= request->count == 2 ||
                    (name[length] != '\0' &&
                     asked[command_index_find(index, slice_make(name, length))]);
    }
}

static enum command_outcome run_latency_histogram(struct session *session,
                                                  const struct resp_request *request) {
    const struct command_index *index = session->commons->index;
    bool asked[COMMAND_SLOTS] = {false};
    find_asked(index, request, asked);
    struct output_piece *begun = resp_begin_aggregate(session->writer);
    size_t count = 0;
    for (size_t i = 0; i < index->count; i++) {
        struct command_totals totals;
        server_totals(server_of(session), i, &totals);
        if (asked[i] && totals.calls > 0) {
            resp_write_bulk(session->writer, slice_of(index->by_number[i]->name));
            tell_histogram(session->writer, &totals);
            count++;
        }
    }
    resp_end_aggregate(session->writer, begun, RESP_MAP, count);
    return COMMAND_DONE;
}

/* ---- MONITOR --------------------------------------------------------------------- */

static enum command_outcome run_monitor(struct session *session,
                                        const struct resp_request *request) {
    (void)request;
    session->monitors = true;
    return session_ok(session);
}

/* ---- the table ------------------------------------------------------------------- */

#define ADMIN (COMMAND_ADMIN | COMMAND_NO_SCRIPT | COMMAND_LOADING | COMMAND_STALE)
#define HELP (COMMAND_LOADING | COMMAND_STALE)
#define SUB(name, words, since, arguments, arity, flags, run)                            \
    { name, words, since, arguments, GROUP_SERVER, arity, flags, 0, 0, 0, run, NULL, 0 }
#define CONTAINER(name, words, since, rows)                                              \
    {                                                                                    \
        name, words, since, "", GROUP_SERVER, -2, 0, 0, 0, 0, NULL, (rows),              \
            sizeof(rows) / sizeof((rows)[0])                                             \
    }

static const struct redis_command config_subcommands[] = {
    SUB("config|get", "The values of settings.", "2.0.0", "{parameter}...", -3, ADMIN,
        run_config_get),
    SUB("config|help", "Describes the subcommands.", "5.0.0", "", 2, HELP, command_help),
    SUB("config|resetstat", "Counts anew what INFO tells.", "2.0.0", "", 2, ADMIN,
        run_config_resetstat),
    SUB("config|rewrite", "Writes the settings into the server's file.", "2.8.0", "", 2,
        ADMIN | COMMAND_MAY_BLOCK, run_config_rewrite),
    SUB("config|set", "Changes settings, all or none.", "2.0.0", "{parameter value}...",
        -4, ADMIN, run_config_set),
};

static const struct redis_command slowlog_subcommands[] = {
    SUB("slowlog|get", "The last slow commands.", "2.2.12", "[count]", -2,
        COMMAND_ADMIN | HELP, run_slowlog_get),
    SUB("slowlog|help", "Describes the subcommands.", "6.2.0", "", 2, HELP, command_help),
    SUB("slowlog|len", "How many there are.", "2.2.12", "", 2, COMMAND_ADMIN | HELP,
        run_slowlog_len),
    SUB("slowlog|reset", "Forgets them.", "2.2.12", "", 2, COMMAND_ADMIN | HELP,
        run_slowlog_reset),
};

static const struct redis_command latency_subcommands[] = {
    SUB("latency|doctor", "What to do about slow events.", "2.8.13", "", 2, ADMIN,
        run_latency_doctor),
    SUB("latency|help", "Describes the subcommands.", "2.8.13", "", 2, HELP,
        command_help),
    SUB("latency|histogram", "How long commands took.", "7.0.0", "[command...]", -2,
        ADMIN, run_latency_histogram),
    SUB("latency|history", "The last slow events of a kind.", "2.8.13", "event", 3, ADMIN,
        run_latency_history),
    SUB("latency|latest", "The last slow event of each kind.", "2.8.13", "", 2, ADMIN,
        run_latency_latest),
    SUB("latency|reset", "Forgets slow events.", "2.8.13", "[event...]", -2, ADMIN,
        run_latency_reset),
};

static const struct redis_command rows[] = {
    CONTAINER("config", "The server's settings.", "2.0.0", config_subcommands),
    SUB("info", "What the server knows of itself.", "1.0.0", "[section...]", -1,
        COMMAND_LOADING | COMMAND_STALE | COMMAND_DANGEROUS, run_info),
    CONTAINER("latency", "Events that took long.", "2.8.13", latency_subcommands),
    SUB("monitor", "Shows all commands as they come.", "1.0.0", "", 1, ADMIN,
        run_monitor),
    CONTAINER("slowlog", "Commands that took long.", "2.2.12", slowlog_subcommands),
};

const struct command_rows commands_config = {rows, sizeof rows / sizeof rows[0]};
