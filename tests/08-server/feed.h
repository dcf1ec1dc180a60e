/* Bytes fed to a parser in pieces, and what it made of them told as text:
 *
 *     [SET][k][]|[GET][k]|            two requests, and no more so far
 *     [PING]|! ERR Protocol error…    one request, then the end
 *
 * Brackets, backslashes and what cannot be printed are told as \xHH. */
#ifndef STRATA_TESTS_08_FEED_H
#define STRATA_TESTS_08_FEED_H

#include "buf.h"
#include "resp_parser.h"

struct feed {
    struct resp_parser parser;
    struct buf story;
    enum status status; /* of the parser, when it was asked last */
};

/* Limits as in resp_parser_init. */
void feed_begin(struct feed *feed, const struct resp_limits *limits, bool trusted);

/* Feeds them in pieces of at most so many bytes, unless the parser has come to its end;
 * and never more at a time than there is room for. */
void feed_bytes(struct feed *feed, struct slice bytes, size_t piece);

/* What was told so far, with a terminator. */
const char *feed_story(struct feed *feed);

void feed_end(struct feed *feed);

#endif
