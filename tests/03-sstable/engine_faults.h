/* What the tests of an engine share, whichever catalog it has: faults in the middle of a
 * flush, a disk that fills up, and what must hold then.
 *
 * tidy: long because it is functions that the tests of several catalogs include. */
#ifndef STRATA_TESTS_ENGINE_FAULTS_H
#define STRATA_TESTS_ENGINE_FAULTS_H

#include "../01-wal/simulation.h"

static inline struct kv_stats stats_of(struct kv *kv) {
    struct kv_stats stats;
    kv_stats(kv, &stats);
    return stats;
}

static inline void put_numbers(struct kv *kv, uint64_t first, uint64_t last,
                               enum durability durability) {
    for (uint64_t i = first; i <= last; i++) {
        put_number(kv, i, durability);
    }
}

static inline enum status try_number(struct kv *kv, uint64_t i, struct error *error) {
    char key[24], value[24];
    snprintf(key, sizeof key, "k%" PRIu64, i);
    snprintf(value, sizeof value, "v%" PRIu64, i);
    return kv_put(kv, slice_of(key), slice_of(value), NULL, error);
}

static inline size_t count_forwards(struct iter *iter) {
    size_t count = 0;
    for (iter_first(iter); iter->valid; iter_next(iter)) {
        count++;
    }
    assert_int_equal(iter->error.status, STATUS_OK);
    return count;
}

static inline void assert_verified(struct simulation *sim) {
    struct error error = {0};
    if (kv_verify("db", &sim->options, NULL, NULL, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
}

/* assert_ok, with the words. */
static inline void assert_resumes(struct kv *kv) {
    struct error error = {0};
    if (kv_resume(kv, &error) != STATUS_OK) {
        fail_msg("resume: %s", error.message);
    }
}

/* Whether a copy of the disk, as it would be after a loss of power now, opens, holds all
 * up to `durable`, and is without fault. */
static inline void assert_survives(struct simulation *sim, uint64_t durable) {
    for (int keep = 0; keep < 2; keep++) {
        struct simulation after = *sim;
        struct crash crash = {.profile = DISK_POSIX,
                              .operation = disk_operations(sim->disk)};
        crash.piece_count = disk_pending(sim->disk, DISK_POSIX, crash.operation);
        memset(crash.fates, keep ? FATE_KEPT : FATE_LOST, sizeof crash.fates);
        simulation_use(&after, disk_crash(sim->disk, &crash));
        after.options.world = &after.world;
        struct kv *kv = open_store(&after);
        for (uint64_t i = 1; i <= durable; i++) {
            assert_true(has_number(kv, i));
        }
        assert_ok(kv_close(kv, NULL));
        assert_verified(&after);
        disk_free(after.disk);
    }
}

/* ---- a fault in a flush ---------------------------------------------------------- */

struct flush_fault {
    char struck[100]; /* "sync db/000005.dbtmp"; empty: there were fewer calls */
    enum status flushed;
    bool refused; /* the next write was, until a resume */
};

struct flush_plan {
    bool first;   /* of the open: what came before was closed */
    bool reopens; /* instead of resuming */
};

/* k1 … k10 are in a table, up to k20 are durable in the log, up to k25 are in the log,
 * when a flush meets a fault at its countdown-th call. */
static inline void meet_fault(struct simulation *sim, const struct flush_plan *plan,
                              size_t countdown, enum fault_effect effect,
                              struct flush_fault *met) {
    struct error error = {0};
    struct iter *iter;
    struct kv *kv = open_store(sim);
    put_numbers(kv, 1, 10, DURABILITY_ALWAYS);
    assert_ok(kv_flush(kv, NULL));
    put_numbers(kv, 11, 20, DURABILITY_ALWAYS);
    if (plan->first) {
        assert_ok(kv_close(kv, NULL));
        kv = open_store(sim);
    }
    put_numbers(kv, 21, 25, DURABILITY_NONE);
    assert_ok(kv_iter(kv, NULL, &iter, NULL));
    fail_call(sim, countdown, effect, EIO, false);
    met->flushed = kv_flush(kv, &error);
    const char *struck = disk_fault_struck(sim->disk);
    snprintf(met->struck, sizeof met->struck, "%s", struck == NULL ? "" : struck);
    fail_nothing(sim);
    assert_numbers(kv, 25); /* reads go on */
    assert_survives(sim, met->flushed == STATUS_OK ? 25 : 20);
    assert_true(met->flushed == STATUS_OK || error.message[0] != '\0');
    met->refused = try_number(kv, 26, &error) != STATUS_OK;
    if (met->refused) {
        assert_message_has(error, "writes are refused until resume or reopen");
        assert_int_equal(kv_flush(kv, &error), STATUS_IO);
        assert_int_equal(kv_sync(kv, &error), STATUS_IO);
        assert_numbers(kv, 25);
        assert_survives(sim, 20);
        if (plan->reopens) {
            iter_close(iter);
            assert_int_equal(kv_close(kv, NULL), STATUS_IO);
            kv = open_store(sim);
            assert_ok(kv_iter(kv, NULL, &iter, NULL));
        } else {
            assert_resumes(kv);
        }
        assert_survives(sim, 25); /* open, and resume, are final */
        assert_ok(try_number(kv, 26, NULL));
    }
    assert_numbers(kv, 26);
    assert_ok(kv_flush(kv, NULL));
    assert_int_equal(stats_of(kv).memtable_entries, 0);
    assert_numbers(kv, 26);
    assert_int_equal(count_forwards(iter), 25);
    assert_survives(sim, 26);
    iter_close(iter);
    assert_ok(kv_close(kv, NULL));
    kv = open_store(sim);
    assert_numbers(kv, 26);
    assert_ok(kv_close(kv, NULL));
    assert_verified(sim);
}

/* Fails each call of a flush, before and after its effect; `judge` looks at each. Answers
 * how many there were. */
static inline size_t meet_all_faults(const struct flush_plan *plan,
                                     void (*judge)(struct simulation *sim,
                                                   const struct flush_fault *met)) {
    static const enum fault_effect effects[] = {FAULT_BEFORE, FAULT_AFTER};
    size_t faults = 0;
    for (size_t i = 0; i < 2; i++) {
        struct flush_fault met = {.struck = "?"};
        for (size_t countdown = 1; met.struck[0] != '\0'; countdown++) {
            struct simulation sim;
            simulation_begin(&sim);
            meet_fault(&sim, plan, countdown, effects[i], &met);
            assert_true(met.struck[0] != '\0' || met.flushed == STATUS_OK);
            judge(&sim, &met);
            faults += met.struck[0] != '\0';
            simulation_end(&sim);
        }
    }
    return faults;
}

/* ---- a disk that fills up -------------------------------------------------------- */

struct measuring {
    struct disk *disk;
    size_t bytes;
};

static inline void measure(void *context, const char *path) {
    struct measuring *measuring = context;
    struct slice contents;
    if (disk_read_file(measuring->disk, path, &contents)) {
        measuring->bytes += contents.length;
    }
}

static inline size_t used_bytes(struct simulation *sim) {
    struct measuring measuring = {.disk = sim->disk};
    disk_list_files(sim->disk, measure, &measuring);
    return measuring.bytes;
}

/* Writes to a disk that has only so much room left. Answers whether it was a flush that
 * found it full. */
static inline bool fill_disk(size_t room) {
    struct simulation sim;
    struct error error = {0};
    uint64_t last = 60;
    enum status status;
    simulation_begin(&sim);
    sim.options.durability = DURABILITY_NONE;
    sim.options.write_buffer_bytes = 2000;
    sim.options.log_step_bytes = 512;
    struct kv *kv = open_store(&sim);
    put_numbers(kv, 1, last, DURABILITY_NONE);
    assert_true(stats_of(kv).flushes > 0);
    disk_set_capacity(sim.disk, used_bytes(&sim) + room);
    while ((status = try_number(kv, last + 1, &error)) == STATUS_OK) {
        assert_true(++last < 5000);
    }
    assert_int_equal(status, STATUS_NO_SPACE);
    assert_message_has(error, "db/");
    bool in_flush = strstr(error.message, ".log") == NULL;
    for (int i = 0; i < 5; i++) { /* it may be tried again, as often as one likes */
        status = try_number(kv, last + 1, &error);
        last += status == STATUS_OK;
        assert_true(status == STATUS_OK || status == STATUS_NO_SPACE);
        assert_numbers(kv, last);
        enum status flushed = kv_flush(kv, &error);
        assert_true(flushed == STATUS_OK || flushed == STATUS_NO_SPACE);
    }
    disk_set_capacity(sim.disk, SIZE_MAX);
    uint64_t flushes = stats_of(kv).flushes;
    put_numbers(kv, last + 1, last + 100, DURABILITY_NONE);
    last += 100;
    assert_true(stats_of(kv).flushes > flushes);
    assert_numbers(kv, last);
    assert_ok(kv_close(kv, NULL));
    assert_verified(&sim);
    lose_power(&sim, false);
    kv = open_store(&sim);
    assert_numbers(kv, last);
    assert_ok(kv_close(kv, NULL));
    simulation_end(&sim);
    return in_flush;
}

/* Answers in how many cases it was a flush that found it full. */
static inline size_t fill_disks(void) {
    size_t in_flush = 0;
    for (size_t room = 0; room < 6000; room += 97) {
        in_flush += fill_disk(room);
    }
    return in_flush;
}

#endif
