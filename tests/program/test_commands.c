/* Every command of the program, its output and its exit codes. */
#include "run.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cjson/cJSON.h>

static void put_get_del(void **state) {
    (void)state;
    struct result result = {0};
    RUN(&result, "-d", "pgd", "put", "apple", "red");
    expect_out(&result, "");
    RUN(&result, "-d", "pgd", "get", "apple");
    expect_out(&result, "red");
    RUN(&result, "-d", "pgd", "put", "apple", "green");
    expect_out(&result, "");
    RUN(&result, "get", "-d", "pgd", "apple");
    expect_out(&result, "green");
    RUN(&result, "-d", "pgd", "get", "pear");
    expect_error(&result, 1, "not found");
    assert_int_equal(result.out.length, 0);
    RUN(&result, "-d", "pgd", "put", "pear", "x");
    expect_out(&result, "");
    RUN(&result, "-d", "pgd", "del", "apple", "pear", "never");
    expect_out(&result, "");
    RUN(&result, "-d", "pgd", "get", "apple");
    expect_error(&result, 1, "not found");
    RUN(&result, "-d", "pgd", "get", "pear");
    expect_error(&result, 1, "not found");
    result_free(&result);
}

static void default_directory(void **state) {
    (void)state;
    struct result result = {0};
    RUN(&result, "put", "k", "v");
    expect_out(&result, "");
    assert_true(exists("data"));
    RUN(&result, "get", "k");
    expect_out(&result, "v");
    remove_tree("data");
    result_free(&result);
}

static void odd_keys_and_values(void **state) {
    (void)state;
    struct result result = {0};
    RUN(&result, "-d", "odd", "put", "", "empty key");
    expect_out(&result, "");
    RUN(&result, "-d", "odd", "put", "empty value", "");
    expect_out(&result, "");
    RUN(&result, "-d", "odd", "put", "--", "-5", "--help");
    expect_out(&result, "");
    RUN(&result, "-d", "odd", "put", "-e", "a\\x00\\n", "\\xff\\t\\\\");
    expect_out(&result, "");
    RUN_WITH(&result, slice_make("raw\0bytes\n", 10), "-d", "odd", "put", "stdin", "-");
    expect_out(&result, "");
    RUN(&result, "-d", "odd", "get", "");
    expect_out(&result, "empty key");
    RUN(&result, "-d", "odd", "get", "empty value");
    expect_out(&result, "");
    RUN(&result, "-d", "odd", "get", "--", "-5");
    expect_out(&result, "--help");
    RUN(&result, "-d", "odd", "get", "stdin");
    expect_out_bytes(&result, slice_make("raw\0bytes\n", 10));
    RUN(&result, "-d", "odd", "get", "--escape", "a\\x00\\n");
    expect_out(&result, "\\xff\\t\\\\\n");
    RUN(&result, "-d", "odd", "put", "--escape", "a\\q", "v");
    expect_error(&result, 2, "argument 1: column 2");
    RUN(&result, "-d", "odd", "get", "a\\x00\\n");
    expect_error(&result, 1, "not found");
    result_free(&result);
}

static void scan(void **state) {
    (void)state;
    struct result result = {0};
    RUN_WITH(&result, slice_of("b\t2\na\t1\nab\t12\nc\t3\n\\xff\t4\n\\xff\\xff\t5\n"),
             "-d", "scan", "import");
    expect_out(&result, "");
    RUN(&result, "-d", "scan", "scan");
    expect_out(&result, "a\t1\nab\t12\nb\t2\nc\t3\n\\xff\t4\n\\xff\\xff\t5\n");
    RUN(&result, "-d", "scan", "scan", "--from", "ab", "--to", "c");
    expect_out(&result, "ab\t12\nb\t2\n");
    RUN(&result, "-d", "scan", "scan", "--from", "aa", "--to", "aa");
    expect_out(&result, "");
    RUN(&result, "-d", "scan", "scan", "--prefix", "a");
    expect_out(&result, "a\t1\nab\t12\n");
    RUN(&result, "-d", "scan", "scan", "--prefix", "a", "--from", "ab", "--to", "b");
    expect_out(&result, "ab\t12\n");
    RUN(&result, "-d", "scan", "scan", "--prefix", "a", "--to", "ab");
    expect_out(&result, "a\t1\n");
    RUN(&result, "-d", "scan", "scan", "--escape", "--prefix", "\\xff");
    expect_out(&result, "\\xff\t4\n\\xff\\xff\t5\n");
    RUN(&result, "-d", "scan", "scan", "--prefix", "");
    assert_int_equal(result.code, 0);
    assert_int_equal(result.out.length, 36);
    RUN(&result, "-d", "scan", "scan", "--reverse", "--limit", "2", "--to", "c",
        "--keys");
    expect_out(&result, "b\nab\n");
    RUN(&result, "-d", "scan", "scan", "-r", "-n", "1", "--json");
    expect_out(&result, "{\"key_base64\":\"//8=\",\"value\":\"5\"}\n");
    RUN(&result, "-d", "scan", "scan", "--from", "zz", "--prefix", "a");
    expect_out(&result, "");
    result_free(&result);
}

static void state_commands(void **state) {
    (void)state;
    struct result result = {0};
    RUN(&result, "-d", "st", "put", "k", "v");
    expect_out(&result, "");
    RUN(&result, "-d", "st", "sync");
    expect_out(&result, "");
    RUN(&result, "-d", "st", "stats");
    expect_code(&result, 0);
    assert_non_null(strstr(out_text(&result), "last sequence durable (D)"));
    RUN(&result, "-d", "st", "stats", "--json");
    expect_code(&result, 0);
    cJSON *stats = cJSON_Parse(out_text(&result));
    assert_non_null(stats);
    const cJSON *durable = cJSON_GetObjectItem(stats, "sequence_durable");
    assert_true(cJSON_IsNumber(durable));
    assert_true(durable->valuedouble >= 0.5 && durable->valuedouble <= 1.5);
    cJSON_Delete(stats);
    RUN(&result, "-d", "st", "verify");
    expect_code(&result, 0);
    assert_non_null(strstr(out_text(&result), ".log"));
    char log[256];
    first_log("st", log);
    RUN(&result, "dump", log);
    expect_code(&result, 0);
    assert_true(result.out.length > 0);
    RUN(&result, "dump", "st/none.log");
    expect_error(&result, 2, "none.log");
    RUN(&result, "-d", "st", "repair");
    expect_code(&result, 0);
    RUN(&result, "-d", "st", "get", "k");
    expect_out(&result, "v");
    result_free(&result);
}

static void help_and_version(void **state) {
    (void)state;
    static const char *const commands[] = {"put",    "get",    "del",  "scan",
                                           "import", "export", "sync", "stats",
                                           "verify", "repair", "dump", "bench"};
    struct result result = {0};
    RUN(&result, "--help");
    expect_code(&result, 0);
    assert_non_null(strstr(out_text(&result), "--log-bytes"));
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        RUN(&result, "help");
        expect_code(&result, 0);
        char row[32];
        snprintf(row, sizeof row, "\n  %s ", commands[i]);
        assert_non_null(strstr(out_text(&result), row));
        RUN(&result, commands[i], "--help");
        expect_code(&result, 0);
        assert_non_null(strstr(out_text(&result), "Example"));
        assert_null(strstr(out_text(&result), "$0"));
        struct buf first = {0};
        assert_int_equal(buf_assign(&first, buf_slice(&result.out)), STATUS_OK);
        RUN(&result, "help", commands[i]);
        expect_out_bytes(&result, buf_slice(&first));
        buf_free(&first);
    }
    RUN(&result, "-h");
    expect_code(&result, 0);
    (void)stage_number(&result);
    result_free(&result);
}

static void usage_errors(void **state) {
    (void)state;
    struct result result = {0};
    RUN(&result, "--frob");
    expect_error(&result, 2, "--frob");
    RUN(&result, "-d", "use", "put", "--frob", "k", "v");
    expect_error(&result, 2, ": put: unrecognized option '--frob'");
    RUN(&result, "frob");
    expect_error(&result, 2, "frob: unknown command");
    RUN(&result, "help", "frob");
    expect_error(&result, 2, "frob: unknown command");
    RUN(&result, "-d", "use");
    expect_error(&result, 2, "no command");
    RUN(&result, "put", "k");
    expect_error(&result, 2, "put: too few arguments");
    RUN(&result, "get", "k", "l");
    expect_error(&result, 2, "get: too many arguments");
    RUN(&result, "bench", "frob");
    expect_error(&result, 2, "frob");
    static const char *const numbers[] = {
        "", "0", "-1", "x", "1x", " 1", "99999999999999999999"};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        RUN(&result, "scan", "--limit", numbers[i]);
        expect_error(&result, 2, "--limit");
    }
    RUN(&result, "--durability", "sometimes", "put", "k", "v");
    expect_error(&result, 2, "durability");
    RUN(&result, "--log-bytes", "0", "put", "k", "v");
    expect_error(&result, 2, "log-bytes");
    assert_false(exists("data"));
    assert_false(exists("use"));
    result_free(&result);
}

static void settings_sources(void **state) {
    (void)state;
    struct result result = {0};
    write_file("good.conf", slice_of("# comment\n\ndurability interval\n"));
    write_file("bad.conf", slice_of("durability interval\nfrob 1\n"));
    struct slice line = slice_of("k\tv\n");
    RUN_WITH(&result, line, "-d", "set", "--config", "good.conf", "import");
    expect_code(&result, 0);
    assert_non_null(strstr((char *)result.err.data, "durability interval"));
    RUN_WITH(&result, line, "-d", "set", "import", "--config", "good.conf",
             "--durability", "none");
    expect_code(&result, 0);
    assert_non_null(strstr((char *)result.err.data, "durability none"));
    setenv("STRATA_DURABILITY", "always", 1);
    RUN_WITH(&result, line, "-d", "set", "--config", "good.conf", "import");
    unsetenv("STRATA_DURABILITY");
    expect_code(&result, 0);
    assert_non_null(strstr((char *)result.err.data, "durability always"));
    RUN(&result, "-d", "set", "--config", "bad.conf", "get", "k");
    expect_error(&result, 2, "bad.conf");
    assert_non_null(strstr((char *)result.err.data, "2"));
    RUN(&result, "-d", "set", "--config", "none.conf", "get", "k");
    expect_error(&result, 2, "none.conf");
    setenv("STRATA_FROB", "1", 1);
    RUN(&result, "-d", "set", "get", "k");
    unsetenv("STRATA_FROB");
    expect_error(&result, 2, "STRATA_FROB");
    RUN(&result, "-d", "set", "--log-region", "mapped", "put", "m", "n");
    expect_out(&result, "");
    RUN(&result, "-d", "set", "--log-region", "write", "get", "m");
    expect_out(&result, "n");
    result_free(&result);
}

static void later_stages(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"shell", "stage 02"},  {"flush", "stage 03"},      {"compact", "stage 05"},
        {"levels", "stage 05"}, {"checkpoint", "stage 07"}, {"server", "stage 08"}};
    struct result result = {0};
    int number = stage_number(&result);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strtol(rows[i][1] + strlen("stage "), NULL, 10) <= number) {
            RUN(&result, rows[i][0], "--help"); /* this stage has it */
            expect_code(&result, 0);
            continue;
        }
        RUN(&result, rows[i][0], "argument");
        expect_error(&result, 2, rows[i][1]);
        assert_non_null(strstr((char *)result.err.data, "it comes with"));
    }
    assert_false(exists("data"));
    result_free(&result);
}

static void standard_output_fails(void **state) {
    (void)state;
    struct result result = {0};
    RUN(&result, "-d", "full", "put", "k", "v");
    expect_out(&result, "");
    static const char *const lines[][5] = {{"get", "-d", "full", "k"},
                                           {"scan", "-d", "full"},
                                           {"export", "-d", "full"},
                                           {"stats", "-d", "full"},
                                           {"verify", "-d", "full"},
                                           {"--help"},
                                           {"put", "--help"},
                                           {"--version"},
                                           {"help"}};
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    int ends[2];
    assert_true(full >= 0);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    close(ends[0]);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        run_into(&result, full, lines[i]);
        expect_error(&result, 4, "standard output: No space left");
        run_into(&result, ends[1], lines[i]);
        expect_error(&result, 4, "standard output: Broken pipe");
    }
    close(full);
    close(ends[1]);
    result_free(&result);
}

/* A person's prompt should not stand behind the value; a file should hold nothing else.
 */
static void line_end_on_a_terminal(void **state) {
    (void)state;
    struct result result = {0};
    RUN(&result, "-d", "tty", "put", "k", "value");
    int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(terminal >= 0 && grantpt(terminal) == 0 && unlockpt(terminal) == 0);
    int end = open(ptsname(terminal), O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(end >= 0);
    run_into(&result, end, (const char *const[]){"-d", "tty", "get", "k", NULL});
    expect_code(&result, 0);
    char text[32] = {0};
    assert_int_equal(read(terminal, text, sizeof text - 1), 7);
    assert_string_equal(text, "value\r\n"); /* the terminal makes \r\n of \n */
    close(end);
    close(terminal);
    result_free(&result);
}

/* A file of the database must not take the place of a descriptor that was closed: what is
 * said there would go into the file. */
static void closed_descriptors(void **state) {
    (void)state;
    struct result result = {0};
    struct buf lock = {0};
    RUN(&result, "-d", "closed", "put", "k", "v");
    for (int fd = 0; fd <= 2; fd++) {
        run_closed(&result, fd, (const char *const[]){"-d", "closed", "import", NULL});
        expect_code(&result, 0);
        read_file("closed/LOCK", &lock);
        assert_int_equal(lock.length, 0);
    }
    RUN(&result, "-d", "closed", "verify");
    expect_code(&result, 0);
    buf_free(&lock);
    result_free(&result);
}

/* From stage 02 on there is a memtable to measure; stage 01 says that it has none. */
static void bench_memory(void **state) {
    (void)state;
    static const char *const figures[] = {
        "insert_random_nanos",    "insert_ascending_nanos", "get_hit_nanos",
        "get_miss_nanos",         "scan_step_nanos",        "insert_beside_reader_nanos",
        "get_beside_writer_nanos"};
    struct result result = {0};
    bool has = stage_number(&result) >= 2;
    RUN(&result, "bench", "memory", "--count", "300", "--rounds", "2", "--json");
    if (!has) {
        expect_error(&result, 2, "append");
        result_free(&result);
        return;
    }
    cJSON *report = cJSON_Parse(out_text(&result));
    assert_non_null(report);
    const cJSON *sizes = cJSON_GetObjectItem(report, "sizes");
    assert_int_equal(cJSON_GetArraySize(sizes), 1);
    const cJSON *size = cJSON_GetArrayItem(sizes, 0);
    assert_int_equal(cJSON_GetObjectItem(size, "entries")->valueint, 300);
    /* two lengths, a link and a tag at least; and blocks half empty at most */
    double overhead = cJSON_GetObjectItem(size, "overhead_bytes")->valuedouble;
    assert_true(overhead >= 24 && overhead < 24 + 300);
    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++) {
        const cJSON *nanos = cJSON_GetObjectItem(size, figures[i]);
        assert_non_null(nanos);
        assert_true(nanos->valuedouble > 0);
    }
    cJSON_Delete(report);
    RUN(&result, "bench", "memory", "--count", "300", "--rounds", "1");
    expect_code(&result, 0);
    assert_non_null(strstr(out_text(&result), "insert_random"));
    result_free(&result);
}

static void bench_append(void **state) {
    (void)state;
    struct result result = {0};
    RUN(&result, "-d", "bench", "bench", "append", "--count", "200", "--rounds", "2",
        "--json");
    expect_code(&result, 0);
    cJSON *report = cJSON_Parse(out_text(&result));
    assert_non_null(report);
    const cJSON *cases = cJSON_GetObjectItem(report, "cases");
    assert_int_equal(cJSON_GetArraySize(cases), 11);
    const cJSON *one;
    cJSON_ArrayForEach(one, cases) {
        double least = cJSON_GetObjectItem(one, "least_micros")->valuedouble;
        double median = cJSON_GetObjectItem(one, "median_micros")->valuedouble;
        double most = cJSON_GetObjectItem(one, "most_micros")->valuedouble;
        assert_true(least <= median && median <= most);
    }
    cJSON_Delete(report);
    assert_false(exists("bench"));
    RUN(&result, "-d", "kept", "put", "k", "v");
    RUN(&result, "-d", "kept", "bench", "append", "--count", "100", "--rounds", "1");
    expect_code(&result, 0);
    assert_non_null(strstr(out_text(&result), "put, mapped, always"));
    RUN(&result, "-d", "kept", "get", "k");
    expect_out(&result, "v");
    result_free(&result);
}

static void expect_positive(const cJSON *object, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const cJSON *number = cJSON_GetObjectItem(object, names[i]);
        assert_non_null(number);
        assert_true(number->valuedouble > 0);
    }
}

/* From stage 06 on writers share syncs: each number of them has a row, in its order. */
static void bench_fillsync(void **state) {
    (void)state;
    static const int threads[] = {1, 5, 2};
    static const char *const figures[] = {"micros_per_op", "mean_group", "ops_per_sync",
                                          "micros_per_sync"};
    struct result result = {0};
    if (stage_number(&result) < 6) {
        RUN(&result, "bench", "fillsync");
        expect_error(&result, 2, "append");
        result_free(&result);
        return;
    }
    RUN(&result, "-d", "bench", "bench", "fillsync", "--threads", "1,5,2", "--count",
        "20", "--rounds", "2", "--json");
    expect_code(&result, 0);
    cJSON *report = cJSON_Parse(out_text(&result));
    assert_non_null(report);
    const cJSON *found = cJSON_GetObjectItem(report, "rows");
    assert_int_equal(cJSON_GetArraySize(found), 3);
    for (int i = 0; i < 3; i++) {
        const cJSON *row = cJSON_GetArrayItem(found, i);
        assert_int_equal(cJSON_GetObjectItem(row, "threads")->valueint, threads[i]);
        expect_positive(row, figures, sizeof figures / sizeof figures[0]);
        double group = cJSON_GetObjectItem(row, "mean_group")->valuedouble;
        double together = cJSON_GetObjectItem(row, "ops_per_sync")->valuedouble;
        assert_true(group >= 1 && group <= threads[i]);
        assert_true(together >= 1 && together <= threads[i]);
    }
    cJSON_Delete(report);
    assert_false(exists("bench"));
    RUN(&result, "bench", "fillsync", "--threads", "1,,2");
    expect_error(&result, 2, "threads");
    RUN(&result, "bench", "fillsync", "--threads", "1,257");
    expect_error(&result, 2, "threads");
    RUN(&result, "bench", "append", "--count", "100", "--rounds", "1");
    expect_code(&result, 0);
    result_free(&result);
}

/* From stage 03 on there are tables to measure. Few entries of a filter of two bits, so
 * that it is wrong now and then. */
static void bench_tables(void **state) {
    (void)state;
    static const char *const figures[] = {"write_nanos",         "get_hit_nanos",
                                          "get_miss_nanos",      "step_forward_nanos",
                                          "step_backward_nanos", "seek_10_nanos"};
    struct result result = {0};
    bool has = stage_number(&result) >= 3;
    RUN(&result, "-d", "bench", "bench", "tables", "--count", "2000", "--rounds", "2",
        "--json", has ? "--filter-bits=2" : "--json");
    if (!has) {
        expect_error(&result, 2, "append");
        result_free(&result);
        return;
    }
    expect_code(&result, 0);
    cJSON *report = cJSON_Parse(out_text(&result));
    assert_non_null(report);
    const cJSON *cases = cJSON_GetObjectItem(report, "cases");
    assert_int_equal(cJSON_GetArraySize(cases), 6);
    const cJSON *one;
    cJSON_ArrayForEach(one, cases) {
        bool filter = cJSON_IsTrue(cJSON_GetObjectItem(one, "filter"));
        const char *cache = cJSON_GetObjectItem(one, "cache")->valuestring;
        double wrong = cJSON_GetObjectItem(one, "false_positives_percent")->valuedouble;
        double hits = cJSON_GetObjectItem(one, "cache_hits_percent")->valuedouble;
        expect_positive(one, figures, sizeof figures / sizeof figures[0]);
        assert_true(filter ? wrong > 5 && wrong < 80 : wrong == 0);
        assert_true(strcmp(cache, "none") == 0  ? hits == 0
                    : strcmp(cache, "all") == 0 ? hits == 100
                                                : hits < 100);
    }
    cJSON_Delete(report);
    assert_false(exists("bench"));
    RUN(&result, "bench", "tables", "--count", "50", "--rounds", "1");
    expect_code(&result, 0);
    assert_non_null(strstr(out_text(&result), "get_hit_nanos"));
    result_free(&result);
}

static void bench_load(void **state) {
    (void)state;
    static const char *const figures[] = {
        "put_nanos",      "get_nanos",        "miss_nanos",
        "iterator_nanos", "forward_nanos",    "backward_nanos",
        "tables",         "loaded_megabytes", "read_megabytes"};
    struct result result = {0};
    if (stage_number(&result) < 3) {
        result_free(&result);
        return;
    }
    RUN(&result, "-d", "kept", "put", "k", "v");
    RUN(&result, "-d", "kept", "bench", "load", "--count", "3000", "--write-buffer-bytes",
        "64k", "--json");
    expect_code(&result, 0);
    cJSON *report = cJSON_Parse(out_text(&result));
    assert_non_null(report);
    const cJSON *orders = cJSON_GetObjectItem(report, "orders");
    assert_int_equal(cJSON_GetArraySize(orders), 2);
    const cJSON *one;
    cJSON_ArrayForEach(one, orders) {
        expect_positive(one, figures, sizeof figures / sizeof figures[0]);
        assert_true(cJSON_GetObjectItem(one, "tables")->valueint > 3);
    }
    cJSON_Delete(report);
    RUN(&result, "-d", "kept", "get", "k");
    expect_out(&result, "v");
    RUN(&result, "-d", "kept", "bench", "load", "--count", "10");
    expect_code(&result, 0);
    assert_non_null(strstr(out_text(&result), "open again"));
    result_free(&result);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(put_get_del),
        cmocka_unit_test(default_directory),
        cmocka_unit_test(odd_keys_and_values),
        cmocka_unit_test(scan),
        cmocka_unit_test(state_commands),
        cmocka_unit_test(help_and_version),
        cmocka_unit_test(usage_errors),
        cmocka_unit_test(settings_sources),
        cmocka_unit_test(later_stages),
        cmocka_unit_test(standard_output_fails),
        cmocka_unit_test(line_end_on_a_terminal),
        cmocka_unit_test(closed_descriptors),
        cmocka_unit_test(bench_append),
        cmocka_unit_test(bench_memory),
        cmocka_unit_test(bench_tables),
        cmocka_unit_test(bench_fillsync),
        cmocka_unit_test(bench_load),
    };
    return cmocka_run_group_tests(tests, run_setup, run_teardown);
}
