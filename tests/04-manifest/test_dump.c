/* What dump prints of manifests, line by line; other files it decodes as stage 03 does.
 */
#include "../03-sstable/store.h"

#include "internal_key.h"
#include "version_edit.h"

static struct buf keys[4];

static struct slice key(size_t index, const char *user, uint64_t sequence) {
    assert_ok(
        internal_key_build(&keys[index], slice_of(user), tag_make(sequence, KV_PUT)));
    return buf_slice(&keys[index]);
}

static void add_edit(struct buf *manifest, struct manifest_edit *edit) {
    struct buf bytes = {0};
    assert_ok(manifest_edit_encode(edit, &bytes));
    add_record(manifest, buf_slice(&bytes));
    buf_free(&bytes);
    manifest_edit_free(edit);
}

/* A snapshot of two tables, and a step that has every field. */
static void add_edits(struct buf *manifest) {
    struct manifest_edit edit = {.comparator = slice_of(MANIFEST_COMPARATOR)};
    struct manifest_added added = {0, 5, 1234, key(0, "a", 3), key(1, "z\n", 9)};
    assert_ok(manifest_edit_add(&edit, added));
    added = (struct manifest_added){6, 4, 99, key(2, "", 1), key(3, "m", 2)};
    assert_ok(manifest_edit_add(&edit, added));
    add_edit(manifest, &edit);
    edit = (struct manifest_edit){.has_log_number = true,
                                  .log_number = 7,
                                  .has_previous_log_number = true,
                                  .has_next_number = true,
                                  .next_number = 10,
                                  .has_last_sequence = true,
                                  .last_sequence = 12};
    assert_ok(manifest_edit_point(&edit, (struct manifest_pointer){2, key(0, "c", 4)}));
    assert_ok(manifest_edit_remove(&edit, (struct manifest_removed){6, 4}));
    add_edit(manifest, &edit);
}

static void assert_dump(struct buf *manifest, enum status expected, const char *text) {
    struct simulation sim;
    struct buf lines = {0};
    struct error error = {0};
    simulation_begin(&sim);
    disk_put_file(sim.disk, "db/MANIFEST-000009", buf_slice(manifest));
    buf_free(manifest);
    uint64_t before = disk_fingerprint(sim.disk);
    assert_int_equal(
        kv_dump("db/MANIFEST-000009", &sim.options, keep_line, &lines, &error), expected);
    if (expected == STATUS_CORRUPT) {
        assert_message_has(error, "db/MANIFEST-000009: offset ");
    }
    assert_true(disk_fingerprint(sim.disk) == before);
    assert_int_equal(disk_open_handles(sim.disk), 0);
    assert_string_equal(text_of(&lines), text);
    buf_free(&lines);
    disk_free(sim.disk);
    scheduler_free(sim.scheduler);
    for (size_t i = 0; i < 4; i++) {
        buf_free(&keys[i]);
    }
}

#define FIRST                                                                            \
    "       0  edit     77 bytes\n"                                                      \
    "            keys are ordered by \"leveldb.BytewiseComparator\"\n"                   \
    "            level 0: table 5 comes, 1234 bytes, from \"a\" @ 3, put to \"z\\x0a\" " \
    "@ 9, put\n"                                                                         \
    "            level 6: table 4 comes, 99 bytes, from \"\" @ 1, put to \"m\" @ 2, "    \
    "put\n"
#define SECOND                                                                           \
    "            logs below 7 are forgotten\n"                                           \
    "            previous log 0\n"                                                       \
    "            next file number 10\n"                                                  \
    "            last sequence 12\n"                                                     \
    "            level 2: the next compaction begins at \"c\" @ 4, put\n"                \
    "            level 6: table 4 goes\n"

static void golden(void **state) {
    (void)state;
    struct buf manifest = {0};
    add_edits(&manifest);
    add_zeros(&manifest, 50);
    assert_dump(&manifest, STATUS_OK,
                FIRST "      84  edit     23 bytes\n" SECOND "     114  end\n");
}

static void damage(void **state) {
    (void)state;
    struct buf manifest = {0};
    add_edits(&manifest);
    add_mark(&manifest, 3);
    add_record(&manifest, slice_of("\x0a\x01"));
    add_bytes(&manifest, "torn", 4);
    assert_dump(&manifest, STATUS_CORRUPT,
                FIRST "      84  edit     23 bytes\n" SECOND
                      "     114  CORRUPT  a mark of a write-ahead log\n"
                      "     140  CORRUPT  a field with an unknown tag\n"
                      "     149  CORRUPT  fragment header is cut short\n"
                      "   32768  end\n");
}

/* What a store leaves is decoded whole. */
static void files_of_a_store(void **state) {
    (void)state;
    struct simulation sim;
    struct buf lines = {0};
    struct error error = {0};
    simulation_begin(&sim);
    assert_ok(buf_reserve(&lines, 1 << 16)); /* the caller's, all of it */
    struct kv *kv = open_store(&sim);
    put_text(kv, "key", "value");
    assert_ok(kv_flush(kv, NULL));
    put_text(kv, "other", "value");
    assert_ok(kv_close(kv, NULL));
    char table[40];
    snprintf(table, sizeof table, "db/%06" PRIu64 ".ldb", some_table(&sim));
    assert_ok(kv_dump("db/CURRENT", &sim.options, keep_line, &lines, &error));
    assert_non_null(strstr(text_of(&lines), "       0  MANIFEST-000002: it lists"));
    assert_ok(kv_dump("db/MANIFEST-000002", &sim.options, keep_line, &lines, &error));
    assert_non_null(strstr(text_of(&lines), "level 0: table "));
    assert_ok(kv_dump(table, &sim.options, keep_line, &lines, &error));
    assert_non_null(strstr(text_of(&lines), "\"key\" @ 1, put = \"value\""));
    assert_int_equal(kv_dump("db/LOCK", &sim.options, keep_line, &lines, &error),
                     STATUS_INVALID);
    buf_free(&lines);
    simulation_end(&sim);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden),
        cmocka_unit_test(damage),
        cmocka_unit_test(files_of_a_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
