/* When two replies to the same request are the same: byte by byte, but for the requests of
 * a table, of which each has its reason. */
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

/* The elements of an array of strings, sorted; false: it is none, or has too many. The
 * slices are of the reply. */
enum { ELEMENTS_MAX = 512 };
bool reply_elements(struct slice reply, struct slice elements[ELEMENTS_MAX],
                    size_t *count);

#endif
