/* An entry as one line of text, the form of import, export and scan.
 *
 *     text   key TAB value, both escaped (escape.h)
 *     JSON   {"key":"…","value":"…"}; a key or value that JSON strings cannot carry
 *            faithfully (not UTF-8, or with a zero byte) stands under "key_base64" or
 *            "value_base64" instead (base64.h). \u00XX means a character, never a byte.
 */
#ifndef STRATA_RECORD_H
#define STRATA_RECORD_H

#include "buf.h"

enum record_format { RECORD_TEXT, RECORD_JSON };

struct record {
    struct buf key;
    struct buf value;
};

void record_free(struct record *record);

/* Replaces the contents of *record by the line's, which comes without its line end.
 * INVALID says what is wrong; the record is then empty or partly filled. NO_MEMORY. */
MUST_CHECK enum status record_parse(enum record_format format, struct slice line,
                                    struct record *record, struct error *error);

/* Appends the line and its line end. An absent value leaves the value out (keys only).
 * NO_MEMORY. */
MUST_CHECK enum status record_print(enum record_format format, struct slice key,
                                    struct slice value, struct buf *out);

#endif
