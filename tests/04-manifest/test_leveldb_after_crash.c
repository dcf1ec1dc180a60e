/* Strata loses the power, recovers, closes; then LevelDB reads the same contents. The
 * power goes on the simulated disk, whose files are then written out as real ones. */
#include "../01-wal/simulation.h"
#include "both.h"

struct writing {
    struct simulation *sim;
    const char *directory;
};

static void write_out(void *context, const char *path) {
    const struct writing *writing = context;
    if (strstr(path, "/lost/") != NULL) {
        return; /* no part of the database */
    }
    struct slice bytes = file_bytes(writing->sim, path);
    char to[200];
    snprintf(to, sizeof to, "%s/%s", writing->directory, path + strlen("db/"));
    FILE *file = fopen(to, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes.data, 1, bytes.length, file), bytes.length);
    assert_int_equal(fclose(file), 0);
}

/* Equal from the first entry to the last. */
static void expect_equal(struct kv *kv, struct leveldb_opened *opened) {
    leveldb_readoptions_t *options = leveldb_readoptions_create();
    leveldb_readoptions_set_verify_checksums(options, 1);
    leveldb_iterator_t *other = leveldb_create_iterator(opened->db, options);
    struct iter *iter = NULL;
    char *error = NULL;
    assert_ok(kv_iter(kv, NULL, &iter, NULL));
    leveldb_iter_seek_to_first(other);
    for (iter_first(iter); iter->valid; iter_next(iter)) {
        size_t key_length, length;
        assert_true(leveldb_iter_valid(other));
        const char *key = leveldb_iter_key(other, &key_length);
        const char *value = leveldb_iter_value(other, &length);
        assert_true(slice_equal(iter->key, slice_make(key, key_length)));
        assert_true(slice_equal(iter->value, slice_make(value, length)));
        leveldb_iter_next(other);
    }
    assert_int_equal(iter->error.status, STATUS_OK);
    assert_false(leveldb_iter_valid(other));
    leveldb_iter_get_error(other, &error);
    both_no_error(error);
    iter_close(iter);
    leveldb_iter_destroy(other);
    leveldb_readoptions_destroy(options);
}

/* Recovers at the crash; LevelDB gets the files of the store as it is, open or closed. */
static void compare_after(struct simulation *before, const struct crash *crash,
                          bool closed) {
    struct simulation after = *before;
    char directory[BOTH_PATH_BYTES];
    struct leveldb_opened opened;
    const struct leveldb_kind kind = {1 << 20, 4096, 16, 0, 1};
    after.options.world = &after.world;
    simulation_use(&after, disk_crash(before->disk, crash));
    struct kv *kv = open_store(&after);
    if (closed) {
        assert_ok(kv_close(kv, NULL));
    }
    both_directory(directory);
    struct writing writing = {&after, directory};
    disk_list_files(after.disk, write_out, &writing);
    leveldb_begin(&opened, directory, &kind, false);
    if (closed) {
        kv = open_store(&after);
    }
    expect_equal(kv, &opened);
    leveldb_end(&opened);
    assert_ok(kv_close(kv, NULL));
    both_remove(directory);
    disk_free(after.disk);
}

static void leveldb_reads_what_was_recovered(void **state) {
    (void)state;
    uint64_t seed = test_seed();
    for (int run = 0; run < 40; run++) {
        static struct both both;
        struct simulation sim;
        both = (struct both){.seed = random_next(&seed)};
        simulation_begin(&sim);
        sim.options.durability = DURABILITY_NONE;
        sim.options.write_buffer_bytes = run % 2 == 0 ? 20000 : 4 << 20;
        sim.options.log_bytes = run % 4 < 2 ? 10000 : 1 << 20;
        struct kv *kv = open_store(&sim);
        for (uint64_t n = 1 + random_below(&both.seed, 4); n > 0; n--) {
            strata_write_some(kv, &both, 1 + random_below(&both.seed, 60));
            if (random_below(&both.seed, 3) == 0) {
                assert_ok(kv_sync(kv, NULL));
            }
            if (random_below(&both.seed, 4) == 0) {
                assert_ok(kv_flush(kv, NULL));
            }
        }
        size_t operations = disk_operations(sim.disk);
        struct crash crash = {.profile = run % 3 == 0 ? DISK_EXT4 : DISK_POSIX,
                              .operation =
                                  operations - random_below(&seed, operations / 4 + 1)};
        crash.piece_count = disk_pending(sim.disk, crash.profile, crash.operation);
        for (size_t i = 0; i < CRASH_PIECES_MAX; i++) {
            crash.fates[i] = (unsigned char)random_below(&seed, FATE_COUNT);
        }
        compare_after(&sim, &crash, run % 5 < 3);
        assert_ok(kv_close(kv, NULL));
        simulation_end(&sim);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leveldb_reads_what_was_recovered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
