/* What clients of a history ask for, how a server without faults answers it, and what it
 * does: a model of a few keys that a person can check by eye. Ends of keys are far away,
 * so a key either has one or not.
 *
 * Keys that one request may name together are one object: K0 and K1 are alone, K2 and K3
 * are a pair, K4 and K5 another. */
#ifndef STRATA_TESTS_REQUEST_H
#define STRATA_TESTS_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"

enum { KEYS = 6, OBJECTS = 4, OBJECT_KEYS = 2, VALUE_BYTES = 200, REPLY_BYTES = 420 };

enum request_kind {
    REQUEST_SET,
    REQUEST_SETEX,
    REQUEST_SETNX,
    REQUEST_GETSET,
    REQUEST_APPEND,
    REQUEST_INCR,
    REQUEST_DEL,
    REQUEST_GETDEL,
    REQUEST_EXPIRE,
    REQUEST_PERSIST,
    REQUEST_GET,
    REQUEST_TTL,
    /* of both keys of a pair, the one that it names first */
    REQUEST_MSET,
    REQUEST_MSETNX,
    REQUEST_MGET,
    REQUEST_RENAME,
    REQUEST_DEL_BOTH
};

struct request {
    enum request_kind kind;
    unsigned key;
    char value[24];       /* of those that write one */
    char other_value[24]; /* of MSET and MSETNX, for the other key */
};

struct object_state {
    struct key_state {
        bool there, ends;
        char value[VALUE_BYTES];
    } keys[OBJECT_KEYS];
};

unsigned request_object(const struct request *request);
bool request_reads(const struct request *request); /* and does nothing else */

/* Draws one, with values that no other one has: *serial counts them. */
struct request request_draw(uint64_t *seed, uint64_t *serial);

/* Appends it as a client sends it. */
void request_send(const struct request *request, struct buf *out);

/* Does it to *state, and tells the reply, in the form of crowd.h: +OK, :5, $text, nil,
 * -ERR …, and of an array its elements with spaces between them. */
void request_apply(const struct request *request, struct object_state *state,
                   char reply[REPLY_BYTES]);

#endif
