/* One log that is being written: its file and the region at its end. A value on the heap,
 * owned by the wal. */
#ifndef STRATA_LOG_FILE_H
#define STRATA_LOG_FILE_H

#include "kv.h"

struct log_file {
    uint64_t number;
    struct file *file;
    struct append *append;
};

/* A new log, with its first mark and a durable name, but no change in it yet. On an error
 * there is no such log, or one without a change, which recovery removes. */
MUST_CHECK enum status log_file_create(const char *dir, const struct kv_options *options,
                                       uint64_t number, uint64_t durable,
                                       struct log_file **log, struct error *error);

/* An existing log, to be written from offset `end` on; makes its name durable. */
MUST_CHECK enum status log_file_open(const char *dir, const struct kv_options *options,
                                     uint64_t number, uint64_t end, struct log_file **log,
                                     struct error *error);

/* Frees it whatever happens. `cut`: the file is ended behind what was committed;
 * otherwise it is left as it is. */
MUST_CHECK enum status log_file_close(struct log_file *log, bool cut,
                                      struct error *error);

#endif
