#include "catalog.h"

#include "failpoint.h"
#include "memory.h"
#include "table_file.h"

static enum status name_table(struct directory *directory, uint64_t number,
                              struct error *error) {
    char temporary[NAME_BYTES], name[NAME_BYTES];
    name_print(temporary, NAME_TEMPORARY, number);
    name_print(name, NAME_TABLE, number);
    char *from = path_join(directory->path, temporary);
    char *to = path_join(directory->path, name);
    enum status status = from == NULL || to == NULL
                             ? error_no_memory(error, "a path", NAME_BYTES)
                             : file_rename(directory->world->files, from, to, error);
    memory_give(from);
    memory_give(to);
    return status;
}

enum status catalog_name_tables(struct directory *directory, const struct edit *edit,
                                bool *begun, struct error *error) {
    enum status status = STATUS_OK;
    *begun = false;
    if (failpoint(table_name)) {
        return error_set(error, STATUS_IO, "%s: failpoint table_name", directory->path);
    }
    for (size_t i = 0; i < edit->added_count && status == STATUS_OK; i++) {
        uint64_t number = edit->added[i].file->meta.number;
        if (!edit_removes(edit, number)) { /* else it moves, and has its name */
            *begun = true;
            status = name_table(directory, number, error);
        }
    }
    failpoint_pass(table_named_not_synced);
    if (status == STATUS_OK && *begun) {
        status = directory_sync(directory->world->files, directory->path, error);
    }
    return status;
}

enum status catalog_remove_temporaries(struct directory *directory, struct error *error) {
    const struct listing *listing = &directory->listing;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < listing->other_count && status == STATUS_OK; i++) {
        if (listing->others[i].kind == NAME_TEMPORARY) {
            status = directory_remove(directory->path, directory->world, NAME_TEMPORARY,
                                      listing->others[i].number, error);
        }
    }
    return status;
}

enum status catalog_blame(const struct catalog_found *found, enum status status,
                          struct error *error) {
    if (status == STATUS_CORRUPT && found->dropped.status != STATUS_OK && error != NULL) {
        struct error cause = *error;
        error_set(error, status, "%s; %s", cause.message, found->dropped.message);
    }
    return status;
}
