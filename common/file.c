/* Transfers are finished here: a tenant may do a part, or be interrupted. A sync and a
 * close that were interrupted count as failed instead: how far they came is unknown, and
 * a second call would not say. */
#include "file.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>

#include "memory.h"

/* A call that is interrupted this often without getting anywhere has failed: an
 * operating system in trouble must not hang the store. */
enum { INTERRUPTIONS_MAX = 1000 };

/* Evaluates an operation that answers 0 or an errno until it is not interrupted. */
#define UNINTERRUPTED(errnum, operation)                                                 \
    do {                                                                                 \
        int interruptions = 0;                                                           \
        do {                                                                             \
            (errnum) = (operation);                                                      \
        } while ((errnum) == EINTR && ++interruptions < INTERRUPTIONS_MAX);              \
    } while (0)

enum status file_open(const struct file_system *files, const char *path,
                      enum file_mode mode, struct file **file, struct error *error) {
    int errnum;
    UNINTERRUPTED(errnum, files->ops->open(files->state, path, mode, file));
    if (errnum != 0) {
        return error_set_errno(error, errnum,
                               mode == FILE_CREATE ? "%s: create" : "%s: open", path);
    }
    return STATUS_OK;
}

enum status file_read(struct file *file, uint64_t offset, void *bytes, size_t count,
                      size_t *done, struct error *error) {
    unsigned char *to = bytes;
    size_t total = 0;
    while (total < count) {
        size_t part = 0;
        int errnum;
        UNINTERRUPTED(errnum, file->ops->read_at(file, offset + total, to + total,
                                                 count - total, &part));
        if (errnum != 0) {
            return error_set_errno(error, errnum, "%s: read at offset %" PRIu64,
                                   file->path, offset + total);
        }
        if (part == 0) {
            break;
        }
        assert(part <= count - total);
        total += part;
    }
    *done = total;
    return STATUS_OK;
}

enum status file_write(struct file *file, uint64_t offset, const void *bytes,
                       size_t count, struct error *error) {
    const unsigned char *from = bytes;
    size_t total = 0;
    while (total < count) {
        size_t part = 0;
        int errnum;
        UNINTERRUPTED(errnum, file->ops->write_at(file, offset + total, from + total,
                                                  count - total, &part));
        if (errnum != 0) {
            return error_set_errno(error, errnum, "%s: write at offset %" PRIu64,
                                   file->path, offset + total);
        }
        if (part == 0) {
            return error_set(error, STATUS_IO,
                             "%s: write at offset %" PRIu64 ": nothing was taken",
                             file->path, offset + total);
        }
        assert(part <= count - total);
        total += part;
    }
    return STATUS_OK;
}

enum status file_sync(struct file *file, struct error *error) {
    int errnum = file->ops->sync(file);
    return errnum == 0 ? STATUS_OK
                       : error_set_errno(error, errnum, "%s: sync", file->path);
}

enum status file_truncate(struct file *file, uint64_t bytes, struct error *error) {
    int errnum;
    UNINTERRUPTED(errnum, file->ops->truncate(file, bytes));
    return errnum == 0
               ? STATUS_OK
               : error_set_errno(error, errnum, "%s: truncate to %" PRIu64 " bytes",
                                 file->path, bytes);
}

enum status file_allocate(struct file *file, uint64_t offset, uint64_t bytes,
                          struct error *error) {
    int errnum;
    UNINTERRUPTED(errnum, file->ops->allocate(file, offset, bytes));
    if (errnum == EOPNOTSUPP) {
        return error_set(error, STATUS_UNSUPPORTED,
                         "%s: its file system cannot allocate space ahead", file->path);
    }
    return errnum == 0
               ? STATUS_OK
               : error_set_errno(error, errnum,
                                 "%s: allocate %" PRIu64 " bytes at offset %" PRIu64,
                                 file->path, bytes, offset);
}

enum status file_size(struct file *file, uint64_t *bytes, struct error *error) {
    int errnum;
    UNINTERRUPTED(errnum, file->ops->size(file, bytes));
    return errnum == 0 ? STATUS_OK
                       : error_set_errno(error, errnum, "%s: size", file->path);
}

enum status file_map(struct file *file, uint64_t offset, size_t bytes, bool writable,
                     void **address, struct error *error) {
    assert(offset % FILE_MAP_BYTES == 0);
    int errnum;
    UNINTERRUPTED(errnum, file->ops->map(file, offset, bytes, writable, address));
    if (errnum == ENODEV) { /* mmap(2) */
        return error_set(error, STATUS_UNSUPPORTED,
                         "%s: its file system cannot map files", file->path);
    }
    return errnum == 0
               ? STATUS_OK
               : error_set_errno(error, errnum, "%s: map %zu bytes at offset %" PRIu64,
                                 file->path, bytes, offset);
}

enum status file_unmap(struct file *file, void *address, size_t bytes,
                       struct error *error) {
    int errnum;
    UNINTERRUPTED(errnum, file->ops->unmap(file, address, bytes));
    return errnum == 0
               ? STATUS_OK
               : error_set_errno(error, errnum, "%s: unmap %zu bytes", file->path, bytes);
}

enum status file_close(struct file *file, struct error *error) {
    if (file == NULL) {
        return STATUS_OK;
    }
    /* The path dies with the file, and the message needs it after. */
    char path[ERROR_MESSAGE_BYTES];
    size_t length = strnlen(file->path, sizeof path - 1);
    memcpy(path, file->path, length);
    path[length] = '\0';
    int errnum = file->ops->close(file);
    return errnum == 0 ? STATUS_OK : error_set_errno(error, errnum, "%s: close", path);
}

void file_release(struct file *file) {
    enum status status = file_close(file, NULL);
    (void)status;
}

enum status file_remove(const struct file_system *files, const char *path,
                        struct error *error) {
    int errnum;
    UNINTERRUPTED(errnum, files->ops->remove(files->state, path));
    return errnum == 0 ? STATUS_OK : error_set_errno(error, errnum, "%s: remove", path);
}

enum status file_rename(const struct file_system *files, const char *from, const char *to,
                        struct error *error) {
    int errnum;
    UNINTERRUPTED(errnum, files->ops->rename(files->state, from, to));
    return errnum == 0 ? STATUS_OK
                       : error_set_errno(error, errnum, "%s: rename to %s", from, to);
}

enum status file_copy_access(const struct file_system *files, const char *from,
                             const char *to, struct error *error) {
    int errnum;
    UNINTERRUPTED(errnum, files->ops->copy_access(files->state, from, to));
    return errnum == 0 ? STATUS_OK
                       : error_set_errno(error, errnum, "%s: access as %s", to, from);
}

enum status file_link(const struct file_system *files, const char *from, const char *to,
                      struct error *error) {
    int errnum;
    UNINTERRUPTED(errnum, files->ops->link(files->state, from, to));
    if (errnum == EXDEV || errnum == EPERM || errnum == EMLINK || errnum == EOPNOTSUPP ||
        errnum == ENOSYS) {
        return error_set(error, STATUS_UNSUPPORTED, "%s: cannot be linked as %s", from,
                         to);
    }
    return errnum == 0 ? STATUS_OK
                       : error_set_errno(error, errnum, "%s: link as %s", from, to);
}

enum status directory_make(const struct file_system *files, const char *path,
                           struct error *error) {
    int errnum;
    UNINTERRUPTED(errnum, files->ops->make_directory(files->state, path));
    return errnum == 0 || errnum == EEXIST
               ? STATUS_OK
               : error_set_errno(error, errnum, "%s: make directory", path);
}

enum status directory_unmake(const struct file_system *files, const char *path,
                             struct error *error) {
    int errnum;
    UNINTERRUPTED(errnum, files->ops->remove_directory(files->state, path));
    return errnum == 0 ? STATUS_OK
                       : error_set_errno(error, errnum, "%s: remove directory", path);
}

enum status directory_sync(const struct file_system *files, const char *path,
                           struct error *error) {
    int errnum = files->ops->sync_directory(files->state, path);
    return errnum == 0 ? STATUS_OK
                       : error_set_errno(error, errnum, "%s: sync directory", path);
}

/* Not repeated when interrupted: names already visited would come twice. */
enum status directory_list(const struct file_system *files, const char *path,
                           file_visitor *visit, void *context, struct error *error) {
    int errnum = files->ops->list(files->state, path, visit, context);
    return errnum == 0 ? STATUS_OK
                       : error_set_errno(error, errnum, "%s: list directory", path);
}

enum status file_lock(const struct file_system *files, const char *path,
                      struct file **file, struct error *error) {
    int errnum;
    UNINTERRUPTED(errnum, files->ops->lock(files->state, path, file));
    if (errnum == EAGAIN) {
        enum status status = error_set(
            error, STATUS_BUSY, "%s: locked: the database is open elsewhere", path);
        if (error != NULL && strlen(path) < sizeof error->message) {
            error->locked_bytes = (uint32_t)strlen(path);
        }
        return status;
    }
    return errnum == 0 ? STATUS_OK : error_set_errno(error, errnum, "%s: lock", path);
}

char *path_join(const char *directory, const char *name) {
    size_t directory_bytes = strlen(directory);
    size_t name_bytes = strlen(name);
    bool slash = directory_bytes > 0 && directory[directory_bytes - 1] != '/';
    char *path = memory_take(directory_bytes + slash + name_bytes + 1);
    if (path != NULL) {
        memcpy(path, directory, directory_bytes);
        if (slash) {
            path[directory_bytes] = '/';
        }
        memcpy(path + directory_bytes + slash, name, name_bytes + 1);
    }
    return path;
}

char *path_parent(const char *path) {
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/') {
        length--;
    }
    while (length > 0 && path[length - 1] != '/') {
        length--;
    }
    char *parent = memory_copy_text(length > 0 ? path : ".");
    if (parent != NULL && length > 0) {
        parent[length] = '\0';
    }
    return parent;
}
