#include "log_file.h"

#include "directory.h"
#include "failpoint.h"
#include "log_writer.h"
#include "memory.h"

enum status log_file_close(struct log_file *log, bool cut, struct error *error) {
    enum status status = STATUS_OK;
    if (cut) {
        status = append_close(log->append, error);
    } else {
        append_abandon(log->append);
    }
    enum status closed = file_close(log->file, status == STATUS_OK ? error : NULL);
    memory_give(log);
    return status != STATUS_OK ? status : closed;
}

/* A full disk must not collect empty logs. One that stays, recovery removes. */
static void take_back(const char *dir, const struct kv_options *options,
                      uint64_t number) {
    enum status status = directory_remove(dir, options->world, NAME_LOG, number, NULL);
    (void)status;
}

static enum status open_mode(const char *dir, const struct kv_options *options,
                             uint64_t number, enum file_mode mode, uint64_t end,
                             struct log_file **out, struct error *error) {
    struct log_file *log = memory_take_zeroed(sizeof *log);
    if (log == NULL) {
        return error_no_memory(error, "a log", sizeof *log);
    }
    log->number = number;
    enum status status =
        directory_file(dir, options->world, NAME_LOG, number, mode, &log->file, error);
    if (status == STATUS_OK) {
        status = append_open(log->file, end, options->log_region, options->log_step_bytes,
                             &log->append, error);
    }
    if (status == STATUS_OK) {
        *out = log;
        return STATUS_OK;
    }
    bool created = mode == FILE_CREATE && log->file != NULL;
    enum status closed = log_file_close(log, false, NULL);
    (void)closed; /* the first failure is told */
    if (created) {
        take_back(dir, options, number);
    }
    return status;
}

/* The creation of a log that has no change yet may have been cut off before its name was
 * synced, and without its name no change in it is durable. */
enum status log_file_open(const char *dir, const struct kv_options *options,
                          uint64_t number, uint64_t end, struct log_file **out,
                          struct error *error) {
    struct log_file *log = NULL;
    enum status status = open_mode(dir, options, number, FILE_WRITE, end, &log, error);
    if (status != STATUS_OK) {
        return status;
    }
    status = directory_sync(options->world->files, dir, error);
    if (status == STATUS_OK) {
        *out = log;
        return STATUS_OK;
    }
    enum status closed = log_file_close(log, false, NULL);
    (void)closed; /* the first failure is told */
    return status;
}

static enum status begin(struct log_file *log, const char *dir,
                         const struct kv_options *options, uint64_t durable,
                         struct error *error) {
    struct log_writer writer = {.append = log->append};
    enum status status = log_writer_mark(&writer, durable + 1, error);
    failpoint_pass(log_created_not_named);
    return status == STATUS_OK ? directory_sync(options->world->files, dir, error)
                               : status;
}

enum status log_file_create(const char *dir, const struct kv_options *options,
                            uint64_t number, uint64_t durable, struct log_file **out,
                            struct error *error) {
    struct log_file *log = NULL;
    if (failpoint(log_create)) {
        return error_set(error, STATUS_IO, "%s: failpoint log_create", dir);
    }
    enum status status = open_mode(dir, options, number, FILE_CREATE, 0, &log, error);
    if (status == STATUS_OK) {
        status = begin(log, dir, options, durable, error);
        if (status == STATUS_OK) {
            *out = log;
            return STATUS_OK;
        }
        enum status closed = log_file_close(log, false, NULL);
        (void)closed; /* the first failure is told */
        take_back(dir, options, number);
    }
    return status;
}
