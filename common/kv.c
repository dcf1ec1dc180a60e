/* The front of every store: arguments are checked and defaults filled in here, once, and
 * the stage that the program is linked with does the work. */
#include "kv.h"

#include <assert.h>

#include "kv_async.h"
#include "kv_check.h"
#include "kv_checkpoint.h"
#include "memory.h"
#include "settings.h"
#include "stage.h"

struct kv {
    void *store;
    enum durability durability; /* what DURABILITY_DEFAULT stands for */
};

struct kv_options kv_options_default(void) {
    struct kv_options options = {.create = true, .world = &world_system};
    for (size_t i = 0; i < setting_count; i++) {
        struct error error = {0};
        enum status status =
            settings_set(&options, settings[i].name, settings[i].initial, &error);
        assert(status == STATUS_OK);
        (void)status;
    }
    return options;
}

/* ---- arguments ------------------------------------------------------------------- */

static bool durability_known(enum durability durability) {
    switch (durability) {
    case DURABILITY_DEFAULT:
    case DURABILITY_NONE:
    case DURABILITY_INTERVAL:
    case DURABILITY_ALWAYS:
        return true;
    }
    return false;
}

/* Fills *resolved from what the caller gave. The ranges of the settings table are for
 * users; a program may go below them, but not to zero. */
static enum status resolve_options(const char *path, const struct kv_options *options,
                                   struct kv_options *resolved, struct error *error) {
    *resolved = kv_options_default();
    enum durability fallback = resolved->durability;
    if (options != NULL) {
        *resolved = *options;
    }
    if (resolved->durability == DURABILITY_DEFAULT) {
        resolved->durability = fallback;
    }
    if (resolved->log_region == APPEND_AUTO) { /* what a sync costs, a mapping adds to */
        resolved->log_region =
            resolved->durability == DURABILITY_ALWAYS ? APPEND_WRITE : APPEND_MAPPED;
    }
    if (path == NULL || path[0] == '\0') {
        return error_set(error, STATUS_INVALID, "the name of the database is empty");
    }
    if (!durability_known(resolved->durability) || resolved->log_region > APPEND_AUTO) {
        return error_set(error, STATUS_INVALID,
                         "%s: options: durability or log region is not one that there is",
                         path);
    }
    if (resolved->interval_millis == 0 || resolved->interval_bytes == 0 ||
        resolved->log_bytes == 0 || resolved->log_step_bytes == 0 ||
        resolved->memory_bytes == 0 || resolved->write_buffer_bytes == 0 ||
        resolved->max_open_files == 0 || resolved->block_bytes == 0 ||
        resolved->restart_interval == 0 || resolved->table_bytes == 0 ||
        resolved->level0_tables == 0 || resolved->stall_millis == 0 ||
        resolved->world == NULL) {
        return error_set(
            error, STATUS_INVALID,
            "%s: options: interval, log, memory and table sizes and world must be set "
            "(see kv_options_default)",
            path);
    }
    if (resolved->write_buffers < KV_WRITE_BUFFERS_MIN ||
        resolved->write_buffers > KV_WRITE_BUFFERS_MAX ||
        resolved->compaction_threads == 0 ||
        resolved->compaction_threads > KV_COMPACTION_THREADS_MAX) {
        return error_set(
            error, STATUS_INVALID,
            "%s: options: write buffers from %d to %d and compaction threads "
            "from 1 to %d are possible",
            path, KV_WRITE_BUFFERS_MIN, KV_WRITE_BUFFERS_MAX, KV_COMPACTION_THREADS_MAX);
    }
    return STATUS_OK;
}

/* ---- the store ------------------------------------------------------------------- */

enum status kv_open(const char *dir, const struct kv_options *options, struct kv **kv,
                    struct error *error) {
    struct kv_options resolved;
    enum status status = resolve_options(dir, options, &resolved, error);
    if (status != STATUS_OK) {
        return status;
    }
    struct kv *opened = memory_take_zeroed(sizeof *opened);
    if (opened == NULL) {
        return error_no_memory(error, "store", sizeof *opened);
    }
    opened->durability = resolved.durability;
    status = stage.store->open(dir, &resolved, &opened->store, error);
    if (status != STATUS_OK) {
        memory_give(opened);
        return status;
    }
    *kv = opened;
    return STATUS_OK;
}

enum status kv_close(struct kv *kv, struct error *error) {
    if (kv == NULL) {
        return STATUS_OK;
    }
    enum status status = stage.store->close(kv->store, error);
    memory_give(kv);
    return status;
}

enum status kv_put(struct kv *kv, struct slice key, struct slice value,
                   const struct kv_write_options *options, struct error *error) {
    struct kv_op op = {KV_PUT, key, value};
    return kv_write(kv, &op, 1, options, error);
}

enum status kv_delete(struct kv *kv, struct slice key,
                      const struct kv_write_options *options, struct error *error) {
    struct kv_op op = {.type = KV_DELETE, .key = key};
    return kv_write(kv, &op, 1, options, error);
}

static enum status check_durability(enum durability durability, struct error *error) {
    return durability_known(durability)
               ? STATUS_OK
               : error_set(error, STATUS_INVALID,
                           "durability %d is not one that there is", (int)durability);
}

/* Checks a change, and fills in how it is written. */
static enum status check_write(const struct kv *kv, const struct kv_op *ops, size_t count,
                               const struct kv_write_options *options,
                               struct kv_write_options *how, struct error *error) {
    *how = options != NULL ? *options : (struct kv_write_options){0};
    enum status status = check_durability(how->durability, error);
    if (status != STATUS_OK) {
        return status;
    }
    if (how->no_wait && !stage_has(FEATURE_BATCH)) {
        return stage_lacks(FEATURE_BATCH, error);
    }
    if (how->durability == DURABILITY_DEFAULT) {
        how->durability = kv->durability;
    }
    return count > 0 ? kv_check_change(ops, count, error) : STATUS_OK;
}

enum status kv_write(struct kv *kv, const struct kv_op *ops, size_t count,
                     const struct kv_write_options *options, struct error *error) {
    struct kv_write_options how;
    uint64_t sequence = 0;
    enum status status = check_write(kv, ops, count, options, &how, error);
    if (status == STATUS_OK && count > 0) {
        status = stage.store->write(kv->store, ops, count, &how, &sequence, error);
    }
    if (how.sequence != NULL) {
        *how.sequence = sequence;
    }
    return status;
}

/* Whether it can be read at. NULL is now. */
static enum status check_snapshot(const struct kv *kv, const struct kv_snapshot *snapshot,
                                  struct error *error) {
    if (snapshot == NULL || snapshot->store == kv->store) {
        return STATUS_OK;
    }
    return error_set(error, STATUS_INVALID,
                     snapshot->store == NULL ? "the snapshot's store has been closed"
                                             : "the snapshot is of another store");
}

static enum status check_read(const struct kv *kv, const struct kv_read_options *options,
                              struct error *error) {
    return options->no_wait && !stage_has(FEATURE_READ_NO_WAIT)
               ? stage_lacks(FEATURE_READ_NO_WAIT, error)
               : check_snapshot(kv, options->snapshot, error);
}

enum status kv_submit(struct kv *kv, const struct kv_op *ops, size_t count,
                      const struct kv_write_options *options, kv_told *told,
                      void *context, struct error *error) {
    struct kv_write_options how;
    uint64_t sequence = 0;
    enum status status = check_write(kv, ops, count, options, &how, error);
    if (status == STATUS_OK && !stage_has(FEATURE_SUBMIT)) {
        status = stage_lacks(FEATURE_SUBMIT, error);
    } else if (status == STATUS_OK && count > 0) {
        status = stage.store->submit(kv->store, ops, count, &how, told, context,
                                     &sequence, error);
    } else if (status == STATUS_OK) {
        const struct error none = {0};
        told(context, 0, STATUS_OK, &none);
    }
    if (how.sequence != NULL) {
        *how.sequence = sequence;
    }
    return status;
}

enum status kv_notify(struct kv *kv, uint64_t sequence, enum durability durability,
                      kv_told *told, void *context, struct error *error) {
    if (!stage_has(FEATURE_SUBMIT)) {
        return stage_lacks(FEATURE_SUBMIT, error);
    }
    enum status status = check_durability(durability, error);
    return status == STATUS_OK
               ? stage.store->notify(kv->store, sequence,
                                     durability == DURABILITY_DEFAULT ? kv->durability
                                                                      : durability,
                                     told, context, error)
               : status;
}

enum status kv_get(struct kv *kv, struct slice key, struct buf *value,
                   const struct kv_read_options *options, struct error *error) {
    if (!slice_present(key)) {
        return error_set(error, STATUS_INVALID,
                         "the key is absent (an empty one has data)");
    }
    struct kv_read_options given = {0};
    if (options != NULL) {
        given = *options;
    }
    uint64_t observed = 0;
    const struct kv_read_options passed = {&observed, given.snapshot, given.no_wait, 0};
    enum status status = check_read(kv, &given, error);
    if (status == STATUS_OK) {
        status = stage.store->get(kv->store, key, value, &passed, error);
    }
    if ((status == STATUS_OK || status == STATUS_NOT_FOUND) && given.observed != NULL) {
        *given.observed = observed;
    }
    return status;
}

enum status kv_get_many(struct kv *kv, const struct slice *keys, size_t count,
                        struct buf *values, enum status *statuses,
                        const struct kv_read_options *options, struct error *error) {
    struct kv_read_options given = {0};
    if (!stage_has(FEATURE_GET_MANY)) {
        return stage_lacks(FEATURE_GET_MANY, error);
    }
    if (options != NULL) {
        given = *options;
    }
    for (size_t i = 0; i < count; i++) {
        if (!slice_present(keys[i])) {
            return error_set(error, STATUS_INVALID,
                             "key %zu is absent (an empty one has data)", i);
        }
    }
    uint64_t observed = 0;
    const struct kv_read_options passed = {&observed, given.snapshot, given.no_wait,
                                           given.most_bytes};
    enum status status = check_read(kv, &given, error);
    if (status == STATUS_OK) {
        status = stage.store->get_many(kv->store, keys, count, values, statuses, &passed,
                                       error);
    }
    if (status == STATUS_OK && given.observed != NULL) {
        *given.observed = observed;
    }
    return status;
}

void kv_foresee(struct kv *kv, const struct slice *keys, size_t count) {
    assert(count <= KV_FORESEEN);
    if (stage_has(FEATURE_GET_MANY)) {
        stage.store->foresee(kv->store, keys, count);
    }
}

enum status kv_iter(struct kv *kv, const struct kv_iter_options *options,
                    struct iter **iter, struct error *error) {
    struct kv_iter_options given = {0};
    if (options != NULL) {
        given = *options;
    }
    uint64_t observed = 0;
    const struct kv_iter_options passed = {given.from, given.to, &observed,
                                           given.snapshot};
    enum status status = check_snapshot(kv, given.snapshot, error);
    if (status == STATUS_OK) {
        status = stage.store->iter(kv->store, &passed, iter, error);
    }
    if (status == STATUS_OK && given.observed != NULL) {
        *given.observed = observed;
    }
    return status;
}

enum status kv_snapshot_take(struct kv *kv, struct kv_snapshot **snapshot,
                             struct error *error) {
    return stage_has(FEATURE_SNAPSHOT)
               ? stage.store->snapshot_take(kv->store, snapshot, error)
               : stage_lacks(FEATURE_SNAPSHOT, error);
}

uint64_t kv_snapshot_sequence(const struct kv_snapshot *snapshot) {
    return snapshot->sequence;
}

void kv_snapshot_release(struct kv_snapshot *snapshot) {
    if (snapshot != NULL) {
        stage.store->snapshot_release(snapshot);
    }
}

enum status kv_sync(struct kv *kv, struct error *error) {
    return stage.store->sync(kv->store, error);
}

enum status kv_flush(struct kv *kv, struct error *error) {
    return stage.store->flush(kv->store, error);
}

enum status kv_compact(struct kv *kv, struct slice from, struct slice to,
                       struct error *error) {
    return stage_has(FEATURE_COMPACT) ? stage.store->compact(kv->store, from, to, error)
                                      : stage_lacks(FEATURE_COMPACT, error);
}

enum status kv_erase_all(struct kv *kv, struct error *error) {
    return stage_has(FEATURE_ERASE) ? stage.store->erase_all(kv->store, error)
                                    : stage_lacks(FEATURE_ERASE, error);
}

enum status kv_checkpoint(struct kv *kv, const char *path,
                          const struct kv_copy_options *options, struct error *error) {
    return stage_has(FEATURE_CHECKPOINT)
               ? stage.store->checkpoint(kv->store, path, options, error)
               : stage_lacks(FEATURE_CHECKPOINT, error);
}

enum status kv_backup(struct kv *kv, const char *backups,
                      const struct kv_copy_options *options, uint64_t *number,
                      struct error *error) {
    return stage_has(FEATURE_BACKUP)
               ? stage.store->backup(kv->store, backups, options, number, error)
               : stage_lacks(FEATURE_BACKUP, error);
}

enum status kv_resume(struct kv *kv, struct error *error) {
    return stage.store->resume(kv->store, error);
}

void kv_progress(struct kv *kv, struct kv_progress *progress) {
    stage.store->progress(kv->store, progress);
}

void kv_stats(struct kv *kv, struct kv_stats *stats) {
    *stats = (struct kv_stats){0};
    stage.store->stats(kv->store, stats);
}

/* ---- offline --------------------------------------------------------------------- */

static void report_nowhere(void *context, const char *line) {
    (void)context;
    (void)line;
}

enum status kv_verify(const char *dir, const struct kv_options *options,
                      kv_report *report, void *context, struct error *error) {
    struct kv_options resolved;
    enum status status = resolve_options(dir, options, &resolved, error);
    return status != STATUS_OK
               ? status
               : stage.store->verify(dir, &resolved,
                                     report == NULL ? report_nowhere : report, context,
                                     error);
}

enum status kv_repair(const char *dir, const struct kv_options *options,
                      kv_report *report, void *context, struct error *error) {
    struct kv_options resolved;
    enum status status = resolve_options(dir, options, &resolved, error);
    return status != STATUS_OK
               ? status
               : stage.store->repair(dir, &resolved,
                                     report == NULL ? report_nowhere : report, context,
                                     error);
}

enum status kv_dump(const char *path, const struct kv_options *options, kv_report *report,
                    void *context, struct error *error) {
    struct kv_options resolved;
    enum status status = resolve_options(path, options, &resolved, error);
    return status != STATUS_OK
               ? status
               : stage.store->dump(path, &resolved,
                                   report == NULL ? report_nowhere : report, context,
                                   error);
}

enum status kv_backups(const char *backups, const struct kv_options *options,
                       kv_backup_visitor *visit, void *context, struct error *error) {
    struct kv_options resolved;
    enum status status = stage_has(FEATURE_BACKUP)
                             ? resolve_options(backups, options, &resolved, error)
                             : stage_lacks(FEATURE_BACKUP, error);
    return status != STATUS_OK
               ? status
               : stage.store->backups(backups, &resolved, visit, context, error);
}

enum status kv_restore(const char *backup, const char *target,
                       const struct kv_options *options,
                       const struct kv_copy_options *copy, struct error *error) {
    struct kv_options resolved;
    enum status status = stage_has(FEATURE_RESTORE)
                             ? resolve_options(target, options, &resolved, error)
                             : stage_lacks(FEATURE_RESTORE, error);
    return status != STATUS_OK
               ? status
               : stage.store->restore(backup, target, &resolved, copy, error);
}
