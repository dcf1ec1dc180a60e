/* What stage 04 opens for the first time, or after another process died within an edit.
 * A directory of stage 01, 02 or 03 that lost the power in any operation is opened by
 * stage 04, which loses the power in any operation of that open, and opens it again: what
 * was durable is there, and what the first open would have found is found.
 *
 * The older stages are an engine with their catalog. Before its first table such a
 * directory is logs alone, as the first two stages write it. */
#include "../01-wal/simulation.h"

#include "catalog_listing.h"
#include "current.h"
#include "engine.h"
#include "engine_store.h"
#include "manifest.h"

enum { PUTS = 40, STARTS = 60, STATES = 3 };

static const struct engine_parts parts = {&catalog_listing, &commit_direct,
                                          &upkeep_inline, &horizon_newest,
                                          &value_filter_none};

/* How many puts were durable before an operation of the disk. */
struct life {
    struct simulation sim;
    size_t durable_at[PUTS + 1];
    size_t puts;
};

static void live(struct life *life, uint64_t seed, bool tables) {
    struct engine *engine = NULL;
    simulation_begin(&life->sim);
    life->sim.options.log_bytes = random_below(&seed, 2) == 0 ? 300 : 1 << 20;
    life->durable_at[0] = 0;
    assert_ok(engine_open("db", &life->sim.options, &parts, &engine, NULL));
    for (life->puts = 0; life->puts < PUTS; life->puts++) {
        char key[24], value[24];
        uint64_t sequence;
        snprintf(key, sizeof key, "k%zu", life->puts + 1);
        snprintf(value, sizeof value, "v%zu", life->puts + 1);
        struct kv_op op = put_op(key, value);
        bool synced = random_below(&seed, 3) == 0;
        const struct kv_write_options how = {.durability = synced ? DURABILITY_ALWAYS
                                                                  : DURABILITY_NONE};
        assert_ok(engine_write(engine, &op, 1, &how, &sequence, NULL));
        if (tables && random_below(&seed, 8) == 0) {
            assert_ok(engine_flush(engine, NULL));
            synced = true;
        }
        life->durable_at[life->puts + 1] =
            synced ? disk_operations(life->sim.disk) : SIZE_MAX;
    }
    assert_ok(engine_close(engine, NULL));
}

static size_t durable_before(const struct life *life, size_t operation) {
    size_t durable = 0;
    for (size_t i = 1; i <= life->puts; i++) {
        durable = life->durable_at[i] <= operation ? i : durable;
    }
    return durable;
}

static struct crash draw_crash(struct disk *disk, size_t operation, uint64_t *seed) {
    struct crash crash = {.profile = random_below(seed, 3) == 0 ? DISK_EXT4 : DISK_POSIX,
                          .operation = operation};
    crash.piece_count = disk_pending(disk, crash.profile, operation);
    for (size_t i = 0; i < CRASH_PIECES_MAX; i++) {
        crash.fates[i] = (unsigned char)random_below(
            seed, random_below(seed, 3) == 0 ? FATE_COUNT : 2);
    }
    return crash;
}

static void restart(struct simulation *after, const struct simulation *before,
                    const struct crash *crash) {
    *after = *before;
    after->options.world = &after->world;
    simulation_use(after, disk_crash(before->disk, crash));
}

/* Opens with stage 04; the contents are a prefix of the puts, of this length. */
static size_t open_and_count(struct simulation *sim, size_t *opened_at) {
    struct kv *kv = open_store(sim);
    size_t count = 0;
    *opened_at = disk_operations(sim->disk);
    while (count < PUTS && has_number(kv, count + 1)) {
        count++;
    }
    assert_numbers(kv, count);
    assert_ok(kv_close(kv, NULL));
    return count;
}

static size_t upgrade(const struct life *life, const struct crash *lost, uint64_t *seed) {
    struct simulation first;
    size_t opened_at, again_at, states = 0;
    restart(&first, &life->sim, lost);
    size_t count = open_and_count(&first, &opened_at);
    if (count < durable_before(life, lost->operation)) {
        disk_print_crash(life->sim.disk, lost, stdout);
        fail_msg("%zu of the puts are there", count);
    }
    size_t operations = disk_operations(first.disk);
    for (size_t i = 0; i <= operations; i++) {
        for (int j = 0; j < STATES; j++, states++) {
            struct simulation again;
            struct crash crash = draw_crash(first.disk, i, seed);
            restart(&again, &first, &crash);
            size_t found = open_and_count(&again, &again_at);
            if (found != count) {
                disk_print_crash(life->sim.disk, lost, stdout);
                disk_print_crash(first.disk, &crash, stdout);
                fail_msg("%zu puts are there, of %zu", found, count);
            }
            disk_free(again.disk);
        }
    }
    disk_free(first.disk);
    return states;
}

static void crashes_in_an_upgrade(void **state) {
    (void)state;
    uint64_t seed = test_seed();
    size_t states = 0;
    for (int run = 0; run < 4; run++) {
        static struct life life;
        live(&life, random_next(&seed), run % 2 == 1);
        size_t operations = disk_operations(life.sim.disk);
        for (int i = 0; i < STARTS; i++) {
            struct crash lost =
                draw_crash(life.sim.disk, random_below(&seed, operations + 1), &seed);
            states += upgrade(&life, &lost, &seed);
        }
        struct crash none = {.operation = operations};
        states += upgrade(&life, &none, &seed);
        simulation_end(&life.sim);
    }
    printf("states=%zu\n", states);
    assert_true(states > 5000);
}

/* ---- an edit that can be read and may be lost ------------------------------------- */

/* The manifest in force gets an edit that puts table `to`, a copy, in the place of table
 * `from`, and is not synced: what a process leaves that dies within a merge. */
static void append_unsynced_edit(struct simulation *sim, uint64_t from, uint64_t to) {
    struct current current;
    struct manifest_state state = {0};
    struct manifest_tail tail;
    struct manifest_edit edit = {.has_next_number = true};
    struct buf payload = {0}, log = {0};
    struct file *file = NULL;
    char name[NAME_BYTES], path[NAME_BYTES + 4], copy[NAME_BYTES + 4];
    assert_ok(current_read("db", &sim->world, &current, NULL));
    assert_ok(manifest_load("db", &sim->world, current.number, &state, &tail, NULL));
    size_t index = manifest_state_find(&state, from);
    assert_true(index < state.table_count);
    const struct table_meta *meta = &state.tables[index]->meta;
    edit.next_number = to + 1;
    assert_ok(manifest_edit_remove(&edit, (struct manifest_removed){0, from}));
    assert_ok(manifest_edit_add(
        &edit, (struct manifest_added){1, to, meta->bytes, buf_slice(&meta->smallest),
                                       buf_slice(&meta->largest)}));
    assert_ok(manifest_edit_encode(&edit, &payload));
    name_print(name, NAME_TABLE, from);
    snprintf(path, sizeof path, "db/%s", name);
    name_print(name, NAME_TABLE, to);
    snprintf(copy, sizeof copy, "db/%s", name);
    disk_put_file(sim->disk, copy, file_bytes(sim, path));
    name_print(name, NAME_MANIFEST, current.number);
    snprintf(path, sizeof path, "db/%s", name);
    size_t end = file_bytes(sim, path).length;
    add_record(&log, buf_slice(&payload));
    assert_ok(file_open(sim->world.files, path, FILE_WRITE, &file, NULL));
    assert_ok(file_write(file, end, log.data, log.length, NULL));
    assert_ok(file_close(file, NULL));
    buf_free(&log);
    buf_free(&payload);
    manifest_edit_free(&edit);
    manifest_state_free(&state);
}

static void an_edit_that_merged_may_be_lost(void **state) {
    (void)state;
    struct simulation sim;
    uint64_t seed = test_seed();
    size_t opened_at;
    simulation_begin(&sim);
    struct kv *kv = open_store(&sim);
    for (uint64_t i = 1; i < PUTS; i++) {
        put_number(kv, i, DURABILITY_NONE);
    }
    assert_ok(kv_flush(kv, NULL));
    put_number(kv, PUTS, DURABILITY_ALWAYS);
    assert_ok(kv_close(kv, NULL));
    uint64_t table = 1;
    char path[24] = "";
    while (!has_file(&sim, path)) {
        snprintf(path, sizeof path, "db/%06" PRIu64 ".ldb", ++table);
    }
    append_unsynced_edit(&sim, table, 90);
    size_t begun = disk_operations(sim.disk);
    assert_int_equal(open_and_count(&sim, &opened_at), PUTS);
    for (size_t i = begun; i <= disk_operations(sim.disk); i++) {
        for (int j = 0; j < 50; j++) {
            struct simulation after;
            struct crash crash = draw_crash(sim.disk, i, &seed);
            restart(&after, &sim, &crash);
            assert_int_equal(open_and_count(&after, &opened_at), PUTS);
            disk_free(after.disk);
        }
    }
    simulation_end(&sim);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crashes_in_an_upgrade),
        cmocka_unit_test(an_edit_that_merged_may_be_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
