/* Connections on a loop whose time stands still, and clients at the other ends of socket
 * pairs, all in one thread: a test sends, lets the loop turn, and looks at what came.
 *
 * The handler answers an array of strings with the same array, but for what begins with:
 *
 *     LATER …     the same answer, when the test says finish_later
 *     BIG n       a string of n bytes
 *     PARTS n m   m strings of n bytes, one after the other, as long as there is room
 *     QUIT        +OK, and no more
 *     DIE         nothing, and no more
 *     ALL n m     as PARTS, but waits until there is room (drained) */
#ifndef STRATA_TESTS_SERVING_H
#define STRATA_TESTS_SERVING_H

#include "looping.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "connections.h"

enum { SESSIONS = 512 };

struct serving;

struct session {
    struct serving *serving;
    struct connection *connection;
    struct resp_request later; /* the request that is PENDING */
    bool pending;
    size_t commands, follow; /* and how many of them followed the one before */
    size_t drained;
    bool closed;
    size_t parts, part_bytes; /* of ALL, to come */
};

struct serving {
    struct looping looping;
    struct clients clients;
    struct connection_limits limits;
    struct connections set;
    struct session sessions[SESSIONS];
    size_t opened, closed;
    bool refuse_sessions;
    bool say_goodbye; /* to each who comes */
};

extern const unsigned char serving_bytes[1 << 20];

void serving_begin(struct serving *s);

/* Closes all that are left. */
void serving_end(struct serving *s);

/* Whether epoll has told of something, or the loop has set itself something to do, is for
 * the loop to know; a few ticks without waiting do all that there is to do. */
void turn(struct serving *s);

void pass(struct serving *s, uint64_t micros);

/* A client; its descriptor does not block. */
int client_come(struct serving *s);

/* As many bytes as the socket takes. */
size_t client_try(int client, struct slice bytes);

/* All; the loop turns when the socket is full. */
void client_say(struct serving *s, int client, const char *text);

/* Appends what there is; true if then comes the end, or an error. */
bool client_receive(int client, struct buf *got);

void assert_received(int client, const char *text, bool end);

/* Answers its PENDING request. */
void finish_later(struct session *session);

#endif
