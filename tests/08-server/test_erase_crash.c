/* The power goes at any operation around an erasure: what is found is all of before, or
 * nothing of it; nothing, once it was acknowledged, and then what was written afterwards;
 * and what an open has found stays, whatever comes next. */
#include "erase.h"

/* Of each crash point; the harness looks at many more, of other programs. */
enum { FIRST_STATES = 20, RANDOM_STATES = 6 };

struct scene {
    struct simulation sim;
    size_t begun, erased;         /* at these operations of the disk */
    size_t durable_at[AFTER + 1]; /* so many puts after it */
};

/* Puts beside a flush, a reopening, a second erasure, as drawn. */
static void play(struct scene *scene, int run, uint64_t *random) {
    struct simulation *sim = &scene->sim;
    struct kv_snapshot *snapshot = NULL;
    erase_begin(sim);
    struct kv *kv = open_store(sim);
    if (run == 3) { /* gone before: of this nothing may be seen */
        put_number(kv, 1, DURABILITY_ALWAYS);
        assert_ok(kv_delete(kv, slice_of("k1"), NULL, NULL));
        assert_ok(kv_erase_all(kv, NULL));
    }
    fill(sim, kv);
    if (run == 1 || run == 2) { /* the first edit of an open */
        assert_ok(kv_sync(kv, NULL));
        assert_ok(kv_close(kv, NULL));
        kv = open_store(sim);
    }
    if (run >= 2) { /* files go later */
        assert_ok(kv_snapshot_take(kv, &snapshot, NULL));
    }
    scene->begun = disk_operations(sim->disk);
    assert_ok(kv_erase_all(kv, NULL));
    scene->erased = scene->durable_at[0] = disk_operations(sim->disk);
    kv_snapshot_release(snapshot);
    for (uint64_t i = 1; i <= AFTER; i++) {
        put_number(kv, BEFORE + i, i % 3 == 0 ? DURABILITY_ALWAYS : DURABILITY_NONE);
        if (random_below(random, 8) == 0) {
            assert_ok(kv_flush(kv, NULL));
        }
        scene->durable_at[i] =
            stats_of(kv).sequence_durable >= stats_of(kv).sequence_written
                ? disk_operations(sim->disk)
                : SIZE_MAX;
    }
    assert_ok(kv_close(kv, NULL));
}

static struct seen open_and_look(struct simulation *sim) {
    struct error error = {0};
    struct kv *kv;
    if (kv_open("db", &sim->options, &kv, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
    struct seen seen = look_at(kv);
    assert_ok(kv_close(kv, NULL));
    return seen;
}

static void judge(const struct scene *scene, const struct seen *seen, size_t operation) {
    bool all = assert_all_or_nothing(seen, SYNCED);
    assert_true(all ? operation < scene->erased : operation > scene->begun);
    if (!all) {
        uint64_t k = assert_first_of(seen, BEFORE + 1, BEFORE + AFTER) - BEFORE;
        for (uint64_t i = 0; i <= AFTER; i++) {
            assert_true(k >= i || scene->durable_at[i] > operation);
        }
    }
}

static void check_image(const struct scene *scene, const struct crash *crash) {
    struct simulation after = scene->sim;
    simulation_use(&after, disk_crash(scene->sim.disk, crash));
    after.options.world = &after.world;
    struct seen seen = open_and_look(&after);
    judge(scene, &seen, crash->operation);
    assert_verified(&after);
    for (int keep = 0; keep < 2; keep++) {
        lose_power(&after, keep);
        struct seen again = open_and_look(&after);
        assert_true(same_seen(&seen, &again));
    }
    disk_free(after.disk);
}

static size_t explore(const struct scene *scene, enum disk_profile profile,
                      size_t operation, uint64_t *random) {
    struct exploration exploration;
    size_t states = 0;
    disk_explore_begin(&exploration, profile, operation);
    for (;
         states < FIRST_STATES && disk_explore_next(scene->sim.disk, &exploration, NULL);
         states++) {
        check_image(scene, &exploration.crash);
    }
    for (int i = 0;
         i < RANDOM_STATES && disk_explore_next(scene->sim.disk, &exploration, random);
         i++, states++) {
        check_image(scene, &exploration.crash);
    }
    return states;
}

static void all_or_nothing(void **state) {
    (void)state;
    uint64_t seed = test_seed();
    size_t states = 0;
    for (int run = 0; run < 4; run++) {
        struct scene scene;
        play(&scene, run, &seed);
        size_t last = disk_operations(scene.sim.disk);
        enum disk_profile profile = run % 2 == 0 ? DISK_POSIX : DISK_EXT4;
        for (size_t i = scene.begun; i <= last; i++) {
            states += explore(&scene, profile, i, &seed);
        }
        simulation_end(&scene.sim);
    }
    printf("states=%zu\n", states);
    assert_true(states > 2000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_or_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
