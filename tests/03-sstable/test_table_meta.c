#define TEST_HAS_STAGE
#include "../common/support.h"

#include "counted_memory.h"
#include "table_meta.h"

static void copies_stand_alone(void **state) {
    (void)state;
    struct table_meta meta = {.number = 7,
                              .bytes = 4096,
                              .smallest_sequence = 3,
                              .largest_sequence = 900,
                              .entries = 55};
    size_t blocks = counted_memory_blocks();
    assert_ok(buf_append_text(&meta.smallest, "first"));
    assert_ok(buf_append_text(&meta.largest, "last"));
    for (size_t countdown = 1; countdown <= 3; countdown++) {
        struct table_meta copy = {.number = 1};
        counted_memory_fail(countdown, false);
        enum status status = table_meta_copy(&copy, &meta);
        counted_memory_fail(0, false);
        assert_int_equal(status, countdown < 3 ? STATUS_NO_MEMORY : STATUS_OK);
        if (status != STATUS_OK) {
            assert_int_equal(copy.number, 1);
            assert_null(copy.smallest.data);
            assert_int_equal(counted_memory_blocks(), blocks + 2);
            continue;
        }
        meta.smallest.data[0] = 'F';
        assert_true(slice_equal(buf_slice(&copy.smallest), slice_of("first")));
        assert_true(slice_equal(buf_slice(&copy.largest), slice_of("last")));
        assert_int_equal(copy.number, 7);
        assert_int_equal(copy.bytes, 4096);
        assert_int_equal(copy.smallest_sequence, 3);
        assert_int_equal(copy.largest_sequence, 900);
        assert_int_equal(copy.entries, 55);
        table_meta_free(&copy);
        assert_int_equal(copy.number, 0);
    }
    table_meta_free(&meta);
    table_meta_free(&meta); /* a zeroed one owns nothing */
    assert_int_equal(counted_memory_blocks(), blocks);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(copies_stand_alone)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
