/* The rest of a reply that is too long to be kept in memory: written part by part, each
 * when the client has taken most of those before. Who carries out commands calls `more`,
 * where it may wait, until that is done, and `close`, when it is or when the client is
 * gone. One thread at a time, not always the same. */
#ifndef STRATA_REPLY_STREAM_H
#define STRATA_REPLY_STREAM_H

#include <stdbool.h>

struct session;
struct reply_stream;

struct reply_stream_ops {
    /* Writes about REPLY_PART_BYTES to the session's writer; false: that was the last.
     * The writer may be another one than before. After a failure in the middle of a
     * reply, which can then only be cut off, session->closes is set. */
    bool (*more)(struct reply_stream *stream, struct session *session);
    void (*close)(struct reply_stream *stream); /* frees it */
};

struct reply_stream {
    const struct reply_stream_ops *ops;
};

enum { REPLY_PART_BYTES = 256 * 1024 };

static inline bool reply_stream_more(struct reply_stream *stream,
                                     struct session *session) {
    return stream->ops->more(stream, session);
}

/* NULL is allowed. */
static inline void reply_stream_close(struct reply_stream *stream) {
    if (stream != NULL) {
        stream->ops->close(stream);
    }
}

#endif
