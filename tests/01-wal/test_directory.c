/* A database directory: what is refused, untouched; what is found; what is durable. */
#include "simulation.h"

#include "directory.h"

static void put_file(struct simulation *sim, const char *path) {
    disk_put_file(sim->disk, path, slice_of("x"));
}

static enum status try_open(struct simulation *sim, struct error *error) {
    struct directory directory;
    enum status status = directory_open(&directory, "db", &sim->options, error);
    if (status == STATUS_OK) {
        directory_close(&directory);
    }
    return status;
}

/* Refused with these words, and nothing is changed. */
static void assert_refused(struct simulation *sim, enum status expected,
                           const char *words) {
    struct error error = {0};
    uint64_t before = disk_fingerprint(sim->disk);
    size_t operations = disk_operations(sim->disk);
    assert_int_equal(try_open(sim, &error), expected);
    assert_message_has(error, "db");
    assert_message_has(error, words);
    assert_true(disk_fingerprint(sim->disk) == before);
    assert_int_equal(disk_operations(sim->disk), operations);
    assert_int_equal(disk_open_handles(sim->disk), 0);
}

static void test_foreign_directory(void **state) {
    (void)state;
    struct simulation sim;
    simulation_begin(&sim);
    put_file(&sim, "db/holiday.jpg");
    assert_refused(&sim, STATUS_INVALID, "holiday.jpg");
    put_file(&sim, "db/lost+found");
    assert_refused(&sim, STATUS_INVALID, "not a database");
    put_file(&sim, "db/LOCK"); /* a lock alone makes no database */
    assert_refused(&sim, STATUS_INVALID, "not a database");
    put_file(&sim, "db/000001.log"); /* but a log does */
    assert_ok(try_open(&sim, NULL));
    simulation_end(&sim);
}

static void test_allowed_beside_nothing(void **state) {
    (void)state;
    struct simulation sim;
    simulation_begin(&sim);
    put_file(&sim, "db/lost+found");
    assert_ok(try_open(&sim, NULL));
    assert_true(has_file(&sim, "db/LOCK"));
    assert_true(has_file(&sim, "db/lost+found"));
    simulation_end(&sim);
}

static void test_missing(void **state) {
    (void)state;
    struct simulation sim;
    simulation_begin(&sim);
    sim.options.create = false;
    assert_refused(&sim, STATUS_NOT_FOUND, "no database here");
    assert_ok(directory_make(sim.world.files, "db", NULL));
    assert_refused(&sim, STATUS_NOT_FOUND, "no database here");
    sim.options.create = true;
    assert_ok(try_open(&sim, NULL));
    simulation_end(&sim);
}

static void test_exclusive(void **state) {
    (void)state;
    static const char *const files[] = {"db/000003.log", "db/000003.ldb",
                                        "db/MANIFEST-000003", "db/CURRENT",
                                        "db/000003.repaired"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct simulation sim;
        simulation_begin(&sim);
        sim.options.exclusive = true;
        assert_ok(try_open(&sim, NULL)); /* LOCK alone does not count */
        assert_ok(try_open(&sim, NULL));
        put_file(&sim, files[i]);
        assert_refused(&sim, STATUS_INVALID, "holds a database already");
        simulation_end(&sim);
    }
}

/* Through the store: directories of later stages, of LevelDB, and cut-off repairs. */
static void assert_store_refuses(const char *file, const char *more, enum status expected,
                                 const char *words) {
    struct simulation sim;
    struct kv *kv = NULL;
    struct error error = {0};
    simulation_begin(&sim);
    put_file(&sim, "db/LOCK");
    put_file(&sim, file);
    put_file(&sim, more);
    uint64_t before = disk_fingerprint(sim.disk);
    assert_int_equal(kv_open("db", &sim.options, &kv, &error), expected);
    assert_message_has(error, words);
    assert_true(disk_fingerprint(sim.disk) == before);
    simulation_end(&sim);
}

static void test_other_stages(void **state) {
    (void)state;
    assert_store_refuses("db/CURRENT", "db/000003.log", STATUS_INVALID, "CURRENT");
    assert_store_refuses("db/CURRENT", "db/MANIFEST-000002", STATUS_INVALID, "CURRENT");
    assert_store_refuses("db/000003.ldb", "db/LOG", STATUS_CORRUPT, "no file CURRENT");
    assert_store_refuses("db/000003.sst", "db/LOG", STATUS_CORRUPT, "no file CURRENT");
    assert_store_refuses("db/MANIFEST-000003", "db/LOG", STATUS_CORRUPT,
                         "no file CURRENT");
    assert_store_refuses("db/000003.repaired", "db/LOG", STATUS_CORRUPT, "repair");
}

static void test_lock(void **state) {
    (void)state;
    struct simulation sim;
    struct directory first;
    struct error error = {0};
    struct directory second;
    simulation_begin(&sim);
    assert_ok(directory_open(&first, "db", &sim.options, NULL));
    assert_int_equal(directory_open(&second, "db", &sim.options, &error), STATUS_BUSY);
    assert_message_has(error, "db/LOCK");
    directory_close(&second); /* zeroed: allowed */
    directory_close(&first);
    assert_ok(try_open(&sim, NULL));
    simulation_end(&sim);
}

/* The same on a real file system: a second open in the same process. */
static void test_lock_of_the_system(void **state) {
    (void)state;
    char path[] = "/tmp/strata-test-XXXXXX";
    struct directory first, second;
    struct kv_options options = kv_options_default();
    assert_non_null(mkdtemp(path));
    assert_ok(directory_open(&first, path, &options, NULL));
    assert_int_equal(directory_open(&second, path, &options, NULL), STATUS_BUSY);
    directory_close(&first);
    assert_ok(directory_open(&first, path, &options, NULL));
    directory_close(&first);
    char *lock = path_join(path, "LOCK");
    assert_int_equal(unlink(lock), 0);
    memory_give(lock);
    assert_int_equal(rmdir(path), 0);
}

static void test_listing(void **state) {
    (void)state;
    struct simulation sim;
    struct listing listing;
    simulation_begin(&sim);
    assert_int_equal(listing_read(&listing, "db", &sim.world, NULL), STATUS_NOT_FOUND);
    listing_free(&listing);
    static const uint64_t numbers[] = {20, 3, 1000000, 100, 7, 21, 999999, 5, 6, 4, 8, 9};
    enum { LOGS = sizeof numbers / sizeof numbers[0] };
    for (size_t i = 0; i < LOGS; i++) {
        char name[NAME_BYTES], path[NAME_BYTES + 4];
        name_print(name, NAME_LOG, numbers[i]);
        snprintf(path, sizeof path, "db/%s", name);
        put_file(&sim, path);
    }
    static const char *const others[] = {
        "db/2000000.ldb",     "db/000030.sst",    "db/MANIFEST-000031",
        "db/CURRENT",         "db/LOCK",          "db/LOG",
        "db/LOG.old",         "db/3000000.dbtmp", "db/000032.repaired",
        "db/lost/000001.log", "db/foreign",       "db/000001.logs"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        put_file(&sim, others[i]);
    }
    assert_ok(listing_read(&listing, "db", &sim.world, NULL));
    assert_int_equal(listing.log_count, LOGS);
    for (size_t i = 1; i < LOGS; i++) {
        assert_true(listing.logs[i - 1] < listing.logs[i]);
    }
    assert_int_equal(listing.logs[0], 3);
    assert_int_equal(listing.logs[LOGS - 1], 1000000);
    assert_int_equal(listing.tables, 2);
    assert_int_equal(listing.manifests, 1);
    assert_int_equal(listing.foreign, 2);
    assert_true(listing.current && listing.lock);
    assert_int_equal(listing.repaired, 32);
    assert_int_equal(listing.largest, 3000000); /* of any kind: never used again */
    assert_true(strcmp(listing.example, "foreign") == 0 ||
                strcmp(listing.example, "000001.logs") == 0);
    listing_free(&listing);
    simulation_end(&sim);
}

/* The name of a new directory survives the power from the moment a change in it may. */
static void test_new_directory_is_durable(void **state) {
    (void)state;
    struct simulation sim;
    simulation_begin(&sim);
    struct kv *kv = open_store(&sim);
    put_number(kv, 1, DURABILITY_ALWAYS);
    assert_int_equal(count_operations(&sim, 0, "sync directory ."), 1);
    assert_ok(kv_close(kv, NULL));
    lose_power(&sim, false);
    kv = open_store(&sim);
    assert_numbers(kv, 1);
    assert_ok(kv_close(kv, NULL));
    simulation_end(&sim);
}

/* A directory that somebody made and did not sync is synced by whoever finds it empty. */
static void test_directory_found_empty_is_synced(void **state) {
    (void)state;
    static const char *const paths[] = {"db", "up/db"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct simulation sim;
        struct kv *kv = NULL;
        simulation_begin(&sim);
        assert_ok(directory_make(sim.world.files, "up", NULL));
        assert_ok(directory_sync(sim.world.files, ".", NULL));
        assert_ok(directory_make(sim.world.files, paths[i], NULL));
        assert_ok(kv_open(paths[i], &sim.options, &kv, NULL));
        put_number(kv, 1, DURABILITY_ALWAYS);
        assert_ok(kv_close(kv, NULL));
        lose_power(&sim, false);
        sim.options.create = false;
        if (kv_open(paths[i], &sim.options, &kv, NULL) != STATUS_OK) {
            fail_msg("%s is gone", paths[i]);
        }
        assert_numbers(kv, 1);
        assert_ok(kv_close(kv, NULL));
        simulation_end(&sim);
    }
}

static void test_every_failure(void **state) {
    (void)state;
    for (size_t n = 1;; n++) {
        struct simulation sim;
        struct error error = {0};
        simulation_begin(&sim);
        fail_call(&sim, n, FAULT_BEFORE, EIO, false);
        enum status status = try_open(&sim, &error);
        bool struck = disk_fault_struck(sim.disk) != NULL;
        assert_true(status == STATUS_OK || (status == STATUS_IO && error.message[0]));
        simulation_end(&sim);
        if (!struck) {
            assert_true(n > 4);
            break;
        }
    }
    for (size_t n = 1;; n++) {
        struct simulation sim;
        simulation_begin(&sim);
        counted_memory_fail(n, false);
        enum status status = try_open(&sim, NULL);
        bool failed = counted_memory_failed();
        counted_memory_fail(0, false);
        assert_int_equal(status, failed ? STATUS_NO_MEMORY : STATUS_OK);
        simulation_end(&sim);
        if (!failed) {
            assert_true(n > 2);
            break;
        }
    }
}

/* A table that is found under its old name is found: no error is left behind. */
static void test_old_table(void **state) {
    (void)state;
    struct simulation sim;
    struct file *file = NULL;
    struct error error = {0};
    simulation_begin(&sim);
    assert_ok(directory_make(sim.world.files, "db", NULL));
    disk_put_file(sim.disk, "db/000005.sst", slice_of("a table"));
    assert_ok(directory_table("db", &sim.world, 5, &file, &error));
    assert_int_equal(error.status, STATUS_OK);
    assert_string_equal(error.message, "");
    file_release(file);
    assert_int_equal(directory_table("db", &sim.world, 6, &file, &error),
                     STATUS_NOT_FOUND);
    assert_message_has(error, "000006.ldb");
    simulation_end(&sim);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_foreign_directory),
        cmocka_unit_test(test_allowed_beside_nothing),
        cmocka_unit_test(test_missing),
        cmocka_unit_test(test_exclusive),
        cmocka_unit_test(test_other_stages),
        cmocka_unit_test(test_lock),
        cmocka_unit_test(test_lock_of_the_system),
        cmocka_unit_test(test_listing),
        cmocka_unit_test(test_new_directory_is_durable),
        cmocka_unit_test(test_directory_found_empty_is_synced),
        cmocka_unit_test(test_every_failure),
        cmocka_unit_test(test_old_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
