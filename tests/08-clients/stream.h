/* A stream of requests on several connections, as it is made of a seed, played to two
 * servers, and made shorter while they still differ on it. */
#ifndef STRATA_TESTS_STREAM_H
#define STRATA_TESTS_STREAM_H

#include "buf.h"

enum { STREAM_STEPS = 250, STREAM_CONNECTIONS = 3, STEP_ARGUMENTS = 24 };

enum step_kind {
    STEP_REQUEST,
    STEP_SCAN, /* SCAN with these options, from cursor 0 to cursor 0 */
    STEP_RAW   /* bytes as they are, then the end; the connection is made anew */
};

struct step {
    enum step_kind kind;
    bool removed;
    bool awaited; /* its replies come before what follows is sent */
    uint8_t connection;
    uint8_t inline_form; /* 0: an array; else a line, and how its words are quoted */
    uint8_t cuts;        /* 0: all at once; else in parts of about so many bytes */
    size_t count;        /* arguments; for STEP_RAW one, the bytes */
    struct {
        size_t at, length; /* in stream->bytes */
    } arguments[STEP_ARGUMENTS];
};

struct stream {
    uint64_t seed;
    bool has_password; /* clients have to authenticate, and always get replies */
    struct buf bytes;
    size_t count;
    struct step steps[STREAM_STEPS];
};

void stream_free(struct stream *stream);

/* The next step, empty; there is room. */
struct step *stream_add(struct stream *stream, enum step_kind kind);

/* Gives it one more argument, or does nothing if it has all that it can have. */
void stream_argument(struct stream *stream, struct step *step, struct slice bytes);

/* Valid until the next argument is added. */
struct slice stream_get(const struct stream *stream, const struct step *step, size_t i);

/* Whether the argument is there and is this word, in any case of letters. */
bool stream_is(const struct stream *stream, const struct step *step, size_t i,
               const char *word);

/* Appends what is sent for it. */
void stream_encode(const struct stream *stream, const struct step *step,
                   struct buf *bytes);

/* Prints the steps that are left, as redis-cli would take them. */
void stream_print(const struct stream *stream);

/* Appends the bytes in double quotes, as redis-cli and inline requests take them. */
void quote(struct slice bytes, struct buf *text);

#endif
