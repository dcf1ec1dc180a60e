/* Writes records and marks at the end of a log (format: log_format.h).
 *
 * log_writer_begin hands out room for a record's payload, the caller encodes into it, and
 * log_writer_end puts the fragment headers around it and commits. A mark can ride in
 * front of the record; both are committed at once. So can several records be: each but
 * the last is put down with log_writer_keep, and the end of the last commits them all.
 *
 * The room is inside the append region itself, so that nothing needs to be copied. What
 * is reserved there is not in the file before its commit (append.h): a payload that shows
 * a mark's beginning is broken up before a crash could leave it as a forged mark.
 *
 * A value; the append region is borrowed. One thread at a time. */
#ifndef STRATA_LOG_WRITER_H
#define STRATA_LOG_WRITER_H

#include "append.h"

struct log_writer {
    struct append *append;

    size_t kept_bytes; /* of records that are not committed */

    /* between begin and end, or keep */
    size_t mark_bytes; /* of the mark that rides in front */
    uint64_t mark_sequence;
    size_t payload_bytes;
    size_t framed_bytes; /* payload with its headers */
    unsigned char *space;
    unsigned char *payload;
};

/* Room for payload_bytes at *payload, until log_writer_end. mark_sequence 0: no mark. On
 * any error nothing has changed and the writer may be used again. */
MUST_CHECK enum status log_writer_begin(struct log_writer *writer, size_t payload_bytes,
                                        uint64_t mark_sequence, unsigned char **payload,
                                        struct error *error);

/* Puts down what log_writer_begin began, and commits nothing: another record may be begun
 * behind it. After an error nothing has changed in the file, and no record of those that
 * were kept will be in it, if the writer is used no more. */
MUST_CHECK enum status log_writer_keep(struct log_writer *writer, struct error *error);

/* Commits what log_writer_begin began, and what was kept before. After an error with
 * *begun the file may hold any part of these records, and the log must not be written any
 * more; without it nothing has changed. */
MUST_CHECK enum status log_writer_end(struct log_writer *writer, bool *begun,
                                      struct error *error);

/* A mark alone. */
MUST_CHECK enum status log_writer_mark(struct log_writer *writer, uint64_t sequence,
                                       struct error *error);

#endif
