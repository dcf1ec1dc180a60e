/* A directory of stage 04 under stage 05, and back. Stage 04 loses the power in any
 * operation; stage 05 opens what is left, writes, compacts, and loses the power in any
 * operation of that; then either of the two opens it: what was durable is there, what the
 * first open found is found, and nothing else. Stage 04 is an engine that never
 * compacts. */
#include "../01-wal/simulation.h"

#include "catalog_manifest.h"
#include "engine.h"
#include "engine_store.h"
#include "upkeep_threads.h"

enum { PUTS = 60, STARTS = 12, STATES = 2 };

static const struct engine_parts before = {&catalog_manifest, &commit_direct,
                                           &upkeep_inline, &horizon_newest,
                                           &value_filter_none};
static const struct engine_parts after = {&catalog_manifest, &commit_direct,
                                          &upkeep_threads, &horizon_newest,
                                          &value_filter_none};

/* Put i has one of 20 keys, in turn: tables overlap. */
static struct slice key_of(char text[24], size_t i) {
    snprintf(text, 24, "k%zu", i * 7 % 20);
    return slice_of(text);
}

static struct slice value_of(char text[24], size_t i) {
    snprintf(text, 24, "v%zu", i);
    return slice_of(text);
}

static struct engine *open_engine(struct simulation *sim,
                                  const struct engine_parts *parts) {
    struct engine *engine = NULL;
    struct error error = {0};
    if (engine_open("db", &sim->options, parts, &engine, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
    return engine;
}

static void put(struct engine *engine, size_t i, enum durability durability) {
    char key[24], value[24];
    uint64_t sequence;
    struct kv_op op = {KV_PUT, key_of(key, i), value_of(value, i)};
    const struct kv_write_options how = {.durability = durability};
    assert_ok(engine_write(engine, &op, 1, &how, &sequence, NULL));
}

/* How many of the puts are there; the contents must be those of so many. */
static size_t count_puts(struct engine *engine) {
    struct kv_progress progress;
    struct buf found = {0};
    engine_progress(engine, &progress);
    size_t count = (size_t)progress.written;
    for (size_t i = count < 20 ? 0 : count - 20; i < count + 3; i++) {
        char key[24], value[24];
        uint64_t observed;
        size_t n = i + 1;
        const struct kv_read_options options = {.observed = &observed};
        enum status status = engine_get(engine, key_of(key, n), &found, &options, NULL);
        size_t latest = n <= count ? n : n <= 20 ? 0 : n - 20;
        if (status != (latest == 0 ? STATUS_NOT_FOUND : STATUS_OK) ||
            (latest != 0 && !slice_equal(buf_slice(&found), value_of(value, latest)))) {
            fail_msg("put %zu of %zu: %s", n, count, status_words(status));
        }
    }
    buf_free(&found);
    return count;
}

/* ---- stage 04 -------------------------------------------------------------------- */

struct life {
    struct simulation sim;
    size_t durable_at[PUTS + 1]; /* operation of the disk */
};

static void live(struct life *life, uint64_t seed) {
    simulation_begin(&life->sim);
    life->sim.options.log_bytes = random_below(&seed, 2) == 0 ? 300 : 1 << 20;
    struct engine *engine = open_engine(&life->sim, &before);
    life->durable_at[0] = 0;
    for (size_t i = 1; i <= PUTS; i++) {
        bool synced = random_below(&seed, 3) == 0;
        put(engine, i, synced ? DURABILITY_ALWAYS : DURABILITY_NONE);
        if (random_below(&seed, 6) == 0) {
            assert_ok(engine_flush(engine, NULL));
            synced = true;
        }
        life->durable_at[i] = synced ? disk_operations(life->sim.disk) : SIZE_MAX;
    }
    assert_ok(engine_close(engine, NULL));
}

static size_t durable_before(const struct life *life, size_t operation) {
    size_t durable = 0;
    for (size_t i = 1; i <= PUTS; i++) {
        durable = life->durable_at[i] <= operation ? i : durable;
    }
    return durable;
}

/* ---- power losses ---------------------------------------------------------------- */

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

static void restart(struct simulation *next, const struct simulation *sim,
                    const struct crash *crash) {
    *next = *sim;
    next->options.world = &next->world;
    simulation_use(next, disk_crash(sim->disk, crash));
}

/* ---- stage 05, and either ---------------------------------------------------------- */

struct totals {
    size_t states;
    uint64_t compactions, merged_bytes;
};

static void upgrade(const struct life *life, const struct crash *lost, uint64_t *seed,
                    struct totals *totals) {
    struct simulation first;
    struct kv_stats stats;
    restart(&first, &life->sim, lost);
    first.options.level0_tables = 1;
    first.options.table_bytes = 256;
    struct engine *engine = open_engine(&first, &after);
    size_t count = count_puts(engine);
    assert_true(count >= durable_before(life, lost->operation));
    put(engine, count + 1, DURABILITY_ALWAYS);
    size_t durable_at = disk_operations(first.disk);
    scheduler_settle(first.scheduler);
    assert_ok(engine_flush(engine, NULL));
    scheduler_settle(first.scheduler);
    assert_int_equal(count_puts(engine), count + 1);
    engine_stats_compacted(engine, &stats);
    totals->compactions += stats.compactions;
    totals->merged_bytes += stats.compaction_read_bytes;
    assert_ok(engine_close(engine, NULL));
    size_t operations = disk_operations(first.disk);
    for (size_t i = 0; i <= operations; i++) {
        for (int j = 0; j < STATES; j++, totals->states++) {
            struct simulation again;
            struct crash crash = draw_crash(first.disk, i, seed);
            restart(&again, &first, &crash);
            engine = open_engine(&again, j % 2 == 0 ? &before : &after);
            size_t found = count_puts(engine);
            if (found < count + (i >= durable_at) || found > count + 1) {
                disk_print_crash(life->sim.disk, lost, stdout);
                disk_print_crash(first.disk, &crash, stdout);
                fail_msg("%zu puts are there, of %zu", found, count);
            }
            put(engine, found + 1, DURABILITY_NONE);
            assert_ok(engine_flush(engine, NULL));
            assert_int_equal(count_puts(engine), found + 1);
            assert_ok(engine_close(engine, NULL));
            disk_free(again.disk);
        }
    }
    disk_free(first.disk);
}

static void there_and_back(void **state) {
    (void)state;
    uint64_t seed = test_seed();
    struct totals totals = {0};
    for (int run = 0; run < 4; run++) {
        static struct life life;
        live(&life, random_next(&seed));
        size_t operations = disk_operations(life.sim.disk);
        for (int i = 0; i <= STARTS; i++) {
            size_t operation =
                i == STARTS ? operations : random_below(&seed, operations + 1);
            struct crash lost = draw_crash(life.sim.disk, operation, &seed);
            upgrade(&life, &lost, &seed, &totals);
        }
        simulation_end(&life.sim);
    }
    printf("states=%zu compactions=%" PRIu64 " merged=%" PRIu64 "\n", totals.states,
           totals.compactions, totals.merged_bytes);
    assert_true(totals.states > 2000);
    assert_true(totals.compactions > 20 && totals.merged_bytes > 20000);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(there_and_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
