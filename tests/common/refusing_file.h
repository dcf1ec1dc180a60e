/* A file over another that refuses its calls when it is told to. */
#ifndef STRATA_TESTS_REFUSING_FILE_H
#define STRATA_TESTS_REFUSING_FILE_H

#include "file.h"
#include "support.h"

struct refusing {
    struct file file;
    struct file *under;
    int allocate_errnum; /* 0: not refused; the same for the others */
    int write_errnum;
    int sync_errnum;
    int truncate_errnum;
    int map_errnum;
    int unmap_errnum;
    size_t allocates;
    size_t writes;
    size_t mappings; /* alive */
};

static struct refusing *refusing_of(struct file *file) {
    return (struct refusing *)file;
}

static int refusing_read_at(struct file *file, uint64_t offset, void *bytes, size_t count,
                            size_t *done) {
    struct file *under = refusing_of(file)->under;
    return under->ops->read_at(under, offset, bytes, count, done);
}

static int refusing_write_at(struct file *file, uint64_t offset, const void *bytes,
                             size_t count, size_t *done) {
    struct refusing *refusing = refusing_of(file);
    struct file *under = refusing->under;
    refusing->writes++;
    return refusing->write_errnum != 0
               ? refusing->write_errnum
               : under->ops->write_at(under, offset, bytes, count, done);
}

/* No power is lost here: what a sync does is not looked at. */
static int refusing_sync(struct file *file) {
    return refusing_of(file)->sync_errnum;
}

static int refusing_truncate(struct file *file, uint64_t bytes) {
    struct refusing *refusing = refusing_of(file);
    struct file *under = refusing->under;
    assert_int_equal(refusing->mappings, 0); /* never cut under a mapping */
    return refusing->truncate_errnum != 0 ? refusing->truncate_errnum
                                          : under->ops->truncate(under, bytes);
}

static int refusing_allocate(struct file *file, uint64_t offset, uint64_t bytes) {
    struct refusing *refusing = refusing_of(file);
    struct file *under = refusing->under;
    refusing->allocates++;
    return refusing->allocate_errnum != 0 ? refusing->allocate_errnum
                                          : under->ops->allocate(under, offset, bytes);
}

static int refusing_size(struct file *file, uint64_t *bytes) {
    struct file *under = refusing_of(file)->under;
    return under->ops->size(under, bytes);
}

static int refusing_map(struct file *file, uint64_t offset, size_t bytes, bool writable,
                        void **address) {
    struct refusing *refusing = refusing_of(file);
    struct file *under = refusing->under;
    int errnum = refusing->map_errnum != 0
                     ? refusing->map_errnum
                     : under->ops->map(under, offset, bytes, writable, address);
    refusing->mappings += errnum == 0;
    return errnum;
}

static int refusing_unmap(struct file *file, void *address, size_t bytes) {
    struct refusing *refusing = refusing_of(file);
    int errnum = refusing->under->ops->unmap(refusing->under, address, bytes);
    refusing->mappings -= errnum == 0;
    return refusing->unmap_errnum != 0 ? refusing->unmap_errnum : errnum;
}

static int refusing_close(struct file *file) {
    (void)file;
    return 0;
}

static bool refusing_at_hand(struct file *file, uint64_t offset, size_t count) {
    struct file *under = refusing_of(file)->under;
    return under->ops->at_hand(under, offset, count);
}

static const struct file_ops refusing_ops = {
    refusing_read_at,  refusing_write_at, refusing_sync, refusing_truncate,
    refusing_allocate, refusing_size,     refusing_map,  refusing_unmap,
    refusing_close,    refusing_at_hand,
};

#endif
