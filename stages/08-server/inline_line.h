/* The words of an inline command, by the rules of redis-cli (Redis 7.0, sds.c:
 * sdssplitargs):
 *
 *     word := bytes other than space, with quoted parts among them
 *     "…"  := with \n \r \t \b \a, \xHH, and \ before any other byte meaning that byte
 *     '…'  := as it stands, but for \'
 *
 * A closing quote ends its word, so space must follow it, or the end. */
#ifndef STRATA_INLINE_LINE_H
#define STRATA_INLINE_LINE_H

#include "slice.h"

struct inline_line {
    unsigned char *at;
    unsigned char *end;
};

enum inline_found { INLINE_WORD, INLINE_END, INLINE_UNBALANCED };

/* The next word. It is unquoted where it stands, in the line's own bytes. */
enum inline_found inline_line_next(struct inline_line *line, struct slice *word);

#endif
