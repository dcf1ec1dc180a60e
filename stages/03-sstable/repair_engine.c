#include "repair_engine.h"

#include <inttypes.h>

#include "failpoint.h"
#include "memory.h"
#include "recover.h"
#include "repair.h"
#include "verify_engine.h"

/* ---- step 2 ---------------------------------------------------------------------- */

static enum status rename_file(struct repair *r, struct name from, const char *to,
                               struct error *error) {
    char from_name[NAME_BYTES];
    name_print(from_name, from.kind, from.number);
    char *from_path = path_join(r->directory.path, from_name);
    char *to_path = path_join(r->directory.path, to);
    enum status status =
        from_path == NULL || to_path == NULL
            ? error_no_memory(error, "a path", NAME_BYTES)
            : file_rename(r->directory.world->files, from_path, to_path, error);
    memory_give(from_path);
    memory_give(to_path);
    return status;
}

static enum status sync_names(struct repair *r, struct error *error) {
    return directory_sync(r->directory.world->files, r->directory.path, error);
}

/* The first sync: once it is decided, every temporary file above R is a table of the new
 * database, so all of those must be there, and no others. *decided: it may be. */
static enum status decide(struct repair *r, uint64_t number,
                          const struct current *current, bool *decided,
                          struct error *error) {
    char repaired[NAME_BYTES];
    name_print(repaired, NAME_REPAIRED, number);
    enum status status =
        current_prepare(r->directory.path, r->directory.world, current, number, error);
    if (status == STATUS_OK) {
        status = sync_names(r, error);
    }
    failpoint_pass(repair_saved_not_named);
    if (status == STATUS_OK) {
        *decided = true;
        status = rename_file(r, (struct name){NAME_TEMPORARY, number}, repaired, error);
    }
    if (status == STATUS_OK) {
        status = sync_names(r, error); /* COMMIT POINT */
    }
    failpoint_pass(repair_named);
    return status;
}

/* ---- steps 3 to 5 ---------------------------------------------------------------- */

static bool is_old(struct name name, uint64_t number) {
    return name.number < number &&
           (name.kind == NAME_LOG || name.kind == NAME_TABLE ||
            name.kind == NAME_OLD_TABLE || name.kind == NAME_MANIFEST);
}

static enum status move_old(struct repair *r, uint64_t number, struct error *error) {
    const struct listing *listing = &r->directory.listing;
    size_t count = 0;
    struct name *old =
        memory_take((listing->log_count + listing->other_count) * sizeof *old);
    if (old == NULL) {
        return error_no_memory(error, "the list of files", listing->other_count);
    }
    for (size_t i = 0; i < listing->log_count; i++) {
        old[count] = (struct name){NAME_LOG, listing->logs[i]};
        count += is_old(old[count], number);
    }
    for (size_t i = 0; i < listing->other_count; i++) {
        old[count] = listing->others[i];
        count += is_old(old[count], number);
    }
    enum status status =
        directory_set_aside(r->directory.path, r->directory.world, old, count, error);
    failpoint_pass(repair_moved);
    memory_give(old);
    return status;
}

static enum status place_tables(struct repair *r, uint64_t number, struct error *error) {
    const struct listing *listing = &r->directory.listing;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < listing->other_count && status == STATUS_OK; i++) {
        struct name name = listing->others[i];
        if (name.kind == NAME_TEMPORARY && name.number > number) {
            char table[NAME_BYTES];
            name_print(table, NAME_TABLE, name.number);
            status = rename_file(r, name, table, error);
        }
    }
    if (status == STATUS_OK) {
        status = sync_names(r, error);
    }
    failpoint_pass(repair_placed);
    return status;
}

static enum status finish(struct repair *r, uint64_t number, struct error *error) {
    enum status status = directory_relist(&r->directory, error);
    if (status == STATUS_OK) {
        status = move_old(r, number, error);
    }
    if (status == STATUS_OK) {
        status = place_tables(r, number, error);
    }
    if (status == STATUS_OK) {
        status = rename_file(r, (struct name){NAME_REPAIRED, number}, "CURRENT", error);
    }
    if (status == STATUS_OK) {
        status = sync_names(r, error);
    }
    if (status == STATUS_OK) {
        report_line(&r->report, "the database is repaired; its old files are in %s/lost",
                    r->directory.path);
    }
    return status;
}

/* ---------------------------------------------------------------------------------- */

static void ignore_line(void *context, const char *line) {
    (void)context;
    (void)line;
}

static enum status save(struct repair *r, const struct repair_parts *parts,
                        struct error *error) {
    struct current current;
    bool decided = false;
    enum status status = catalog_remove_temporaries(&r->directory, error);
    uint64_t number = directory_number(&r->directory);
    if (status == STATUS_OK) {
        status = repair_find(r, parts->catalog, error);
    }
    if (status == STATUS_OK) {
        status = parts->save(r, &current, error);
    }
    if (status == STATUS_OK) {
        report_line(&r->report, "%" PRIu64 " entries are saved, in %zu tables",
                    r->entries, r->edit.added_count);
        status = decide(r, number, &current, &decided, error);
    }
    if (status == STATUS_OK) {
        return finish(r, number, error);
    }
    if (!decided && directory_relist(&r->directory, NULL) == STATUS_OK) {
        enum status removed = catalog_remove_temporaries(&r->directory, NULL);
        (void)removed; /* left for the next repair */
    }
    return status;
}

/* Whether open would refuse, or reads could; OK: it can be said. */
static enum status diagnose(struct repair *r, const struct catalog_ops *catalog,
                            bool *damaged, struct error *error) {
    struct error verdict = {0};
    enum status status =
        engine_verify_held(&r->directory, catalog, ignore_line, NULL, &verdict);
    if (status == STATUS_CORRUPT) {
        report_line(&r->report, "damaged: %s", verdict.message);
        *damaged = true;
        return STATUS_OK;
    }
    return status == STATUS_OK ? status : error_set(error, status, "%s", verdict.message);
}

/* A repair that was cut off. *foreign: it was one of logs alone, by an earlier stage. */
static enum status resume(struct repair *r, const struct repair_parts *parts,
                          bool *foreign, struct error *error) {
    struct current current;
    struct error words = {0};
    uint64_t number = r->directory.listing.repaired;
    char name[NAME_BYTES];
    name_print(name, NAME_REPAIRED, number);
    char *path = path_join(r->directory.path, name);
    if (path == NULL) {
        return error_no_memory(error, "a path", sizeof name);
    }
    enum status status = current_read_path(path, r->directory.world, &current, &words);
    memory_give(path);
    *foreign = status == STATUS_CORRUPT;
    if (*foreign) {
        return STATUS_OK;
    }
    if (status != STATUS_OK) {
        return error_set(error, status, "%s", words.message);
    }
    if (current.kind == CURRENT_MANIFEST && parts == &repair_listing) {
        return error_set(error, STATUS_INVALID,
                         "%s: stage 04 or later has begun to repair it",
                         r->directory.path);
    }
    report_line(&r->report, "finishing the repair that was cut off");
    return finish(r, number, error);
}

static enum status run(struct repair *r, const struct repair_parts *parts,
                       bool incomplete, bool *foreign, struct error *error) {
    bool damaged = incomplete;
    if (r->directory.listing.repaired > 0) {
        return resume(r, parts, foreign, error);
    }
    enum status status = diagnose(r, parts->catalog, &damaged, error);
    if (status == STATUS_OK && !damaged) {
        report_line(&r->report, "nothing is damaged; nothing was changed");
        return STATUS_OK;
    }
    return status == STATUS_OK ? save(r, parts, error) : status;
}

enum status engine_repair(const char *dir, const struct kv_options *options,
                          const struct repair_parts *parts, kv_report *line,
                          void *context, struct error *error) {
    struct repair r = {.options = options, .report = {line, context}};
    struct kv_options existing = *options;
    bool foreign = false;
    existing.create = false;
    existing.exclusive = false;
    enum status status = recover_may_adopt(dir, options->world, error);
    bool incomplete = status == STATUS_CORRUPT;
    if (status == STATUS_OK || incomplete) {
        status = directory_open(&r.directory, dir, &existing, error);
    }
    if (status == STATUS_OK) {
        status = run(&r, parts, incomplete, &foreign, error);
    }
    edit_free(&r.edit);
    memory_give(r.sources);
    directory_close(&r.directory);
    return foreign ? log_repair(dir, options, line, context, error) : status;
}
