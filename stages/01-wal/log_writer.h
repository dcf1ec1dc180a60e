/* Writes records and marks at the end of a log (format: log_format.h).
 *
 * A record is built in place: log_writer_begin hands out room for its payload inside the
 * append region, the caller encodes into it, log_writer_end puts the fragment headers
 * around it and commits. Where that room is a mapping of the file, the payload is built
 * apart and only its fragments are stored: a crash before they are whole would leave the
 * payload as it is, and with it whatever a value holds that looks like a mark. A mark can
 * ride in front of the record; both are committed at once.
 *
 * A value; the append region is borrowed. One thread at a time. */
#ifndef STRATA_LOG_WRITER_H
#define STRATA_LOG_WRITER_H

#include "append.h"

struct log_writer {
    struct append *append;
    bool visible;      /* the region's room is the file itself (APPEND_MAPPED) */
    size_t mark_bytes; /* between begin and end: of the mark that rides in front */
    uint64_t mark_sequence;
    size_t payload_bytes;
    size_t framed_bytes; /* payload with its headers */
    unsigned char *space;
    unsigned char *apart; /* where the payload is built, if visible */
};

/* Room for payload_bytes at *payload, until log_writer_end, which must follow.
 * mark_sequence 0: no mark. On any error nothing has changed and the writer may be used
 * again. */
MUST_CHECK enum status log_writer_begin(struct log_writer *writer, size_t payload_bytes,
                                        uint64_t mark_sequence, unsigned char **payload,
                                        struct error *error);

/* Commits what log_writer_begin began. After an error with *begun the file may hold any
 * part of the record, and the log must not be written any more; without it nothing has
 * changed. */
MUST_CHECK enum status log_writer_end(struct log_writer *writer, bool *begun,
                                      struct error *error);

/* A mark alone. */
MUST_CHECK enum status log_writer_mark(struct log_writer *writer, uint64_t sequence,
                                       struct error *error);

#endif
