/* The listing as the catalog: what it makes of tables that were moved, lost, damaged, or
 * are not its own. */
#include "craft.h"
#include "engine_faults.h"
#include "tables.h"

/* Three tables: k1 … k10, k11 … k20, k21 … k30; "k" tells in which it was written
 * last. */
struct listed {
    struct simulation sim;
    uint64_t numbers[3];
};

static void path_of(char path[48], enum name_kind kind, uint64_t number) {
    char name[NAME_BYTES];
    name_print(name, kind, number);
    snprintf(path, 48, "db/%s", name);
}

static void find_table(void *context, const char *path) {
    struct listed *listed = context;
    struct name name = name_parse(path + strlen("db/"));
    if (name.kind == NAME_TABLE) {
        size_t i = 0;
        while (listed->numbers[i] != 0) {
            i++;
        }
        listed->numbers[i] = name.number;
    }
}

static void begin(struct listed *listed) {
    *listed = (struct listed){0};
    simulation_begin(&listed->sim);
    struct kv *kv = open_store(&listed->sim);
    for (uint64_t i = 0; i < 3; i++) {
        put_numbers(kv, 10 * i + 1, 10 * i + 9, DURABILITY_NONE);
        assert_ok(try_number(kv, 10 * i + 10, NULL));
        assert_ok(kv_flush(kv, NULL));
    }
    assert_ok(kv_close(kv, NULL));
    disk_list_files(listed->sim.disk, find_table, listed);
    assert_true(listed->numbers[2] != 0);
}

static void move(struct listed *listed, uint64_t from, uint64_t to) {
    char old[48], new[48];
    path_of(old, NAME_TABLE, from);
    path_of(new, NAME_TABLE, to);
    assert_ok(file_rename(listed->sim.world.files, old, new, NULL));
}

static void drop(struct listed *listed, enum name_kind kind, uint64_t number) {
    char path[48];
    path_of(path, kind, number);
    assert_ok(file_remove(listed->sim.world.files, path, NULL));
}

/* Open and verify say so, and nothing is changed by that. */
static void assert_refused(struct listed *listed, enum status status, const char *words) {
    struct kv *kv;
    struct error error = {0};
    uint64_t before = disk_fingerprint(listed->sim.disk);
    assert_int_equal(kv_open("db", &listed->sim.options, &kv, &error), status);
    assert_message_has(error, words);
    assert_int_equal(kv_verify("db", &listed->sim.options, NULL, NULL, &error), status);
    assert_message_has(error, words);
    assert_int_equal(disk_fingerprint(listed->sim.disk), before);
}

static void assert_opens(struct listed *listed, uint64_t last) {
    struct kv *kv = open_store(&listed->sim);
    assert_numbers(kv, last);
    assert_ok(kv_close(kv, NULL));
    assert_verified(&listed->sim);
}

static void a_missing_table(void **state) {
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct listed listed;
        char words[200];
        begin(&listed);
        drop(&listed, NAME_TABLE, listed.numbers[i]);
        snprintf(words, sizeof words,
                 "db/%06" PRIu64 ".ldb: it holds changes %zu to %zu, the tables before "
                 "it end with %zu: a table is missing",
                 listed.numbers[i + 1], 10 * i + 11, 10 * i + 20, 10 * i);
        assert_refused(&listed, STATUS_CORRUPT, words);
        simulation_end(&listed.sim);
    }
}

/* No table follows that could tell; but the log does. */
static void the_last_table_is_missing(void **state) {
    (void)state;
    struct listed listed;
    begin(&listed);
    struct kv *kv = open_store(&listed.sim);
    put_number(kv, 31, DURABILITY_ALWAYS);
    assert_ok(kv_close(kv, NULL));
    drop(&listed, NAME_TABLE, listed.numbers[2]);
    assert_refused(&listed, STATUS_CORRUPT, "changes up to sequence 31 were durable");
    simulation_end(&listed.sim);
}

static void a_table_twice(void **state) {
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct listed listed;
        char path[48];
        begin(&listed);
        path_of(path, NAME_TABLE, listed.numbers[i]);
        disk_put_file(listed.sim.disk, "db/000777.ldb", file_bytes(&listed.sim, path));
        assert_refused(&listed, STATUS_CORRUPT, "does not belong here");
        simulation_end(&listed.sim);
    }
}

/* LevelDB's tables do not say which changes they hold. */
static void a_foreign_table(void **state) {
    (void)state;
    struct listed listed;
    struct craft craft;
    begin(&listed);
    craft_begin(&craft);
    craft_put(&craft, "k31", 31);
    craft_block(&craft, "k31", 31);
    struct disk *other = craft_end(&craft);
    struct slice bytes;
    assert_true(disk_read_file(other, TABLE_PATH, &bytes));
    disk_put_file(listed.sim.disk, "db/000031.ldb", bytes);
    disk_free(other);
    assert_refused(&listed, STATUS_CORRUPT,
                   "db/000031.ldb: the table does not say which changes it holds");
    simulation_end(&listed.sim);
}

static void a_damaged_table(void **state) {
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct listed listed;
        char path[48];
        begin(&listed);
        path_of(path, NAME_TABLE, listed.numbers[i]);
        struct buf bytes = {0};
        assert_ok(buf_assign(&bytes, file_bytes(&listed.sim, path)));
        disk_put_file(listed.sim.disk, path, slice_make(bytes.data, bytes.length - 1));
        assert_refused(&listed, STATUS_CORRUPT, path);
        disk_put_file(listed.sim.disk, path, slice_of(""));
        assert_refused(&listed, STATUS_CORRUPT, path);
        disk_put_file(listed.sim.disk, path, buf_slice(&bytes));
        assert_opens(&listed, 30);
        buf_free(&bytes);
        simulation_end(&listed.sim);
    }
}

/* Names say nothing of age: of a key that is in all tables the last value is found. */
static void sequences_order_the_tables(void **state) {
    (void)state;
    static const uint64_t orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                         {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    for (size_t i = 0; i < 6; i++) {
        struct listed listed = {0};
        struct buf value = {0};
        simulation_begin(&listed.sim);
        struct kv *kv = open_store(&listed.sim);
        for (size_t j = 0; j < 3; j++) {
            static const char *const values[] = {"first", "second", "third"};
            assert_ok(kv_put(kv, slice_of("k"), slice_of(values[j]), NULL, NULL));
            assert_ok(kv_flush(kv, NULL));
        }
        assert_ok(kv_close(kv, NULL));
        disk_list_files(listed.sim.disk, find_table, &listed);
        for (size_t j = 0; j < 3; j++) {
            move(&listed, listed.numbers[j], 500 + orders[i][j]);
        }
        kv = open_store(&listed.sim);
        assert_ok(kv_get(kv, slice_of("k"), &value, NULL, NULL));
        assert_true(slice_equal(buf_slice(&value), slice_of("third")));
        assert_ok(kv_put(kv, slice_of("k"), slice_of("fourth"), NULL, NULL));
        assert_ok(kv_flush(kv, NULL)); /* above all names that are taken */
        assert_true(has_file(&listed.sim, "db/000502.ldb"));
        assert_ok(kv_get(kv, slice_of("k"), &value, NULL, NULL));
        assert_true(slice_equal(buf_slice(&value), slice_of("fourth")));
        assert_ok(kv_close(kv, NULL));
        buf_free(&value);
        simulation_end(&listed.sim);
    }
}

static void temporaries_go(void **state) {
    (void)state;
    struct listed listed;
    begin(&listed);
    disk_put_file(listed.sim.disk, "db/000900.dbtmp", slice_of("half a table"));
    assert_verified(&listed.sim);
    assert_true(has_file(&listed.sim, "db/000900.dbtmp")); /* it was a look only */
    assert_opens(&listed, 30);
    assert_false(has_file(&listed.sim, "db/000900.dbtmp"));
    simulation_end(&listed.sim);
}

static void what_current_says(void **state) {
    (void)state;
    struct listed listed;
    begin(&listed);
    disk_put_file(listed.sim.disk, "db/CURRENT", slice_of("MANIFEST-000005\n"));
    assert_refused(&listed, STATUS_INVALID, "db: this database has a manifest");
    disk_put_file(listed.sim.disk, "db/CURRENT", slice_of("LISTING"));
    assert_refused(&listed, STATUS_CORRUPT, "db/CURRENT");
    assert_ok(file_remove(listed.sim.world.files, "db/CURRENT", NULL));
    assert_refused(&listed, STATUS_CORRUPT, "no file CURRENT");
    disk_put_file(listed.sim.disk, "db/CURRENT", slice_of("LISTING\n"));
    assert_opens(&listed, 30);
    for (size_t i = 0; i < 3; i++) {
        drop(&listed, NAME_TABLE, listed.numbers[i]);
    }
    assert_opens(&listed, 0); /* a crash before the first table leaves this */
    simulation_end(&listed.sim);
}

static void note_table(void *context, const char *path) {
    bool *there = context;
    *there |= name_parse(path + strlen("db/")).kind == NAME_TABLE;
}

/* Whatever a loss of power leaves of a first flush: no table without CURRENT. */
static void current_comes_first(void **state) {
    (void)state;
    struct simulation sim;
    size_t with_table = 0, states = 0;
    uint64_t seed = test_seed();
    simulation_begin(&sim);
    struct kv *kv = open_store(&sim);
    put_numbers(kv, 1, 20, DURABILITY_ALWAYS);
    size_t from = disk_operations(sim.disk);
    assert_ok(kv_flush(kv, NULL));
    for (size_t at = from; at <= disk_operations(sim.disk); at++) {
        struct exploration exploration;
        disk_explore_begin(&exploration, DISK_POSIX, at);
        for (int i = 0; i < 60 && disk_explore_next(sim.disk, &exploration, &seed); i++) {
            struct simulation after = sim;
            bool table = false;
            simulation_use(&after, disk_crash(sim.disk, &exploration.crash));
            after.options.world = &after.world;
            disk_list_files(after.disk, note_table, &table);
            assert_true(!table || has_file(&after, "db/CURRENT"));
            with_table += table;
            states++;
            struct kv *again = open_store(&after);
            assert_numbers(again, 20);
            assert_ok(kv_close(again, NULL));
            disk_free(after.disk);
        }
    }
    printf("%zu states, %zu with a table\n", states, with_table);
    assert_in_range(with_table, 5, states - 5);
    assert_ok(kv_close(kv, NULL));
    simulation_end(&sim);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_table),
        cmocka_unit_test(the_last_table_is_missing),
        cmocka_unit_test(a_table_twice),
        cmocka_unit_test(a_foreign_table),
        cmocka_unit_test(a_damaged_table),
        cmocka_unit_test(sequences_order_the_tables),
        cmocka_unit_test(temporaries_go),
        cmocka_unit_test(what_current_says),
        cmocka_unit_test(current_comes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
