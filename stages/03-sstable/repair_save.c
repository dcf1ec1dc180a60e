/* Step 1 of a repair: what can be read goes into tables. */
#include <inttypes.h>

#include "flush.h"
#include "internal_key.h"
#include "memory.h"
#include "merge_iter.h"
#include "repair_engine.h"
#include "salvage.h"
#include "table_salvage.h"
#include "write_buffer.h"

enum { MERGED_AT_ONCE = 32 };

/* ---- sources --------------------------------------------------------------------- */

static enum status add_source(struct repair *r, const struct repair_source *source,
                              struct error *error) {
    if (r->count == r->room) {
        size_t room = r->room == 0 ? 16 : 2 * r->room;
        struct repair_source *sources = memory_resize(r->sources, room * sizeof *sources);
        if (sources == NULL) {
            return error_no_memory(error, "the list of tables", room * sizeof *sources);
        }
        r->sources = sources;
        r->room = room;
    }
    r->sources[r->count++] = *source;
    return STATUS_OK;
}

static enum status open_source(struct repair *r, struct name name,
                               const struct report *report, struct iter **iter,
                               struct error *error) {
    struct file *file = NULL;
    enum status status = directory_file(r->directory.path, r->directory.world, name.kind,
                                        name.number, FILE_READ, &file, error);
    if (status == STATUS_OK) {
        status = table_salvage_open(file, report, iter, error);
        if (status != STATUS_OK) {
            file_release(file);
        }
    }
    return status;
}

/* One that the repair itself has made is removed when it is no longer needed. */
static enum status give_up_source(struct repair *r, struct repair_source *source,
                                  struct error *error) {
    struct name name = source->name;
    source->name.kind = NAME_FOREIGN;
    return name.kind == NAME_TEMPORARY
               ? directory_remove(r->directory.path, r->directory.world, NAME_TEMPORARY,
                                  name.number, error)
               : STATUS_OK;
}

/* ---- tables ---------------------------------------------------------------------- */

/* Reads the whole table, to find out what of it can be read. */
static enum status survey(struct repair *r, struct name name, struct error *error) {
    struct repair_source source = {.name = name};
    struct iter *iter = NULL;
    uint64_t entries = 0;
    char text[NAME_BYTES];
    enum status status = open_source(r, name, &r->report, &iter, error);
    if (status != STATUS_OK) {
        return status;
    }
    for (iter_first(iter); iter->valid; iter_next(iter)) {
        uint64_t sequence = tag_sequence(internal_key_tag(iter->key));
        if (entries == 0 || sequence < source.smallest_sequence) {
            source.smallest_sequence = sequence;
        }
        if (sequence > source.largest_sequence) {
            source.largest_sequence = sequence;
        }
        entries++;
    }
    if (iter->error.status != STATUS_OK) {
        status = error_set(error, iter->error.status, "%s", iter->error.message);
    }
    iter_close(iter);
    if (status != STATUS_OK) {
        return status;
    }
    name_print(text, name.kind, name.number);
    if (entries == 0) {
        report_line(&r->report, "%s: no entry of it can be read", text);
        return STATUS_OK;
    }
    report_line(&r->report,
                "%s: %" PRIu64 " entries can be read, of changes %" PRIu64 " to %" PRIu64,
                text, entries, source.smallest_sequence, source.largest_sequence);
    r->last = source.largest_sequence > r->last ? source.largest_sequence : r->last;
    return add_source(r, &source, error);
}

static bool names(const struct version *version, uint64_t number) {
    for (size_t i = 0; i < version->run_count; i++) {
        for (size_t j = 0; j < version->runs[i].count; j++) {
            if (version->runs[i].files[j]->meta.number == number) {
                return true;
            }
        }
    }
    return false;
}

static bool listed(const struct listing *listing, uint64_t number) {
    for (size_t i = 0; i < listing->other_count; i++) {
        enum name_kind kind = listing->others[i].kind;
        if (listing->others[i].number == number &&
            (kind == NAME_TABLE || kind == NAME_OLD_TABLE)) {
            return true;
        }
    }
    return false;
}

static void tell_missing(const struct repair *r, const struct version *version) {
    for (size_t i = 0; i < version->run_count; i++) {
        for (size_t j = 0; j < version->runs[i].count; j++) {
            uint64_t number = version->runs[i].files[j]->meta.number;
            if (!listed(&r->directory.listing, number)) {
                report_line(&r->report,
                            "%06" PRIu64 ".ldb: missing; nothing of it can "
                            "be saved",
                            number);
            }
        }
    }
}

/* `version` is what the catalog has in force; NULL: nobody knows. */
static enum status survey_tables(struct repair *r, const struct version *version,
                                 struct error *error) {
    const struct listing *listing = &r->directory.listing;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < listing->other_count && status == STATUS_OK; i++) {
        struct name name = listing->others[i];
        if (name.kind != NAME_TABLE && name.kind != NAME_OLD_TABLE) {
            continue;
        }
        if (version == NULL || names(version, name.number)) {
            status = survey(r, name, error);
        } else {
            report_line(&r->report, "%06" PRIu64 ".ldb: no part of the database",
                        name.number);
        }
    }
    if (status == STATUS_OK && version != NULL) {
        tell_missing(r, version);
    }
    return status;
}

/* ---- logs ------------------------------------------------------------------------ */

struct logs {
    struct repair *repair;
    struct write_buffer *buffer; /* NULL: begins with the next change */
    uint64_t last;               /* sequence in it */
    uint64_t changes;
};

/* Makes a table of the buffer. */
static enum status end_buffer(struct logs *logs, struct error *error) {
    struct repair *r = logs->repair;
    struct table_file *file = NULL;
    enum status status = flush_memtable(&r->directory, r->options, logs->buffer->memtable,
                                        logs->buffer->behind, logs->last, &file, error);
    if (status == STATUS_OK) {
        struct repair_source source = {
            {NAME_TEMPORARY, file->meta.number}, logs->buffer->behind + 1, logs->last};
        status = add_source(r, &source, error);
    }
    table_file_unref(file);
    write_buffer_unref(logs->buffer);
    logs->buffer = NULL;
    return status;
}

static enum status take_change(void *context, const struct change_reader *change,
                               struct slice payload, struct error *error) {
    struct logs *logs = context;
    enum status status = STATUS_OK;
    (void)payload;
    if (logs->buffer != NULL && memtable_used(logs->buffer->memtable) >=
                                    logs->repair->options->write_buffer_bytes) {
        status = end_buffer(logs, error);
    }
    if (status == STATUS_OK && logs->buffer == NULL) {
        status =
            write_buffer_open(UINT64_MAX, 0, change->sequence - 1, &logs->buffer, error);
    }
    if (status == STATUS_OK) {
        status = write_buffer_replay(logs->buffer, change, error);
    }
    if (status == STATUS_OK) {
        logs->last = change->sequence + change->count - 1;
        logs->changes++;
    }
    return status;
}

static enum status read_logs(struct repair *r, uint64_t first_log, struct error *error) {
    struct logs logs = {.repair = r};
    struct salvage salvage;
    enum status status =
        salvage_find(&salvage, r->directory.path, r->directory.world,
                     &r->directory.listing, first_log, &r->report, error);
    if (status == STATUS_OK) {
        status = salvage_visit(&salvage, take_change, &logs, error);
    }
    if (status == STATUS_OK && logs.buffer != NULL) {
        status = end_buffer(&logs, error);
    }
    if (status == STATUS_OK) {
        report_line(&r->report, "logs: %" PRIu64 " changes can be read", logs.changes);
        r->last = logs.last > r->last ? logs.last : r->last;
        r->last = salvage.claimed > r->last ? salvage.claimed : r->last;
    }
    write_buffer_unref(logs.buffer);
    salvage_free(&salvage);
    return status;
}

/* ---- what there is --------------------------------------------------------------- */

/* What there is to be saved. The catalog may be what is damaged. */
enum status repair_find(struct repair *r, const struct catalog_ops *catalog,
                        struct error *error) {
    struct catalog_found found = {0};
    struct error damage = {0};
    enum status status = catalog->inspect(&r->directory, &found, &damage);
    if (status == STATUS_OK && found.dropped.status != STATUS_OK) {
        damage = found.dropped; /* or it was damaged: nobody knows */
        version_unref(found.version);
        status = STATUS_CORRUPT;
    }
    if (status == STATUS_CORRUPT) {
        report_line(&r->report, "%s; all tables and logs are taken", damage.message);
        found = (struct catalog_found){0};
        status = STATUS_OK;
    } else if (status != STATUS_OK) {
        return error_set(error, status, "%s", damage.message);
    }
    r->last = found.flushed;
    status = read_logs(r, found.first_log, error);
    if (status == STATUS_OK) {
        status = survey_tables(r, found.version, error);
    }
    version_unref(found.version);
    return status;
}

/* ---- writing --------------------------------------------------------------------- */

/* What a table is filled from. */
struct filling {
    struct iter *iter;
    uint64_t table_bytes;
    struct buf last; /* key */
    uint64_t entries;
};

static bool same_user(struct slice a, struct slice b) {
    return slice_equal(internal_key_user(a), internal_key_user(b));
}

/* Of an entry that stands in a log and in a table, or in two tables, one is enough. */
static enum status fill(void *context, struct table_writer *writer, struct error *error) {
    struct filling *filling = context;
    struct iter *iter = filling->iter;
    enum status status = STATUS_OK;
    bool first = true;
    for (; iter->valid && status == STATUS_OK; iter_next(iter)) {
        struct slice last = buf_slice(&filling->last);
        if (!first && slice_equal(last, iter->key)) {
            continue;
        }
        if (!first && table_writer_bytes(writer) >= filling->table_bytes &&
            !same_user(last, iter->key)) {
            return STATUS_OK;
        }
        first = false;
        status = table_writer_add(writer, iter->key, iter->value, error);
        filling->entries++;
        if (status == STATUS_OK && buf_assign(&filling->last, iter->key) != STATUS_OK) {
            status = error_no_memory(error, "a key", iter->key.length);
        }
    }
    return status == STATUS_OK && iter->error.status != STATUS_OK
               ? error_set(error, iter->error.status, "%s", iter->error.message)
               : status;
}

static enum status merge(struct repair *r, const struct repair_source *sources,
                         size_t count, struct iter **iter, struct error *error) {
    struct iter *children[MERGED_AT_ONCE];
    enum status status = STATUS_OK;
    size_t opened = 0;
    while (opened < count && status == STATUS_OK) {
        status = open_source(r, sources[opened].name, NULL, &children[opened], error);
        opened += status == STATUS_OK;
    }
    if (status == STATUS_OK) {
        return merge_iter_open(children, count, iter, error);
    }
    while (opened > 0) {
        iter_close(children[--opened]);
    }
    return status;
}

/* Merges the sources into tables of at least one entry each, which `edit` adds. */
static enum status write_merged(struct repair *r, const struct repair_source *sources,
                                size_t count, uint64_t behind, uint64_t last,
                                unsigned level, uint64_t table_bytes, struct edit *edit,
                                uint64_t *entries, struct error *error) {
    struct filling filling = {.table_bytes = table_bytes};
    enum status status = merge(r, sources, count, &filling.iter, error);
    if (status != STATUS_OK) {
        return status;
    }
    iter_first(filling.iter);
    do {
        struct table_file *file = NULL;
        status = flush_table(&r->directory, r->options, fill, &filling, behind, last,
                             &file, error);
        if (status == STATUS_OK && edit_add(edit, level, file) != STATUS_OK) {
            status = error_no_memory(error, "an edit", sizeof *edit);
        }
        table_file_unref(file);
    } while (status == STATUS_OK && filling.iter->valid);
    *entries += filling.entries;
    iter_close(filling.iter);
    buf_free(&filling.last);
    return status;
}

/* Makes one source of several, in place of the first. */
static enum status join(struct repair *r, struct repair_source *sources, size_t count,
                        struct error *error) {
    struct repair_source joined = sources[0];
    struct edit edit = {0};
    uint64_t entries = 0;
    for (size_t i = 1; i < count; i++) {
        const struct repair_source *source = &sources[i];
        if (source->smallest_sequence < joined.smallest_sequence) {
            joined.smallest_sequence = source->smallest_sequence;
        }
        if (source->largest_sequence > joined.largest_sequence) {
            joined.largest_sequence = source->largest_sequence;
        }
    }
    enum status status =
        write_merged(r, sources, count, joined.smallest_sequence - 1,
                     joined.largest_sequence, 0, UINT64_MAX, &edit, &entries, error);
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        status = give_up_source(r, &sources[i], error);
    }
    if (status == STATUS_OK) {
        joined.name = (struct name){NAME_TEMPORARY, edit.added[0].file->meta.number};
        sources[0] = joined;
    }
    edit_free(&edit);
    return status;
}

enum status repair_write(struct repair *r, size_t first, size_t count, uint64_t behind,
                         uint64_t last, unsigned level, uint64_t table_bytes,
                         struct error *error) {
    struct repair_source *sources = r->sources + first;
    enum status status = STATUS_OK;
    while (count > MERGED_AT_ONCE && status == STATUS_OK) {
        size_t joined = 0;
        for (size_t i = 0; i < count && status == STATUS_OK; i += MERGED_AT_ONCE) {
            size_t some = count - i < MERGED_AT_ONCE ? count - i : MERGED_AT_ONCE;
            status = join(r, &sources[i], some, error);
            if (status == STATUS_OK && joined != i) {
                sources[joined] = sources[i];
                sources[i].name.kind = NAME_FOREIGN;
            }
            joined++;
        }
        count = joined;
    }
    if (status == STATUS_OK) {
        status = write_merged(r, sources, count, behind, last, level, table_bytes,
                              &r->edit, &r->entries, error);
    }
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        status = give_up_source(r, &sources[i], error);
    }
    return status;
}
