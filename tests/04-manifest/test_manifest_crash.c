/* Writing a manifest: what is read back when all goes well, after a loss of power at any
 * operation, after any call or allocation that fails, and on a full disk. */
#include "points.h"
#include "steps.h"

enum { RANDOM_STATES = 25 };

static void all_goes_well(void **state) {
    (void)state;
    uint64_t seed = test_seed();
    for (int run = 0; run < 20; run++) {
        struct steps steps;
        steps_begin(&steps, random_next(&seed));
        steps_run(&steps, STEPS_MAX);
        assert_false(steps.stopped);
        assert_int_equal(read_back(&steps, &steps.sim, NULL), STEPS_MAX);
        char name[NAME_BYTES], path[NAME_BYTES + 4];
        uint64_t bytes = manifest_bytes(steps.manifest);
        name_print(name, NAME_MANIFEST, steps.manifest_number);
        snprintf(path, sizeof path, "db/%s", name);
        assert_true(file_bytes(&steps.sim, path).length > bytes);
        assert_ok(manifest_close(steps.manifest, NULL));
        steps.manifest = NULL;
        assert_int_equal(file_bytes(&steps.sim, path).length, bytes);
        assert_int_equal(read_back(&steps, &steps.sim, NULL), STEPS_MAX);
        steps_end(&steps);
    }
}

static void a_manifest_is_never_written_over(void **state) {
    (void)state;
    struct steps steps;
    struct manifest *manifest = NULL;
    struct manifest_state none = {.next_number = 100};
    steps_begin(&steps, 1);
    disk_put_file(steps.sim.disk, "db/MANIFEST-000007", slice_of("precious"));
    assert_int_equal(manifest_create("db", &steps.sim.world, 7, &none, &manifest, NULL),
                     STATUS_IO);
    assert_true(
        slice_equal(file_bytes(&steps.sim, "db/MANIFEST-000007"), slice_of("precious")));
    steps_end(&steps);
}

/* ---- loss of power --------------------------------------------------------------- */

static void check_image(struct steps *steps, const struct crash *crash, size_t least) {
    struct simulation after = steps->sim;
    simulation_use(&after, disk_crash(steps->sim.disk, crash));
    size_t index = read_back(steps, &after, NULL);
    bool none_yet = index == SIZE_MAX && least == SIZE_MAX;
    if (!none_yet && (index == SIZE_MAX || (least != SIZE_MAX && index < least))) {
        disk_print_crash(steps->sim.disk, crash, stdout);
        fail_msg("%zu steps read, %zu were acknowledged", index, least);
    }
    disk_free(after.disk);
}

/* Steps acknowledged at an operation; SIZE_MAX: not even the first CURRENT. */
static size_t acknowledged(const struct steps *steps, size_t operation) {
    size_t least = SIZE_MAX;
    for (size_t i = 0; i <= steps->done; i++) {
        least = steps->acknowledged_at[i] <= operation ? i : least;
    }
    return least;
}

static size_t explore(struct steps *steps, enum disk_profile profile, size_t operation,
                      uint64_t *seed) {
    struct exploration exploration;
    size_t states = 0;
    size_t least = acknowledged(steps, operation);
    disk_explore_begin(&exploration, profile, operation);
    for (; disk_explore_next(steps->sim.disk, &exploration, NULL); states++) {
        check_image(steps, &exploration.crash, least);
    }
    for (int i = 0;
         i < RANDOM_STATES && disk_explore_next(steps->sim.disk, &exploration, seed);
         i++, states++) {
        check_image(steps, &exploration.crash, least);
    }
    return states;
}

/* What is read is a prefix of the edits, with every acknowledged one; CURRENT names a
 * whole manifest; all that it names is there. */
static void any_loss_of_power(void **state) {
    (void)state;
    uint64_t seed = test_seed();
    size_t states = 0;
    for (int run = 0; run < 4; run++) {
        struct steps steps;
        steps_begin(&steps, random_next(&seed));
        rotate(&steps);
        steps.acknowledged_at[0] = disk_operations(steps.sim.disk);
        while (steps.done < 8) {
            run_step(&steps);
            if (steps.done % 3 == 0) {
                rotate(&steps);
            }
        }
        assert_false(steps.stopped);
        size_t operations = disk_operations(steps.sim.disk);
        for (int profile = DISK_POSIX; profile <= DISK_EXT4; profile++) {
            for (size_t i = 0; i <= operations; i++) {
                states += explore(&steps, (enum disk_profile)profile, i, &seed);
            }
        }
        steps_end(&steps);
    }
    printf("states=%zu\n", states);
    assert_true(states > 10000);
}

/* ---- failures -------------------------------------------------------------------- */

struct sweeper {
    struct steps *steps;
    const struct manifest_state *state;
    uint64_t manifest;
};

static void sweep_file(void *context, const char *text) {
    struct sweeper *sweeper = context;
    struct name name = name_parse(text);
    const struct manifest_state *state = sweeper->state;
    bool needed = name.kind == NAME_MANIFEST ? name.number == sweeper->manifest
                  : name.kind == NAME_TABLE
                      ? manifest_state_find(state, name.number) < state->table_count
                  : name.kind == NAME_LOG ? name.number >= state->log_number
                                          : name.kind != NAME_TEMPORARY;
    if (!needed) {
        remove_file(sweeper->steps, name.kind, name.number);
    }
}

/* What an open does: a new manifest of what was read, in force, and then what it does not
 * name is removed. No loss of power may take the state away any more. */
static void open_is_final(struct steps *steps) {
    struct manifest_state found = {0};
    struct manifest *manifest = NULL;
    bool begun;
    size_t index = read_back(steps, &steps->sim, &found);
    if (index == SIZE_MAX) {
        return;
    }
    uint64_t number = 290; /* above all that may be on the disk */
    found.next_number = 291;
    struct current current = {CURRENT_MANIFEST, number};
    assert_ok(manifest_create("db", &steps->sim.world, number, &found, &manifest, NULL));
    assert_ok(current_write("db", &steps->sim.world, &current, number, &begun, NULL));
    struct sweeper sweeper = {steps, &found, number};
    assert_ok(directory_list(steps->sim.world.files, "db", sweep_file, &sweeper, NULL));
    for (int fate = FATE_KEPT; fate <= FATE_LOST; fate++) {
        struct simulation after = steps->sim;
        struct crash crash = {.operation = disk_operations(steps->sim.disk)};
        memset(crash.fates, fate, sizeof crash.fates);
        simulation_use(&after, disk_crash(steps->sim.disk, &crash));
        assert_int_equal(read_back(steps, &after, NULL), index);
        disk_free(after.disk);
    }
    assert_ok(manifest_close(manifest, NULL));
    manifest_state_free(&found);
}

/* What may be read after a program that met a failure: exactly what was acknowledged, and
 * one more only where its append said so. */
static void check_outcome(struct steps *steps, const char *what, uint64_t *seed) {
    struct exploration exploration;
    size_t most = steps->done + steps->unknown;
    disk_explore_begin(&exploration, DISK_POSIX, disk_operations(steps->sim.disk));
    for (int i = 0; i < 40; i++) {
        bool more = disk_explore_next(steps->sim.disk, &exploration, seed);
        struct simulation after = steps->sim;
        if (more && i > 0) {
            simulation_use(&after, disk_crash(steps->sim.disk, &exploration.crash));
        }
        size_t index = read_back(steps, &after, NULL);
        if (index == SIZE_MAX ? steps->in_force : index < steps->done || index > most) {
            fail_msg("%s: %zu steps read, of %zu to %zu", what, index, steps->done, most);
        }
        if (more && i > 0) {
            disk_free(after.disk);
        }
    }
    open_is_final(steps);
}

static void failing_calls(void **state) {
    (void)state;
    static const struct {
        enum fault_effect effect;
        int errnum;
        bool persistent;
    } kinds[] = {{FAULT_BEFORE, EIO, false},       {FAULT_AFTER, EIO, false},
                 {FAULT_SHORT_ERROR, EIO, false},  {FAULT_BEFORE, ENOSPC, false},
                 {FAULT_AFTER, ENOSPC, false},     {FAULT_BEFORE, EIO, true},
                 {FAULT_SHORT_ERROR, ENOSPC, true}};
    uint64_t seed = test_seed();
    size_t unknown = 0;
    for (size_t i = 0; i < 2 * sizeof kinds / sizeof kinds[0]; i++) {
        size_t kind = i / 2;
        uint64_t program = random_next(&seed);
        bool struck = true;
        for (size_t n = 1; struck; n++) {
            struct steps steps;
            char what[100];
            steps_begin(&steps, program);
            steps.impatient = i % 2 == 1;
            fail_call(&steps.sim, n, kinds[kind].effect, kinds[kind].errnum,
                      kinds[kind].persistent);
            steps_run(&steps, 6);
            const char *at = disk_fault_struck(steps.sim.disk);
            struck = at != NULL;
            snprintf(what, sizeof what, "kind %zu at call %zu: %.50s", kind, n,
                     struck ? at : "nothing");
            fail_nothing(&steps.sim);
            check_outcome(&steps, what, &seed);
            unknown += steps.unknown;
            assert_true(struck || steps.done == 6);
            steps_end(&steps);
        }
    }
    assert_true(unknown > 20);
}

static void failing_memory(void **state) {
    (void)state;
    uint64_t seed = test_seed();
    struct manifest_state found = {0};
    struct model model = {.log_number = 1, .next_number = 10};
    model.there[5] = model.there[3] = true;
    bool failed = true;
    size_t n;
    for (n = 1; failed; n++) {
        struct steps steps;
        struct step step;
        struct manifest_state first;
        struct manifest *manifest = NULL;
        bool begun = false;
        enum status appended = STATUS_OK;
        steps_begin(&steps, random_next(&seed));
        struct model after = model;
        draw_step(&step, &after, 1, &seed);
        model_state(&model, 0, &first);
        counted_memory_fail(n, false);
        enum status created =
            manifest_create("db", &steps.sim.world, 9, &first, &manifest, NULL);
        if (created == STATUS_OK) {
            appended = manifest_append(manifest, &step.edit, &begun, NULL);
        }
        failed = counted_memory_failed();
        counted_memory_fail(0, false);
        assert_true(created == STATUS_OK || created == STATUS_NO_MEMORY);
        assert_true(appended == STATUS_OK || (appended == STATUS_NO_MEMORY && !begun));
        assert_int_equal(created != STATUS_OK || appended != STATUS_OK, failed);
        assert_int_equal(has_file(&steps.sim, "db/MANIFEST-000009"),
                         created == STATUS_OK);
        if (appended == STATUS_NO_MEMORY) {
            assert_ok(manifest_append(manifest, &step.edit, &begun, NULL));
        }
        if (created == STATUS_OK) {
            struct manifest_tail tail;
            assert_ok(manifest_load("db", &steps.sim.world, 9, &found, &tail, NULL));
            assert_false(tail.dropped);
            assert_model(&after, &found);
            manifest_state_free(&found);
        }
        assert_ok(manifest_close(manifest, NULL));
        manifest_state_free(&first);
        step_free(&step);
        steps_end(&steps);
    }
    assert_true(n > 6);
}

/* A full disk is met before a byte of the edit is written; with room, it goes on. */
static void no_space(void **state) {
    (void)state;
    struct steps steps;
    size_t refusals = 0;
    steps_begin(&steps, test_seed());
    rotate(&steps);
    while (steps.done < STEPS_MAX) {
        struct step step;
        struct model next = steps.models[steps.done];
        draw_step(&step, &next, steps.done + 1, &steps.seed);
        assert_ok(make_files(&steps, &step));
        bool begun = true;
        struct error error = {0};
        disk_set_capacity(steps.sim.disk, 0);
        enum status status = manifest_append(steps.manifest, &step.edit, &begun, &error);
        disk_set_capacity(steps.sim.disk, SIZE_MAX);
        if (status != STATUS_OK) {
            assert_int_equal(status, STATUS_NO_SPACE);
            assert_false(begun);
            assert_message_has(error, "MANIFEST-");
            assert_int_equal(read_back(&steps, &steps.sim, NULL), steps.done);
            assert_ok(manifest_append(steps.manifest, &step.edit, &begun, NULL));
            refusals++;
        }
        steps.models[++steps.done] = next;
        assert_int_equal(read_back(&steps, &steps.sim, NULL), steps.done);
        step_free(&step);
    }
    assert_true(refusals > 0 && refusals < STEPS_MAX);
    steps_end(&steps);
}

/* ---- failpoints ------------------------------------------------------------------ */

static void failpoints(void **state) {
    (void)state;
    static const struct {
        enum failpoint point;
        bool unknown;
    } errors[] = {{FAILPOINT_manifest_create, false},
                  {FAILPOINT_manifest_append, false},
                  {FAILPOINT_manifest_sync, true},
                  {FAILPOINT_current_write, false}};
    uint64_t seed = test_seed();
    points_watch();
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        for (size_t n = 1; n <= 4; n++) {
            struct steps steps;
            steps_begin(&steps, 7);
            points_arm(errors[i].point, n, true);
            rotate(&steps);
            while (!steps.stopped && steps.done < 6) {
                run_step(&steps);
                rotate(&steps);
            }
            assert_true(points_struck());
            assert_true(errors[i].unknown || !steps.unknown);
            points_arm(errors[i].point, 0, false);
            check_outcome(&steps, points_name(errors[i].point), &seed);
            steps_end(&steps);
        }
        assert_true(points_hits(errors[i].point) > 0);
    }
    assert_true(points_hits(FAILPOINT_manifest_created_not_named) > 0);
    assert_true(points_hits(FAILPOINT_manifest_appended_not_synced) > 0);
    assert_true(points_hits(FAILPOINT_current_written_not_renamed) > 0);
    assert_true(points_hits(FAILPOINT_current_renamed_not_synced) > 0);
    points_unwatch();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_goes_well),
        cmocka_unit_test(a_manifest_is_never_written_over),
        cmocka_unit_test(any_loss_of_power),
        cmocka_unit_test(failing_calls),
        cmocka_unit_test(failing_memory),
        cmocka_unit_test(no_space),
        cmocka_unit_test(failpoints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
