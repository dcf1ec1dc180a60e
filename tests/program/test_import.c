/* import and export: nothing is lost or changed on the way, and what was acknowledged is
 * there whatever ended the import. */
#include "run.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum { SEED = 20261121 };

struct random {
    uint64_t state;
};

static uint64_t random_next(struct random *random) {
    random->state ^= random->state << 13;
    random->state ^= random->state >> 7;
    random->state ^= random->state << 17;
    return random->state;
}

/* A line whose every byte is written as \xHH. */
static void add_line(struct buf *lines, struct slice key, struct slice value) {
    for (size_t i = 0; i < key.length; i++) {
        assert_int_equal(buf_printf(lines, "\\x%02X", key.data[i]), STATUS_OK);
    }
    assert_int_equal(buf_append_text(lines, "\t"), STATUS_OK);
    for (size_t i = 0; i < value.length; i++) {
        assert_int_equal(buf_printf(lines, "\\x%02X", value.data[i]), STATUS_OK);
    }
    assert_int_equal(buf_append_text(lines, "\n"), STATUS_OK);
}

static void export_of(const char *dir, bool json, struct buf *text) {
    struct result result = {0};
    RUN(&result, "-d", dir, "export", json ? "--json" : NULL);
    expect_code(&result, 0);
    assert_int_equal(buf_assign(text, buf_slice(&result.out)), STATUS_OK);
    result_free(&result);
}

/* Each byte alone as a key, all bytes as one value, and random strings: by text into one
 * database, by JSON into the next, by text again into a third, all three the same. */
static void round_trip(void **state) {
    (void)state;
    struct random random = {SEED};
    struct buf lines = {0}, text = {0}, json = {0}, again = {0};
    unsigned char all[256];
    for (int i = 0; i < 256; i++) {
        all[i] = (unsigned char)i;
    }
    for (size_t i = 0; i < 256; i++) {
        add_line(&lines, slice_make(all + i, 1), slice_make(all, 256));
    }
    for (int i = 0; i < 300; i++) {
        unsigned char bytes[60];
        for (size_t at = 0; at < sizeof bytes; at++) {
            bytes[at] = (unsigned char)random_next(&random);
        }
        size_t key_bytes = random_next(&random) % 20;
        add_line(&lines, slice_make(bytes, key_bytes),
                 slice_make(bytes + 20, random_next(&random) % 40));
    }
    struct result result = {0};
    RUN_WITH(&result, buf_slice(&lines), "-d", "one", "import", "--batch", "7");
    expect_out(&result, "");
    export_of("one", false, &text);
    export_of("one", true, &json);
    RUN_WITH(&result, buf_slice(&json), "-d", "two", "import", "--json", "--durability",
             "none");
    expect_out(&result, "");
    export_of("two", false, &again);
    assert_int_equal(again.length, text.length);
    assert_memory_equal(again.data, text.data, text.length);
    write_file("text.tsv", buf_slice(&text));
    RUN(&result, "-d", "three", "import", "--batch", "1000", "text.tsv");
    expect_out(&result, "");
    export_of("three", true, &again);
    assert_int_equal(again.length, json.length);
    assert_memory_equal(again.data, json.data, json.length);
    RUN(&result, "-d", "three", "get", "--escape", "\\x00");
    expect_code(&result, 0);
    RUN(&result, "-d", "two", "get", "A");
    expect_out_bytes(&result, slice_make(all, 256));
    result_free(&result);
    buf_free(&lines);
    buf_free(&text);
    buf_free(&json);
    buf_free(&again);
}

static void bad_lines(void **state) {
    (void)state;
    static const char *const batches[] = {"1", "2", "100"};
    struct result result = {0};
    write_file("bad.tsv", slice_of("a\t1\nb\t2\nc\t3\nno tab here\nd\t4\n"));
    write_file("bad.json", slice_of("{\"key\":\"a\",\"value\":\"1\"}\n{\"key\":\n"));
    for (size_t i = 0; i < sizeof batches / sizeof batches[0]; i++) {
        char dir[16];
        snprintf(dir, sizeof dir, "bad%zu", i);
        RUN(&result, "-d", dir, "import", "--batch", batches[i], "--acknowledge",
            "bad.tsv");
        expect_code(&result, 2);
        assert_string_equal(out_text(&result), "1\n2\n3\n");
        assert_non_null(
            strstr((char *)result.err.data, ": import: bad.tsv: line 4: no tab"));
        RUN(&result, "-d", dir, "scan");
        expect_out(&result, "a\t1\nb\t2\nc\t3\n");
    }
    RUN(&result, "-d", "badjson", "import", "--json", "bad.json");
    expect_code(&result, 2);
    assert_non_null(strstr((char *)result.err.data, "bad.json: line 2: not JSON"));
    RUN(&result, "-d", "badjson", "scan");
    expect_out(&result, "a\t1\n");
    RUN(&result, "-d", "nofile", "import", "none.tsv");
    expect_error(&result, 2, "none.tsv: No such file");
    RUN(&result, "-d", "nofile", "import", ".");
    expect_code(&result, 4);
    RUN(&result, "-d", "nofile", "import", "--batch", "0", "bad.tsv");
    expect_error(&result, 2, "--batch 0");
    RUN(&result, "-d", "nofile", "import", "--batch", "1000001", "bad.tsv");
    expect_error(&result, 2, "at most 1000000");
    result_free(&result);
}

static void lines_of_all_lengths(void **state) {
    (void)state;
    struct result result = {0};
    /* No line end behind the last line; a carriage return is a byte like any other. */
    RUN_WITH(&result, slice_of("\tempty key\nempty value\t\ncr\tx\r\nlast\tline"), "-d",
             "len", "import", "--acknowledge");
    expect_out(&result, "1\n2\n3\n4\n");
    RUN(&result, "-d", "len", "scan");
    expect_out(&result, "\tempty key\ncr\tx\\r\nempty value\t\nlast\tline\n");
    /* One line far longer than any buffer, between short ones. */
    struct buf lines = {0};
    assert_int_equal(buf_append_text(&lines, "long1\tx\nlong2\t"), STATUS_OK);
    for (int i = 0; i < 300000; i++) {
        assert_int_equal(buf_append_text(&lines, "0123456789"), STATUS_OK);
    }
    assert_int_equal(buf_append_text(&lines, "\nlong3\tz\n"), STATUS_OK);
    RUN_WITH(&result, buf_slice(&lines), "-d", "len", "import");
    expect_out(&result, "");
    assert_null(strchr((char *)result.err.data, '\r')); /* progress: on terminals only */
    RUN(&result, "-d", "len", "get", "long2");
    expect_out_bytes(&result, slice_make(lines.data + 14, 3000000));
    RUN(&result, "-d", "len", "get", "long3");
    expect_out(&result, "z");
    buf_free(&lines);
    result_free(&result);
}

static void later_line_wins(void **state) {
    (void)state;
    struct result result = {0};
    RUN_WITH(&result, slice_of("k\t1\nk\t2\nk\t3\n"), "-d", "wins", "import", "--batch",
             "3");
    expect_out(&result, "");
    RUN(&result, "-d", "wins", "get", "k");
    expect_out(&result, "3");
    result_free(&result);
}

static void key_over_the_limit(void **state) {
    (void)state;
    struct buf line = {0};
    struct result result = {0};
    assert_int_equal(buf_append_text(&line, "ok\t1\n"), STATUS_OK);
    size_t start = line.length;
    for (int i = 0; i < 65537; i++) {
        assert_int_equal(buf_append_text(&line, "k"), STATUS_OK);
    }
    size_t end = line.length;
    assert_int_equal(buf_append_text(&line, "\tv\n"), STATUS_OK);
    RUN_WITH(&result, buf_slice(&line), "-d", "limit", "import", "--batch", "9");
    expect_code(&result, 7);
    assert_non_null(strstr((char *)result.err.data, "standard input: line 2:"));
    RUN(&result, "-d", "limit", "scan");
    expect_out(&result, "ok\t1\n");
    line.data[end] = '\0';
    RUN(&result, "-d", "limit", "put", (char *)line.data + start, "v");
    expect_error(&result, 7, "65536");
    RUN(&result, "-d", "limit", "get", (char *)line.data + start);
    expect_error(&result, 1, "not found");
    RUN(&result, "-d", "limit", "put", (char *)line.data + start + 1, "v");
    expect_out(&result, "");
    RUN(&result, "-d", "limit", "get", (char *)line.data + start + 1);
    expect_out(&result, "v");
    buf_free(&line);
    result_free(&result);
}

static void say_and_expect(struct child *child, int lines) {
    for (int i = 1; i <= lines; i++) {
        char text[32];
        snprintf(text, sizeof text, "key%d\tvalue%d\n", i, i);
        child_say(child, text);
        snprintf(text, sizeof text, "%d", i);
        child_expect_line(child, text);
    }
}

static void expect_lines(const char *dir, int lines) {
    struct result result = {0};
    for (int i = 1; i <= lines; i++) {
        char key[32], value[32];
        snprintf(key, sizeof key, "key%d", i);
        snprintf(value, sizeof value, "value%d", i);
        RUN(&result, "-d", dir, "get", key);
        expect_out(&result, value);
    }
    result_free(&result);
}

static void killed(void **state) {
    (void)state;
    static const char *const durabilities[] = {"none", "interval", "always"};
    static const char *const regions[] = {"write", "mapped"};
    for (size_t i = 0; i < 6; i++) {
        char dir[16];
        snprintf(dir, sizeof dir, "killed%zu", i);
        struct child child;
        CHILD_START(&child, "-d", dir, "--durability", durabilities[i / 2],
                    "--log-region", regions[i % 2], "import", "--acknowledge");
        say_and_expect(&child, 20);
        assert_int_equal(child_end(&child, SIGKILL), 128 + SIGKILL);
        expect_lines(dir, 20);
    }
}

static void interrupted(void **state) {
    (void)state;
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        char dir[16];
        snprintf(dir, sizeof dir, "int%zu", i);
        struct child child;
        CHILD_START(&child, "-d", dir, "--durability", "interval", "import",
                    "--acknowledge");
        say_and_expect(&child, 5);
        child_say(&child, "half a li"); /* never ended: not a line */
        assert_int_equal(child_end(&child, signals[i]), 130);
        expect_lines(dir, 5);
        struct result result = {0};
        RUN(&result, "-d", dir, "scan", "--keys", "--prefix", "half");
        expect_out(&result, "");
        result_free(&result);
    }
}

/* What a batch of seven has acknowledged is shown when the input ends. */
static void batches_acknowledge_all(void **state) {
    (void)state;
    struct result result = {0};
    RUN_WITH(&result, slice_of("a\t1\nb\t2\nc\t3\nd\t4\ne\t5\n"), "-d", "ack", "import",
             "--batch", "2", "--acknowledge");
    expect_out(&result, "1\n2\n3\n4\n5\n");
    result_free(&result);
}

/* ---- several files --------------------------------------------------------------- */

enum { FILES = 2, ROUNDS = 4000, ACCOUNTS = 10 };

static const char *const file_names[FILES] = {"north.tsv", "south.tsv"};

/* Each round gives all accounts of the file the number of the round. */
static void write_rounds(void) {
    for (size_t i = 0; i < FILES; i++) {
        struct buf lines = {0};
        for (int round = 1; round <= ROUNDS; round++) {
            for (int account = 0; account < ACCOUNTS; account++) {
                assert_int_equal(
                    buf_printf(&lines, "%c%d\t%d\n", file_names[i][0], account, round),
                    STATUS_OK);
            }
        }
        write_file(file_names[i], buf_slice(&lines));
        buf_free(&lines);
    }
}

/* The line that each file has come to; they count up one by one. */
static void take_acknowledgements(char *text, int last[FILES]) {
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        char name[32];
        int number = 0;
        assert_int_equal(sscanf(line, "%d %31s", &number, name), 2);
        size_t i = strcmp(name, file_names[0]) == 0 ? 0 : 1;
        assert_string_equal(name, file_names[i]);
        assert_int_equal(number, ++last[i]);
    }
}

/* Accounts of a file show one round all, and none that is before the acknowledged one. */
static void expect_whole_rounds(const char *dir, const int acknowledged[FILES]) {
    struct result result = {0};
    RUN(&result, "-d", dir, "scan");
    expect_code(&result, 0);
    int counted[FILES] = {0}, rounds[FILES] = {0};
    for (char *line = strtok((char *)result.out.data, "\n"); line != NULL;
         line = strtok(NULL, "\n")) {
        char first = 0;
        int account = 0, round = 0;
        assert_int_equal(sscanf(line, "%c%d\t%d", &first, &account, &round), 3);
        size_t i = first == file_names[0][0] ? 0 : 1;
        rounds[i] = counted[i] == 0 ? round : rounds[i];
        assert_int_equal(rounds[i], round);
        assert_int_equal(account, counted[i]++);
    }
    for (size_t i = 0; i < FILES; i++) {
        assert_true(counted[i] == ACCOUNTS || (counted[i] == 0 && acknowledged[i] == 0));
        assert_in_range(rounds[i] * ACCOUNTS, acknowledged[i], ROUNDS * ACCOUNTS);
    }
    result_free(&result);
}

static void several_files(void **state) {
    (void)state;
    struct result result = {0};
    int last[FILES] = {0};
    write_rounds();
    RUN(&result, "-d", "both", "--durability", "none", "import", "--batch", "10",
        "--acknowledge", "north.tsv", "missing.tsv", "south.tsv");
    expect_code(&result, 2);
    assert_non_null(strstr((char *)result.err.data, "import: missing.tsv: No such file"));
    take_acknowledgements((char *)result.out.data, last);
    for (size_t i = 0; i < FILES; i++) {
        assert_int_equal(last[i], ROUNDS * ACCOUNTS);
    }
    expect_whole_rounds("both", last);
    write_file("bad.tsv", slice_of("x\t1\nno tab\n"));
    RUN(&result, "-d", "both", "import", "bad.tsv", "gone.tsv");
    expect_code(&result, 2); /* each failure is told */
    assert_non_null(strstr((char *)result.err.data, "bad.tsv: line 2: no tab"));
    assert_non_null(strstr((char *)result.err.data, "gone.tsv: No such file"));
    RUN(&result, "-d", "both", "get", "x");
    expect_out(&result, "1");
    RUN(&result, "-d", "both", "import", "bad.tsv", "-");
    expect_error(&result, 2, "standard input is imported alone");
    result_free(&result);
}

static void killed_in_company(void **state) {
    (void)state;
    static const char *const regions[] = {"write", "mapped"};
    write_rounds();
    for (size_t i = 0; i < 2; i++) {
        char dir[16], text[8192];
        size_t used = 0;
        int last[FILES] = {0};
        struct child child;
        snprintf(dir, sizeof dir, "company%zu", i);
        CHILD_START(&child, "-d", dir, "--durability", "none", "--log-region", regions[i],
                    "import", "--batch", "10", "--acknowledge", "north.tsv", "south.tsv");
        while (used < sizeof text - 1) {
            ssize_t got = read(child.output, text + used, sizeof text - 1 - used);
            assert_true(got > 0);
            used += (size_t)got;
        }
        assert_int_equal(child_end(&child, SIGKILL), 128 + SIGKILL);
        while (text[used - 1] != '\n') {
            used--;
        }
        text[used] = '\0';
        take_acknowledgements(text, last);
        expect_whole_rounds(dir, last);
    }
}

int main(void) {
    printf("seed %d\n", SEED);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),           cmocka_unit_test(bad_lines),
        cmocka_unit_test(lines_of_all_lengths), cmocka_unit_test(later_line_wins),
        cmocka_unit_test(key_over_the_limit),   cmocka_unit_test(killed),
        cmocka_unit_test(interrupted),          cmocka_unit_test(batches_acknowledge_all),
        cmocka_unit_test(several_files),        cmocka_unit_test(killed_in_company),
    };
    return cmocka_run_group_tests(tests, run_setup, run_teardown);
}
