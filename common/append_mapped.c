/* The tenant that stores into the file's own pages: a window of the file is mapped,
 * shared and writable, and what is stored there is the system's at once, so a commit is
 * a copy of what was built in a buffer. The window moves on with the allocated space:
 *
 *     file    ....committed....|end....reserved....|allocated
 *     window            [page of end ................ allocated)
 *
 * Only allocated space is ever mapped, so a store finds its block and a full disk is an
 * answer of the reserve. What can still go wrong with a page (guarded_copy.h) fails the
 * commit, which may leave a part of the bytes behind the end, as a failed write(2) may.
 * The window is stored into at commits alone: what is reserved is the buffer's.
 *
 * Each page that is touched first through a mapping costs a fault, about as much as a
 * system call. So what fills pages is handed over with write(2), as the other tenant does
 * with everything; the window shows those bytes as well. */
#include "append_tenant.h"

#include <inttypes.h>

#include "guarded_copy.h"
#include "memory.h"

/* What is longer is written. */
enum { STORED_BYTES_MAX = 4096 };

struct append_mapped {
    struct append append;
    struct buf buf;        /* of what is reserved; its length stays 0 */
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

/* Whether the window shows the next `bytes`. */
static bool window_covers(const struct append_mapped *mapped, size_t bytes) {
    return mapped->window != NULL &&
           mapped->append.end + bytes <= mapped->window_start + mapped->window_bytes;
}

static enum status mapped_reserve(struct append *append, size_t bytes,
                                  unsigned char **space, struct error *error) {
    struct append_mapped *mapped = (struct append_mapped *)append;
    enum status status = append_allocate(append, bytes, error);
    if (status == STATUS_OK && bytes <= STORED_BYTES_MAX &&
        !window_covers(mapped, bytes)) {
        status = move_window(mapped, error);
    }
    return status == STATUS_OK ? append_buffer_reserve(&mapped->buf, bytes, space, error)
                               : status;
}

static enum status mapped_commit(struct append *append, size_t bytes,
                                 struct error *error) {
    struct append_mapped *mapped = (struct append_mapped *)append;
    if (bytes > STORED_BYTES_MAX || !window_covers(mapped, bytes)) {
        return append_buffer_commit(append, &mapped->buf, bytes, error);
    }
    unsigned char *to = mapped->window + (append->end - mapped->window_start);
    if (!guarded_copy(to, mapped->buf.data, bytes)) {
        return error_set(error, STATUS_IO,
                         "%s: store at offset %" PRIu64
                         ": the log's pages cannot be had: the file was cut short, or "
                         "the disk or the file system refuses them",
                         append->file->path, append->end);
    }
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
    guarded_copy_prepare();
    *append = &mapped->append;
    return STATUS_OK;
}
