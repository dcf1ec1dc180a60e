#include "dump.h"

#include <inttypes.h>
#include <string.h>

#include "change.h"
#include "log_reader.h"
#include "names.h"
#include "report.h"

/* NULL, or what is wrong with the change. */
static const char *dump_change(const struct report *report, const struct log_item *item) {
    struct change_reader change;
    struct kv_op op;
    const char *why;
    char key[REPORT_TEXT_BYTES];
    char value[REPORT_TEXT_BYTES];
    if (!change_read(&change, item->payload, &why)) {
        report_line(report, "%8" PRIu64 "  record of %zu bytes that is no change: %s",
                    item->offset, item->payload.length, why);
        return why;
    }
    report_line(report, "%8" PRIu64 "  change  sequence %" PRIu64 ", count %" PRIu32,
                item->offset, change.sequence, change.count);
    while (change_next(&change, &op)) {
        if (op.type == KV_PUT) {
            report_line(report, "            put %s = %s", report_bytes(key, op.key),
                        report_bytes(value, op.value));
        } else {
            report_line(report, "            delete %s", report_bytes(key, op.key));
        }
    }
    return NULL;
}

/* The first fault is the one to tell. */
static void note(struct error *first, const struct log_reader *reader, uint64_t offset,
                 const char *why) {
    if (why != NULL && first->status == STATUS_OK) {
        error_set(first, STATUS_CORRUPT, "%s: offset %" PRIu64 ": %s", reader->file->path,
                  offset, why);
    }
}

static enum status dump_items(struct log_reader *reader, const struct report *report,
                              struct error *first, struct error *error) {
    enum status status = STATUS_OK;
    struct log_item item = {0};
    while (status == STATUS_OK && item.kind != LOG_END) {
        status = log_reader_next(reader, &item, error);
        if (status != STATUS_OK) {
            break;
        }
        switch (item.kind) {
        case LOG_RECORD:
            note(first, reader, item.offset, dump_change(report, &item));
            break;
        case LOG_MARK:
            report_line(report,
                        "%8" PRIu64 "  mark    changes up to %" PRIu64 " are durable",
                        item.offset, item.sequence - 1);
            break;
        case LOG_DAMAGE:
            report_line(report, "%8" PRIu64 "  damage  %s", item.offset, item.why);
            note(first, reader, item.offset, item.why);
            status = log_reader_skip(reader, item.offset, error);
            break;
        case LOG_END:
            report_line(report, "%8" PRIu64 "  end", item.offset);
            break;
        }
    }
    return status;
}

enum status log_dump(const char *path, const struct kv_options *options, kv_report *line,
                     void *context, struct error *error) {
    const struct report report = {line, context};
    const char *slash = strrchr(path, '/');
    if (name_parse(slash == NULL ? path : slash + 1).kind != NAME_LOG) {
        return error_set(
            error, STATUS_INVALID,
            "%s: not a log by its name (NNNNNN.log); this stage decodes logs", path);
    }
    struct file *file = NULL;
    struct log_reader reader = {0};
    struct error first = {0};
    enum status status = file_open(options->world->files, path, FILE_READ, &file, error);
    if (status == STATUS_OK) {
        status = log_reader_init(&reader, file, UINT64_MAX, error);
    }
    if (status == STATUS_OK) {
        status = dump_items(&reader, &report, &first, error);
    }
    if (status == STATUS_OK && first.status != STATUS_OK) {
        status = error_set(error, first.status, "%s", first.message);
    }
    log_reader_free(&reader);
    file_release(file);
    return status;
}
