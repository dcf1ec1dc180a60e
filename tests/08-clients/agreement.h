/* When two replies to the same request are the same: byte by byte, but for the requests
 * of a table, of which each has its reason. */
#ifndef STRATA_TESTS_AGREEMENT_H
#define STRATA_TESTS_AGREEMENT_H

#include "stream.h"

/* Errors are always the same, word by word. `elapsed_micros`: since the first request of
 * the stream was sent; so far apart the servers may have carried out one request, at
 * most. */
bool replies_agree(const struct stream *stream, const struct step *step,
                   struct slice strata, struct slice redis, uint64_t elapsed_micros);

/* Whether Redis may end before it has answered all of these bytes, or says less. */
bool redis_may_say_less(struct slice raw);

/* The reasons of both tables: a row of notes/protocol.md ("What differs from Redis, and
 * why"), or in brackets what is none of Strata's. NULL behind the last. */
const char *agreement_reason(size_t i);

#endif
