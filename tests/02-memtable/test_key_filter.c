/* The filter of a memtable: never "no" of what is there, rarely "perhaps" of the rest. */
#include "../common/support.h"

#include <stdio.h>

#include "counted_memory.h"
#include "key_filter.h"

static struct slice key_of(char text[32], uint64_t number) {
    return slice_make(text, (size_t)snprintf(text, 32, "key:%012" PRIu64, number));
}

/* Entries of so many bytes, as many as the filter expects. Answers how many of a thousand
 * absent keys get "perhaps". */
static unsigned fill(uint64_t expected_bytes, uint64_t entry_bytes) {
    enum { ABSENT = 20000 };
    struct key_filter filter;
    char text[32];
    unsigned perhaps = 0;
    uint64_t count = expected_bytes / entry_bytes;
    assert_ok(key_filter_init(&filter, expected_bytes));
    assert_true(key_filter_bytes(&filter) <= expected_bytes / 64 + 8);
    for (uint64_t i = 0; i < count; i++) {
        key_filter_add(&filter, key_of(text, i));
    }
    for (uint64_t i = 0; i < count; i++) {
        assert_true(key_filter_may_have(&filter, key_of(text, i)));
    }
    for (uint64_t i = 0; i < ABSENT; i++) {
        perhaps += key_filter_may_have(&filter, key_of(text, count + i));
    }
    key_filter_free(&filter);
    return perhaps * 1000 / ABSENT;
}

static void few_absent_keys_pass(void **state) {
    (void)state;
    assert_in_range(fill(8 << 20, 128), 0, 30); /* 16 bits a key */
    assert_in_range(fill(8 << 20, 64), 30, 100);
    assert_in_range(fill(100, 1), 0, 1000); /* one word, overfull */
}

static void without_words_all_pass(void **state) {
    (void)state;
    struct key_filter filter;
    assert_ok(key_filter_init(&filter, 0));
    key_filter_add(&filter, slice_of("a"));
    assert_true(key_filter_may_have(&filter, slice_of("b")));
    assert_int_equal(key_filter_bytes(&filter), 0);
    key_filter_free(&filter);
}

static void no_memory_is_an_error(void **state) {
    (void)state;
    struct key_filter filter;
    counted_memory_fail(1, false);
    assert_int_equal(key_filter_init(&filter, 4096), STATUS_NO_MEMORY);
    assert_ok(key_filter_init(&filter, 4096));
    assert_true(key_filter_may_have(&filter, slice_of("")) == false);
    key_filter_add(&filter, slice_of(""));
    assert_true(key_filter_may_have(&filter, slice_of("")));
    key_filter_free(&filter);
    assert_int_equal(counted_memory_blocks(), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(few_absent_keys_pass),
                                       cmocka_unit_test(without_words_all_pass),
                                       cmocka_unit_test(no_memory_is_an_error)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
