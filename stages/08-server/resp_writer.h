/* Replies in the protocol that a client has chosen, RESP2 or RESP3
 * (https://redis.io/docs/reference/protocol-spec), as Redis 7.0 words them:
 *
 *                      RESP2               RESP3
 *     simple string    +OK                 the same
 *     error            -ERR what           the same
 *     integer          :1                  the same
 *     bulk string      $3 abc              the same
 *     null             $-1                 _
 *     null array       *-1                 _
 *     array            *n                  *n
 *     map              *2n                 %n
 *     set              *n                  ~n
 *     push             *n                  >n
 *     boolean          :1 :0               #t #f
 *     double           bulk string         ,1.5
 *     big number       bulk string         (123
 *     verbatim string  bulk string         =7 txt:abc
 *
 * Nothing here fails: when memory is missing, the output says so (output.h), once for
 * all. One thread at a time. */
#ifndef STRATA_RESP_WRITER_H
#define STRATA_RESP_WRITER_H

#include <stdbool.h>

#include "output.h"

/* In the caller's storage. Fields are the caller's to set; all but `output` are its
 * client's wishes. */
struct resp_writer {
    struct output *output;
    int protocol; /* 2 or 3 */
    bool muted;   /* CLIENT REPLY OFF: what is written is dropped */
};

enum resp_aggregate { RESP_ARRAY, RESP_MAP, RESP_SET, RESP_PUSH };

/* Text and messages are C strings. Line ends in a message become spaces, for one would
 * end the reply; simple strings must have none. */
void resp_write_simple(struct resp_writer *writer, const char *text);
/* The message begins with the error's code: "ERR syntax error". At most
 * ERROR_MESSAGE_BYTES of one that is formatted are sent. */
void resp_write_error(struct resp_writer *writer, const char *message);
void resp_write_errorf(struct resp_writer *writer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

void resp_write_integer(struct resp_writer *writer, int64_t value);
void resp_write_bulk(struct resp_writer *writer, struct slice bytes);
/* As the last, and empties buf: much is not copied but taken over. */
void resp_write_bulk_buf(struct resp_writer *writer, struct buf *buf);
void resp_write_null(struct resp_writer *writer);
void resp_write_null_array(struct resp_writer *writer);
void resp_write_boolean(struct resp_writer *writer, bool value);
void resp_write_double(struct resp_writer *writer, double value);
void resp_write_big_number(struct resp_writer *writer, struct slice digits);
/* `format` has three letters: "txt", "mkd". */
void resp_write_verbatim(struct resp_writer *writer, const char *format,
                         struct slice bytes);

/* The head of so many elements, which follow; of a map, of so many keys with a value
 * each. */
void resp_write_aggregate(struct resp_writer *writer, enum resp_aggregate kind,
                          size_t count);

/* The same where the count is known only after the elements: begin, the elements, end.
 * They may be nested. */
struct output_piece *resp_begin_aggregate(struct resp_writer *writer);
void resp_end_aggregate(struct resp_writer *writer, struct output_piece *begun,
                        enum resp_aggregate kind, size_t count);

#endif
