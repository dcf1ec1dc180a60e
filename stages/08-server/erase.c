/* To erase a database is to put one edit in force that takes out all tables and forgets
 * all logs, and to give readers a view with nothing in it:
 *
 *     writing taken        no change comes in; the last one has sequence s
 *     levels taken         what is being compacted is cut off, nothing begins
 *     flushing taken       a flush under way has ended, none begins
 *     new log number n     nothing is in a log of it yet
 *     the edit             all tables go; tables hold all up to s; logs from n on
 *                          → recorded                              COMMIT POINT
 *     the view             an empty buffer for what comes after s, an empty version
 *     what was taken is given back, files are removed
 *
 * A crash before the commit point leaves tables and logs as they were, with one number
 * that no file has. A crash after it leaves tables that no manifest names, which stand
 * for changes that are not behind s, and logs below n: the next open removes both
 * (unnamed.h, engine_recover.c). Should some of those logs stay, nobody reads them; and
 * what is in a log from n on is behind s, since writers waited. So recovery finds what
 * came after s, or all; never a part.
 *
 * Nothing comes back. A flush reads its buffer from the view, and there is none of before
 * any more when it gets its turn; a compaction would need its levels, and those that had
 * them are over: their edits are in force, and their outputs among what goes, or they
 * were cut off, and have removed them. A resume moves what a view holds into tables only
 * if the tables do not go as far yet (save_kept in engine_recover.c): if the record
 * failed, and nobody knows how, it finds either the edit, whose s is that far, or all
 * that was there.
 *
 * Upkeep's lock is taken within flushing here, for moments: nobody waits for flushing
 * who has it.
 *
 * Who reads goes on with what he has: a view, an iterator's buffers and version, or, at a
 * snapshot, the past that it gets (snapshots.h). Their tables are obsolete, and go when
 * nobody reads them. */
#include "erase.h"

#include "engine_store.h"
#include "snapshots.h"
#include "upkeep_state.h"

struct erasure {
    struct engine *engine;
    struct upkeep *upkeep;
    uint64_t last;               /* sequence */
    uint64_t first_log;          /* of what comes */
    struct version *before;      /* a reference */
    size_t table_count;          /* that it has */
    struct edit edit;            /* takes them all out */
    struct write_buffer *buffer; /* for what comes; NULL: it has its place */
    struct view *view;           /* the same */
    struct past *past;           /* the same */
};

/* ---- before the commit point ----------------------------------------------------- */

static enum status take_out(struct erasure *erasure, struct error *error) {
    const struct version *before = erasure->before;
    for (size_t i = 0; i < before->run_count; i++) {
        const struct sorted_run *run = &before->runs[i];
        for (size_t j = 0; j < run->count; j++) {
            uint64_t number = run->files[j]->meta.number;
            if (edit_remove(&erasure->edit, run->level, number) != STATUS_OK) {
                return error_no_memory(error, "an edit", sizeof erasure->edit);
            }
            erasure->table_count++;
        }
    }
    return STATUS_OK;
}

/* All that may fail without a trace. */
static enum status prepare(struct erasure *erasure, struct error *error) {
    struct engine *engine = erasure->engine;
    enum status status = engine_usable(engine, error);
    if (status == STATUS_OK) {
        status = take_out(erasure, error);
    }
    if (status == STATUS_OK) {
        status = write_buffer_open(UINT64_MAX, engine->options.write_buffer_bytes,
                                   erasure->last, &erasure->buffer, error);
    }
    if (status == STATUS_OK) {
        status = past_open(engine, &erasure->past, error);
    }
    if (status == STATUS_OK) {
        erasure->view = view_open();
        status = erasure->view != NULL
                     ? STATUS_OK
                     : error_no_memory(error, "a view", sizeof *erasure->view);
    }
    return status;
}

/* ---- the commit point, and what readers see -------------------------------------- */

/* Requires editing. */
static void place(struct erasure *erasure, struct version *after) {
    struct engine *engine = erasure->engine;
    struct write_buffer *buffer = erasure->buffer;
    event_log_erased(erasure->upkeep->events, after);
    write_buffer_start(buffer, write_buffer_freeze(engine->active), erasure->last);
    view_add(erasure->view, buffer, erasure->first_log);
    view_set_version(erasure->view, after);
    snapshots_part_begin(engine, erasure->past);
    (void)engine_place_begin(engine);
    engine->active = buffer;
    engine_place_end(engine, erasure->view);
    snapshots_part_end(engine, erasure->past);
    version_unref(engine->version);
    engine->version = after;
    write_buffer_unref(buffer);
    erasure->buffer = NULL;
    erasure->view = NULL;
    erasure->past = NULL;
}

static enum status put_in_force(struct erasure *erasure, struct error *error) {
    struct engine *engine = erasure->engine;
    struct version *after = NULL;
    erasure->edit.last_sequence = erasure->last;
    erasure->edit.log_number = erasure->first_log = wal_rotate(engine->wal);
    mutex_lock(&engine->editing);
    enum status status = engine_record(engine, &erasure->edit, &after, error);
    if (status == STATUS_OK) {
        place(erasure, after);
    } else if (engine_usable_catalog(engine, NULL) != STATUS_OK) {
        snapshots_part_in_doubt(engine, erasure->past, erasure->last);
        erasure->past = NULL;
    }
    mutex_unlock(&engine->editing);
    return status;
}

/* ---- afterwards ------------------------------------------------------------------ */

/* Requires upkeep's lock. The same where nobody knows: a resume removes the files then,
 * or the version that has them is in force again. */
static void retire_tables(struct erasure *erasure) {
    const struct version *before = erasure->before;
    for (size_t i = 0; i < before->run_count; i++) {
        for (size_t j = 0; j < before->runs[i].count; j++) {
            obsolete_add(&erasure->upkeep->obsolete, before->runs[i].files[j]);
        }
    }
}

static void forget_logs(const struct erasure *erasure) {
    struct engine *engine = erasure->engine;
    enum status closed = wal_forget(engine->wal, erasure->last, erasure->first_log, NULL);
    (void)closed; /* nothing is left in those logs that could be lost */
    engine_remove_logs(engine, erasure->first_log);
}

/* ---- the whole ------------------------------------------------------------------- */

/* Requires writing, flushing and all levels. */
static enum status erase(struct erasure *erasure, struct error *error) {
    struct engine *engine = erasure->engine;
    struct upkeep *upkeep = erasure->upkeep;
    erasure->before = engine_version(engine);
    erasure->last = write_buffer_visible(engine->active);
    enum status status = prepare(erasure, error);
    if (status == STATUS_OK) {
        mutex_lock(&upkeep->lock);
        status = obsolete_reserve(&upkeep->obsolete, erasure->table_count) == STATUS_OK
                     ? STATUS_OK
                     : error_no_memory(error, "a list of tables", erasure->table_count);
        mutex_unlock(&upkeep->lock);
    }
    if (status == STATUS_OK) {
        status = put_in_force(erasure, error);
        mutex_lock(&upkeep->lock);
        if (status == STATUS_OK || engine_usable_catalog(engine, NULL) != STATUS_OK) {
            retire_tables(erasure);
        } else {
            obsolete_cancel(&upkeep->obsolete, erasure->table_count);
        }
        mutex_unlock(&upkeep->lock);
    }
    version_unref(erasure->before);
    edit_free(&erasure->edit);
    view_close(erasure->view);
    past_close(erasure->past);
    write_buffer_unref(erasure->buffer);
    return status;
}

enum status engine_erase_all(void *opened, struct error *error) {
    struct engine *engine = opened;
    gate_enter(&engine->gate);
    enum status status = engine_usable(engine, error);
    if (status == STATUS_OK) {
        struct upkeep *upkeep = engine->upkeep;
        struct erasure erasure = {.engine = engine, .upkeep = upkeep};
        mutex_lock(&engine->flushing); /* of the flush under way most passes so, … */
        mutex_unlock(&engine->flushing);
        engine_lock_writing(engine); /* … while writers go on */
        mutex_lock(&upkeep->lock);
        upkeep_take_levels(upkeep);
        mutex_unlock(&upkeep->lock);
        mutex_lock(&engine->flushing);
        status = erase(&erasure, error);
        engine_unlock_writing(engine);
        if (status == STATUS_OK) {
            forget_logs(&erasure);
        }
        mutex_unlock(&engine->flushing);
        mutex_lock(&upkeep->lock);
        upkeep_give_levels(upkeep);
        upkeep_sweep(upkeep);
        if (upkeep->obsolete.count > 0) { /* somebody is to see when they are unread */
            enum status started = upkeep_start(upkeep, NULL);
            (void)started; /* or the next write, or open, does */
        }
        mutex_unlock(&upkeep->lock);
    }
    gate_leave(&engine->gate);
    return status;
}
