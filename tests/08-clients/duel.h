/* Strata and Redis side by side, a client of several connections at each. */
#ifndef STRATA_TESTS_DUEL_H
#define STRATA_TESTS_DUEL_H

#include "caller.h"
#include "stream.h"

enum side { STRATA, REDIS, SIDES };

struct duel {
    struct served served[SIDES];
    struct caller callers[SIDES][STREAM_CONNECTIONS];
    bool is_called;
};

/* Starts both, with a password, or "" for none; stops them and removes what they left.
 * Streams know of one password only. */
#define DUEL_PASSWORD "secret"
void duel_begin(struct duel *duel, const char *password);
void duel_end(struct duel *duel);

/* The replies to one request, on connection 0 of a side. */
void duel_ask(struct duel *duel, enum side side, const char *line, struct buf *reply);

/* Plays what is left of a stream to both, from nothing on. True: they agree. False: where
 * they first do not, or one says nothing for a minute (*is_late), is told in `words`. */
bool duel_play(struct duel *duel, const struct stream *stream, bool *is_late,
               struct buf *words);

/* The same; where they differ, tries to get the stream shorter, prints what is left and
 * how it ended, and fails the test. */
void duel_fight(struct duel *duel, struct stream *stream, const char *replay);

#endif
