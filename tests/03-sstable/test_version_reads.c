/* Reading through all runs of a version, from tables on a simulated disk, against the
 * history that they hold. */
#define TEST_HAS_STAGE
#include "../common/support.h"

#include "directory.h"
#include "disk.h"
#include "merge_iter.h"
#include "table_cache.h"
#include "table_file.h"
#include "table_writer.h"
#include "version.h"
#include "walk.h"

enum { HISTORY_MAX = 600, KEYS = 50, CACHE_BYTES = 20000, OPEN_MAX = 2 };

/* Entries in the order of their sequences, which are their indexes; cut into pieces, the
 * oldest of which are levels, and the others flushed tables. */
struct reading {
    struct disk *disk;
    struct world world;
    struct readers readers;
    struct block_cache *blocks;
    struct table_cache *tables;
    struct entry history[HISTORY_MAX];
    size_t count;
    struct entry sorted[HISTORY_MAX]; /* piece by piece, the tables' */
    struct entry all[HISTORY_MAX];    /* as merged */
    struct version *version;
    uint64_t next_table;
};

static void write_table(struct reading *reading, struct table_meta *meta,
                        const struct entry *entries, size_t count) {
    const struct table_options options = {64, 3, 10, COMPRESSION_SNAPPY};
    struct file *file;
    struct table_writer *writer;
    uint64_t number = reading->next_table++;
    assert_ok(directory_file("db", &reading->world, NAME_TABLE, number, FILE_OVERWRITE,
                             &file, NULL));
    assert_ok(table_writer_open(file, &options, &writer, NULL));
    for (size_t i = 0; i < count; i++) {
        char value[16];
        snprintf(value, sizeof value, "%u", entries[i].number);
        assert_ok(
            table_writer_add(writer, entry_key(&entries[i]), slice_of(value), NULL));
    }
    assert_ok(table_writer_finish(writer, 0, 0, 0, meta, NULL));
    table_writer_close(writer);
    assert_ok(file_close(file, NULL));
    meta->number = number;
}

static void add_table(struct reading *reading, struct edit *edit, unsigned level,
                      size_t begin, size_t end) {
    struct table_meta meta = {0};
    write_table(reading, &meta, &reading->sorted[begin], end - begin);
    struct table_file *file = table_file_open(&meta);
    assert_non_null(file);
    assert_ok(edit_add(edit, level, file));
    table_file_unref(file);
    table_meta_free(&meta);
}

/* The piece [begin, end) becomes a table, or, in a level, several. */
static void add_piece(struct reading *reading, struct edit *edit, unsigned level,
                      size_t begin, size_t end, uint64_t *random) {
    assert_int_equal(entries_sort(&reading->sorted[begin], end - begin), end - begin);
    while (level > 0 && end - begin > 1 && random_below(random, 4) > 0) {
        size_t cut = begin + 1 + random_below(random, end - begin - 1);
        add_table(reading, edit, level, begin, cut);
        begin = cut;
    }
    add_table(reading, edit, level, begin, end);
}

static void open_reading(struct reading *reading, uint64_t *random) {
    static const unsigned levels[] = {6, 3, 1, 0, 0, 0, 0, 0};
    size_t pieces = random_below(random, sizeof levels / sizeof levels[0] + 1);
    struct edit edit = {0};
    struct version *empty;
    *reading = (struct reading){.disk = disk_new(), .world = world_system};
    reading->world.files = disk_files(reading->disk);
    assert_ok(directory_make(reading->world.files, "db", NULL));
    assert_ok(
        block_cache_open(CACHE_BYTES, reading->world.threads, &reading->blocks, NULL));
    assert_ok(table_cache_open("db", &reading->world, reading->blocks, &reading->readers,
                               OPEN_MAX, &reading->tables, NULL));
    for (size_t p = 0; p < pieces; p++) {
        size_t begin = reading->count;
        reading->count += 1 + random_below(random, HISTORY_MAX / 8);
        for (size_t i = begin; i < reading->count; i++) {
            struct entry *entry = &reading->history[i];
            *entry = random_entry(random, KEYS, 1);
            unsigned char *tag = entry->key + entry->key_bytes - TAG_BYTES;
            uint64_t type = tag_type(decode_fixed64(tag));
            encode_fixed64(tag, (uint64_t)i << 8 | type);
            reading->sorted[i] = reading->all[i] = *entry;
        }
        add_piece(reading, &edit, levels[p], begin, reading->count, random);
    }
    assert_int_equal(entries_sort(reading->all, reading->count), reading->count);
    assert_ok(version_empty(&empty, NULL));
    assert_ok(version_apply(empty, &edit, &reading->version, NULL));
    version_unref(empty);
    edit_free(&edit);
}

static void close_reading(struct reading *reading) {
    table_cache_close(reading->tables);
    version_unref(reading->version);
    block_cache_close(reading->blocks);
    assert_int_equal(disk_open_handles(reading->disk), 0);
    disk_free(reading->disk);
}

/* The newest at or below the sequence, by looking at all. */
static const struct entry *history_find(const struct reading *reading, struct slice user,
                                        uint64_t sequence) {
    const struct entry *newest = NULL;
    for (size_t i = 0; i < reading->count && i <= sequence; i++) {
        if (slice_equal(internal_key_user(entry_key(&reading->history[i])), user)) {
            newest = &reading->history[i];
        }
    }
    return newest;
}

static void random_search(struct search_key *key, uint64_t *random) {
    struct entry entry = random_entry(random, KEYS + 5, 1);
    uint64_t sequence = random_below(random, 2) == 0 ? HISTORY_MAX : HISTORY_MAX / 4;
    assert_ok(search_key_init(key, internal_key_user(entry_key(&entry)),
                              random_below(random, sequence), NULL));
}

static void assert_lookup(struct reading *reading, const struct search_key *key) {
    struct buf value = {0};
    char expected[16] = "";
    enum lookup wanted = LOOKUP_ABSENT, answer = LOOKUP_FOUND;
    const struct entry *entry = history_find(
        reading, search_key_user(key), tag_sequence(internal_key_tag(key->internal)));
    if (entry != NULL) {
        bool put = tag_type(internal_key_tag(entry_key(entry))) == KV_PUT;
        wanted = put ? LOOKUP_FOUND : LOOKUP_DELETED;
        snprintf(expected, put ? sizeof expected : 1, "%u", entry->number);
    }
    struct reader_slot *slot = readers_enter(&reading->readers);
    assert_ok(version_get(reading->version, reading->tables, key, &value, &answer, NULL));
    readers_leave(slot);
    assert_int_equal(answer, wanted);
    assert_true(slice_equal(buf_slice(&value), slice_of(expected)));
    buf_free(&value);
}

static void lookups_equal_the_history(void **state) {
    (void)state;
    uint64_t random = test_seed();
    static struct reading reading;
    for (int round = 0; round < 100; round++) {
        open_reading(&reading, &random);
        for (int i = 0; i < 200; i++) {
            struct search_key key;
            random_search(&key, &random);
            assert_lookup(&reading, &key);
            search_key_free(&key);
        }
        close_reading(&reading);
    }
}

/* Every entry of every table is met, once. */
static void iterators_merge_to_the_history(void **state) {
    (void)state;
    uint64_t random = test_seed();
    static struct reading reading;
    for (int round = 0; round < 100; round++) {
        struct iter *children[2 + 8];
        struct iter *iter;
        size_t count = 1;
        open_reading(&reading, &random);
        children[0] = children[1 + reading.version->run_count] = NULL;
        assert_ok(version_iters(reading.version, reading.tables, children, &count, NULL));
        assert_int_equal(count, 1 + reading.version->run_count);
        assert_null(children[0]);
        assert_null(children[count]);
        assert_ok(merge_iter_open(children + 1, count - 1, &iter, NULL));
        struct walk walk = {
            .entries = reading.all, .count = reading.count, .at = reading.count};
        for (int i = 0; i < 100; i++) {
            walk_step(&walk, iter, &random);
            assert_walk(&walk, iter);
        }
        assert_walk_complete(&walk, iter);
        iter_close(iter);
        close_reading(&reading);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lookups_equal_the_history),
        cmocka_unit_test(iterators_merge_to_the_history),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
