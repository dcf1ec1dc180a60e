/* Tables go both ways between Strata and LevelDB (Debian's libleveldb, through its C
 * interface): what LevelDB wrote is read in full, with its filter; what Strata wrote
 * LevelDB takes in by its repair, which builds a database from tables alone. */
#define TEST_HAS_STAGE
#include "../common/support.h"

#include <leveldb/c.h>

#include "memory.h"
#include "names.h"
#include "table.h"
#include "table_writer.h"

enum { OPERATIONS = 12000, KEYS = 4000, TABLES_MAX = 16, KEY_BYTES = 32 };

struct operation {
    uint32_t key;
    uint32_t value_bytes;
    bool put;
};

struct fixture {
    char directory[64];
    struct operation operations[OPERATIONS + 1]; /* by sequence, from 1 */
    uint64_t snapshot;
    struct block_cache *cache;
    struct table *tables[TABLES_MAX];
    bool holds[TABLES_MAX][OPERATIONS + 1]; /* by table and sequence */
    size_t table_count;
};

static struct slice key_of(char text[KEY_BYTES], uint32_t key) {
    return slice_make(text, (size_t)snprintf(text, KEY_BYTES, "user%u", key));
}

/* Half of it compresses. */
static struct slice value_of(uint64_t sequence, uint32_t bytes) {
    static unsigned char value[9000];
    uint64_t random = sequence;
    for (uint32_t i = 0; i < bytes; i++) {
        value[i] = (unsigned char)(i % 16 < 8 ? random_next(&random) : 'x');
    }
    return slice_make(value, bytes);
}

static void begin(struct fixture *f) {
    uint64_t random = test_seed();
    *f = (struct fixture){.snapshot = OPERATIONS / 2};
    strcpy(f->directory, "/tmp/strata-test-XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    assert_ok(block_cache_open(1 << 20, &threads_posix, &f->cache, NULL));
    for (size_t i = 1; i <= OPERATIONS; i++) {
        f->operations[i] =
            (struct operation){.key = (uint32_t)random_below(&random, KEYS),
                               .put = random_below(&random, 4) != 0,
                               .value_bytes = (uint32_t)random_below(
                                   &random, random_below(&random, 50) == 0 ? 9000 : 250)};
    }
}

static void remove_visited(void *context, const char *name) {
    char *path = path_join(context, name);
    assert_int_equal(unlink(path), 0);
    memory_give(path);
}

static void end(struct fixture *f) {
    for (size_t i = 0; i < f->table_count; i++) {
        table_unref(f->tables[i]);
    }
    block_cache_close(f->cache);
    assert_ok(directory_list(&file_system_posix, f->directory, remove_visited,
                             f->directory, NULL));
    assert_int_equal(rmdir(f->directory), 0);
}

/* ---- LevelDB --------------------------------------------------------------------- */

static void assert_no_error(char *error) {
    if (error != NULL) {
        fail_msg("LevelDB: %s", error);
    }
}

static leveldb_options_t *options_with(int compression, leveldb_filterpolicy_t *filter) {
    leveldb_options_t *options = leveldb_options_create();
    leveldb_options_set_create_if_missing(options, 1);
    leveldb_options_set_paranoid_checks(options, 1);
    leveldb_options_set_compression(options, compression);
    leveldb_options_set_filter_policy(options, filter);
    leveldb_options_set_write_buffer_size(options, 200 << 10);
    return options;
}

/* Writes the operations, all of them into tables in the end; the snapshot keeps old
 * versions alive. */
static void write_with_leveldb(struct fixture *f, leveldb_options_t *options) {
    char *error = NULL;
    leveldb_t *db = leveldb_open(options, f->directory, &error);
    assert_no_error(error);
    leveldb_writeoptions_t *write = leveldb_writeoptions_create();
    const leveldb_snapshot_t *snapshot = NULL;
    for (size_t i = 1; i <= OPERATIONS; i++) {
        const struct operation *operation = &f->operations[i];
        char text[KEY_BYTES];
        struct slice key = key_of(text, operation->key);
        if (operation->put) {
            struct slice value = value_of(i, operation->value_bytes);
            leveldb_put(db, write, (const char *)key.data, key.length,
                        (const char *)value.data, value.length, &error);
        } else {
            leveldb_delete(db, write, (const char *)key.data, key.length, &error);
        }
        assert_no_error(error);
        if (i == f->snapshot) {
            snapshot = leveldb_create_snapshot(db);
        }
    }
    leveldb_compact_range(db, NULL, 0, NULL, 0);
    leveldb_release_snapshot(db, snapshot);
    leveldb_writeoptions_destroy(write);
    leveldb_close(db);
}

/* ---- tables ---------------------------------------------------------------------- */

static void open_visited(void *context, const char *name) {
    struct fixture *f = context;
    struct name parsed = name_parse(name);
    if (parsed.kind != NAME_TABLE) {
        return;
    }
    struct file *file;
    char *path = path_join(f->directory, name);
    assert_true(f->table_count < TABLES_MAX);
    assert_ok(file_open(&file_system_posix, path, FILE_READ, &file, NULL));
    assert_ok(
        table_open(file, parsed.number, f->cache, &f->tables[f->table_count++], NULL));
    memory_give(path);
}

static void no_faults(void *context, const char *line) {
    (void)context;
    fail_msg("reported: %s", line);
}

/* The last operation on the key at that sequence, of those in a table. */
static uint64_t newest(const struct fixture *f, const bool *holds, uint32_t key,
                       uint64_t sequence) {
    while (sequence > 0 && (f->operations[sequence].key != key || !holds[sequence])) {
        sequence--;
    }
    return sequence;
}

/* Every entry is an operation as it was written. Answers how many there are. */
static size_t check_entries(struct fixture *f, size_t index) {
    struct iter *iter;
    size_t count = 0;
    assert_ok(table_iter(f->tables[index], &iter, NULL));
    for (iter_first(iter); iter->valid; iter_next(iter)) {
        uint64_t tag = internal_key_tag(iter->key);
        char text[KEY_BYTES];
        assert_in_range(tag_sequence(tag), 1, OPERATIONS);
        const struct operation *operation = &f->operations[tag_sequence(tag)];
        assert_true(
            slice_equal(internal_key_user(iter->key), key_of(text, operation->key)));
        assert_int_equal(tag_type(tag), operation->put ? KV_PUT : KV_DELETE);
        assert_true(slice_equal(
            iter->value,
            value_of(tag_sequence(tag), operation->put ? operation->value_bytes : 0)));
        assert_false(f->holds[index][tag_sequence(tag)]);
        f->holds[index][tag_sequence(tag)] = true;
        count++;
    }
    assert_int_equal(iter->error.status, STATUS_OK);
    size_t backward = 0;
    for (iter_last(iter); iter->valid; iter_prev(iter)) {
        backward++;
    }
    assert_int_equal(backward, count);
    iter_close(iter);
    return count;
}

/* What a table says of a key; what that takes is added to *counts. */
static enum lookup get(struct table *table, struct slice user, uint64_t sequence,
                       struct buf *value, struct search_counts *counts) {
    struct search_key key;
    enum lookup answer;
    assert_ok(search_key_init(&key, user, sequence, NULL));
    assert_ok(table_get(table, &key, value, &answer, NULL));
    counts->filters_asked += key.met.filters_asked;
    counts->filters_denied += key.met.filters_denied;
    counts->blocks_searched += key.met.blocks_searched;
    search_key_free(&key);
    return answer;
}

static size_t check_gets(struct fixture *f, size_t index, uint64_t sequence) {
    struct buf value = {0};
    struct search_counts counts = {0};
    size_t found = 0;
    for (uint32_t key = 0; key < KEYS; key++) {
        char text[KEY_BYTES];
        uint64_t last = newest(f, f->holds[index], key, sequence);
        enum lookup answer =
            get(f->tables[index], key_of(text, key), sequence, &value, &counts);
        assert_int_equal(answer, last == 0                 ? LOOKUP_ABSENT
                                 : f->operations[last].put ? LOOKUP_FOUND
                                                           : LOOKUP_DELETED);
        if (answer == LOOKUP_FOUND) {
            assert_true(slice_equal(buf_slice(&value),
                                    value_of(last, f->operations[last].value_bytes)));
            found++;
        }
    }
    buf_free(&value);
    return found;
}

/* Keys that sort among those that are there. */
static struct search_counts get_absent(struct fixture *f) {
    struct search_counts counts = {0};
    struct buf value = {0};
    for (size_t i = 0; i < f->table_count; i++) {
        for (uint32_t key = 0; key < KEYS; key++) {
            char text[KEY_BYTES];
            struct slice slice = key_of(text, key);
            text[slice.length++] = '!';
            assert_int_equal(get(f->tables[i], slice, SEQUENCE_MAX, &value, &counts),
                             LOOKUP_ABSENT);
        }
    }
    buf_free(&value);
    return counts;
}

static void leveldb_tables_are_read(void **state) {
    (void)state;
    static struct fixture f;
    leveldb_filterpolicy_t *policy = leveldb_filterpolicy_create_bloom(10);
    for (int kind = 0; kind < 4; kind++) {
        bool filtered = kind / 2 == 0;
        leveldb_options_t *options = options_with(
            kind % 2 == 0 ? leveldb_no_compression : leveldb_snappy_compression,
            filtered ? policy : NULL);
        size_t entries = 0;
        size_t found = 0;
        begin(&f);
        write_with_leveldb(&f, options);
        assert_ok(
            directory_list(&file_system_posix, f.directory, open_visited, &f, NULL));
        assert_true(f.table_count > 0);
        for (size_t i = 0; i < f.table_count; i++) {
            assert_null(table_properties(f.tables[i]));
            assert_ok(table_verify(f.tables[i], no_faults, NULL, NULL));
            entries += check_entries(&f, i);
            found += check_gets(&f, i, OPERATIONS);
            found += check_gets(&f, i, f.snapshot);
        }
        assert_in_range(entries, KEYS, OPERATIONS); /* two versions of many */
        assert_in_range(found, KEYS, 4 * KEYS);
        struct search_counts counts = get_absent(&f);
        printf("%zu tables, %zu entries; %" PRIu64 " of %" PRIu64 " filters denied\n",
               f.table_count, entries, counts.filters_denied, counts.filters_asked);
        if (filtered) {
            assert_true(counts.filters_asked > KEYS / 2);
            assert_true(counts.blocks_searched < counts.filters_asked / 30);
        } else {
            assert_int_equal(counts.filters_asked, 0);
            assert_true(counts.blocks_searched > KEYS / 2);
        }
        leveldb_options_destroy(options);
        end(&f);
    }
    leveldb_filterpolicy_destroy(policy);
}

/* ---- the other way --------------------------------------------------------------- */

struct sorted {
    unsigned char key[KEY_BYTES + TAG_BYTES]; /* internal */
    size_t key_bytes;
    uint64_t sequence;
};

static int compare_sorted(const void *left, const void *right) {
    const struct sorted *a = left;
    const struct sorted *b = right;
    return internal_key_compare(slice_make(a->key, a->key_bytes),
                                slice_make(b->key, b->key_bytes));
}

/* All operations, in one table. */
static void write_with_strata(struct fixture *f, enum compression compression) {
    static struct sorted sorted[OPERATIONS];
    const struct table_options options = {4096, 16, 10, compression};
    struct file *file;
    struct table_writer *writer;
    struct table_meta meta = {0};
    for (size_t i = 0; i < OPERATIONS; i++) {
        const struct operation *operation = &f->operations[i + 1];
        struct slice key = key_of((char *)sorted[i].key, operation->key);
        encode_fixed64(sorted[i].key + key.length,
                       tag_make(i + 1, operation->put ? KV_PUT : KV_DELETE));
        sorted[i].key_bytes = key.length + TAG_BYTES;
        sorted[i].sequence = i + 1;
    }
    qsort(sorted, OPERATIONS, sizeof sorted[0], compare_sorted);
    char *path = path_join(f->directory, "000005.ldb");
    assert_ok(file_open(&file_system_posix, path, FILE_CREATE, &file, NULL));
    assert_ok(table_writer_open(file, &options, &writer, NULL));
    for (size_t i = 0; i < OPERATIONS; i++) {
        const struct operation *operation = &f->operations[sorted[i].sequence];
        assert_ok(table_writer_add(
            writer, slice_make(sorted[i].key, sorted[i].key_bytes),
            value_of(sorted[i].sequence, operation->put ? operation->value_bytes : 0),
            NULL));
    }
    assert_ok(table_writer_finish(writer, 0, 0, 0, &meta, NULL));
    table_writer_close(writer);
    assert_ok(file_close(file, NULL));
    table_meta_free(&meta);
    memory_give(path);
}

static void leveldb_reads_our_tables(void **state) {
    (void)state;
    static struct fixture f;
    static bool all[OPERATIONS + 1];
    memset(all, true, sizeof all);
    for (int kind = 0; kind < 2; kind++) {
        leveldb_options_t *options = options_with(leveldb_snappy_compression, NULL);
        leveldb_readoptions_t *read = leveldb_readoptions_create();
        char *error = NULL;
        size_t present = 0;
        begin(&f);
        write_with_strata(&f, kind == 0 ? COMPRESSION_NONE : COMPRESSION_SNAPPY);
        leveldb_repair_db(options, f.directory, &error);
        assert_no_error(error);
        leveldb_t *db = leveldb_open(options, f.directory, &error);
        assert_no_error(error);
        leveldb_readoptions_set_verify_checksums(read, 1);
        for (uint32_t key = 0; key < KEYS; key++) {
            char text[KEY_BYTES];
            size_t length = 0;
            struct slice slice = key_of(text, key);
            uint64_t last = newest(&f, all, key, OPERATIONS);
            char *value = leveldb_get(db, read, text, slice.length, &length, &error);
            assert_no_error(error);
            assert_int_equal(value != NULL, last > 0 && f.operations[last].put);
            if (value != NULL) {
                assert_true(slice_equal(slice_make(value, length),
                                        value_of(last, f.operations[last].value_bytes)));
                present++;
            }
            leveldb_free(value);
        }
        leveldb_iterator_t *iter = leveldb_create_iterator(db, read);
        for (leveldb_iter_seek_to_first(iter); leveldb_iter_valid(iter);
             leveldb_iter_next(iter)) {
            present--;
        }
        leveldb_iter_get_error(iter, &error);
        assert_no_error(error);
        assert_int_equal(present, 0);
        leveldb_iter_destroy(iter);
        leveldb_readoptions_destroy(read);
        leveldb_close(db);
        leveldb_options_destroy(options);
        end(&f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leveldb_tables_are_read),
        cmocka_unit_test(leveldb_reads_our_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
