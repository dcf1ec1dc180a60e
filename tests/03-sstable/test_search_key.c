#define TEST_HAS_STAGE
#include "../common/support.h"

#include "counted_memory.h"
#include "filter.h"
#include "search_key.h"

/* Of all lengths around the edge between small and large; only large ones take memory. */
static void keys_are_what_is_looked_for(void **state) {
    (void)state;
    static unsigned char user[70000];
    memset(user, 'u', sizeof user);
    static const size_t lengths[] = {0,
                                     1,
                                     SEARCH_KEY_SMALL_BYTES - 1,
                                     SEARCH_KEY_SMALL_BYTES,
                                     SEARCH_KEY_SMALL_BYTES + 1,
                                     sizeof user};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct search_key key;
        struct slice slice = slice_make(user, lengths[i]);
        size_t blocks = counted_memory_blocks();
        assert_ok(search_key_init(&key, slice, 77, NULL));
        assert_int_equal(counted_memory_blocks() - blocks,
                         lengths[i] > SEARCH_KEY_SMALL_BYTES);
        assert_true(slice_equal(search_key_user(&key), slice));
        assert_int_equal(internal_key_tag(key.internal), tag_seek(77));
        assert_int_equal(key.hash, filter_hash(slice));
        search_key_free(&key);
        assert_int_equal(counted_memory_blocks(), blocks);
    }
    struct search_key key;
    struct error error = {0};
    counted_memory_fail(1, false);
    assert_int_equal(search_key_init(&key, slice_make(user, 300), 1, &error),
                     STATUS_NO_MEMORY);
    counted_memory_fail(0, false);
    assert_message_has(error, "a key to look for, 300 bytes");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(keys_are_what_is_looked_for)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
