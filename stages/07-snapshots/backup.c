/* A backup is a checkpoint that shares nothing with its store: damage to a table of the
 * one is none to the other. What has not changed since the backup before is linked to
 * that. A table is written once, and its number is given once; but another store may have
 * given the same one, or this store after it was restored. So the bytes are compared. The
 * new backup is read as a whole before it gets its name: one that is there can be
 * restored, unless it was damaged later.
 *
 * A restore copies, so that what is done to the new database is not done to the backup,
 * and reads the copy as a whole before it is renamed into place. */
#include "backup.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog_manifest.h"
#include "checkpoint.h"
#include "current.h"
#include "engine_state.h"
#include "manifest.h"
#include "memory.h"
#include "unfinished.h"
#include "verify_engine.h"

/* ---- the row --------------------------------------------------------------------- */

struct row {
    uint64_t *numbers; /* ascending, once row_read has returned */
    size_t count, room;
    bool out_of_memory;
    char foreign[NAME_BYTES]; /* a name that is no backup's, cut to fit; "": none */
};

/* 0: it is none. *unfinished: it is that of one which is being made. */
static uint64_t parse_number(const char *name, bool *unfinished) {
    uint64_t number = 0;
    size_t digits = strspn(name, "0123456789");
    for (size_t i = 0; i < digits && digits < 19; i++) {
        number = 10 * number + (uint64_t)(name[i] - '0');
    }
    *unfinished = strcmp(name + digits, ".unfinished") == 0;
    return digits >= 6 && (name[digits] == '\0' || *unfinished) ? number : 0;
}

static void note_name(void *context, const char *name) {
    struct row *row = context;
    bool unfinished;
    uint64_t number = parse_number(name, &unfinished);
    if (number == 0) {
        if (strcmp(name, "LOCK") != 0 && strcmp(name, "lost+found") != 0) {
            snprintf(row->foreign, sizeof row->foreign, "%.*s", NAME_BYTES - 1, name);
        }
        return;
    }
    if (row->count == row->room) {
        size_t room = row->room == 0 ? 16 : 2 * row->room;
        uint64_t *numbers = memory_resize(row->numbers, room * sizeof *numbers);
        if (numbers == NULL) {
            row->out_of_memory = true;
            return;
        }
        row->numbers = numbers;
        row->room = room;
    }
    if (!unfinished) {
        row->numbers[row->count++] = number;
    }
}

static int compare_numbers(const void *a, const void *b) {
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

/* INVALID: the directory holds something else. */
static enum status row_read(struct row *row, const char *backups,
                            const struct world *world, struct error *error) {
    enum status status = directory_list(world->files, backups, note_name, row, error);
    if (status == STATUS_OK && row->out_of_memory) {
        status = error_no_memory(error, "a list of backups", row->count);
    }
    if (status == STATUS_OK && row->foreign[0] != '\0') {
        status = error_set(error, STATUS_INVALID,
                           "%s: not a directory of backups: it holds %s", backups,
                           row->foreign);
    }
    if (status == STATUS_OK && row->count > 0) {
        qsort(row->numbers, row->count, sizeof *row->numbers, compare_numbers);
    }
    return status;
}

static uint64_t row_newest(const struct row *row) {
    return row->count == 0 ? 0 : row->numbers[row->count - 1];
}

static enum status backup_path(const char *backups, uint64_t number, char **path,
                               struct error *error) {
    char name[NAME_BYTES];
    snprintf(name, sizeof name, "%06" PRIu64, number);
    *path = path_join(backups, name);
    return *path != NULL ? STATUS_OK : error_no_memory(error, "a path", strlen(backups));
}

static enum status take_lock(const char *dir, const struct world *world,
                             struct file **lock, struct error *error) {
    struct error refusal = {0};
    char *path = path_join(dir, "LOCK");
    if (path == NULL) {
        return error_no_memory(error, "a path", strlen(dir));
    }
    enum status status = file_lock(world->files, path, lock, &refusal);
    memory_give(path);
    return status == STATUS_OK ? status
           : status == STATUS_BUSY
               ? error_set(error, status, "%s: locked: it is being used", dir)
               : error_set(error, status, "%s", refusal.message);
}

/* ---- verified, and in place ------------------------------------------------------ */

static void report_nowhere(void *context, const char *line) {
    (void)context;
    (void)line;
}

/* What was filled: read as a whole, then renamed. Ends it whatever happens. */
static enum status verify_and_finish(struct unfinished *unfinished,
                                     const struct kv_options *options, enum status status,
                                     struct error *error) {
    if (status == STATUS_OK) {
        unfinished_unlock(unfinished);
        status = engine_verify(unfinished->path, options, &catalog_manifest,
                               report_nowhere, NULL, error);
        enum status locked =
            unfinished_relock(unfinished, status == STATUS_OK ? error : NULL);
        status = status != STATUS_OK ? status : locked;
    }
    if (status != STATUS_OK) {
        unfinished_abandon(unfinished);
        return status;
    }
    return unfinished_finish(unfinished, error);
}

/* ---- backup ---------------------------------------------------------------------- */

/* The directory itself must be durable too. */
static enum status make_row(const char *backups, const struct world *world,
                            struct error *error) {
    char *parent = path_parent(backups);
    if (parent == NULL) {
        return error_no_memory(error, "a path", strlen(backups));
    }
    struct error refusal = {0};
    enum status status = directory_make(world->files, backups, &refusal);
    if (status == STATUS_NOT_FOUND) {
        status = error_set(error, STATUS_INVALID, "%s: there is no directory %s for it",
                           backups, parent);
    } else if (status != STATUS_OK) {
        error_set(error, status, "%s", refusal.message);
    } else {
        status = directory_sync(world->files, parent, error);
    }
    memory_give(parent);
    return status;
}

/* Requires the row's lock. */
static enum status add_backup(struct engine *engine, const char *path, const char *before,
                              const struct kv_copy_options *options,
                              struct error *error) {
    const struct world *world = engine->options.world;
    struct copying copying;
    struct unfinished unfinished = {0};
    enum status status = copying_begin(&copying, world, options, error);
    if (status != STATUS_OK) {
        return status;
    }
    status = unfinished_begin(&unfinished, path, false, world, error);
    if (status == STATUS_OK) {
        status = checkpoint_fill(engine, unfinished.path, before, &copying, error);
        status = verify_and_finish(&unfinished, &engine->options, status, error);
    }
    if (status == STATUS_OK) {
        copying_tell(&copying);
    }
    copying_end(&copying);
    return status;
}

enum status engine_backup(void *opened, const char *backups,
                          const struct kv_copy_options *options, uint64_t *number,
                          struct error *error) {
    struct engine *engine = opened;
    const struct world *world = engine->options.world;
    struct row row = {0}, locked_row = {0};
    struct file *lock = NULL;
    char *path = NULL, *before = NULL;
    enum status status = make_row(backups, world, error);
    if (status == STATUS_OK) {
        status = row_read(&row, backups, world, error); /* before LOCK is made there */
    }
    if (status == STATUS_OK) {
        status = take_lock(backups, world, &lock, error);
    }
    if (status == STATUS_OK) {
        status = row_read(&locked_row, backups, world, error);
    }
    uint64_t newest = row_newest(&locked_row);
    if (status == STATUS_OK) {
        status = backup_path(backups, newest + 1, &path, error);
    }
    if (status == STATUS_OK) {
        status = backup_path(backups, newest, &before, error);
    }
    if (status == STATUS_OK) {
        status = add_backup(engine, path, newest > 0 ? before : "", options, error);
    }
    if (status == STATUS_OK) {
        *number = newest + 1;
    }
    memory_give(path);
    memory_give(before);
    memory_give(row.numbers);
    memory_give(locked_row.numbers);
    file_release(lock);
    return status;
}

/* ---- list ------------------------------------------------------------------------ */

static enum status describe(const char *path, const struct world *world,
                            struct kv_backup *backup, struct error *error) {
    struct current current;
    struct manifest_state state = {0};
    struct manifest_tail tail;
    enum status status = current_read(path, world, &current, error);
    if (status == STATUS_OK && current.kind != CURRENT_MANIFEST) {
        status = error_set(error, STATUS_CORRUPT, "%s: it names no manifest", path);
    }
    if (status == STATUS_OK) {
        status = manifest_load(path, world, current.number, &state, &tail, error);
    }
    backup->sequence = state.last_sequence;
    backup->tables = state.table_count;
    for (size_t i = 0; i < state.table_count; i++) {
        backup->bytes += state.tables[i]->meta.bytes;
    }
    manifest_state_free(&state);
    return status;
}

/* One that is damaged does not hide the others. */
enum status backups_list(const char *backups, const struct kv_options *options,
                         kv_backup_visitor *visit, void *context, struct error *error) {
    struct row row = {0};
    struct error first = {0};
    first.status = row_read(&row, backups, options->world, &first);
    for (size_t i = 0; i < row.count && (i > 0 || first.status == STATUS_OK); i++) {
        struct kv_backup backup = {.number = row.numbers[i]};
        struct error failure = {0};
        char *path;
        enum status status = backup_path(backups, backup.number, &path, &failure);
        if (status == STATUS_OK) {
            status = describe(path, options->world, &backup, &failure);
        }
        if (status == STATUS_OK) {
            visit(context, &backup);
        } else if (first.status == STATUS_OK) {
            first = failure;
        }
        memory_give(path);
    }
    memory_give(row.numbers);
    if (first.status != STATUS_OK && error != NULL) {
        *error = first;
    }
    return first.status;
}

/* ---- restore --------------------------------------------------------------------- */

/* The database that is meant: the path itself, or the newest of a row. On the heap. */
static enum status choose(const char *backup, const struct world *world, char **path,
                          struct error *error) {
    struct listing listing = {0};
    struct row row = {0};
    enum status status = listing_read(&listing, backup, world, error);
    bool database = listing.current || listing.log_count > 0;
    listing_free(&listing);
    if (status == STATUS_OK && database) {
        *path = memory_copy_text(backup);
        return *path != NULL ? STATUS_OK
                             : error_no_memory(error, "a path", strlen(backup));
    }
    if (status == STATUS_OK) {
        status = row_read(&row, backup, world, error);
    }
    if (status == STATUS_OK && row.count == 0) {
        status = error_set(error, STATUS_NOT_FOUND, "%s: there is no backup", backup);
    }
    if (status == STATUS_OK) {
        status = backup_path(backup, row_newest(&row), path, error);
    }
    memory_give(row.numbers);
    return status;
}

static enum status add_size(struct copying *copying, const char *dir, struct name name,
                            struct error *error) {
    struct file *file = NULL;
    uint64_t bytes = 0;
    enum status status = directory_file(dir, copying->world, name.kind, name.number,
                                        FILE_READ, &file, error);
    if (status == STATUS_OK) {
        status = file_size(file, &bytes, error);
    }
    file_release(file);
    copying->whole += bytes;
    return status;
}

static bool wanted(struct name name) {
    return name.kind == NAME_LOG || name.kind == NAME_TABLE ||
           name.kind == NAME_OLD_TABLE || name.kind == NAME_MANIFEST;
}

/* The numbered files of a database, one by one. */
static struct name file_at(const struct listing *listing, size_t index) {
    return index < listing->log_count ? (struct name){NAME_LOG, listing->logs[index]}
                                      : listing->others[index - listing->log_count];
}

static enum status copy_files(struct copying *copying, const char *from, const char *to,
                              const struct listing *listing, struct error *error) {
    enum status status = STATUS_OK;
    size_t count = listing->log_count + listing->other_count;
    for (size_t i = 0; i < 2 * count && status == STATUS_OK; i++) {
        struct name name = file_at(listing, i % count);
        if (wanted(name)) {
            status = i < count ? add_size(copying, from, name, error)
                               : copying_numbered(copying, from, to, name, error);
        }
    }
    return status == STATUS_OK ? directory_sync(copying->world->files, to, error)
                               : status;
}

/* CURRENT is the last, and comes when all that it names is durable. */
static enum status copy_current(struct copying *copying, const char *from, const char *to,
                                struct error *error) {
    char *here = path_join(from, "CURRENT");
    char *there = path_join(to, "CURRENT");
    enum status status = here == NULL || there == NULL
                             ? error_no_memory(error, "a path", strlen(from))
                             : copying_file(copying, here, there, error);
    memory_give(here);
    memory_give(there);
    return status;
}

/* LOCK may be on a medium that cannot be written: then nobody writes there. */
static enum status copy_database(struct copying *copying, const char *from,
                                 const char *to, struct error *error) {
    struct listing listing = {0};
    struct file *lock = NULL;
    enum status status = listing_read(&listing, from, copying->world, error);
    if (status == STATUS_OK && listing.lock) {
        enum status locked = take_lock(from, copying->world, &lock, error);
        status = locked == STATUS_BUSY ? locked : STATUS_OK;
    }
    if (status == STATUS_OK) {
        status = listing_must_be_whole(&listing, from, error);
    }
    if (status == STATUS_OK && !listing.current) {
        status = error_set(error, STATUS_INVALID,
                           "%s: there is no file CURRENT; open it with this stage first",
                           from);
    }
    if (status == STATUS_OK) {
        status = copy_files(copying, from, to, &listing, error);
    }
    if (status == STATUS_OK) {
        status = copy_current(copying, from, to, error);
    }
    listing_free(&listing);
    file_release(lock);
    return status;
}

enum status backup_restore(const char *backup, const char *target,
                           const struct kv_options *options,
                           const struct kv_copy_options *copy, struct error *error) {
    struct copying copying;
    struct unfinished unfinished = {0};
    char *path = NULL;
    enum status status = copying_begin(&copying, options->world, copy, error);
    if (status != STATUS_OK) {
        return status;
    }
    status = choose(backup, options->world, &path, error);
    if (status == STATUS_OK) {
        status = unfinished_begin(&unfinished, target, true, options->world, error);
    }
    if (status == STATUS_OK) {
        status = copy_database(&copying, path, unfinished.path, error);
        status = verify_and_finish(&unfinished, options, status, error);
    }
    memory_give(path);
    copying_end(&copying);
    return status;
}
