/* Directories that are not what the program expects: missing, foreign, held, read-only,
 * full, damaged. */
#include "run.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const reading[][4] = {{"get", "k"}, {"scan"},  {"export"},
                                         {"stats"},    {"sync"},  {"del", "k"},
                                         {"verify"},   {"repair"}};

enum { READING = sizeof reading / sizeof reading[0] };

static void run_reading(struct result *result, const char *dir, size_t index) {
    RUN(result, "-d", dir, reading[index][0], reading[index][1]);
}

static void missing(void **state) {
    (void)state;
    struct result result = {0};
    for (size_t i = 0; i < READING; i++) {
        run_reading(&result, "gone", i);
        expect_error(&result, 2, "gone: there is no such directory");
        assert_false(exists("gone"));
    }
    RUN(&result, "-d", "gone/deeper", "put", "k", "v");
    expect_error(&result, 2, "gone");
    assert_false(exists("gone"));
    result_free(&result);
}

/* Nothing is put into an empty directory by a command that reads; put may have it. */
static void empty(void **state) {
    (void)state;
    struct result result = {0};
    assert_int_equal(mkdir("empty", 0700), 0);
    for (size_t i = 0; i < READING; i++) {
        run_reading(&result, "empty", i);
        expect_error(&result, 2, "empty: no database here");
        assert_int_equal(rmdir("empty"), 0);
        assert_int_equal(mkdir("empty", 0700), 0);
    }
    RUN(&result, "-d", "empty", "put", "k", "v");
    expect_out(&result, "");
    result_free(&result);
}

static void a_file_instead(void **state) {
    (void)state;
    struct result result = {0};
    write_file("plain", slice_of("text"));
    RUN(&result, "-d", "plain", "put", "k", "v");
    assert_true(result.code == 2 || result.code == 4);
    for (size_t i = 0; i < READING; i++) {
        run_reading(&result, "plain", i);
        assert_true(result.code == 2 || result.code == 4);
    }
    struct buf text = {0};
    read_file("plain", &text);
    assert_string_equal((char *)text.data, "text");
    buf_free(&text);
    result_free(&result);
}

/* A directory of another program is refused by every command, and stays as it is. */
static void foreign(void **state) {
    (void)state;
    struct result result = {0};
    assert_int_equal(mkdir("foreign", 0700), 0);
    write_file("foreign/thesis.tex", slice_of("years of work"));
    RUN(&result, "-d", "foreign", "put", "k", "v");
    expect_error(&result, 2, "thesis.tex");
    RUN(&result, "-d", "foreign", "import");
    expect_error(&result, 2, "thesis.tex");
    for (size_t i = 0; i < READING; i++) {
        run_reading(&result, "foreign", i);
        expect_error(&result, 2, "foreign");
    }
    struct buf text = {0};
    read_file("foreign/thesis.tex", &text);
    assert_string_equal((char *)text.data, "years of work");
    assert_false(exists("foreign/LOCK"));
    assert_int_equal(unlink("foreign/thesis.tex"), 0);
    assert_int_equal(rmdir("foreign"), 0); /* nothing else was left there */
    buf_free(&text);
    result_free(&result);
}

/* Directories of LevelDB, and of later stages. From stage 04 on CURRENT names a manifest
 * of our own, and there is none to refuse. */
static void of_a_later_stage(void **state) {
    (void)state;
    struct result result = {0};
    RUN(&result, "-d", "later", "put", "k", "v");
    expect_out(&result, "");
    if (access("later/CURRENT", F_OK) == 0) {
        result_free(&result);
        return;
    }
    write_file("later/CURRENT", slice_of("MANIFEST-000002\n"));
    RUN(&result, "-d", "later", "get", "k");
    expect_error(&result, 2, "CURRENT");
    assert_int_equal(unlink("later/CURRENT"), 0);
    RUN(&result, "-d", "later", "get", "k");
    expect_out(&result, "v");
    result_free(&result);
}

static void held(void **state) {
    (void)state;
    struct result result = {0};
    struct child child;
    CHILD_START(&child, "-d", "held", "import", "--acknowledge");
    child_say(&child, "k\tv\n");
    child_expect_line(&child, "1");
    for (size_t i = 0; i < READING; i++) {
        run_reading(&result, "held", i);
        expect_error(&result, 5, "LOCK");
    }
    char process[32];
    snprintf(process, sizeof process, "process %d (strata-", (int)child.process);
    RUN(&result, "-d", "held", "put", "k", "w");
    expect_error(&result, 5, process);
    assert_int_equal(child_end(&child, 0), 0);
    RUN(&result, "-d", "held", "get", "k");
    expect_out(&result, "v");
    result_free(&result);
}

/* A small file system of its own, at `path`; false, with a note, where none may be
 * mounted. */
static bool mount_small(const char *path, const char *size) {
    assert_int_equal(mkdir(path, 0700), 0);
    if (mount("none", path, "tmpfs", 0, size) != 0) {
        printf("note: cannot mount a tmpfs here (%s): skipped\n", strerror(errno));
        return false;
    }
    return true;
}

static void read_only(void **state) {
    (void)state;
    if (!mount_small("ro", "size=8m")) {
        skip();
    }
    struct result result = {0};
    RUN(&result, "-d", "ro/db", "put", "k", "v");
    expect_out(&result, "");
    bool changed = mount("none", "ro", "tmpfs", MS_REMOUNT | MS_RDONLY, "size=8m") == 0;
    if (changed) {
        RUN(&result, "-d", "ro/db", "put", "k", "w");
        expect_error(&result, 4, "Read-only file system");
        RUN(&result, "-d", "ro/new", "put", "k", "w");
        expect_error(&result, 4, "Read-only file system");
    }
    assert_int_equal(umount("ro"), 0);
    assert_true(changed);
    result_free(&result);
}

static int last_number(const char *text) {
    int last = 0;
    while (*text != '\0') {
        last = (int)strtol(text, NULL, 10);
        text = strchr(text, '\n') + 1;
    }
    return last;
}

/* Everything acknowledged before the disk was full is there, also after it has grown. */
static void full_disk(void **state) {
    (void)state;
    struct buf lines = {0};
    for (int i = 1; i <= 20000; i++) {
        assert_int_equal(buf_printf(&lines, "key%06d\t%0200d\n", i, i), STATUS_OK);
    }
    static const char *const regions[] = {"write", "mapped"};
    for (size_t i = 0; i < 2; i++) {
        char path[16], dir[32];
        snprintf(path, sizeof path, "small%zu", i);
        snprintf(dir, sizeof dir, "%s/db", path);
        if (!mount_small(path, "size=2m")) {
            buf_free(&lines);
            skip();
        }
        struct result result = {0};
        RUN_WITH(&result, buf_slice(&lines), "-d", dir, "--durability", "interval",
                 "--log-region", regions[i], "--log-step-bytes", "64k", "import",
                 "--acknowledge");
        int code = result.code;
        int acknowledged = last_number(out_text(&result));
        int grown = mount("none", path, "tmpfs", MS_REMOUNT, "size=64m");
        struct result after = {0};
        RUN(&after, "-d", dir, "scan", "--keys");
        assert_int_equal(umount(path), 0);
        assert_int_equal(grown, 0);
        if (code != 6) {
            print_error("%s\n", (char *)result.err.data);
        }
        assert_int_equal(code, 6);
        assert_true(acknowledged > 1000 && acknowledged < 20000);
        expect_code(&after, 0);
        int found = 0;
        char wanted[32];
        for (const char *at = out_text(&after); *at != '\0'; at = strchr(at, '\n') + 1) {
            snprintf(wanted, sizeof wanted, "key%06d\n", ++found);
            assert_memory_equal(at, wanted, strlen(wanted));
        }
        /* The change that failed is whole or absent. */
        assert_true(found == acknowledged || found == acknowledged + 1);
        result_free(&result);
        result_free(&after);
    }
    buf_free(&lines);
}

/* A log cut short anywhere gives the right value, none, or an error. Of a log in a
 * directory that nobody has opened yet (no LOCK), the first record, a mark of 26 bytes,
 * has to be there: else the file is refused and left as it is. */
static void truncated_log(void **state) {
    (void)state;
    struct result result = {0};
    struct buf whole = {0};
    char log[256];
    RUN(&result, "-d", "cut", "put", "k1", "v1");
    first_log("cut", log);
    read_file(log, &whole);
    for (size_t bytes = 0; bytes < whole.length; bytes++) {
        remove_tree("cut2");
        assert_int_equal(mkdir("cut2", 0700), 0);
        char copy[256];
        snprintf(copy, sizeof copy, "cut2/%s", strrchr(log, '/') + 1);
        write_file(copy, slice_make(whole.data, bytes));
        RUN(&result, "-d", "cut2", "get", "k1");
        if (bytes > 0 && bytes < 26) {
            expect_error(&result, 2, "not a log of Strata or LevelDB");
            struct buf after = {0};
            read_file(copy, &after);
            assert_int_equal(after.length, bytes);
            buf_free(&after);
            continue;
        }
        assert_true(result.code == 0 || result.code == 1 || result.code == 3);
        if (result.code == 0) {
            expect_out(&result, "v1");
        }
    }
    buf_free(&whole);
    result_free(&result);
}

/* Every bit of a cleanly closed database: the right value, or exit code 3 with advice;
 * verify finds what get finds. */
static void flipped_bits(void **state) {
    (void)state;
    struct result result = {0};
    struct buf whole = {0};
    char log[256];
    RUN(&result, "-d", "flip", "put", "k1", "v1");
    first_log("flip", log);
    read_file(log, &whole);
    size_t corrupt = 0;
    for (size_t bit = 0; bit < whole.length * 8; bit++) {
        remove_tree("flip2");
        assert_int_equal(mkdir("flip2", 0700), 0);
        char copy[256];
        snprintf(copy, sizeof copy, "flip2/%s", strrchr(log, '/') + 1);
        whole.data[bit / 8] ^= (unsigned char)(1u << bit % 8);
        write_file(copy, buf_slice(&whole));
        whole.data[bit / 8] ^= (unsigned char)(1u << bit % 8);
        RUN(&result, "-d", "flip2", "get", "k1");
        if (result.code == 0) {
            expect_out(&result, "v1");
        } else {
            expect_error(&result, 3, "verify");
            corrupt++;
        }
    }
    printf("%zu of %zu flipped bits were reported\n", corrupt, whole.length * 8);
    assert_true(corrupt > 0);
    buf_free(&whole);
    result_free(&result);
}

/* Damage in front of durable data: get says so, verify shows it, repair saves the rest.
 */
static void repair_after_damage(void **state) {
    (void)state;
    struct result result = {0};
    struct buf log_bytes = {0};
    char log[256];
    RUN_WITH(&result, slice_of("k1\tv1\nk2\tmarker\nk3\tv3\n"), "-d", "dmg", "import");
    first_log("dmg", log);
    read_file(log, &log_bytes);
    unsigned char *found = memmem(log_bytes.data, log_bytes.length, "marker", 6);
    assert_non_null(found);
    *found ^= 1;
    write_file(log, buf_slice(&log_bytes));
    RUN(&result, "-d", "dmg", "get", "k1");
    expect_error(&result, 3, "repair");
    assert_non_null(strstr((char *)result.err.data, log));
    RUN(&result, "-d", "dmg", "verify");
    expect_code(&result, 3);
    assert_non_null(strstr(out_text(&result), strrchr(log, '/') + 1));
    RUN(&result, "dump", log);
    expect_code(&result, 3);
    RUN(&result, "-d", "dmg", "repair");
    expect_code(&result, 0);
    RUN(&result, "-d", "dmg", "get", "k1");
    expect_out(&result, "v1");
    RUN(&result, "-d", "dmg", "get", "k2");
    expect_error(&result, 1, "not found");
    RUN(&result, "-d", "dmg", "verify");
    expect_code(&result, 0);
    buf_free(&log_bytes);
    result_free(&result);
}

/* A file with a log's name and other content is refused by every command, and left as it
 * is. */
static void foreign_log(void **state) {
    (void)state;
    struct result result = {0};
    struct buf text = {0};
    for (int i = 0; i < 4000; i++) {
        assert_int_equal(buf_printf(&text, "line %d of an access log\n", i), STATUS_OK);
    }
    assert_int_equal(mkdir("flog", 0700), 0);
    write_file("flog/000001.log", buf_slice(&text));
    static const char *const commands[] = {"verify", "repair", "stats", "export"};
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        RUN(&result, "-d", "flog", commands[i]);
        expect_error(&result, 2, "flog/000001.log: not a log of Strata or LevelDB");
    }
    RUN(&result, "-d", "flog", "put", "k1", "v1");
    expect_error(&result, 2, "flog/000001.log: not a log of Strata or LevelDB");
    assert_int_equal(access("flog/LOCK", F_OK), -1);
    RUN(&result, "dump", "flog/000001.log");
    expect_error(&result, 3, "flog/000001.log: offset 0: ");
    struct buf after = {0};
    read_file("flog/000001.log", &after);
    assert_int_equal(after.length, text.length);
    assert_memory_equal(after.data, text.data, text.length);
    buf_free(&after);
    buf_free(&text);
    result_free(&result);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing),
        cmocka_unit_test(empty),
        cmocka_unit_test(a_file_instead),
        cmocka_unit_test(foreign),
        cmocka_unit_test(of_a_later_stage),
        cmocka_unit_test(held),
        cmocka_unit_test(read_only),
        cmocka_unit_test(full_disk),
        cmocka_unit_test(truncated_log),
        cmocka_unit_test(flipped_bits),
        cmocka_unit_test(repair_after_damage),
        cmocka_unit_test(foreign_log),
    };
    return cmocka_run_group_tests(tests, run_setup, run_teardown);
}
