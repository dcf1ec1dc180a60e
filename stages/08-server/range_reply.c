#include "range_reply.h"

#include "glob.h"
#include "memory.h"

struct range_stream {
    struct reply_stream stream;
    struct keyspace_iter iter; /* on what is to be told next */
    struct buf pattern;
    bool has_pattern;
    bool reverse;
    bool keys_only;
    uint64_t left; /* keys to be told */
};

/* Goes on to what matches, from where the iterator stands. */
static void settle(struct range_stream *range) {
    uint64_t steps = 0;
    while (range->has_pattern && range->iter.valid &&
           !glob_match(buf_slice(&range->pattern), range->iter.key, GLOB_CASE, &steps)) {
        keyspace_iter_next(&range->iter, range->reverse);
    }
}

static void next(struct range_stream *range) {
    keyspace_iter_next(&range->iter, range->reverse);
    settle(range);
}

/* Tells entries until the part is full, all are told or the iterator has failed; answers
 * how many keys that were. */
static uint64_t tell(struct range_stream *range, struct resp_writer *writer) {
    uint64_t told = 0;
    size_t bytes = 0;
    while (range->left > 0 && range->iter.valid && bytes < REPLY_PART_BYTES) {
        bytes += range->iter.key.length;
        resp_write_bulk(writer, range->iter.key);
        if (!range->keys_only) {
            bytes += range->iter.payload.length;
            resp_write_bulk(writer, range->iter.payload);
        }
        told++;
        range->left--;
        next(range);
    }
    return told;
}

static bool more(struct reply_stream *stream, struct session *session) {
    struct range_stream *range = (struct range_stream *)stream;
    (void)tell(range, session->writer);
    if (range->left > 0 && !range->iter.valid) {
        session->closes = true; /* a table could not be read: half a reply is none */
        return false;
    }
    return range->left > 0;
}

static void close_range(struct reply_stream *stream) {
    struct range_stream *range = (struct range_stream *)stream;
    keyspace_iter_close(&range->iter);
    buf_free(&range->pattern);
    memory_give(range);
}

static const struct reply_stream_ops range_ops = {more, close_range};

/* How many keys are left to be told, the present one first; it is that again then. */
static enum status count_left(struct range_stream *range, struct error *error) {
    struct buf here = {0};
    uint64_t count = 0;
    enum status status = buf_assign(&here, range->iter.key);
    while (status == STATUS_OK && range->iter.valid && count < range->left) {
        count++;
        next(range);
    }
    if (status == STATUS_OK) {
        status = keyspace_iter_status(&range->iter, error);
    }
    if (status == STATUS_OK) {
        keyspace_iter_seek(&range->iter, buf_slice(&here), false);
        status = keyspace_iter_status(&range->iter, error);
    }
    buf_free(&here);
    range->left = count;
    return status;
}

static enum status begin(struct session *session, const struct range_wanted *wanted,
                         struct range_stream **out, struct error *error) {
    struct range_stream *range = memory_take_zeroed(sizeof *range);
    if (range == NULL) {
        return STATUS_NO_MEMORY;
    }
    range->stream.ops = &range_ops;
    range->reverse = wanted->reverse;
    range->keys_only = wanted->keys_only;
    range->left = wanted->limit;
    range->has_pattern = slice_present(wanted->pattern);
    enum status status =
        range->has_pattern ? buf_assign(&range->pattern, wanted->pattern) : STATUS_OK;
    if (status == STATUS_OK) {
        status = keyspace_iter_open(&session->access, wanted->from, wanted->to,
                                    &range->iter, error);
    }
    if (status == STATUS_OK) {
        keyspace_iter_first(&range->iter, range->reverse);
        settle(range);
        *out = range;
    } else {
        close_range(&range->stream);
    }
    return status;
}

enum command_outcome range_reply(struct session *session,
                                 const struct range_wanted *wanted) {
    struct error error = {0};
    struct range_stream *range = NULL;
    struct output first = {0};
    struct resp_writer writer = {&first, session->writer->protocol,
                                 session->writer->muted};
    uint64_t told = 0;
    bool streams = false;
    enum status status = begin(session, wanted, &range, &error);
    if (status == STATUS_OK) {
        told = tell(range, &writer);
        streams = range->left > 0 && range->iter.valid;
        status = streams ? count_left(range, &error)
                         : keyspace_iter_status(&range->iter, &error);
    }
    status = status == STATUS_OK ? first.status : status;
    if (status == STATUS_OK) {
        uint64_t keys = told + (streams ? range->left : 0);
        resp_write_aggregate(session->writer, RESP_ARRAY,
                             (size_t)keys * (wanted->keys_only ? 1 : 2));
        output_join(session->writer->output, &first);
    }
    if (status == STATUS_OK && streams) {
        session->stream = &range->stream;
    } else if (range != NULL) {
        close_range(&range->stream);
    }
    output_free(&first);
    if (status != STATUS_OK) {
        return session_fail(session, status, &error);
    }
    return streams ? COMMAND_STREAMS : COMMAND_DONE;
}
