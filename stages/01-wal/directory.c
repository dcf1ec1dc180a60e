#include "directory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"

struct visit {
    struct listing *listing;
    bool out_of_memory;
};

static bool add_log(struct listing *listing, uint64_t number) {
    if (listing->log_count == listing->log_room) {
        size_t room = listing->log_room == 0 ? 8 : 2 * listing->log_room;
        uint64_t *logs = memory_resize(listing->logs, room * sizeof *logs);
        if (logs == NULL) {
            return false;
        }
        listing->logs = logs;
        listing->log_room = room;
    }
    listing->logs[listing->log_count++] = number;
    return true;
}

static bool add_other(struct listing *listing, struct name name) {
    if (listing->other_count == listing->other_room) {
        size_t room = listing->other_room == 0 ? 8 : 2 * listing->other_room;
        struct name *others = memory_resize(listing->others, room * sizeof *others);
        if (others == NULL) {
            return false;
        }
        listing->others = others;
        listing->other_room = room;
    }
    listing->others[listing->other_count++] = name;
    return true;
}

static void note(struct visit *visit, struct name name, const char *text) {
    struct listing *listing = visit->listing;
    switch (name.kind) {
    case NAME_LOG:
        visit->out_of_memory |= !add_log(listing, name.number);
        break;
    case NAME_TABLE:
    case NAME_OLD_TABLE:
        listing->tables++;
        break;
    case NAME_MANIFEST:
        listing->manifests++;
        break;
    case NAME_CURRENT:
        listing->current = true;
        break;
    case NAME_REPAIRED:
        listing->repaired = name.number;
        break;
    case NAME_LOCK:
        listing->lock = true;
        break;
    case NAME_FOREIGN:
        listing->foreign++;
        snprintf(listing->example, sizeof listing->example, "%s", text);
        break;
    case NAME_LOST:
    case NAME_TEXT_LOG:
    case NAME_TEMPORARY:
    case NAME_LOST_AND_FOUND:
        break;
    }
    if (name.number > listing->largest) {
        listing->largest = name.number;
    }
    if (name.number > 0 && name.kind != NAME_LOG) {
        visit->out_of_memory |= !add_other(listing, name);
    }
}

static void visit_name(void *context, const char *text) {
    note(context, name_parse(text), text);
}

static int compare_numbers(const void *a, const void *b) {
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static int compare_names(const void *a, const void *b) {
    return compare_numbers(&((const struct name *)a)->number,
                           &((const struct name *)b)->number);
}

enum status listing_read(struct listing *listing, const char *path,
                         const struct world *world, struct error *error) {
    struct visit visit = {listing, false};
    *listing = (struct listing){0};
    enum status status = directory_list(world->files, path, visit_name, &visit, error);
    if (status == STATUS_OK && visit.out_of_memory) {
        status = error_no_memory(error, "the list of files", listing->log_room * 2);
    }
    if (status == STATUS_OK && listing->log_count > 1) {
        qsort(listing->logs, listing->log_count, sizeof *listing->logs, compare_numbers);
    }
    if (status == STATUS_OK && listing->other_count > 1) {
        qsort(listing->others, listing->other_count, sizeof *listing->others,
              compare_names);
    }
    return status;
}

void listing_free(struct listing *listing) {
    memory_give(listing->logs);
    memory_give(listing->others);
    *listing = (struct listing){0};
}

enum status listing_must_be_logs(const struct listing *listing, const char *path,
                                 struct error *error) {
    if (listing->current) {
        return error_set(
            error, STATUS_INVALID,
            "%s: this database has tables (its file CURRENT says so); it was "
            "written by stage 03 or later, or by LevelDB",
            path);
    }
    if (listing->tables > 0 || listing->manifests > 0) {
        return error_set(error, STATUS_CORRUPT,
                         "%s: tables or a manifest, but no file CURRENT", path);
    }
    return STATUS_OK;
}

enum status listing_must_be_whole(const struct listing *listing, const char *path,
                                  struct error *error) {
    if (listing->repaired > 0) {
        return error_set(error, STATUS_CORRUPT,
                         "%s: a repair was cut off; run repair again to finish it", path);
    }
    return STATUS_OK;
}

static bool holds_database(const struct listing *listing) {
    return listing->log_count > 0 || listing->tables > 0 || listing->manifests > 0 ||
           listing->current || listing->repaired > 0;
}

/* Whether the directory is ours to open, judged before anything in it is touched. */
static enum status judge(const struct listing *listing, const char *path,
                         const struct kv_options *options, struct error *error) {
    bool database = holds_database(listing);
    bool empty =
        listing->lock && listing->foreign == 0; /* one, that was never written to */
    if (!database && listing->foreign > 0) {
        return error_set(error, STATUS_INVALID,
                         "%s: not a database: it holds other files (%s)", path,
                         listing->example);
    }
    if (!database && !empty && !options->create) {
        return error_set(error, STATUS_NOT_FOUND, "%s: no database here", path);
    }
    if (database && options->exclusive) {
        return error_set(error, STATUS_INVALID, "%s: holds a database already", path);
    }
    return STATUS_OK;
}

/* The new directory's name must be as durable as what will be in it. */
static enum status make_durably(const char *path, const struct world *world,
                                struct error *error) {
    enum status status = directory_make(world->files, path, error);
    if (status != STATUS_OK) {
        return status;
    }
    char *parent = memory_copy_text(path);
    if (parent == NULL) {
        return error_no_memory(error, "a path", strlen(path));
    }
    size_t length = strlen(parent);
    while (length > 1 && parent[length - 1] == '/') {
        parent[--length] = '\0';
    }
    char *slash = strrchr(parent, '/');
    const char *name = ".";
    if (slash != NULL) {
        slash[slash == parent ? 1 : 0] = '\0';
        name = parent;
    }
    status = directory_sync(world->files, name, error);
    memory_give(parent);
    return status;
}

/* A directory that was made and not synced cannot be told from one that was, so the
 * parent is synced whenever the directory is found without a database in it. */
static enum status look(struct directory *directory, const struct kv_options *options,
                        struct error *error) {
    struct error first = {0};
    enum status status =
        listing_read(&directory->listing, directory->path, directory->world, &first);
    if (status == STATUS_NOT_FOUND && !options->create) {
        return error_set(error, STATUS_NOT_FOUND, "%s: no database here",
                         directory->path);
    }
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        return error_set(error, status, "%s", first.message);
    }
    if (status == STATUS_OK) {
        status = judge(&directory->listing, directory->path, options, error);
        if (status != STATUS_OK || holds_database(&directory->listing)) {
            return status;
        }
    }
    return make_durably(directory->path, directory->world, error);
}

enum status directory_relist(struct directory *directory, struct error *error) {
    listing_free(&directory->listing);
    enum status status =
        listing_read(&directory->listing, directory->path, directory->world, error);
    if (status == STATUS_OK) {
        directory_reserve_numbers(directory, directory->listing.largest + 1);
    }
    return status;
}

void directory_reserve_numbers(struct directory *directory, uint64_t number) {
    if (atomic_u64_load(&directory->next_number, memory_order_relaxed) < number) {
        atomic_u64_store(&directory->next_number, number, memory_order_relaxed);
    }
}

enum status directory_open(struct directory *directory, const char *path,
                           const struct kv_options *options, struct error *error) {
    *directory = (struct directory){.world = options->world};
    char *lock_path = NULL;
    enum status status = STATUS_OK;
    directory->path = memory_copy_text(path);
    lock_path = path_join(path, "LOCK");
    if (directory->path == NULL || lock_path == NULL) {
        status = error_no_memory(error, "a path", strlen(path));
        goto out;
    }
    status = look(directory, options, error);
    if (status != STATUS_OK) {
        goto out;
    }
    status = file_lock(options->world->files, lock_path, &directory->lock, error);
    if (status != STATUS_OK) {
        goto out;
    }
    /* Between the look and the lock another process may have come and gone. */
    status = directory_relist(directory, error);
    if (status == STATUS_OK) {
        status = judge(&directory->listing, path, options, error);
    }
    if (status == STATUS_OK && !holds_database(&directory->listing)) {
        /* LOCK says that the logs here are ours, so it is durable before the first of
         * them: without it, a log that a crash tore would be taken for a stranger's. */
        status = directory_sync(options->world->files, path, error);
    }
out:
    memory_give(lock_path);
    if (status != STATUS_OK) {
        directory_close(directory);
    }
    return status;
}

void directory_close(struct directory *directory) {
    file_release(directory->lock);
    listing_free(&directory->listing);
    memory_give(directory->path);
    *directory = (struct directory){0};
}

enum status directory_file(const char *path, const struct world *world,
                           enum name_kind kind, uint64_t number, enum file_mode mode,
                           struct file **file, struct error *error) {
    char name[NAME_BYTES];
    name_print(name, kind, number);
    char *full = path_join(path, name);
    if (full == NULL) {
        return error_no_memory(error, "a path", strlen(path) + sizeof name);
    }
    enum status status = file_open(world->files, full, mode, file, error);
    memory_give(full);
    return status;
}

enum status directory_remove(const char *path, const struct world *world,
                             enum name_kind kind, uint64_t number, struct error *error) {
    char name[NAME_BYTES];
    name_print(name, kind, number);
    char *full = path_join(path, name);
    if (full == NULL) {
        return error_no_memory(error, "a path", strlen(path) + sizeof name);
    }
    enum status status = file_remove(world->files, full, error);
    memory_give(full);
    return status;
}

enum status directory_table(const char *path, const struct world *world, uint64_t number,
                            struct file **file, struct error *error) {
    struct error words = {0}; /* *error is written only if both fail */
    enum status status =
        directory_file(path, world, NAME_TABLE, number, FILE_READ, file, &words);
    if (status == STATUS_NOT_FOUND &&
        directory_file(path, world, NAME_OLD_TABLE, number, FILE_READ, file, NULL) ==
            STATUS_OK) {
        return STATUS_OK;
    }
    return status == STATUS_OK ? status : error_set(error, status, "%s", words.message);
}

static enum status move_to(const char *path, const char *lost, const struct world *world,
                           struct name name, struct error *error) {
    char text[NAME_BYTES];
    name_print(text, name.kind, name.number);
    char *from = path_join(path, text);
    char *to = path_join(lost, text);
    enum status status = from == NULL || to == NULL
                             ? error_no_memory(error, "a path", NAME_BYTES)
                             : file_rename(world->files, from, to, error);
    memory_give(from);
    memory_give(to);
    return status;
}

/* `lost` gains its names before the directory loses them. */
enum status directory_set_aside(const char *path, const struct world *world,
                                const struct name *names, size_t count,
                                struct error *error) {
    char *lost = path_join(path, "lost");
    if (lost == NULL) {
        return error_no_memory(error, "a path", NAME_BYTES);
    }
    enum status status = directory_make(world->files, lost, error);
    if (status == STATUS_OK) {
        status = directory_sync(world->files, path, error);
    }
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        status = move_to(path, lost, world, names[i], error);
    }
    if (status == STATUS_OK) {
        status = directory_sync(world->files, lost, error);
    }
    if (status == STATUS_OK) {
        status = directory_sync(world->files, path, error);
    }
    memory_give(lost);
    return status;
}

void directory_count_logs(const struct directory *directory, uint64_t *count,
                          uint64_t *bytes) {
    struct listing listing = {0};
    enum status status = listing_read(&listing, directory->path, directory->world, NULL);
    *count = status == STATUS_OK ? listing.log_count : 0;
    *bytes = 0;
    for (size_t i = 0; i < *count; i++) {
        struct file *file = NULL;
        uint64_t size = 0;
        if (directory_file(directory->path, directory->world, NAME_LOG, listing.logs[i],
                           FILE_READ, &file, NULL) == STATUS_OK &&
            file_size(file, &size, NULL) == STATUS_OK) {
            *bytes += size;
        }
        file_release(file);
    }
    listing_free(&listing);
}
