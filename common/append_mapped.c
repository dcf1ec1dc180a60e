/* The tenant that builds in the file's own pages: a window of the file is mapped, shared
 * and writable, and what is stored there is the system's at once, so a commit only moves
 * the end. The window moves on with the allocated space:
 *
 *     file    ....committed....|end....reserved....|allocated
 *     window            [page of end ................ allocated)
 *
 * Only allocated space is ever mapped, so a store finds its block (a full disk would
 * otherwise kill the process with SIGBUS). A new window is mapped before the old one is
 * given up; both show the same pages, so bytes of a reserve that is not yet committed
 * are in the new one too.
 *
 * Each page that is touched first through a mapping costs a fault, about as much as a
 * system call. So what fills pages is built in a buffer and handed over with write(2), as
 * the other tenant does with everything; the window shows those bytes as well. */
#include "append_tenant.h"

#include <assert.h>

#include "memory.h"

/* A longer reserve is built in the buffer. */
enum { STORED_BYTES_MAX = 4096 };

struct append_mapped {
    struct append append;
    bool reserved;         /* and not committed: shared or not is decided */
    struct buf buf;        /* for what is not shared */
    unsigned char *window; /* NULL before the first */
    uint64_t window_start; /* its offset in the file */
    size_t window_bytes;
};

static enum status drop_window(struct append_mapped *mapped, struct error *error) {
    if (mapped->window == NULL) {
        return STATUS_OK;
    }
    void *window = mapped->window;
    mapped->window = NULL;
    return file_unmap(mapped->append.file, window, mapped->window_bytes, error);
}

/* Makes the window reach from the committed end to the end of the allocated space. */
static enum status move_window(struct append_mapped *mapped, struct error *error) {
    struct append *append = &mapped->append;
    uint64_t start = append->end - append->end % FILE_MAP_BYTES;
    size_t bytes = (size_t)(append->allocated - start);
    void *window;
    enum status status = file_map(append->file, start, bytes, true, &window, error);
    if (status != STATUS_OK) {
        return status;
    }
    status = drop_window(mapped, error);
    mapped->window = window;
    mapped->window_start = start;
    mapped->window_bytes = bytes;
    return status;
}

static enum status mapped_reserve(struct append *append, size_t bytes,
                                  unsigned char **space, struct error *error) {
    struct append_mapped *mapped = (struct append_mapped *)append;
    if (!mapped->reserved) {
        mapped->reserved = true;
        append->shared = bytes <= STORED_BYTES_MAX;
    }
    if (!append->shared) {
        enum status status = append_allocate(append, bytes, error);
        return status == STATUS_OK
                   ? append_buffer_reserve(&mapped->buf, bytes, space, error)
                   : status;
    }
    if (mapped->window == NULL ||
        append->end + bytes > mapped->window_start + mapped->window_bytes) {
        enum status status = append_allocate(append, bytes, error);
        if (status == STATUS_OK) {
            status = move_window(mapped, error);
        }
        if (status != STATUS_OK) {
            return status;
        }
    }
    *space = mapped->window + (append->end - mapped->window_start);
    return STATUS_OK;
}

static enum status mapped_commit(struct append *append, size_t bytes,
                                 struct error *error) {
    struct append_mapped *mapped = (struct append_mapped *)append;
    mapped->reserved = false;
    if (!append->shared) {
        return append_buffer_commit(append, &mapped->buf, bytes, error);
    }
    assert(append->end + bytes <= mapped->window_start + mapped->window_bytes);
    append->end += bytes;
    return STATUS_OK;
}

/* The window goes first: behind the cut it would have no file under it. If it will not
 * go, the zeros stay. */
static enum status mapped_close(struct append *append, bool cut, struct error *error) {
    struct append_mapped *mapped = (struct append_mapped *)append;
    enum status status = drop_window(mapped, error);
    if (status == STATUS_OK && cut) {
        status = append_cut(append, error);
    }
    buf_free(&mapped->buf);
    memory_give(mapped);
    return status;
}

static const struct append_ops mapped_ops = {mapped_reserve, mapped_commit, mapped_close};

enum status append_mapped_open(struct append **append, struct error *error) {
    struct append_mapped *mapped = memory_take_zeroed(sizeof *mapped);
    if (mapped == NULL) {
        return error_no_memory(error, "log region", sizeof *mapped);
    }
    mapped->append.ops = &mapped_ops;
    *append = &mapped->append;
    return STATUS_OK;
}
