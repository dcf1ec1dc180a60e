#include "asked.h"

#include "config_file.h"
#include "password.h"
#include "scan_table.h"

static enum status configure(void *state, const struct config *config,
                             struct error *error) {
    struct asked *asked = state;
    if (asked->refusal != NULL) {
        return error_set(error, STATUS_INVALID, "%s", asked->refusal);
    }
    asked->applied = config->timeout;
    return STATUS_OK;
}

static void count(void *state, struct server_counts *counts) {
    const struct asked *asked = state;
    *counts = asked->counts;
}

static void kill_client(void *state, struct client_entry *entry) {
    struct asked *asked = state;
    asked->killed |= UINT64_C(1) << entry->id;
}

static void monitored(void *state, struct slice line) {
    struct asked *asked = state;
    assert_ok(buf_append_slice(&asked->monitored, line));
}

static void stop(void *state) {
    struct asked *asked = state;
    asked->stops++;
}

static const struct server_ops ops = {configure, count, kill_client, monitored, stop};

static void add_client(struct asked *asked, size_t i) {
    struct client_entry *entry = &asked->entries[i];
    asked->writers[i] = (struct resp_writer){&asked->outputs[i], 2, false};
    session_init(&asked->sessions[i], &asked->commons, &asked->writers[i], i + 1);
    entry->id = i + 1;
    entry->descriptor = (int)(10 + i);
    entry->since_micros = clock_monotonic_micros(asked->sim.world.clock);
    (void)snprintf(entry->peer, sizeof entry->peer, "127.0.0.1:4000%zu", i);
    (void)snprintf(entry->local, sizeof entry->local, "127.0.0.1:6380");
    client_list_add(&asked->server.clients, entry);
}

void asked_begin(struct asked *asked, const char *config_path) {
    struct config config;
    *asked = (struct asked){.limits = resp_limits_default()};
    simulation_begin(&asked->sim);
    asked->kv = open_store(&asked->sim);
    command_index_init(&asked->index);
    asked->commons.index = &asked->index;
    asked->commons.server = &asked->server;
    assert_ok(
        keyspace_open(asked->kv, &asked->sim.world, &asked->commons.keyspace, NULL));
    assert_ok(scan_table_open(&asked->sim.world, &asked->commons.scans));
    assert_ok(password_open(asked->sim.world.threads, &asked->commons.password));
    assert_ok(server_log_open(&asked->log, &asked->sim.world, "server.log",
                              LOGLEVEL_NOTICE, NULL));
    config_default(&config);
    (void)snprintf(config.dir, sizeof config.dir, "db");
    if (config_path != NULL) {
        struct error error = {0};
        char *arguments[] = {(char *)(uintptr_t)config_path};
        const char *path = NULL;
        if (config_load(&config, asked->sim.world.files, 1, arguments, &path, &error) !=
            STATUS_OK) {
            fail_msg("%s", error.message);
        }
    }
    const struct server_parts parts = {.world = &asked->sim.world,
                                       .kv = asked->kv,
                                       .index = &asked->index,
                                       .log = &asked->log,
                                       .config = &config,
                                       .config_path = config_path,
                                       .loops = 2,
                                       .ops = &ops,
                                       .state = asked};
    assert_ok(server_open(&asked->server, &parts, NULL));
    for (size_t i = 0; i < ASKED_CLIENTS; i++) {
        add_client(asked, i);
    }
    resp_parser_init(&asked->parser, &asked->limits, true);
}

void asked_end(struct asked *asked) {
    for (size_t i = 0; i < ASKED_CLIENTS; i++) {
        client_list_remove(&asked->server.clients, &asked->entries[i]);
        session_free(&asked->sessions[i]);
        output_free(&asked->outputs[i]);
    }
    server_close(&asked->server);
    server_log_close(&asked->log);
    password_close(asked->commons.password);
    scan_table_close(asked->commons.scans);
    keyspace_close(asked->commons.keyspace);
    resp_parser_free(&asked->parser);
    buf_free(&asked->text);
    buf_free(&asked->monitored);
    assert_ok(kv_close(asked->kv, NULL));
    simulation_end(&asked->sim);
}

/* All that the client was sent. */
static void take_reply(struct asked *asked, size_t client) {
    struct output *output = &asked->outputs[client];
    struct slice slices[8];
    buf_clear(&asked->text);
    assert_int_equal(output->status, STATUS_OK);
    for (size_t count;
         (count = output_gather(output, output->appended, slices, 8)) > 0;) {
        size_t bytes = 0;
        for (size_t i = 0; i < count; i++) {
            assert_ok(buf_append_slice(&asked->text, slices[i]));
            bytes += slices[i].length;
        }
        output_advance(output, bytes);
    }
    size_t to = 0;
    for (size_t i = 0; i < asked->text.length; i++) {
        unsigned char byte = asked->text.data[i];
        bool ends =
            byte == '\r' && i + 1 < asked->text.length && asked->text.data[i + 1] == '\n';
        asked->text.data[to++] = ends ? '|' : byte;
        i += ends;
    }
    asked->text.length = to;
    assert_ok(buf_append(&asked->text, "", 1));
}

const char *ask(struct asked *asked, size_t client, const char *line) {
    struct session *session = &asked->sessions[client];
    struct resp_request request;
    unsigned char *to;
    size_t room;
    assert_ok(resp_parser_room(&asked->parser, &to, &room));
    assert_true(strlen(line) + 1 < room);
    memcpy(to, line, strlen(line));
    to[strlen(line)] = '\n';
    resp_parser_filled(&asked->parser, strlen(line) + 1);
    assert_ok(resp_parser_next(&asked->parser, &request, NULL));
    bool anybody = false;
    for (size_t i = 0; i < ASKED_CLIENTS; i++) {
        anybody |= asked->sessions[i].monitors;
    }
    server_feed(&asked->server, anybody, session, &asked->entries[client], &request);
    session->may_wait = false;
    enum command_outcome outcome = command_execute(session, &request);
    asked->waited = outcome == COMMAND_WOULD_WAIT;
    if (asked->waited) {
        session->may_wait = true;
        outcome = command_execute(session, &request);
    }
    assert_int_equal(outcome, COMMAND_DONE);
    server_note(&asked->server, client % 2, &asked->entries[client], session, &request,
                asked->micros);
    take_reply(asked, client);
    return (const char *)asked->text.data;
}
