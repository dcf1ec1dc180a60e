/* The benchmarks, with small counts: what they print is whole, and nothing is left. */
#include "run.h"

#include <cjson/cJSON.h>

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

static int step_of(const cJSON *report, const char *step, const char *what) {
    const cJSON *size = cJSON_GetObjectItem(cJSON_GetObjectItem(report, "steps"), step);
    const cJSON *number = cJSON_GetObjectItem(size, what);
    assert_non_null(number);
    return number->valueint;
}

/* From stage 07 on there are snapshots, each of which keeps a version of every entry. */
static void bench_snapshot(void **state) {
    (void)state;
    static const char *const figures[] = {"get_at_snapshot_nanos", "get_nanos"};
    struct result result = {0};
    if (stage_number(&result) < 7) {
        RUN(&result, "bench", "snapshot");
        expect_error(&result, 2, "append");
        result_free(&result);
        return;
    }
    RUN(&result, "-d", "bench", "bench", "snapshot", "--count", "20000", "--json");
    expect_code(&result, 0);
    cJSON *report = cJSON_Parse(out_text(&result));
    assert_non_null(report);
    assert_int_equal(cJSON_GetObjectItem(report, "count")->valueint, 20000);
    assert_int_equal(cJSON_GetObjectItem(report, "entries")->valueint, 2000);
    expect_positive(report, figures, sizeof figures / sizeof figures[0]);
    int before = step_of(report, "before", "bytes");
    int held = step_of(report, "held", "bytes");
    assert_in_range(step_of(report, "overwritten", "bytes"), held * 2, held * 20);
    assert_in_range(held, before * 3 / 2, before * 5 / 2);
    assert_in_range(step_of(report, "released", "bytes"), before / 2, before * 5 / 4);
    assert_int_equal(step_of(report, "released", "tables"), 1);
    cJSON_Delete(report);
    assert_false(exists("bench"));
    RUN(&result, "bench", "snapshot", "--count", "2");
    expect_code(&result, 0);
    assert_non_null(strstr(out_text(&result), "1 entries of 16+100 bytes"));
    RUN(&result, "bench", "fillsync", "--threads", "2", "--count", "5", "--rounds", "1");
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
        "64k", "--level0-tables", "100", "--level0-slow-tables", "100",
        "--level0-stop-tables", "100", "--json"); /* nothing is compacted meanwhile */
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
        cmocka_unit_test(bench_append),   cmocka_unit_test(bench_memory),
        cmocka_unit_test(bench_tables),   cmocka_unit_test(bench_fillsync),
        cmocka_unit_test(bench_snapshot), cmocka_unit_test(bench_load),
    };
    return cmocka_run_group_tests(tests, run_setup, run_teardown);
}
