/* dump for tables (kv_dump in kv.h): every block of one table, in words: entries with
 * sequence and type, filter, properties, metaindex, index, footer. Where the index cannot
 * be read, blocks are looked for one behind the other (block_find). */
#ifndef STRATA_DUMP_TABLE_H
#define STRATA_DUMP_TABLE_H

#include "report.h"

enum { DUMP_KEY_BYTES = REPORT_TEXT_BYTES + 40 };

/* An internal key in words: "key" @ sequence, put. Returns `text`. */
const char *dump_key(char text[DUMP_KEY_BYTES], struct slice key);

MUST_CHECK enum status table_dump(const char *path, const struct kv_options *options,
                                  kv_report *report, void *context, struct error *error);

#endif
