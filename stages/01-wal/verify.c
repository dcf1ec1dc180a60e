#include "verify.h"

#include <inttypes.h>

#include "log_reader.h"
#include "recover.h"
#include "report.h"

/* Reports what stands in one log from its first damage on. */
static enum status report_damage(const struct directory *directory,
                                 const struct replay_log *log,
                                 const struct report *report, struct error *error) {
    char name[NAME_BYTES];
    name_print(name, NAME_LOG, log->number);
    report_line(report, "%s: offset %" PRIu64 ": %s", name, log->end, log->why);
    struct file *file = NULL;
    struct log_reader reader = {0};
    enum status status = directory_file(directory->path, directory->world, NAME_LOG,
                                        log->number, FILE_READ, &file, error);
    if (status == STATUS_OK) {
        status = log_reader_init(&reader, file, UINT64_MAX, error);
    }
    if (status == STATUS_OK) {
        status = log_reader_skip(&reader, log->end, error);
    }
    struct log_item item = {0};
    uint64_t readable = 0;
    while (status == STATUS_OK && item.kind != LOG_END) {
        status = log_reader_next(&reader, &item, error);
        if (status == STATUS_OK && item.kind == LOG_DAMAGE) {
            report_line(report, "%s: offset %" PRIu64 ": %s", name, item.offset,
                        item.why);
            status = log_reader_skip(&reader, item.offset, error);
        } else if (status == STATUS_OK) {
            readable += item.kind == LOG_RECORD;
        }
    }
    if (status == STATUS_OK && readable > 0) {
        report_line(report, "%s: %" PRIu64 " records can be read behind the damage", name,
                    readable);
    }
    log_reader_free(&reader);
    file_release(file);
    return status;
}

static enum status report_logs(const struct directory *directory,
                               const struct replay *replay, const struct report *report,
                               struct error *error) {
    enum status status = STATUS_OK;
    for (size_t i = 0; i < replay->log_count && status == STATUS_OK; i++) {
        const struct replay_log *log = &replay->logs[i];
        char name[NAME_BYTES];
        name_print(name, NAME_LOG, log->number);
        report_line(report, "%s: %" PRIu64 " bytes, %" PRIu64 " of them in order%s%s",
                    name, log->bytes, log->end,
                    log->foreign ? ", written by LevelDB" : "",
                    log->clean ? "" : ", then damage");
        if (!log->clean) {
            status = report_damage(directory, log, report, error);
        }
    }
    return status;
}

enum status log_verify(const char *dir, const struct kv_options *options, kv_report *line,
                       void *context, struct error *error) {
    const struct report report = {line, context};
    struct kv_options existing = *options;
    struct directory directory = {0};
    struct replay replay = {0};
    struct error verdict = {0};
    existing.create = false;
    existing.exclusive = false;
    enum status judged = STATUS_OK;
    enum status status = recover_may_adopt(dir, options->world, error);
    if (status == STATUS_OK) {
        status = directory_open(&directory, dir, &existing, error);
    }
    if (status == STATUS_OK) {
        status = listing_must_be_logs(&directory.listing, dir, error);
    }
    if (status == STATUS_OK) {
        status = listing_must_be_whole(&directory.listing, dir, error);
    }
    if (status != STATUS_OK) {
        goto out;
    }
    judged = replay_run(&replay, dir, options->world, &directory.listing,
                        &replay_everything, NULL, NULL, &verdict);
    if (judged == STATUS_OK || judged == STATUS_CORRUPT) {
        status = report_logs(&directory, &replay, &report, error);
    }
    if (status == STATUS_OK && judged != STATUS_OK) {
        status = error_set(error, judged, "%s", verdict.message);
    }
    if (status == STATUS_OK) {
        report_line(&report,
                    "ok: %" PRIu64 " changes, up to sequence %" PRIu64
                    ", known to be durable up to %" PRIu64,
                    replay.changes, replay.last, replay.durable);
    }
out:
    replay_free(&replay);
    directory_close(&directory);
    return status;
}
