/* Who may still read a table holds a reference to its file, through a version. A version
 * that is no longer the view's is found only by those who are on an old view, and that
 * holds it. So once the reference of this list is the only one, it stays so. */
#include "obsolete.h"

#include <assert.h>

#include "failpoint.h"
#include "memory.h"

void obsolete_free(struct obsolete *obsolete) {
    for (size_t i = 0; i < obsolete->count; i++) {
        table_file_unref(obsolete->files[i]);
    }
    memory_give(obsolete->files);
    *obsolete = (struct obsolete){0};
}

enum status obsolete_reserve(struct obsolete *obsolete, size_t count) {
    size_t wanted = obsolete->count + obsolete->promised + count;
    if (wanted > obsolete->room) {
        struct table_file **files =
            memory_resize(obsolete->files, wanted * sizeof(struct table_file *));
        if (files == NULL) {
            return STATUS_NO_MEMORY;
        }
        obsolete->files = files;
        obsolete->room = wanted;
    }
    obsolete->promised += count;
    return STATUS_OK;
}

void obsolete_cancel(struct obsolete *obsolete, size_t count) {
    assert(obsolete->promised >= count);
    obsolete->promised -= count;
}

void obsolete_add(struct obsolete *obsolete, struct table_file *file) {
    obsolete_cancel(obsolete, 1);
    table_file_ref(file);
    obsolete->files[obsolete->count++] = file;
}

struct table_file *obsolete_take_unread(struct obsolete *obsolete) {
    for (size_t i = 0; i < obsolete->count; i++) {
        struct table_file *file = obsolete->files[i];
        /* Acquire: what its last reader did with the table comes before its end. */
        if (atomic_u64_load(&file->references, memory_order_acquire) == 1) {
            obsolete->files[i] = obsolete->files[--obsolete->count];
            return file;
        }
    }
    return NULL;
}

void obsolete_remove(struct table_file *file, const struct directory *directory) {
    uint64_t number = file->meta.number;
    enum status status =
        directory_remove(directory->path, directory->world, NAME_TABLE, number, NULL);
    if (status == STATUS_NOT_FOUND) { /* as LevelDB once named it */
        status = directory_remove(directory->path, directory->world, NAME_OLD_TABLE,
                                  number, NULL);
    }
    failpoint_pass(obsolete_removed);
    table_file_unref(file);
}
