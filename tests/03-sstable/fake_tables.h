/* A table cache of arrays, in the place of the real one and its tables: for tests of what
 * stands on them. Runs are compiled once more against it, so that a test that includes
 * this has them on arrays, whatever else is linked.
 *
 * Table n holds the entries tables[n]. Every call, and every move of an iterator, may be
 * made to fail. */
#ifndef STRATA_TESTS_FAKE_TABLES_H
#define STRATA_TESTS_FAKE_TABLES_H

#define table_cache_get fake_table_cache_get
#define table_cache_pin fake_table_cache_pin
#define table_get fake_table_get
#define table_iter fake_table_iter
#define table_unref fake_table_unref

#include "../../stages/03-sstable/sorted_run.c" /* NOLINT(bugprone-suspicious-include) */
#include "array_iter.h"
#include "memory.h"
#include "table.h"
#include "table_cache.h"
#include "table_file.h"

enum { FAKE_TABLES_MAX = 64 };

struct table {
    struct table_cache *cache;
    const struct entry *entries; /* NULL: the table is missing */
    size_t count;
    size_t references; /* the caller's, and of iterators */
};

struct table_cache {
    struct table tables[FAKE_TABLES_MAX];
    size_t gets;
    size_t iters; /* open */
    struct injected fault;
};

static inline enum status fake_find(struct table_cache *cache,
                                    const struct table_file *file, struct table **table,
                                    struct error *error) {
    assert_true(file->meta.number < FAKE_TABLES_MAX);
    *table = &cache->tables[file->meta.number];
    (*table)->cache = cache;
    if (injected_comes(&cache->fault)) {
        return error_set(error, STATUS_IO, "cannot open it");
    }
    if ((*table)->entries == NULL) {
        return error_set(error, STATUS_CORRUPT, "a table is missing");
    }
    return STATUS_OK;
}

enum status table_cache_get(struct table_cache *cache, struct table_file *file,
                            struct table **table, struct error *error) {
    cache->gets++;
    return fake_find(cache, file, table, error);
}

enum status table_cache_pin(struct table_cache *cache, struct table_file *file,
                            struct table **table, struct error *error) {
    enum status status = fake_find(cache, file, table, error);
    if (status == STATUS_OK) {
        (*table)->references++;
    }
    return status;
}

void table_unref(struct table *table) {
    assert_true(table->references-- > 0);
}

enum status table_get(struct table *table, const struct search_key *key,
                      struct buf *value, enum lookup *answer, struct error *error) {
    if (injected_comes(&table->cache->fault)) {
        return error_set(error, STATUS_IO, "cannot read it");
    }
    size_t at = entries_find(table->entries, table->count, key->internal);
    const struct entry *entry = &table->entries[at];
    *answer = LOOKUP_ABSENT;
    if (at == table->count ||
        !slice_equal(internal_key_user(entry_key(entry)), search_key_user(key))) {
        return STATUS_OK;
    }
    *answer = LOOKUP_DELETED;
    if (tag_type(internal_key_tag(entry_key(entry))) == KV_PUT) {
        *answer = LOOKUP_FOUND;
        buf_clear(value);
        return buf_printf(value, "%u", entry->number);
    }
    return STATUS_OK;
}

struct fake_iter {
    struct array_iter array; /* first: an iter is converted to its fake_iter */
    struct table *table;
};

static inline void fake_iter_close(struct iter *iter) {
    struct table *table = ((struct fake_iter *)iter)->table;
    table->cache->iters--;
    table_unref(table);
    memory_give(iter);
}

enum status table_iter(struct table *table, struct iter **iter, struct error *error) {
    static struct iter_ops ops;
    struct fake_iter *fake = memory_take_zeroed(sizeof *fake);
    if (fake == NULL) {
        return error_no_memory(error, "an iterator", sizeof *fake);
    }
    ops = array_iter_ops(fake_iter_close);
    fake->array = (struct array_iter){.iter = {.ops = &ops},
                                      .entries = table->entries,
                                      .count = table->count,
                                      .fault = &table->cache->fault};
    fake->table = table;
    table->references++;
    table->cache->iters++;
    *iter = &fake->array.iter;
    return STATUS_OK;
}

/* Makes the entries a table with that number. */
static inline struct table_file *fake_file(struct table_cache *cache, uint64_t number,
                                           const struct entry *entries, size_t count) {
    struct table_meta meta = {.number = number};
    assert_true(number < FAKE_TABLES_MAX);
    cache->tables[number] = (struct table){.entries = entries, .count = count};
    assert_ok(buf_append_slice(&meta.smallest, entry_key(&entries[0])));
    assert_ok(buf_append_slice(&meta.largest, entry_key(&entries[count - 1])));
    struct table_file *file = table_file_open(&meta);
    table_meta_free(&meta);
    assert_non_null(file);
    return file;
}

static inline void assert_nothing_open(const struct table_cache *cache) {
    assert_int_equal(cache->iters, 0);
    for (size_t i = 0; i < FAKE_TABLES_MAX; i++) {
        assert_int_equal(cache->tables[i].references, 0);
    }
}

#endif
