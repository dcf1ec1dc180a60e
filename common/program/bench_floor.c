#include "bench_floor.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { BYTES_MAX = 4096 };

/* Allocated extents that were never written still cost a journal entry at their first
 * write, so the zeros are written. */
static int preallocate(int fd, uint64_t bytes) {
    static const unsigned char zeros[BYTES_MAX];
    int errnum = posix_fallocate(fd, 0, (off_t)bytes);
    for (uint64_t at = 0; errnum == 0 && at < bytes; at += sizeof zeros) {
        if (pwrite(fd, zeros, sizeof zeros, (off_t)at) != (ssize_t)sizeof zeros) {
            errnum = errno != 0 ? errno : ENOSPC;
        }
    }
    return errnum == 0 && fsync(fd) != 0 ? errno : errnum;
}

static int append(int fd, enum floor_kind kind, uint64_t count, size_t bytes) {
    unsigned char block[BYTES_MAX];
    memset(block, 'x', bytes);
    for (uint64_t i = 0; i < count; i++) {
        errno = 0;
        if (write(fd, block, bytes) != (ssize_t)bytes) {
            return errno != 0 ? errno : ENOSPC;
        }
        if (kind != FLOOR_WRITE && fdatasync(fd) != 0) {
            return errno;
        }
    }
    return 0;
}

enum status floor_run(enum floor_kind kind, const char *path, uint64_t count,
                      size_t bytes, const struct clock *clock, uint64_t *micros,
                      struct error *error) {
    assert(bytes <= BYTES_MAX);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return error_set_errno(error, errno, "%s: create", path);
    }
    int errnum = kind == FLOOR_PREALLOCATED ? preallocate(fd, count * bytes) : 0;
    uint64_t began = clock_monotonic_micros(clock);
    if (errnum == 0) {
        errnum = append(fd, kind, count, bytes);
    }
    uint64_t ended = clock_monotonic_micros(clock);
    close(fd);
    unlink(path);
    if (errnum != 0) {
        return error_set_errno(error, errnum, "%s: append", path);
    }
    *micros = ended - began;
    return STATUS_OK;
}
