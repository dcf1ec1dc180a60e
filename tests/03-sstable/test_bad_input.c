/* Directories that a listing cannot be: each is refused in words that name the file. */
#include "bad_input.h"

#define FIRST "db/000003.ldb"
#define SECOND "db/000006.ldb"

static void a_table_is_missing(void **state) {
    (void)state;
    struct simulation sim;
    make_store(&sim);
    assert_true(has_file(&sim, FIRST) && has_file(&sim, SECOND));
    remove_file(&sim, FIRST);
    assert_bad(&sim, STATUS_CORRUPT, SECOND ": it holds changes 2 to 2");
    simulation_end(&sim);
    make_store(&sim);
    remove_file(&sim, SECOND); /* the log goes on behind it */
    assert_bad(&sim, STATUS_CORRUPT, "a change is missing");
    simulation_end(&sim);
}

static void truncated(void **state) {
    (void)state;
    struct simulation sim;
    make_store(&sim);
    size_t bytes = file_bytes(&sim, FIRST).length;
    simulation_end(&sim);
    for (size_t cut = 0; cut < bytes; cut++) {
        make_store(&sim);
        cut_file(&sim, FIRST, cut);
        assert_bad(&sim, STATUS_CORRUPT, FIRST ": offset ");
        simulation_end(&sim);
    }
    for (size_t cut = 0; cut < 8; cut++) {
        make_store(&sim);
        cut_file(&sim, "db/CURRENT", cut);
        assert_bad(&sim, STATUS_CORRUPT, "db/CURRENT: offset 0: ");
        simulation_end(&sim);
    }
}

static void not_a_table(void **state) {
    (void)state;
    struct simulation sim;
    static const char garbage[3000];
    make_store(&sim);
    disk_put_file(sim.disk, "db/000099.ldb", slice_make(garbage, sizeof garbage));
    assert_bad(&sim, STATUS_CORRUPT, "db/000099.ldb: offset 2952: ");
    simulation_end(&sim);
}

/* One table twice; and one of another database. */
static void a_table_too_many(void **state) {
    (void)state;
    struct simulation sim;
    struct buf copy = {0};
    make_store(&sim);
    assert_ok(buf_assign(&copy, file_bytes(&sim, SECOND)));
    disk_put_file(sim.disk, "db/000050.ldb", buf_slice(&copy));
    buf_free(&copy);
    assert_bad(&sim, STATUS_CORRUPT, "or does not belong here");
    simulation_end(&sim);
}

static void current_says_otherwise(void **state) {
    (void)state;
    struct simulation sim;
    make_store(&sim);
    remove_file(&sim, "db/CURRENT");
    assert_bad(&sim, STATUS_CORRUPT, "db: tables or a manifest, but no file CURRENT");
    disk_put_file(sim.disk, "db/CURRENT", slice_of("LISTING"));
    assert_bad(&sim, STATUS_CORRUPT, "db/CURRENT: offset 0: ");
    disk_put_file(sim.disk, "db/CURRENT", slice_of("MANIFEST-000002\n"));
    assert_bad(&sim, STATUS_INVALID, "db: this database has a manifest");
    simulation_end(&sim);
}

static void a_repair_was_cut_off(void **state) {
    (void)state;
    struct simulation sim;
    make_store(&sim);
    disk_put_file(sim.disk, "db/000050.repaired", slice_of("LISTING\n"));
    assert_bad(&sim, STATUS_CORRUPT, "repair");
    simulation_end(&sim);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_is_missing),
        cmocka_unit_test(truncated),
        cmocka_unit_test(not_a_table),
        cmocka_unit_test(a_table_too_many),
        cmocka_unit_test(current_says_otherwise),
        cmocka_unit_test(a_repair_was_cut_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
