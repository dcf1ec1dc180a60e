/* A repair of a listing: what can be read is there again, as new or as deleted as it was.
 * That a repair can be cut off anywhere is the harness's (repair.crash). */
#include "store.h"

enum { ROUNDS = 5, KEYS = 6 };

static const char *const paths[ROUNDS] = {
    "db/000003.ldb", "db/000006.ldb", "db/000008.ldb", "db/000010.ldb", "db/000012.ldb"};

/* Round r puts "kN" = "rN" for all N but r, which it deletes; a table each, and a log
 * with one change more. */
static void make_store(struct simulation *sim) {
    simulation_begin(sim);
    struct kv *kv = open_store(sim);
    for (int round = 0; round < ROUNDS; round++) {
        for (int n = 0; n < KEYS; n++) {
            char key[32], value[32];
            snprintf(key, sizeof key, "k%d", n);
            snprintf(value, sizeof value, "%d%d", round, n);
            if (n == round) {
                delete_text(kv, key);
            } else {
                put_text(kv, key, value);
            }
        }
        assert_ok(kv_flush(kv, NULL));
    }
    put_text(kv, "log", "yes");
    assert_ok(kv_close(kv, NULL));
    for (int round = 0; round < ROUNDS; round++) {
        assert_true(has_file(sim, paths[round]));
    }
}

static void assert_lines(struct simulation *sim, const char *words) {
    struct buf lines = {0};
    struct error error = {0};
    if (kv_repair("db", &sim->options, keep_line, &lines, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
    if (strstr(text_of(&lines), words) == NULL) {
        fail_msg("no \"%s\" in: %s", words, text_of(&lines));
    }
    buf_free(&lines);
}

/* Repairs, and finds what the rounds but `lost` left (ROUNDS: none is lost). */
static void assert_repaired(struct simulation *sim, int lost, const char *words) {
    struct kv *kv = NULL;
    struct error error = {0};
    struct buf lines = {0};
    assert_int_equal(kv_open("db", &sim->options, &kv, &error), STATUS_CORRUPT);
    assert_lines(sim, words);
    lose_power(sim, false);
    assert_ok(kv_verify("db", &sim->options, keep_line, &lines, &error));
    buf_clear(&lines);
    kv = open_store(sim);
    int newest = lost == ROUNDS - 1 ? ROUNDS - 2 : ROUNDS - 1;
    for (int n = 0; n < KEYS; n++) {
        char key[32], value[32];
        snprintf(key, sizeof key, "k%d", n);
        snprintf(value, sizeof value, "%d%d", newest, n);
        assert_text(kv, key, n == newest ? NULL : value);
    }
    assert_text(kv, "log", "yes");
    struct kv_progress progress;
    kv_progress(kv, &progress);
    assert_int_equal(progress.issued, ROUNDS * KEYS + 1); /* sequences are kept */
    put_text(kv, "after", "it");
    assert_ok(kv_close(kv, NULL));
    assert_ok(kv_repair("db", &sim->options, keep_line, &lines, &error));
    assert_string_equal(text_of(&lines), "nothing is damaged; nothing was changed\n");
    buf_free(&lines);
    simulation_end(sim);
}

static void a_damaged_table(void **state) {
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct simulation sim;
        char words[100];
        make_store(&sim);
        assert_true(disk_flip_bit(sim.disk, paths[round], 20 * 8));
        snprintf(words, sizeof words, "%s: offset 0: a block's checksum is wrong; this",
                 paths[round]);
        assert_repaired(&sim, round, words);
    }
}

/* The index, the footer, or the end of the file is gone: the blocks are there. */
static void a_table_without_index(void **state) {
    (void)state;
    for (size_t cut = 1; cut < 100; cut += 7) {
        struct simulation sim;
        make_store(&sim);
        size_t bytes = file_bytes(&sim, paths[4]).length;
        cut_file(&sim, paths[4], bytes - cut);
        assert_repaired(&sim, ROUNDS, "its blocks are looked for one by one");
    }
}

static void a_missing_table(void **state) {
    (void)state;
    for (int round = 0; round < ROUNDS - 1; round++) {
        struct simulation sim;
        make_store(&sim);
        assert_ok(file_remove(sim.world.files, paths[round], NULL));
        assert_ok(directory_sync(sim.world.files, "db", NULL));
        assert_repaired(&sim, round, "a table is missing");
    }
}

static void without_current(void **state) {
    (void)state;
    for (int garbage = 0; garbage < 2; garbage++) {
        struct simulation sim;
        make_store(&sim);
        if (garbage) {
            disk_put_file(sim.disk, "db/CURRENT", slice_of("LISTING"));
        } else {
            assert_ok(file_remove(sim.world.files, "db/CURRENT", NULL));
            assert_ok(directory_sync(sim.world.files, "db", NULL));
        }
        assert_repaired(&sim, ROUNDS, "all tables and logs are taken");
    }
}

/* Two tables that stand for the same changes are merged; so is the copy of a log. */
static void tables_that_overlap(void **state) {
    (void)state;
    struct simulation sim;
    struct buf copy = {0};
    make_store(&sim);
    assert_ok(buf_assign(&copy, file_bytes(&sim, paths[1])));
    disk_put_file(sim.disk, "db/000050.ldb", buf_slice(&copy));
    buf_free(&copy);
    assert_repaired(&sim, ROUNDS, "31 entries are saved, in 6 tables");
}

static void a_repair_of_logs_is_finished(void **state) {
    (void)state;
    struct simulation sim;
    struct buf log = {0};
    simulation_begin(&sim);
    add_mark(&log, 1);
    add_puts(&log, 1, 3);
    add_mark(&log, 4);
    disk_put_file(sim.disk, "db/LOCK", slice_of(""));
    disk_put_file(sim.disk, "db/000007.repaired", buf_slice(&log));
    buf_free(&log);
    assert_lines(&sim, "the database is 000007.log now");
    struct kv *kv = open_store(&sim);
    assert_numbers(kv, 3);
    assert_ok(kv_close(kv, NULL));
    simulation_end(&sim);
}

/* What a later stage began it has to finish. */
static void a_repair_of_a_later_stage(void **state) {
    (void)state;
    struct simulation sim;
    struct error error = {0};
    simulation_begin(&sim);
    disk_put_file(sim.disk, "db/CURRENT", slice_of("LISTING\n"));
    disk_put_file(sim.disk, "db/000007.repaired", slice_of("MANIFEST-000009\n"));
    assert_int_equal(kv_repair("db", &sim.options, keep_line, NULL, &error),
                     STATUS_INVALID);
    assert_message_has(error, "stage 04");
    assert_true(has_file(&sim, "db/000007.repaired"));
    simulation_end(&sim);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_damaged_table),
        cmocka_unit_test(a_table_without_index),
        cmocka_unit_test(a_missing_table),
        cmocka_unit_test(without_current),
        cmocka_unit_test(tables_that_overlap),
        cmocka_unit_test(a_repair_of_logs_is_finished),
        cmocka_unit_test(a_repair_of_a_later_stage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
