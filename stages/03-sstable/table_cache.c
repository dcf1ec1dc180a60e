/* What readers rest on. They load the address of a table from its file (table_file.h)
 * after they have entered, so the argument of readers.c holds: an address that was taken
 * away is freed only when everybody has left who may have loaded it. Taking away is all
 * that eviction does under the lock; the table then waits among the retired for its watch
 * to be over. It has one reference, the cache's, so pinned ones outlive that, too.
 *
 * Whoever opens a table does so without the lock, since that is I/O, and installs it
 * under the lock. Two may open the same one: the second drops its own. What it answers is
 * installed, and it has entered: so that table, too, lives until it leaves.
 *
 * Open tables stand in a ring, and the hand goes round in it. */
#include "table_cache.h"

#include <assert.h>
#include <inttypes.h>

#include "directory.h"
#include "memory.h"
#include "table.h"

struct open_table {
    struct table *table;
    struct table_file *file; /* nothing once it is retired */
    struct open_table *next; /* in the ring, later among the retired */
    struct open_table *previous;
    struct readers_watch watch; /* of a retired one */
};

struct table_cache {
    char *directory;
    const struct world *world;
    struct block_cache *blocks;
    struct readers *readers;
    size_t max_open;

    struct mutex lock; /* not held across I/O; takes no other */
    /* guarded by lock */
    struct open_table *hand; /* in the ring of those that readers find; NULL: none */
    size_t open;             /* how many these are */
    uint64_t opens;
    struct open_table *retired;
};

/* ---- open, close ------------------------------------------------------------------- */

enum status table_cache_open(const char *directory, const struct world *world,
                             struct block_cache *blocks, struct readers *readers,
                             size_t max_open, struct table_cache **out,
                             struct error *error) {
    assert(max_open > 0);
    struct table_cache *cache = memory_take_zeroed(sizeof *cache);
    char *copy = memory_copy_text(directory);
    if (cache == NULL || copy == NULL ||
        mutex_init(&cache->lock, world->threads) != STATUS_OK) {
        memory_give(copy);
        memory_give(cache);
        return error_no_memory(error, "the table cache", sizeof *cache);
    }
    cache->directory = copy;
    cache->world = world;
    cache->blocks = blocks;
    cache->readers = readers;
    cache->max_open = max_open;
    *out = cache;
    return STATUS_OK;
}

/* Closes those on a list. */
static void let_go(struct open_table *list) {
    while (list != NULL) {
        struct open_table *next = list->next;
        table_unref(list->table);
        memory_give(list);
        list = next;
    }
}

/* ---- the ring, and who left it; all of it requires lock ---------------------------- */

/* As the last that the hand will come to. */
static void link_in(struct table_cache *cache, struct open_table *opened) {
    if (cache->hand == NULL) {
        opened->next = opened->previous = cache->hand = opened;
    } else {
        opened->next = cache->hand;
        opened->previous = cache->hand->previous;
        opened->previous->next = opened;
        opened->next->previous = opened;
    }
    cache->open++;
}

static void unlink_from(struct table_cache *cache, struct open_table *opened) {
    if (opened->next == opened) {
        cache->hand = NULL;
    } else {
        opened->previous->next = opened->next;
        opened->next->previous = opened->previous;
        cache->hand = cache->hand == opened ? opened->next : cache->hand;
    }
    cache->open--;
}

/* No reader finds the table from here on; those who have it may keep it until they leave.
 */
static void retire(struct table_cache *cache, struct open_table *opened) {
    unlink_from(cache, opened);
    opened->file->opened = NULL;
    atomic_pointer_store(&opened->file->table, NULL, memory_order_seq_cst);
    /* The last that is done to the file here: it may end now (table_file_unref). */
    atomic_pointer_store(&opened->file->cache, NULL, memory_order_release);
    opened->file = NULL;
    opened->watch = readers_watch_begin(cache->readers);
    opened->next = cache->retired;
    cache->retired = opened;
}

static void evict_one(struct table_cache *cache) {
    for (size_t i = 0; i < cache->open; i++) {
        struct atomic_u64 *used = &cache->hand->file->used;
        if (atomic_u64_load(used, memory_order_relaxed) == 0) {
            break;
        }
        atomic_u64_store(used, 0, memory_order_relaxed);
        cache->hand = cache->hand->next;
    }
    retire(cache, cache->hand);
}

/* Takes out the retired that nobody reads any more, for let_go() without the lock. */
static struct open_table *take_unread(struct table_cache *cache) {
    struct open_table *unread = NULL;
    struct open_table **link = &cache->retired;
    while (*link != NULL) {
        struct open_table *retired = *link;
        if (readers_watch_over(cache->readers, &retired->watch)) {
            *link = retired->next;
            retired->next = unread;
            unread = retired;
        } else {
            link = &retired->next;
        }
    }
    return unread;
}

void table_cache_close(struct table_cache *cache) {
    if (cache != NULL) {
        while (cache->hand != NULL) {
            retire(cache, cache->hand);
        }
        let_go(cache->retired);
        mutex_free(&cache->lock);
        memory_give(cache->directory);
        memory_give(cache);
    }
}

/* ---- get --------------------------------------------------------------------------- */

static enum status open_file(const struct table_cache *cache, uint64_t number,
                             struct file **file, struct error *error) {
    enum status status =
        directory_table(cache->directory, cache->world, number, file, error);
    if (status == STATUS_NOT_FOUND) {
        char name[NAME_BYTES];
        name_print(name, NAME_TABLE, number);
        return error_set(error, STATUS_CORRUPT, "%s/%s: a table is missing",
                         cache->directory, name);
    }
    return status;
}

static enum status open_one(const struct table_cache *cache,
                            const struct table_file *table, struct open_table **out,
                            struct error *error) {
    uint64_t number = table->meta.number;
    struct open_table *opened = memory_take_zeroed(sizeof *opened);
    if (opened == NULL) {
        return error_no_memory(error, "an open table", sizeof *opened);
    }
    opened->table = atomic_pointer_load(&table->kept, memory_order_acquire);
    if (opened->table != NULL) {
        table_ref(opened->table);
        *out = opened;
        return STATUS_OK;
    }
    struct file *file = NULL;
    enum status status = open_file(cache, number, &file, error);
    if (status == STATUS_OK) {
        status = table_open(file, number, cache->blocks, &opened->table, error);
    }
    if (status != STATUS_OK) {
        enum status closed = file_close(file, NULL);
        (void)closed; /* it was only read */
        memory_give(opened);
        return status;
    }
    *out = opened;
    return STATUS_OK;
}

/* Requires lock. Readers of the file find the table from here on. */
static void install(struct table_cache *cache, struct table_file *file,
                    struct open_table *opened) {
    if (cache->open >= cache->max_open) {
        evict_one(cache);
    }
    opened->file = file;
    file->opened = opened;
    atomic_pointer_store(&file->cache, cache, memory_order_release);
    link_in(cache, opened);
    atomic_pointer_store(&file->table, opened->table, memory_order_seq_cst);
}

static enum status open_for(struct table_cache *cache, struct table_file *file,
                            struct table **table, struct error *error) {
    struct open_table *opened = NULL;
    enum status status = open_one(cache, file, &opened, error);
    if (status != STATUS_OK) {
        return status;
    }
    mutex_lock(&cache->lock);
    cache->opens++;
    bool first = file->opened == NULL;
    if (first) {
        install(cache, file, opened);
    }
    *table = file->opened->table;
    struct open_table *unread = take_unread(cache);
    mutex_unlock(&cache->lock);
    if (!first) {
        opened->next = unread;
        unread = opened;
    }
    let_go(unread);
    return STATUS_OK;
}

struct table *table_cache_find(struct table_file *file) {
    struct table *found = atomic_pointer_load(&file->table, memory_order_seq_cst);
    if (found != NULL && atomic_u64_load(&file->used, memory_order_relaxed) == 0) {
        atomic_u64_store(&file->used, 1, memory_order_relaxed);
    }
    return found;
}

enum status table_cache_get(struct table_cache *cache, struct table_file *file,
                            struct table **table, struct error *error) {
    struct table *found = table_cache_find(file);
    if (found == NULL) {
        return open_for(cache, file, table, error);
    }
    *table = found;
    return STATUS_OK;
}

void table_cache_prefetch(const struct table_file *file, const struct search_key *key) {
    const struct table *table = atomic_pointer_load(&file->table, memory_order_seq_cst);
    if (table != NULL) {
        table_prefetch(table, key);
    }
}

enum status table_cache_pin(struct table_cache *cache, struct table_file *file,
                            struct table **table, struct error *error) {
    struct reader_slot *slot = readers_enter(cache->readers);
    enum status status = table_cache_get(cache, file, table, error);
    if (status == STATUS_OK) {
        table_ref(*table);
    }
    readers_leave(slot);
    return status;
}

enum status table_cache_keep(struct table_cache *cache, struct table_file *file,
                             struct error *error) {
    struct table *table;
    if (atomic_pointer_load(&file->kept, memory_order_relaxed) != NULL) {
        return STATUS_OK;
    }
    enum status status = table_cache_pin(cache, file, &table, error);
    if (status == STATUS_OK) {
        /* Release: whoever finds it finds all of it. */
        atomic_pointer_store(&file->kept, table, memory_order_release);
    }
    return status;
}

void table_cache_forget(struct table_cache *cache, struct table_file *file) {
    mutex_lock(&cache->lock);
    if (file->opened != NULL) {
        retire(cache, file->opened);
    }
    struct open_table *unread = take_unread(cache);
    mutex_unlock(&cache->lock);
    let_go(unread);
}

void table_cache_stats(struct table_cache *cache, struct table_cache_stats *stats) {
    mutex_lock(&cache->lock);
    *stats = (struct table_cache_stats){cache->open, cache->opens};
    mutex_unlock(&cache->lock);
}
