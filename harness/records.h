/* An independent reader of a log's and a table's bytes (google/leveldb,
 * doc/log_format.md and doc/table_format.md, and notes/formats.md), for judging what a
 * damage can have hit: it says which bytes of an intact file belong to which changes. It
 * shares no code with the engine. */
#ifndef STRATA_RECORDS_H
#define STRATA_RECORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "slice.h"

struct record {
    size_t begin; /* bytes [begin, end) of the log, block trailers inside included */
    size_t end;
    uint64_t sequence; /* of its first operation; of a mark: D+1 */
    uint32_t count;    /* operations */
    bool mark;
};

/* Fills in at most `room` records of an intact log, in order, and answers how many there
 * are; what stands behind a first ill-formed byte is not seen. */
size_t records_read(struct slice log, struct record *records, size_t room);

/* The data blocks of an intact table that Strata wrote, as one record: the changes that
 * it says to stand for. False for anything else. */
bool records_read_table(struct slice table, struct record *record);

#endif
