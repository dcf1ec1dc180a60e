/* Entries stand in two rings through entry 0, which is no entry: those in use, by when
 * they were used, and those that are free.
 *
 *     cursor := generation, index of the entry (12 bits)
 *
 * Generations go up by one with each cursor. The first of a life is made of the time, 64
 * to the millisecond: so many cursors would have to be given out, for all of a life, to
 * run into those of the next one. */
#include "scan_table.h"

#include "memory.h"

enum { INDEX_BITS = 12, GENERATIONS_PER_MILLI = 64 };
_Static_assert(SCAN_TABLE_ENTRIES == 1 << INDEX_BITS, "an index fits its bits");

struct scan_entry {
    uint64_t cursor; /* 0: it is free */
    uint64_t previous;
    struct buf key;
    uint32_t next; /* in its ring */
    uint32_t prior;
};

struct scan_table {
    struct mutex mutex;
    /* guarded by mutex */
    uint64_t generation;
    uint64_t key_bytes;
    uint32_t free; /* of the free ones, which have no prior; 0: none */
    struct scan_entry entries[SCAN_TABLE_ENTRIES]; /* 0: next is the newest, prior the
                                                      oldest in use */
};

enum status scan_table_open(const struct world *world, struct scan_table **out) {
    struct scan_table *table = memory_take_zeroed(sizeof *table);
    if (table == NULL) {
        return STATUS_NO_MEMORY;
    }
    enum status status = mutex_init(&table->mutex, world->threads);
    if (status != STATUS_OK) {
        memory_give(table);
        return status;
    }
    table->generation =
        clock_wall_micros(world->clock) / 1000 * GENERATIONS_PER_MILLI + 1;
    for (uint32_t i = SCAN_TABLE_ENTRIES - 1; i > 0; i--) {
        table->entries[i].next = table->free;
        table->free = i;
    }
    *out = table;
    return STATUS_OK;
}

void scan_table_close(struct scan_table *table) {
    if (table != NULL) {
        for (uint32_t i = 1; i < SCAN_TABLE_ENTRIES; i++) {
            buf_free(&table->entries[i].key);
        }
        mutex_free(&table->mutex);
        memory_give(table);
    }
}

/* ---- entries; all require mutex -------------------------------------------------- */

static void take_out(struct scan_table *table, uint32_t i) {
    struct scan_entry *entry = &table->entries[i];
    table->entries[entry->prior].next = entry->next;
    table->entries[entry->next].prior = entry->prior;
}

static void make_newest(struct scan_table *table, uint32_t i) {
    struct scan_entry *entry = &table->entries[i];
    entry->prior = 0;
    entry->next = table->entries[0].next;
    table->entries[entry->next].prior = i;
    table->entries[0].next = i;
}

static void drop(struct scan_table *table, uint32_t i) {
    struct scan_entry *entry = &table->entries[i];
    take_out(table, i);
    table->key_bytes -= entry->key.length;
    buf_free(&entry->key);
    *entry = (struct scan_entry){.next = table->free};
    table->free = i;
}

/* 0: it is not there. */
static uint32_t entry_of(const struct scan_table *table, uint64_t cursor) {
    uint32_t i = (uint32_t)(cursor % SCAN_TABLE_ENTRIES);
    return cursor != 0 && table->entries[i].cursor == cursor ? i : 0;
}

/* Requires the table to have a free entry. */
static uint64_t fill(struct scan_table *table, struct buf *key, uint64_t previous) {
    uint32_t i = table->free;
    struct scan_entry *entry = &table->entries[i];
    table->free = entry->next;
    *entry = (struct scan_entry){.cursor = table->generation++ << INDEX_BITS | i,
                                 .previous = previous,
                                 .key = *key};
    *key = (struct buf){0};
    table->key_bytes += entry->key.length;
    make_newest(table, i);
    return entry->cursor;
}

/* ---- cursors --------------------------------------------------------------------- */

enum status scan_table_add(struct scan_table *table, struct slice key, uint64_t previous,
                           uint64_t *cursor) {
    struct buf copy = {0};
    enum status status = buf_assign(&copy, key);
    if (status != STATUS_OK) {
        return status;
    }
    mutex_lock(&table->mutex);
    while (table->entries[0].prior != 0 &&
           (table->free == 0 || table->key_bytes + key.length > SCAN_TABLE_KEY_BYTES)) {
        drop(table, table->entries[0].prior);
    }
    *cursor = fill(table, &copy, previous);
    mutex_unlock(&table->mutex);
    return STATUS_OK;
}

enum status scan_table_find(struct scan_table *table, uint64_t cursor, struct buf *key) {
    enum status status = STATUS_NOT_FOUND;
    mutex_lock(&table->mutex);
    uint32_t i = entry_of(table, cursor);
    if (i != 0) {
        uint32_t previous = entry_of(table, table->entries[i].previous);
        if (previous != 0) {
            drop(table, previous);
        }
        take_out(table, i);
        make_newest(table, i);
        status = buf_assign(key, buf_slice(&table->entries[i].key));
    }
    mutex_unlock(&table->mutex);
    return status;
}
