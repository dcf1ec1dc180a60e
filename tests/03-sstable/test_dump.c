/* What dump prints of tables and of CURRENT, line by line. */
#include "store.h"

/* One table of three changes in one block, without compression. */
static void make_table(struct simulation *sim, enum table_compression compression) {
    simulation_begin(sim);
    sim->options.compression = compression;
    struct kv *kv = open_store(sim);
    put_text(kv, "color", "blue\n");
    delete_text(kv, "color");
    put_text(kv, "", "");
    assert_ok(kv_flush(kv, NULL));
    assert_ok(kv_close(kv, NULL));
    assert_int_equal(some_table(sim), 3);
}

static void dump(struct simulation *sim, const char *path, enum status expected,
                 struct buf *lines, struct error *error) {
    uint64_t before = disk_fingerprint(sim->disk);
    buf_clear(lines);
    assert_int_equal(kv_dump(path, &sim->options, keep_line, lines, error), expected);
    if (expected == STATUS_CORRUPT) {
        assert_message_has(*error, path);
        assert_message_has(*error, ": offset ");
    }
    assert_true(disk_fingerprint(sim->disk) == before);
    assert_int_equal(disk_open_handles(sim->disk), 0);
}

static void assert_dump(struct simulation *sim, const char *path, enum status expected,
                        const char *text) {
    struct buf lines = {0};
    struct error error = {0};
    dump(sim, path, expected, &lines, &error);
    assert_string_equal(text_of(&lines), text);
    buf_free(&lines);
}

#define DATA                                                                             \
    "       0  block    data: 51 bytes, none\n"                                          \
    "            \"\" @ 3, put = \"\"\n"                                                 \
    "            \"color\" @ 2, delete\n"                                                \
    "            \"color\" @ 1, put = \"blue\\x0a\"\n"
#define META                                                                             \
    "      56  block    \"strata.filter.blocked-bloom\": 66 bytes, none\n"               \
    "            1 lines of 64 bytes, 6 probes a key\n"                                  \
    "     127  block    \"strata.properties\": 187 bytes, none\n"                        \
    "            compression asked for: 0\n"                                             \
    "            created, in seconds since 1970: 1767225601 s\n"                         \
    "            data blocks: 1\n"                                                       \
    "            puts and deletes: 3\n"                                                  \
    "            version of these properties: 1\n"                                       \
    "            last change that it stands for: 3\n"                                    \
    "            internal keys, unpacked: 34 bytes\n"                                    \
    "            values, unpacked: 5 bytes\n"                                            \
    "            puts and deletes behind a newer one of their key: 1\n"                  \
    "            first change that it stands for: 1\n"                                   \
    "            deletes: 1\n"                                                           \
    "     319  block    metaindex: 56 bytes, none\n"                                     \
    "            \"strata.filter.blocked-bloom\": offset 56, 66 bytes\n"                 \
    "            \"strata.properties\": offset 127, 187 bytes\n"
#define INDEX                                                                            \
    "     380  block    index: 22 bytes, none\n"                                         \
    "            \"d\" @ 72057594037927935, put: offset 0, 51 bytes\n"
#define FOOTER                                                                           \
    "     407  footer   metaindex: offset 319, 56 bytes; index: offset 380, 22 bytes\n"
#define END "     455  end\n"

static void a_table(void **state) {
    (void)state;
    struct simulation sim;
    make_table(&sim, TABLE_COMPRESSION_NONE);
    assert_dump(&sim, "db/000003.ldb", STATUS_OK, DATA META INDEX FOOTER END);
    simulation_end(&sim);
}

/* One damaged block leaves the others. */
static void damaged_blocks(void **state) {
    (void)state;
    struct simulation sim;
    make_table(&sim, TABLE_COMPRESSION_NONE);
    assert_true(disk_flip_bit(sim.disk, "db/000003.ldb", 10 * 8));
    assert_dump(&sim, "db/000003.ldb", STATUS_CORRUPT,
                "       0  CORRUPT  a block's checksum is wrong\n" META INDEX FOOTER END);
    simulation_end(&sim);
}

/* Without the index the blocks are found all the same; what they are, their names would
 * have to tell. */
static void damaged_index(void **state) {
    (void)state;
    struct simulation sim;
    struct buf lines = {0};
    struct error error = {0};
    make_table(&sim, TABLE_COMPRESSION_NONE);
    assert_true(disk_flip_bit(sim.disk, "db/000003.ldb", 381 * 8));
    dump(&sim, "db/000003.ldb", STATUS_CORRUPT, &lines, &error);
    const char *text = text_of(&lines);
    assert_non_null(strstr(text, "       0  block    found by its checksum: 51 bytes"));
    assert_non_null(strstr(text, "\"color\" @ 2, delete\n"));
    assert_non_null(strstr(text, "     380  CORRUPT  "));
    assert_non_null(strstr(text, META));
    assert_non_null(strstr(text, FOOTER));
    buf_free(&lines);
    simulation_end(&sim);
}

/* Cut off anywhere: the blocks before are shown. */
static void cut_short(void **state) {
    (void)state;
    for (size_t bytes = 0; bytes < 455; bytes++) {
        struct simulation sim;
        struct buf lines = {0};
        struct error error = {0};
        make_table(&sim, TABLE_COMPRESSION_NONE);
        cut_file(&sim, "db/000003.ldb", bytes);
        dump(&sim, "db/000003.ldb", STATUS_CORRUPT, &lines, &error);
        bool shown = strstr(text_of(&lines), "\"color\" @ 1, put") != NULL;
        assert_int_equal(shown, bytes >= 56);
        buf_free(&lines);
        simulation_end(&sim);
    }
}

static void packed(void **state) {
    (void)state;
    struct simulation sim;
    struct buf lines = {0};
    struct error error = {0};
    char value[500];
    memset(value, 'x', sizeof value);
    value[sizeof value - 1] = '\0';
    simulation_begin(&sim);
    sim.options.compression = TABLE_COMPRESSION_SNAPPY;
    struct kv *kv = open_store(&sim);
    put_text(kv, "key", value);
    assert_ok(kv_flush(kv, NULL));
    assert_ok(kv_close(kv, NULL));
    dump(&sim, "db/000003.ldb", STATUS_OK, &lines, &error);
    assert_non_null(
        strstr(text_of(&lines), "bytes, snappy\n            unpacked: 522 b"));
    buf_free(&lines);
    simulation_end(&sim);
}

static void other_files(void **state) {
    (void)state;
    struct simulation sim;
    struct error error = {0};
    make_table(&sim, TABLE_COMPRESSION_NONE);
    assert_dump(&sim, "db/CURRENT", STATUS_OK,
                "       0  LISTING: the tables of the directory are the database\n");
    disk_put_file(sim.disk, "db/CURRENT", slice_of("MANIFEST-000007\n"));
    assert_dump(&sim, "db/CURRENT", STATUS_OK,
                "       0  MANIFEST-000007: it lists the tables of the database\n");
    disk_put_file(sim.disk, "db/CURRENT", slice_of("LISTNIG\n"));
    assert_dump(&sim, "db/CURRENT", STATUS_CORRUPT,
                "       0  CORRUPT  not one line LISTING or MANIFEST-NNNNNN\n");
    disk_put_file(sim.disk, "db/000009.log", slice_of(""));
    assert_dump(&sim, "db/000009.log", STATUS_OK, "       0  end\n");
    assert_int_equal(kv_dump("db/000008.ldb", &sim.options, keep_line, NULL, &error),
                     STATUS_NOT_FOUND);
    assert_int_equal(kv_dump("db/MANIFEST-000001", &sim.options, keep_line, NULL, &error),
                     STATUS_INVALID);
    assert_message_has(error, "db/MANIFEST-000001");
    simulation_end(&sim);
}

/* Each allocation, and each call, is made to fail. */
static void failures(void **state) {
    (void)state;
    struct simulation sim;
    make_table(&sim, TABLE_COMPRESSION_NONE);
    for (int calls = 0; calls < 2; calls++) {
        enum status status = STATUS_IO;
        for (size_t n = 1; status != STATUS_OK; n++) {
            struct buf lines = {0};
            struct error error = {0};
            assert_ok(buf_reserve(&lines, 4096));
            if (calls == 1) {
                fail_call(&sim, n, FAULT_BEFORE, EIO, false);
            } else {
                counted_memory_fail(n, false);
            }
            status = kv_dump("db/000003.ldb", &sim.options, keep_line, &lines, &error);
            fail_nothing(&sim);
            counted_memory_fail(0, false);
            assert_true(status == STATUS_OK || status == STATUS_NO_MEMORY ||
                        (status == STATUS_IO && calls == 1));
            buf_free(&lines);
            assert_true(n < 100);
        }
    }
    simulation_end(&sim);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table),       cmocka_unit_test(damaged_blocks),
        cmocka_unit_test(damaged_index), cmocka_unit_test(cut_short),
        cmocka_unit_test(packed),        cmocka_unit_test(other_files),
        cmocka_unit_test(failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
