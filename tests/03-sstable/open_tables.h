/* What the tests of the table cache share: a directory of small tables, each of which can
 * be told from the others, and a table cache over them, in any world. */
#ifndef STRATA_TESTS_OPEN_TABLES_H
#define STRATA_TESTS_OPEN_TABLES_H

#define TEST_HAS_STAGE
#include "../common/support.h"

#include "counted_memory.h"
#include "directory.h"
#include "internal_key.h"
#include "memory.h"
#include "table.h"
#include "table_cache.h"
#include "table_writer.h"

enum { TABLES = 6 };

struct open_tables {
    const char *directory;
    struct world world;
    struct readers readers;
    struct block_cache *blocks;
    struct table_cache *cache;
    struct table_file *files[TABLES]; /* numbers 1 to TABLES */
};

/* The number of a table is the value of its only key. */
static inline void write_table(struct open_tables *tables, uint64_t number,
                               struct table_meta *meta) {
    const struct table_options options = {4096, 16, 10, COMPRESSION_NONE};
    struct file *file;
    struct table_writer *writer;
    struct buf key = {0};
    *meta = (struct table_meta){0};
    assert_ok(directory_file(tables->directory, &tables->world, NAME_TABLE, number,
                             FILE_OVERWRITE, &file, NULL));
    assert_ok(table_writer_open(file, &options, &writer, NULL));
    assert_ok(internal_key_build(&key, slice_of("key"), tag_make(number, KV_PUT)));
    assert_ok(table_writer_add(writer, buf_slice(&key),
                               slice_make(&number, sizeof number), NULL));
    assert_ok(table_writer_finish(writer, 0, 0, 0, meta, NULL));
    table_writer_close(writer);
    assert_ok(file_close(file, NULL));
    buf_free(&key);
    meta->number = number;
}

static inline struct table_file *file_of(struct open_tables *tables, uint64_t number) {
    struct table_meta meta;
    write_table(tables, number, &meta);
    struct table_file *file = table_file_open(&meta);
    assert_non_null(file);
    table_meta_free(&meta);
    return file;
}

static inline void open_tables_begin(struct open_tables *tables, const char *directory,
                                     const struct world *world, size_t max_open) {
    *tables = (struct open_tables){.directory = directory, .world = *world};
    assert_ok(block_cache_open(100, world->threads, &tables->blocks, NULL));
    assert_ok(table_cache_open(directory, &tables->world, tables->blocks,
                               &tables->readers, max_open, &tables->cache, NULL));
    for (uint64_t number = 1; number <= TABLES; number++) {
        tables->files[number - 1] = file_of(tables, number);
    }
}

static inline void open_tables_end(struct open_tables *tables) {
    table_cache_close(tables->cache);
    for (size_t i = 0; i < TABLES; i++) {
        table_file_unref(tables->files[i]);
    }
    block_cache_close(tables->blocks);
}

/* Whether it is that table, and can be read. */
static inline bool is_table(struct table *table, uint64_t number) {
    struct search_key key;
    struct buf value = {0};
    enum lookup answer = LOOKUP_ABSENT;
    if (search_key_init(&key, slice_of("key"), number, NULL) != STATUS_OK) {
        return false;
    }
    bool is = table_get(table, &key, &value, &answer, NULL) == STATUS_OK &&
              answer == LOOKUP_FOUND &&
              slice_equal(buf_slice(&value), slice_make(&number, sizeof number));
    buf_free(&value);
    search_key_free(&key);
    return is;
}

#endif
