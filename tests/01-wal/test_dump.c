/* What dump prints, line by line. */
#include "simulation.h"

static void keep(void *context, const char *line) {
    assert_ok(buf_append_text(context, line));
    assert_ok(buf_append_text(context, "\n"));
}

static void assert_dump(struct buf *log, enum status expected, const char *text) {
    struct simulation sim;
    struct buf lines = {0};
    struct error error = {0};
    assert_ok(buf_reserve(&lines, 1));
    simulation_begin(&sim);
    disk_put_file(sim.disk, "db/000001.log", buf_slice(log));
    uint64_t before = disk_fingerprint(sim.disk);
    assert_int_equal(kv_dump("db/000001.log", &sim.options, keep, &lines, &error),
                     expected);
    if (expected != STATUS_OK) {
        assert_message_has(error, "db/000001.log: offset ");
    }
    assert_true(disk_fingerprint(sim.disk) == before);
    assert_int_equal(disk_open_handles(sim.disk), 0);
    assert_ok(buf_append(&lines, "", 1));
    assert_string_equal((const char *)lines.data, text);
    disk_free(sim.disk);
    scheduler_free(sim.scheduler);
    buf_free(&lines);
    buf_free(log);
}

static void test_golden(void **state) {
    (void)state;
    struct buf log = {0};
    const struct kv_op ops[] = {put_op("color", "blue\n\"x\""),
                                {KV_DELETE, slice_of("size"), {NULL, 0}},
                                put_op("", "")};
    add_mark(&log, 1);
    add_puts(&log, 1, 1);
    add_change(&log, 2, ops, 3);
    add_mark(&log, 5);
    add_zeros(&log, 100);
    assert_dump(&log, STATUS_OK,
                "       0  mark    changes up to 0 are durable\n"
                "      26  change  sequence 1, count 1\n"
                "            put \"k1\" = \"v1\"\n"
                "      52  change  sequence 2, count 3\n"
                "            put \"color\" = \"blue\\x0a\\x22x\\x22\"\n"
                "            delete \"size\"\n"
                "            put \"\" = \"\"\n"
                "      96  mark    changes up to 4 are durable\n"
                "     122  end\n");
}

static void test_damage(void **state) {
    (void)state;
    struct buf log = {0};
    add_mark(&log, 1);
    add_puts(&log, 1, 1);
    add_record(&log, slice_of("no change"));
    add_puts(&log, 2, 2);
    log.data[log.length - 1] ^= 1;
    assert_dump(&log, STATUS_CORRUPT,
                "       0  mark    changes up to 0 are durable\n"
                "      26  change  sequence 1, count 1\n"
                "            put \"k1\" = \"v1\"\n"
                "      52  record of 9 bytes that is no change: change is shorter than "
                "its header\n"
                "      68  damage  checksum mismatch\n"
                "   32768  end\n");
}

/* Recovery takes such a record for damage; so does the verdict here. */
static void test_no_change(void **state) {
    (void)state;
    struct buf log = {0};
    add_record(&log, slice_of("no change"));
    assert_dump(
        &log, STATUS_CORRUPT,
        "       0  record of 9 bytes that is no change: change is shorter than its "
        "header\n      16  end\n");
}

static void test_not_a_log(void **state) {
    (void)state;
    struct simulation sim;
    struct error error = {0};
    simulation_begin(&sim);
    disk_put_file(sim.disk, "db/CURRENT", slice_of("x"));
    assert_int_equal(kv_dump("db/CURRENT", &sim.options, keep, NULL, &error),
                     STATUS_INVALID);
    assert_message_has(error, "db/CURRENT: not a log");
    assert_int_equal(kv_dump("db/000009.log", &sim.options, keep, NULL, &error),
                     STATUS_NOT_FOUND);
    simulation_end(&sim);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_no_change),
        cmocka_unit_test(test_not_a_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
