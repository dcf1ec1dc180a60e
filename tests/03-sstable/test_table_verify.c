/* Tables whose checksums are right and whose contents are not, or are unusual: put
 * together by hand, block by block.
 *
 * tidy: long because it is a list of the ways to be wrong. */
#define TEST_HAS_STAGE
#include "../common/support.h"

#include "craft.h"
#include "tables.h"

/* ---- the unusual ----------------------------------------------------------------- */

static enum status get(struct table *table, const char *user, uint64_t sequence,
                       enum lookup *answer, struct error *error) {
    struct search_key key;
    struct buf value = {0};
    assert_ok(search_key_init(&key, slice_of(user), sequence, NULL));
    enum status status = table_get(table, &key, &value, answer, error);
    search_key_free(&key);
    buf_free(&value);
    return status;
}

static void assert_get(struct table *table, const char *user, uint64_t sequence,
                       enum lookup expected) {
    enum lookup answer;
    assert_ok(get(table, user, sequence, &answer, NULL));
    assert_int_equal(answer, expected);
}

/* Counts what a scan in that direction shows. */
static size_t scan(struct table *table, bool forward, struct error *error) {
    struct iter *iter;
    size_t count = 0;
    assert_ok(table_iter(table, &iter, NULL));
    for ((forward ? iter_first : iter_last)(iter); iter->valid;
         (forward ? iter_next : iter_prev)(iter)) {
        count++;
    }
    *error = iter->error;
    iter_close(iter);
    return count;
}

/* The index may stand far behind a block's last key, even among the versions of the next
 * block's first; and blocks may be empty. */
static void an_odd_index_is_followed(void **state) {
    (void)state;
    struct craft craft;
    struct table *table;
    struct error error;
    struct block_cache *cache = open_cache(1 << 20);
    craft_begin(&craft);
    craft_block(&craft, "", 9); /* empty, as are two others */
    craft_put(&craft, "a", 5);
    craft_block(&craft, "k", 7);
    craft_block(&craft, "k", 3);
    craft_put(&craft, "k", 2);
    craft_put(&craft, "m", 4);
    craft_block(&craft, "x", 1);
    craft_block(&craft, "y", 1);
    struct disk *disk = craft_end(&craft);
    assert_ok(open_table(disk, cache, &table, NULL));
    assert_null(table_properties(table));
    assert_get(table, "k", 9, LOOKUP_FOUND);
    assert_get(table, "k", 7, LOOKUP_FOUND);
    assert_get(table, "k", 4, LOOKUP_FOUND);
    assert_get(table, "k", 2, LOOKUP_FOUND);
    assert_get(table, "k", 1, LOOKUP_ABSENT);
    assert_get(table, "a", 5, LOOKUP_FOUND);
    assert_get(table, "b", 5, LOOKUP_ABSENT);
    assert_get(table, "m", 4, LOOKUP_FOUND);
    assert_get(table, "n", 4, LOOKUP_ABSENT);
    assert_get(table, "z", 4, LOOKUP_ABSENT);
    assert_int_equal(scan(table, true, &error), 3);
    assert_int_equal(error.status, STATUS_OK);
    assert_int_equal(scan(table, false, &error), 3);
    assert_int_equal(error.status, STATUS_OK);
    struct iter *iter;
    struct buf key = {0};
    assert_ok(table_iter(table, &iter, NULL));
    assert_ok(internal_key_build(&key, slice_of("k"), tag_seek(4)));
    iter_seek(iter, buf_slice(&key));
    assert_true(iter->valid);
    assert_int_equal(tag_sequence(internal_key_tag(iter->key)), 2);
    iter_prev(iter);
    assert_true(slice_equal(internal_key_user(iter->key), slice_of("a")));
    iter_seek_before(iter, buf_slice(&key));
    assert_true(slice_equal(internal_key_user(iter->key), slice_of("a")));
    iter_close(iter);
    buf_free(&key);
    assert_ok(table_verify(table, no_faults, NULL, NULL));
    table_unref(table);
    block_cache_close(cache);
    disk_free(disk);
}

static void unknown_parts_are_passed_over(void **state) {
    (void)state;
    struct craft craft;
    struct table *table;
    struct block_cache *cache = open_cache(0);
    craft_begin(&craft);
    craft_put(&craft, "a", 5);
    craft_block(&craft, "a", 5);
    craft_meta(&craft, "another filter", slice_of("whatever"));
    craft_meta(&craft, TABLE_FILTER, slice_of("of version 2\x02"));
    struct disk *disk = craft_end(&craft);
    assert_ok(open_table(disk, cache, &table, NULL));
    assert_get(table, "a", 5, LOOKUP_FOUND);
    assert_get(table, "b", 5, LOOKUP_ABSENT);
    assert_ok(table_verify(table, no_faults, NULL, NULL));
    table_unref(table);
    block_cache_close(cache);
    disk_free(disk);
}

/* An entry that claims a key longer than what is left of a block. */
static const char cut_short[] = {0, 99, 1, 'x'};

/* ---- what open refuses ----------------------------------------------------------- */

static void assert_refused(struct disk *disk, const char *words) {
    struct table *table;
    struct error error = {0};
    struct block_cache *cache = open_cache(0);
    struct block_cache_stats stats;
    assert_int_equal(open_table(disk, cache, &table, &error), STATUS_CORRUPT);
    assert_message_has(error, TABLE_PATH ": offset ");
    assert_message_has(error, words);
    block_cache_stats(cache, &stats);
    assert_int_equal(stats.charged_bytes, 0);
    assert_int_equal(disk_open_handles(disk), 0);
    block_cache_close(cache);
    disk_free(disk);
}

static void damaged_hints_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *name;
        const char *contents;
        const char *words;
    } rows[] = {
        {TABLE_FILTER, "a filter\x06\x01", "a filter that is not a number of lines"},
        {TABLE_LEVELDB_FILTER, "none", "too short"},
        {TABLE_LEVELDB_FILTER, "is no filter either", "makes no sense"},
        {TABLE_PROPERTIES, "no block", "restart points"},
        {TABLE_PROPERTIES, "none", "impossible size"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct craft craft;
        craft_begin(&craft);
        craft_put(&craft, "a", 5);
        craft_block(&craft, "a", 5);
        craft_meta(&craft, rows[i].name, slice_of(rows[i].contents));
        assert_refused(craft_end(&craft), rows[i].words);
    }
    for (int i = 0; i < 3; i++) {
        struct craft craft;
        craft_begin(&craft);
        craft_filter(&craft, "a");
        if (i == 0) { /* twice */
            craft_filter(&craft, "a");
        } else { /* no handle; a handle, and more */
            assert_ok(block_builder_add(&craft.metaindex, slice_of(TABLE_PROPERTIES),
                                        slice_of(i == 1 ? "\x80" : "\x01\x01\x01")));
        }
        assert_refused(craft_end(&craft), "the metaindex is broken");
    }
    struct craft craft;
    craft_begin(&craft);
    craft_filter(&craft, "a");
    assert_ok(buf_append(&craft.metaindex.entries, cut_short, sizeof cut_short));
    assert_refused(craft_end(&craft), "an entry is cut short");
}

/* Metaindex, index and footer follow one another; a handle that leads elsewhere is
 * broken, be the block there as whole as it may. */
static void stray_handles_are_refused(void **state) {
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        struct craft craft;
        struct slice contents;
        struct footer footer;
        craft_begin(&craft);
        craft_put(&craft, "a", 5);
        craft_block(&craft, "a", 5);
        craft_put(&craft, "b", 5);
        craft_block(&craft, "b", 5);
        struct disk *disk = craft_end(&craft);
        assert_true(disk_read_file(disk, TABLE_PATH, &contents));
        unsigned char *file = malloc(contents.length);
        unsigned char *end = file + contents.length - FOOTER_BYTES;
        memcpy(file, contents.data, contents.length);
        const char *why;
        assert_ok(footer_decode(end, &footer, &why));
        struct block_handle index = footer.index;
        switch (kind) {
        case 0:
            footer.index = footer.metaindex;
            break;
        case 1:
            footer.metaindex = index;
            break;
        case 2:
            footer.index.bytes = UINT64_MAX - footer.index.offset;
            break;
        default:
            footer.metaindex = (struct block_handle){0, index.offset};
        }
        footer_encode(end, &footer);
        disk_put_file(disk, TABLE_PATH, slice_make(file, contents.length));
        free(file);
        assert_refused(disk, "handles are not of the blocks before it");
    }
}

/* ---- broken entries -------------------------------------------------------------- */

/* A whole block, and then something broken, of nine kinds. */
static void craft_broken(struct craft *craft, size_t kind) {
    craft_begin(craft);
    craft_put(craft, "a", 5);
    craft_block(craft, "a", 5);
    struct slice last = craft_key(craft, "b", tag_make(5, KV_PUT));
    switch (kind) {
    case 0:
        assert_ok(block_builder_add(&craft->index, last, slice_of("\x01\x02\x03")));
        break;
    case 1:
        assert_ok(block_builder_add(&craft->data, slice_of("short"), slice_of("")));
        craft_block(craft, "b", 5);
        break;
    case 2: /* a type that there is not */
        last = craft_key(craft, "b", UINT64_C(5) << 8 | 2);
        assert_ok(block_builder_add(&craft->data, last, slice_of("")));
        craft_block(craft, "b", 5);
        break;
    case 3:
        assert_ok(
            block_builder_add(&craft->index, slice_of("short"), slice_of("\x01\x01")));
        break;
    case 4:
        craft_handle(&craft->index, last, (struct block_handle){UINT64_MAX, 5});
        break;
    case 5:
        craft_handle(&craft->index, last, craft_store(craft, slice_of("no block")));
        break;
    case 6:
        craft_put(craft, "aa", 5);
        assert_ok(buf_append(&craft->data.entries, cut_short, sizeof cut_short));
        craft_block(craft, "c", 5);
        break;
    case 7:
        assert_ok(buf_append(&craft->index.entries, cut_short, sizeof cut_short));
        break;
    default: /* the type of an index key */
        last = craft_key(craft, "b", UINT64_C(5) << 8 | 2);
        craft_handle(&craft->index, last, (struct block_handle){0, 1});
    }
}

static void scan_is_corrupt(struct table *table, size_t before, const char *words) {
    for (int forward = 0; forward < 2; forward++) {
        struct error error;
        assert_int_equal(scan(table, forward, &error), forward ? before : 0);
        assert_int_equal(error.status, STATUS_CORRUPT);
        assert_message_has(error, TABLE_PATH ": offset ");
        assert_message_has(error, words);
    }
}

static void drop_line(void *context, const char *line) {
    (void)context;
    (void)line;
}

/* What is found only when a block is read. Of the index's keys a scan sees nothing, and
 * verify sees more than a get does. */
static void broken_entries_are_corrupt(void **state) {
    (void)state;
    static const struct {
        const char *words;
        bool key_of_index;
    } rows[] = {{"is no block's place", false}, {"no internal key", false},
                {"no internal key", false},     {"no internal key", true},
                {"beyond the file", false},     {"restart points", false},
                {"cut short", false},           {"cut short", false},
                {"no internal key", true}};
    for (size_t kind = 0; kind < sizeof rows / sizeof rows[0]; kind++) {
        struct craft craft;
        struct table *table;
        struct error error = {0};
        struct block_cache *cache = open_cache(1 << 20);
        enum lookup answer = LOOKUP_DELETED;
        craft_broken(&craft, kind);
        struct disk *disk = craft_end(&craft);
        assert_ok(open_table(disk, cache, &table, NULL));
        assert_int_equal(get(table, "b", 6, &answer, &error), STATUS_CORRUPT);
        assert_int_equal(answer, LOOKUP_DELETED); /* not written */
        assert_message_has(error, TABLE_PATH ": offset ");
        assert_message_has(error, rows[kind].words);
        if (!rows[kind].key_of_index) {
            scan_is_corrupt(table, kind == 6 ? 2 : 1, rows[kind].words);
        }
        assert_int_equal(table_verify(table, drop_line, NULL, &error), STATUS_CORRUPT);
        assert_message_has(error, rows[kind].key_of_index
                                      ? "a key of the index is not above the one before"
                                      : rows[kind].words);
        table_unref(table);
        block_cache_close(cache);
        disk_free(disk);
    }
}

/* ---- verify ---------------------------------------------------------------------- */

struct reported {
    size_t count;
    char lines[4][200];
};

static void note(void *context, const char *line) {
    struct reported *reported = context;
    assert_true(reported->count < 4);
    snprintf(reported->lines[reported->count++], sizeof reported->lines[0], "%s", line);
}

/* Ends the table and demands that verify reports these words, and no others. */
static void assert_reported(struct craft *craft, const char *const *words, size_t count) {
    struct disk *disk = craft_end(craft);
    struct block_cache *cache = open_cache(0);
    struct reported reported = {0};
    struct table *table;
    struct error error = {0};
    assert_ok(open_table(disk, cache, &table, NULL));
    assert_int_equal(table_verify(table, note, &reported, &error), STATUS_CORRUPT);
    assert_int_equal(reported.count, count);
    for (size_t i = 0; i < count; i++) {
        if (strstr(reported.lines[i], words[i]) == NULL) {
            fail_msg("\"%s\" does not say \"%s\"", reported.lines[i], words[i]);
        }
        assert_non_null(strstr(reported.lines[i], TABLE_PATH ": offset "));
    }
    assert_int_equal(error.status, STATUS_CORRUPT);
    assert_string_equal(error.message, reported.lines[0]);
    table_unref(table);
    block_cache_close(cache);
    disk_free(disk);
}

static void verify_reports_every_fault(void **state) {
    (void)state;
    static const char *const words[] = {
        "a key is not above the one before it",
        "offset 30: a key is not above the one before it",
        "offset 0: the index says that this block ends before its last key",
        "offset 30: a key is not above what the index says",
        "a key of the index is not above the one before it",
        "the filter denies a key",
        "offset 0: LevelDB's filter denies a key",
        "offset 30: LevelDB's filter denies a key",
    };
    static const char leveldb_filter[] =
        "\x00\x00\x06\x00\x00\x00\x00\x03\x00\x00\x00\x0b";
    for (size_t kind = 0; kind < sizeof words / sizeof words[0] - 1; kind++) {
        struct craft craft;
        craft_begin(&craft);
        craft_put(&craft, "b", 5);
        if (kind == 0) {
            craft_put(&craft, "b", 5);
        }
        craft_block(&craft, kind == 2 ? "a" : kind == 3 ? "d" : "b", 5);
        craft_put(&craft, kind == 1 ? "a" : "c", 5);
        craft_block(&craft, kind == 3 ? "e" : "c", 5);
        if (kind == 4) {
            craft_block(&craft, "b", 6);
        } else if (kind == 5) {
            craft_filter(&craft, "b");
        } else if (kind == 6) {
            craft_meta(&craft, TABLE_LEVELDB_FILTER,
                       slice_make(leveldb_filter, sizeof leveldb_filter - 1));
        }
        assert_reported(&craft, &words[kind], kind == 6 ? 2 : 1);
    }
}

/* The others are still read; properties are not compared with what could not be read. */
static void verify_goes_on_behind_a_fault(void **state) {
    (void)state;
    static const char *const words[] = {"offset 0: a key is not above", "beyond the file",
                                        "is no internal key"};
    struct craft craft;
    craft_begin(&craft);
    craft_put(&craft, "b", 5);
    craft_put(&craft, "a", 5);
    craft_block(&craft, "b", 5);
    craft_handle(&craft.index, craft_key(&craft, "c", tag_make(5, KV_PUT)),
                 (struct block_handle){1000, 1000});
    assert_ok(block_builder_add(&craft.data, slice_of("short"), slice_of("")));
    craft_block(&craft, "d", 5);
    craft_properties(&craft, &(struct properties){.format_version = 1});
    assert_reported(&craft, words, 3);
}

static void verify_compares_properties(void **state) {
    (void)state;
    static const struct properties right = {.format_version = PROPERTIES_FORMAT,
                                            .entries = 2,
                                            .data_blocks = 1,
                                            .raw_key_bytes = 18,
                                            .raw_value_bytes = 10,
                                            .smallest_sequence = 4,
                                            .largest_sequence = 5};
    static const char *const words[] = {"count other entries", "count other entries",
                                        "count other entries", "other bytes",
                                        "other bytes",         "sequences outside",
                                        "sequences outside"};
    for (size_t kind = 0; kind <= sizeof words / sizeof words[0]; kind++) {
        struct craft craft;
        struct properties properties = right;
        uint64_t *const fields[] = {
            &properties.entries,         &properties.tombstones,
            &properties.data_blocks,     &properties.raw_key_bytes,
            &properties.raw_value_bytes, &properties.smallest_sequence,
            &properties.format_version,
        };
        craft_begin(&craft);
        craft_put(&craft, "a", 4);
        craft_put(&craft, "b", 5);
        craft_block(&craft, "b", 5);
        if (kind == 6) {
            properties.largest_sequence--;
        } else if (kind < 6) {
            ++*fields[kind];
        } else { /* of a later version, which may count otherwise */
            properties.format_version++;
            properties.entries++;
        }
        craft_properties(&craft, &properties);
        if (kind < 7) {
            assert_reported(&craft, &words[kind], 1);
        } else {
            struct disk *disk = craft_end(&craft);
            struct block_cache *cache = open_cache(0);
            struct table *table;
            assert_ok(open_table(disk, cache, &table, NULL));
            assert_ok(table_verify(table, no_faults, NULL, NULL));
            table_unref(table);
            block_cache_close(cache);
            disk_free(disk);
        }
    }
}

/* A table of one block, of keys a, ab, abc, restart points at the first and the third;
 * the second of these points is moved. */
static enum status verify_with_restart(size_t moved_to, struct error *error) {
    struct craft craft;
    struct table *table;
    struct slice contents;
    struct buf block = {0};
    struct block_cache *cache = open_cache(0);
    craft_begin(&craft);
    craft.data.restart_interval = 2;
    craft_put(&craft, "a", 5);
    craft_put(&craft, "ab", 6);
    craft_put(&craft, "abc", 7);
    assert_ok(block_builder_finish(&craft.data, &contents));
    assert_ok(buf_assign(&block, contents));
    encode_fixed32(block.data + block.length - 8, (uint32_t)moved_to);
    craft_handle(&craft.index, craft_key(&craft, "abc", tag_make(7, KV_PUT)),
                 craft_store(&craft, buf_slice(&block)));
    buf_free(&block);
    struct disk *disk = craft_end(&craft);
    assert_ok(open_table(disk, cache, &table, NULL));
    struct reported reported = {0};
    enum status status = table_verify(table, note, &reported, error);
    assert_int_equal(reported.count, status != STATUS_OK);
    assert_int_equal(scan(table, true, &(struct error){0}), 3); /* needs none of them */
    table_unref(table);
    block_cache_close(cache);
    disk_free(disk);
    return status;
}

/* A search begins at a restart point, a walk does not: so verification looks at each. */
static void verify_looks_at_restart_points(void **state) {
    (void)state;
    enum { FIRST = 3 + 1 + TAG_BYTES + 5, SECOND = FIRST + 3 + 1 + TAG_BYTES + 5 };
    struct error error = {0};
    assert_ok(verify_with_restart(SECOND, &error));
    for (size_t at = 1; at < SECOND; at++) {
        assert_int_equal(verify_with_restart(at, &error), STATUS_CORRUPT);
        assert_message_has(error, TABLE_PATH ": offset 0");
        assert_message_has(error, at == FIRST ? "the key at a restart point shares bytes"
                                              : "a restart point is no entry");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_odd_index_is_followed),
        cmocka_unit_test(unknown_parts_are_passed_over),
        cmocka_unit_test(damaged_hints_are_refused),
        cmocka_unit_test(stray_handles_are_refused),
        cmocka_unit_test(broken_entries_are_corrupt),
        cmocka_unit_test(verify_reports_every_fault),
        cmocka_unit_test(verify_goes_on_behind_a_fault),
        cmocka_unit_test(verify_compares_properties),
        cmocka_unit_test(verify_looks_at_restart_points),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
