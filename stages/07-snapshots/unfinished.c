/* Until the rename there is only a directory of another name, and a crash leaves that, to
 * be cleared by the next begin. What is in it must be durable before the rename is, so it
 * is synced first: the rename may reach the disk before any other sync. The rename itself
 * is durable when the parent is synced.
 *
 * CURRENT is the last file that comes, and the first that goes: so the directory under
 * its other name is no database either while it is not whole. */
#include "unfinished.h"

#include <string.h>

#include "directory.h"
#include "memory.h"

#define SUFFIX ".unfinished"

/* ---- paths ----------------------------------------------------------------------- */

static void free_paths(struct unfinished *unfinished) {
    memory_give(unfinished->target);
    memory_give(unfinished->parent);
    memory_give(unfinished->path);
    *unfinished = (struct unfinished){0};
}

/* `length` bytes of a text, and another behind them; NULL when there is no memory. */
static char *text_with(const char *text, size_t length, const char *behind) {
    char *copy = memory_take(length + strlen(behind) + 1);
    if (copy != NULL) {
        memcpy(copy, text, length);
        strcpy(copy + length, behind);
    }
    return copy;
}

static enum status make_paths(struct unfinished *unfinished, const char *target,
                              struct error *error) {
    size_t length = strlen(target);
    while (length > 1 && target[length - 1] == '/') {
        length--;
    }
    if (length == 0 || target[length - 1] == '/') {
        return error_set(error, STATUS_INVALID, "\"%s\": not a name for a directory",
                         target);
    }
    unfinished->target = text_with(target, length, "");
    unfinished->path = text_with(target, length, SUFFIX);
    unfinished->parent = path_parent(target);
    return unfinished->target != NULL && unfinished->path != NULL &&
                   unfinished->parent != NULL
               ? STATUS_OK
               : error_no_memory(error, "a path", length);
}

/* ---- what is there --------------------------------------------------------------- */

static void count_name(void *context, const char *name) {
    (void)name;
    ++*(size_t *)context;
}

static enum status check_target(const struct unfinished *unfinished, bool may_be_empty,
                                struct error *error) {
    struct error refusal = {0};
    size_t names = 0;
    enum status status = directory_list(unfinished->world->files, unfinished->target,
                                        count_name, &names, &refusal);
    if (status == STATUS_NOT_FOUND) {
        return STATUS_OK;
    }
    if (status != STATUS_OK) {
        return error_set(error, status, "%s", refusal.message);
    }
    if (may_be_empty && names == 0) {
        return STATUS_OK;
    }
    return error_set(error, STATUS_INVALID, "%s: it is there already%s",
                     unfinished->target, names == 0 ? "" : ", and not empty");
}

static enum status make_directory(const struct unfinished *unfinished,
                                  struct error *error) {
    struct error refusal = {0};
    enum status status =
        directory_make(unfinished->world->files, unfinished->path, &refusal);
    if (status == STATUS_NOT_FOUND) {
        return error_set(error, STATUS_INVALID, "%s: there is no directory %s for it",
                         unfinished->target, unfinished->parent);
    }
    return status == STATUS_OK ? status : error_set(error, status, "%s", refusal.message);
}

static enum status take_lock(struct unfinished *unfinished, struct error *error) {
    struct error refusal = {0};
    char *path = path_join(unfinished->path, "LOCK");
    if (path == NULL) {
        return error_no_memory(error, "a path", strlen(unfinished->path));
    }
    enum status status =
        file_lock(unfinished->world->files, path, &unfinished->lock, &refusal);
    memory_give(path);
    if (status == STATUS_BUSY) {
        return error_set(error, status, "%s: another copy is being made there",
                         unfinished->target);
    }
    return status == STATUS_OK ? status : error_set(error, status, "%s", refusal.message);
}

static enum status remove_named(const struct unfinished *unfinished, const char *name,
                                struct error *error) {
    char *path = path_join(unfinished->path, name);
    if (path == NULL) {
        return error_no_memory(error, "a path", strlen(unfinished->path));
    }
    enum status status = file_remove(unfinished->world->files, path, error);
    memory_give(path);
    return status;
}

static enum status check_ours(const struct unfinished *unfinished, struct error *error) {
    struct listing listing = {0};
    enum status status =
        listing_read(&listing, unfinished->path, unfinished->world, error);
    if (status == STATUS_OK && listing.foreign > 0) {
        status = error_set(error, STATUS_INVALID,
                           "%s: it holds %s, which is no part of an unfinished copy",
                           unfinished->path, listing.example);
    }
    listing_free(&listing);
    return status;
}

/* Removes all but LOCK. */
static enum status clear(const struct unfinished *unfinished, struct error *error) {
    const struct world *world = unfinished->world;
    struct listing listing = {0};
    enum status status = listing_read(&listing, unfinished->path, world, error);
    if (status == STATUS_OK && listing.current) {
        status = remove_named(unfinished, "CURRENT", error);
    }
    for (size_t i = 0; i < listing.log_count && status == STATUS_OK; i++) {
        status =
            directory_remove(unfinished->path, world, NAME_LOG, listing.logs[i], error);
    }
    for (size_t i = 0; i < listing.other_count && status == STATUS_OK; i++) {
        status = directory_remove(unfinished->path, world, listing.others[i].kind,
                                  listing.others[i].number, error);
    }
    listing_free(&listing);
    return status;
}

/* ---- begin and end --------------------------------------------------------------- */

enum status unfinished_begin(struct unfinished *unfinished, const char *target,
                             bool may_be_empty, const struct world *world,
                             struct error *error) {
    unfinished->world = world;
    enum status status = make_paths(unfinished, target, error);
    if (status == STATUS_OK) {
        status = check_target(unfinished, may_be_empty, error);
    }
    if (status != STATUS_OK) {
        free_paths(unfinished);
        return status;
    }
    status = make_directory(unfinished, error);
    if (status == STATUS_OK) {
        status = check_ours(unfinished, error);
    }
    if (status == STATUS_OK) {
        status = take_lock(unfinished, error);
    }
    if (status == STATUS_OK) {
        status = clear(unfinished, error);
    }
    if (status != STATUS_OK) {
        /* Removed only if it is empty, and nobody else's then. */
        if (unfinished->lock != NULL) {
            unfinished_abandon(unfinished);
        } else {
            enum status removed = directory_unmake(world->files, unfinished->path, NULL);
            (void)removed;
            free_paths(unfinished);
        }
    }
    return status;
}

void unfinished_unlock(struct unfinished *unfinished) {
    file_release(unfinished->lock);
    unfinished->lock = NULL;
}

/* Whoever takes it over removes CURRENT first, under LOCK, and makes another last: where
 * one is, the copy is whole, this one or theirs. */
enum status unfinished_relock(struct unfinished *unfinished, struct error *error) {
    struct listing listing = {0};
    enum status status = take_lock(unfinished, error);
    if (status == STATUS_OK) {
        status = listing_read(&listing, unfinished->path, unfinished->world, error);
    }
    if (status == STATUS_OK && !listing.current) {
        status = error_set(error, STATUS_BUSY, "%s: another copy was being made there",
                           unfinished->target);
    }
    listing_free(&listing);
    return status;
}

/* Without LOCK it is somebody else's by now. */
void unfinished_abandon(struct unfinished *unfinished) {
    if (unfinished->lock != NULL) {
        const struct file_system *files = unfinished->world->files;
        enum status status = clear(unfinished, NULL);
        if (status == STATUS_OK) {
            status = remove_named(unfinished, "LOCK", NULL);
        }
        if (status == STATUS_OK) {
            status = directory_unmake(files, unfinished->path, NULL);
        }
        unfinished_unlock(unfinished);
    }
    free_paths(unfinished);
}

enum status unfinished_finish(struct unfinished *unfinished, struct error *error) {
    const struct file_system *files = unfinished->world->files;
    enum status status = directory_sync(files, unfinished->path, error);
    if (status == STATUS_OK) {
        status = file_rename(files, unfinished->path, unfinished->target, error);
        if (status == STATUS_OK) {
            status = directory_sync(files, unfinished->parent, error); /* COMMIT POINT */
        }
        if (status != STATUS_OK) { /* it may have its name: whole, but not durably */
            enum status renamed =
                file_rename(files, unfinished->target, unfinished->path, NULL);
            (void)renamed;
        }
    }
    if (status != STATUS_OK) {
        unfinished_abandon(unfinished);
        return status;
    }
    unfinished_unlock(unfinished);
    free_paths(unfinished);
    return status;
}
