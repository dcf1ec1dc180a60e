#include "client.h"

#define TEST_HAS_STAGE
#include "../common/support.h"

enum status service_begin(struct service *service, struct kv *kv,
                          const struct world *world) {
    *service = (struct service){.kv = kv};
    enum status status = keyspace_open(kv, world, &service->keyspace, NULL);
    if (status == STATUS_OK) {
        status = scan_table_open(world, &service->scans);
    }
    if (status == STATUS_OK) {
        status = password_open(world->threads, &service->password);
    }
    command_index_init(&service->index);
    service->commons = (struct session_commons){
        .keyspace = service->keyspace,
        .scans = service->scans,
        .password = service->password,
        .index = &service->index,
    };
    return status;
}

void service_end(struct service *service) {
    keyspace_close(service->keyspace);
    scan_table_close(service->scans);
    password_close(service->password);
}

void client_begin(struct client *client, struct service *service) {
    *client = (struct client){.limits = resp_limits_default()};
    client->writer = (struct resp_writer){.output = &client->output, .protocol = 2};
    resp_parser_init(&client->parser, &client->limits, true);
    session_init(&client->session, &service->commons, &client->writer, 7);
}

void client_end(struct client *client) {
    session_free(&client->session);
    resp_parser_free(&client->parser);
    output_free(&client->output);
    buf_free(&client->reply);
}

static void take_output(struct client *client) {
    struct slice slices[8];
    size_t found;
    while ((found = output_gather(&client->output, UINT64_MAX, slices, 8)) > 0) {
        for (size_t i = 0; i < found; i++) {
            enum status status = buf_append_slice(&client->reply, slices[i]);
            client->status = status != STATUS_OK ? status : client->status;
            output_advance(&client->output, slices[i].length);
        }
    }
    if (client->output.status != STATUS_OK) {
        client->status = client->output.status;
    }
}

/* Where it may wait: another writer, whose output is the connection's afterwards. */
static enum command_outcome run_apart(struct client *client,
                                      const struct resp_request *request) {
    struct session *session = &client->session;
    struct output output = {0};
    struct resp_writer writer = client->writer;
    writer.output = &output;
    session->writer = &writer;
    session->may_wait = true;
    enum command_outcome outcome = command_execute(session, request);
    session->writer = &client->writer;
    session->may_wait = false;
    if (output.status != STATUS_OK) {
        client->status = output.status;
    }
    output_join(&client->output, &output);
    output_free(&output);
    return outcome;
}

void client_run(struct client *client, const struct resp_request *request) {
    struct session *session = &client->session;
    enum command_outcome outcome = command_execute(session, request);
    if (outcome == COMMAND_WOULD_WAIT) {
        assert_int_equal(output_pending(&client->output), 0);
        assert_false(session->failed);
        client->waited++;
        outcome = run_apart(client, request);
    }
    assert_int_not_equal(outcome, COMMAND_WOULD_WAIT);
    assert_int_equal(outcome == COMMAND_STREAMS, session->stream != NULL);
    take_output(client);
    bool more = outcome == COMMAND_STREAMS;
    while (more) {
        client->parts++;
        more = reply_stream_more(session->stream, session);
        assert_true(output_pending(&client->output) < 2 * REPLY_PART_BYTES);
        take_output(client);
    }
    reply_stream_close(session->stream);
    session->stream = NULL;
}

void client_send(struct client *client, struct slice bytes) {
    buf_clear(&client->reply);
    while (bytes.length > 0) {
        unsigned char *to;
        size_t room;
        client->status = resp_parser_room(&client->parser, &to, &room);
        if (client->status != STATUS_OK) {
            return;
        }
        size_t count = bytes.length < room ? bytes.length : room;
        memcpy(to, bytes.data, count);
        resp_parser_filled(&client->parser, count);
        slice_advance(&bytes, count);
        struct resp_request request;
        enum status status;
        while ((status = resp_parser_next(&client->parser, &request, NULL)) ==
               STATUS_OK) {
            client_run(client, &request);
        }
        if (status != STATUS_NOT_FOUND) {
            client->status = status;
            return;
        }
    }
}

const char *client_ask(struct client *client, const char *line) {
    struct buf bytes = {0};
    assert_ok(buf_printf(&bytes, "%s\r\n", line));
    client_send(client, buf_slice(&bytes));
    buf_free(&bytes);
    assert_ok(client->status);
    assert_ok(buf_append(&client->reply, "", 1));
    char *text = (char *)client->reply.data;
    char *to = text;
    for (const char *from = text; *from != '\0'; from++) {
        if (from[0] == '\r' && from[1] == '\n') {
            from++;
            *to++ = '|';
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
    return text;
}

void client_expect(struct client *client, const char *line, const char *reply,
                   const char *file, int at) {
    const char *found = client_ask(client, line);
    if (strcmp(found, reply) != 0) {
        fail_msg("%s:%d: %s\n  \"%s\", not\n  \"%s\"", file, at, line, found, reply);
    }
}
