/* CURRENT: its line, what is refused, and that it names a whole catalog whenever the
 * power goes or a call fails. */
#include "../01-wal/simulation.h"

#include "current.h"
#include "points.h"

static const struct current listing = {CURRENT_LISTING, 0};

static struct current manifest(uint64_t number) {
    return (struct current){CURRENT_MANIFEST, number};
}

static bool same(struct current a, struct current b) {
    return a.kind == b.kind && a.number == b.number;
}

static void begin(struct simulation *sim) {
    simulation_begin(sim);
    assert_ok(directory_make(sim->world.files, "db", NULL));
    assert_ok(directory_sync(sim->world.files, ".", NULL));
}

static struct current must_read(struct simulation *sim) {
    struct current current;
    struct error error = {0};
    if (current_read("db", &sim->world, &current, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
    return current;
}

static void must_write(struct simulation *sim, struct current current, uint64_t number) {
    bool begun = false;
    assert_ok(current_write("db", &sim->world, &current, number, &begun, NULL));
    assert_true(begun);
}

static void assert_line(struct simulation *sim, const char *line) {
    struct slice bytes = file_bytes(sim, "db/CURRENT");
    assert_int_equal(bytes.length, strlen(line));
    assert_memory_equal(bytes.data, line, bytes.length);
}

static void lines_as_they_stand(void **state) {
    (void)state;
    struct simulation sim;
    begin(&sim);
    assert_true(must_read(&sim).kind == CURRENT_NONE);
    must_write(&sim, listing, 1);
    assert_line(&sim, "LISTING\n");
    assert_true(same(must_read(&sim), listing));
    static const struct {
        uint64_t number;
        const char *line;
    } cases[] = {{5, "MANIFEST-000005\n"},
                 {999999, "MANIFEST-999999\n"},
                 {1000000, "MANIFEST-1000000\n"},
                 {UINT64_MAX, "MANIFEST-18446744073709551615\n"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        must_write(&sim, manifest(cases[i].number), 7 + i);
        assert_line(&sim, cases[i].line);
        assert_true(same(must_read(&sim), manifest(cases[i].number)));
    }
    assert_false(has_file(&sim, "db/000001.dbtmp") || has_file(&sim, "db/000007.dbtmp"));
    simulation_end(&sim);
}

static void assert_refused(struct simulation *sim, struct slice line) {
    struct error error = {0};
    struct current current = {CURRENT_NONE, 77};
    disk_put_file(sim->disk, "db/CURRENT", line);
    assert_int_equal(current_read("db", &sim->world, &current, &error), STATUS_CORRUPT);
    assert_message_has(error, "db/CURRENT: offset 0");
    assert_true(same(current, (struct current){CURRENT_NONE, 77}));
}

static void other_lines_are_refused(void **state) {
    (void)state;
    static const char *const lines[] = {
        "",
        "\n",
        "LISTING",
        "LISTING\n\n",
        "LISTING \n",
        "listing\n",
        "LISTING\nMANIFEST-000005\n",
        "MANIFEST-000005",
        "MANIFEST-000005\n\n",
        "MANIFEST-000005\r\n",
        "MANIFEST-000005 \n",
        "MANIFEST-5\n",
        "MANIFEST-0000005\n",
        "MANIFEST-\n",
        "MANIFEST--00005\n",
        "MANIFEST-00000x\n",
        "MANIFEST-18446744073709551616\n",
        "MANIFEST-00000000000000000000000000000000000000000000000000000000005\n",
        "000005.ldb\n",
        "CURRENT\n",
        "db/MANIFEST-000005\n",
        "../MANIFEST-000005\n"};
    struct simulation sim;
    begin(&sim);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        assert_refused(&sim, slice_of(lines[i]));
    }
    assert_refused(&sim, slice_make("MANIFEST-000005\0\n", 17));
    assert_refused(&sim, slice_make("\0\0\0\0\0\0\0\0", 8));
    assert_refused(&sim, slice_make("MANIFEST-000005\n\0", 17));
    simulation_end(&sim);
}

/* A flipped bit never turns one kind into the other, nor into the same number. */
static void flipped_bits(void **state) {
    (void)state;
    static const char *const lines[] = {"LISTING\n", "MANIFEST-000005\n"};
    size_t numbers = 0;
    for (size_t i = 0; i < 2; i++) {
        struct simulation sim;
        begin(&sim);
        disk_put_file(sim.disk, "db/CURRENT", slice_of(lines[i]));
        for (uint64_t bit = 0; bit < 8 * strlen(lines[i]); bit++) {
            struct current current = {CURRENT_NONE, 0};
            assert_true(disk_flip_bit(sim.disk, "db/CURRENT", bit));
            enum status status = current_read("db", &sim.world, &current, NULL);
            assert_true(status == STATUS_CORRUPT ||
                        (status == STATUS_OK && current.kind == CURRENT_MANIFEST &&
                         current.number != 5 && i == 1));
            numbers += status == STATUS_OK;
            assert_true(disk_flip_bit(sim.disk, "db/CURRENT", bit));
        }
        simulation_end(&sim);
    }
    assert_int_equal(numbers, 23); /* a 0 becomes 1, 2, 4 or 8; the 5 becomes 1, 4 or 7 */
}

/* ---- loss of power --------------------------------------------------------------- */

enum { WRITES = 4, RANDOM_STATES = 40 };

static struct current written(size_t i) {
    return i == 0 ? listing : manifest(5 + i);
}

/* What an image holds: one of the two, at `done` the line of the last write that had
 * returned OK. */
static void check_image(struct simulation *sim, const struct crash *crash, size_t done) {
    struct simulation after = *sim;
    struct current found;
    struct error error = {0};
    simulation_use(&after, disk_crash(sim->disk, crash));
    enum status status = current_read("db", &after.world, &found, &error);
    bool old = done == 0 ? found.kind == CURRENT_NONE : same(found, written(done - 1));
    if (status != STATUS_OK || !(old || (done < WRITES && same(found, written(done))))) {
        disk_print_crash(sim->disk, crash, stdout);
        fail_msg("after %zu writes: %s", done, error.message);
    }
    disk_free(after.disk);
}

static void any_loss_of_power(void **state) {
    (void)state;
    uint64_t seed = test_seed();
    struct simulation sim;
    size_t ends[WRITES];
    size_t states = 0;
    begin(&sim);
    size_t start = disk_operations(sim.disk);
    for (size_t i = 0; i < WRITES; i++) {
        must_write(&sim, written(i), 20 + i);
        ends[i] = disk_operations(sim.disk);
    }
    for (int profile = DISK_POSIX; profile <= DISK_EXT4; profile++) {
        size_t done = 0;
        for (size_t at = start; at <= ends[WRITES - 1]; at++) {
            struct exploration exploration;
            while (done < WRITES && ends[done] <= at) {
                done++;
            }
            disk_explore_begin(&exploration, (enum disk_profile)profile, at);
            while (disk_explore_next(sim.disk, &exploration, NULL)) {
                check_image(&sim, &exploration.crash, done);
                states++;
            }
            for (int i = 0;
                 i < RANDOM_STATES && disk_explore_next(sim.disk, &exploration, &seed);
                 i++) {
                check_image(&sim, &exploration.crash, done);
                states++;
            }
        }
    }
    assert_true(states > 500);
    simulation_end(&sim);
}

/* ---- failing calls --------------------------------------------------------------- */

/* What CURRENT says after a loss of power that keeps all that is pending, or nothing. */
static struct current after_power(struct simulation *sim, enum fate fate) {
    struct simulation after = *sim;
    struct crash crash = {.operation = disk_operations(sim->disk)};
    memset(crash.fates, (int)fate, sizeof crash.fates);
    simulation_use(&after, disk_crash(sim->disk, &crash));
    struct current found = must_read(&after);
    disk_free(after.disk);
    return found;
}

/* One write over another, with a fault set, and what must hold of its outcome. Whether
 * the fault struck. */
static bool check_failure(struct simulation *sim, const char *what) {
    struct error error = {0};
    struct current next = manifest(9);
    bool begun = true;
    enum status status = current_write("db", &sim->world, &next, 10, &begun, &error);
    bool struck = disk_fault_struck(sim->disk) != NULL || counted_memory_failed();
    fail_nothing(sim);
    counted_memory_fail(0, false);
    if (status != STATUS_OK && error.message[0] == '\0') {
        fail_msg("%s: no message", what);
    }
    if (status != STATUS_OK && !begun && has_file(sim, "db/000010.dbtmp")) {
        fail_msg("%s: the temporary is left", what);
    }
    struct current found[] = {must_read(sim), after_power(sim, FATE_KEPT),
                              after_power(sim, FATE_LOST)};
    for (size_t i = 0; i < 3; i++) {
        bool may_be_new = status == STATUS_OK || begun;
        if (!(may_be_new && same(found[i], next)) &&
            !(status != STATUS_OK && same(found[i], manifest(5)))) {
            fail_msg("%s: CURRENT is not what it must be", what);
        }
    }
    return struck;
}

static void failing_calls(void **state) {
    (void)state;
    static const enum fault_effect effects[] = {FAULT_BEFORE, FAULT_AFTER,
                                                FAULT_SHORT_ERROR};
    for (size_t e = 0; e < sizeof effects / sizeof effects[0]; e++) {
        bool struck = true;
        size_t n;
        for (n = 1; struck; n++) {
            struct simulation sim;
            char what[80];
            begin(&sim);
            must_write(&sim, manifest(5), 6);
            snprintf(what, sizeof what, "effect %zu of call %zu", e, n);
            fail_call(&sim, n, effects[e], EIO, false);
            struck = check_failure(&sim, what);
            simulation_end(&sim);
        }
        /* open, write, sync, close, rename, sync directory; the write is cut short */
        assert_int_equal(n - 2, effects[e] == FAULT_SHORT_ERROR ? 1 : 6);
    }
}

static void failing_memory(void **state) {
    (void)state;
    bool struck = true;
    size_t n;
    for (n = 1; struck; n++) {
        struct simulation sim;
        begin(&sim);
        must_write(&sim, manifest(5), 6);
        counted_memory_fail(n, false);
        struck = check_failure(&sim, "no memory");
        simulation_end(&sim);
    }
    assert_true(n > 4);
    struck = true;
    for (n = 1; struck; n++) {
        struct simulation sim;
        struct current current;
        begin(&sim);
        disk_put_file(sim.disk, "db/CURRENT", slice_of("LISTING\n"));
        counted_memory_fail(n, false);
        enum status status = current_read("db", &sim.world, &current, NULL);
        struck = counted_memory_failed();
        counted_memory_fail(0, false);
        assert_int_equal(status, struck ? STATUS_NO_MEMORY : STATUS_OK);
        simulation_end(&sim);
    }
    assert_true(n > 2);
}

static void failpoints(void **state) {
    (void)state;
    struct simulation sim;
    begin(&sim);
    points_watch();
    must_write(&sim, manifest(5), 6);
    points_arm(FAILPOINT_current_write, 1, false);
    check_failure(&sim, "failpoint");
    assert_true(points_struck());
    points_arm(FAILPOINT_current_write, 0, false);
    assert_true(points_hits(FAILPOINT_current_write) == 2);
    assert_true(points_hits(FAILPOINT_current_written_not_renamed) == 1);
    assert_true(points_hits(FAILPOINT_current_renamed_not_synced) == 1);
    points_unwatch();
    simulation_end(&sim);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_as_they_stand), cmocka_unit_test(other_lines_are_refused),
        cmocka_unit_test(flipped_bits),        cmocka_unit_test(any_loss_of_power),
        cmocka_unit_test(failing_calls),       cmocka_unit_test(failing_memory),
        cmocka_unit_test(failpoints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
