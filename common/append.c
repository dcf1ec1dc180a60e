#include "append.h"

#include <assert.h>

#include "append_tenant.h"

/* A larger buffer, grown for one large change, is given back at its commit. */
enum { BUFFER_KEPT_BYTES = 1024 * 1024 };

/* What was synced so often since it was allocated is worth being written twice. */
enum { FILL_SYNCS = 8, FILL_BYTES = 128 * 1024 };
static const unsigned char zeros[65536];

static enum status open_as(enum append_kind kind, struct file *file, uint64_t end,
                           size_t step_bytes, struct append **append,
                           struct error *error) {
    struct append *opened = NULL;
    enum status status = kind == APPEND_MAPPED ? append_mapped_open(&opened, error)
                                               : append_write_open(&opened, error);
    if (status != STATUS_OK) {
        return status;
    }
    opened->file = file;
    opened->end = end;
    opened->allocated = opened->filled = end;
    opened->step_bytes = step_bytes;
    /* What an earlier life of the file left behind its end must not come back between
     * new records and the zeros. */
    status = append_cut(opened, error);
    if (status == STATUS_OK && kind == APPEND_MAPPED) {
        unsigned char *space;
        status = append_reserve(opened, 1, &space, error);
        if (status == STATUS_OK) {
            status = append_commit(opened, 0, error);
        }
    }
    if (status != STATUS_OK) {
        append_abandon(opened); /* the first error is the one to tell */
        return status;
    }
    *append = opened;
    return STATUS_OK;
}

enum status append_open(struct file *file, uint64_t end, enum append_kind kind,
                        size_t step_bytes, struct append **append, struct error *error) {
    assert(step_bytes > 0);
    struct error refusal = {0};
    enum status status = open_as(kind, file, end, step_bytes, append, &refusal);
    if (status == STATUS_UNSUPPORTED) {
        return open_as(APPEND_WRITE, file, end, step_bytes, append, error);
    }
    return status == STATUS_OK ? status : error_set(error, status, "%s", refusal.message);
}

/* Nothing behind the end is anybody's: tenants build in a buffer. A piece at a time, as a
 * writer waits for it, and so does the next sync. */
static enum status fill(struct append *append, struct error *error) {
    uint64_t at = append->filled < append->end ? append->end : append->filled;
    uint64_t all = append->allocated - at;
    uint64_t end = at + (all < FILL_BYTES ? all : FILL_BYTES);
    enum status status = STATUS_OK;
    while (status == STATUS_OK && at < end) {
        uint64_t left = end - at;
        size_t count = left < sizeof zeros ? (size_t)left : sizeof zeros;
        status = file_write(append->file, at, zeros, count, error);
        at += count;
    }
    if (status == STATUS_OK) {
        append->filled = end;
    }
    return status;
}

enum status append_reserve(struct append *append, size_t bytes, unsigned char **space,
                           struct error *error) {
    enum status status = append->ops->reserve(append, bytes, space, error);
    if (status == STATUS_OK && append->filled < append->allocated &&
        append->filled < append->end + bytes &&
        atomic_u64_load(&append->syncs, memory_order_relaxed) >= FILL_SYNCS) {
        status = fill(append, error);
    }
    return status;
}

enum status append_commit(struct append *append, size_t bytes, struct error *error) {
    return append->ops->commit(append, bytes, error);
}

enum status append_sync(struct append *append, struct error *error) {
    atomic_u64_add(&append->syncs, 1, memory_order_relaxed);
    return file_sync(append->file, error);
}

enum status append_close(struct append *append, struct error *error) {
    return append == NULL ? STATUS_OK : append->ops->close(append, true, error);
}

void append_abandon(struct append *append) {
    if (append != NULL) {
        enum status status = append->ops->close(append, false, NULL);
        (void)status; /* nothing was asked of the file but to be let go */
    }
}

enum status append_allocate(struct append *append, size_t bytes, struct error *error) {
    uint64_t need = append->end + bytes;
    if (need <= append->allocated) {
        return STATUS_OK;
    }
    uint64_t step = append->step_bytes;
    uint64_t target = (need + step - 1) / step * step;
    enum status status =
        file_allocate(append->file, append->allocated, target - append->allocated, error);
    if (status == STATUS_OK) {
        append->allocated = target;
        atomic_u64_store(&append->syncs, 0, memory_order_relaxed);
    }
    return status;
}

/* buf_reserve keeps only `length` bytes by contract; counting what is owned as used while
 * it grows keeps all that a first reserve was given. */
enum status append_buffer_reserve(struct buf *buf, size_t bytes, unsigned char **space,
                                  struct error *error) {
    if (bytes > buf->capacity) {
        size_t extra = bytes - buf->capacity;
        buf->length = buf->capacity;
        enum status status = buf_reserve(buf, extra);
        buf->length = 0;
        if (status != STATUS_OK) {
            return error_no_memory(error, "log buffer", bytes);
        }
    }
    *space = buf->data;
    return STATUS_OK;
}

enum status append_buffer_commit(struct append *append, struct buf *buf, size_t bytes,
                                 struct error *error) {
    assert(bytes <= buf->capacity);
    enum status status = file_write(append->file, append->end, buf->data, bytes, error);
    if (status == STATUS_OK) {
        append->end += bytes;
    }
    if (buf->capacity > BUFFER_KEPT_BYTES) {
        buf_free(buf);
    }
    return status;
}

enum status append_cut(struct append *append, struct error *error) {
    uint64_t bytes;
    enum status status = file_size(append->file, &bytes, error);
    if (status == STATUS_OK && bytes > append->end) {
        status = file_truncate(append->file, append->end, error);
    }
    return status;
}
