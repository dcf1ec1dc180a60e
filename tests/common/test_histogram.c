#include "support.h"

#include "histogram.h"

static int by_value(const void *a, const void *b) {
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

/* The smallest value with at least percent of all at or below it. */
static uint64_t exact_percentile(const uint64_t *sorted, size_t count, double percent) {
    double rank = percent / 100 * (double)count;
    size_t at = (size_t)rank;
    if ((double)at < rank) {
        at++;
    }
    return sorted[at == 0 ? 0 : at - 1];
}

static void check_against(const struct histogram *histogram, uint64_t *values,
                          size_t count) {
    static const double percents[] = {0, 1, 10, 50, 90, 99, 99.9, 100};
    qsort(values, count, sizeof values[0], by_value);
    assert_int_equal(histogram->count, count);
    assert_int_equal(histogram->smallest, values[0]);
    assert_int_equal(histogram->largest, values[count - 1]);
    for (size_t i = 0; i < sizeof percents / sizeof percents[0]; i++) {
        uint64_t exact = exact_percentile(values, count, percents[i]);
        uint64_t told = histogram_percentile(histogram, percents[i]);
        assert_true(told >= exact);
        assert_true(told - exact <= exact / 8);
        assert_true(told >= histogram->smallest && told <= histogram->largest);
    }
}

enum { VALUES_MAX = 2000 };

static void percentiles_are_right_within_an_eighth(void **state) {
    (void)state;
    uint64_t random = test_seed();
    static uint64_t values[VALUES_MAX];
    for (int round = 0; round < 300; round++) {
        size_t count = 1 + random_below(&random, VALUES_MAX);
        uint64_t bound = 1 + random_magnitude(&random) / 2;
        struct histogram histogram = {0};
        struct histogram parts[2] = {{0}, {0}};
        uint64_t sum = 0;
        for (size_t i = 0; i < count; i++) {
            values[i] =
                round % 2 == 0 ? random_magnitude(&random) : random_below(&random, bound);
            histogram_add(&histogram, values[i]);
            histogram_add(&parts[random_below(&random, 2)], values[i]);
            sum += values[i];
        }
        assert_int_equal(histogram.sum, sum);
        check_against(&histogram, values, count);
        histogram_merge(&parts[0], &parts[1]);
        assert_memory_equal(&parts[0], &histogram, sizeof histogram);
    }
}

static void edges_of_buckets(void **state) {
    (void)state;
    for (unsigned shift = 0; shift < 64; shift++) {
        for (int off = -1; off <= 1; off++) {
            uint64_t value = ((uint64_t)1 << shift) + (uint64_t)off;
            struct histogram histogram = {0};
            histogram_add(&histogram, value);
            assert_int_equal(histogram_percentile(&histogram, 50), value);
        }
    }
    struct histogram both = {0};
    histogram_add(&both, UINT64_MAX);
    histogram_add(&both, 7);
    assert_int_equal(histogram_percentile(&both, 50), 7);
    assert_int_equal(histogram_percentile(&both, 100), UINT64_MAX);
}

static void empty_and_printed(void **state) {
    (void)state;
    struct histogram histogram = {0};
    assert_int_equal(histogram_percentile(&histogram, 99), 0);
    assert_true(histogram_mean(&histogram) < 0.5);
    struct buf out = {0};
    assert_ok(histogram_print(&histogram, &out));
    assert_true(slice_equal(buf_slice(&out),
                            slice_of("count 0 mean 0.0 p50 0 p99 0 p99.9 0 max 0")));
    for (uint64_t value = 1; value <= 4; value++) {
        histogram_add(&histogram, value);
    }
    buf_clear(&out);
    assert_ok(histogram_print(&histogram, &out));
    assert_true(slice_equal(buf_slice(&out),
                            slice_of("count 4 mean 2.5 p50 2 p99 4 p99.9 4 max 4")));
    buf_free(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_are_right_within_an_eighth),
        cmocka_unit_test(edges_of_buckets),
        cmocka_unit_test(empty_and_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
