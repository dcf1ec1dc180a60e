/* Values with an end: the bytes, and back. */
#define TEST_HAS_STAGE
#include "../common/support.h"

#include "counted_memory.h"
#include "expiry.h"

static struct slice bytes_of(const char *bytes, size_t length) {
    return slice_make(bytes, length);
}

/* stored, payload, end */
static const struct golden {
    const char *stored;
    size_t stored_bytes;
    const char *payload;
    size_t payload_bytes;
    uint64_t expires_at_millis;
} goldens[] = {
    {"", 0, "", 0, 0},
    {"value", 5, "value", 5, 0},
    {"\xfeXTL\x00\x10\xa5\xd4\xe8\x00\x00\x00value", 17, "value", 5, 1000000000000},
    {"\xfeXTL\x01\x00\x00\x00\x00\x00\x00\x00", 12, "", 0, 1},
    {"\xfeXTL\x00\x00\x00\x00\x00\x00\x00\x00\xfeXTL", 16, "\xfeXTL", 4, 0},
    {"\xfeXTL\x00\x00\x00\x00\x00\x00\x00\x00\xfeXTLvalue, and more", 31,
     "\xfeXTLvalue, and more", 19, 0},
    {"\xfeXTL\xff\xff\xff\xff\xff\xff\xff\xff\xfeXTL", 16, "\xfeXTL", 4, UINT64_MAX},
    {"\xfeXT", 3, "\xfeXT", 3, 0},
};

static void golden_bytes(void **state) {
    (void)state;
    struct buf stored = {0};
    for (size_t i = 0; i < sizeof goldens / sizeof goldens[0]; i++) {
        const struct golden *golden = &goldens[i];
        struct slice payload = bytes_of(golden->payload, golden->payload_bytes);
        struct slice wanted = bytes_of(golden->stored, golden->stored_bytes);
        assert_ok(expiry_encode(&stored, payload, golden->expires_at_millis));
        assert_true(slice_equal(buf_slice(&stored), wanted));
        struct expiry_value value = expiry_decode(wanted);
        assert_true(slice_equal(value.payload, payload));
        assert_int_equal(value.expires_at_millis, golden->expires_at_millis);
    }
    buf_free(&stored);
}

/* Of a directory of an earlier stage: no header fits, so it is all payload. */
static void short_beginnings_are_payload(void **state) {
    (void)state;
    static const char bytes[] = "\xfeXTL1234567";
    for (size_t length = 0; length < EXPIRY_HEADER_BYTES; length++) {
        struct expiry_value value = expiry_decode(bytes_of(bytes, length));
        assert_int_equal(value.payload.length, length);
        assert_int_equal(value.expires_at_millis, EXPIRY_NEVER);
    }
}

static uint64_t some_end(uint64_t *random) {
    switch (random_below(random, 4)) {
    case 0:
        return EXPIRY_NEVER;
    case 1:
        return 1 + random_below(random, 3);
    case 2:
        return UINT64_MAX - random_below(random, 3);
    default:
        return random_next(random);
    }
}

/* Payloads often begin as a header does, or are one. */
static void some_payload(struct buf *payload, uint64_t *random) {
    static const unsigned char beginning[] = {0xfe, 'X', 'T', 'L', 0, 0,
                                              0,    0,   0,   0,   0, 0};
    buf_clear(payload);
    size_t like = random_below(random, 2) * random_below(random, sizeof beginning + 1);
    assert_ok(buf_append(payload, beginning, like));
    for (size_t more = random_below(random, 20); more > 0; more--) {
        unsigned char byte = (unsigned char)random_next(random);
        assert_ok(buf_append(payload, &byte, 1));
    }
}

static void all_come_back(void **state) {
    (void)state;
    uint64_t random = test_seed();
    struct buf stored = {0}, payload = {0};
    size_t bare = 0;
    for (size_t i = 0; i < 50000; i++) {
        uint64_t end = some_end(&random);
        some_payload(&payload, &random);
        assert_ok(expiry_encode(&stored, buf_slice(&payload), end));
        struct expiry_value value = expiry_decode(buf_slice(&stored));
        assert_true(slice_equal(value.payload, buf_slice(&payload)));
        assert_int_equal(value.expires_at_millis, end);
        bare += stored.length == payload.length;
        assert_true(stored.length == payload.length ||
                    stored.length == payload.length + EXPIRY_HEADER_BYTES);
    }
    assert_in_range(bare, 5000, 20000);
    buf_free(&stored);
    buf_free(&payload);
}

/* A value is there before its millisecond. */
static void over_at_its_end(void **state) {
    (void)state;
    struct buf stored = {0};
    assert_ok(expiry_encode(&stored, slice_of("value"), 1000));
    assert_false(value_filter_expiry.is_dead(buf_slice(&stored), 999));
    assert_true(value_filter_expiry.is_dead(buf_slice(&stored), 1000));
    assert_true(value_filter_expiry.is_dead(buf_slice(&stored), UINT64_MAX));
    assert_ok(expiry_encode(&stored, slice_of("\xfeXTL"), EXPIRY_NEVER));
    assert_false(value_filter_expiry.is_dead(buf_slice(&stored), UINT64_MAX));
    assert_false(value_filter_expiry.is_dead(slice_of("value"), UINT64_MAX));
    assert_false(value_filter_expiry.is_dead(slice_of(""), 0));
    buf_free(&stored);
}

static void no_memory_is_told(void **state) {
    (void)state;
    struct buf stored = {0};
    size_t allocation = 1;
    enum status status = STATUS_NO_MEMORY;
    for (; status == STATUS_NO_MEMORY; allocation++) {
        counted_memory_fail(allocation, false);
        status = expiry_encode(&stored, slice_of("a value of some length"), 5);
        counted_memory_fail(0, false);
        buf_free(&stored);
    }
    assert_ok(status);
    assert_true(allocation > 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_bytes),
        cmocka_unit_test(short_beginnings_are_payload),
        cmocka_unit_test(all_come_back),
        cmocka_unit_test(over_at_its_end),
        cmocka_unit_test(no_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
