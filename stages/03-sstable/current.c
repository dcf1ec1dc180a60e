/* The order on which everything rests:
 *
 *     temporary written → temporary synced → renamed over CURRENT → directory synced
 *
 * A rename may become durable ahead of the bytes that were written before it, so without
 * the first sync a loss of power could leave a CURRENT that is empty. Without the second
 * the old name could come back after files that only it needs have been removed. */
#include "current.h"

#include <stdio.h>

#include "directory.h"
#include "failpoint.h"
#include "memory.h"
#include "names.h"

static const char listing_line[] = "LISTING\n";

enum { LINE_BYTES = NAME_BYTES + 2 }; /* room for any line, and one byte more */

static void print_line(char line[LINE_BYTES], const struct current *current) {
    if (current->kind == CURRENT_LISTING) {
        snprintf(line, LINE_BYTES, "%s", listing_line);
        return;
    }
    char name[NAME_BYTES];
    name_print(name, NAME_MANIFEST, current->number);
    snprintf(line, LINE_BYTES, "%s\n", name);
}

/* What is not written just so is not taken: a line is compared with the one that would be
 * printed for it. */
static bool parse_line(struct slice found, struct current *current) {
    char line[LINE_BYTES] = {0};
    if (slice_equal(found, slice_of(listing_line))) {
        *current = (struct current){CURRENT_LISTING, 0};
        return true;
    }
    if (found.length < 2 || found.length >= sizeof line) {
        return false;
    }
    memcpy(line, found.data, found.length - 1);
    struct name name = name_parse(line);
    struct current parsed = {CURRENT_MANIFEST, name.number};
    print_line(line, &parsed);
    if (name.kind != NAME_MANIFEST || !slice_equal(found, slice_of(line))) {
        return false;
    }
    *current = parsed;
    return true;
}

static enum status read_file(struct file *file, struct current *current,
                             struct error *error) {
    unsigned char bytes[LINE_BYTES];
    size_t count;
    enum status status = file_read(file, 0, bytes, sizeof bytes, &count, error);
    if (status == STATUS_OK && !parse_line(slice_make(bytes, count), current)) {
        status = error_set(error, STATUS_CORRUPT,
                           "%s: offset 0: not one line LISTING or MANIFEST-NNNNNN",
                           file->path);
    }
    return status;
}

enum status current_read_path(const char *path, const struct world *world,
                              struct current *current, struct error *error) {
    struct file *file = NULL;
    struct current found = {CURRENT_NONE, 0};
    enum status status = file_open(world->files, path, FILE_READ, &file, error);
    if (status == STATUS_OK) {
        status = read_file(file, &found, error);
    }
    file_release(file);
    if (status == STATUS_OK) {
        *current = found;
    }
    return status;
}

enum status current_read(const char *dir, const struct world *world,
                         struct current *current, struct error *error) {
    struct error refusal = {0};
    char *path = path_join(dir, "CURRENT");
    if (path == NULL) {
        return error_no_memory(error, "a path", strlen(dir));
    }
    enum status status = current_read_path(path, world, current, &refusal);
    memory_give(path);
    if (status == STATUS_NOT_FOUND) {
        *current = (struct current){CURRENT_NONE, 0};
        return STATUS_OK;
    }
    return status == STATUS_OK ? status : error_set(error, status, "%s", refusal.message);
}

enum status current_prepare(const char *dir, const struct world *world,
                            const struct current *current, uint64_t number,
                            struct error *error) {
    struct file *file = NULL;
    char line[LINE_BYTES];
    print_line(line, current);
    if (failpoint(current_write)) {
        return error_set(error, STATUS_IO, "%s: failpoint current_write", dir);
    }
    enum status status =
        directory_file(dir, world, NAME_TEMPORARY, number, FILE_OVERWRITE, &file, error);
    if (status != STATUS_OK) {
        return status;
    }
    status = file_write(file, 0, line, strlen(line), error);
    if (status == STATUS_OK) {
        status = file_sync(file, error);
    }
    enum status closed = file_close(file, status == STATUS_OK ? error : NULL);
    return status != STATUS_OK ? status : closed;
}

static enum status rename_over(const char *dir, const struct world *world,
                               uint64_t number, bool *begun, struct error *error) {
    char name[NAME_BYTES];
    name_print(name, NAME_TEMPORARY, number);
    char *from = path_join(dir, name);
    char *to = path_join(dir, "CURRENT");
    enum status status = STATUS_OK;
    if (from == NULL || to == NULL) {
        status = error_no_memory(error, "a path", strlen(dir));
        goto out;
    }
    *begun = true;
    status = file_rename(world->files, from, to, error);
    if (status == STATUS_OK) {
        failpoint_pass(current_renamed_not_synced);
        status = directory_sync(world->files, dir, error); /* COMMIT POINT */
    }
out:
    memory_give(from);
    memory_give(to);
    return status;
}

enum status current_write(const char *dir, const struct world *world,
                          const struct current *current, uint64_t temporary_number,
                          bool *begun, struct error *error) {
    *begun = false;
    enum status status = current_prepare(dir, world, current, temporary_number, error);
    if (status == STATUS_OK) {
        failpoint_pass(current_written_not_renamed);
        status = rename_over(dir, world, temporary_number, begun, error);
    }
    if (status != STATUS_OK && !*begun) {
        enum status removed =
            directory_remove(dir, world, NAME_TEMPORARY, temporary_number, NULL);
        (void)removed; /* one that stays is no part of the database */
    }
    return status;
}
