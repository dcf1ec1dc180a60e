/* levels: the tree of tables, drawn beside whoever has the database open. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "terminal.h"

/* Where the program is of a stage without levels it says so. */
static bool has_levels(void) {
    struct result result = {0};
    bool has = stage_number(&result) >= 5;
    if (!has) {
        RUN(&result, "levels");
        expect_error(&result, 2, "has no levels, it comes with stage 05");
    }
    result_free(&result);
    return has;
}

static void expect_has(const struct result *result, const char *words) {
    expect_code(result, 0);
    if (strstr(out_text(result), words) == NULL) {
        fail_msg("\"%s\" is not in:\n%s", words, out_text(result));
    }
}

static void make_database(struct result *result, const char *dir) {
    RUN(result, "-d", dir, "put", "apple", "red");
    RUN(result, "-d", dir, "put", "pear", "green");
    RUN(result, "-d", dir, "flush");
    expect_out(result, "");
}

static void of_a_database_at_rest(void **state) {
    (void)state;
    struct result result = {0};
    if (!has_levels()) {
        return;
    }
    RUN(&result, "-d", "rest", "put", "apple", "red");
    RUN(&result, "-d", "rest", "levels");
    expect_out(&result, "rest: nobody has it open\nno tables\n");
    make_database(&result, "rest");
    RUN(&result, "-d", "rest", "levels");
    expect_has(&result, "rest: nobody has it open\nlevel 0      1 table ");
    expect_has(&result, " of 4 tables   score 0.25\n  ├──");
    expect_has(&result, "\n  apple  ");
    assert_null(strchr(out_text(&result), '\033'));
    RUN_WITH(&result, slice_of("levels\n"), "-d", "rest", "shell");
    expect_has(&result, "rest: open here\n");
    expect_has(&result, "level 0      1 table ");
    result_free(&result);
}

static void of_no_database(void **state) {
    (void)state;
    struct result result = {0};
    if (!has_levels()) {
        return;
    }
    RUN(&result, "-d", "none", "levels");
    expect_error(&result, 2, "none: there is no such directory");
    RUN(&result, "-d", ".", "levels");
    expect_error(&result, 2, "no database here");
    make_database(&result, "hurt");
    write_file("hurt/CURRENT", slice_of("MANIFEST-999999\n"));
    RUN(&result, "-d", "hurt", "levels");
    expect_error(&result, 3, "MANIFEST-999999");
    result_free(&result);
}

static void the_wrong_options(void **state) {
    (void)state;
    struct result result = {0};
    if (!has_levels()) {
        return;
    }
    make_database(&result, "options");
    RUN(&result, "-d", "options", "levels", "--watch", "--replay");
    expect_error(&result, 2, "one of the two");
    RUN(&result, "-d", "options", "levels", "options/LOG");
    expect_error(&result, 2, "a file is for --replay");
    RUN(&result, "-d", "options", "levels", "--step");
    expect_error(&result, 2, "--step is for --replay");
    RUN(&result, "-d", "options", "levels", "--replay", "missing");
    expect_error(&result, 2, "missing");
    RUN_WITH(&result, slice_of("levels --replay --step\n"), "-d", "options", "shell");
    expect_error(&result, 2, "the shell's");
    RUN(&result, "levels", "--help");
    expect_has(&result, "--watch");
    result_free(&result);
}

static const char log_of_a_compaction[] =
    "2026/01/01-12:00:00 words of another\n"
    "{\"event\":\"tree\",\"write_buffer_bytes\":1000,\"level0_tables\":1,\"levels\":[[{"
    "\"table\":%u,\"bytes\":800,\"smallest\":\"apple\",\"largest\":\"pear\"}]]}\n"
    "{\"event\":\"frozen\",\"frozen\":1}\n"
    "{\"event\":\"compaction_begins\",\"work\":7,\"level\":0,\"output_level\":1,"
    "\"upper\":[%u],\"lower\":[],\"bytes\":800}\n"
    "\xff\xfe{{{{\"\n"
    "{\"event\":\"compaction\",\"work\":7,\"lev"; /* is being written */

/* The number of its one table, as it is drawn. */
static unsigned table_of(struct result *result, const char *dir) {
    RUN(result, "-d", dir, "levels");
    const char *box = strstr(out_text(result), "\n  ├");
    assert_non_null(box);
    return (unsigned)strtoul(box + strcspn(box, "0123456789"), NULL, 10);
}

/* Work under way is drawn while there is somebody who may be doing it. */
static void beside_who_has_it_open(void **state) {
    (void)state;
    struct result result = {0};
    struct child child;
    char words[64];
    char *log = malloc(2000);
    if (!has_levels()) {
        free(log);
        return;
    }
    make_database(&result, "live");
    unsigned table = table_of(&result, "live");
    remove_tree("live/LOG");
    CHILD_START(&child, "-d", "live", "shell");
    child_say(&child, "get apple\n");
    child_expect_line(&child, "red");
    snprintf(log, 2000, log_of_a_compaction, table, table);
    write_file("live/LOG", slice_of(log));

    RUN(&result, "-d", "live", "levels");
    snprintf(words, sizeof words, "has it open, process %d\n", (int)child.process);
    expect_has(&result, words);
    expect_has(&result, "\nmemory  ├ active ┤ ├ frozen ┤\n");
    expect_has(&result, " of 1 table    score 1.00\n  ╠══");
    expect_has(&result, "\ncompaction 7 is under way: level 0 to 1, 1 table 800 B\n");
    assert_int_equal(child_end(&child, 0), 0);

    write_file("live/LOG", slice_of(log)); /* as if it had died */
    RUN(&result, "-d", "live", "levels");
    expect_has(&result, "live: nobody has it open\nlevel 0");
    assert_null(strstr(out_text(&result), "╠"));
    RUN(&result, "-d", "live", "levels", "--replay");
    expect_has(&result, "the tree: 1 table 800 B\nmemory");
    expect_has(&result, "\n\ncompaction 7 begins: level 0 + 1, 1 table 800 B\nmemory");
    free(log);
    result_free(&result);
}

/* Bytes that mean nothing are passed over. */
static void a_log_of_rubbish(void **state) {
    (void)state;
    struct result result = {0};
    struct buf rubbish = {0};
    if (!has_levels()) {
        return;
    }
    make_database(&result, "rubbish");
    uint32_t seed = 7;
    for (int i = 0; i < 300000; i++) {
        unsigned char byte = (unsigned char)((seed = seed * 1664525 + 1013904223) >> 24);
        assert_int_equal(buf_append(&rubbish, &byte, 1), STATUS_OK);
    }
    write_file("rubbish/LOG", buf_slice(&rubbish));
    RUN(&result, "-d", "rubbish", "levels");
    expect_has(&result, "rubbish: nobody has it open\nlevel 0      1 table ");
    RUN(&result, "-d", "rubbish", "levels", "--replay");
    expect_out(&result, "");
    buf_free(&rubbish);
    result_free(&result);
}

static void watched_in_a_terminal(void **state) {
    (void)state;
    struct result result = {0};
    struct terminal terminal;
    if (!has_levels()) {
        return;
    }
    RUN(&result, "-d", "watched", "put", "apple", "red");
    TERMINAL_OPEN(&terminal, "-d", "watched", "levels", "--watch");
    terminal_expect(&terminal, "nobody has it open");
    terminal_expect(&terminal, "no tables");
    make_database(&result, "watched");
    terminal_expect(&terminal, "level 0      1 table ");
    terminal_expect(&terminal, "├─");
    terminal_type(&terminal, "\x03");
    assert_int_equal(terminal_wait(&terminal), 0);
    terminal_close(&terminal);

    struct child child; /* another signal is no way to end it that a person asked for */
    CHILD_START(&child, "-d", "watched", "levels", "--watch");
    child_expect_line(&child, "watched: nobody has it open");
    assert_int_equal(child_end(&child, SIGTERM), 130);
    result_free(&result);
}

static void stepped_through(void **state) {
    (void)state;
    struct result result = {0};
    if (!has_levels()) {
        return;
    }
    char *log = malloc(2000);
    snprintf(log, 2000, log_of_a_compaction, 3, 3);
    write_file("steps", slice_of(log));
    RUN(&result, "-d", ".", "levels", "--replay", "steps");
    expect_has(&result, "compaction 7 begins");
    RUN_WITH(&result, slice_of("\n"), "-d", ".", "levels", "--replay", "--step", "steps");
    expect_has(&result, "compaction 7 begins");
    RUN(&result, "-d", ".", "levels", "--replay", "--step", "steps"); /* no Enter */
    expect_has(&result, "the tree: 1 table 800 B\n");
    assert_null(strstr(out_text(&result), "compaction 7 begins"));
    free(log);
    result_free(&result);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_a_database_at_rest), cmocka_unit_test(of_no_database),
        cmocka_unit_test(the_wrong_options),     cmocka_unit_test(beside_who_has_it_open),
        cmocka_unit_test(a_log_of_rubbish),      cmocka_unit_test(watched_in_a_terminal),
        cmocka_unit_test(stepped_through),
    };
    return cmocka_run_group_tests(tests, run_setup, run_teardown);
}
