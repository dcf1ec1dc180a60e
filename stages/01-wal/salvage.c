#include "salvage.h"

#include <inttypes.h>
#include <stdlib.h>

#include "log_reader.h"
#include "memory.h"

/* A change that can be read, and where. A sequence may stand in two logs (recover.h). */
struct found {
    uint64_t sequence;
    uint32_t count;
    uint32_t log; /* index in the listing */
    uint64_t offset;
};

/* ---- find ------------------------------------------------------------------------ */

static enum status note(struct salvage *s, const struct change_reader *change,
                        uint32_t log, uint64_t offset, struct error *error) {
    if (s->count == s->room) {
        size_t room = s->room == 0 ? 64 : 2 * s->room;
        struct found *found = memory_resize(s->found, room * sizeof *found);
        if (found == NULL) {
            return error_no_memory(error, "the list of changes", room * sizeof *found);
        }
        s->found = found;
        s->room = room;
    }
    s->found[s->count++] = (struct found){change->sequence, change->count, log, offset};
    return STATUS_OK;
}

/* A record: a change, or nothing that can be used. */
static enum status take_record(struct salvage *s, uint32_t log, const char *name,
                               const struct log_item *item, struct error *error) {
    struct change_reader change;
    const char *why;
    if (!change_read(&change, item->payload, &why)) {
        report_line(s->report, "%s: offset %" PRIu64 ": not saved: %s", name,
                    item->offset, why);
        return STATUS_OK;
    }
    return change.count > 0 ? note(s, &change, log, item->offset, error) : STATUS_OK;
}

static enum status find_in_reader(struct salvage *s, uint32_t log,
                                  struct log_reader *reader, struct error *error) {
    char name[NAME_BYTES];
    name_print(name, NAME_LOG, s->listing->logs[log]);
    enum status status = STATUS_OK;
    struct log_item item = {0};
    while (status == STATUS_OK && item.kind != LOG_END) {
        status = log_reader_next(reader, &item, error);
        if (status != STATUS_OK) {
            break;
        }
        if (item.kind == LOG_RECORD) {
            status = take_record(s, log, name, &item, error);
        } else if (item.kind == LOG_MARK && item.sequence > s->claimed + 1) {
            s->claimed = item.sequence - 1;
        } else if (item.kind == LOG_DAMAGE) {
            status = log_reader_skip(reader, item.offset, error);
            report_line(s->report,
                        "%s: offset %" PRIu64
                        ": %s; nothing is saved from there to offset "
                        "%" PRIu64,
                        name, item.offset, item.why, reader->offset);
        }
    }
    return status;
}

static enum status open_log(struct salvage *s, uint32_t log, struct file **file,
                            struct log_reader *reader, struct error *error) {
    enum status status = directory_file(s->dir, s->world, NAME_LOG, s->listing->logs[log],
                                        FILE_READ, file, error);
    return status == STATUS_OK ? log_reader_init(reader, *file, UINT64_MAX, error)
                               : status;
}

static void close_log(struct file **file, struct log_reader *reader) {
    log_reader_free(reader);
    file_release(*file);
    *file = NULL;
}

/* By sequence; of two copies the one in the newer log first. */
static int compare_found(const void *left, const void *right) {
    const struct found *a = left;
    const struct found *b = right;
    if (a->sequence != b->sequence) {
        return a->sequence < b->sequence ? -1 : 1;
    }
    return (a->log < b->log) - (a->log > b->log);
}

enum status salvage_find(struct salvage *s, const char *dir, const struct world *world,
                         const struct listing *listing, uint64_t first_log,
                         const struct report *report, struct error *error) {
    enum status status = STATUS_OK;
    *s = (struct salvage){
        .dir = dir, .world = world, .listing = listing, .report = report};
    for (uint32_t i = 0; i < listing->log_count && status == STATUS_OK; i++) {
        struct file *file = NULL;
        struct log_reader reader = {0};
        if (listing->logs[i] < first_log) {
            continue;
        }
        status = open_log(s, i, &file, &reader, error);
        if (status == STATUS_OK) {
            status = find_in_reader(s, i, &reader, error);
        }
        close_log(&file, &reader);
    }
    if (s->count > 1) {
        qsort(s->found, s->count, sizeof *s->found, compare_found);
    }
    return status;
}

void salvage_free(struct salvage *s) {
    memory_give(s->found);
    *s = (struct salvage){0};
}

/* ---- visit ----------------------------------------------------------------------- */

static enum status visit_one(struct log_reader *reader, const struct found *found,
                             replay_visit *visit, void *context, struct error *error) {
    struct log_item item;
    struct change_reader change;
    const char *why;
    reader->offset = found->offset;
    enum status status = log_reader_next(reader, &item, error);
    if (status != STATUS_OK) {
        return status;
    }
    if (item.kind != LOG_RECORD || !change_read(&change, item.payload, &why)) {
        return error_set(error, STATUS_IO,
                         "%s: offset %" PRIu64 ": changed while it was read",
                         reader->file->path, found->offset);
    }
    return visit(context, &change, item.payload, error);
}

enum status salvage_visit(struct salvage *s, replay_visit *visit, void *context,
                          struct error *error) {
    enum status status = STATUS_OK;
    uint32_t open = UINT32_MAX;
    struct file *file = NULL;
    struct log_reader reader = {0};
    uint64_t next = 0; /* 0: none was visited */
    for (size_t i = 0; i < s->count && status == STATUS_OK; i++) {
        const struct found *found = &s->found[i];
        if (found->sequence < next) {
            continue; /* a second copy */
        }
        if (next > 0 && found->sequence > next) {
            report_line(s->report,
                        "changes %" PRIu64 " to %" PRIu64 " are in no log that can be "
                        "read",
                        next, found->sequence - 1);
        }
        next = found->sequence + found->count;
        if (found->log != open) {
            close_log(&file, &reader);
            open = found->log;
            status = open_log(s, open, &file, &reader, error);
        }
        if (status == STATUS_OK) {
            status = visit_one(&reader, found, visit, context, error);
        }
    }
    close_log(&file, &reader);
    return status;
}
