/* The tenant that hands over with write(2): bytes are built in a buffer of its own, and
 * a commit writes them at the end. */
#include "append_tenant.h"

#include "memory.h"

struct append_write {
    struct append append;
    struct buf buf;
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
    return append_buffer_reserve(&writer->buf, bytes, space, error);
}

static enum status write_commit(struct append *append, size_t bytes,
                                struct error *error) {
    return append_buffer_commit(append, &((struct append_write *)append)->buf, bytes,
                                error);
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
