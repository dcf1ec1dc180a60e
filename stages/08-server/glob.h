/* Redis's patterns for keys (its util.c: stringmatchlen, of 7.0):
 *
 *     *        any bytes, or none          ?       one byte
 *     [abc]    one of these                [^abc]  one that is none of these
 *     [a-c]    one of a range              \x      x itself, within brackets too
 *
 * A set without its end ends with the pattern; an empty one matches no byte, and [^] any.
 * A range may be written backwards. Bytes are unsigned, and case is that of ASCII. Unlike
 * there, a lone * matches the empty text too.
 *
 * Time is at most the pattern's length times the text's, for any pattern. Any thread may
 * call this. */
#ifndef STRATA_GLOB_H
#define STRATA_GLOB_H

#include <stdbool.h>
#include <stdint.h>

#include "slice.h"

enum glob_case { GLOB_CASE, GLOB_NO_CASE };

/* Adds to *steps how many bytes of the pattern were looked at, so that a caller with many
 * keys can tell when it has worked for long enough. */
bool glob_match(struct slice pattern, struct slice text, enum glob_case fold,
                uint64_t *steps);

#endif
