/* Files and directories, as the world provides them.
 *
 * Two layers. A tenant (`file_system_ops`, `file_ops`) is thin: one operation is one
 * system call, it may be cut short, and it answers 0 or an errno. Tenants: POSIX
 * (common/file_posix.c) and the harness's simulated disk (harness/disk.c). The functions
 * below the line are what the engine calls: they finish short transfers, retry EINTR, and
 * turn an errno into a status and a message with path and offset (common/file.c). A sync
 * or close that is interrupted has failed.
 *
 * Durability, the part that everything rests on: written bytes are durable after a
 * file_sync() that succeeded; a created, renamed or removed name is durable after a
 * directory_sync() of its directory that succeeded. After a failed sync nothing is known
 * of what was written since the last good one, and asking again proves nothing: the
 * kernel may have dropped the pages as clean (see notes/crash-model.md).
 *
 * A directory may be renamed once it has been synced itself: the entries of one that has
 * not been may be lost, whichever name is synced later.
 *
 * A file is used by one thread at a time, except that file_sync and file_read may run
 * beside anything but file_close. A file system is shared by all threads.
 *
 * tidy: long because both layers stand side by side. */
#ifndef STRATA_FILE_H
#define STRATA_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slice.h"
#include "status.h"

enum file_mode {
    FILE_READ,     /* an existing file, to read */
    FILE_WRITE,    /* an existing file, to read and write */
    FILE_CREATE,   /* a new file, to read and write; EEXIST if the name is taken */
    FILE_OVERWRITE /* to read and write, made empty, created where missing */
};

struct file;

struct file_ops {
    int (*read_at)(struct file *file, uint64_t offset, void *bytes, size_t count,
                   size_t *done); /* *done = 0 only at or past the end */
    int (*write_at)(struct file *file, uint64_t offset, const void *bytes, size_t count,
                    size_t *done);
    int (*sync)(struct file *file);
    int (*truncate)(struct file *file, uint64_t bytes); /* longer: filled with zeros */
    int (*allocate)(struct file *file, uint64_t offset,
                    uint64_t bytes); /* zeros, size grows;
                   EOPNOTSUPP where it cannot be had */
    int (*size)(struct file *file, uint64_t *bytes);
    int (*map)(struct file *file, uint64_t offset, size_t bytes, bool writable,
               void **address); /* shared; offset a multiple of FILE_MAP_BYTES */
    int (*unmap)(struct file *file, void *address, size_t bytes);
    int (*close)(struct file *file); /* frees the file whatever it answers */
    bool (*at_hand)(struct file *file, uint64_t offset, size_t count);
};

enum { FILE_MAP_BYTES = 4096 };

/* A tenant's file begins with this. */
struct file {
    const struct file_ops *ops;
    char *path; /* as opened; for messages */
};

typedef void file_visitor(void *context, const char *name);

struct file_system_ops {
    int (*open)(void *state, const char *path, enum file_mode mode, struct file **file);
    int (*remove)(void *state, const char *path);
    /* Replaces `to`; a directory takes along what is in it, and replaces only an empty
     * one. */
    int (*rename)(void *state, const char *from, const char *to);
    int (*link)(void *state, const char *from, const char *to); /* another name */
    int (*copy_access)(void *state, const char *from, const char *to);
    int (*make_directory)(void *state, const char *path);
    int (*remove_directory)(void *state, const char *path); /* an empty one */
    int (*sync_directory)(void *state, const char *path);
    int (*list)(void *state, const char *path, file_visitor *visit, void *context);
    int (*lock)(void *state, const char *path, struct file **file); /* EAGAIN: held */
};

struct file_system {
    const struct file_system_ops *ops;
    void *state;
};

extern const struct file_system file_system_posix;

/* ---- what the engine calls ------------------------------------------------------- */

MUST_CHECK enum status file_open(const struct file_system *files, const char *path,
                                 enum file_mode mode, struct file **file,
                                 struct error *error);

/* Reads until `count` bytes or the end of the file; *done tells which. */
MUST_CHECK enum status file_read(struct file *file, uint64_t offset, void *bytes,
                                 size_t count, size_t *done, struct error *error);

/* Whether a read of these bytes would find all of them in the system's memory, and so not
 * wait for a disk. False also where that is not known, and for more than
 * FILE_AT_HAND_BYTES. Any thread that may read. */
enum { FILE_AT_HAND_BYTES = 16 * 1024 };
static inline bool file_at_hand(struct file *file, uint64_t offset, size_t count) {
    return count <= FILE_AT_HAND_BYTES && file->ops->at_hand(file, offset, count);
}

MUST_CHECK enum status file_write(struct file *file, uint64_t offset, const void *bytes,
                                  size_t count, struct error *error);
MUST_CHECK enum status file_sync(struct file *file, struct error *error);
MUST_CHECK enum status file_truncate(struct file *file, uint64_t bytes,
                                     struct error *error);

/* Room for [offset, offset + bytes), read as zeros, the size grown to cover it.
 * UNSUPPORTED where the file system cannot promise room. */
MUST_CHECK enum status file_allocate(struct file *file, uint64_t offset, uint64_t bytes,
                                     struct error *error);
MUST_CHECK enum status file_size(struct file *file, uint64_t *bytes, struct error *error);
MUST_CHECK enum status file_map(struct file *file, uint64_t offset, size_t bytes,
                                bool writable, void **address, struct error *error);
MUST_CHECK enum status file_unmap(struct file *file, void *address, size_t bytes,
                                  struct error *error);

/* Frees the file even when it fails; a failure means that earlier writes may be lost.
 * NULL is allowed. */
MUST_CHECK enum status file_close(struct file *file, struct error *error);

/* Closes a file that was only read, or held as a lock: there is nothing that its close
 * could lose. NULL is allowed. */
void file_release(struct file *file);

MUST_CHECK enum status file_remove(const struct file_system *files, const char *path,
                                   struct error *error);
MUST_CHECK enum status file_rename(const struct file_system *files, const char *from,
                                   const char *to, struct error *error);

/* Gives the file another name, which must be free: both are the same bytes, and each goes
 * by itself. UNSUPPORTED where it cannot have one there: on another file system (EXDEV),
 * or on one that has no such links (link(2)). */
MUST_CHECK enum status file_link(const struct file_system *files, const char *from,
                                 const char *to, struct error *error);

/* Who may read and write `from`, and whose it is, becomes so for `to`, as far as this
 * process may give files away; what would be a stranger's then is nobody's. NOT_FOUND. */
MUST_CHECK enum status file_copy_access(const struct file_system *files, const char *from,
                                        const char *to, struct error *error);

/* OK also where the directory is there already. The parent must exist. */
MUST_CHECK enum status directory_make(const struct file_system *files, const char *path,
                                      struct error *error);
MUST_CHECK enum status directory_sync(const struct file_system *files, const char *path,
                                      struct error *error);

/* Removes an empty directory. */
MUST_CHECK enum status directory_unmake(const struct file_system *files, const char *path,
                                        struct error *error);

/* Calls visit for each name, in no order, without "." and "..". NOT_FOUND if there is
 * none. */
MUST_CHECK enum status directory_list(const struct file_system *files, const char *path,
                                      file_visitor *visit, void *context,
                                      struct error *error);

/* Creates the file where missing and locks it, against other processes and against a
 * second lock in this one (open-file-description lock, F_OFD_SETLK, fcntl(2)); BUSY if it
 * is held. Closing the file releases it. */
MUST_CHECK enum status file_lock(const struct file_system *files, const char *path,
                                 struct file **file, struct error *error);

/* "dir/name" on the heap (memory_give), or NULL when there is no memory. */
char *path_join(const char *directory, const char *name);

/* The directory that the path is in, "." for a plain name, on the heap; NULL when there is
 * no memory. */
char *path_parent(const char *path);

#endif
