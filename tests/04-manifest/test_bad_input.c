/* Directories that a manifest does not describe: each is refused, or its reads fail, in
 * words that name the file. */
#include "../03-sstable/bad_input.h"

#include "version_edit.h"

#define MANIFEST "db/MANIFEST-000002"

/* The manifest of make_store: a snapshot without tables, and an edit for each. */
static void place_manifest(struct simulation *sim, const struct manifest_edit *edit,
                           const char *payload) {
    struct buf manifest = {0};
    struct buf bytes = {0};
    assert_ok(manifest_edit_encode(edit, &bytes));
    assert_ok(buf_append_text(&bytes, payload));
    add_record(&manifest, buf_slice(&bytes));
    disk_put_file(sim->disk, MANIFEST, buf_slice(&manifest));
    buf_free(&bytes);
    buf_free(&manifest);
}

static void tables(struct simulation *sim, char first[40], char second[40]) {
    uint64_t number = some_table(sim);
    snprintf(first, 40, "db/%06" PRIu64 ".ldb", number);
    snprintf(second, 40, "db/%06" PRIu64 ".ldb", number + 2);
    assert_true(has_file(sim, second));
}

static void a_table_is_missing(void **state) {
    (void)state;
    for (int which = 0; which < 2; which++) {
        struct simulation sim;
        char paths[2][40];
        make_store(&sim);
        tables(&sim, paths[0], paths[1]);
        remove_file(&sim, paths[which]);
        assert_bad(&sim, STATUS_CORRUPT, paths[which]);
        simulation_end(&sim);
    }
}

static void truncated_tables(void **state) {
    (void)state;
    struct simulation sim;
    char paths[2][40];
    make_store(&sim);
    tables(&sim, paths[0], paths[1]);
    size_t bytes = file_bytes(&sim, paths[0]).length;
    simulation_end(&sim);
    for (size_t cut = 0; cut < bytes; cut++) {
        make_store(&sim);
        cut_file(&sim, paths[0], cut);
        assert_bad(&sim, STATUS_CORRUPT, paths[0]);
        simulation_end(&sim);
    }
}

/* Whatever is cut off of a manifest was durable, and is missed. */
static void truncated_manifest(void **state) {
    (void)state;
    struct simulation sim;
    make_store(&sim);
    size_t bytes = file_bytes(&sim, MANIFEST).length;
    simulation_end(&sim);
    for (size_t cut = 0; cut < bytes; cut++) {
        make_store(&sim);
        cut_file(&sim, MANIFEST, cut);
        assert_bad(&sim, STATUS_CORRUPT, "MANIFEST-000002");
        simulation_end(&sim);
    }
}

/* The same where no log is left that could miss anything: then the table that no edit
 * names tells, and stays where it is. */
static void truncated_manifest_without_logs(void **state) {
    (void)state;
    bool whole = false;
    for (size_t cut = 0; !whole; cut++) {
        struct simulation sim;
        struct buf names = {0};
        simulation_begin(&sim);
        struct kv *kv = open_store(&sim);
        put_text(kv, "a", "1");
        assert_ok(kv_flush(kv, NULL));
        put_text(kv, "b", "2");
        assert_ok(kv_flush(kv, NULL));
        assert_ok(kv_close(kv, NULL));
        disk_list_files(sim.disk, note_path, &names);
        assert_null(strstr(text_of(&names), ".log"));
        buf_free(&names);
        whole = cut == file_bytes(&sim, MANIFEST).length;
        if (!whole) {
            cut_file(&sim, MANIFEST, cut);
            assert_bad(&sim, STATUS_CORRUPT, "MANIFEST-000002");
        }
        simulation_end(&sim);
    }
}

static void current_says_otherwise(void **state) {
    (void)state;
    static const char *const lines[] = {
        "", "MANIFEST-000002", "LISTING", "LISTING\n\n", "MANIFEST-2\n", "000002.log\n"};
    struct simulation sim;
    make_store(&sim);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        disk_put_file(sim.disk, "db/CURRENT", slice_of(lines[i]));
        assert_bad(&sim, STATUS_CORRUPT, "db/CURRENT: offset 0: ");
    }
    disk_put_file(sim.disk, "db/CURRENT", slice_of("MANIFEST-000077\n"));
    assert_bad(&sim, STATUS_CORRUPT,
               "db/CURRENT: offset 0: it names a manifest that is "
               "not there: db/MANIFEST-000077");
    remove_file(&sim, "db/CURRENT");
    assert_bad(&sim, STATUS_CORRUPT, "db: tables or a manifest, but no file CURRENT");
    simulation_end(&sim);
}

static void manifests_of_others(void **state) {
    (void)state;
    struct simulation sim;
    struct manifest_edit edit = {.comparator = slice_of("idb_cmp1"),
                                 .has_log_number = true,
                                 .has_next_number = true,
                                 .next_number = 20,
                                 .has_last_sequence = true};
    make_store(&sim);
    place_manifest(&sim, &edit, "");
    assert_bad(&sim, STATUS_INVALID,
               MANIFEST ": offset 0: the keys are ordered by the "
                        "comparator \"idb_cmp1\"");
    edit.comparator = slice_of(MANIFEST_COMPARATOR);
    place_manifest(&sim, &edit, "\x7f\x01");
    assert_bad(&sim, STATUS_CORRUPT, MANIFEST);
    disk_put_file(sim.disk, MANIFEST, slice_of("no manifest at all"));
    assert_bad(&sim, STATUS_CORRUPT, MANIFEST);
    simulation_end(&sim);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_is_missing),
        cmocka_unit_test(truncated_tables),
        cmocka_unit_test(truncated_manifest),
        cmocka_unit_test(truncated_manifest_without_logs),
        cmocka_unit_test(current_says_otherwise),
        cmocka_unit_test(manifests_of_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
