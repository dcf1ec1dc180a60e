/* Backups and restores on the simulated disk: what is shared and what is not, after a
 * loss of power at any operation, after any call or allocation that fails, damaged. */
#include "copies_faults.h"

enum { LAST = 12 };

static uint64_t back_up(struct kv *kv) {
    struct error error = {0};
    uint64_t number = 0;
    assert_fine(kv_backup(kv, "bk", NULL, &number, &error), &error);
    return number;
}

static enum status restore(struct simulation *sim, const char *from, const char *to,
                           struct error *error) {
    return kv_restore(from, to, &sim->options, NULL, error);
}

struct row {
    struct kv_backup backups[8];
    size_t count;
};

static void note_backup(void *context, const struct kv_backup *backup) {
    struct row *row = context;
    assert_true(row->count < 8);
    row->backups[row->count++] = *backup;
}

static struct row list(struct simulation *sim) {
    struct row row = {.count = 0};
    assert_ok(kv_backups("bk", &sim->options, note_backup, &row, NULL));
    return row;
}

/* ---- what is shared -------------------------------------------------------------- */

static void later_ones_share(void **state) {
    (void)state;
    for (int links = 0; links < 2; links++) {
        struct simulation sim;
        struct other_disk other;
        struct error error = {0};
        simulation_begin(&sim);
        use_disk(&sim, sim.disk, links == 1, &other);
        struct kv *kv = begin_numbers(&sim, LAST);
        size_t before = disk_operations(sim.disk);
        assert_int_equal(back_up(kv), 1);
        /* Nothing is shared with the store. */
        assert_int_equal(count_operations(&sim, before, " link "), 0);
        put_number(kv, LAST + 1, DURABILITY_ALWAYS);
        before = disk_operations(sim.disk);
        assert_int_equal(back_up(kv), 2);
        assert_int_equal(count_operations(&sim, before, " link bk/000002.unfinished/"),
                         links == 1 ? 4 : 0);
        assert_int_equal(count_operations(&sim, before, " of db/"), 0);
        assert_ok(kv_compact(kv, (struct slice){0}, (struct slice){0}, NULL));
        assert_int_equal(back_up(kv), 3);
        struct row row = list(&sim);
        assert_int_equal(row.count, 3);
        assert_int_equal(row.backups[0].tables, 4);
        assert_int_equal(row.backups[1].tables, 5);
        assert_in_range(row.backups[2].tables, 1, 4);
        for (size_t i = 0; i < 3; i++) {
            assert_int_equal(row.backups[i].number, i + 1);
            assert_int_equal(row.backups[i].sequence, i == 0 ? LAST : LAST + 1);
            assert_true(row.backups[i].bytes > 0);
        }
        assert_ok(kv_close(kv, NULL));
        assert_fine(restore(&sim, "bk/000001", "first", &error), &error);
        assert_fine(restore(&sim, "bk", "newest", &error), &error);
        assert_holds(&sim, "first", LAST);
        assert_holds(&sim, "newest", LAST + 1);
        assert_holds(&sim, "bk/000002", LAST + 1);
        simulation_end(&sim);
    }
}

/* Two stores give the same numbers to tables of the same size. */
static void another_store_shares_nothing(void **state) {
    (void)state;
    struct simulation sim;
    simulation_begin(&sim);
    struct kv *kv = NULL;
    for (int i = 0; i < 2; i++) {
        char name[8];
        snprintf(name, sizeof name, "db%c", '0' + i);
        assert_ok(kv_open(name, &sim.options, &kv, NULL));
        assert_ok(kv_put(kv, slice_of("key"), slice_of(name), NULL, NULL));
        size_t before = disk_operations(sim.disk);
        assert_int_equal(back_up(kv), i + 1);
        assert_int_equal(count_operations(&sim, before, " link "), 0);
        assert_ok(kv_close(kv, NULL));
    }
    struct row row = list(&sim);
    assert_int_equal(row.backups[0].bytes, row.backups[1].bytes);
    for (int i = 0; i < 2; i++) {
        char name[8], path[16];
        struct buf value = {0};
        snprintf(name, sizeof name, "db%c", '0' + i);
        snprintf(path, sizeof path, "bk/%06d", i + 1);
        kv = try_open(&sim, path);
        assert_non_null(kv);
        assert_ok(kv_get(kv, slice_of("key"), &value, NULL, NULL));
        assert_true(slice_equal(buf_slice(&value), slice_of(name)));
        buf_free(&value);
        assert_ok(kv_close(kv, NULL));
    }
    simulation_end(&sim);
}

/* ---- loss of power --------------------------------------------------------------- */

static void check_image(struct simulation *image, size_t index, bool done) {
    assert_whole_or_none(image, "bk/000001", LAST, true);
    assert_whole_or_none(image, "bk/000002", LAST + 1, done);
    assert_whole_or_none(image, "new", LAST + 1, false);
    assert_holds(image, "db", LAST + 1);
    if (index % 5 == 0) {
        struct kv *kv = open_store(image);
        uint64_t expected = is_there(image, "bk/000002") ? 3 : 2;
        assert_int_equal(back_up(kv), expected);
        assert_ok(kv_close(kv, NULL));
        if (!is_there(image, "new")) {
            struct error error = {0};
            assert_fine(restore(image, "bk", "new", &error), &error);
        }
        assert_holds(image, "new", LAST + 1);
    }
}

static void check_restored(struct simulation *image, size_t index, bool done) {
    (void)index;
    assert_whole_or_none(image, "new", LAST + 1, done);
    assert_holds(image, "bk/000002", LAST + 1);
}

static void any_loss_of_power(void **state) {
    (void)state;
    uint64_t seed = test_seed();
    struct simulation sim;
    struct error error = {0};
    simulation_begin(&sim);
    struct kv *kv = begin_numbers(&sim, LAST);
    assert_int_equal(back_up(kv), 1);
    put_number(kv, LAST + 1, DURABILITY_ALWAYS);
    size_t first = disk_operations(sim.disk);
    assert_int_equal(back_up(kv), 2);
    size_t backed_up = disk_operations(sim.disk);
    assert_ok(kv_close(kv, NULL));
    lose_power_everywhere(&sim, true, first, backed_up, check_image, &seed);
    size_t closed = disk_operations(sim.disk);
    assert_fine(restore(&sim, "bk", "new", &error), &error);
    size_t restored = disk_operations(sim.disk);
    lose_power_everywhere(&sim, true, closed, restored, check_restored, &seed);
    simulation_end(&sim);
}

/* ---- failures -------------------------------------------------------------------- */

static void back_up_once(struct kv *kv) {
    assert_int_equal(back_up(kv), 1);
}

/* A backup, then a restore of it. */
static enum status attempt(struct simulation *sim, struct kv *kv, struct error *error) {
    uint64_t number = 0;
    enum status status = kv_backup(kv, "bk", NULL, &number, error);
    return status == STATUS_OK ? restore(sim, "bk", "new", error) : status;
}

static void assert_undone(struct simulation *sim, struct kv *kv, bool may_be_there,
                          const char *what) {
    struct error error = {0};
    if (kv_resume(kv, &error) != STATUS_OK) {
        fail_msg("%s: resume: %s", what, error.message);
    }
    assert_numbers(kv, LAST);
    struct row row = {.count = 0};
    assert_ok(kv_backups("bk", &sim->options, note_backup, &row, NULL));
    assert_holds(sim, "bk/000001", LAST);
    for (size_t i = 1; i < row.count; i++) {
        assert_int_equal(i, 1);
        assert_holds(sim, "bk/000002", LAST);
    }
    const char *target = "new";
    if (is_there(sim, "new")) {
        if (!may_be_there) {
            fail_msg("%s: something was restored", what);
        }
        assert_holds(sim, "new", LAST);
        target = "new2";
    }
    assert_int_equal(back_up(kv), row.count + 1);
    if (restore(sim, "bk", target, &error) != STATUS_OK) {
        fail_msg("%s: the next one: %s", what, error.message);
    }
    assert_holds(sim, target, LAST);
}

static const struct copying copying = {LAST, back_up_once, attempt, assert_undone, "new"};

static void failing_calls(void **state) {
    (void)state;
    static const struct failure_kind kinds[] = {{FAULT_BEFORE, EIO, false},
                                                {FAULT_AFTER, ENOSPC, false},
                                                {FAULT_BEFORE, EIO, true}};
    size_t failures = 0;
    for (size_t kind = 0; kind < sizeof kinds / sizeof kinds[0]; kind++) {
        failures += fail_calls(&copying, kinds[kind], true);
    }
    printf("%zu failures\n", failures);
    assert_true(failures > 200);
}

static void failing_memory(void **state) {
    (void)state;
    size_t failures = fail_memory(&copying);
    printf("%zu failures\n", failures);
    assert_true(failures > 100);
}

/* ---- damage ---------------------------------------------------------------------- */

static void collect_tables(void *context, const char *path) {
    char *first = context;
    size_t length = strlen(path);
    if (first[0] == '\0' && length > 4 && strcmp(path + length - 4, ".ldb") == 0) {
        snprintf(first, 64, "%s", path);
    }
}

/* Any flipped bit of a table: nothing is restored, if it does any harm (a footer has room
 * that nobody reads); and the next backup does not take it over. */
static void damage_goes_no_further(void **state) {
    (void)state;
    uint64_t seed = test_seed();
    size_t refused = 0;
    for (int run = 0; run < 60; run++) {
        struct simulation sim;
        struct error error = {0};
        char table[64] = "";
        simulation_begin(&sim);
        struct kv *kv = begin_numbers(&sim, LAST);
        assert_int_equal(back_up(kv), 1);
        disk_list_files(sim.disk, collect_tables, table);
        assert_true(strncmp(table, "bk/000001/", 10) == 0);
        size_t bits = file_bytes(&sim, table).length * 8;
        assert_true(disk_flip_bit(sim.disk, table, random_below(&seed, bits)));
        if (restore(&sim, "bk", "new", &error) == STATUS_OK) {
            assert_holds(&sim, "new", LAST);
        } else {
            assert_int_equal(error.status, STATUS_CORRUPT);
            assert_message_has(error, ".ldb");
            assert_false(is_there(&sim, "new"));
            assert_false(is_there(&sim, "new.unfinished"));
            refused++;
        }
        size_t before = disk_operations(sim.disk);
        assert_int_equal(back_up(kv), 2);
        assert_int_equal(count_operations(&sim, before, " link "), 3);
        assert_ok(kv_close(kv, NULL));
        assert_fine(restore(&sim, "bk", "again", &error), &error);
        assert_holds(&sim, "again", LAST);
        simulation_end(&sim);
    }
    printf("%zu refused\n", refused);
    assert_true(refused > 40);
}

static void damaged_store(void **state) {
    (void)state;
    struct simulation sim;
    struct error error = {0};
    uint64_t number = 0;
    struct row row = {.count = 0};
    simulation_begin(&sim);
    assert_ok(kv_close(begin_numbers(&sim, LAST), NULL));
    char table[64] = "";
    disk_list_files(sim.disk, collect_tables, table);
    struct kv *kv = open_store(&sim);
    assert_true(disk_flip_bit(sim.disk, table, 5 * 8));
    assert_int_equal(kv_backup(kv, "bk", NULL, &number, &error), STATUS_CORRUPT);
    assert_int_equal(number, 0);
    assert_ok(kv_backups("bk", &sim.options, note_backup, &row, NULL));
    assert_int_equal(row.count, 0);
    assert_ok(kv_close(kv, NULL));
    simulation_end(&sim);
}

/* ---- where it may not be --------------------------------------------------------- */

static void bad_places(void **state) {
    (void)state;
    struct simulation sim;
    struct error error = {0};
    struct file *lock = NULL;
    uint64_t number = 0;
    simulation_begin(&sim);
    struct kv *kv = begin_numbers(&sim, LAST);
    disk_put_file(sim.disk, "own/letter", slice_of("precious"));
    assert_int_equal(kv_backup(kv, "own", NULL, &number, &error), STATUS_INVALID);
    assert_message_has(error, "it holds letter");
    assert_false(has_file(&sim, "own/LOCK"));
    assert_int_equal(kv_backup(kv, "db", NULL, &number, &error), STATUS_INVALID);
    assert_int_equal(kv_backup(kv, "none/bk", NULL, &number, &error), STATUS_INVALID);
    assert_message_has(error, "there is no directory none");
    assert_int_equal(back_up(kv), 1);
    assert_ok(file_lock(sim.world.files, "bk/LOCK", &lock, NULL));
    assert_int_equal(kv_backup(kv, "bk", NULL, &number, &error), STATUS_BUSY);
    file_release(lock);
    assert_int_equal(restore(&sim, "bk", "db", &error), STATUS_INVALID);
    assert_message_has(error, "not empty");
    assert_int_equal(restore(&sim, "db", "new", &error), STATUS_BUSY);
    assert_int_equal(restore(&sim, "none", "new", &error), STATUS_NOT_FOUND);
    assert_int_equal(restore(&sim, "own", "new", &error), STATUS_INVALID);
    assert_ok(directory_make(sim.world.files, "empty", NULL));
    assert_int_equal(restore(&sim, "empty", "new", &error), STATUS_NOT_FOUND);
    assert_false(is_there(&sim, "new"));
    assert_fine(restore(&sim, "bk", "empty", &error), &error);
    assert_holds(&sim, "empty", LAST);
    put_number(kv, LAST + 1, DURABILITY_ALWAYS);
    assert_ok(kv_close(kv, NULL));
    assert_fine(restore(&sim, "db", "new", &error), &error); /* with its log */
    assert_holds(&sim, "new", LAST + 1);
    simulation_end(&sim);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(later_ones_share),
        cmocka_unit_test(another_store_shares_nothing),
        cmocka_unit_test(any_loss_of_power),
        cmocka_unit_test(failing_calls),
        cmocka_unit_test(failing_memory),
        cmocka_unit_test(damage_goes_no_further),
        cmocka_unit_test(damaged_store),
        cmocka_unit_test(bad_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
