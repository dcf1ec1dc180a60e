/* verify names what is damaged and changes nothing; repair saves all that is intact, and
 * can be cut off anywhere. */
#include "simulation.h"

enum { CHANGES = 60, VALUE_BYTES = 5000, LINES_MAX = 64 };

struct lines {
    char text[LINES_MAX][200];
    size_t count;
};

static void keep_line(void *context, const char *line) {
    struct lines *lines = context;
    assert_true(lines->count < LINES_MAX);
    snprintf(lines->text[lines->count++], 200, "%.199s", line);
}

static bool has_line(const struct lines *lines, const char *words) {
    for (size_t i = 0; i < lines->count; i++) {
        if (strstr(lines->text[i], words) != NULL) {
            return true;
        }
    }
    return false;
}

/* A database of two logs, of ten blocks in all; it outlives no simulation. */
static void fill(struct simulation *sim) {
    static unsigned char value[VALUE_BYTES];
    simulation_begin(sim);
    sim->options.log_bytes = 5 * LOG_BLOCK_BYTES;
    struct kv *kv = open_store(sim);
    struct kv_write_options options = {.durability = DURABILITY_NONE};
    for (uint64_t i = 1; i <= CHANGES; i++) {
        char key[24];
        snprintf(key, sizeof key, "k%" PRIu64, i);
        memset(value, (int)i, sizeof value);
        assert_ok(
            kv_put(kv, slice_of(key), slice_make(value, sizeof value), &options, NULL));
        if (i % 7 == 0) {
            assert_ok(kv_sync(kv, NULL));
        }
    }
    assert_ok(kv_close(kv, NULL));
}

/* How many of the changes are there; each that is is whole. */
static size_t count_saved(struct simulation *sim, bool saved[CHANGES + 1]) {
    struct kv *kv = open_store(sim);
    size_t count = 0;
    for (uint64_t i = 1; i <= CHANGES; i++) {
        char key[24];
        struct buf value = {0};
        snprintf(key, sizeof key, "k%" PRIu64, i);
        enum status status = kv_get(kv, slice_of(key), &value, NULL, NULL);
        saved[i] = status == STATUS_OK;
        assert_true(saved[i] || status == STATUS_NOT_FOUND);
        if (saved[i]) {
            assert_int_equal(value.length, VALUE_BYTES);
            for (size_t n = 0; n < value.length; n++) {
                assert_int_equal(value.data[n], (unsigned char)i);
            }
            count++;
        }
        buf_free(&value);
    }
    assert_ok(kv_close(kv, NULL));
    return count;
}

/* Flips a bit in the middle of a block of the first log. */
static void damage(struct simulation *sim, size_t block) {
    uint64_t byte = block * LOG_BLOCK_BYTES + 16000;
    assert_true(disk_flip_bit(sim->disk, "db/000001.log", byte * 8 + 3));
}

static void test_verify_of_a_healthy_database(void **state) {
    (void)state;
    struct simulation sim;
    struct lines lines = {0};
    fill(&sim);
    uint64_t before = disk_fingerprint(sim.disk);
    assert_ok(kv_verify("db", &sim.options, keep_line, &lines, NULL));
    assert_true(has_line(&lines, "ok: 60 changes"));
    assert_false(has_line(&lines, "damage"));
    assert_true(disk_fingerprint(sim.disk) == before);
    simulation_end(&sim);
}

static void test_verify_names_the_damage(void **state) {
    (void)state;
    for (size_t block = 0; block < 4; block++) {
        struct simulation sim;
        struct lines lines = {0};
        struct error error = {0};
        fill(&sim);
        damage(&sim, block);
        uint64_t before = disk_fingerprint(sim.disk);
        assert_int_equal(kv_verify("db", &sim.options, keep_line, &lines, &error),
                         STATUS_CORRUPT);
        assert_message_has(error, "db/000001.log: offset ");
        assert_message_has(error, "checksum mismatch");
        uint64_t offset = strtoull(strstr(error.message, "offset ") + 7, NULL, 10);
        uint64_t byte = block * LOG_BLOCK_BYTES + 16000;
        assert_true(offset <= byte && byte - offset < VALUE_BYTES + 100);
        assert_true(has_line(&lines, "000001.log: offset "));
        assert_true(has_line(&lines, "records can be read behind the damage"));
        assert_true(disk_fingerprint(sim.disk) == before);
        simulation_end(&sim);
    }
}

static void test_verify_of_an_unsynced_tail(void **state) {
    (void)state;
    struct simulation sim;
    struct lines lines = {0};
    struct buf log = {0};
    simulation_begin(&sim);
    disk_put_file(sim.disk, "db/LOCK", slice_of(""));
    add_mark(&log, 1);
    add_puts(&log, 1, 2);
    char place[64];
    snprintf(place, sizeof place, "000001.log: offset %zu: fragment header", log.length);
    add_bytes(&log, "torn", 4);
    place_log(&sim, 1, &log);
    uint64_t before = disk_fingerprint(sim.disk);
    assert_ok(kv_verify("db", &sim.options, keep_line, &lines, NULL));
    assert_true(has_line(&lines, place));
    assert_true(has_line(&lines, "ok: 2 changes"));
    assert_true(disk_fingerprint(sim.disk) == before);
    simulation_end(&sim);
}

static void test_repair_leaves_a_healthy_database_alone(void **state) {
    (void)state;
    struct simulation sim;
    struct lines lines = {0};
    fill(&sim);
    size_t operations = disk_operations(sim.disk);
    uint64_t before = disk_fingerprint(sim.disk);
    assert_ok(kv_repair("db", &sim.options, keep_line, &lines, NULL));
    assert_true(has_line(&lines, "nothing was changed"));
    assert_int_equal(disk_operations(sim.disk), operations);
    assert_true(disk_fingerprint(sim.disk) == before);
    simulation_end(&sim);
}

/* Damage costs the records of its own block from there on and the one that runs on into
 * the next; all others are saved. */
static void test_repair_saves_what_is_intact(void **state) {
    (void)state;
    for (size_t block = 0; block < 5; block++) {
        struct simulation sim;
        struct lines lines = {0};
        struct kv *kv = NULL;
        bool saved[CHANGES + 1];
        fill(&sim);
        damage(&sim, block);
        assert_int_equal(kv_open("db", &sim.options, &kv, NULL), STATUS_CORRUPT);
        assert_ok(kv_repair("db", &sim.options, keep_line, &lines, NULL));
        assert_true(has_file(&sim, "db/lost/000001.log"));
        assert_true(has_file(&sim, "db/lost/000002.log"));
        assert_false(has_file(&sim, "db/000001.log"));
        assert_false(has_file(&sim, "db/000002.log"));
        lose_power(&sim, false); /* it was durable when repair returned */
        size_t count = count_saved(&sim, saved);
        for (uint64_t i = 1; i <= CHANGES; i++) {
            /* Where the change stands, to a few hundred bytes of headers and marks. */
            uint64_t behind = i * (VALUE_BYTES + 50);
            uint64_t before = (i - 1) * (VALUE_BYTES + 20);
            if (behind < block * LOG_BLOCK_BYTES + 16000 - VALUE_BYTES ||
                before > (block + 1) * LOG_BLOCK_BYTES) {
                if (!saved[i]) {
                    fail_msg("block %zu damaged: k%" PRIu64 " is lost", block, i);
                }
            }
        }
        assert_true(count < CHANGES && count >= CHANGES - 6);
        simulation_end(&sim);
    }
}

/* Cut off before any operation, by the death of the process (everything written is there)
 * or by the loss of power (nothing unsynced is): it is refused or untouched, and repair
 * run again saves the same. */
static void test_repair_cut_off_anywhere(void **state) {
    (void)state;
    struct simulation sim;
    struct lines lines = {0};
    bool saved[CHANGES + 1], again[CHANGES + 1];
    fill(&sim);
    lose_power(&sim, true);
    damage(&sim, 1);
    struct disk *start = sim.disk;
    size_t from = disk_operations(start);
    assert_ok(kv_repair("db", &sim.options, keep_line, &lines, NULL));
    size_t to = disk_operations(start);
    assert_true(to - from > 10);
    struct crash crash = {.profile = DISK_POSIX, .operation = to};
    simulation_use(&sim, disk_crash(start, &crash));
    size_t count = count_saved(&sim, saved);
    disk_free(sim.disk);
    for (size_t at = from; at <= to; at++) {
        for (int keep = 0; keep < 2; keep++) {
            struct kv *kv = NULL;
            lines.count = 0;
            crash.operation = at;
            memset(crash.fates, keep ? FATE_KEPT : FATE_LOST, sizeof crash.fates);
            simulation_use(&sim, disk_crash(start, &crash));
            enum status status = kv_open("db", &sim.options, &kv, NULL);
            assert_true(status == STATUS_CORRUPT || status == STATUS_OK);
            assert_true(status != STATUS_OK || at + 2 >= to); /* in place: done */
            assert_ok(kv_close(kv, NULL));
            assert_ok(kv_repair("db", &sim.options, keep_line, &lines, NULL));
            assert_int_equal(count_saved(&sim, again), count);
            assert_memory_equal(again + 1, saved + 1, CHANGES);
            assert_true(has_file(&sim, "db/lost/000001.log"));
            assert_true(has_file(&sim, "db/lost/000002.log"));
            disk_free(sim.disk);
        }
    }
    simulation_use(&sim, start);
    simulation_end(&sim);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verify_of_a_healthy_database),
        cmocka_unit_test(test_verify_names_the_damage),
        cmocka_unit_test(test_verify_of_an_unsynced_tail),
        cmocka_unit_test(test_repair_leaves_a_healthy_database_alone),
        cmocka_unit_test(test_repair_saves_what_is_intact),
        cmocka_unit_test(test_repair_cut_off_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
