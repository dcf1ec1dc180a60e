#include "asked.h"

#include "config_file.h"

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
    client_begin(&asked->clients[i], &asked->service);
    asked->clients[i].session.id = i + 1;
    entry->id = i + 1;
    entry->descriptor = (int)(10 + i);
    entry->since_micros = clock_monotonic_micros(asked->sim.world.clock);
    (void)snprintf(entry->peer, sizeof entry->peer, "127.0.0.1:4000%zu", i);
    (void)snprintf(entry->local, sizeof entry->local, "127.0.0.1:6380");
    client_list_add(&asked->server.clients, entry);
}

void asked_begin(struct asked *asked, const char *config_path) {
    struct config config;
    *asked = (struct asked){.refusal = NULL};
    simulation_begin(&asked->sim);
    assert_ok(service_begin(&asked->service, open_store(&asked->sim), &asked->sim.world));
    asked->service.commons.server = &asked->server;
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
                                       .kv = asked->service.kv,
                                       .index = &asked->service.index,
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
    resp_parser_init(&asked->parser, &asked->clients[0].limits, true);
}

void asked_end(struct asked *asked) {
    for (size_t i = 0; i < ASKED_CLIENTS; i++) {
        client_list_remove(&asked->server.clients, &asked->entries[i]);
        client_end(&asked->clients[i]);
    }
    server_close(&asked->server);
    server_log_close(&asked->log);
    service_end(&asked->service);
    resp_parser_free(&asked->parser);
    buf_free(&asked->text);
    buf_free(&asked->monitored);
    assert_ok(kv_close(asked->service.kv, NULL));
    simulation_end(&asked->sim);
}

const char *ask(struct asked *asked, size_t i, const char *line) {
    struct client *client = &asked->clients[i];
    struct resp_request request;
    unsigned char *to;
    size_t room, waited = client->waited;
    assert_ok(resp_parser_room(&asked->parser, &to, &room));
    assert_true(strlen(line) + 1 < room);
    memcpy(to, line, strlen(line));
    to[strlen(line)] = '\n';
    resp_parser_filled(&asked->parser, strlen(line) + 1);
    assert_ok(resp_parser_next(&asked->parser, &request, NULL));
    bool anybody = false;
    for (size_t other = 0; other < ASKED_CLIENTS; other++) {
        anybody |= asked->clients[other].session.monitors;
    }
    server_feed(&asked->server, anybody, &client->session, &asked->entries[i], &request);
    buf_clear(&client->reply);
    client_run(client, &request);
    assert_ok(client->status);
    asked->waited = client->waited > waited;
    server_note(&asked->server, i % 2, &asked->entries[i], &client->session, &request,
                clock_monotonic_micros(asked->sim.world.clock), asked->micros);
    buf_clear(&asked->text);
    for (size_t at = 0; at < client->reply.length; at++) {
        unsigned char byte = client->reply.data[at];
        if (byte != '\r') {
            assert_ok(
                buf_append(&asked->text,
                           byte == '\n' && at > 0 && client->reply.data[at - 1] == '\r'
                               ? "|"
                               : (const char *)&byte,
                           1));
        }
    }
    assert_ok(buf_append(&asked->text, "", 1));
    return (const char *)asked->text.data;
}
