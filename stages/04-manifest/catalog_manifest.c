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
 */
#include "catalog_manifest.h"

#include <inttypes.h>

#include "catalog_listing.h"
#include "current.h"
#include "failpoint.h"
#include "manifest.h"
#include "memory.h"
#include "replay.h"
#include "table_file.h"
#include "unnamed.h"

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

/* What cannot be removed is left for the next open. */
static void remove_other_manifests(const struct catalog_of_manifest *catalog) {
    const struct directory *directory = catalog->directory;
    const struct listing *listing = &directory->listing;
    for (size_t i = 0; i < listing->other_count; i++) {
        const struct name *name = &listing->others[i];
        if (name->kind == NAME_MANIFEST && name->number != catalog->current) {
            enum status removed = directory_remove(directory->path, directory->world,
                                                   NAME_MANIFEST, name->number, NULL);
            (void)removed;
        }
    }
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
    } else { /* its name need not be synced, if the open before failed just there */
        status = directory_sync(directory->world->files, directory->path, error);
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
    if (status == STATUS_OK) {
        remove_other_manifests(catalog); /* of an adoption that was cut off */
    }
    version_unref(empty);
    edit_free(&edit);
    return status;
}

/* Whether the manifest may not be durable as it was read; see above. */
static bool in_doubt(const struct catalog_of_manifest *catalog,
                     const struct unnamed *unnamed, const struct catalog_found *found) {
    const struct listing *listing = &catalog->directory->listing;
    bool doubt = unnamed->torn || listing->manifests > 1 ||
                 (listing->log_count > 0 && listing->logs[0] < found->first_log);
    for (size_t i = 0; i < listing->other_count && !doubt; i++) {
        doubt = unnamed_is(&listing->others[i], found->version);
    }
    return doubt;
}

/* What the manifest says, and whether that can be all. */
static enum status read_manifest(struct catalog_of_manifest *catalog, uint64_t number,
                                 struct unnamed *unnamed, struct catalog_found *found,
                                 struct error *error) {
    struct directory *directory = catalog->directory;
    struct manifest_state state = {0};
    struct manifest_tail tail = {0};
    enum status status =
        manifest_load(directory->path, directory->world, number, &state, &tail, error);
    if (status != STATUS_OK) {
        return status;
    }
    directory_reserve_numbers(directory, state.next_number);
    found->flushed = state.last_sequence;
    found->first_log =
        state.previous_log_number != 0 ? state.previous_log_number : state.log_number;
    found->begins_before = state.foreign;
    catalog->current = number;
    catalog->log_number = found->first_log;
    catalog->last_sequence = state.last_sequence;
    catalog->foreign = state.foreign;
    *unnamed = (struct unnamed){directory, number, state.next_number, tail.dropped,
                                state.foreign};
    if (tail.dropped) {
        error_set(&found->dropped, STATUS_CORRUPT,
                  "%s/MANIFEST-%06" PRIu64 ": offset %" PRIu64
                  ": %s: taken for an edit that a crash cut off",
                  directory->path, number, tail.offset, tail.why);
    }
    status = version_of(&state, &found->version, error);
    manifest_state_free(&state);
    if (status == STATUS_OK) {
        status = unnamed_judge(unnamed, found, error);
    }
    if (status != STATUS_OK) {
        version_unref(found->version);
        found->version = NULL;
    }
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
    struct unnamed unnamed;
    enum status status = read_manifest(catalog, number, &unnamed, found, error);
    if (status == STATUS_OK && found->dropped.status != STATUS_OK) {
        status = try_logs(catalog, found, error);
    }
    /* Whoever merged tables has removed those that were there before. So where one is
     * missing, an edit may be, even if nothing else tells. */
    if (status == STATUS_OK) {
        status = unnamed_none_missing(catalog->directory, found->version, error);
    }
    if (status == STATUS_OK && in_doubt(catalog, &unnamed, found)) {
        bool begun;
        status = write_new(catalog, found->version, &begun, error);
    }
    if (status == STATUS_OK) {
        remove_other_manifests(catalog);
        status = unnamed_collect(&unnamed, found, error);
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
    struct unnamed unnamed;
    struct current current;
    enum status status = read_current(directory, &current, error);
    if (status != STATUS_OK) {
        return status;
    }
    return current.kind == CURRENT_MANIFEST
               ? read_manifest(&catalog, current.number, &unnamed, found, error)
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
