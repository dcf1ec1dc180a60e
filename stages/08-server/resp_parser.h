/* Takes a client's bytes as they come and hands out its requests, one by one: arrays of
 * bulk strings (RESP), and inline commands, lines of words.
 *
 *     request := "*" count CRLF bulk^count  |  words ["\r"] "\n"
 *     bulk    := "$" length CRLF byte^length CRLF
 *
 * after https://redis.io/docs/reference/protocol-spec and Redis 7.0 (networking.c), whose
 * words for errors these are, and whose limits, but for the number of arguments, which
 * there is 2^31 - 1. A "*" with a count of 0 or less and a line without a word ask for
 * nothing and are passed over. A zero byte is a byte like others. How the bytes were cut
 * on their way changes nothing.
 *
 * The loop of a connection:
 *
 *     resp_parser_room(&parser, &to, &bytes)          where to read to, and how much
 *     read(…, to, bytes), resp_parser_filled(&parser, count)
 *     while resp_parser_next(&parser, &request) == OK: carry it out
 *
 * Memory follows the bytes that came, never a length that was announced: a client that
 * declares much and sends nothing costs nothing. A long argument (RESP_LONG_BYTES) that
 * has not arrived whole is read straight to a place of its own. Each byte is looked at,
 * and moved, a few times at most, however small the pieces are, and however many the
 * arguments.
 *
 * One thread at a time. */
#ifndef STRATA_RESP_PARSER_H
#define STRATA_RESP_PARSER_H

#include <stdbool.h>
#include <stdint.h>

#include "slice.h"
#include "status.h"

enum {
    RESP_READ_BYTES =
        16 * 1024, /* how much is read at a time, at least a quarter of it */
    RESP_LONG_BYTES = 32 * 1024,
    RESP_UNTRUSTED_ARGUMENTS = 10,
    RESP_UNTRUSTED_BULK_BYTES = 16 * 1024,
};

struct resp_limits {
    size_t bulk_bytes;  /* of one argument */
    size_t query_bytes; /* of one request, on the wire */
    size_t line_bytes;  /* of an inline command, or of a count */
    size_t arguments;
};

static inline struct resp_limits resp_limits_default(void) {
    return (struct resp_limits){(size_t)512 << 20, (size_t)1 << 30, 64 << 10, 1 << 20};
}

/* At least one argument. All of it lives until the next call for its parser. */
struct resp_request {
    const struct slice *arguments;
    size_t count;
};

/* An argument with memory of its own. */
struct resp_block {
    unsigned char *data;
    size_t length; /* bytes that have arrived, of those of the argument and its CRLF */
    size_t capacity;
    size_t argument; /* its index */
};

/* In the caller's storage. Fields are the parser's own, but for those that say so. */
struct resp_parser {
    const struct resp_limits *limits;
    /* The caller's to set: an untrusted client, one that has to authenticate first, has
     * small arguments, and few. */
    bool trusted;
    /* To be read by the caller: bytes that were looked at, copied or moved so far. */
    uint64_t work;

    /* What was read and is not yet handed out. */
    unsigned char *bytes;
    size_t capacity;
    size_t begin; /* of the request that is being read */
    size_t at;    /* of what has not been parsed */
    size_t seen;  /* no line's end is between `at` and here */
    size_t end;

    /* The request that is being read. */
    struct slice *arguments; /* into bytes, or into a block */
    size_t count;
    size_t argument_room;
    size_t wanted;     /* arguments still to come */
    size_t bulk_bytes; /* length of the next one, if its header has been read */
    bool in_bulk;
    bool in_block; /* and the last of the blocks is where it goes */
    struct resp_block *blocks;
    size_t block_count;
    size_t block_room;
    size_t block_bytes; /* lengths that they will have */

    bool handed_out; /* the request is the caller's */
};

/* Takes no memory yet. Limits are borrowed. */
void resp_parser_init(struct resp_parser *parser, const struct resp_limits *limits,
                      bool trusted);
void resp_parser_free(struct resp_parser *parser);

/* Where the next bytes go, one at least; valid until the next call. To be called when
 * resp_parser_next has nothing more, so that what is held stays small. */
MUST_CHECK enum status resp_parser_room(struct resp_parser *parser, unsigned char **to,
                                        size_t *bytes);

/* So many bytes are there now, of those that there was room for. */
void resp_parser_filled(struct resp_parser *parser, size_t count);

/* OK: a request. NOT_FOUND: none that is whole; the error is left alone. INVALID or
 * LIMIT: the client has broken the protocol or asks for too much; the message is what it
 * is to be told ("ERR Protocol error: …"). NO_MEMORY. After these three the connection
 * can only be closed. */
MUST_CHECK enum status resp_parser_next(struct resp_parser *parser,
                                        struct resp_request *request,
                                        struct error *error);

/* Of a request that was handed out and has two arguments: what the requests behind it
 * have for their second one, as long as they have arrived whole and are the same but for
 * that. So many at most; answers how many. They live as long as the request does. */
size_t resp_parser_alike(const struct resp_parser *parser, struct slice *seconds,
                         size_t most);

/* Bytes that have arrived and were not handed out, or still are the caller's; and all
 * that the parser has taken. */
size_t resp_parser_held(const struct resp_parser *parser);
size_t resp_parser_memory(const struct resp_parser *parser);

/* For a client that is idle: gives memory back, unless part of a request is there. Ends
 * the life of a request. */
void resp_parser_trim(struct resp_parser *parser);

#endif
