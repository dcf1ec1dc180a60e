#include "repair.h"

#include <inttypes.h>

#include "coding.h"
#include "failpoint.h"
#include "log_writer.h"
#include "memory.h"
#include "recover.h"
#include "salvage.h"

struct repairing {
    struct directory directory;
    struct report report;
    bool incomplete; /* logs of LevelDB that open refuses, though no mark was missed */
    uint64_t number; /* of the file that receives what is saved */
    struct salvage salvage;
    struct log_writer writer; /* of what is saved */
    uint64_t changes;         /* saved */
    uint64_t last;            /* their last sequence, numbered anew */
};

/* ---- step 1 ---------------------------------------------------------------------- */

static enum status save_change(void *context, const struct change_reader *change,
                               struct slice payload, struct error *error) {
    struct repairing *r = context;
    unsigned char *room;
    bool begun;
    if (r->changes == 0 && change->sequence > 1) {
        report_line(&r->report, "changes 1 to %" PRIu64 " are in no log that can be read",
                    change->sequence - 1);
    }
    enum status status = log_writer_begin(&r->writer, payload.length, 0, &room, error);
    if (status == STATUS_OK) {
        memcpy(room, payload.data, payload.length);
        encode_fixed64(room, r->last + 1);
        status = log_writer_end(&r->writer, &begun, error);
    }
    if (status == STATUS_OK) {
        r->last += change->count;
        r->changes++;
    }
    return status;
}

/* Writes the whole file and syncs it: what it says to be durable must be, before it says
 * so. */
static enum status write_saved(struct repairing *r, struct append *append,
                               struct error *error) {
    r->writer = (struct log_writer){.append = append};
    enum status status = log_writer_mark(&r->writer, 1, error);
    if (status == STATUS_OK) {
        status = salvage_visit(&r->salvage, save_change, r, error);
    }
    if (status == STATUS_OK) {
        status = append_sync(append, error);
    }
    if (status == STATUS_OK && r->last > 0) {
        status = log_writer_mark(&r->writer, r->last + 1, error);
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

static enum status move_logs(struct repairing *r, struct error *error) {
    const struct listing *listing = &r->directory.listing;
    struct name *names = memory_take(listing->log_count * sizeof *names);
    if (names == NULL) {
        return error_no_memory(error, "the list of logs", listing->log_count);
    }
    for (size_t i = 0; i < listing->log_count; i++) {
        names[i] = (struct name){NAME_LOG, listing->logs[i]};
    }
    enum status status = directory_set_aside(r->directory.path, r->directory.world, names,
                                             listing->log_count, error);
    failpoint_pass(repair_moved);
    memory_give(names);
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
    status = salvage_find(&r->salvage, r->directory.path, r->directory.world,
                          &r->directory.listing, 0, &r->report, error);
    if (status == STATUS_OK) {
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
    salvage_free(&r.salvage);
    directory_close(&r.directory);
    return status;
}
