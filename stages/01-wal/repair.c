#include "repair.h"

#include <inttypes.h>
#include <stdlib.h>

#include "coding.h"
#include "failpoint.h"
#include "log_reader.h"
#include "log_writer.h"
#include "memory.h"
#include "recover.h"
#include "report.h"

/* A change that can be read, and where. A sequence may stand in two logs (recover.h). */
struct found {
    uint64_t sequence;
    uint32_t count;
    uint32_t log; /* index in the listing */
    uint64_t offset;
};

struct repairing {
    struct directory directory;
    struct report report;
    bool incomplete; /* logs of LevelDB that open refuses, though no mark was missed */
    uint64_t number; /* of the file that receives what is saved */
    struct found *found;
    size_t count;
    size_t room;
    uint64_t changes; /* saved */
    uint64_t last;    /* their last sequence, numbered anew */
};

/* ---- step 1: find ---------------------------------------------------------------- */

static enum status note(struct repairing *r, const struct change_reader *change,
                        uint32_t log, uint64_t offset, struct error *error) {
    if (r->count == r->room) {
        size_t room = r->room == 0 ? 64 : 2 * r->room;
        struct found *found = memory_resize(r->found, room * sizeof *found);
        if (found == NULL) {
            return error_no_memory(error, "the list of changes", room * sizeof *found);
        }
        r->found = found;
        r->room = room;
    }
    r->found[r->count++] = (struct found){change->sequence, change->count, log, offset};
    return STATUS_OK;
}

static enum status find_in_reader(struct repairing *r, uint32_t log,
                                  struct log_reader *reader, struct error *error) {
    char name[NAME_BYTES];
    name_print(name, NAME_LOG, r->directory.listing.logs[log]);
    enum status status = STATUS_OK;
    struct log_item item = {0};
    while (status == STATUS_OK && item.kind != LOG_END) {
        status = log_reader_next(reader, &item, error);
        if (status != STATUS_OK) {
            break;
        }
        if (item.kind == LOG_RECORD) {
            struct change_reader change;
            const char *why;
            if (!change_read(&change, item.payload, &why)) {
                report_line(&r->report, "%s: offset %" PRIu64 ": not saved: %s", name,
                            item.offset, why);
            } else if (change.count > 0) {
                status = note(r, &change, log, item.offset, error);
            }
        } else if (item.kind == LOG_DAMAGE) {
            status = log_reader_skip(reader, item.offset, error);
            report_line(&r->report,
                        "%s: offset %" PRIu64
                        ": %s; nothing is saved from there to offset "
                        "%" PRIu64,
                        name, item.offset, item.why, reader->offset);
        }
    }
    return status;
}

static enum status open_log(struct repairing *r, uint32_t log, struct file **file,
                            struct log_reader *reader, struct error *error) {
    enum status status =
        directory_file(r->directory.path, r->directory.world, NAME_LOG,
                       r->directory.listing.logs[log], FILE_READ, file, error);
    return status == STATUS_OK ? log_reader_init(reader, *file, UINT64_MAX, error)
                               : status;
}

static void close_log(struct file **file, struct log_reader *reader) {
    log_reader_free(reader);
    file_release(*file);
    *file = NULL;
}

static enum status find(struct repairing *r, struct error *error) {
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < r->directory.listing.log_count && status == STATUS_OK; i++) {
        struct file *file = NULL;
        struct log_reader reader = {0};
        status = open_log(r, i, &file, &reader, error);
        if (status == STATUS_OK) {
            status = find_in_reader(r, i, &reader, error);
        }
        close_log(&file, &reader);
    }
    return status;
}

/* ---- step 1: save ---------------------------------------------------------------- */

/* By sequence; of two copies the one in the newer log first. */
static int compare_found(const void *left, const void *right) {
    const struct found *a = left;
    const struct found *b = right;
    if (a->sequence != b->sequence) {
        return a->sequence < b->sequence ? -1 : 1;
    }
    return (a->log < b->log) - (a->log > b->log);
}

static enum status save_change(struct repairing *r, struct log_reader *reader,
                               const struct found *found, struct log_writer *writer,
                               struct error *error) {
    struct log_item item;
    unsigned char *payload;
    bool begun;
    reader->offset = found->offset;
    enum status status = log_reader_next(reader, &item, error);
    if (status != STATUS_OK) {
        return status;
    }
    if (item.kind != LOG_RECORD || item.payload.length < CHANGE_HEADER_BYTES) {
        return error_set(error, STATUS_IO,
                         "%s: offset %" PRIu64 ": changed while it was read",
                         reader->file->path, found->offset);
    }
    status = log_writer_begin(writer, item.payload.length, 0, &payload, error);
    if (status == STATUS_OK) {
        memcpy(payload, item.payload.data, item.payload.length);
        encode_fixed64(payload, r->last + 1);
        status = log_writer_end(writer, &begun, error);
    }
    if (status == STATUS_OK) {
        r->last += found->count;
        r->changes++;
    }
    return status;
}

static enum status save_changes(struct repairing *r, struct log_writer *writer,
                                struct error *error) {
    enum status status = STATUS_OK;
    uint32_t open = UINT32_MAX;
    struct file *file = NULL;
    struct log_reader reader = {0};
    uint64_t next = 1;
    for (size_t i = 0; i < r->count && status == STATUS_OK; i++) {
        const struct found *found = &r->found[i];
        if (found->sequence < next) {
            continue; /* a second copy */
        }
        if (found->sequence > next) {
            report_line(&r->report,
                        "changes %" PRIu64 " to %" PRIu64 " are not to be found", next,
                        found->sequence - 1);
        }
        next = found->sequence + found->count;
        if (found->log != open) {
            close_log(&file, &reader);
            open = found->log;
            status = open_log(r, open, &file, &reader, error);
        }
        if (status == STATUS_OK) {
            status = save_change(r, &reader, found, writer, error);
        }
    }
    close_log(&file, &reader);
    return status;
}

/* Writes the whole file and syncs it: what it says to be durable must be, before it says
 * so. */
static enum status write_saved(struct repairing *r, struct append *append,
                               struct error *error) {
    struct log_writer writer = {.append = append};
    enum status status = log_writer_mark(&writer, 1, error);
    if (status == STATUS_OK) {
        status = save_changes(r, &writer, error);
    }
    if (status == STATUS_OK) {
        status = append_sync(append, error);
    }
    if (status == STATUS_OK && r->last > 0) {
        status = log_writer_mark(&writer, r->last + 1, error);
    }
    if (status == STATUS_OK) {
        status = append_sync(append, error);
    }
    return status;
}

static enum status save(struct repairing *r, const struct kv_options *options,
                        struct error *error) {
    struct file *file = NULL;
    struct append *append = NULL;
    enum status status =
        directory_file(r->directory.path, r->directory.world, NAME_TEMPORARY, r->number,
                       FILE_OVERWRITE, &file, error);
    if (status == STATUS_OK) {
        status =
            append_open(file, 0, APPEND_WRITE, options->log_step_bytes, &append, error);
    }
    if (status == STATUS_OK) {
        status = write_saved(r, append, error);
    }
    if (status == STATUS_OK) {
        status = append_close(append, error);
    } else {
        append_abandon(append);
    }
    enum status closed = file_close(file, status == STATUS_OK ? error : NULL);
    status = status != STATUS_OK ? status : closed;
    failpoint_pass(repair_saved_not_named);
    return status;
}

/* ---- steps 2 to 4 ---------------------------------------------------------------- */

static enum status rename_number(struct repairing *r, enum name_kind from,
                                 enum name_kind to, struct error *error) {
    char from_name[NAME_BYTES];
    char to_name[NAME_BYTES];
    name_print(from_name, from, r->number);
    name_print(to_name, to, r->number);
    char *from_path = path_join(r->directory.path, from_name);
    char *to_path = path_join(r->directory.path, to_name);
    enum status status = STATUS_OK;
    if (from_path == NULL || to_path == NULL) {
        status = error_no_memory(error, "a path", NAME_BYTES);
    } else {
        status = file_rename(r->directory.world->files, from_path, to_path, error);
    }
    memory_give(from_path);
    memory_give(to_path);
    if (status == STATUS_OK) {
        status = directory_sync(r->directory.world->files, r->directory.path, error);
    }
    return status;
}

static enum status move_log(struct repairing *r, const char *lost, uint64_t number,
                            struct error *error) {
    char name[NAME_BYTES];
    name_print(name, NAME_LOG, number);
    char *from = path_join(r->directory.path, name);
    char *to = path_join(lost, name);
    enum status status = from == NULL || to == NULL
                             ? error_no_memory(error, "a path", NAME_BYTES)
                             : file_rename(r->directory.world->files, from, to, error);
    memory_give(from);
    memory_give(to);
    return status;
}

static enum status move_logs(struct repairing *r, struct error *error) {
    const struct file_system *files = r->directory.world->files;
    char *lost = path_join(r->directory.path, "lost");
    if (lost == NULL) {
        return error_no_memory(error, "a path", NAME_BYTES);
    }
    enum status status = directory_make(files, lost, error);
    if (status == STATUS_OK) {
        status = directory_sync(files, r->directory.path, error);
    }
    for (size_t i = 0; i < r->directory.listing.log_count && status == STATUS_OK; i++) {
        status = move_log(r, lost, r->directory.listing.logs[i], error);
    }
    if (status == STATUS_OK) {
        status = directory_sync(files, lost, error);
    }
    if (status == STATUS_OK) {
        status = directory_sync(files, r->directory.path, error);
    }
    failpoint_pass(repair_moved);
    memory_give(lost);
    return status;
}

static enum status finish(struct repairing *r, struct error *error) {
    enum status status = move_logs(r, error);
    if (status == STATUS_OK) {
        status = rename_number(r, NAME_REPAIRED, NAME_LOG, error);
    }
    if (status == STATUS_OK) {
        report_line(&r->report,
                    "the database is %06" PRIu64 ".log now; the old logs are in "
                    "%s/lost",
                    r->number, r->directory.path);
    }
    return status;
}

/* ---------------------------------------------------------------------------------- */

/* Whether recovery would refuse the logs; OK: it would not. */
static enum status diagnose(struct repairing *r, bool *damaged, struct error *error) {
    struct replay replay = {0};
    struct error verdict = {0};
    enum status status =
        replay_run(&replay, r->directory.path, r->directory.world, &r->directory.listing,
                   &replay_everything, NULL, NULL, &verdict);
    *damaged = status == STATUS_CORRUPT || r->incomplete;
    replay_free(&replay);
    return status == STATUS_CORRUPT || status == STATUS_OK
               ? STATUS_OK
               : error_set(error, status, "%s", verdict.message);
}

static enum status run(struct repairing *r, const struct kv_options *options,
                       struct error *error) {
    bool damaged = false;
    if (r->directory.listing.repaired > 0) {
        r->number = r->directory.listing.repaired;
        report_line(&r->report, "finishing the repair that was cut off");
        return finish(r, error);
    }
    enum status status = diagnose(r, &damaged, error);
    if (status != STATUS_OK || !damaged) {
        if (status == STATUS_OK) {
            report_line(&r->report, "nothing is damaged; nothing was changed");
        }
        return status;
    }
    r->number = r->directory.listing.largest + 1;
    status = find(r, error);
    if (status == STATUS_OK) {
        if (r->count > 1) {
            qsort(r->found, r->count, sizeof *r->found, compare_found);
        }
        status = save(r, options, error);
    }
    if (status == STATUS_OK) {
        report_line(&r->report, "%" PRIu64 " changes are saved", r->changes);
        status =
            rename_number(r, NAME_TEMPORARY, NAME_REPAIRED, error); /* COMMIT POINT */
    }
    failpoint_pass(repair_named);
    return status == STATUS_OK ? finish(r, error) : status;
}

enum status log_repair(const char *dir, const struct kv_options *options, kv_report *line,
                       void *context, struct error *error) {
    struct repairing r = {.report = {line, context}};
    struct kv_options existing = *options;
    existing.create = false;
    existing.exclusive = false;
    enum status status = recover_may_adopt(dir, options->world, error);
    if (status == STATUS_CORRUPT) {
        r.incomplete = true;
        status = STATUS_OK;
    }
    if (status == STATUS_OK) {
        status = directory_open(&r.directory, dir, &existing, error);
    }
    if (status == STATUS_OK) {
        status = listing_must_be_logs(&r.directory.listing, dir, error);
    }
    if (status == STATUS_OK) {
        status = run(&r, options, error);
    }
    memory_give(r.found);
    directory_close(&r.directory);
    return status;
}
