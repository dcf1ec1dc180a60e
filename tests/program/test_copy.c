/* checkpoint, backup and restore, as a person uses them. */
#include <string.h>
#include <sys/stat.h>

#include "terminal.h"

/* Where the program is of an earlier stage it says so. */
static bool has_copies(void) {
    struct result result = {0};
    bool has = stage_number(&result) >= 7;
    if (!has) {
        RUN(&result, "checkpoint", "there");
        expect_error(&result, 2, "has no checkpoint, it comes with stage 07");
        RUN(&result, "backup", "there");
        expect_error(&result, 2, "has no backup, it comes with stage 07");
        RUN(&result, "restore", "there");
        expect_error(&result, 2, "has no restore, it comes with stage 07");
    }
    result_free(&result);
    return has;
}

static void checkpoints(void **state) {
    (void)state;
    if (!has_copies()) {
        return;
    }
    struct result result = {0};
    struct stat table;
    RUN(&result, "-d", "fruit", "put", "apple", "red");
    RUN(&result, "-d", "fruit", "checkpoint", "copy");
    expect_out(&result, "");
    expect_code(&result, 0);
    RUN(&result, "-d", "fruit", "put", "apple", "green");
    RUN(&result, "-d", "copy", "get", "apple");
    expect_out(&result, "red");
    RUN(&result, "-d", "copy", "verify");
    expect_code(&result, 0);
    RUN(&result, "-d", "fruit", "get", "apple");
    expect_out(&result, "green");
    assert_false(exists("copy.unfinished"));
    RUN(&result, "-d", "fruit", "checkpoint", "copy");
    expect_error(&result, 2, "copy: it is there already");
    RUN(&result, "-d", "fruit", "checkpoint", "nowhere/copy");
    expect_error(&result, 2, "there is no directory nowhere");
    RUN(&result, "-d", "fruit", "checkpoint");
    expect_code(&result, 2);
    RUN(&result, "-d", "none", "checkpoint", "copy2");
    expect_error(&result, 2, "none");
    struct terminal terminal;
    TERMINAL_OPEN(&terminal, "-d", "fruit", "checkpoint", "seen");
    terminal_expect(&terminal, "seen: all up to sequence 2, verified");
    assert_int_equal(terminal_wait(&terminal), 0);
    terminal_close(&terminal);
    assert_int_equal(stat("seen", &table), 0);
    result_free(&result);
}

static void backups(void **state) {
    (void)state;
    if (!has_copies()) {
        return;
    }
    struct result result = {0};
    RUN(&result, "-d", "store", "put", "apple", "red");
    RUN(&result, "-d", "store", "backup", "row");
    expect_out(&result, "000001\n");
    RUN(&result, "-d", "store", "put", "pear", "yellow");
    RUN(&result, "-d", "store", "backup", "row");
    expect_out(&result, "000002\n");
    RUN(&result, "backup", "--list", "row");
    expect_code(&result, 0);
    assert_non_null(strstr(out_text(&result), "000001  sequence 1  1 tables  "));
    assert_non_null(strstr(out_text(&result), "\n000002  sequence 2  2 tables  "));
    RUN(&result, "-d", "first", "restore", "row/000001");
    expect_out(&result, "");
    expect_code(&result, 0);
    RUN(&result, "-d", "first", "get", "pear");
    expect_code(&result, 1);
    remove_tree("row/000001"); /* the second keeps what they shared */
    RUN(&result, "-d", "newest", "restore", "row");
    expect_code(&result, 0);
    RUN(&result, "-d", "newest", "scan");
    expect_out(&result, "apple\tred\npear\tyellow\n");
    RUN(&result, "-d", "newest", "restore", "row");
    expect_error(&result, 2, "newest: it is there already");
    RUN(&result, "-d", "other", "restore", "nowhere");
    expect_error(&result, 2, "nowhere");
    RUN(&result, "-d", "store", "backup", "newest");
    expect_error(&result, 2, "not a directory of backups");
    RUN(&result, "-d", "none", "backup", "row");
    expect_error(&result, 2, "none");
    RUN(&result, "backup", "--list", "nowhere");
    expect_error(&result, 2, "nowhere");
    result_free(&result);
}

/* A damaged backup is not restored, and says where it is damaged. */
static void damaged(void **state) {
    (void)state;
    if (!has_copies()) {
        return;
    }
    struct result result = {0};
    struct buf bytes = {0};
    RUN(&result, "-d", "kept", "put", "apple", "red");
    RUN(&result, "-d", "kept", "backup", "bad");
    expect_code(&result, 0);
    const char *table = NULL;
    char path[64];
    for (unsigned number = 1; table == NULL && number < 50; number++) {
        snprintf(path, sizeof path, "bad/000001/%06u.ldb", number);
        table = exists(path) ? path : NULL;
    }
    assert_non_null(table);
    read_file(table, &bytes);
    bytes.data[3] ^= 1;
    write_file(table, buf_slice(&bytes));
    RUN(&result, "-d", "never", "restore", "bad");
    expect_error(&result, 3, ".ldb");
    assert_false(exists("never"));
    assert_false(exists("never.unfinished"));
    buf_free(&bytes);
    result_free(&result);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checkpoints),
        cmocka_unit_test(backups),
        cmocka_unit_test(damaged),
    };
    return cmocka_run_group_tests(tests, run_setup, run_teardown);
}
