/* A server without threads and sockets, on a simulated disk: commands are asked for, and
 * what they reply is told as text, with "|" for each line's end. */
#ifndef STRATA_TESTS_08_ASKED_H
#define STRATA_TESTS_08_ASKED_H

#include "../01-wal/simulation.h"

#include "client.h"
#include "server.h"

enum { ASKED_CLIENTS = 3 }; /* with the ids 1, 2 and 3 */

struct asked {
    struct simulation sim;
    struct service service;
    struct server_log log;
    struct server server;
    struct client_entry entries[ASKED_CLIENTS];
    struct client clients[ASKED_CLIENTS];
    struct resp_parser parser;
    struct buf text; /* the last reply */

    /* What commands ask of the server, and what it answers. */
    bool waited;         /* the last one had to */
    uint64_t micros;     /* that each takes */
    const char *refusal; /* of settings; NULL: none */
    int64_t applied;     /* `timeout`, as it was put into effect last */
    struct server_counts counts;
    uint64_t killed; /* the ids, as bits */
    struct buf monitored;
    size_t stops;
};

/* config_path: NULL if there is no file. The database is "db". */
void asked_begin(struct asked *asked, const char *config_path);
void asked_end(struct asked *asked);

/* What client 0, 1 or 2 is replied; an inline command. Lives until the next one. */
const char *ask(struct asked *asked, size_t client, const char *line);

#define assert_reply(asked, line, expected)                                              \
    assert_string_equal(ask(asked, 0, line), expected)

/* These words are in the reply. */
#define assert_reply_has(asked, line, words)                                             \
    do {                                                                                 \
        const char *reply_text = ask(asked, 0, line);                                    \
        if (strstr(reply_text, words) == NULL) {                                         \
            fail_msg("\"%s\" does not say \"%s\"", reply_text, words);                   \
        }                                                                                \
    } while (0)

#endif
