#include "dump_manifest.h"

#include <inttypes.h>

#include "dump_engine.h"
#include "dump_table.h"
#include "log_reader.h"
#include "version_edit.h"

struct dumping {
    struct log_reader reader;
    struct report report;
    struct error first; /* fault; status OK: none yet */
};

static void damage_at(struct dumping *d, uint64_t offset, const char *why) {
    report_line(&d->report, "%8" PRIu64 "  CORRUPT  %s", offset, why);
    if (d->first.status == STATUS_OK) {
        error_set(&d->first, STATUS_CORRUPT, "%s: offset %" PRIu64 ": %s",
                  d->reader.file->path, offset, why);
    }
}

static void dump_numbers(const struct report *report, const struct manifest_edit *edit) {
    char name[REPORT_TEXT_BYTES];
    if (slice_present(edit->comparator)) {
        report_line(report, "            keys are ordered by %s",
                    report_bytes(name, edit->comparator));
    }
    if (edit->has_log_number) {
        report_line(report, "            logs below %" PRIu64 " are forgotten",
                    edit->log_number);
    }
    if (edit->has_previous_log_number) {
        report_line(report, "            previous log %" PRIu64,
                    edit->previous_log_number);
    }
    if (edit->has_next_number) {
        report_line(report, "            next file number %" PRIu64, edit->next_number);
    }
    if (edit->has_last_sequence) {
        report_line(report, "            last sequence %" PRIu64, edit->last_sequence);
    }
}

static void dump_tables(const struct report *report, const struct manifest_edit *edit) {
    char key[DUMP_KEY_BYTES], largest[DUMP_KEY_BYTES];
    for (size_t i = 0; i < edit->pointer_count; i++) {
        report_line(report, "            level %u: the next compaction begins at %s",
                    edit->pointers[i].level, dump_key(key, edit->pointers[i].key));
    }
    for (size_t i = 0; i < edit->removed_count; i++) {
        report_line(report, "            level %u: table %" PRIu64 " goes",
                    edit->removed[i].level, edit->removed[i].number);
    }
    for (size_t i = 0; i < edit->added_count; i++) {
        const struct manifest_added *added = &edit->added[i];
        report_line(report,
                    "            level %u: table %" PRIu64 " comes, %" PRIu64
                    " bytes, from %s to %s",
                    added->level, added->number, added->bytes,
                    dump_key(key, added->smallest), dump_key(largest, added->largest));
    }
}

static enum status dump_edit(struct dumping *d, const struct log_item *item,
                             struct error *error) {
    struct manifest_edit edit = {0};
    const char *why;
    enum status status = manifest_edit_decode(&edit, item->payload, &why);
    if (status == STATUS_CORRUPT) {
        damage_at(d, item->offset, why);
        return STATUS_OK;
    }
    if (status != STATUS_OK) {
        return error_no_memory(error, "an edit of the manifest", item->payload.length);
    }
    report_line(&d->report, "%8" PRIu64 "  edit     %zu bytes", item->offset,
                item->payload.length);
    dump_numbers(&d->report, &edit);
    dump_tables(&d->report, &edit);
    manifest_edit_free(&edit);
    return STATUS_OK;
}

static enum status dump_edits(struct dumping *d, struct error *error) {
    enum status status = STATUS_OK;
    struct log_item item = {0};
    while (status == STATUS_OK && item.kind != LOG_END) {
        status = log_reader_next(&d->reader, &item, error);
        if (status != STATUS_OK) {
            break;
        }
        switch (item.kind) {
        case LOG_RECORD:
            status = dump_edit(d, &item, error);
            break;
        case LOG_MARK:
            damage_at(d, item.offset, "a mark of a write-ahead log");
            break;
        case LOG_DAMAGE:
            damage_at(d, item.offset, item.why);
            status = log_reader_skip(&d->reader, item.offset, error);
            break;
        case LOG_END:
            report_line(&d->report, "%8" PRIu64 "  end", item.offset);
            break;
        }
    }
    return status;
}

enum status manifest_dump(const char *path, const struct kv_options *options,
                          kv_report *line, void *context, struct error *error) {
    struct dumping d = {.report = {line, context}};
    struct file *file = NULL;
    if (dump_name(path).kind != NAME_MANIFEST) {
        return engine_dump(path, options, line, context, error);
    }
    enum status status = file_open(options->world->files, path, FILE_READ, &file, error);
    if (status == STATUS_OK) {
        status = log_reader_init(&d.reader, file, UINT64_MAX, error);
    }
    if (status == STATUS_OK) {
        status = dump_edits(&d, error);
    }
    if (status == STATUS_OK && d.first.status != STATUS_OK) {
        status = error_set(error, d.first.status, "%s", d.first.message);
    }
    log_reader_free(&d.reader);
    file_release(file);
    return status;
}
