#include "copying.h"

#include <string.h>

#include "directory.h"
#include "memory.h"

enum { PIECE_BYTES = 256 * 1024 };

enum status copying_begin(struct copying *copying, const struct world *world,
                          const struct kv_copy_options *options, struct error *error) {
    static const struct kv_copy_options none = {0};
    unsigned char *bytes = memory_take(2 * PIECE_BYTES);
    if (bytes == NULL) {
        return error_no_memory(error, "pieces of files", 2 * PIECE_BYTES);
    }
    *copying = (struct copying){
        .world = world, .options = options == NULL ? &none : options, .bytes = bytes};
    return STATUS_OK;
}

void copying_tell(const struct copying *copying) {
    if (copying->options->sequence != NULL) {
        *copying->options->sequence = copying->sequence;
    }
}

void copying_end(struct copying *copying) {
    memory_give(copying->bytes);
    *copying = (struct copying){0};
}

void copying_passed(struct copying *copying, uint64_t bytes) {
    copying->done += bytes;
    if (copying->options->copied != NULL) {
        copying->options->copied(copying->options->context, copying->done,
                                 copying->whole);
    }
}

/* ---- copies ---------------------------------------------------------------------- */

static enum status copy_bytes(struct copying *copying, struct file *from, struct file *to,
                              struct error *error) {
    size_t count = PIECE_BYTES;
    enum status status = STATUS_OK;
    for (uint64_t at = 0; status == STATUS_OK && count == PIECE_BYTES; at += count) {
        status = file_read(from, at, copying->bytes, PIECE_BYTES, &count, error);
        if (status == STATUS_OK && count > 0) {
            status = file_write(to, at, copying->bytes, count, error);
        }
        if (status == STATUS_OK) {
            copying_passed(copying, count);
        }
    }
    return status == STATUS_OK ? file_sync(to, error) : status;
}

/* Takes over `from`. */
static enum status copy_open(struct copying *copying, struct file *from, const char *to,
                             struct error *error) {
    struct file *copy = NULL;
    enum status status = file_open(copying->world->files, to, FILE_CREATE, &copy, error);
    if (status == STATUS_OK) {
        status = copy_bytes(copying, from, copy, error);
    }
    enum status closed = file_close(copy, status == STATUS_OK ? error : NULL);
    file_release(from);
    return status != STATUS_OK ? status : closed;
}

enum status copying_file(struct copying *copying, const char *from, const char *to,
                         struct error *error) {
    struct file *file = NULL;
    enum status status = file_open(copying->world->files, from, FILE_READ, &file, error);
    return status == STATUS_OK ? copy_open(copying, file, to, error) : status;
}

/* NULL when there is no memory. */
static char *numbered_path(const char *dir, enum name_kind kind, uint64_t number) {
    char text[NAME_BYTES];
    name_print(text, kind, number);
    return path_join(dir, text);
}

enum status copying_numbered(struct copying *copying, const char *from_dir,
                             const char *to_dir, struct name name, struct error *error) {
    struct file *file = NULL;
    bool table = name.kind == NAME_TABLE || name.kind == NAME_OLD_TABLE;
    enum name_kind kind = table ? NAME_TABLE : name.kind;
    char *to = numbered_path(to_dir, kind, name.number);
    if (to == NULL) {
        return error_no_memory(error, "a path", strlen(to_dir));
    }
    enum status status =
        table ? directory_table(from_dir, copying->world, name.number, &file, error)
              : directory_file(from_dir, copying->world, kind, name.number, FILE_READ,
                               &file, error);
    if (status == STATUS_OK) {
        status = copy_open(copying, file, to, error);
    }
    memory_give(to);
    return status;
}

/* ---- links ----------------------------------------------------------------------- */

static enum status link_as(struct copying *copying, const char *from_dir,
                           enum name_kind kind, const char *to, uint64_t number,
                           struct error *error) {
    char *from = numbered_path(from_dir, kind, number);
    if (from == NULL) {
        return error_no_memory(error, "a path", strlen(from_dir));
    }
    enum status status = file_link(copying->world->files, from, to, error);
    memory_give(from);
    return status;
}

enum status copying_link(struct copying *copying, const char *from_dir,
                         const char *to_dir, uint64_t number, struct error *error) {
    char *to = numbered_path(to_dir, NAME_TABLE, number);
    if (to == NULL) {
        return error_no_memory(error, "a path", strlen(to_dir));
    }
    struct error refusal = {0};
    enum status status = link_as(copying, from_dir, NAME_TABLE, to, number, &refusal);
    if (status == STATUS_NOT_FOUND) { /* as LevelDB once named it */
        status = link_as(copying, from_dir, NAME_OLD_TABLE, to, number, &refusal);
    }
    memory_give(to);
    return status == STATUS_OK ? status : error_set(error, status, "%s", refusal.message);
}

/* ---- comparison ------------------------------------------------------------------ */

static enum status compare_bytes(struct copying *copying, struct file *file,
                                 struct file *other, bool *same, struct error *error) {
    unsigned char *theirs = copying->bytes + PIECE_BYTES;
    enum status status = STATUS_OK;
    size_t count = PIECE_BYTES;
    *same = true;
    for (uint64_t at = 0; status == STATUS_OK && *same && count == PIECE_BYTES;
         at += count) {
        size_t found = 0;
        status = file_read(file, at, copying->bytes, PIECE_BYTES, &count, error);
        if (status == STATUS_OK &&
            file_read(other, at, theirs, PIECE_BYTES, &found, NULL) != STATUS_OK) {
            *same = false;
        } else if (status == STATUS_OK) {
            *same = found == count && memcmp(copying->bytes, theirs, count) == 0;
        }
    }
    return status;
}

enum status copying_same(struct copying *copying, const char *dir, const char *other,
                         uint64_t number, bool *same, struct error *error) {
    struct file *ours = NULL, *theirs = NULL;
    *same = false;
    if (directory_table(other, copying->world, number, &theirs, NULL) != STATUS_OK) {
        return STATUS_OK;
    }
    enum status status = directory_table(dir, copying->world, number, &ours, error);
    if (status == STATUS_OK) {
        status = compare_bytes(copying, ours, theirs, same, error);
    }
    file_release(ours);
    file_release(theirs);
    return status;
}
