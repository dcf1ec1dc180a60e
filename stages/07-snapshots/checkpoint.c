/* What the tables of one moment hold is the database up to one sequence: buffers become
 * tables in the order in which they were filled, and compactions change no contents. So
 * after a flush the tables are all that a copy needs, without a log and without a
 * snapshot:
 *
 *     flush                     all that was acknowledged is in tables
 *     version and its sequence  of one view; the reference keeps the files (obsolete.h)
 *     tables                    linked, or copied and synced
 *     MANIFEST                  one edit that names them; synced, the directory too
 *     CURRENT                   synced, renamed, the directory synced
 *     rename of the directory, parent synced            COMMIT POINT (unfinished.c)
 *
 * A table of a version is durable with its bytes, so a link needs a sync of its directory
 * only. The manifest has a number that the store has not given to any file; the copy goes
 * on from there. It names no log: there is none below its own number.
 *
 * The gate is entered meanwhile: a resume would remove tables that only this version
 * names. */
#include "checkpoint.h"

#include "current.h"
#include "engine_state.h"
#include "engine_store.h"
#include "manifest.h"
#include "unfinished.h"

/* ---- the moment ------------------------------------------------------------------ */

struct moment {
    struct version *version; /* a reference */
    uint64_t sequence;       /* of the last change that its tables hold */
};

static struct moment take_moment(struct engine *engine) {
    const struct view *view = engine_place_begin(engine);
    const struct write_buffer *oldest = view->buffers[view->buffer_count - 1].buffer;
    struct moment moment = {view->version, oldest->behind};
    version_ref(moment.version);
    mutex_unlock(&engine->placing);
    return moment;
}

/* ---- its tables ------------------------------------------------------------------ */

static uint64_t bytes_of(const struct version *version) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < version->run_count; i++) {
        for (size_t j = 0; j < version->runs[i].count; j++) {
            bytes += version->runs[i].files[j]->meta.bytes;
        }
    }
    return bytes;
}

static enum status bring_table(const struct engine *engine, const char *dir,
                               const char *shared, struct copying *copying,
                               const struct table_meta *meta, struct error *error) {
    const char *from = shared == NULL ? engine->directory.path : shared;
    bool same = shared == NULL;
    enum status status = STATUS_OK;
    if (shared != NULL && shared[0] != '\0') {
        status = copying_same(copying, engine->directory.path, shared, meta->number,
                              &same, error);
    }
    if (status == STATUS_OK && same) {
        status = copying_link(copying, from, dir, meta->number, error);
        if (status == STATUS_OK) {
            copying_passed(copying, meta->bytes);
        }
        same = status != STATUS_UNSUPPORTED;
    }
    if (status == STATUS_UNSUPPORTED || (status == STATUS_OK && !same)) {
        struct name name = {NAME_TABLE, meta->number};
        status = copying_numbered(copying, engine->directory.path, dir, name, error);
    }
    return status;
}

static enum status bring_tables(const struct engine *engine, const char *dir,
                                const char *shared, struct copying *copying,
                                const struct version *version, struct error *error) {
    enum status status = STATUS_OK;
    for (size_t i = 0; i < version->run_count; i++) {
        const struct sorted_run *run = &version->runs[i];
        for (size_t j = 0; j < run->count && status == STATUS_OK; j++) {
            status =
                bring_table(engine, dir, shared, copying, &run->files[j]->meta, error);
        }
    }
    return status;
}

/* ---- what names them ------------------------------------------------------------- */

static enum status describe(const struct moment *moment, uint64_t number,
                            struct manifest_state *state, struct error *error) {
    struct manifest_edit edit = {.has_log_number = true,
                                 .has_next_number = true,
                                 .has_last_sequence = true,
                                 .log_number = number,
                                 .next_number = number + 1,
                                 .last_sequence = moment->sequence};
    const char *why = "";
    enum status status = STATUS_OK;
    for (size_t i = 0; i < moment->version->run_count; i++) {
        const struct sorted_run *run = &moment->version->runs[i];
        for (size_t j = 0; j < run->count && status == STATUS_OK; j++) {
            const struct table_meta *meta = &run->files[j]->meta;
            status = manifest_edit_add(
                &edit, (struct manifest_added){run->level, meta->number, meta->bytes,
                                               buf_slice(&meta->smallest),
                                               buf_slice(&meta->largest)});
        }
    }
    if (status == STATUS_OK) {
        status = manifest_state_apply(state, &edit, &why);
    }
    manifest_edit_free(&edit);
    return status == STATUS_OK        ? status
           : status == STATUS_CORRUPT ? error_set(error, status, "a manifest: %s", why)
                                      : error_no_memory(error, "a manifest", 0);
}

static enum status write_names(struct engine *engine, const char *dir,
                               const struct moment *moment, struct error *error) {
    const struct world *world = engine->options.world;
    struct manifest_state state = {0};
    struct manifest *manifest = NULL;
    uint64_t number = directory_number(&engine->directory);
    const struct current current = {CURRENT_MANIFEST, number};
    bool begun;
    enum status status = describe(moment, number, &state, error);
    if (status == STATUS_OK) {
        status = manifest_create(dir, world, number, &state, &manifest, error);
    }
    enum status closed = manifest_close(manifest, status == STATUS_OK ? error : NULL);
    status = status != STATUS_OK ? status : closed;
    if (status == STATUS_OK) {
        status = current_write(dir, world, &current, number, &begun, error);
    }
    manifest_state_free(&state);
    return status;
}

/* ---- the whole ------------------------------------------------------------------- */

enum status checkpoint_fill(struct engine *engine, const char *dir, const char *shared,
                            struct copying *copying, struct error *error) {
    enum status status = engine_flush(engine, error);
    if (status != STATUS_OK) {
        return status;
    }
    gate_enter(&engine->gate);
    struct moment moment = take_moment(engine);
    copying->whole = bytes_of(moment.version);
    status = bring_tables(engine, dir, shared, copying, moment.version, error);
    if (status == STATUS_OK) {
        status = write_names(engine, dir, &moment, error);
    }
    version_unref(moment.version);
    gate_leave(&engine->gate);
    copying->sequence = moment.sequence;
    return status;
}

enum status engine_checkpoint(void *opened, const char *path,
                              const struct kv_copy_options *options,
                              struct error *error) {
    struct engine *engine = opened;
    const struct world *world = engine->options.world;
    struct copying copying;
    struct unfinished unfinished = {0};
    enum status status = copying_begin(&copying, world, options, error);
    if (status != STATUS_OK) {
        return status;
    }
    status = unfinished_begin(&unfinished, path, false, world, error);
    if (status == STATUS_OK) {
        status = checkpoint_fill(engine, unfinished.path, NULL, &copying, error);
        if (status == STATUS_OK) {
            status = unfinished_finish(&unfinished, error);
        } else {
            unfinished_abandon(&unfinished);
        }
    }
    if (status == STATUS_OK) {
        copying_tell(&copying);
    }
    copying_end(&copying);
    return status;
}
