/* A server without sockets: a store on the simulated disk, the keyspace, and sessions of
 * clients that ask it in text. Bytes go through the parser, the commands and the writer,
 * and come back as text.
 *
 * A request is carried out as a server does: first where it may not wait, and, if it
 * would have to, again with a writer of its own where it may. */
#ifndef STRATA_TESTS_08_CLIENT_H
#define STRATA_TESTS_08_CLIENT_H

#include "kv.h"
#include "password.h"
#include "scan_table.h"
#include "session.h"

struct service {
    struct kv *kv; /* the caller's */
    struct keyspace *keyspace;
    struct scan_table *scans;
    struct password *password;
    struct command_index index;
    struct session_commons commons;
};

/* NO_MEMORY. */
MUST_CHECK enum status service_begin(struct service *service, struct kv *kv,
                                     const struct world *world);
void service_end(struct service *service); /* zeroed: nothing */

struct client {
    struct session session;
    struct resp_limits limits;
    struct resp_parser parser;
    struct output output;
    struct resp_writer writer;
    struct buf reply;   /* of the last request */
    size_t waited;      /* requests that had to be carried out twice */
    size_t parts;       /* of streamed replies */
    enum status status; /* of the output, and of the parser */
};

void client_begin(struct client *client, struct service *service);
void client_end(struct client *client);

/* Carries out the request; its reply is client->reply. */
void client_run(struct client *client, const struct resp_request *request);

/* The same for all requests in the bytes. */
void client_send(struct client *client, struct slice bytes);

/* As a line of words, with redis-cli's quotes. The reply as text, with | for the ends of
 * lines; until the next request. */
const char *client_ask(struct client *client, const char *line);

/* Fails unless it is that. */
void client_expect(struct client *client, const char *line, const char *reply,
                   const char *file, int at);

#define EXPECT(line, reply) client_expect(client, line, reply, __FILE__, __LINE__)

#endif
