/* The bytes of a table, what a writer refuses, and what becomes of its failures. That
 * what it writes can be read is test_table.c's. */
#define TEST_HAS_STAGE
#include "../common/support.h"

#include <errno.h>

#include "../common/refusing_file.h"
#include "counted_memory.h"
#include "tables.h"

static struct slice internal(struct buf *key, const char *user, uint64_t sequence,
                             enum kv_op_type type) {
    assert_ok(internal_key_build(key, slice_of(user), tag_make(sequence, type)));
    return buf_slice(key);
}

static void add_to_model(struct model *model, const char *user, uint64_t sequence,
                         enum kv_op_type type, const char *value) {
    struct entry *entry = &model->entries[model->count++];
    *entry = (struct entry){0};
    (void)internal(&entry->key, user, sequence, type);
    assert_ok(buf_append_text(&entry->value, value));
}

/* Three blocks of one entry each, so that the index has a key that stands in no block
 * between two user keys, one that does between two versions, and one behind the last. The
 * bytes were put together by another program, from the words in the headers. */
static const unsigned char golden[] = {
    0x00, 0x0d, 0x03, 0x61, 0x70, 0x70, 0x6c, 0x65, 0x01, 0x02, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x72, 0x65, 0x64, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00,
    0x5e, 0x4c, 0xa6, 0xb0, 0x00, 0x0d, 0x00, 0x61, 0x70, 0x70, 0x6c, 0x65, 0x00, 0x01,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00,
    0x00, 0x2c, 0x51, 0xbf, 0xe0, 0x00, 0x0e, 0x00, 0x63, 0x68, 0x65, 0x72, 0x72, 0x79,
    0x01, 0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00,
    0x00, 0x00, 0x00, 0x43, 0x5e, 0xe5, 0x2d, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00,
    0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x40, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x10, 0x00, 0x00, 0x04, 0x00, 0x00, 0x00, 0x01, 0x00, 0x28, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00, 0x22, 0x00, 0x00,
    0x80, 0x06, 0x01, 0x00, 0xb0, 0xc4, 0xd1, 0xbf, 0x00, 0x0b, 0x01, 0x63, 0x6f, 0x6d,
    0x70, 0x72, 0x65, 0x73, 0x73, 0x69, 0x6f, 0x6e, 0x00, 0x01, 0x0e, 0x05, 0x72, 0x65,
    0x61, 0x74, 0x65, 0x64, 0x5f, 0x73, 0x65, 0x63, 0x6f, 0x6e, 0x64, 0x73, 0x80, 0xe2,
    0xcf, 0xaa, 0x06, 0x00, 0x0b, 0x01, 0x64, 0x61, 0x74, 0x61, 0x5f, 0x62, 0x6c, 0x6f,
    0x63, 0x6b, 0x73, 0x03, 0x00, 0x07, 0x01, 0x65, 0x6e, 0x74, 0x72, 0x69, 0x65, 0x73,
    0x03, 0x00, 0x0e, 0x01, 0x66, 0x6f, 0x72, 0x6d, 0x61, 0x74, 0x5f, 0x76, 0x65, 0x72,
    0x73, 0x69, 0x6f, 0x6e, 0x01, 0x00, 0x10, 0x01, 0x6c, 0x61, 0x72, 0x67, 0x65, 0x73,
    0x74, 0x5f, 0x73, 0x65, 0x71, 0x75, 0x65, 0x6e, 0x63, 0x65, 0x03, 0x00, 0x0d, 0x01,
    0x72, 0x61, 0x77, 0x5f, 0x6b, 0x65, 0x79, 0x5f, 0x62, 0x79, 0x74, 0x65, 0x73, 0x28,
    0x04, 0x0b, 0x01, 0x76, 0x61, 0x6c, 0x75, 0x65, 0x5f, 0x62, 0x79, 0x74, 0x65, 0x73,
    0x03, 0x00, 0x08, 0x01, 0x73, 0x68, 0x61, 0x64, 0x6f, 0x77, 0x65, 0x64, 0x01, 0x01,
    0x10, 0x01, 0x6d, 0x61, 0x6c, 0x6c, 0x65, 0x73, 0x74, 0x5f, 0x73, 0x65, 0x71, 0x75,
    0x65, 0x6e, 0x63, 0x65, 0x01, 0x00, 0x0a, 0x01, 0x74, 0x6f, 0x6d, 0x62, 0x73, 0x74,
    0x6f, 0x6e, 0x65, 0x73, 0x01, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00,
    0x77, 0xa5, 0x54, 0xce, 0x00, 0x1b, 0x02, 0x73, 0x74, 0x72, 0x61, 0x74, 0x61, 0x2e,
    0x66, 0x69, 0x6c, 0x74, 0x65, 0x72, 0x2e, 0x62, 0x6c, 0x6f, 0x63, 0x6b, 0x65, 0x64,
    0x2d, 0x62, 0x6c, 0x6f, 0x6f, 0x6d, 0x5b, 0x42, 0x07, 0x0a, 0x04, 0x70, 0x72, 0x6f,
    0x70, 0x65, 0x72, 0x74, 0x69, 0x65, 0x73, 0xa2, 0x01, 0xbb, 0x01, 0x00, 0x00, 0x00,
    0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x48, 0x71, 0x96, 0xa7, 0x00, 0x0d, 0x02, 0x61,
    0x70, 0x70, 0x6c, 0x65, 0x01, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x1b,
    0x00, 0x09, 0x02, 0x62, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x20, 0x18,
    0x00, 0x09, 0x02, 0x64, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x3d, 0x19,
    0x00, 0x00, 0x00, 0x00, 0x12, 0x00, 0x00, 0x00, 0x20, 0x00, 0x00, 0x00, 0x03, 0x00,
    0x00, 0x00, 0x00, 0xb2, 0xa8, 0xcf, 0xeb, 0xe2, 0x02, 0x39, 0xa0, 0x03, 0x3e, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb,
};

static void golden_bytes(void **state) {
    (void)state;
    const struct table_options options = {1, 16, 10, COMPRESSION_NONE};
    static struct model model;
    struct disk *disk = disk_new();
    struct table_meta meta;
    struct slice contents;
    add_to_model(&model, "apple", 2, KV_PUT, "red");
    add_to_model(&model, "apple", 1, KV_DELETE, "");
    add_to_model(&model, "cherry", 3, KV_PUT, "");
    assert_ok(model_write(&model, disk, &options, &meta, NULL));
    assert_true(disk_read_file(disk, TABLE_PATH, &contents));
    assert_int_equal(contents.length, sizeof golden);
    assert_memory_equal(contents.data, golden, sizeof golden);
    assert_int_equal(meta.bytes, sizeof golden);
    assert_int_equal(meta.entries, 3);
    assert_int_equal(meta.smallest_sequence, 1);
    assert_int_equal(meta.largest_sequence, 3);
    assert_true(slice_equal(buf_slice(&meta.smallest), buf_slice(&model.entries[0].key)));
    assert_true(slice_equal(buf_slice(&meta.largest), buf_slice(&model.entries[2].key)));
    table_meta_free(&meta);
    model_free(&model);
    disk_free(disk);
}

struct fixture {
    struct disk *disk;
    struct file *file;
    struct table_writer *writer;
    struct buf key;
};

static void begin(struct fixture *f, const struct table_options *options) {
    *f = (struct fixture){.disk = disk_new()};
    assert_ok(file_open(disk_files(f->disk), TABLE_PATH, FILE_CREATE, &f->file, NULL));
    assert_ok(table_writer_open(f->file, options, &f->writer, NULL));
}

static void end(struct fixture *f) {
    table_writer_close(f->writer);
    assert_ok(file_close(f->file, NULL));
    buf_free(&f->key);
    disk_free(f->disk);
}

static const struct table_options usual = {4096, 16, 10, COMPRESSION_SNAPPY};

static void keys_must_ascend(void **state) {
    (void)state;
    static const struct {
        const char *user;
        uint64_t sequence;
    } rows[] = {{"b", 5}, {"b", 6}, {"a", 1}, {"", 5}};
    for (size_t i = 0; i <= sizeof rows / sizeof rows[0]; i++) {
        struct fixture f;
        struct error error = {0};
        begin(&f, &usual);
        assert_ok(table_writer_add(f.writer, internal(&f.key, "b", 5, KV_PUT),
                                   slice_of(""), NULL));
        struct slice key = i < sizeof rows / sizeof rows[0]
                               ? internal(&f.key, rows[i].user, rows[i].sequence, KV_PUT)
                               : slice_of("short");
        assert_int_equal(table_writer_add(f.writer, key, slice_of(""), &error),
                         STATUS_CORRUPT);
        assert_message_has(error, TABLE_PATH ": entry 1 to be written is not");
        end(&f);
    }
}

/* A gigabyte and more, which is refused before a byte of it is read. */
static void an_entry_may_be_too_long(void **state) {
    (void)state;
    struct fixture f;
    struct error error = {0};
    begin(&f, &usual);
    struct slice key = internal(&f.key, "b", 5, KV_PUT);
    assert_int_equal(
        table_writer_add(f.writer, key, slice_make("", (size_t)2 << 30), &error),
        STATUS_LIMIT);
    assert_message_has(error, TABLE_PATH ": offset 0: a block would be too long");
    end(&f);
}

/* A range that is given stands for what compaction dropped, too. */
static void sequences_are_seen_or_given(void **state) {
    (void)state;
    for (int given = 0; given < 2; given++) {
        struct fixture f;
        struct table_meta meta = {.number = 9};
        struct block_cache *cache = open_cache(0);
        struct table *table;
        begin(&f, &usual);
        assert_ok(table_writer_add(f.writer, internal(&f.key, "a", 20, KV_PUT),
                                   slice_of("v"), NULL));
        assert_ok(table_writer_add(f.writer, internal(&f.key, "a", 10, KV_DELETE),
                                   slice_of(""), NULL));
        assert_ok(table_writer_add(f.writer, internal(&f.key, "b", 15, KV_DELETE),
                                   slice_of(""), NULL));
        assert_int_equal(table_writer_bytes(f.writer), 0); /* no block is full */
        assert_ok(table_writer_finish(f.writer, given ? 3 : 0, given ? 99 : 0, CREATED,
                                      &meta, NULL));
        assert_int_equal(table_writer_bytes(f.writer), meta.bytes);
        assert_int_equal(meta.number, 9);
        assert_ok(open_table(f.disk, cache, &table, NULL));
        const struct properties *properties = table_properties(table);
        assert_int_equal(properties->smallest_sequence, given ? 3 : 10);
        assert_int_equal(properties->largest_sequence, given ? 99 : 20);
        assert_int_equal(meta.smallest_sequence, given ? 3 : 10);
        assert_int_equal(meta.largest_sequence, given ? 99 : 20);
        assert_int_equal(properties->entries, 3);
        assert_int_equal(properties->tombstones, 2);
        assert_int_equal(properties->data_blocks, 1);
        assert_int_equal(properties->raw_key_bytes, 27);
        assert_int_equal(properties->raw_value_bytes, 1);
        assert_int_equal(properties->created_seconds, CREATED);
        assert_int_equal(properties->compression, COMPRESSION_SNAPPY);
        assert_ok(table_verify(table, no_faults, NULL, NULL));
        table_unref(table);
        block_cache_close(cache);
        table_meta_free(&meta);
        end(&f);
    }
}

static void an_empty_table_is_a_table(void **state) {
    (void)state;
    static const struct model empty;
    struct disk *disk = disk_new();
    struct block_cache *cache = open_cache(0);
    struct table_meta meta;
    struct table *table;
    struct error error = {0};
    assert_ok(model_write(&empty, disk, &usual, &meta, NULL));
    assert_int_equal(meta.smallest.length + meta.largest.length + meta.entries, 0);
    assert_ok(open_table(disk, cache, &table, NULL));
    assert_ok(check_all(table, &empty, &error));
    assert_ok(table_verify(table, no_faults, NULL, NULL));
    table_unref(table);
    table_meta_free(&meta);
    block_cache_close(cache);
    disk_free(disk);
}

/* Blocks gather until they are worth a write. */
static void writes_are_large(void **state) {
    (void)state;
    struct fixture f;
    struct table_meta meta = {0};
    static const unsigned char value[1000];
    const struct table_options options = {4096, 16, 10, COMPRESSION_NONE};
    begin(&f, &options);
    struct refusing counting = {.file = {&refusing_ops, f.file->path}, .under = f.file};
    struct table_writer *writer;
    assert_ok(table_writer_open(&counting.file, &options, &writer, NULL));
    for (int i = 0; i < 1000; i++) {
        char user[16];
        snprintf(user, sizeof user, "%06d", i);
        assert_ok(table_writer_add(writer, internal(&f.key, user, 1, KV_PUT),
                                   slice_make(value, sizeof value), NULL));
    }
    assert_ok(table_writer_finish(writer, 0, 0, CREATED, &meta, NULL));
    assert_true(meta.bytes > 1000000);
    assert_in_range(counting.writes, 2, meta.bytes / 65536 + 1);
    table_writer_close(writer);
    table_meta_free(&meta);
    end(&f);
}

/* No room, no memory or a failed write: it is said, nothing leaks, and what is there when
 * it is said that all is well, is all. */
static void check_written(struct disk *disk, const struct model *model) {
    struct block_cache *cache = open_cache(0);
    struct table *table;
    struct error error = {0};
    assert_ok(open_table(disk, cache, &table, NULL));
    assert_ok(check_all(table, model, &error));
    table_unref(table);
    block_cache_close(cache);
}

static const struct table_options many[] = {{200, 3, 10, COMPRESSION_NONE},
                                            {200, 3, 0, COMPRESSION_LZ4},
                                            {4096, 16, 10, COMPRESSION_SNAPPY},
                                            {1, 1, 10, COMPRESSION_ZSTD}};

static void no_memory_is_said(void **state) {
    (void)state;
    uint64_t random = test_seed();
    static struct model model;
    for (size_t i = 0; i < sizeof many / sizeof many[0]; i++) {
        model_draw(&model, &random, 200);
        size_t blocks = counted_memory_blocks();
        size_t failures = 0;
        bool failed = true;
        for (size_t countdown = 1; failed; countdown++) {
            struct disk *disk = disk_new();
            struct error error = {0};
            counted_memory_fail(countdown, countdown % 2 == 0);
            enum status status = model_write(&model, disk, &many[i], NULL, &error);
            failed = counted_memory_failed();
            counted_memory_fail(0, false);
            assert_int_equal(status, failed ? STATUS_NO_MEMORY : STATUS_OK);
            assert_int_equal(error.status, status);
            if (!failed) {
                check_written(disk, &model);
            }
            disk_free(disk);
            assert_int_equal(counted_memory_blocks(), blocks);
            failures += failed;
        }
        assert_in_range(failures, 10, 10000);
        model_free(&model);
    }
}

static void failed_writes_are_said(void **state) {
    (void)state;
    uint64_t random = test_seed();
    static struct model model;
    size_t failures = 0;
    for (int kind = 0; kind < FAULT_EFFECT_COUNT * 4; kind++) {
        enum fault_effect effect = (enum fault_effect)(kind % FAULT_EFFECT_COUNT);
        model_draw(&model, &random, 70000);
        bool struck = true;
        for (size_t countdown = 1; struck; countdown++) {
            const struct fault fault = {countdown, effect, ENOSPC, kind % 8 >= 4};
            struct disk *disk = disk_new();
            struct error error = {0};
            disk_set_fault(disk, &fault);
            enum status status = model_write(&model, disk, &many[kind / 4], NULL, &error);
            struck = disk_fault_struck(disk) != NULL;
            disk_set_fault(disk, &(struct fault){0});
            if (struck && effect != FAULT_SHORT) {
                assert_int_equal(status, STATUS_NO_SPACE);
                assert_message_has(error, TABLE_PATH ": ");
                failures++;
            } else {
                assert_ok(status);
                check_written(disk, &model);
            }
            assert_int_equal(disk_open_handles(disk), 0);
            disk_free(disk);
        }
        model_free(&model);
    }
    assert_true(failures > 50);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_bytes),
        cmocka_unit_test(keys_must_ascend),
        cmocka_unit_test(an_entry_may_be_too_long),
        cmocka_unit_test(sequences_are_seen_or_given),
        cmocka_unit_test(an_empty_table_is_a_table),
        cmocka_unit_test(writes_are_large),
        cmocka_unit_test(no_memory_is_said),
        cmocka_unit_test(failed_writes_are_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
