#include "table_salvage.h"

#include <inttypes.h>

#include "block.h"
#include "internal_key.h"
#include "memory.h"
#include "table_format.h"

struct salvaging {
    struct iter iter; /* first: an iter is converted to its struct salvaging */
    struct file *file;
    uint64_t file_bytes;
    const struct report *report; /* NULL: nobody wants to know */

    unsigned char *index_data; /* NULL: blocks are looked for */
    struct block index;
    uint64_t index_offset;
    struct block_iter index_iter;
    uint64_t scanned; /* where the next block to be looked for begins */

    unsigned char *data; /* the block whose entries are shown; NULL: none */
    struct block block;
    struct block_iter data_iter; /* while there is data */
    uint64_t offset;             /* of the block */
    struct buf last;             /* key that was shown */
    bool begun;                  /* one was */
};

/* ---- words and failures ---------------------------------------------------------- */

static void tell(const struct salvaging *at, uint64_t offset, const char *why) {
    if (at->report != NULL) {
        report_line(at->report, "%s: offset %" PRIu64 ": %s", at->file->path, offset,
                    why);
    }
}

static void tell_error(const struct salvaging *at, const struct error *error,
                       const char *consequence) {
    if (at->report != NULL) {
        report_line(at->report, "%s; %s", error->message, consequence);
    }
}

/* ---- where blocks are ------------------------------------------------------------ */

static enum status scan(struct salvaging *at, struct block_handle *handle, bool *found,
                        struct error *error) {
    enum status status = block_find(at->file, at->scanned, handle, found, error);
    if (status == STATUS_OK && *found) {
        at->scanned += handle->bytes + BLOCK_TRAILER_BYTES;
    } else if (status == STATUS_OK) {
        tell(at, at->scanned, "no whole block begins here; nothing is saved behind it");
        at->scanned = at->file_bytes;
    }
    return status;
}

/* The next block's place; *found: there is one. */
static enum status next_place(struct salvaging *at, struct block_handle *handle,
                              bool *found, struct error *error) {
    if (at->index_data == NULL) {
        return scan(at, handle, found, error);
    }
    struct block_iter *index = &at->index_iter;
    *found = false;
    while (index->iter.valid && !*found) {
        struct slice value = index->iter.value;
        *found = take_block_handle(&value, handle);
        if (!*found) {
            tell(at, at->index_offset, "an entry of the index is no block's place");
        }
        block_iter_next(index);
    }
    if (!*found && index->iter.error.status == STATUS_CORRUPT) {
        tell(at, at->index_offset, index->iter.error.message);
    } else if (!*found && index->iter.error.status != STATUS_OK) {
        return error_set(error, index->iter.error.status, "%s",
                         index->iter.error.message);
    }
    return STATUS_OK;
}

/* ---- blocks ---------------------------------------------------------------------- */

static void leave_block(struct salvaging *at) {
    if (at->data != NULL) {
        block_iter_free(&at->data_iter);
        memory_give(at->data);
        at->data = NULL;
    }
}

/* The block becomes the one whose entries are shown. */
static enum status enter_block(struct salvaging *at, struct block_handle handle,
                               struct error *error) {
    unsigned char *data;
    size_t bytes;
    const char *why;
    leave_block(at);
    enum status status =
        block_load(at->file, at->file_bytes, handle, &data, &bytes, error);
    if (status != STATUS_OK) {
        return status;
    }
    if (block_init(&at->block, slice_make(data, bytes), &why) != STATUS_OK) {
        memory_give(data);
        return error_set(error, STATUS_CORRUPT, "%s: offset %" PRIu64 ": %s",
                         at->file->path, handle.offset, why);
    }
    at->data = data;
    at->offset = handle.offset;
    block_iter_init(&at->data_iter, &at->block);
    block_iter_first(&at->data_iter);
    return STATUS_OK;
}

static bool fits(const struct salvaging *at, struct slice key) {
    return internal_key_legal(key) &&
           (!at->begun || internal_key_compare(buf_slice(&at->last), key) < 0);
}

/* Behind the data blocks there are others, and they end a scan. None of them begins with
 * an internal key but the index, and the metaindex stands before it. */
static bool holds_data(const struct salvaging *at) {
    return at->data_iter.iter.valid && fits(at, at->data_iter.iter.key);
}

/* Goes to the next block that can be read; without one there is no data. */
static enum status next_block(struct salvaging *at, struct error *error) {
    bool found = true;
    leave_block(at);
    while (found && at->data == NULL) {
        struct block_handle handle;
        struct error damage = {0};
        enum status status = next_place(at, &handle, &found, error);
        if (status == STATUS_OK && found) {
            status = enter_block(at, handle, &damage);
        }
        if (status == STATUS_CORRUPT) {
            tell_error(at, &damage, "this block is not saved");
        } else if (status != STATUS_OK) {
            return damage.status == STATUS_OK
                       ? status
                       : error_set(error, status, "%s", damage.message);
        }
        if (at->index_data == NULL && (at->data == NULL || !holds_data(at))) {
            leave_block(at);
            return STATUS_OK;
        }
    }
    return STATUS_OK;
}

/* ---- entries --------------------------------------------------------------------- */

/* Whether the block's iterator stands on an entry that can be shown; passes over others.
 */
static enum status settle_in_block(struct salvaging *at, bool *shown,
                                   struct error *error) {
    struct iter *entry = &at->data_iter.iter;
    while (entry->valid && !fits(at, entry->key)) {
        tell(at, at->offset, "an entry out of order is not saved");
        block_iter_next(&at->data_iter);
    }
    *shown = entry->valid;
    if (!entry->valid && entry->error.status == STATUS_CORRUPT) {
        tell(at, at->offset, entry->error.message);
    } else if (!entry->valid && entry->error.status != STATUS_OK) {
        return error_set(error, entry->error.status, "%s", entry->error.message);
    }
    return STATUS_OK;
}

static void settle(struct salvaging *at) {
    struct error *error = &at->iter.error;
    enum status status = STATUS_OK;
    bool shown = false;
    while (at->data != NULL && !shown && status == STATUS_OK) {
        status = settle_in_block(at, &shown, error);
        if (status == STATUS_OK && !shown) {
            status = next_block(at, error);
        }
    }
    if (status == STATUS_OK && shown) {
        at->begun = true;
        at->iter.key = at->data_iter.iter.key;
        at->iter.value = at->data_iter.iter.value;
        if (buf_assign(&at->last, at->iter.key) != STATUS_OK) {
            status = error_no_memory(error, "a key", at->iter.key.length);
        }
    }
    at->iter.valid = status == STATUS_OK && shown;
}

static void salvage_first(struct iter *iter) {
    struct salvaging *at = (struct salvaging *)iter;
    at->iter.error.status = STATUS_OK;
    at->iter.valid = false;
    at->scanned = 0;
    at->begun = false;
    if (at->index_data != NULL) {
        block_iter_first(&at->index_iter);
    }
    if (next_block(at, &at->iter.error) == STATUS_OK) {
        settle(at);
    }
}

static void salvage_next(struct iter *iter) {
    struct salvaging *at = (struct salvaging *)iter;
    at->iter.valid = false;
    block_iter_next(&at->data_iter);
    settle(at);
}

/* ---- open and close -------------------------------------------------------------- */

static void free_all(struct salvaging *at) {
    leave_block(at);
    if (at->index_data != NULL) {
        block_iter_free(&at->index_iter);
        memory_give(at->index_data);
    }
    buf_free(&at->last);
    memory_give(at);
}

static void salvage_close(struct iter *iter) {
    struct salvaging *at = (struct salvaging *)iter;
    file_release(at->file);
    free_all(at);
}

static const struct iter_ops salvage_ops = {
    .first = salvage_first, .next = salvage_next, .close = salvage_close};

/* CORRUPT: there is none that can be read. */
static enum status read_index(struct salvaging *at, struct error *error) {
    struct footer footer;
    unsigned char *data;
    size_t bytes;
    const char *why;
    enum status status = footer_read(at->file, &at->file_bytes, &footer, error);
    if (status != STATUS_OK) {
        return status;
    }
    status = block_load(at->file, at->file_bytes, footer.index, &data, &bytes, error);
    if (status != STATUS_OK) {
        return status;
    }
    if (block_init(&at->index, slice_make(data, bytes), &why) != STATUS_OK) {
        memory_give(data);
        return error_set(error, STATUS_CORRUPT, "%s: offset %" PRIu64 ": %s",
                         at->file->path, footer.index.offset, why);
    }
    at->index_data = data;
    at->index_offset = footer.index.offset;
    block_iter_init(&at->index_iter, &at->index);
    return STATUS_OK;
}

enum status table_salvage_open(struct file *file, const struct report *report,
                               struct iter **iter, struct error *error) {
    struct error damage = {0};
    struct salvaging *at = memory_take_zeroed(sizeof *at);
    if (at == NULL) {
        return error_no_memory(error, "a table's iterator", sizeof *at);
    }
    at->iter.ops = &salvage_ops;
    at->file = file;
    at->report = report;
    enum status status = read_index(at, &damage);
    if (status == STATUS_CORRUPT) {
        tell_error(at, &damage, "its blocks are looked for one by one");
        status = file_size(file, &at->file_bytes, &damage);
    }
    if (status == STATUS_OK) {
        *iter = &at->iter;
    } else {
        error_set(error, status, "%s", damage.message);
        free_all(at);
    }
    return status;
}
