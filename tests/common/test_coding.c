#include "support.h"

#include "coding.h"

enum { ROUNDS = 100000 };

static void fixed_width_round_trips(void **state) {
    (void)state;
    uint64_t random = test_seed();
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t value = random_magnitude(&random);
        unsigned char bytes[8];
        encode_fixed64(bytes, value);
        assert_int_equal(decode_fixed64(bytes), value);
        struct slice from = slice_make(bytes, 8);
        uint64_t wide = 0;
        assert_true(take_fixed64(&from, &wide));
        assert_int_equal(wide, value);
        assert_int_equal(from.length, 0);

        encode_fixed32(bytes, (uint32_t)value);
        assert_int_equal(decode_fixed32(bytes), (uint32_t)value);
        from = slice_make(bytes, 5);
        uint32_t narrow = 0;
        assert_true(take_fixed32(&from, &narrow));
        assert_int_equal(narrow, (uint32_t)value);
        assert_int_equal(from.length, 1);
    }
}

static void varints_round_trip_and_cut_ones_are_refused(void **state) {
    (void)state;
    uint64_t random = test_seed();
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t value = random_magnitude(&random);
        unsigned char bytes[VARINT64_BYTES_MAX + 1];
        memset(bytes, 0x7f, sizeof bytes);
        size_t length = (size_t)(encode_varint(bytes, value) - bytes);
        assert_int_equal(length, varint_bytes(value));
        for (size_t cut = 0; cut < length; cut++) {
            struct slice from = slice_make(bytes, cut);
            uint64_t untouched = 42;
            assert_false(take_varint64(&from, &untouched));
            assert_int_equal(untouched, 42);
            assert_ptr_equal(from.data, bytes);
            assert_int_equal(from.length, cut);
        }
        struct slice from = slice_make(bytes, sizeof bytes);
        uint64_t wide = 0;
        assert_true(take_varint64(&from, &wide));
        assert_int_equal(wide, value);
        assert_ptr_equal(from.data, bytes + length);

        from = slice_make(bytes, sizeof bytes);
        uint32_t narrow = 42;
        assert_int_equal(take_varint32(&from, &narrow), value <= UINT32_MAX);
        assert_int_equal(narrow, value <= UINT32_MAX ? value : 42);
    }
}

static void golden_bytes(void **state) {
    (void)state;
    unsigned char bytes[VARINT64_BYTES_MAX];
    encode_fixed32(bytes, 0x04030201);
    assert_memory_equal(bytes, "\x01\x02\x03\x04", 4);
    encode_fixed64(bytes, 0x0807060504030201);
    assert_memory_equal(bytes, "\x01\x02\x03\x04\x05\x06\x07\x08", 8);
    static const struct {
        uint64_t value;
        const char *bytes;
        size_t length;
    } varints[] = {
        {0, "\x00", 1},
        {127, "\x7f", 1},
        {128, "\x80\x01", 2},
        {300, "\xac\x02", 2},
        {16383, "\xff\x7f", 2},
        {16384, "\x80\x80\x01", 3},
        {UINT32_MAX, "\xff\xff\xff\xff\x0f", 5},
        {UINT64_MAX, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10},
    };
    for (size_t i = 0; i < sizeof varints / sizeof varints[0]; i++) {
        unsigned char *end = encode_varint(bytes, varints[i].value);
        assert_int_equal(end - bytes, varints[i].length);
        assert_memory_equal(bytes, varints[i].bytes, varints[i].length);
    }
    unsigned char prefixed[8];
    assert_ptr_equal(encode_prefixed(prefixed, slice_of("key")), prefixed + 4);
    assert_memory_equal(prefixed, "\x03key", 4);
}

static bool is_varint32(const char *bytes, size_t length) {
    struct slice from = slice_make(bytes, length);
    uint32_t value;
    return take_varint32(&from, &value);
}

static bool is_varint64(const char *bytes, size_t length) {
    struct slice from = slice_make(bytes, length);
    uint64_t value;
    return take_varint64(&from, &value);
}

static void over_long_varints_are_refused(void **state) {
    (void)state;
    assert_true(is_varint32("\xff\xff\xff\xff\x0f", 5));
    assert_false(is_varint32("\xff\xff\xff\xff\x10", 5));
    assert_false(is_varint32("\xff\xff\xff\xff\x7f", 5));
    assert_false(is_varint32("\x80\x80\x80\x80\x80\x00", 6));
    assert_true(is_varint64("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10));
    assert_false(is_varint64("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10));
    assert_false(is_varint64("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 11));
}

static void prefixed_round_trips_and_cut_ones_are_refused(void **state) {
    (void)state;
    uint64_t random = test_seed();
    for (int round = 0; round < 300; round++) {
        unsigned char value[300];
        size_t length = random_below(&random, sizeof value);
        memset(value, (int)random_below(&random, 256), sizeof value);
        unsigned char bytes[sizeof value + VARINT32_BYTES_MAX];
        size_t whole =
            (size_t)(encode_prefixed(bytes, slice_make(value, length)) - bytes);
        for (size_t cut = 0; cut < whole; cut++) {
            struct slice from = slice_make(bytes, cut);
            struct slice taken = {0};
            assert_false(take_prefixed(&from, &taken));
            assert_int_equal(from.length, cut);
            assert_false(slice_present(taken));
        }
        struct slice from = slice_make(bytes, whole);
        struct slice taken = {0};
        assert_true(take_prefixed(&from, &taken));
        assert_true(slice_equal(taken, slice_make(value, length)));
        assert_int_equal(from.length, 0);
    }
    struct slice huge = slice_of("\xff\xff\xff\xff\x0fx");
    struct slice taken;
    assert_false(take_prefixed(&huge, &taken));
}

static void cut_fixed_widths_are_refused(void **state) {
    (void)state;
    const unsigned char bytes[8] = {0};
    for (size_t cut = 0; cut < 8; cut++) {
        struct slice from = slice_make(bytes, cut);
        uint32_t narrow;
        uint64_t wide;
        assert_false(take_fixed64(&from, &wide));
        assert_int_equal(take_fixed32(&from, &narrow), cut >= 4);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fixed_width_round_trips),
        cmocka_unit_test(varints_round_trip_and_cut_ones_are_refused),
        cmocka_unit_test(golden_bytes),
        cmocka_unit_test(over_long_varints_are_refused),
        cmocka_unit_test(prefixed_round_trips_and_cut_ones_are_refused),
        cmocka_unit_test(cut_fixed_widths_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
