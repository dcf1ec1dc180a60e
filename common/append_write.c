/* The tenant that hands over with write(2): bytes are built in a buffer of its own, and
 * a commit writes them at the end, in one call unless the system cuts it short. */
#include "append_tenant.h"

#include <assert.h>

#include "buf.h"
#include "memory.h"

/* A larger buffer, grown for one large change, is given back at its commit. */
enum { BUFFER_KEPT_BYTES = 1024 * 1024 };

struct append_write {
    struct append append;
    struct buf buf;       /* length stays 0: the bytes are the caller's */
    bool cannot_allocate; /* the file system said so: space comes with each write */
};

static enum status write_reserve(struct append *append, size_t bytes,
                                 unsigned char **space, struct error *error) {
    struct append_write *writer = (struct append_write *)append;
    if (!writer->cannot_allocate && append->end + bytes > append->allocated) {
        struct error refusal = {0};
        enum status status = append_allocate(append, bytes, &refusal);
        if (status == STATUS_UNSUPPORTED) {
            writer->cannot_allocate = true;
        } else if (status != STATUS_OK) {
            return error_set(error, status, "%s", refusal.message);
        }
    }
    /* buf_reserve keeps only `length` bytes by contract; counting what is owned as used
     * while it grows keeps all that a first reserve was given. */
    if (bytes > writer->buf.capacity) {
        size_t extra = bytes - writer->buf.capacity;
        writer->buf.length = writer->buf.capacity;
        enum status status = buf_reserve(&writer->buf, extra);
        writer->buf.length = 0;
        if (status != STATUS_OK) {
            return error_no_memory(error, "log buffer", bytes);
        }
    }
    *space = writer->buf.data;
    return STATUS_OK;
}

static enum status write_commit(struct append *append, size_t bytes,
                                struct error *error) {
    struct append_write *writer = (struct append_write *)append;
    assert(bytes <= writer->buf.capacity);
    enum status status =
        file_write(append->file, append->end, writer->buf.data, bytes, error);
    if (status == STATUS_OK) {
        append->end += bytes;
    }
    if (writer->buf.capacity > BUFFER_KEPT_BYTES) {
        buf_free(&writer->buf);
    }
    return status;
}

static enum status write_close(struct append *append, bool cut, struct error *error) {
    struct append_write *writer = (struct append_write *)append;
    enum status status = cut ? append_cut(append, error) : STATUS_OK;
    buf_free(&writer->buf);
    memory_give(writer);
    return status;
}

static const struct append_ops write_ops = {write_reserve, write_commit, write_close};

enum status append_write_open(struct append **append, struct error *error) {
    struct append_write *writer = memory_take_zeroed(sizeof *writer);
    if (writer == NULL) {
        return error_no_memory(error, "log region", sizeof *writer);
    }
    writer->append.ops = &write_ops;
    *append = &writer->append;
    return STATUS_OK;
}
