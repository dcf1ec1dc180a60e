/* compact: what was overwritten or deleted gives its room back. */
#include <stdlib.h>
#include <string.h>

#include "terminal.h"

/* Where the program is of a stage without compaction it says so. */
static bool has_compact(void) {
    struct result result = {0};
    bool has = stage_number(&result) >= 5;
    if (!has) {
        RUN(&result, "compact");
        expect_error(&result, 2, "has no compaction, it comes with stage 05");
    }
    result_free(&result);
    return has;
}

static uint64_t statistic(const char *dir, const char *name) {
    struct result result = {0};
    char row[64];
    RUN(&result, "-d", dir, "stats");
    expect_code(&result, 0);
    snprintf(row, sizeof row, "\n%s ", name);
    const char *found = strstr(out_text(&result), row);
    assert_non_null(found);
    uint64_t value = strtoull(found + strlen(row), NULL, 10);
    result_free(&result);
    return value;
}

/* `times` tables, each with all of the keys from `from` to before `to`. */
static void overwrite(const char *dir, int times, int from, int to) {
    struct result result = {0};
    struct buf lines = {0};
    for (int i = 0; i < times; i++) {
        buf_clear(&lines);
        for (int j = from; j < to; j++) {
            assert_int_equal(buf_printf(&lines, "key%05d\tvalue%d %d\n", j, i, i * j),
                             STATUS_OK);
        }
        RUN_WITH(&result, buf_slice(&lines), "-d", dir, "--durability", "none",
                 "--level0-tables", "100", "--level0-slow-tables", "110",
                 "--level0-stop-tables", "120", "import");
        expect_code(&result, 0);
        RUN(&result, "-d", dir, "--level0-tables", "100", "--level0-slow-tables", "110",
            "--level0-stop-tables", "120", "flush");
        expect_code(&result, 0);
    }
    buf_free(&lines);
    result_free(&result);
}

static void gives_room_back(void **state) {
    (void)state;
    if (!has_compact()) {
        return;
    }
    struct result result = {0};
    overwrite("room", 3, 0, 2000);
    assert_int_equal(statistic("room", "tables"), 3);
    uint64_t before = statistic("room", "table_bytes");
    struct terminal terminal;
    TERMINAL_OPEN(&terminal, "-d", "room", "compact");
    terminal_expect(&terminal, " in 3 tables → ");
    terminal_expect(&terminal, " in 1 table");
    assert_int_equal(terminal_wait(&terminal), 0);
    terminal_close(&terminal);
    assert_int_equal(statistic("room", "tables"), 1);
    assert_true(statistic("room", "table_bytes") < before / 2);
    RUN(&result, "-d", "room", "get", "key00007");
    expect_out(&result, "value2 14");
    RUN(&result, "-d", "room", "verify");
    expect_code(&result, 0);
    RUN(&result, "-d", "room", "levels", "--replay");
    expect_code(&result, 0);
    assert_non_null(strstr(out_text(&result), " 3 tables "));
    assert_non_null(strstr(out_text(&result), " → 1 table "));
    result_free(&result);
}

/* Nobody but a person at a terminal is told. What is in memory only goes along. */
static void of_all_that_was_deleted(void **state) {
    (void)state;
    if (!has_compact()) {
        return;
    }
    struct result result = {0};
    RUN(&result, "-d", "gone", "put", "apple", "red");
    RUN(&result, "-d", "gone", "compact");
    expect_out(&result, "");
    assert_int_equal(result.err.length, 0);
    RUN(&result, "-d", "gone", "del", "apple");
    RUN(&result, "-d", "gone", "compact");
    expect_out(&result, "");
    assert_int_equal(statistic("gone", "tables"), 0);
    RUN(&result, "-d", "gone", "levels");
    expect_out(&result, "gone: nobody has it open\nno tables\n");
    result_free(&result);
}

static void of_a_range(void **state) {
    (void)state;
    if (!has_compact()) {
        return;
    }
    struct result result = {0};
    overwrite("range", 2, 500, 600);
    RUN(&result, "-d", "range", "compact");
    overwrite("range", 2, 0, 100);
    RUN(&result, "-d", "range", "compact", "--from", "key00500", "--to", "key00501");
    RUN(&result, "-d", "range", "levels");
    assert_non_null(strstr(out_text(&result), "level 0      2 tables "));
    RUN(&result, "-d", "range", "compact", "--from", "key00099");
    RUN(&result, "-d", "range", "levels");
    assert_non_null(strstr(out_text(&result), "level 0      0 tables "));
    result_free(&result);
}

static void of_no_database(void **state) {
    (void)state;
    if (!has_compact()) {
        return;
    }
    struct result result = {0};
    RUN(&result, "-d", "none", "compact");
    expect_error(&result, 2, "none");
    assert_false(exists("none"));
    RUN(&result, "-d", "none", "compact", "now");
    expect_error(&result, 2, "compact: too many arguments");
    RUN(&result, "compact", "--help");
    expect_code(&result, 0);
    assert_non_null(strstr(out_text(&result), "--from"));
    result_free(&result);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_room_back),
        cmocka_unit_test(of_all_that_was_deleted),
        cmocka_unit_test(of_a_range),
        cmocka_unit_test(of_no_database),
    };
    return cmocka_run_group_tests(tests, run_setup, run_teardown);
}
