/* To apply an edit:
 *
 *   1. tables     the new ones get their names, durably
 *   2. record     the edit is appended to the manifest and synced       COMMIT POINT
 *
 * The first edit of an open, and one that finds the manifest grown past its size, writes
 * a new manifest instead: a snapshot of all, synced, its name too, then CURRENT is
 * replaced                                                              COMMIT POINT
 *
 * A manifest that was read is never written on, since what could be read need not be on
 * the disk: after a failed sync the last edit may be gone with the power. Usually that
 * does no harm. An edit that moved a buffer into a table removes the buffer's logs once
 * it is synced; if it is lost, the logs are there, and hold what the table held. But an
 * open that believed in the table would not have made the logs durable. And an edit that
 * merged tables leaves those that the manifest names without it. So where logs or tables
 * are found that the manifest does not name, or a manifest that CURRENT does not name, or
 * the last edit is damaged, open writes a new manifest before it returns; only then are
 * files removed that the old one may need.
 *
 * That manifest says what the old one said. LevelDB counts in its last_sequence changes
 * that are in logs only: a new manifest of what LevelDB wrote is marked as LevelDB's too,
 * until an edit says how far the tables go.
 *
 * An open of a directory that LevelDB would take for empty, and of one of stage 03, first
 * sees to it that CURRENT says LISTING: so there is one way to a first manifest. Until
 * CURRENT names it, the directory is stage 03's.
 *
 * tidy: long because what apply writes and what open makes of it are one argument. */
#include "catalog_manifest.h"

#include <inttypes.h>

#include "catalog_listing.h"
#include "current.h"
#include "failpoint.h"
#include "manifest.h"
#include "memory.h"
#include "replay.h"
#include "table.h"
#include "table_file.h"

/* A manifest longer than this, and than twice what a snapshot took when it was begun, has
 * grown: so the cost of snapshots stays below that of the edits between them. */
enum { MANIFEST_BYTES_MAX = 1 << 20 };

struct catalog_of_manifest {
    struct directory *directory;
    struct manifest *manifest; /* NULL: no edit since the open */
    uint64_t snapshot_bytes;   /* its first edit */
    uint64_t current;          /* number of the manifest that CURRENT names; 0: none */
    uint64_t log_number;       /* as the last edit has them */
    uint64_t last_sequence;
    bool foreign; /* LevelDB's last_sequence, which counts changes of the logs too */
};

/* ---- a new manifest -------------------------------------------------------------- */

static struct manifest_added added_of(unsigned level, const struct table_meta *meta) {
    return (struct manifest_added){level, meta->number, meta->bytes,
                                   buf_slice(&meta->smallest), buf_slice(&meta->largest)};
}

/* The numbers that every edit of Strata has. */
static struct manifest_edit numbers_of(const struct catalog_of_manifest *catalog) {
    return (struct manifest_edit){
        .has_log_number = true,
        .has_next_number = true,
        .has_last_sequence = true,
        .has_previous_log_number = catalog->foreign, /* says so (manifest_state.h) */
        .log_number = catalog->log_number,
        .last_sequence = catalog->last_sequence,
        .next_number =
            atomic_u64_load(&catalog->directory->next_number, memory_order_relaxed)};
}

/* All of the version as one edit. */
static enum status describe(const struct catalog_of_manifest *catalog,
                            const struct version *version, struct manifest_state *state,
                            struct error *error) {
    struct manifest_edit edit = numbers_of(catalog);
    const char *why = "";
    enum status status = STATUS_OK;
    for (size_t i = 0; i < version->run_count && status == STATUS_OK; i++) {
        const struct sorted_run *run = &version->runs[i];
        for (size_t j = 0; j < run->count && status == STATUS_OK; j++) {
            status = manifest_edit_add(&edit, added_of(run->level, &run->files[j]->meta));
        }
    }
    if (status == STATUS_OK) {
        status = manifest_state_apply(state, &edit, &why);
    }
    manifest_edit_free(&edit);
    return status == STATUS_OK || status == STATUS_CORRUPT
               ? status
               : error_no_memory(error, "a manifest", 0);
}

static enum status replace_current(struct catalog_of_manifest *catalog, uint64_t number,
                                   bool *begun, struct error *error) {
    const struct current current = {CURRENT_MANIFEST, number};
    struct directory *directory = catalog->directory;
    enum status status =
        current_write(directory->path, directory->world, &current,
                      directory_number(directory), begun, error); /* COMMIT POINT */
    if (status != STATUS_OK && !*begun) {
        enum status removed = directory_remove(directory->path, directory->world,
                                               NAME_MANIFEST, number, NULL);
        (void)removed; /* nothing names it */
    }
    return status;
}

/* *begun as in catalog_ops.apply. */
static enum status write_new(struct catalog_of_manifest *catalog,
                             const struct version *version, bool *begun,
                             struct error *error) {
    struct directory *directory = catalog->directory;
    struct manifest_state state = {0};
    struct manifest *manifest = NULL;
    uint64_t number = directory_number(directory);
    *begun = false;
    enum status status = describe(catalog, version, &state, error);
    if (status == STATUS_OK) {
        status = manifest_create(directory->path, directory->world, number, &state,
                                 &manifest, error);
    }
    if (status == STATUS_OK) {
        status = replace_current(catalog, number, begun, error);
    }
    manifest_state_free(&state);
    if (status != STATUS_OK) {
        enum status closed = manifest_close(manifest, NULL);
        (void)closed; /* the first failure is told */
        return status;
    }
    enum status closed = manifest_close(catalog->manifest, NULL);
    (void)closed; /* no longer in force */
    if (catalog->current != 0) {
        enum status removed = directory_remove(directory->path, directory->world,
                                               NAME_MANIFEST, catalog->current, NULL);
        (void)removed; /* left for the next open */
    }
    catalog->manifest = manifest;
    catalog->snapshot_bytes = manifest_bytes(manifest);
    catalog->current = number;
    return STATUS_OK;
}

static bool has_grown(const struct catalog_of_manifest *catalog) {
    uint64_t bytes = manifest_bytes(catalog->manifest);
    return bytes > MANIFEST_BYTES_MAX && bytes / 2 > catalog->snapshot_bytes;
}

/* ---- apply ----------------------------------------------------------------------- */

static enum status append(struct catalog_of_manifest *catalog, const struct edit *edit,
                          bool *begun, struct error *error) {
    struct manifest_edit bytes = numbers_of(catalog);
    enum status status = STATUS_OK;
    for (size_t i = 0; i < edit->removed_count && status == STATUS_OK; i++) {
        status = manifest_edit_remove(
            &bytes,
            (struct manifest_removed){edit->removed[i].level, edit->removed[i].number});
    }
    for (size_t i = 0; i < edit->added_count && status == STATUS_OK; i++) {
        status = manifest_edit_add(
            &bytes, added_of(edit->added[i].level, &edit->added[i].file->meta));
    }
    if (status == STATUS_OK) {
        status = manifest_append(catalog->manifest, &bytes, begun, error);
    } else {
        status = error_no_memory(error, "an edit", 0);
    }
    manifest_edit_free(&bytes);
    return status;
}

static enum status manifest_apply(void *opened, const struct edit *edit,
                                  const struct version *after, bool *begun,
                                  struct error *error) {
    struct catalog_of_manifest *catalog = opened;
    const struct catalog_of_manifest before = *catalog;
    bool named; /* a table with a name and no edit is nothing */
    *begun = false;
    enum status status = catalog_name_tables(catalog->directory, edit, &named, error);
    if (status != STATUS_OK) {
        return status;
    }
    failpoint_pass(manifest_tables_named);
    catalog->log_number = edit->log_number != 0 ? edit->log_number : before.log_number;
    catalog->last_sequence =
        edit->last_sequence != 0 ? edit->last_sequence : before.last_sequence;
    catalog->foreign = before.foreign && edit->last_sequence == 0;
    /* LevelDB may have counted changes that were lost with the power: the number goes
     * back then, which it may not within one manifest. */
    bool anew = catalog->manifest == NULL || catalog->foreign != before.foreign ||
                has_grown(catalog);
    status = anew ? write_new(catalog, after, begun, error)
                  : append(catalog, edit, begun, error);
    if (status != STATUS_OK) {
        catalog->log_number = before.log_number;
        catalog->last_sequence = before.last_sequence;
        catalog->foreign = before.foreign;
    }
    return status;
}

/* ---- open ------------------------------------------------------------------------ */

/* The state's tables, in the order in which version_apply wants them: numbers ascend with
 * age. */
static enum status version_of(const struct manifest_state *state,
                              struct version **version, struct error *error) {
    struct edit edit = {0};
    struct version *empty = NULL;
    enum status status = version_empty(&empty, error);
    for (size_t i = 0; i < state->table_count && status == STATUS_OK; i++) {
        struct table_file *file = table_file_open(&state->tables[i]->meta);
        status = file == NULL ? STATUS_NO_MEMORY
                              : edit_add(&edit, state->tables[i]->level, file);
        table_file_unref(file);
        if (status != STATUS_OK) {
            status = error_no_memory(error, "a table's description", 0);
        }
    }
    if (status == STATUS_OK) {
        status = version_apply(empty, &edit, version, error);
    }
    version_unref(empty);
    edit_free(&edit);
    return status;
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

static bool is_table(const struct name *name) {
    return name->kind == NAME_TABLE || name->kind == NAME_OLD_TABLE;
}

/* Removes what the manifest does not name, or, where an edit was dropped that may have
 * named it, sets it aside. What cannot be removed is left for the next open. */
static enum status collect_garbage(struct catalog_of_manifest *catalog,
                                   const struct version *version, bool keep,
                                   struct error *error) {
    struct directory *directory = catalog->directory;
    const struct listing *listing = &directory->listing;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < listing->other_count && status == STATUS_OK; i++) {
        const struct name *name = &listing->others[i];
        bool table = is_table(name);
        if (table && keep && !names(version, name->number)) {
            status =
                directory_set_aside(directory->path, directory->world, name, 1, error);
        } else if ((table && !names(version, name->number)) ||
                   (name->kind == NAME_MANIFEST && name->number != catalog->current)) {
            enum status removed = directory_remove(directory->path, directory->world,
                                                   name->kind, name->number, NULL);
            (void)removed;
        }
    }
    return status;
}

/* From stage 03, or from nothing. */
static enum status adopt(struct catalog_of_manifest *catalog,
                         const struct current *current, struct catalog_found *found,
                         struct error *error) {
    struct directory *directory = catalog->directory;
    const struct current listing = {.kind = CURRENT_LISTING};
    struct edit edit = {0};
    struct version *empty = NULL;
    bool begun;
    enum status status = STATUS_OK;
    if (current->kind == CURRENT_NONE) {
        status = current_write(directory->path, directory->world, &listing,
                               directory_number(directory), &begun, error);
    }
    if (status == STATUS_OK) {
        status = catalog_listing_scan(directory, &edit, &found->flushed, error);
    }
    if (status == STATUS_OK) {
        status = version_empty(&empty, error);
    }
    if (status == STATUS_OK) {
        status = version_apply(empty, &edit, &found->version, error);
    }
    if (status == STATUS_OK) {
        catalog->last_sequence = found->flushed;
        failpoint_pass(manifest_adopting);
        status = write_new(catalog, found->version, &begun, error);
    }
    if (status == STATUS_OK) { /* of an adoption that was cut off */
        status = collect_garbage(catalog, found->version, false, error);
    }
    version_unref(empty);
    edit_free(&edit);
    return status;
}

/* Whether the manifest may not be durable as it was read; see above. */
static bool in_doubt(const struct catalog_of_manifest *catalog,
                     const struct manifest_tail *tail,
                     const struct catalog_found *found) {
    const struct listing *listing = &catalog->directory->listing;
    bool doubt = tail->dropped || listing->manifests > 1 ||
                 (listing->log_count > 0 && listing->logs[0] < found->first_log);
    for (size_t i = 0; i < listing->other_count && !doubt; i++) {
        const struct name *name = &listing->others[i];
        doubt = is_table(name) && !names(found->version, name->number);
    }
    return doubt;
}

/* Whether the table says to stand for changes behind those that the manifest's tables
 * hold: it was written by a flush. One that says nothing, or cannot, is taken for such.
 */
static enum status holds_later(const struct directory *directory, uint64_t number,
                               uint64_t flushed, bool *later, struct error *error) {
    struct block_cache *blocks = NULL;
    struct table *table = NULL;
    struct file *file = NULL;
    enum status status = block_cache_open(0, directory->world->threads, &blocks, error);
    if (status == STATUS_OK) {
        status = directory_table(directory->path, directory->world, number, &file, error);
    }
    if (status == STATUS_OK) {
        status = table_open(file, number, blocks, &table, error);
    }
    if (status == STATUS_OK) {
        const struct properties *properties = table_properties(table);
        *later = properties == NULL || properties->largest_sequence > flushed;
        table_unref(table);
    } else {
        file_release(file);
    }
    block_cache_close(blocks);
    if (status == STATUS_CORRUPT) {
        *later = true;
        status = STATUS_OK;
    }
    return status;
}

static enum status lacks_its_end(const struct directory *directory, uint64_t manifest,
                                 const struct manifest_tail *tail, uint64_t table,
                                 struct error *error) {
    return tail->dropped
               ? error_set(error, STATUS_CORRUPT,
                           "%s/MANIFEST-%06" PRIu64 ": offset %" PRIu64
                           ": %s; without this edit none names %06" PRIu64
                           ".ldb, and the logs of its changes are gone",
                           directory->path, manifest, tail->offset, tail->why, table)
               : error_set(error, STATUS_CORRUPT,
                           "%s/%06" PRIu64 ".ldb: no edit of MANIFEST-%06" PRIu64
                           " names it, and the logs of its changes are gone: the "
                           "manifest lacks its end",
                           directory->path, table, manifest);
}

/* A table that no edit names: a compaction has replaced it; or a crash came before the edit
 * that names it, or that edit was lost, and with it what the table holds. A flush removes
 * the logs of what it wrote only when its edit is durable; so where no log is left and the
 * table has what no other has, there was one. A table whose number the last edit did not
 * know yet is none that was replaced. */
static enum status look_for_younger(const struct directory *directory,
                                    const struct manifest_state *state, uint64_t manifest,
                                    const struct manifest_tail *tail,
                                    struct catalog_found *found, struct error *error) {
    const struct listing *listing = &directory->listing;
    bool logs = listing->log_count > 0 &&
                listing->logs[listing->log_count - 1] >= found->first_log;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < listing->other_count && status == STATUS_OK; i++) {
        const struct name *name = &listing->others[i];
        bool later = false;
        if (name->kind != NAME_TABLE ||
            manifest_state_find(state, name->number) < state->table_count) {
            continue;
        }
        if (name->number >= state->next_number) {
            error_set(&found->dropped, STATUS_CORRUPT,
                      "%s/%06" PRIu64 ".ldb: no edit of MANIFEST-%06" PRIu64
                      " names it, though it is younger than the last",
                      directory->path, name->number, manifest);
        }
        if (!logs) {
            status = holds_later(directory, name->number, found->flushed, &later, error);
        }
        if (status == STATUS_OK && later) {
            status = lacks_its_end(directory, manifest, tail, name->number, error);
        }
    }
    return status;
}

static bool is_listed(const struct listing *listing, uint64_t number) {
    for (size_t i = 0; i < listing->other_count; i++) {
        if (listing->others[i].number == number && is_table(&listing->others[i])) {
            return true;
        }
    }
    return false;
}

/* What a compaction replaced is removed once its edit is durable. So where a table is
 * missing, an edit may be: what came of it must neither be set aside nor removed. */
static enum status must_be_listed(const struct directory *directory,
                                  const struct version *version, struct error *error) {
    for (size_t i = 0; i < version->run_count; i++) {
        for (size_t j = 0; j < version->runs[i].count; j++) {
            uint64_t number = version->runs[i].files[j]->meta.number;
            if (!is_listed(&directory->listing, number)) {
                return error_set(error, STATUS_CORRUPT,
                                 "%s/%06" PRIu64 ".ldb: a table is missing",
                                 directory->path, number);
            }
        }
    }
    return STATUS_OK;
}

/* What the manifest says; *tail tells whether that is all of it. */
static enum status read_manifest(struct catalog_of_manifest *catalog, uint64_t number,
                                 struct manifest_tail *tail, struct catalog_found *found,
                                 struct error *error) {
    struct directory *directory = catalog->directory;
    struct manifest_state state = {0};
    enum status status =
        manifest_load(directory->path, directory->world, number, &state, tail, error);
    if (status == STATUS_OK) {
        directory_reserve_numbers(directory, state.next_number);
        found->flushed = state.last_sequence;
        found->first_log =
            state.previous_log_number != 0 ? state.previous_log_number : state.log_number;
        found->begins_before = state.foreign;
        catalog->current = number;
        catalog->log_number = found->first_log;
        catalog->last_sequence = state.last_sequence;
        catalog->foreign = state.foreign;
        status = look_for_younger(directory, &state, number, tail, found, error);
    }
    if (status == STATUS_OK && tail->dropped) {
        error_set(&found->dropped, STATUS_CORRUPT,
                  "%s/MANIFEST-%06" PRIu64 ": offset %" PRIu64
                  ": %s: taken for an edit that a crash cut off",
                  directory->path, number, tail->offset, tail->why);
    }
    if (status == STATUS_OK) {
        status = version_of(&state, &found->version, error);
    }
    manifest_state_free(&state);
    return status;
}

/* An edit that is not there may have been damaged, not cut off: then the logs that it
 * replaced are gone, and those that are there begin behind them. That must be seen before
 * anything is written, or set aside. */
static enum status try_logs(const struct catalog_of_manifest *catalog,
                            const struct catalog_found *found, struct error *error) {
    const struct directory *directory = catalog->directory;
    struct replay replay = {0};
    struct replay_options which = replay_everything;
    which.first_log = found->first_log;
    which.behind = found->flushed;
    which.begins_before = found->begins_before;
    enum status status = replay_run(&replay, directory->path, directory->world,
                                    &directory->listing, &which, NULL, NULL, error);
    replay_free(&replay);
    return catalog_blame(found, status, error);
}

static enum status load(struct catalog_of_manifest *catalog, uint64_t number,
                        struct catalog_found *found, struct error *error) {
    struct manifest_tail tail = {0};
    enum status status = read_manifest(catalog, number, &tail, found, error);
    if (status == STATUS_OK) {
        status = must_be_listed(catalog->directory, found->version, error);
    }
    if (status == STATUS_OK && found->dropped.status != STATUS_OK) {
        status = try_logs(catalog, found, error);
    }
    if (status == STATUS_OK && in_doubt(catalog, &tail, found)) {
        bool begun;
        status = write_new(catalog, found->version, &begun, error);
    }
    if (status == STATUS_OK) {
        status = collect_garbage(catalog, found->version,
                                 found->dropped.status != STATUS_OK, error);
    }
    return status;
}

static enum status read_current(struct directory *directory, struct current *current,
                                struct error *error) {
    enum status status = current_read(directory->path, directory->world, current, error);
    if (status == STATUS_OK && current->kind == CURRENT_NONE &&
        directory->listing.tables + directory->listing.manifests > 0) {
        status =
            error_set(error, STATUS_CORRUPT,
                      "%s: tables or a manifest, but no file CURRENT", directory->path);
    }
    return status;
}

static enum status find(struct catalog_of_manifest *catalog, struct catalog_found *found,
                        struct error *error) {
    struct current current;
    enum status status = read_current(catalog->directory, &current, error);
    if (status == STATUS_OK) {
        status = catalog_remove_temporaries(catalog->directory, error);
    }
    if (status != STATUS_OK) {
        return status;
    }
    return current.kind == CURRENT_MANIFEST ? load(catalog, current.number, found, error)
                                            : adopt(catalog, &current, found, error);
}

static enum status catalog_inspect(struct directory *directory,
                                   struct catalog_found *found, struct error *error) {
    struct catalog_of_manifest catalog = {.directory = directory};
    struct manifest_tail tail;
    struct current current;
    enum status status = read_current(directory, &current, error);
    if (status != STATUS_OK) {
        return status;
    }
    return current.kind == CURRENT_MANIFEST
               ? read_manifest(&catalog, current.number, &tail, found, error)
               : catalog_listing.inspect(directory, found, error);
}

static void catalog_close(void *opened) {
    struct catalog_of_manifest *catalog = opened;
    if (catalog != NULL) {
        enum status closed = manifest_close(catalog->manifest, NULL);
        (void)closed; /* every edit in it was synced */
        memory_give(catalog);
    }
}

static enum status catalog_open(struct directory *directory,
                                const struct kv_options *options, void **out,
                                struct catalog_found *found, struct error *error) {
    (void)options;
    struct catalog_of_manifest *catalog = memory_take_zeroed(sizeof *catalog);
    if (catalog == NULL) {
        return error_no_memory(error, "the catalog", sizeof *catalog);
    }
    catalog->directory = directory;
    enum status status = find(catalog, found, error);
    if (status != STATUS_OK) {
        version_unref(found->version);
        found->version = NULL;
        catalog_close(catalog);
        return status;
    }
    *out = catalog;
    return STATUS_OK;
}

const struct catalog_ops catalog_manifest = {catalog_open, catalog_inspect,
                                             manifest_apply, catalog_close};
