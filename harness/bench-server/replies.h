/* Counts the replies in what a server sends: those of the load's commands, which are one
 * line ("+OK", "-ERR …", ":1", "$-1") or one line and so many bytes ("$100"). Bytes come
 * in any pieces. */
#ifndef STRATA_REPLIES_H
#define STRATA_REPLIES_H

#include <stdbool.h>

#include "slice.h"

enum { REPLY_LINE_BYTES = 128 }; /* of a line as much is kept */

struct replies { /* {0} before the first byte */
    char line[REPLY_LINE_BYTES];
    size_t length; /* of the line, without what was too much */
    size_t skip;   /* bytes of a value, with its end, that are still to come */
    bool in_value;
};

enum reply_kind {
    REPLY_NONE, /* it is not whole yet, and all bytes are used */
    REPLY_GOOD,
    REPLY_ERROR,   /* replies->line has the words, with a terminator */
    REPLY_STRANGE, /* nothing that the load asks for; what follows cannot be read */
};

/* Takes the next reply off the front of *bytes. */
enum reply_kind replies_next(struct replies *replies, struct slice *bytes);

#endif
