/* UTF-8 (RFC 3629), as far as the program needs it: is this text? */
#ifndef STRATA_UTF8_H
#define STRATA_UTF8_H

#include "slice.h"

/* Bytes of the character that `bytes` begins with, 1 to 4; 0 if it begins with none:
 * empty, cut short, overlong, a surrogate, or beyond U+10FFFF. */
size_t utf8_character(struct slice bytes);

/* Whether all of it is characters. */
bool utf8_valid(struct slice bytes);

#endif
