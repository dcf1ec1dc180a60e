/* Checkpoints on the simulated disk: what they hold, after a loss of power at any
 * operation, after any call or allocation that fails, across file systems, on a full
 * disk, and where they may not be. */
#include "copies_faults.h"

enum { LAST = 12 };

static enum status checkpoint(struct kv *kv, struct error *error) {
    return kv_checkpoint(kv, "cp", NULL, error);
}

/* ---- contents -------------------------------------------------------------------- */

static void note_copied(void *context, uint64_t done_bytes, uint64_t whole_bytes) {
    uint64_t *last = context;
    assert_true(done_bytes > *last && done_bytes <= whole_bytes);
    *last = done_bytes;
}

/* The store and the copy go their own ways. */
static void holds_the_moment(void **state) {
    (void)state;
    for (int links = 0; links < 2; links++) {
        struct simulation sim;
        struct other_disk other;
        struct error error = {0};
        uint64_t sequence = 0, copied = 0;
        const struct kv_copy_options options = {&sequence, note_copied, &copied};
        simulation_begin(&sim);
        use_disk(&sim, sim.disk, links == 1, &other);
        struct kv *kv = begin_numbers(&sim, LAST);
        size_t before = disk_operations(sim.disk);
        assert_fine(kv_checkpoint(kv, "cp", &options, &error), &error);
        assert_int_equal(count_operations(&sim, before, " link cp.unfinished/"),
                         links == 1 ? 4 : 0);
        assert_int_equal(sequence, LAST);
        assert_true(copied > 0);
        for (uint64_t i = LAST + 1; i <= LAST + 5; i++) {
            put_number(kv, i, DURABILITY_ALWAYS);
        }
        assert_ok(kv_compact(kv, (struct slice){0}, (struct slice){0}, NULL));
        assert_holds(&sim, "cp", LAST);
        struct kv *copy = try_open(&sim, "cp");
        assert_non_null(copy);
        assert_ok(kv_delete(copy, slice_of("k1"), NULL, NULL));
        assert_ok(kv_compact(copy, (struct slice){0}, (struct slice){0}, NULL));
        assert_false(has_number(copy, 1));
        assert_ok(kv_close(copy, NULL));
        assert_numbers(kv, LAST + 5);
        assert_ok(kv_close(kv, NULL));
        assert_holds(&sim, "db", LAST + 5);
        simulation_end(&sim);
    }
}

/* While tables are linked, all of them are replaced, and there are new changes. */
static void interfere(void *context, uint64_t done_bytes, uint64_t whole_bytes) {
    struct kv *kv = context;
    (void)done_bytes;
    (void)whole_bytes;
    if (!has_number(kv, LAST + 1)) {
        put_number(kv, LAST + 1, DURABILITY_ALWAYS);
        assert_ok(kv_compact(kv, (struct slice){0}, (struct slice){0}, NULL));
    }
}

static void tables_stay_until_linked(void **state) {
    (void)state;
    struct simulation sim;
    struct error error = {0};
    uint64_t sequence = 0;
    simulation_begin(&sim);
    struct kv *kv = begin_numbers(&sim, LAST);
    const struct kv_copy_options options = {&sequence, interfere, kv};
    size_t before = disk_operations(sim.disk);
    assert_ok(kv_put(kv, slice_of("k3"), slice_of("v3"), NULL, NULL)); /* overlaps all */
    assert_ok(kv_put(kv, slice_of("k0"), slice_of("v0"), NULL, NULL));
    assert_fine(kv_checkpoint(kv, "cp", &options, &error), &error);
    assert_int_equal(sequence, LAST + 2);
    assert_true(has_number(kv, LAST + 1));
    struct kv *copy = try_open(&sim, "cp");
    assert_non_null(copy);
    for (uint64_t i = 0; i <= LAST + 1; i++) {
        assert_int_equal(has_number(copy, i), i <= LAST);
    }
    assert_ok(kv_close(copy, NULL));
    scheduler_advance(sim.scheduler, 10 * 1000 * 1000);
    assert_ok(kv_close(kv, NULL));
    assert_true(count_operations(&sim, before, " remove db/") > 4); /* and go then */
    simulation_end(&sim);
}

static void of_nothing(void **state) {
    (void)state;
    struct simulation sim;
    struct error error = {0};
    simulation_begin(&sim);
    struct kv *kv = open_store(&sim);
    assert_fine(checkpoint(kv, &error), &error);
    assert_ok(kv_close(kv, NULL));
    assert_holds(&sim, "cp", 0);
    simulation_end(&sim);
}

/* ---- loss of power --------------------------------------------------------------- */

static uint64_t least; /* the store's changes that are durable */

static void check_image(struct simulation *image, size_t index, bool done) {
    assert_whole_or_none(image, "cp", LAST, done);
    struct kv *kv = open_store(image);
    struct kv_progress progress;
    kv_progress(kv, &progress);
    assert_true(progress.written >= least);
    assert_numbers(kv, progress.written);
    if (index % 5 == 0 && !is_there(image, "cp")) {
        struct error error = {0};
        uint64_t sequence = progress.written;
        assert_fine(checkpoint(kv, &error), &error);
        assert_holds(image, "cp", sequence);
    }
    assert_ok(kv_close(kv, NULL));
}

static void any_loss_of_power(void **state) {
    (void)state;
    uint64_t seed = test_seed();
    for (int links = 0; links < 2; links++) {
        struct simulation sim;
        struct other_disk other;
        struct error error = {0};
        simulation_begin(&sim);
        use_disk(&sim, sim.disk, links == 1, &other);
        struct kv *kv = begin_numbers(&sim, LAST);
        size_t first = disk_operations(sim.disk);
        least = LAST;
        assert_fine(checkpoint(kv, &error), &error);
        size_t done = disk_operations(sim.disk);
        put_number(kv, LAST + 1, DURABILITY_ALWAYS);
        assert_ok(kv_compact(kv, (struct slice){0}, (struct slice){0}, NULL));
        assert_ok(kv_close(kv, NULL));
        lose_power_everywhere(&sim, links == 1, first, done, check_image, &seed);
        simulation_end(&sim);
    }
}

/* ---- failures -------------------------------------------------------------------- */

/* The store has lost nothing, and the next checkpoint works. A name that could not be
 * taken back leads to a whole copy. */
static void assert_unharmed(struct simulation *sim, struct kv *kv, bool may_be_there,
                            const char *what) {
    struct error error = {0};
    const char *path = "cp";
    if (kv_resume(kv, &error) != STATUS_OK) {
        fail_msg("%s: resume: %s", what, error.message);
    }
    assert_numbers(kv, LAST);
    if (is_there(sim, "cp")) {
        if (!may_be_there) {
            fail_msg("%s: there is a checkpoint", what);
        }
        assert_holds(sim, "cp", LAST);
        path = "cp2";
    }
    if (kv_checkpoint(kv, path, NULL, &error) != STATUS_OK) {
        fail_msg("%s: the next one: %s", what, error.message);
    }
    assert_holds(sim, path, LAST);
    assert_false(is_there(sim, "cp2.unfinished"));
}

static enum status make_one(struct simulation *sim, struct kv *kv, struct error *error) {
    (void)sim;
    return checkpoint(kv, error);
}

static const struct copying copying = {LAST, NULL, make_one, assert_unharmed, "cp"};

static void failing_calls(void **state) {
    (void)state;
    static const struct failure_kind kinds[] = {
        {FAULT_BEFORE, EIO, false},   {FAULT_AFTER, EIO, false},
        {FAULT_BEFORE, EIO, true},    {FAULT_AFTER, ENOSPC, false},
        {FAULT_BEFORE, ENOSPC, true}, {FAULT_SHORT_ERROR, EIO, false}};
    size_t failures = 0;
    for (size_t i = 0; i < 2 * sizeof kinds / sizeof kinds[0]; i++) {
        failures += fail_calls(&copying, kinds[i / 2], i % 2 == 0);
    }
    printf("%zu failures\n", failures);
    assert_true(failures > 200);
}

static void failing_memory(void **state) {
    (void)state;
    size_t failures = fail_memory(&copying);
    printf("%zu failures\n", failures);
    assert_true(failures > 30);
}

/* With ever more room, until there is enough. */
static void full_disk(void **state) {
    (void)state;
    size_t refusals = 0;
    enum status status = STATUS_NO_SPACE;
    for (size_t room = 0; status != STATUS_OK; room += 97) {
        struct simulation sim;
        struct other_disk other;
        struct error error = {0};
        simulation_begin(&sim);
        use_disk(&sim, sim.disk, false, &other);
        struct kv *kv = begin_numbers(&sim, LAST);
        assert_ok(kv_flush(kv, NULL));
        size_t used = 0;
        do { /* what there is takes so much */
            used += 64;
            disk_set_capacity(sim.disk, used);
            struct file *file = NULL;
            assert_ok(
                file_open(disk_files(sim.disk), "probe", FILE_OVERWRITE, &file, NULL));
            status = file_write(file, 0, "x", 1, NULL);
            file_release(file);
            assert_ok(file_remove(disk_files(sim.disk), "probe", NULL));
        } while (status != STATUS_OK);
        disk_set_capacity(sim.disk, used + room);
        status = checkpoint(kv, &error);
        if (status != STATUS_OK) {
            assert_int_equal(status, STATUS_NO_SPACE);
            assert_false(is_there(&sim, "cp"));
            assert_false(is_there(&sim, "cp.unfinished"));
            refusals++;
        }
        disk_set_capacity(sim.disk, SIZE_MAX);
        if (status != STATUS_OK) {
            assert_unharmed(&sim, kv, false, "room");
        }
        assert_ok(kv_close(kv, NULL));
        simulation_end(&sim);
    }
    printf("%zu refusals\n", refusals);
    assert_true(refusals > 5);
}

/* ---- where it may not be --------------------------------------------------------- */

static void assert_refused(struct kv *kv, const char *path, enum status expected,
                           const char *words) {
    struct error error = {0};
    enum status status = kv_checkpoint(kv, path, NULL, &error);
    if (status != expected || strstr(error.message, words) == NULL) {
        fail_msg("%s: %s: %s", path, status_words(status), error.message);
    }
}

static void bad_places(void **state) {
    (void)state;
    struct simulation sim;
    struct file *lock = NULL;
    simulation_begin(&sim);
    struct kv *kv = begin_numbers(&sim, LAST);
    disk_put_file(sim.disk, "full/name", slice_of("precious"));
    disk_put_file(sim.disk, "file", slice_of("precious"));
    disk_put_file(sim.disk, "own.unfinished/letter", slice_of("precious"));
    disk_put_file(sim.disk, "left.unfinished/CURRENT", slice_of("MANIFEST-000004\n"));
    disk_put_file(sim.disk, "left.unfinished/000007.ldb", slice_of("half"));
    disk_put_file(sim.disk, "busy.unfinished/000007.ldb", slice_of("half"));
    assert_ok(directory_make(sim.world.files, "empty", NULL));
    assert_refused(kv, "full", STATUS_INVALID, "full: it is there already");
    assert_refused(kv, "empty/", STATUS_INVALID, "empty: it is there already");
    assert_refused(kv, "file", STATUS_IO, "file");
    assert_refused(kv, "none/cp", STATUS_INVALID, "there is no directory none");
    assert_refused(kv, "", STATUS_INVALID, "not a name");
    assert_refused(kv, "/", STATUS_INVALID, "not a name");
    assert_refused(kv, "db", STATUS_INVALID, "db: it is there already");
    assert_refused(kv, "own", STATUS_INVALID, "it holds letter");
    assert_true(
        slice_equal(file_bytes(&sim, "own.unfinished/letter"), slice_of("precious")));
    assert_false(has_file(&sim, "own.unfinished/LOCK"));
    assert_ok(file_lock(sim.world.files, "busy.unfinished/LOCK", &lock, NULL));
    assert_refused(kv, "busy", STATUS_BUSY, "another copy");
    assert_true(has_file(&sim, "busy.unfinished/000007.ldb"));
    file_release(lock);
    assert_refused(kv, "busy", STATUS_OK, "");
    assert_refused(kv, "left", STATUS_OK, ""); /* that of a crash is cleared away */
    assert_refused(kv, "empty/deep/", STATUS_OK, "");
    assert_numbers(kv, LAST);
    assert_ok(kv_close(kv, NULL));
    assert_holds(&sim, "busy", LAST);
    assert_holds(&sim, "left", LAST);
    assert_holds(&sim, "empty/deep", LAST);
    simulation_end(&sim);
}

/* LevelDB once gave tables another name. */
static void old_names(void **state) {
    (void)state;
    for (int links = 0; links < 2; links++) {
        struct simulation sim;
        struct other_disk other;
        struct error error = {0};
        size_t renamed = 0;
        simulation_begin(&sim);
        use_disk(&sim, sim.disk, links == 1, &other);
        assert_ok(kv_close(begin_numbers(&sim, LAST), NULL));
        for (unsigned number = 1; number < 40; number++) {
            char from[40], to[40];
            snprintf(from, sizeof from, "db/%06u.ldb", number);
            snprintf(to, sizeof to, "db/%06u.sst", number);
            renamed += has_file(&sim, from) &&
                       file_rename(sim.world.files, from, to, NULL) == STATUS_OK;
        }
        assert_true(renamed > 2);
        struct kv *kv = open_store(&sim);
        assert_fine(checkpoint(kv, &error), &error);
        assert_ok(kv_close(kv, NULL));
        assert_holds(&sim, "cp", LAST);
        simulation_end(&sim);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_the_moment), cmocka_unit_test(tables_stay_until_linked),
        cmocka_unit_test(of_nothing),       cmocka_unit_test(any_loss_of_power),
        cmocka_unit_test(failing_calls),    cmocka_unit_test(failing_memory),
        cmocka_unit_test(full_disk),        cmocka_unit_test(bad_places),
        cmocka_unit_test(old_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
