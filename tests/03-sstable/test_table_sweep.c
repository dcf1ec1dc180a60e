/* A sweep shows what the tables hold, or says what is wrong, and leaves the block cache
 * alone. */
#define TEST_HAS_STAGE
#include "../common/support.h"

#include <errno.h>

#include "counted_memory.h"
#include "craft.h"
#include "internal_key.h"
#include "memory.h"
#include "table_cache.h"
#include "table_sweep.h"
#include "tables.h"

enum { SWEPT_MAX = 4 };

struct swept {
    struct disk *disk;
    struct world world;
    struct readers readers;
    struct block_cache *blocks;
    struct table_cache *cache;
    struct model models[SWEPT_MAX];
    struct table_file *files[SWEPT_MAX]; /* numbers 1 to count */
    size_t count;
    size_t outstanding;
};

static void add_table(struct swept *s, const struct table_options *options) {
    char path[40];
    struct slice contents;
    struct buf copy = {0};
    struct table_meta meta = {0};
    assert_ok(model_write(&s->models[s->count], s->disk, options, &meta, NULL));
    assert_true(disk_read_file(s->disk, TABLE_PATH, &contents));
    assert_ok(buf_append_slice(&copy, contents));
    meta.number = s->count + 1;
    snprintf(path, sizeof path, "%06zu.ldb", s->count + 1);
    disk_put_file(s->disk, path, buf_slice(&copy));
    s->files[s->count] = table_file_open(&meta);
    assert_non_null(s->files[s->count++]);
    table_meta_free(&meta);
    buf_free(&copy);
}

static void open_cache_of(struct swept *s) {
    s->blocks = open_cache(1 << 20);
    assert_ok(
        table_cache_open(".", &s->world, s->blocks, &s->readers, 2, &s->cache, NULL));
}

static void close_cache_of(struct swept *s) {
    table_cache_close(s->cache);
    block_cache_close(s->blocks);
}

static void begin(struct swept *s) {
    *s = (struct swept){.disk = disk_new(), .outstanding = counted_memory_blocks()};
    s->world = world_system;
    s->world.files = disk_files(s->disk);
}

static void end(struct swept *s) {
    for (size_t i = 0; i < s->count; i++) {
        table_file_unref(s->files[i]);
        model_free(&s->models[i]);
    }
    assert_int_equal(disk_open_handles(s->disk), 0);
    disk_free(s->disk);
    assert_int_equal(counted_memory_blocks(), s->outstanding);
}

/* From the first on; each entry is right, and where it ends without an error it was all.
 */
static enum status walk(const struct swept *s, struct iter *iter, struct error *error) {
    size_t table = 0;
    size_t at = 0;
    for (iter_first(iter);; iter_next(iter), at++) {
        while (table < s->count && at == s->models[table].count) {
            table++;
            at = 0;
        }
        if (!iter->valid) {
            break;
        }
        assert_true(table < s->count);
        const struct entry *entry = &s->models[table].entries[at];
        assert_true(slice_equal(iter->key, buf_slice(&entry->key)));
        assert_true(slice_equal(iter->value, buf_slice(&entry->value)));
    }
    *error = iter->error;
    assert_true(iter->error.status != STATUS_OK || table == s->count);
    return iter->error.status;
}

static enum status sweep_once(struct swept *s, struct error *error) {
    struct iter *iter;
    enum status status = table_sweep(s->files, s->count, s->cache, &iter, error);
    if (status == STATUS_OK) {
        status = walk(s, iter, error);
        iter_close(iter);
    }
    return status;
}

static void shows_all_entries(void **state) {
    (void)state;
    uint64_t random = test_seed();
    static struct swept s;
    for (size_t round = 0; round < 60; round++) {
        struct error error = {0};
        struct iter *iter;
        begin(&s);
        size_t tables = 1 + random_below(&random, SWEPT_MAX);
        while (s.count < tables) {
            static const enum compression compressions[] = {
                COMPRESSION_NONE, COMPRESSION_SNAPPY, COMPRESSION_ZSTD, COMPRESSION_LZ4};
            const struct table_options options = {
                1 + random_below(&random, 5000), 1 + (unsigned)random_below(&random, 17),
                10, compressions[random_below(&random, 4)]};
            model_draw(&s.models[s.count], &random, options.block_bytes);
            add_table(&s, &options);
        }
        open_cache_of(&s);
        assert_ok(table_sweep(s.files, s.count, s.cache, &iter, &error));
        assert_false(iter->valid);
        assert_ok(walk(&s, iter, &error));
        assert_ok(walk(&s, iter, &error)); /* it may be begun anew, from anywhere */
        iter_first(iter);
        for (uint64_t steps = random_below(&random, 300); iter->valid && steps > 0;
             steps--) {
            iter_next(iter);
        }
        assert_ok(walk(&s, iter, &error));
        iter_close(iter);
        struct block_cache_stats stats;
        block_cache_stats(s.blocks, &stats);
        assert_int_equal(stats.misses + stats.hits, 0);
        close_cache_of(&s);
        end(&s);
    }
}

/* Two of a few small blocks each. */
static void make_small(struct swept *s, uint64_t *random, enum compression compression) {
    const struct table_options options = {60, 3, 10, compression};
    begin(s);
    while (s->count < 2) {
        struct model *model = &s->models[s->count];
        do {
            model_free(model);
            model_draw(model, random, 1);
            model_cut(model, 25);
        } while (model->count < 20 || model->long_keys);
        for (size_t i = 0; i < model->count; i++) {
            struct buf *value = &model->entries[i].value;
            value->length = value->length > 20 ? 20 : value->length;
        }
        add_table(s, &options);
    }
}

static void every_flipped_bit_is_seen(void **state) {
    (void)state;
    uint64_t random = test_seed();
    static struct swept s;
    for (size_t i = 0; i < 2; i++) {
        make_small(&s, &random, i == 0 ? COMPRESSION_SNAPPY : COMPRESSION_NONE);
        uint64_t bits = 8 * s.files[1]->meta.bytes;
        size_t unseen = 0;
        for (uint64_t bit = 0; bit < bits; bit++) {
            struct error error = {0};
            assert_true(disk_flip_bit(s.disk, "000002.ldb", bit));
            open_cache_of(&s);
            enum status status = sweep_once(&s, &error);
            close_cache_of(&s);
            assert_true(disk_flip_bit(s.disk, "000002.ldb", bit));
            unseen += status == STATUS_OK;
            if (status != STATUS_OK) {
                assert_int_equal(status, STATUS_CORRUPT);
                assert_message_has(error, "000002.ldb: offset ");
            }
        }
        printf("%" PRIu64 " bits, %zu unseen\n", bits, unseen);
        assert_in_range(unseen, 30 * 8, 36 * 8); /* the footer's filling */
        end(&s);
    }
}

static void every_failure_is_told(void **state) {
    (void)state;
    uint64_t random = test_seed();
    static struct swept s;
    size_t failures = 0;
    make_small(&s, &random, COMPRESSION_SNAPPY);
    bool struck = true;
    for (size_t countdown = 1; struck; countdown++) {
        const struct fault fault = {countdown, FAULT_BEFORE, EIO, false};
        struct error error = {0};
        open_cache_of(&s);
        disk_set_fault(s.disk, &fault);
        enum status status = sweep_once(&s, &error);
        struck = disk_fault_struck(s.disk) != NULL;
        disk_set_fault(s.disk, &(struct fault){0});
        failures += status == STATUS_IO;
        assert_true(status == STATUS_IO || status == STATUS_OK);
        close_cache_of(&s);
    }
    assert_true(failures > 8);
    struck = true;
    failures = 0;
    for (size_t countdown = 1; struck; countdown++) {
        struct error error = {0};
        open_cache_of(&s);
        counted_memory_fail(countdown, false);
        enum status status = sweep_once(&s, &error);
        struck = counted_memory_failed();
        counted_memory_fail(0, false);
        assert_int_equal(status, struck ? STATUS_NO_MEMORY : STATUS_OK);
        failures += struck;
        close_cache_of(&s);
    }
    assert_true(failures > 8);
    end(&s);
}

/* It has shrunk since the table was opened. */
static void a_file_cut_short_is_corrupt(void **state) {
    (void)state;
    uint64_t random = test_seed();
    static struct swept s;
    struct error error = {0};
    struct table *table;
    struct file *file;
    make_small(&s, &random, COMPRESSION_NONE);
    open_cache_of(&s);
    assert_ok(table_cache_pin(s.cache, s.files[1], &table, NULL));
    assert_ok(file_open(s.world.files, "000002.ldb", FILE_WRITE, &file, NULL));
    assert_ok(file_truncate(file, 9, NULL));
    assert_ok(file_close(file, NULL));
    assert_int_equal(sweep_once(&s, &error), STATUS_CORRUPT);
    assert_message_has(error, "000002.ldb: offset 0: the file ends inside of a block");
    table_unref(table);
    close_cache_of(&s);
    end(&s);
}

/* ---- tables put together by hand ------------------------------------------------- */

/* The user keys that a sweep of the crafted table shows, and its error. */
static enum status sweep_crafted(struct craft *craft, const char *keys,
                                 struct error *error) {
    static struct swept s;
    struct table_meta meta = {.number = TABLE_NUMBER};
    struct buf seen = {0};
    struct iter *iter;
    begin(&s);
    disk_free(s.disk);
    s.disk = craft_end(craft);
    s.outstanding = counted_memory_blocks();
    s.world.files = disk_files(s.disk);
    s.files[s.count++] = table_file_open(&meta);
    open_cache_of(&s);
    assert_ok(table_sweep(s.files, 1, s.cache, &iter, NULL));
    for (iter_first(iter); iter->valid; iter_next(iter)) {
        assert_ok(buf_append_slice(&seen, internal_key_user(iter->key)));
    }
    *error = iter->error;
    if (!slice_equal(buf_slice(&seen), slice_of(keys))) {
        fail_msg("%.*s, not %s", (int)seen.length, (const char *)seen.data, keys);
    }
    iter_close(iter);
    buf_free(&seen);
    close_cache_of(&s);
    end(&s);
    return error->status;
}

/* Blocks without entries, and such as stand in another order than the index has them. */
static void blocks_are_where_the_index_says(void **state) {
    (void)state;
    struct craft craft;
    struct error error = {0};
    struct slice contents;
    craft_begin(&craft);
    craft_block(&craft, "", 9);
    craft_put(&craft, "z", 1);
    assert_ok(block_builder_finish(&craft.data, &contents));
    struct block_handle last = craft_store(&craft, contents);
    block_builder_reset(&craft.data);
    craft_put(&craft, "a", 5);
    craft_put(&craft, "b", 5);
    craft_block(&craft, "b", 5);
    craft_block(&craft, "c", 5);
    craft_handle(&craft.index, craft_key(&craft, "z", 0), last);
    assert_ok(sweep_crafted(&craft, "abz", &error));
}

/* An entry with the key "b" and its tag, and behind it what is given: a whole block. */
static void craft_broken(struct craft *craft, struct slice behind) {
    struct buf block = {0};
    static const unsigned char entry[] = {0, 9, 0, 'b', 1, 5, 0, 0, 0, 0, 0, 0};
    static const unsigned char restarts[] = {0, 0, 0, 0, 1, 0, 0, 0};
    assert_ok(buf_append(&block, entry, sizeof entry));
    assert_ok(buf_append_slice(&block, behind));
    assert_ok(buf_append(&block, restarts, sizeof restarts));
    craft_handle(&craft->index, craft_key(craft, "c", 0),
                 craft_store(craft, buf_slice(&block)));
    buf_free(&block);
}

static void what_is_broken_under_good_checksums_is_told(void **state) {
    (void)state;
    static const struct {
        struct slice behind;
        const char *words;
    } cases[] = {
        {{(const unsigned char *)"\x00\x20", 2}, "an entry is cut short"},
        {{(const unsigned char *)"\x20\x01\x00x", 4}, "a key shares more than there is"},
        {{(const unsigned char *)"\x00\x01\x00x", 4},
         "an entry's key is no internal key"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct craft craft;
        struct error error = {0};
        craft_begin(&craft);
        craft_put(&craft, "a", 5);
        craft_block(&craft, "a", 5);
        craft_broken(&craft, cases[i].behind);
        craft_put(&craft, "d", 5);
        craft_block(&craft, "d", 5);
        assert_int_equal(sweep_crafted(&craft, "ab", &error), STATUS_CORRUPT);
        assert_message_has(error, TABLE_PATH ": offset ");
        assert_message_has(error, cases[i].words);
    }
    struct craft craft;
    struct error error = {0};
    craft_begin(&craft);
    craft_put(&craft, "a", 5);
    craft_block(&craft, "a", 5);
    craft_handle(&craft.index, craft_key(&craft, "b", 0),
                 (struct block_handle){UINT64_MAX - 3, 100});
    assert_int_equal(sweep_crafted(&craft, "a", &error), STATUS_CORRUPT);
    assert_message_has(error, "a block would lie beyond the file");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shows_all_entries),
        cmocka_unit_test(every_flipped_bit_is_seen),
        cmocka_unit_test(every_failure_is_told),
        cmocka_unit_test(a_file_cut_short_is_corrupt),
        cmocka_unit_test(blocks_are_where_the_index_says),
        cmocka_unit_test(what_is_broken_under_good_checksums_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
