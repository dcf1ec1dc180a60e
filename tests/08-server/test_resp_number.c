/* Numbers as text: what is accepted, and that nothing is lost on the way out and in. */
#define TEST_HAS_STAGE
#include "../common/support.h"

#include <math.h>

#include "resp_number.h"

static void integers_are_read_strictly(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool good;
        int64_t value;
    } rows[] = {
        {"0", true, 0},
        {"7", true, 7},
        {"-1", true, -1},
        {"10", true, 10},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"9223372036854775810", false, 0},
        {"18446744073709551616", false, 0},
        {"99999999999999999999", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"-0", false, 0},
        {"00", false, 0},
        {"01", false, 0},
        {"-01", false, 0},
        {"+1", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"1.0", false, 0},
        {"1e3", false, 0},
        {"0x1", false, 0},
        {"--1", false, 0},
        {"12a", false, 0},
        {"/", false, 0},
        {":", false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t value = 42;
        if (resp_integer_parse(slice_of(rows[i].text), &value) != rows[i].good ||
            value != (rows[i].good ? rows[i].value : 42)) {
            fail_msg("\"%s\" is read as %" PRId64, rows[i].text, value);
        }
    }
    assert_false(resp_integer_parse(slice_make("1\0", 2), &(int64_t){0}));
}

static void expect_integer(int64_t value) {
    char text[RESP_INTEGER_BYTES], expected[32];
    int64_t again;
    size_t length = resp_integer_print(value, text);
    snprintf(expected, sizeof expected, "%" PRId64, value);
    assert_string_equal(text, expected);
    assert_int_equal(length, strlen(expected));
    assert_true(resp_integer_parse(slice_make(text, length), &again));
    assert_true(again == value);
}

static void integers_come_back(void **state) {
    (void)state;
    uint64_t random = test_seed();
    for (int i = 0; i < 100000; i++) {
        int64_t value = (int64_t)random_magnitude(&random);
        expect_integer(random_below(&random, 2) == 0 ? value : -value);
    }
    expect_integer(INT64_MIN);
    expect_integer(INT64_MAX);
    for (int64_t power = 1; power <= INT64_MAX / 10; power *= 10) {
        expect_integer(power);
        expect_integer(power - 1);
        expect_integer(-power);
    }
}

static void fractions_are_read_strictly(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool good;
        double value;
    } rows[] = {
        {"0", true, 0},
        {"1.5", true, 1.5},
        {"+1.5", true, 1.5},
        {"-1.5e3", true, -1500},
        {".5", true, 0.5},
        {"5.", true, 5},
        {"0x10", true, 16},
        {"inf", true, INFINITY},
        {"-inf", true, -INFINITY},
        {"Infinity", true, INFINITY},
        {"nan", false, 0},
        {"-nan", false, 0},
        {"", false, 0},
        {" 1", false, 0},
        {"\t1", false, 0},
        {"\v1", false, 0},
        {"1 ", false, 0},
        {"1.5x", false, 0},
        {"1,5", false, 0},
        {"abc", false, 0},
        {"1e", false, 0},
        {"--1", false, 0},
        {".", false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        double value = 42;
        long double extended = 42;
        struct slice text = slice_of(rows[i].text);
        if (resp_double_parse(text, &value) != rows[i].good ||
            resp_long_double_parse(text, &extended) != rows[i].good ||
            value != (rows[i].good ? rows[i].value : 42) || extended != value) {
            fail_msg("\"%s\" is read as %.17g and %.17Lg", rows[i].text, value, extended);
        }
    }
    assert_false(resp_double_parse(slice_make("1\0", 2), &(double){0}));
    assert_false(resp_long_double_parse(slice_make("1\0"
                                                   "2",
                                                   3),
                                        &(long double){0}));
    /* Out of a double's range, and in a long double's. */
    long double extended;
    assert_false(resp_double_parse(slice_of("1e400"), &(double){0}));
    assert_false(resp_double_parse(slice_of("1e-400"), &(double){0}));
    assert_true(resp_long_double_parse(slice_of("1e400"), &extended));
    assert_true(resp_long_double_parse(slice_of("1e-400"), &extended));
    assert_false(resp_long_double_parse(slice_of("1e5000"), &extended));
    assert_false(resp_long_double_parse(slice_of("1e-5000"), &extended));
}

static void texts_of_any_length_are_read(void **state) {
    (void)state;
    static char text[RESP_LONG_DOUBLE_BYTES + 1];
    memset(text, '0', sizeof text);
    text[0] = '.';
    text[1] = '5';
    double value = 0;
    long double extended = 0;
    assert_true(resp_double_parse(slice_make(text, RESP_LONG_DOUBLE_BYTES - 1), &value));
    assert_true(
        resp_long_double_parse(slice_make(text, RESP_LONG_DOUBLE_BYTES - 1), &extended));
    assert_true(value == 0.5 && extended == 0.5L);
    assert_false(resp_double_parse(slice_make(text, RESP_LONG_DOUBLE_BYTES), &value));
    assert_false(
        resp_long_double_parse(slice_make(text, RESP_LONG_DOUBLE_BYTES), &extended));
}

static void expect_double(double value, const char *expected) {
    char text[RESP_DOUBLE_BYTES];
    size_t length = resp_double_print(value, text);
    assert_string_equal(text, expected);
    assert_int_equal(length, strlen(expected));
}

static void doubles_come_back(void **state) {
    (void)state;
    expect_double(0, "0");
    expect_double(-0.0, "-0");
    expect_double(3, "3");
    expect_double(1.5, "1.5");
    expect_double(3.1, "3.1000000000000001");
    expect_double(1e17, "1e+17");
    expect_double(-1.7976931348623157e308, "-1.7976931348623157e+308");
    expect_double(5e-324, "4.9406564584124654e-324");
    expect_double(INFINITY, "inf");
    expect_double(-INFINITY, "-inf");
    expect_double(NAN, "nan");
    expect_double(-NAN, "nan");
    uint64_t random = test_seed();
    for (int i = 0; i < 100000; i++) {
        uint64_t bits = random_next(&random);
        double value, again;
        char text[RESP_DOUBLE_BYTES];
        memcpy(&value, &bits, sizeof value);
        if (isnan(value) || fpclassify(value) == FP_SUBNORMAL) {
            continue; /* strtod calls a subnormal one out of range, as Redis finds */
        }
        size_t length = resp_double_print(value, text);
        assert_true(length < RESP_DOUBLE_BYTES);
        assert_true(resp_double_parse(slice_make(text, length), &again));
        assert_true(again == value);
    }
}

static void expect_long_double(long double value, const char *expected) {
    static char text[RESP_LONG_DOUBLE_BYTES];
    size_t length = resp_long_double_print(value, text);
    assert_string_equal(text, expected);
    assert_int_equal(length, strlen(expected));
}

/* The examples of INCRBYFLOAT's documentation among them. */
static void long_doubles_are_printed_for_people(void **state) {
    (void)state;
    expect_long_double(0, "0");
    expect_long_double(-0.0L, "0");
    expect_long_double(10.50L + 0.1L, "10.6");
    expect_long_double(10.6L - 5, "5.6");
    expect_long_double(5.0e3L + 2.0e2L, "5200");
    expect_long_double(3, "3");
    expect_long_double(100, "100");
    expect_long_double(-100, "-100");
    expect_long_double(3.0e-18L, "0");
    expect_long_double(-3.0e-18L, "0");
    expect_long_double(1e-17L, "0.00000000000000001");
    expect_long_double(-0.5L, "-0.5");
    expect_long_double(1e20L, "100000000000000000000");
    expect_long_double(INFINITY, "inf");
    expect_long_double(-INFINITY, "-inf");
    expect_long_double(NAN, "nan");
    static char text[RESP_LONG_DOUBLE_BYTES];
    assert_int_equal(resp_long_double_print(-1.18973149535723176502e+4932L, text), 4934);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_read_strictly),
        cmocka_unit_test(integers_come_back),
        cmocka_unit_test(fractions_are_read_strictly),
        cmocka_unit_test(texts_of_any_length_are_read),
        cmocka_unit_test(doubles_come_back),
        cmocka_unit_test(long_doubles_are_printed_for_people),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
