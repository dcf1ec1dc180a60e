#include "edit.h"

#include "memory.h"
#include "table_file.h"

enum { ROOM_LEAST = 4 };

/* Room for one more item; growth doubles. */
static void *one_more(void *items, size_t item_bytes, size_t count, size_t *room) {
    if (count < *room) {
        return items;
    }
    size_t wanted = *room == 0 ? ROOM_LEAST : *room * 2;
    void *grown = memory_resize(items, wanted * item_bytes);
    if (grown != NULL) {
        *room = wanted;
    }
    return grown;
}

enum status edit_add(struct edit *edit, unsigned level, struct table_file *file) {
    struct edit_added *added =
        one_more(edit->added, sizeof *added, edit->added_count, &edit->added_room);
    if (added == NULL) {
        return STATUS_NO_MEMORY;
    }
    table_file_ref(file);
    added[edit->added_count++] = (struct edit_added){level, file};
    edit->added = added;
    return STATUS_OK;
}

enum status edit_remove(struct edit *edit, unsigned level, uint64_t number) {
    struct edit_removed *removed = one_more(edit->removed, sizeof *removed,
                                            edit->removed_count, &edit->removed_room);
    if (removed == NULL) {
        return STATUS_NO_MEMORY;
    }
    removed[edit->removed_count++] = (struct edit_removed){level, number};
    edit->removed = removed;
    return STATUS_OK;
}

bool edit_removes(const struct edit *edit, uint64_t number) {
    for (size_t i = 0; i < edit->removed_count; i++) {
        if (edit->removed[i].number == number) {
            return true;
        }
    }
    return false;
}

void edit_free(struct edit *edit) {
    for (size_t i = 0; i < edit->added_count; i++) {
        table_file_unref(edit->added[i].file);
    }
    memory_give(edit->added);
    memory_give(edit->removed);
    *edit = (struct edit){0};
}
