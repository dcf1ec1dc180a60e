/* Tables against a sorted model: gets, walks, what a get costs, threads. */
#define TEST_HAS_STAGE
#include "../common/support.h"

#include "counted_memory.h"
#include "tables.h"

static const enum compression compressions[] = {COMPRESSION_NONE, COMPRESSION_SNAPPY,
                                                COMPRESSION_ZSTD, COMPRESSION_LZ4};

static struct table_options random_options(uint64_t *random) {
    static const size_t block_bytes[] = {1, 64, 300, 1024, 4096};
    static const unsigned intervals[] = {1, 2, 16};
    return (struct table_options){
        .block_bytes = block_bytes[random_below(random, 5)],
        .restart_interval = intervals[random_below(random, 3)],
        .filter_bits = random_below(random, 2) == 0 ? 0 : 10,
        .compression = compressions[random_below(random, 4)],
    };
}

static void gets_equal_the_model(struct table *table, const struct model *model,
                                 uint64_t *random) {
    struct buf user = {0};
    for (int i = 0; i < 200; i++) {
        struct slice key =
            model_user_key(model, &user, random_below(random, model->keys + 5));
        assert_ok(
            check_get(table, model, key, random_below(random, model->count + 3), NULL));
    }
    buf_free(&user);
}

/* The index before; count: nowhere. */
static size_t before(const struct model *model, size_t at) {
    return at == 0 ? model->count : at - 1;
}

/* A step of a walk, here and there; answers where it must be. */
static size_t step(struct iter *iter, const struct model *model, size_t at,
                   struct slice key, uint64_t *random) {
    switch (random_below(random, 12)) {
    case 0:
        iter_first(iter);
        return 0;
    case 1:
        iter_last(iter);
        return before(model, model->count);
    case 2:
    case 3:
        iter_seek(iter, key);
        return model_find(model, key);
    case 4:
    case 5:
        iter_seek_before(iter, key);
        return before(model, model_find(model, key));
    default:
        if (!iter->valid) {
            return at;
        }
        if (random_below(random, 2) == 0) {
            iter_next(iter);
            return at + 1;
        }
        iter_prev(iter);
        return before(model, at);
    }
}

static void walks_equal_the_model(struct table *table, const struct model *model,
                                  uint64_t *random) {
    struct buf user = {0};
    struct buf key = {0};
    struct iter *iter;
    size_t at = model->count;
    assert_ok(table_iter(table, &iter, NULL));
    assert_false(iter->valid);
    for (int i = 0; i < 300; i++) {
        struct slice target =
            model_user_key(model, &user, random_below(random, model->keys + 5));
        assert_ok(internal_key_build(&key, target,
                                     tag_seek(random_below(random, model->count + 2))));
        at = step(iter, model, at, buf_slice(&key), random);
        assert_at(iter, model, at);
    }
    iter_close(iter);
    buf_free(&user);
    buf_free(&key);
}

/* Random contents, options and sizes of the cache; a small one evicts all the time. */
static void tables_equal_the_model(void **state) {
    (void)state;
    uint64_t random = test_seed();
    static struct model model;
    static const uint64_t cache_bytes[] = {0, 10000, 16 << 20};
    for (int round = 0; round < 150; round++) {
        struct table_options options = random_options(&random);
        size_t blocks = counted_memory_blocks();
        struct disk *disk = disk_new();
        struct block_cache *cache = open_cache(cache_bytes[random_below(&random, 3)]);
        struct block_cache_stats stats;
        struct table *table;
        model_draw(&model, &random, options.block_bytes);
        assert_ok(model_write(&model, disk, &options, NULL, NULL));
        assert_ok(open_table(disk, cache, &table, NULL));
        block_cache_stats(cache, &stats);
        assert_int_equal(stats.charged_bytes, table_memory(table));
        assert_true(table_memory(table) > 0);
        gets_equal_the_model(table, &model, &random);
        walks_equal_the_model(table, &model, &random);
        struct error error = {0};
        assert_ok(check_all(table, &model, &error));
        assert_ok(table_verify(table, no_faults, NULL, NULL));
        table_unref(table);
        block_cache_stats(cache, &stats);
        assert_int_equal(stats.charged_bytes, 0);
        assert_int_equal(stats.pinned_bytes, 0);
        assert_int_equal(disk_open_handles(disk), 0);
        block_cache_close(cache);
        model_free(&model);
        disk_free(disk);
        assert_int_equal(counted_memory_blocks(), blocks);
    }
}

/* The versions of a key are searched through as many blocks as they fill. */
static void versions_fill_many_blocks(void **state) {
    (void)state;
    static struct model model;
    model = (struct model){.count = 500, .keys = 1};
    for (size_t i = 0; i < model.count; i++) {
        struct entry *entry = &model.entries[i];
        *entry = (struct entry){0};
        uint64_t sequence = 2 * (model.count - i);
        assert_ok(
            internal_key_build(&entry->key, slice_of("the key"),
                               tag_make(sequence, i % 10 == 3 ? KV_DELETE : KV_PUT)));
        assert_ok(buf_printf(&entry->value, "%" PRIu64, sequence));
    }
    uint64_t unfiltered = 0;
    for (unsigned bits = 0; bits <= 10; bits += 10) {
        const struct table_options options = {200, 4, bits, COMPRESSION_SNAPPY};
        struct disk *disk = disk_new();
        struct block_cache *cache = open_cache(1 << 20);
        struct table *table;
        assert_ok(model_write(&model, disk, &options, NULL, NULL));
        assert_ok(open_table(disk, cache, &table, NULL));
        assert_true(table_properties(table)->data_blocks > 20);
        /* One key's filter: a line, and two bytes. */
        assert_int_equal(table_memory(table) - unfiltered,
                         bits == 0 ? table_memory(table) : 66);
        unfiltered = table_memory(table);
        for (uint64_t sequence = 0; sequence < 2 * model.count + 3; sequence++) {
            assert_ok(check_get(table, &model, slice_of("the key"), sequence, NULL));
            assert_ok(check_get(table, &model, slice_of("the kez"), sequence, NULL));
            assert_ok(check_get(table, &model, slice_of("the ke"), sequence, NULL));
        }
        table_unref(table);
        block_cache_close(cache);
        disk_free(disk);
    }
    model_free(&model);
}

/* A get whose blocks are cached takes no memory, and looks at one block; a key that the
 * filter denies costs not even that. */
static void cached_gets_take_no_memory(void **state) {
    (void)state;
    uint64_t random = test_seed();
    static struct model model;
    const struct table_options options = {300, 4, 10, COMPRESSION_SNAPPY};
    struct disk *disk = disk_new();
    struct block_cache *cache = open_cache(16 << 20);
    struct table *table;
    struct buf value = {0};
    do {
        model_free(&model);
        model_draw(&model, &random, 100);
    } while (model.count < 100 || model.long_keys);
    assert_ok(model_write(&model, disk, &options, NULL, NULL));
    assert_ok(open_table(disk, cache, &table, NULL));
    struct error error = {0};
    assert_ok(check_all(table, &model, &error));
    assert_ok(buf_reserve(&value, 200000));
    size_t memory_calls = counted_memory_calls();
    size_t disk_calls_before = disk_calls(disk);
    for (size_t i = 0; i < model.count; i++) {
        struct search_key key;
        enum lookup answer;
        assert_ok(search_key_init(&key,
                                  internal_key_user(buf_slice(&model.entries[i].key)),
                                  SEQUENCE_MAX, NULL));
        assert_ok(table_get(table, &key, &value, &answer, NULL));
        assert_int_not_equal(answer, LOOKUP_ABSENT);
        assert_int_equal(key.met.filters_asked, 1);
        assert_int_equal(key.met.filters_denied, 0);
        assert_int_equal(key.met.blocks_searched, 1);
        search_key_free(&key);
    }
    size_t searched = 0;
    for (size_t i = 0; i < 1000; i++) {
        struct search_key key;
        char text[32];
        enum lookup answer;
        snprintf(text, sizeof text, "absent %zu", i);
        assert_ok(search_key_init(&key, slice_of(text), SEQUENCE_MAX, NULL));
        assert_ok(table_get(table, &key, &value, &answer, NULL));
        assert_int_equal(answer, LOOKUP_ABSENT);
        assert_int_equal(key.met.blocks_searched + key.met.filters_denied, 1);
        searched += key.met.blocks_searched;
        search_key_free(&key);
    }
    assert_in_range(searched, 0, 30);
    assert_int_equal(counted_memory_calls(), memory_calls);
    assert_int_equal(disk_calls(disk), disk_calls_before);
    buf_free(&value);
    table_unref(table);
    block_cache_close(cache);
    model_free(&model);
    disk_free(disk);
}

/* An iterator keeps its table, and the table its file. */
static void iterators_keep_their_table(void **state) {
    (void)state;
    uint64_t random = test_seed();
    static struct model model;
    const struct table_options options = {300, 4, 10, COMPRESSION_SNAPPY};
    struct disk *disk = disk_new();
    struct block_cache *cache = open_cache(0);
    struct table *table;
    struct iter *iter;
    model_draw(&model, &random, 100);
    assert_ok(model_write(&model, disk, &options, NULL, NULL));
    assert_ok(open_table(disk, cache, &table, NULL));
    assert_ok(table_iter(table, &iter, NULL));
    table_ref(table);
    table_unref(table);
    table_unref(table);
    table_unref(NULL);
    size_t at = 0;
    for (iter_first(iter); iter->valid; iter_next(iter)) {
        assert_at(iter, &model, at++);
    }
    assert_int_equal(at, model.count);
    assert_int_equal(disk_open_handles(disk), 1);
    iter_close(iter);
    assert_int_equal(disk_open_handles(disk), 0);
    block_cache_close(cache);
    model_free(&model);
    disk_free(disk);
}

/* ---- threads --------------------------------------------------------------------- */

enum { THREADS = 4 };

struct reading {
    struct thread thread;
    struct table *table;
    const struct model *model;
    uint64_t seed;
};

static void read_along(void *argument) {
    struct reading *reading = argument;
    gets_equal_the_model(reading->table, reading->model, &reading->seed);
    walks_equal_the_model(reading->table, reading->model, &reading->seed);
    table_unref(reading->table);
}

/* A small cache is evicted from all the time; the last thread closes the table. */
static void threads_share_a_table(void **state) {
    (void)state;
    uint64_t random = test_seed();
    static struct model model;
    char path[] = "/tmp/strata-test-XXXXXX";
    const struct table_options options = {300, 4, 10, COMPRESSION_LZ4};
    struct disk *disk = disk_new();
    struct slice contents;
    model_draw(&model, &random, 300);
    assert_ok(model_write(&model, disk, &options, NULL, NULL));
    assert_true(disk_read_file(disk, TABLE_PATH, &contents));
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0 && close(descriptor) == 0);
    struct file *file;
    assert_ok(file_open(&file_system_posix, path, FILE_WRITE, &file, NULL));
    assert_ok(file_write(file, 0, contents.data, contents.length, NULL));
    struct block_cache *cache = open_cache(4000);
    struct table *table;
    assert_ok(table_open(file, 1, cache, &table, NULL));
    struct reading readings[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        readings[i] = (struct reading){
            .table = table, .model = &model, .seed = random_next(&random)};
        table_ref(table);
        assert_ok(
            thread_create(&readings[i].thread, &threads_posix, read_along, &readings[i]));
    }
    table_unref(table);
    for (size_t i = 0; i < THREADS; i++) {
        thread_join(&readings[i].thread);
    }
    block_cache_close(cache);
    assert_int_equal(unlink(path), 0);
    model_free(&model);
    disk_free(disk);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_equal_the_model),
        cmocka_unit_test(versions_fill_many_blocks),
        cmocka_unit_test(cached_gets_take_no_memory),
        cmocka_unit_test(iterators_keep_their_table),
        cmocka_unit_test(threads_share_a_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
