/* Many clients of one server, and what they were told: each sends a few requests at once,
 * reads the replies, and sends again. One thread drives all of them, so their clock is a
 * counter; the server has all their requests at the same time.
 *
 * Replies in short: +OK, :5, -ERR …, $text, nil, and of an array its elements with spaces
 * between them; of TTL :1 stands for any time. */
#ifndef STRATA_TESTS_CROWD_H
#define STRATA_TESTS_CROWD_H

#include "judge.h"
#include "served.h"

enum { CROWD = 6, PIPELINE_MOST = 12 };

struct member {
    int descriptor; /* -1: it has to connect */
    unsigned strand;
    struct call *asked[PIPELINE_MOST]; /* without a reply yet */
    size_t first, end;
    struct buf input;
};

struct crowd {
    const struct served *served;
    struct history *history;
    struct member members[CROWD];
    uint64_t seed;
    uint64_t serial; /* of values */
    size_t replies, errors;
    bool quiet; /* no more requests */
};

/* A new life: the state before it is the one behind the old one. The rest of *history is
 * begun anew. */
void crowd_begin(struct crowd *crowd, const struct served *served,
                 struct history *history);
void crowd_end(struct crowd *crowd);

/* Lets the crowd ask until it has had so many replies in all, or as many errors of the
 * store (error_most; 0: they are not expected), and returns with requests still under
 * way. */
void crowd_run(struct crowd *crowd, size_t replies, size_t errors_most);

/* Asks for nothing more; reads until all is answered, or no client is connected. */
void crowd_drain(struct crowd *crowd);

/* Returns when the server takes writes, of a key that is not the crowd's: waits for that
 * by asking, up to a minute. Connections that the server closes are made again. */
void crowd_wait_for_writes(const struct crowd *crowd);

/* Reads all keys, which belongs to the history, and notes what they are in *after. The
 * server is well, and nobody else asks. */
void crowd_look(struct crowd *crowd, struct object_state after[OBJECTS]);

#endif
