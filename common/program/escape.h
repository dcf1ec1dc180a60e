/* Byte strings as one line of text and back, without loss.
 *
 * Written: \t \n \r \\ for those four, \xHH (two hexadecimal digits) for every other
 * control character, for DEL, for the C1 controls that a terminal obeys (U+0080 to
 * U+009F) and for each byte that is not UTF-8; all else stands for itself. Read: the same
 * escapes, \xHH for any byte, and every other byte for itself; anything else behind a
 * backslash is INVALID.
 *
 * So escaped text is UTF-8, holds no tab and no line end, and is safe on a terminal. */
#ifndef STRATA_ESCAPE_H
#define STRATA_ESCAPE_H

#include "buf.h"

/* Appends the text of `bytes`. NO_MEMORY. */
MUST_CHECK enum status escape_print(struct slice bytes, struct buf *out);

/* Appends the bytes of `text`. INVALID names the position, from 1; NO_MEMORY. After an
 * error *out holds what came before the fault. */
MUST_CHECK enum status escape_parse(struct slice text, struct buf *out,
                                    struct error *error);

#endif
