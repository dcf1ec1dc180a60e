/*     edit     := field*                 in any order; written in this one
 *     field    := 1 comparator           comparator's name, prefixed by its length
 *               | 2 number               log number
 *               | 9 number               previous log number
 *               | 3 number               next file number
 *               | 4 number               last sequence
 *               | 5 level key            compaction pointer
 *               | 6 level number         table removed
 *               | 7 level number bytes key key
 *                                        table added: number, size, smallest, largest
 *     level    := varint32               0 to 6
 *     number, bytes := varint64
 *     key      := internal key, prefixed by its length
 *
 * Tags are varint32; lengths too. */
#include "version_edit.h"

#include <assert.h>

#include "coding.h"
#include "internal_key.h"
#include "memory.h"

enum tag {
    TAG_COMPARATOR = 1,
    TAG_LOG_NUMBER = 2,
    TAG_NEXT_NUMBER = 3,
    TAG_LAST_SEQUENCE = 4,
    TAG_POINTER = 5,
    TAG_REMOVED = 6,
    TAG_ADDED = 7,
    TAG_PREVIOUS_LOG_NUMBER = 9
};

void manifest_edit_free(struct manifest_edit *edit) {
    memory_give(edit->pointers);
    memory_give(edit->removed);
    memory_give(edit->added);
    *edit = (struct manifest_edit){0};
}

/* The array with room for one entry more, which may have moved; NULL: no memory, and it
 * is as it was. */
static void *with_room(void *entries, size_t count, size_t *room, size_t entry_bytes) {
    if (count < *room) {
        return entries;
    }
    size_t more = *room == 0 ? 4 : 2 * *room;
    void *moved = memory_resize(entries, more * entry_bytes);
    if (moved != NULL) {
        *room = more;
    }
    return moved;
}

enum status manifest_edit_point(struct manifest_edit *edit,
                                struct manifest_pointer pointer) {
    assert(pointer.level < MANIFEST_LEVELS);
    struct manifest_pointer *pointers = with_room(edit->pointers, edit->pointer_count,
                                                  &edit->pointer_room, sizeof pointer);
    if (pointers == NULL) {
        return STATUS_NO_MEMORY;
    }
    edit->pointers = pointers;
    edit->pointers[edit->pointer_count++] = pointer;
    return STATUS_OK;
}

enum status manifest_edit_remove(struct manifest_edit *edit,
                                 struct manifest_removed removed) {
    assert(removed.level < MANIFEST_LEVELS);
    struct manifest_removed *all = with_room(edit->removed, edit->removed_count,
                                             &edit->removed_room, sizeof removed);
    if (all == NULL) {
        return STATUS_NO_MEMORY;
    }
    edit->removed = all;
    edit->removed[edit->removed_count++] = removed;
    return STATUS_OK;
}

enum status manifest_edit_add(struct manifest_edit *edit, struct manifest_added added) {
    assert(added.level < MANIFEST_LEVELS);
    struct manifest_added *all =
        with_room(edit->added, edit->added_count, &edit->added_room, sizeof added);
    if (all == NULL) {
        return STATUS_NO_MEMORY;
    }
    edit->added = all;
    edit->added[edit->added_count++] = added;
    return STATUS_OK;
}

/* ---- encode ---------------------------------------------------------------------- */

static enum status put_number(struct buf *bytes, uint64_t number) {
    unsigned char varint[VARINT64_BYTES_MAX];
    return buf_append(bytes, varint, (size_t)(encode_varint(varint, number) - varint));
}

static enum status put_text(struct buf *bytes, struct slice text) {
    enum status status = put_number(bytes, text.length);
    return status == STATUS_OK ? buf_append_slice(bytes, text) : status;
}

/* A tag and the number behind it. */
static enum status put_field(struct buf *bytes, enum tag tag, uint64_t number) {
    enum status status = put_number(bytes, (uint64_t)tag);
    return status == STATUS_OK ? put_number(bytes, number) : status;
}

static enum status put_numbers(struct buf *bytes, const struct manifest_edit *edit) {
    enum status status = STATUS_OK;
    if (edit->has_log_number) {
        status = put_field(bytes, TAG_LOG_NUMBER, edit->log_number);
    }
    if (status == STATUS_OK && edit->has_previous_log_number) {
        status = put_field(bytes, TAG_PREVIOUS_LOG_NUMBER, edit->previous_log_number);
    }
    if (status == STATUS_OK && edit->has_next_number) {
        status = put_field(bytes, TAG_NEXT_NUMBER, edit->next_number);
    }
    if (status == STATUS_OK && edit->has_last_sequence) {
        status = put_field(bytes, TAG_LAST_SEQUENCE, edit->last_sequence);
    }
    return status;
}

static enum status put_added(struct buf *bytes, const struct manifest_added *added) {
    enum status status = put_field(bytes, TAG_ADDED, added->level);
    if (status == STATUS_OK) {
        status = put_number(bytes, added->number);
    }
    if (status == STATUS_OK) {
        status = put_number(bytes, added->bytes);
    }
    if (status == STATUS_OK) {
        status = put_text(bytes, added->smallest);
    }
    return status == STATUS_OK ? put_text(bytes, added->largest) : status;
}

enum status manifest_edit_encode(const struct manifest_edit *edit, struct buf *bytes) {
    enum status status = STATUS_OK;
    buf_clear(bytes);
    if (slice_present(edit->comparator)) {
        status = put_number(bytes, TAG_COMPARATOR);
        if (status == STATUS_OK) {
            status = put_text(bytes, edit->comparator);
        }
    }
    if (status == STATUS_OK) {
        status = put_numbers(bytes, edit);
    }
    for (size_t i = 0; i < edit->pointer_count && status == STATUS_OK; i++) {
        status = put_field(bytes, TAG_POINTER, edit->pointers[i].level);
        if (status == STATUS_OK) {
            status = put_text(bytes, edit->pointers[i].key);
        }
    }
    for (size_t i = 0; i < edit->removed_count && status == STATUS_OK; i++) {
        status = put_field(bytes, TAG_REMOVED, edit->removed[i].level);
        if (status == STATUS_OK) {
            status = put_number(bytes, edit->removed[i].number);
        }
    }
    for (size_t i = 0; i < edit->added_count && status == STATUS_OK; i++) {
        status = put_added(bytes, &edit->added[i]);
    }
    return status;
}

/* ---- decode ---------------------------------------------------------------------- */

static bool take_level(struct slice *from, unsigned *level) {
    uint32_t value;
    if (!take_varint32(from, &value) || value >= MANIFEST_LEVELS) {
        return false;
    }
    *level = value;
    return true;
}

static bool take_file_number(struct slice *from, uint64_t *number) {
    return take_varint64(from, number) && *number <= MANIFEST_NUMBER_MAX;
}

static bool take_key(struct slice *from, struct slice *key) {
    return take_prefixed(from, key) && internal_key_legal(*key);
}

/* A number that an edit has at most once. */
static bool take_only(struct slice *from, uint64_t most, bool *has, uint64_t *number) {
    *has = take_varint64(from, number) && *number <= most;
    return *has;
}

static enum status take_pointer(struct manifest_edit *edit, struct slice *from,
                                const char **why) {
    struct manifest_pointer pointer;
    if (!take_level(from, &pointer.level) || !take_key(from, &pointer.key)) {
        *why = "a compaction pointer is not one";
        return STATUS_CORRUPT;
    }
    return manifest_edit_point(edit, pointer);
}

static enum status take_removed(struct manifest_edit *edit, struct slice *from,
                                const char **why) {
    struct manifest_removed removed;
    if (!take_level(from, &removed.level) || !take_file_number(from, &removed.number)) {
        *why = "a removed table has no proper level or number";
        return STATUS_CORRUPT;
    }
    return manifest_edit_remove(edit, removed);
}

static enum status take_added(struct manifest_edit *edit, struct slice *from,
                              const char **why) {
    struct manifest_added added;
    if (!take_level(from, &added.level) || !take_file_number(from, &added.number) ||
        !take_varint64(from, &added.bytes)) {
        *why = "an added table has no proper level, number or size";
        return STATUS_CORRUPT;
    }
    if (!take_key(from, &added.smallest) || !take_key(from, &added.largest)) {
        *why = "an added table's smallest or largest key is no internal key";
        return STATUS_CORRUPT;
    }
    if (internal_key_compare(added.smallest, added.largest) > 0) {
        *why = "an added table's smallest key is above its largest";
        return STATUS_CORRUPT;
    }
    return manifest_edit_add(edit, added);
}

static enum status take_field(struct manifest_edit *edit, struct slice *from,
                              const char **why) {
    uint32_t tag;
    if (!take_varint32(from, &tag)) {
        *why = "a tag is cut short";
        return STATUS_CORRUPT;
    }
    bool good = false;
    switch (tag) {
    case TAG_COMPARATOR:
        *why = "the comparator's name is cut short";
        good = take_prefixed(from, &edit->comparator);
        break;
    case TAG_LOG_NUMBER:
        *why = "the log number is none";
        good = take_only(from, MANIFEST_NUMBER_MAX, &edit->has_log_number,
                         &edit->log_number);
        break;
    case TAG_PREVIOUS_LOG_NUMBER:
        *why = "the previous log number is none";
        good = take_only(from, MANIFEST_NUMBER_MAX, &edit->has_previous_log_number,
                         &edit->previous_log_number);
        break;
    case TAG_NEXT_NUMBER:
        *why = "the next file number is none";
        good = take_only(from, MANIFEST_NUMBER_MAX, &edit->has_next_number,
                         &edit->next_number);
        break;
    case TAG_LAST_SEQUENCE:
        *why = "the last sequence is none";
        good =
            take_only(from, SEQUENCE_MAX, &edit->has_last_sequence, &edit->last_sequence);
        break;
    case TAG_POINTER:
        return take_pointer(edit, from, why);
    case TAG_REMOVED:
        return take_removed(edit, from, why);
    case TAG_ADDED:
        return take_added(edit, from, why);
    default:
        *why = "a field with an unknown tag";
        break;
    }
    return good ? STATUS_OK : STATUS_CORRUPT;
}

enum status manifest_edit_decode(struct manifest_edit *edit, struct slice bytes,
                                 const char **why) {
    struct manifest_edit decoded = {0};
    enum status status = STATUS_OK;
    while (bytes.length > 0 && status == STATUS_OK) {
        status = take_field(&decoded, &bytes, why);
    }
    if (status == STATUS_OK) {
        *edit = decoded;
    } else {
        manifest_edit_free(&decoded);
    }
    return status;
}
