/* The JSON form of a record (record.h describes it). */
#ifndef STRATA_RECORD_JSON_H
#define STRATA_RECORD_JSON_H

#include "record.h"

/* Into an empty record. INVALID, NO_MEMORY. */
MUST_CHECK enum status record_json_parse(struct slice line, struct record *record,
                                         struct error *error);

/* Without a line end. NO_MEMORY. */
MUST_CHECK enum status record_json_print(struct slice key, struct slice value,
                                         struct buf *out);

#endif
