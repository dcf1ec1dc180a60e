/* Arguments of random requests, each after a letter that says of which sort it is:
 *
 *     k key, v value, i integer, f fraction, p pattern, o position in a string, w any
 *     word; ends in s seconds and m milliseconds from now on, in S and M since 1970;
 *     options, none or several: O of SET, X of GETEX, C of EXPIRE, D of COPY, N of SCAN,
 *     F of FLUSHALL, H of HELLO; P the password, or not.
 *
 * Ends that are counted from now on are days away, or long over, and no two that a maker
 * makes are less than a thousand seconds apart: so it is clear which is greater, however
 * slowly requests are carried out. */
#ifndef STRATA_TESTS_REQUEST_ARGUMENTS_H
#define STRATA_TESTS_REQUEST_ARGUMENTS_H

#include "stream.h"

struct maker {
    struct stream *stream;
    struct step *step; /* that arguments are given to */
    uint64_t random;
    unsigned ends; /* that were counted from now on so far */
};

size_t maker_below(struct maker *maker, size_t bound);
bool maker_one_in(struct maker *maker, size_t bound);

void maker_put(struct maker *maker, char letter);
void maker_put_text(struct maker *maker, const char *text);

/* In lower case, in capitals, or both. */
void maker_put_word(struct maker *maker, const char *word);

#endif
