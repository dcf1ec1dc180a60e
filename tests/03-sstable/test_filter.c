/* No key that was added is ever denied, few others are let through, and the bytes stay
 * what they are. */
#define TEST_HAS_STAGE
#include "../common/support.h"

#include "counted_memory.h"
#include "filter.h"

enum { KEY_BYTES_MAX = 40 };

/* The i-th of many different keys. */
static struct slice key_of(unsigned char key[KEY_BYTES_MAX], uint64_t i) {
    return slice_make(key, (size_t)snprintf((char *)key, KEY_BYTES_MAX, "%" PRIu64, i));
}

static void build(struct buf *filter, unsigned bits, uint64_t from, uint64_t count) {
    struct filter_builder builder;
    unsigned char key[KEY_BYTES_MAX];
    filter_builder_init(&builder, bits);
    for (uint64_t i = from; i < from + count; i++) {
        assert_ok(filter_builder_add(&builder, filter_hash(key_of(key, i))));
    }
    assert_int_equal(builder.count, count);
    assert_ok(filter_builder_finish(&builder, filter));
    filter_builder_free(&builder);
}

static bool may_contain(struct slice bytes, uint64_t hash) {
    struct filter filter;
    const char *why;
    (void)filter_read(&filter, bytes, &why); /* a damaged one is to deny nothing */
    filter_prefetch(&filter, hash);
    return filter_may_contain(&filter, hash);
}

/* XXH3_64bits of the empty string and of "a", as its reference implementation has them,
 * and the filters of no key, of the empty key and of three keys. */
static void golden_bytes(void **state) {
    (void)state;
    assert_int_equal(filter_hash(slice_of("")), 0x2d06800538d394c2);
    assert_int_equal(filter_hash(slice_of("a")), 0xe6c632b61e964e1f);
    struct buf filter = {0};
    struct filter_builder builder;
    filter_builder_init(&builder, 10);
    assert_ok(filter_builder_finish(&builder, &filter));
    static const unsigned char none[] = {6, 1};
    assert_int_equal(filter.length, sizeof none);
    assert_memory_equal(filter.data, none, sizeof none);
    assert_false(may_contain(buf_slice(&filter), filter_hash(slice_of(""))));

    /* The bits of the empty key, worked out from the words in filter.c: 104, 128, 478,
     * 493, 345 and 255. */
    static const unsigned bits[] = {104, 128, 478, 493, 345, 255};
    unsigned char one[FILTER_LINE_BYTES + 2] = {0};
    for (size_t i = 0; i < 6; i++) {
        one[bits[i] / 8] |= (unsigned char)(1u << bits[i] % 8);
    }
    one[FILTER_LINE_BYTES] = 6;
    one[FILTER_LINE_BYTES + 1] = 1;
    assert_ok(filter_builder_add(&builder, filter_hash(slice_of(""))));
    buf_clear(&filter);
    assert_ok(filter_builder_finish(&builder, &filter));
    assert_int_equal(filter.length, sizeof one);
    assert_memory_equal(filter.data, one, sizeof one);

    /* Two lines: which one a key is in counts. */
    buf_clear(&filter);
    build(&filter, 10, 0, 60);
    assert_int_equal(filter.length, 2 * FILTER_LINE_BYTES + 2);
    assert_int_equal(filter_hash(buf_slice(&filter)), 0xf27597d6c6fdf7c4);
    buf_free(&filter);
    filter_builder_free(&builder);
}

static void added_keys_are_never_denied(void **state) {
    (void)state;
    uint64_t random = test_seed();
    for (int round = 0; round < 300; round++) {
        struct buf filter = {0};
        unsigned char key[KEY_BYTES_MAX];
        unsigned bits = 1 + (unsigned)random_below(&random, FILTER_BITS_MAX);
        uint64_t from = random_next(&random) >> 1;
        uint64_t count = random_below(&random, round % 10 == 0 ? 5000 : 120);
        assert_ok(buf_append_text(&filter, "before"));
        build(&filter, bits, from, count);
        struct slice slice = buf_slice(&filter);
        slice_advance(&slice, 6);
        struct filter read;
        const char *why;
        assert_true(filter_read(&read, slice, &why));
        for (uint64_t i = from; i < from + count; i++) {
            assert_true(may_contain(slice, filter_hash(key_of(key, i))));
        }
        buf_free(&filter);
    }
}

/* Versions of one key follow one another and take no room; the empty key is a key, also
 * when it comes first. */
static void equal_hashes_count_once(void **state) {
    (void)state;
    struct filter_builder builder;
    struct buf filter = {0};
    filter_builder_init(&builder, 10);
    for (int i = 0; i < 3; i++) {
        assert_ok(filter_builder_add(&builder, filter_hash(slice_of(""))));
    }
    assert_int_equal(builder.count, 1);
    assert_ok(filter_builder_add(&builder, 0));
    assert_ok(filter_builder_add(&builder, filter_hash(slice_of(""))));
    assert_int_equal(builder.count, 3);
    assert_ok(filter_builder_finish(&builder, &filter));
    assert_ok(filter_builder_add(&builder, filter_hash(slice_of(""))));
    assert_int_equal(builder.count,
                     1); /* the last one of another filter is no last one */
    assert_true(may_contain(buf_slice(&filter), filter_hash(slice_of(""))));
    assert_true(may_contain(buf_slice(&filter), 0));
    filter_builder_free(&builder);
    filter_builder_init(&builder, 10);
    assert_ok(filter_builder_add(&builder, 0)); /* equals no hash before it */
    assert_int_equal(builder.count, 1);
    filter_builder_free(&builder);
    buf_free(&filter);
}

/* Under 1 % at 10 bits a key, whatever the number of keys, on a million absent keys. */
static void few_absent_keys_pass(void **state) {
    (void)state;
    static const struct {
        unsigned bits;
        uint64_t keys;
        double percent;
    } rows[] = {{10, 1000, 1.0},
                {10, 20000, 1.0},
                {10, 1000000, 1.0},
                {5, 20000, 11.0},
                {16, 20000, 0.11}};
    enum { ABSENT = 1000000 };
    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
        struct buf filter = {0};
        unsigned char key[KEY_BYTES_MAX];
        size_t passed = 0;
        build(&filter, rows[row].bits, 0, rows[row].keys);
        for (uint64_t i = 0; i < ABSENT; i++) {
            uint64_t hash = filter_hash(key_of(key, 10000000 + i));
            passed += may_contain(buf_slice(&filter), hash);
        }
        double percent = 100.0 * (double)passed / ABSENT;
        printf("%u bits, %" PRIu64 " keys: %.3f %% of absent keys pass\n", rows[row].bits,
               rows[row].keys, percent);
        assert_true(percent < rows[row].percent);
        assert_true(percent > rows[row].percent / 10); /* else it was not asked */
        buf_free(&filter);
    }
}

/* Answers "perhaps", so that a search goes to the blocks. */
static void damaged_filters_deny_nothing(void **state) {
    (void)state;
    unsigned char bytes[3 * FILTER_LINE_BYTES] = {0};
    const char *why = NULL;
    size_t denying = 0;
    for (size_t length = 0; length <= sizeof bytes; length++) {
        static const unsigned char probes[] = {0, 1, 6, 30, 31, 255};
        for (size_t i = 0; i < sizeof probes * 2 && length >= 2; i++) {
            unsigned version = i % 2 == 0 ? 1 : 2;
            bytes[length - 2] = probes[i / 2];
            bytes[length - 1] = (unsigned char)version;
            bool whole = length % FILTER_LINE_BYTES == 2 && probes[i / 2] >= 1 &&
                         probes[i / 2] <= 30;
            struct slice filter = slice_make(bytes, length);
            struct filter read;
            assert_int_equal(filter_read(&read, filter, &why), whole || version == 2);
            bool denies = !may_contain(filter, UINT64_MAX / 3);
            assert_int_equal(denies, whole && version == 1);
            denying += denies;
        }
        memset(bytes, 0, sizeof bytes);
    }
    assert_int_equal(denying, 3 * 3);
    struct filter read;
    assert_false(filter_read(&read, slice_make(bytes, 1), &why));
    assert_non_null(strstr(why, "too short"));
    assert_true(may_contain(slice_make(bytes, 1), 1));
}

static void no_memory_is_said(void **state) {
    (void)state;
    size_t blocks = counted_memory_blocks();
    bool failed = true;
    for (size_t countdown = 1; failed; countdown++) {
        struct filter_builder builder;
        struct buf filter = {0};
        enum status status = STATUS_OK;
        filter_builder_init(&builder, 10);
        counted_memory_fail(countdown, false);
        for (uint64_t i = 0; i < 1000 && status == STATUS_OK; i++) {
            status = filter_builder_add(&builder, i);
        }
        if (status == STATUS_OK) {
            status = filter_builder_finish(&builder, &filter);
        }
        failed = counted_memory_failed();
        counted_memory_fail(0, false);
        assert_int_equal(status, failed ? STATUS_NO_MEMORY : STATUS_OK);
        assert_true(!failed || filter.length == 0);
        filter_builder_free(&builder);
        buf_free(&filter);
        assert_int_equal(counted_memory_blocks(), blocks);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_bytes),
        cmocka_unit_test(added_keys_are_never_denied),
        cmocka_unit_test(equal_hashes_count_once),
        cmocka_unit_test(few_absent_keys_pass),
        cmocka_unit_test(damaged_filters_deny_nothing),
        cmocka_unit_test(no_memory_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
