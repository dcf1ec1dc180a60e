/* From a directory to an engine that takes writes:
 *
 *   1. catalog   which tables are the database, and up to which change they go
 *   2. kept      after a failure only: what was acknowledged is still in memory, and
 *                goes into tables before the logs are looked at
 *   3. logs      recovered (recover.h) behind what the tables hold, into a buffer
 *   4. place     the view, from which on there are readers and writers
 *
 * A history of logs longer than a buffer does not stay in memory: whenever the buffer is
 * full, it is written to a table, under a temporary name. When the logs are recovered,
 * these tables, and one with the rest, are put in force by one edit, which forgets all
 * the logs that were there. A crash before that leaves the logs as recover.h leaves them;
 * the next open begins again. A directory of LevelDB goes this way too, the first time,
 * however short its logs are: from then on the catalog's count is Strata's own.
 *
 * Why memory first, in 2? After a failed sync the log may have lost what was acknowledged
 * with less than "durable", and reading it would only find out how much. */
#include "engine_state.h"

#include "failpoint.h"
#include "flush.h"
#include "memory.h"
#include "table_file.h"

struct starting {
    struct engine *engine;
    struct catalog_found found; /* kept up to date by put_in_force */
    struct edit edit;           /* tables that are written and not yet in force */
    struct write_buffer *buffer;
    uint64_t last; /* of the buffer's changes */
    struct wal *wal;
};

/* ---- tables ---------------------------------------------------------------------- */

static enum status add_table(struct starting *s, struct write_buffer *buffer,
                             uint64_t last, struct error *error) {
    struct table_file *file = NULL;
    enum status status =
        flush_memtable(&s->engine->directory, &s->engine->options, buffer->memtable,
                       buffer->behind, last, &file, error);
    if (status == STATUS_OK) {
        status = edit_add(&s->edit, 0, file) == STATUS_OK
                     ? STATUS_OK
                     : error_no_memory(error, "an edit", sizeof s->edit);
        s->edit.last_sequence = last;
    }
    table_file_unref(file);
    return status;
}

static enum status put_in_force(struct starting *s, struct error *error) {
    struct version *version = NULL;
    enum status status = version_apply(s->found.version, &s->edit, &version, error);
    if (status == STATUS_OK) {
        bool begun; /* all the same: the catalog will be opened anew */
        status = s->engine->parts->catalog->apply(s->engine->catalog, &s->edit, version,
                                                  &begun, error);
    }
    if (status != STATUS_OK) {
        version_unref(version);
        return status;
    }
    version_unref(s->found.version);
    s->found.version = version;
    s->found.flushed = s->edit.last_sequence;
    s->found.begins_before = false; /* what is in force now counts tables only */
    edit_free(&s->edit);
    return STATUS_OK;
}

/* ---- step 2 ---------------------------------------------------------------------- */

static enum status save_kept(struct starting *s, const struct view *kept,
                             struct error *error) {
    enum status status = STATUS_OK;
    for (size_t i = kept->buffer_count; i-- > 0 && status == STATUS_OK;) {
        struct write_buffer *buffer = kept->buffers[i].buffer;
        uint64_t last = write_buffer_visible(buffer);
        if (last > s->found.flushed && last > buffer->behind) { /* not an empty one */
            status = add_table(s, buffer, last, error);
        }
    }
    if (status == STATUS_OK && s->edit.added_count > 0) {
        status = put_in_force(s, error);
    }
    return status;
}

/* ---- step 3 ---------------------------------------------------------------------- */

static enum status next_buffer(struct starting *s, uint64_t behind, struct error *error) {
    write_buffer_unref(s->buffer);
    s->buffer = NULL;
    s->last = behind;
    return write_buffer_open(UINT64_MAX, s->engine->options.write_buffer_bytes, behind,
                             &s->buffer, error);
}

static enum status replay_change(void *context, const struct change_reader *change,
                                 struct slice payload, struct error *error) {
    struct starting *s = context;
    enum status status = STATUS_OK;
    (void)payload;
    if (s->last == s->buffer->behind) {
        s->buffer->behind = change->sequence - 1; /* where the chain begins */
    } else if (memtable_used(s->buffer->memtable) >=
               s->engine->options.write_buffer_bytes) {
        status = add_table(s, s->buffer, s->last, error);
        if (status == STATUS_OK) {
            status = next_buffer(s, s->last, error);
        }
    }
    if (status == STATUS_OK) {
        status = write_buffer_replay(s->buffer, change, error);
    }
    s->last = change->sequence + change->count - 1;
    return status;
}

/* The rest goes into a table, too, and the next change into a log of its own, so that all
 * logs that were there are forgotten at once. */
static enum status flush_all(struct starting *s, struct error *error) {
    enum status status = STATUS_OK;
    if (s->last > s->buffer->behind) {
        status = add_table(s, s->buffer, s->last, error);
    }
    if (status == STATUS_OK) {
        status = next_buffer(s, s->last, error);
    }
    if (status == STATUS_OK) {
        s->found.first_log = wal_rotate(s->wal);
        s->edit.log_number = s->found.first_log;
        s->edit.last_sequence = s->last;
        status = put_in_force(s, error);
    }
    return status;
}

/* What the catalog says is durable since it is open, so what it has forgotten may go: a
 * crash, or a failure, came between a flush and the removal of its logs. */
static void remove_forgotten_logs(struct starting *s) {
    const struct listing *listing = &s->engine->directory.listing;
    if (listing->log_count > 0 && listing->logs[0] < s->found.first_log) {
        engine_remove_logs(s->engine, s->found.first_log);
    }
}

static enum status recover_logs(struct starting *s, struct error *error) {
    struct engine *engine = s->engine;
    struct replay_options which = replay_everything;
    which.first_log = s->found.first_log;
    which.behind = s->found.flushed;
    which.begins_before = s->found.begins_before;
    enum status status = next_buffer(s, s->found.flushed, error);
    if (status == STATUS_OK) {
        status = recover(&engine->directory, &engine->options, &which, replay_change, s,
                         &s->wal, &engine->recovery, error);
    }
    /* What the catalog found may count changes that were in logs only. Nothing may be
     * written behind such a count: where the next chain begins could not be told. */
    if (status == STATUS_OK && (s->edit.added_count > 0 || s->found.begins_before)) {
        status = flush_all(s, error);
    }
    if (status == STATUS_OK) { /* not before: an open that is refused removes nothing */
        remove_forgotten_logs(s);
    }
    return status;
}

/* ---- step 4 ---------------------------------------------------------------------- */

static enum status place(struct starting *s, struct error *error) {
    struct engine *engine = s->engine;
    struct view *view = view_open();
    if (view == NULL) {
        return error_no_memory(error, "a view", sizeof *view);
    }
    enum status status = syncer_open(s->wal, &engine->options, &engine->syncer, error);
    if (status == STATUS_OK) {
        status =
            engine->parts->upkeep->open(engine, s->found.version, &engine->upkeep, error);
    }
    if (status != STATUS_OK) {
        view_close(view);
        return status;
    }
    view_add(view, s->buffer, s->found.first_log);
    view_set_version(view, s->found.version);
    version_unref(engine->version);
    version_ref(s->found.version);
    engine->version = s->found.version;
    engine->wal = s->wal;
    engine->active = s->buffer;
    write_buffer_start(s->buffer, s->wal, s->last);
    s->wal = NULL;
    (void)engine_place_begin(engine);
    atomic_u64_store(&engine->broken, 0, memory_order_relaxed);
    engine_place_end(engine, view);
    return STATUS_OK;
}

/* Tables that were written and are not in force. What cannot be removed, the next open
 * removes. */
static void take_back(struct starting *s) {
    const struct directory *directory = &s->engine->directory;
    for (size_t i = 0; i < s->edit.added_count; i++) {
        enum status status =
            directory_remove(directory->path, directory->world, NAME_TEMPORARY,
                             s->edit.added[i].file->meta.number, NULL);
        (void)status;
    }
}

enum status engine_start(struct engine *engine, const struct view *kept,
                         struct error *error) {
    struct starting s = {.engine = engine};
    enum status status = engine->parts->catalog->open(
        &engine->directory, &engine->options, &engine->catalog, &s.found, error);
    /* Iterators go on through a resume. Whether a table is still read, only one count of
     * its references can tell. */
    if (status == STATUS_OK && engine->version != NULL) {
        status = version_share(s.found.version, engine->version, error);
    }
    if (status == STATUS_OK && kept != NULL) {
        status = save_kept(&s, kept, error);
    }
    if (status == STATUS_OK) {
        status = recover_logs(&s, error);
    }
    if (status == STATUS_OK) {
        status = place(&s, error);
    }
    if (status != STATUS_OK) {
        take_back(&s);
        syncer_close(engine->syncer);
        engine->syncer = NULL;
        wal_abandon(s.wal);
        engine->parts->catalog->close(engine->catalog);
        engine->catalog = NULL;
    }
    write_buffer_unref(s.buffer);
    version_unref(s.found.version);
    edit_free(&s.edit);
    return status;
}

enum status engine_stop(struct engine *engine, struct error *error) {
    engine->parts->upkeep->close(engine->upkeep);
    syncer_close(engine->syncer);
    enum status status = STATUS_OK;
    if (engine->wal != NULL) {
        wal_progress(engine->wal, &engine->last);
        status = write_buffer_stop(engine->active, error);
    }
    engine->parts->catalog->close(engine->catalog);
    engine->upkeep = NULL;
    engine->syncer = NULL;
    engine->wal = NULL;
    engine->catalog = NULL;
    return status;
}
