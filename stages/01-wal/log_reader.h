/* Reads a log record by record (format: log_format.h), trusting nothing: every length is
 * checked and every checksum verified before a byte is handed out.
 *
 * The reader stops for good at the first thing that is not a record; what it was decides
 * the item's kind. It never skips to a later block, as LevelDB's reader does: behind a
 * hole nothing can be trusted to follow. Only marks are looked for there (log_find_mark).
 *
 * A reader is in the caller's storage and used by one thread. The file is borrowed. */
#ifndef STRATA_LOG_READER_H
#define STRATA_LOG_READER_H

#include "buf.h"
#include "file.h"

enum log_item_kind {
    LOG_RECORD,
    LOG_MARK,
    LOG_END,   /* nothing but zeros, if anything, follows */
    LOG_DAMAGE /* something else does, or a record is cut short */
};

struct log_item {
    enum log_item_kind kind;
    uint64_t offset;      /* of the item's first byte */
    uint64_t end;         /* behind its last byte; LOG_DAMAGE: equals offset */
    struct slice payload; /* LOG_RECORD; borrowed until the next call */
    uint64_t sequence;    /* LOG_MARK */
    const char *why;      /* LOG_DAMAGE, in words */
    bool cut_short;       /* LOG_DAMAGE: the file ends within the record */
};

struct log_reader {
    struct file *file;
    uint64_t limit;       /* the file is read up to here and taken to end there */
    unsigned char *block; /* the block that holds `offset` */
    uint64_t block_start;
    size_t block_bytes; /* read of it; fewer than a block only at the end */
    uint64_t offset;    /* of the next fragment */
    struct buf record;  /* a record of several fragments, put together */
};

/* Reads from the file's start; limit UINT64_MAX: to its end. End with log_reader_free. */
MUST_CHECK enum status log_reader_init(struct log_reader *reader, struct file *file,
                                       uint64_t limit, struct error *error);
void log_reader_free(struct log_reader *reader);

/* OK with an item, of whatever kind; IO or NO_MEMORY if the file could not be read. */
MUST_CHECK enum status log_reader_next(struct log_reader *reader, struct log_item *item,
                                       struct error *error);

/* Goes on at the next block after LOG_DAMAGE at `offset`, for salvage only: what is read
 * there follows a hole. A record whose beginning is lost is passed over. */
MUST_CHECK enum status log_reader_skip(struct log_reader *reader, uint64_t offset,
                                       struct error *error);

/* The highest sequence of any mark at any byte offset in [from, limit); 0 if there is
 * none. *offset, if not NULL, is where it stands. */
MUST_CHECK enum status log_find_mark(struct file *file, uint64_t from, uint64_t limit,
                                     uint64_t *sequence, uint64_t *offset,
                                     struct error *error);

#endif
