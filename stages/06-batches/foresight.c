/* A key goes as far as it is clear where its lookup will go. It is followed no further
 * where a write buffer holds it, where the table that seems to have it is not open, and
 * where its block is not in the cache. */
#include "foresight.h"

#include <assert.h>

#include "memtable.h"
#include "table_cache.h"
#include "table_inside.h"

struct foresight {
    struct search_key key;
    struct table *table; /* that seems to have the key */
    uint32_t entry;      /* of the index, that seems to have it */
    uint64_t offset;     /* of the block in it */
    struct cached_block *pin;
};

/* ---- one key at one place; false: it is followed no further ----------------------- */

static bool ask_for_filters(struct foresight *ahead, const struct view *view) {
    const struct version *version = view->version;
    for (size_t i = 0; i < view->buffer_count; i++) {
        memtable_prefetch(view->buffers[i].buffer->memtable,
                          search_key_user(&ahead->key));
    }
    for (size_t i = 0; i < version->run_count; i++) {
        struct table_file *file = sorted_run_file(&version->runs[i], &ahead->key);
        if (file != NULL) {
            table_cache_prefetch(file, &ahead->key);
        }
    }
    return true;
}

static bool is_in_a_buffer(const struct foresight *ahead, const struct view *view) {
    for (size_t i = 0; i < view->buffer_count; i++) {
        if (memtable_may_have(view->buffers[i].buffer->memtable,
                              search_key_user(&ahead->key))) {
            return true;
        }
    }
    return false;
}

/* The first that may have it, if it is open. */
static struct table *table_for(const struct search_key *key,
                               const struct version *version) {
    for (size_t i = 0; i < version->run_count; i++) {
        struct table_file *file = sorted_run_file(&version->runs[i], key);
        struct table *table = file == NULL ? NULL : table_cache_find(file);
        if (file != NULL &&
            (table == NULL || filter_may_contain(&table->filter, key->hash))) {
            return table;
        }
    }
    return NULL;
}

static bool choose_table(struct foresight *ahead, const struct view *view) {
    if (is_in_a_buffer(ahead, view)) {
        return false;
    }
    ahead->table = table_for(&ahead->key, view->version);
    if (ahead->table != NULL) {
        const struct table *table = ahead->table;
        ahead->entry =
            index_words_guess(&table->words, &table->index, ahead->key.internal);
        block_foresee_restart(&table->index, ahead->entry);
    }
    return ahead->table != NULL;
}

static bool ask_for_index(struct foresight *ahead, const struct view *view) {
    (void)view;
    block_foresee_entry(&ahead->table->index, ahead->entry);
    return true;
}

static bool find_block(struct foresight *ahead, const struct view *view) {
    const struct table *table = ahead->table;
    struct block_iter index;
    struct block_handle handle;
    (void)view;
    block_iter_init(&index, &table->index);
    block_iter_restart(&index, ahead->entry);
    bool found = index.iter.valid &&
                 table_handle(table, index.iter.value, &handle, NULL) == STATUS_OK;
    if (found) {
        ahead->offset = handle.offset;
        block_cache_prefetch(table->cache, table->number, handle.offset);
    }
    block_iter_free(&index);
    return found;
}

/* From here on it goes to the end, where the pin is dropped. */
static bool pin_block(struct foresight *ahead, const struct view *view) {
    const struct table *table = ahead->table;
    (void)view;
    ahead->pin = block_cache_peek(table->cache, table->number, ahead->offset);
    if (ahead->pin != NULL) {
        block_foresee_tail(slice_make(ahead->pin->data, ahead->pin->bytes));
    }
    return ahead->pin != NULL;
}

static struct block block_of(const struct foresight *ahead) {
    return block_known(slice_make(ahead->pin->data, ahead->pin->bytes));
}

static bool ask_for_restarts(struct foresight *ahead, const struct view *view) {
    const struct block block = block_of(ahead);
    (void)view;
    block_foresee_restarts(&block);
    return true;
}

static bool ask_for_entries(struct foresight *ahead, const struct view *view) {
    const struct block block = block_of(ahead);
    (void)view;
    block_foresee_walk(&block, ahead->key.internal);
    block_cache_unpin(ahead->table->cache, ahead->pin);
    return true;
}

/* ---- all keys, place by place ----------------------------------------------------- */

typedef bool place(struct foresight *ahead, const struct view *view);

static place *const places[] = {ask_for_filters, choose_table, ask_for_index,
                                find_block,      pin_block,    ask_for_restarts,
                                ask_for_entries};

void view_foresee(const struct view *view, const struct slice *keys, size_t count,
                  uint64_t sequence) {
    struct foresight room[KV_FORESEEN];
    struct foresight *aheads[KV_FORESEEN];
    size_t left = 0;
    assert(count <= KV_FORESEEN);
    for (size_t i = 0; i < count; i++) {
        aheads[left] = room + left;
        if (keys[i].length <= SEARCH_KEY_SMALL_BYTES && /* longer ones take memory */
            search_key_init(&aheads[left]->key, keys[i], sequence, NULL) == STATUS_OK) {
            left++;
        }
    }
    for (size_t p = 0; p < sizeof places / sizeof places[0]; p++) {
        size_t went_on = 0;
        for (size_t i = 0; i < left; i++) {
            if (places[p](aheads[i], view)) {
                aheads[went_on++] = aheads[i];
            }
        }
        left = went_on;
    }
}
