/* The POSIX tenant of file.h. One operation is one system call, except where noted; the
 * descriptor-relative calls (openat and the like) are not used, since the fault injection
 * that the program is tested under (libfiu's preload library) does not see them. */
#include "file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "memory.h"

struct posix_file {
    struct file file;
    int descriptor;
};

static int descriptor_of(const struct file *file) {
    return ((const struct posix_file *)file)->descriptor;
}

static int errno_of(int result) {
    return result < 0 ? errno : 0;
}

static int posix_read_at(struct file *file, uint64_t offset, void *bytes, size_t count,
                         size_t *done) {
    ssize_t result = pread(descriptor_of(file), bytes, count, (off_t)offset);
    if (result < 0) {
        return errno;
    }
    *done = (size_t)result;
    return 0;
}

/* The system is asked to read without waiting (preadv2(2)); file systems that cannot say
 * refuse. */
static bool posix_at_hand(struct file *file, uint64_t offset, size_t count) {
    unsigned char bytes[FILE_AT_HAND_BYTES];
    struct iovec piece = {bytes, count};
    ssize_t result = preadv2(descriptor_of(file), &piece, 1, (off_t)offset, RWF_NOWAIT);
    return result >= 0 && (size_t)result == count;
}

static int posix_write_at(struct file *file, uint64_t offset, const void *bytes,
                          size_t count, size_t *done) {
    ssize_t result = pwrite(descriptor_of(file), bytes, count, (off_t)offset);
    if (result < 0) {
        return errno;
    }
    *done = (size_t)result;
    return 0;
}

/* fdatasync writes the file's size where it changed, and the pages dirtied through
 * mappings (fdatasync(2), msync(2) on Linux). */
static int posix_sync(struct file *file) {
    return errno_of(fdatasync(descriptor_of(file)));
}

static int posix_truncate(struct file *file, uint64_t bytes) {
    return errno_of(ftruncate(descriptor_of(file), (off_t)bytes));
}

/* fallocate, not posix_fallocate: the latter writes zeros where the file system has no
 * allocation of its own, which promises nothing. */
static int posix_allocate(struct file *file, uint64_t offset, uint64_t bytes) {
    int errnum = errno_of(fallocate(descriptor_of(file), 0, (off_t)offset, (off_t)bytes));
    return errnum == ENOSYS ? EOPNOTSUPP : errnum;
}

static int posix_size(struct file *file, uint64_t *bytes) {
    struct stat facts;
    if (fstat(descriptor_of(file), &facts) < 0) {
        return errno;
    }
    *bytes = (uint64_t)facts.st_size;
    return 0;
}

static int posix_map(struct file *file, uint64_t offset, size_t bytes, bool writable,
                     void **address) {
    void *start = mmap(NULL, bytes, writable ? PROT_READ | PROT_WRITE : PROT_READ,
                       MAP_SHARED, descriptor_of(file), (off_t)offset);
    if (start == MAP_FAILED) {
        return errno;
    }
    *address = start;
    return 0;
}

static int posix_unmap(struct file *file, void *address, size_t bytes) {
    (void)file;
    return errno_of(munmap(address, bytes));
}

static void give_file(struct posix_file *posix) {
    memory_give(posix->file.path);
    memory_give(posix);
}

/* Linux closes the descriptor whatever close() answers (close(2)). */
static int posix_close(struct file *file) {
    int errnum = errno_of(close(descriptor_of(file)));
    give_file((struct posix_file *)file);
    return errnum;
}

static const struct file_ops posix_file_ops = {
    .read_at = posix_read_at,
    .write_at = posix_write_at,
    .sync = posix_sync,
    .truncate = posix_truncate,
    .allocate = posix_allocate,
    .size = posix_size,
    .map = posix_map,
    .unmap = posix_unmap,
    .close = posix_close,
    .at_hand = posix_at_hand,
};

/* Memory first, so that a failure leaves no file behind. */
static int open_with(const char *path, int flags, struct posix_file **posix) {
    struct posix_file *opened = memory_take_zeroed(sizeof *opened);
    if (opened == NULL) {
        return ENOMEM;
    }
    opened->file.ops = &posix_file_ops;
    opened->file.path = memory_copy_text(path);
    if (opened->file.path == NULL) {
        give_file(opened);
        return ENOMEM;
    }
    opened->descriptor = open(path, flags | O_CLOEXEC, 0644);
    if (opened->descriptor < 0) {
        int errnum = errno;
        give_file(opened);
        return errnum;
    }
    *posix = opened;
    return 0;
}

static int posix_open(void *state, const char *path, enum file_mode mode,
                      struct file **file) {
    (void)state;
    int flags = O_RDONLY;
    switch (mode) {
    case FILE_READ:
        break;
    case FILE_WRITE:
        flags = O_RDWR;
        break;
    case FILE_CREATE:
        flags = O_RDWR | O_CREAT | O_EXCL;
        break;
    case FILE_OVERWRITE:
        flags = O_RDWR | O_CREAT | O_TRUNC;
        break;
    }
    struct posix_file *posix;
    int errnum = open_with(path, flags, &posix);
    if (errnum == 0) {
        *file = &posix->file;
    }
    return errnum;
}

static int posix_remove(void *state, const char *path) {
    (void)state;
    return errno_of(unlink(path));
}

static int posix_rename(void *state, const char *from, const char *to) {
    (void)state;
    return errno_of(rename(from, to));
}

static int posix_link(void *state, const char *from, const char *to) {
    (void)state;
    return errno_of(link(from, to));
}

/* The group's share is given up where the file cannot be that group's. */
static int posix_copy_access(void *state, const char *from, const char *to) {
    (void)state;
    struct stat old;
    if (stat(from, &old) != 0) {
        return errno;
    }
    mode_t mode = old.st_mode & (S_IRWXU | S_IRWXG | S_IRWXO);
    if (chown(to, old.st_uid, old.st_gid) != 0 && chown(to, (uid_t)-1, old.st_gid) != 0) {
        mode &= ~(mode_t)S_IRWXG;
    }
    return errno_of(chmod(to, mode));
}

static int posix_remove_directory(void *state, const char *path) {
    (void)state;
    return errno_of(rmdir(path));
}

static int posix_make_directory(void *state, const char *path) {
    (void)state;
    return errno_of(mkdir(path, 0755));
}

/* Three system calls; a failed close counts, as the sync's promise is all there is. */
static int posix_sync_directory(void *state, const char *path) {
    (void)state;
    int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) {
        return errno;
    }
    int errnum = errno_of(fsync(descriptor));
    int closed = errno_of(close(descriptor));
    return errnum != 0 ? errnum : closed;
}

static int posix_list(void *state, const char *path, file_visitor *visit, void *context) {
    (void)state;
    DIR *directory = opendir(path);
    if (directory == NULL) {
        return errno;
    }
    int errnum;
    for (;;) {
        errno = 0; /* readdir answers NULL at the end as well as in an error */
        const struct dirent *entry = readdir(directory);
        if (entry == NULL) {
            errnum = errno;
            break;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            visit(context, entry->d_name);
        }
    }
    int closed = errno_of(closedir(directory));
    return errnum != 0 ? errnum : closed;
}

static int posix_lock(void *state, const char *path, struct file **file) {
    (void)state;
    struct posix_file *posix;
    int errnum = open_with(path, O_RDWR | O_CREAT, &posix);
    if (errnum != 0) {
        return errnum;
    }
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    errnum = errno_of(fcntl(posix->descriptor, F_OFD_SETLK, &whole));
    if (errnum != 0) {
        (void)close(posix->descriptor); /* nothing was written */
        give_file(posix);
        return errnum == EACCES ? EAGAIN : errnum; /* fcntl(2): either means held */
    }
    *file = &posix->file;
    return 0;
}

static const struct file_system_ops posix_ops = {
    .open = posix_open,
    .remove = posix_remove,
    .rename = posix_rename,
    .link = posix_link,
    .copy_access = posix_copy_access,
    .make_directory = posix_make_directory,
    .remove_directory = posix_remove_directory,
    .sync_directory = posix_sync_directory,
    .list = posix_list,
    .lock = posix_lock,
};

const struct file_system file_system_posix = {&posix_ops, NULL};
