/* The engine as a store: flushes, iterators over them, and what it does when the disk
 * fails it in the middle of one. */
#include "engine_faults.h"

/* ---- flushes --------------------------------------------------------------------- */

static size_t logs_of(struct simulation *sim) {
    size_t count = 0;
    for (uint64_t number = 1; number < 200; number++) {
        char name[NAME_BYTES], path[NAME_BYTES + 4];
        name_print(name, NAME_LOG, number);
        snprintf(path, sizeof path, "db/%s", name);
        count += has_file(sim, path);
    }
    return count;
}

static void a_full_buffer_becomes_a_table(void **state) {
    (void)state;
    struct simulation sim;
    simulation_begin(&sim);
    sim.options.write_buffer_bytes = 3000;
    struct kv *kv = open_store(&sim);
    uint64_t last = 0;
    for (uint64_t flushes = 1; flushes <= 5; flushes++) {
        while (stats_of(kv).flushes < flushes) {
            struct kv_stats before = stats_of(kv);
            put_number(kv, ++last, DURABILITY_NONE);
            bool full = before.memtable_bytes >= 3000;
            assert_int_equal(stats_of(kv).flushes, before.flushes + full);
        }
        struct kv_stats stats = stats_of(kv);
        assert_int_equal(stats.tables, flushes);
        assert_int_equal(stats.memtable_entries, 1); /* the one that found it full */
        assert_int_equal(stats.log_files, 1);
        assert_int_equal(logs_of(&sim), 1);
        assert_true(stats.sequence_durable >= last - 1); /* the table's are */
        assert_numbers(kv, last);
        assert_survives(&sim, last - 1);
    }
    assert_ok(kv_close(kv, NULL));
    kv = open_store(&sim);
    struct kv_stats stats = stats_of(kv);
    assert_int_equal(stats.tables, 5);
    assert_int_equal(stats.recovered_changes, 1);
    assert_numbers(kv, last);
    assert_ok(kv_close(kv, NULL));
    simulation_end(&sim);
}

static void a_flush_of_nothing_does_nothing(void **state) {
    (void)state;
    struct simulation sim;
    simulation_begin(&sim);
    struct kv *kv = open_store(&sim);
    size_t operations = disk_operations(sim.disk);
    assert_ok(kv_flush(kv, NULL));
    assert_int_equal(disk_operations(sim.disk), operations);
    put_number(kv, 1, DURABILITY_NONE);
    assert_ok(kv_flush(kv, NULL));
    operations = disk_operations(sim.disk);
    assert_ok(kv_flush(kv, NULL));
    assert_int_equal(disk_operations(sim.disk), operations);
    assert_int_equal(stats_of(kv).tables, 1);
    assert_ok(kv_close(kv, NULL));
    simulation_end(&sim);
}

static void filter_bits_have_a_ceiling(void **state) {
    (void)state;
    struct simulation sim;
    simulation_begin(&sim);
    sim.options.filter_bits = UINT32_MAX;
    struct kv *kv = open_store(&sim);
    put_number(kv, 1, DURABILITY_NONE);
    assert_ok(kv_flush(kv, NULL));
    assert_int_equal(stats_of(kv).tables, 1);
    assert_numbers(kv, 1);
    assert_ok(kv_close(kv, NULL));
    simulation_end(&sim);
}

/* A deleted key stays away, and the newest value counts, wherever the others are. */
static void the_newest_is_found_anywhere(void **state) {
    (void)state;
    struct simulation sim;
    struct buf value = {0};
    simulation_begin(&sim);
    struct kv *kv = open_store(&sim);
    for (unsigned placed = 0; placed < 16; placed++) { /* which steps a flush follows */
        static const char *const values[] = {"old", NULL, "new", NULL};
        for (unsigned i = 0; i < 4; i++) {
            struct slice key = slice_of("k");
            if (values[i] != NULL) {
                assert_ok(kv_put(kv, key, slice_of(values[i]), NULL, NULL));
            } else {
                assert_ok(kv_delete(kv, key, NULL, NULL));
            }
            if ((placed & 1u << i) != 0) {
                assert_ok(kv_flush(kv, NULL));
            }
            enum status status = kv_get(kv, key, &value, NULL, NULL);
            struct iter *iter;
            assert_ok(kv_iter(kv, NULL, &iter, NULL));
            assert_int_equal(count_forwards(iter), values[i] != NULL);
            iter_close(iter);
            assert_int_equal(status, values[i] != NULL ? STATUS_OK : STATUS_NOT_FOUND);
            assert_true(values[i] == NULL ||
                        slice_equal(buf_slice(&value), slice_of(values[i])));
        }
    }
    buf_free(&value);
    assert_ok(kv_close(kv, NULL));
    simulation_end(&sim);
}

/* One change may be larger than a write buffer, and not larger than memory-bytes. */
static void a_change_over_memory_bytes(void **state) {
    (void)state;
    struct simulation sim;
    struct error error = {0};
    uint64_t sequence = 99;
    static char bytes[5000];
    memset(bytes, 'x', sizeof bytes);
    const struct kv_write_options write = {.sequence = &sequence};
    simulation_begin(&sim);
    sim.options.write_buffer_bytes = 1000;
    sim.options.memory_bytes = 3000;
    struct kv *kv = open_store(&sim);
    put_number(kv, 1, DURABILITY_NONE);
    size_t operations = disk_operations(sim.disk);
    assert_int_equal(kv_put(kv, slice_of("big"), slice_make(bytes, 5000), &write, &error),
                     STATUS_LIMIT);
    assert_message_has(error, "memory-bytes, 3000");
    assert_int_equal(sequence, 0);
    assert_int_equal(disk_operations(sim.disk), operations);
    assert_numbers(kv, 1);
    for (uint64_t i = 1; i <= 4; i++) { /* each in a buffer of its own */
        assert_ok(kv_put(kv, slice_of("big"), slice_make(bytes, 2500), &write, NULL));
        assert_int_equal(sequence, 1 + i);
    }
    assert_int_equal(stats_of(kv).flushes, 3);
    assert_ok(kv_close(kv, NULL));
    kv = open_store(&sim);
    struct buf value = {0};
    assert_ok(kv_get(kv, slice_of("big"), &value, NULL, NULL));
    assert_int_equal(value.length, 2500);
    buf_free(&value);
    assert_ok(kv_close(kv, NULL));
    simulation_end(&sim);
}

/* A log longer than a buffer goes into tables while it is replayed; also if the power
 * goes at any moment of that. */
static void a_long_history_becomes_tables(void **state) {
    (void)state;
    struct simulation sim;
    enum { LAST = 150 };
    simulation_begin(&sim);
    struct kv *kv = open_store(&sim);
    put_numbers(kv, 1, LAST, DURABILITY_NONE);
    assert_ok(kv_close(kv, NULL));
    sim.options.write_buffer_bytes = 2000;
    size_t from = disk_operations(sim.disk);
    kv = open_store(&sim);
    struct kv_stats stats = stats_of(kv);
    assert_true(stats.tables > 2);
    assert_int_equal(stats.recovered_changes, LAST);
    assert_int_equal(stats.memtable_entries, 0);
    assert_int_equal(stats.log_files, 0);
    assert_numbers(kv, LAST);
    for (size_t at = from; at <= disk_operations(sim.disk); at++) {
        struct simulation after = sim;
        const struct crash crash = {.profile = DISK_POSIX, .operation = at};
        simulation_use(&after, disk_crash(sim.disk, &crash));
        after.options.world = &after.world;
        struct kv *again = open_store(&after);
        assert_numbers(again, LAST);
        put_number(again, LAST + 1, DURABILITY_ALWAYS);
        assert_ok(kv_close(again, NULL));
        disk_free(after.disk);
    }
    assert_ok(kv_close(kv, NULL));
    simulation_end(&sim);
}

/* ---- several stores -------------------------------------------------------------- */

static void stores_do_not_meet(void **state) {
    (void)state;
    enum { STORES = 3, PUTS = 300 };
    static const char *const names[STORES] = {"red", "green", "blue"};
    struct simulation sim;
    struct kv *stores[STORES];
    struct buf value = {0};
    uint64_t seed = test_seed();
    simulation_begin(&sim);
    for (size_t i = 0; i < STORES; i++) {
        sim.options.write_buffer_bytes = 1000 + 1000 * i;
        assert_ok(kv_open(names[i], &sim.options, &stores[i], NULL));
    }
    for (size_t n = 0; n < PUTS; n++) {
        size_t i = random_below(&seed, STORES);
        char key[24];
        snprintf(key, sizeof key, "k%zu", n % 40);
        const struct kv_write_options none = {.durability = DURABILITY_NONE};
        assert_ok(kv_put(stores[i], slice_of(key), slice_of(names[i]), &none, NULL));
        if (random_below(&seed, 50) == 0) {
            assert_ok(kv_flush(stores[random_below(&seed, STORES)], NULL));
        }
    }
    for (size_t i = 0; i < STORES; i++) {
        struct iter *iter;
        size_t count = 0;
        assert_true(stats_of(stores[i]).flushes > 0);
        assert_ok(kv_iter(stores[i], NULL, &iter, NULL));
        for (iter_first(iter); iter->valid; iter_next(iter)) {
            assert_true(slice_equal(iter->value, slice_of(names[i])));
            count++;
        }
        assert_int_equal(iter->error.status, STATUS_OK);
        assert_in_range(count, 30, 40);
        iter_close(iter);
    }
    for (size_t i = 0; i < STORES; i++) {
        assert_ok(kv_close(stores[i], NULL));
    }
    buf_free(&value);
    simulation_end(&sim);
}

/* ---- iterators ------------------------------------------------------------------- */

static void write_over(struct kv *kv, uint64_t last) {
    const struct kv_write_options none = {.durability = DURABILITY_NONE};
    for (uint64_t i = 1; i <= last; i++) {
        char key[24];
        snprintf(key, sizeof key, "k%" PRIu64, i);
        assert_ok(i % 2 == 0 ? kv_delete(kv, slice_of(key), &none, NULL)
                             : kv_put(kv, slice_of(key), slice_of("other"), &none, NULL));
    }
}

static void assert_all_old(struct iter *iter, size_t count) {
    assert_int_equal(count_forwards(iter), count);
    for (iter_last(iter); iter->valid; iter_prev(iter)) {
        assert_int_equal(iter->value.data[0], 'v');
        count--;
    }
    assert_int_equal(count, 0);
}

/* What an iterator shows is one moment's, while buffers become tables under it, and the
 * store fails and is resumed. */
static void iterators_outlive_flushes_and_resume(void **state) {
    (void)state;
    struct simulation sim;
    struct iter *iters[4];
    simulation_begin(&sim);
    sim.options.max_open_files = 1;
    sim.options.block_cache_bytes = 0;
    struct kv *kv = open_store(&sim);
    put_numbers(kv, 1, 10, DURABILITY_NONE);
    assert_ok(kv_flush(kv, NULL));
    put_numbers(kv, 11, 20, DURABILITY_NONE);
    for (size_t i = 0; i < 4; i++) {
        assert_ok(kv_iter(kv, NULL, &iters[i], NULL));
        iter_seek(iters[i], slice_of("k13"));
    }
    assert_ok(kv_flush(kv, NULL));
    assert_all_old(iters[0], 20);
    write_over(kv, 20);
    assert_ok(kv_flush(kv, NULL));
    assert_all_old(iters[1], 20);
    fail_call(&sim, 1, FAULT_BEFORE, EIO, false);
    assert_int_equal(try_number(kv, 1, NULL), STATUS_IO);
    fail_nothing(&sim);
    assert_all_old(iters[2], 20);
    assert_resumes(kv);
    write_over(kv, 20);
    assert_ok(kv_flush(kv, NULL));
    for (size_t i = 0; i < 4; i++) {
        iter_next(iters[i]); /* from wherever it stands */
        assert_all_old(iters[i], 20);
        iter_close(iters[i]);
    }
    assert_ok(kv_close(kv, NULL));
    simulation_end(&sim);
}

/* ---- failures -------------------------------------------------------------------- */

static size_t syncs, names, directory_syncs;

/* The listing is begun with the first rename; what fails before that is tried again, in a
 * file of another number. */
static void judge_listing(struct simulation *sim, const struct flush_fault *met) {
    uint64_t number = 0;
    bool refused = false;
    if (sscanf(met->struck, "sync db/%" SCNu64 ".dbtmp", &number) == 1) {
        char path[40];
        snprintf(path, sizeof path, "db/%06" PRIu64 ".ldb", number);
        assert_false(has_file(sim, path));
        assert_int_equal(met->flushed, STATUS_IO);
        syncs++;
    } else if (strncmp(met->struck, "rename ", 7) == 0) {
        refused = true;
        names++;
    } else if (strcmp(met->struck, "sync directory db") == 0) {
        refused = true;
        directory_syncs++;
    }
    if (met->refused != refused) {
        fail_msg("\"%s\": %s", met->struck, met->refused ? "refused" : "not refused");
    }
}

static void faults_in_a_flush(void **state) {
    (void)state;
    const struct flush_plan plans[] = {{false, false}, {false, true}};
    syncs = names = directory_syncs = 0;
    for (size_t i = 0; i < 2; i++) {
        size_t faults = meet_all_faults(&plans[i], judge_listing);
        printf("%zu faults\n", faults);
    }
    assert_int_equal(syncs, 4); /* before and after its effect, two plans */
    assert_int_equal(names, 4);
    assert_int_equal(directory_syncs, 4);
}

static void a_full_disk(void **state) {
    (void)state;
    size_t in_flush = fill_disks();
    printf("%zu of 62 in a flush\n", in_flush);
    assert_in_range(in_flush, 5, 61);
}

static void assert_stopped(struct kv *kv, bool stopped) {
    struct kv_progress progress;
    kv_progress(kv, &progress);
    assert_int_equal(progress.stopped, stopped);
}

/* A log may have lost what it could not sync, whatever was acknowledged. The memory has
 * it, and resume begins with that. */
static void resume_believes_the_memory(void **state) {
    (void)state;
    struct simulation sim;
    simulation_begin(&sim);
    struct kv *kv = open_store(&sim);
    put_numbers(kv, 1, 10, DURABILITY_NONE);
    assert_stopped(kv, false);
    fail_call(&sim, 1, FAULT_BEFORE, EIO, false);
    assert_int_equal(kv_sync(kv, NULL), STATUS_IO);
    fail_nothing(&sim);
    assert_true(disk_flip_bit(sim.disk, "db/000001.log", 8 * 50));
    assert_numbers(kv, 10);
    assert_stopped(kv, true);
    assert_resumes(kv);
    assert_stopped(kv, false);
    assert_numbers(kv, 10);
    assert_survives(&sim, 10);
    put_numbers(kv, 11, 12, DURABILITY_ALWAYS);
    assert_numbers(kv, 12);
    assert_ok(kv_close(kv, NULL));
    simulation_end(&sim);
}

/* Whichever allocation fails: nothing is lost, and the next try goes on. */
static void no_memory_in_a_flush(void **state) {
    (void)state;
    bool failed = true;
    for (size_t n = 1; failed; n++) {
        struct simulation sim;
        simulation_begin(&sim);
        struct kv *kv = open_store(&sim);
        put_numbers(kv, 1, 20, DURABILITY_NONE);
        counted_memory_fail(n, false);
        enum status status = kv_flush(kv, NULL);
        failed = counted_memory_failed();
        counted_memory_fail(0, false);
        assert_true(status == STATUS_OK || status == STATUS_NO_MEMORY);
        assert_true(failed || status == STATUS_OK);
        assert_numbers(kv, 20);
        if (try_number(kv, 21, NULL) != STATUS_OK) {
            assert_resumes(kv);
            assert_ok(try_number(kv, 21, NULL));
        }
        assert_ok(kv_flush(kv, NULL));
        assert_numbers(kv, 21);
        assert_ok(kv_close(kv, NULL));
        simulation_end(&sim);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_buffer_becomes_a_table),
        cmocka_unit_test(a_flush_of_nothing_does_nothing),
        cmocka_unit_test(filter_bits_have_a_ceiling),
        cmocka_unit_test(the_newest_is_found_anywhere),
        cmocka_unit_test(a_change_over_memory_bytes),
        cmocka_unit_test(a_long_history_becomes_tables),
        cmocka_unit_test(stores_do_not_meet),
        cmocka_unit_test(iterators_outlive_flushes_and_resume),
        cmocka_unit_test(faults_in_a_flush),
        cmocka_unit_test(resume_believes_the_memory),
        cmocka_unit_test(a_full_disk),
        cmocka_unit_test(no_memory_in_a_flush),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
