/* flush: what is in memory goes into a table; and import, which flushes on its way. */
#include <stdlib.h>
#include <sys/stat.h>

#include "terminal.h"

/* Where the program is of a stage without tables it says so. */
static bool has_flush(void) {
    struct result result = {0};
    bool has = stage_number(&result) >= 3;
    if (!has) {
        RUN(&result, "flush");
        expect_error(&result, 2, "has no flush to tables, it comes with stage 03");
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

static void moves_the_log_into_a_table(void **state) {
    (void)state;
    if (!has_flush()) {
        return;
    }
    struct result result = {0};
    RUN(&result, "-d", "moves", "put", "apple", "red");
    RUN(&result, "-d", "moves", "put", "pear", "green");
    RUN(&result, "-d", "moves", "del", "apple");
    assert_int_equal(statistic("moves", "tables"), 0);
    assert_int_equal(statistic("moves", "recovered_changes"), 3);
    RUN(&result, "-d", "moves", "flush");
    expect_out(&result, "");
    assert_int_equal(statistic("moves", "tables"), 1);
    assert_true(statistic("moves", "table_bytes") > 0);
    assert_int_equal(statistic("moves", "recovered_changes"), 0);
    assert_int_equal(statistic("moves", "log_files"), 0);
    RUN(&result, "-d", "moves", "flush"); /* nothing to do */
    expect_out(&result, "");
    assert_int_equal(statistic("moves", "tables"), 1);
    RUN(&result, "-d", "moves", "export");
    expect_out(&result, "pear\tgreen\n");
    RUN(&result, "-d", "moves", "verify");
    expect_code(&result, 0);
    result_free(&result);
}

static void of_no_database(void **state) {
    (void)state;
    if (!has_flush()) {
        return;
    }
    struct result result = {0};
    RUN(&result, "-d", "none", "flush");
    expect_error(&result, 2, "none");
    assert_false(exists("none"));
    RUN(&result, "-d", "none", "flush", "now");
    expect_error(&result, 2, "flush: too many arguments");
    result_free(&result);
}

static void in_the_shell(void **state) {
    (void)state;
    if (!has_flush()) {
        return;
    }
    struct result result = {0};
    RUN_WITH(&result, slice_of("put a 1\nflush\nput b 2\nflush\nget a\nstats --json\n"),
             "-d", "shell", "shell");
    expect_code(&result, 0);
    assert_non_null(strstr(out_text(&result), "1\n{"));
    assert_non_null(strstr(out_text(&result), "\"flushes\": 2,"));
    assert_non_null(strstr(out_text(&result), "\"tables\": 2,"));
    assert_non_null(strstr(out_text(&result), "\"memtable_entries\": 0,"));
    result_free(&result);
}

static void completed_in_the_shell(void **state) {
    (void)state;
    if (!has_flush()) {
        return;
    }
    struct terminal terminal;
    assert_int_equal(mkdir("home", 0700), 0);
    setenv("HOME", "home", 1);
    setenv("TERM", "xterm", 1);
    TERMINAL_OPEN(&terminal, "-d", "typed", "shell");
    terminal_expect(&terminal, "> ");
    terminal_type(&terminal, "put k v\r");
    terminal_expect(&terminal, "> ");
    terminal_type(&terminal, "f\t\r");
    terminal_expect(&terminal, "\r\n"); /* completed and run */
    terminal_expect(&terminal, "> ");
    terminal_type(&terminal, "\x04");
    assert_int_equal(terminal_wait(&terminal), 0);
    terminal_close(&terminal);
    assert_int_equal(statistic("typed", "tables"), 1);
}

/* More than a small write buffer holds; a person sees how far it has come, and at the end
 * what was done. */
static void import_flushes(void **state) {
    (void)state;
    enum { LINES = 100000 };
    struct buf lines = {0};
    for (int i = 0; i < LINES; i++) {
        assert_int_equal(buf_printf(&lines, "key%06d\tvalue%d\n", i * 7919 % LINES, i),
                         STATUS_OK);
    }
    write_file("many.tsv", buf_slice(&lines));
    buf_free(&lines);
    bool flushes = has_flush();
    struct terminal terminal;
    if (flushes) {
        TERMINAL_OPEN(&terminal, "-d", "many", "--durability", "none",
                      "--write-buffer-bytes", "1m", "import", "many.tsv");
    } else {
        TERMINAL_OPEN(&terminal, "-d", "many", "--durability", "none", "import",
                      "many.tsv");
    }
    terminal_expect(&terminal, " %  ");
    terminal_expect(&terminal, " lines, ");
    terminal_expect(&terminal, "/s");
    terminal_expect(&terminal, "100,000 lines in ");
    terminal_expect(&terminal, flushes ? " flushes to tables" : " a second\r\n");
    assert_int_equal(terminal_wait(&terminal), 0);
    terminal_close(&terminal);
    if (flushes) {
        assert_true(statistic("many", "tables") > 1);
    }
    struct result result = {0};
    RUN(&result, "-d", "many", "get", "key007919");
    expect_out(&result, "value1");
    result_free(&result);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moves_the_log_into_a_table),
        cmocka_unit_test(of_no_database),
        cmocka_unit_test(in_the_shell),
        cmocka_unit_test(completed_in_the_shell),
        cmocka_unit_test(import_flushes),
    };
    return cmocka_run_group_tests(tests, run_setup, run_teardown);
}
