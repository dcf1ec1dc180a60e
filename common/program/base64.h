/* Base 64 (RFC 4648, section 4: the standard alphabet, with padding). */
#ifndef STRATA_BASE64_H
#define STRATA_BASE64_H

#include "buf.h"

/* Appends the text of `bytes`. NO_MEMORY. */
MUST_CHECK enum status base64_print(struct slice bytes, struct buf *out);

/* Appends the bytes of `text`. INVALID for anything that base64_print does not write:
 * other characters, a length that is no multiple of 4, stray bits under the padding. */
MUST_CHECK enum status base64_parse(struct slice text, struct buf *out);

#endif
