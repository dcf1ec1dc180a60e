/* A lookup goes from the filter to the index to one data block. The index entry that it
 * finds is the first whose key is at or above what is sought; all keys of its block are
 * at or below that key, all keys of later blocks above it. So what is sought is in this
 * block, unless the block ends before it. Then the next block begins with it, or it is
 * nowhere; and it can begin with a version of the same user key only if the index key is
 * still one of that user key, too. Strata and LevelDB write no such index; others may. */
#include "table.h"

#include <inttypes.h>

#include "leveldb_filter.h"
#include "memory.h"
#include "table_inside.h"

enum status table_corrupt(const struct table *table, uint64_t offset, const char *why,
                          struct error *error) {
    return error_set(error, STATUS_CORRUPT, "%s: offset %" PRIu64 ": %s",
                     table->file->path, offset, why);
}

enum status table_block_failed(const struct table *table, uint64_t offset,
                               const struct error *failure, struct error *error) {
    return failure->status == STATUS_CORRUPT
               ? table_corrupt(table, offset, failure->message, error)
               : error_set(error, failure->status, "%s", failure->message);
}

/* ---- blocks ---------------------------------------------------------------------- */

enum status table_handle(const struct table *table, struct slice index_value,
                         struct block_handle *handle, struct error *error) {
    return take_block_handle(&index_value, handle) && index_value.length == 0
               ? STATUS_OK
               : table_corrupt(table, table->index_offset,
                               "an entry of the index is no block's place", error);
}

/* As table_load; a block for which `room` is large enough is put there. */
static enum status load_into(const struct table *table, struct block_handle handle,
                             unsigned char *room, size_t room_bytes, unsigned char **data,
                             size_t *bytes, struct block *block, struct error *error) {
    unsigned char *loaded;
    size_t loaded_bytes;
    const char *why;
    enum status status = block_load_into(table->file, table->file_bytes, handle, room,
                                         room_bytes, &loaded, &loaded_bytes, error);
    if (status != STATUS_OK) {
        return status;
    }
    if (block_init(block, slice_make(loaded, loaded_bytes), &why) != STATUS_OK) {
        if (loaded != room) {
            memory_give(loaded);
        }
        return table_corrupt(table, handle.offset, why, error);
    }
    *data = loaded;
    *bytes = loaded_bytes;
    return STATUS_OK;
}

enum status table_load(const struct table *table, struct block_handle handle,
                       unsigned char **data, size_t *bytes, struct block *block,
                       struct error *error) {
    return load_into(table, handle, NULL, 0, data, bytes, block, error);
}

void table_block_init(struct table_block *block) {
    block->block.data = NULL;
    block->offset = 0;
    block->pin = NULL;
    block->own = NULL;
}

bool table_block_find(const struct table *table, struct block_handle handle,
                      struct table_block *block) {
    block->offset = handle.offset;
    block->pin = block_cache_find(table->cache, table->number, handle.offset);
    if (block->pin == NULL) {
        return false;
    }
    block->block = block_known(slice_make(block->pin->data, block->pin->bytes));
    return true;
}

static enum status load_pinned(const struct table *table, struct block_handle handle,
                               struct table_block *block, struct error *error) {
    unsigned char *data;
    size_t bytes;
    struct block loaded;
    enum status status = table_load(table, handle, &data, &bytes, &loaded, error);
    if (status != STATUS_OK) {
        return status;
    }
    block->pin =
        block_cache_insert(table->cache, table->number, handle.offset, data, bytes);
    if (block->pin == NULL) {
        return error_no_memory(error, "a block in use", bytes);
    }
    /* Perhaps another thread's copy. */
    block->block = block_known(slice_make(block->pin->data, block->pin->bytes));
    return STATUS_OK;
}

enum status table_block_load(const struct table *table, struct block_handle handle,
                             struct table_block *block, struct error *error) {
    unsigned char *data;
    size_t bytes;
    block->offset = handle.offset;
    if (block_cache_wants(table->cache, table->number, handle.offset)) {
        return load_pinned(table, handle, block, error);
    }
    enum status status = load_into(table, handle, block->room, sizeof block->room, &data,
                                   &bytes, &block->block, error);
    if (status == STATUS_OK && data != block->room) {
        block->own = data;
    }
    return status;
}

void table_block_leave(const struct table *table, struct table_block *block) {
    if (block->pin != NULL) {
        block_cache_unpin(table->cache, block->pin);
        block->pin = NULL;
    }
    memory_give(block->own);
    block->own = NULL;
    block->block.data = NULL;
}

/* ---- get ------------------------------------------------------------------------- */

/* Takes from the entry that a search ended on what it says of the key. */
static enum status take_answer(const struct table *table, uint64_t offset,
                               const struct iter *entry, const struct search_key *key,
                               struct buf *value, enum lookup *answer,
                               struct error *error) {
    if (!internal_key_legal(entry->key)) {
        return table_corrupt(table, offset, "an entry's key is no internal key", error);
    }
    if (!slice_equal(internal_key_user(entry->key), search_key_user(key))) {
        *answer = LOOKUP_ABSENT;
    } else if (tag_type(internal_key_tag(entry->key)) == KV_DELETE) {
        *answer = LOOKUP_DELETED;
    } else if (buf_assign(value, entry->value) == STATUS_OK) {
        *answer = LOOKUP_FOUND;
    } else {
        return error_no_memory(error, "a value", entry->value.length);
    }
    return STATUS_OK;
}

static bool would_wait(const struct table *table, struct block_handle handle) {
    uint64_t bytes = handle.bytes + BLOCK_TRAILER_BYTES;
    return bytes > FILE_AT_HAND_BYTES ||
           !file_at_hand(table->file, handle.offset, (size_t)bytes);
}

/* *over: there is nothing to be found behind this block. */
static enum status search_block(const struct table *table, struct block_handle handle,
                                const struct search_key *key, struct buf *value,
                                enum lookup *answer, bool *over, struct error *error) {
    struct table_block block;
    enum status status = STATUS_OK;
    table_block_init(&block);
    if (!table_block_find(table, handle, &block)) {
        status = key->no_wait && would_wait(table, handle)
                     ? search_key_must_wait(error)
                     : table_block_load(table, handle, &block, error);
    }
    if (status != STATUS_OK) {
        return status;
    }
    struct block_iter iter;
    key->counts->blocks_searched++;
    block_iter_init(&iter, &block.block);
    block_iter_seek(&iter, key->internal);
    *over = iter.iter.valid;
    if (iter.iter.valid) {
        status = take_answer(table, handle.offset, &iter.iter, key, value, answer, error);
    } else if (iter.iter.error.status != STATUS_OK) {
        status = table_block_failed(table, handle.offset, &iter.iter.error, error);
    }
    block_iter_free(&iter);
    table_block_leave(table, &block);
    return status;
}

/* As search_block, for the block of an index entry. */
static enum status search_indexed(const struct table *table, const struct iter *entry,
                                  const struct search_key *key, struct buf *value,
                                  enum lookup *answer, bool *over, struct error *error) {
    struct block_handle handle;
    if (!internal_key_legal(entry->key)) {
        return table_corrupt(table, table->index_offset,
                             "a key of the index is no internal key", error);
    }
    enum status status = table_handle(table, entry->value, &handle, error);
    bool denied = false;
    if (status == STATUS_OK && table->filter_data == NULL &&
        table->leveldb_data != NULL) {
        denied = !leveldb_filter_may_contain(table->leveldb_filter, handle.offset,
                                             search_key_user(key));
        key->counts->filters_asked++;
        key->counts->filters_denied += denied;
    }
    if (status == STATUS_OK && !denied) {
        status = search_block(table, handle, key, value, answer, over, error);
    }
    *over = *over || !slice_equal(internal_key_user(entry->key), search_key_user(key));
    return status;
}

void table_prefetch(const struct table *table, const struct search_key *key) {
    filter_prefetch(&table->filter, key->hash);
}

enum status table_get(struct table *table, const struct search_key *key,
                      struct buf *value, enum lookup *answer, struct error *error) {
    if (table->filter_data != NULL) {
        key->counts->filters_asked++;
        if (!filter_may_contain(&table->filter, key->hash)) {
            key->counts->filters_denied++;
            *answer = LOOKUP_ABSENT;
            return STATUS_OK;
        }
    }
    struct block_iter index;
    enum status status = STATUS_OK;
    enum lookup found = LOOKUP_ABSENT;
    bool over = false;
    block_iter_init(&index, &table->index);
    index_words_seek(&table->words, &index, key->internal);
    while (index.iter.valid && status == STATUS_OK && !over) {
        status = search_indexed(table, &index.iter, key, value, &found, &over, error);
        if (!over) {
            block_iter_next(&index);
        }
    }
    if (status == STATUS_OK && index.iter.error.status != STATUS_OK) {
        status = table_block_failed(table, table->index_offset, &index.iter.error, error);
    }
    block_iter_free(&index);
    if (status == STATUS_OK) {
        *answer = found;
    }
    return status;
}

/* ---- open ------------------------------------------------------------------------ */

/* Moves the filter to where its lines are aligned. */
static enum status take_filter(struct table *table, uint64_t offset, unsigned char *data,
                               size_t bytes, struct error *error) {
    const char *why;
    unsigned char *room = memory_take(bytes + FILTER_LINE_BYTES - 1);
    if (room == NULL) {
        memory_give(data);
        return error_no_memory(error, "a filter", bytes);
    }
    size_t past = (uintptr_t)room % FILTER_LINE_BYTES;
    unsigned char *aligned = room + (past == 0 ? 0 : FILTER_LINE_BYTES - past);
    memcpy(aligned, data, bytes);
    memory_give(data);
    if (!filter_read(&table->filter, slice_make(aligned, bytes), &why)) {
        memory_give(room);
        return table_corrupt(table, offset, why, error);
    }
    table->filter_data = room;
    table->charged += bytes;
    return STATUS_OK;
}

static enum status take_leveldb_filter(struct table *table, uint64_t offset,
                                       unsigned char *data, size_t bytes,
                                       struct error *error) {
    const char *why;
    if (!leveldb_filter_check(slice_make(data, bytes), &why)) {
        memory_give(data);
        return table_corrupt(table, offset, why, error);
    }
    table->leveldb_data = data;
    table->leveldb_filter = slice_make(data, bytes);
    table->charged += bytes;
    return STATUS_OK;
}

static enum status take_properties(struct table *table, uint64_t offset,
                                   unsigned char *data, size_t bytes,
                                   struct error *error) {
    const char *why;
    enum status status =
        properties_read(&table->properties, slice_make(data, bytes), &why);
    memory_give(data);
    table->properties_offset = offset;
    table->has_properties = status == STATUS_OK;
    return status == STATUS_CORRUPT ? table_corrupt(table, offset, why, error)
           : status != STATUS_OK    ? error_no_memory(error, "properties", bytes)
                                    : status;
}

/* Takes over `data`, also where it fails. */
typedef enum status taker(struct table *table, uint64_t offset, unsigned char *data,
                          size_t bytes, struct error *error);

/* Reads one block that the metaindex names, if it is one that is known. */
static enum status read_named(struct table *table, uint64_t metaindex_offset,
                              struct slice name, struct slice value,
                              struct error *error) {
    struct block_handle handle;
    unsigned char *data;
    size_t bytes;
    bool taken;
    taker *take;
    if (slice_equal(name, slice_of(TABLE_FILTER))) {
        taken = table->filter_data != NULL;
        take = take_filter;
    } else if (slice_equal(name, slice_of(TABLE_LEVELDB_FILTER))) {
        taken = table->leveldb_data != NULL;
        take = take_leveldb_filter;
    } else if (slice_equal(name, slice_of(TABLE_PROPERTIES))) {
        taken = table->has_properties;
        take = take_properties;
    } else {
        return STATUS_OK;
    }
    if (taken || !take_block_handle(&value, &handle) || value.length > 0) {
        return table_corrupt(table, metaindex_offset, "the metaindex is broken", error);
    }
    enum status status =
        block_load(table->file, table->file_bytes, handle, &data, &bytes, error);
    return status == STATUS_OK ? take(table, handle.offset, data, bytes, error) : status;
}

static enum status read_metaindex(struct table *table, struct block_handle handle,
                                  struct error *error) {
    unsigned char *data;
    size_t bytes;
    struct block block;
    struct block_iter iter;
    enum status status = table_load(table, handle, &data, &bytes, &block, error);
    if (status != STATUS_OK) {
        return status;
    }
    block_iter_init(&iter, &block);
    block_iter_first(&iter);
    while (iter.iter.valid && status == STATUS_OK) {
        status = read_named(table, handle.offset, iter.iter.key, iter.iter.value, error);
        if (status == STATUS_OK) {
            block_iter_next(&iter);
        }
    }
    if (status == STATUS_OK && iter.iter.error.status != STATUS_OK) {
        status = table_block_failed(table, handle.offset, &iter.iter.error, error);
    }
    block_iter_free(&iter);
    memory_give(data);
    return status;
}

static enum status take_words(struct table *table, struct error *error) {
    enum status status = index_words_init(&table->words, &table->index);
    if (status != STATUS_OK) {
        return error_no_memory(error, "an index",
                               table->index.restart_count * sizeof(uint64_t));
    }
    table->charged += index_words_bytes(&table->words);
    return STATUS_OK;
}

/* All but the file, which may be the caller's still. */
static void free_table(struct table *table) {
    index_words_free(&table->words);
    memory_give(table->index_data);
    memory_give(table->filter_data);
    memory_give(table->leveldb_data);
    memory_give(table);
}

enum status table_open(struct file *file, uint64_t number, struct block_cache *cache,
                       struct table **table, struct error *error) {
    struct footer footer;
    size_t bytes;
    struct table *opened = memory_take_zeroed(sizeof *opened);
    if (opened == NULL) {
        return error_no_memory(error, "a table", sizeof *opened);
    }
    opened->file = file;
    opened->number = number;
    opened->cache = cache;
    atomic_u64_store(&opened->references, 1, memory_order_relaxed);
    enum status status = footer_read(file, &opened->file_bytes, &footer, error);
    if (status == STATUS_OK) {
        status = table_load(opened, footer.index, &opened->index_data, &bytes,
                            &opened->index, error);
    }
    if (status == STATUS_OK) {
        opened->index_offset = footer.index.offset;
        opened->charged = bytes;
        status = take_words(opened, error);
    }
    if (status == STATUS_OK) {
        status = read_metaindex(opened, footer.metaindex, error);
    }
    if (status != STATUS_OK) {
        free_table(opened);
        return status;
    }
    block_cache_charge(cache, opened->charged);
    *table = opened;
    return STATUS_OK;
}

void table_ref(struct table *table) {
    atomic_u64_add(&table->references, 1, memory_order_relaxed);
}

/* Acquire and release: whoever is last sees all that others did with it. */
void table_unref(struct table *table) {
    if (table != NULL &&
        atomic_u64_subtract(&table->references, 1, memory_order_acq_rel) == 1) {
        enum status closed = file_close(table->file, NULL);
        (void)closed; /* it was only read */
        block_cache_release(table->cache, table->charged);
        free_table(table);
    }
}

const struct properties *table_properties(const struct table *table) {
    return table->has_properties ? &table->properties : NULL;
}

uint64_t table_memory(const struct table *table) {
    return table->charged;
}
