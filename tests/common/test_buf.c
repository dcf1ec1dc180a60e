#include "support.h"

#include "buf.h"

/* A buf against a plain array, under a random walk of all that grows or replaces. */
static void behaves_as_an_array(void **state) {
    (void)state;
    uint64_t random = test_seed();
    enum { ROUNDS = 20000, PIECE_BYTES = 200, MODEL_BYTES = 1 << 16 };
    unsigned char *model = malloc(MODEL_BYTES);
    assert_non_null(model);
    size_t length = 0;
    struct buf buf = {0};
    for (int round = 0; round < ROUNDS; round++) {
        unsigned char piece[PIECE_BYTES];
        size_t count = random_below(&random, PIECE_BYTES);
        for (size_t i = 0; i < count; i++) {
            piece[i] = (unsigned char)random_next(&random);
        }
        if (length + PIECE_BYTES > MODEL_BYTES || random_below(&random, 500) == 0) {
            buf_clear(&buf);
            length = 0;
        }
        switch (random_below(&random, 4)) {
        case 0:
            assert_ok(buf_append(&buf, piece, count));
            memcpy(model + length, piece, count);
            length += count;
            break;
        case 1:
            assert_ok(buf_append_slice(&buf, slice_make(piece, count)));
            memcpy(model + length, piece, count);
            length += count;
            break;
        case 2:
            assert_ok(buf_printf(&buf, "%zu|%*d", count, (int)count, 7));
            length +=
                (size_t)sprintf((char *)model + length, "%zu|%*d", count, (int)count, 7);
            break;
        default:
            if (random_below(&random, 50) == 0) {
                assert_ok(buf_assign(&buf, slice_make(piece, count)));
                memcpy(model, piece, count);
                length = count;
            } else {
                assert_ok(buf_reserve(&buf, count));
                assert_true(buf.capacity - buf.length >= count);
            }
        }
        assert_true(slice_equal(buf_slice(&buf), slice_make(model, length)));
        assert_true(buf.length <= buf.capacity);
    }
    buf_free(&buf);
    free(model);
}

/* At every room that is left, text of every length about it, the terminator included. */
static void printing_fits_or_grows(void **state) {
    (void)state;
    for (size_t used = 0; used <= 64; used++) {
        for (int length = 0; length <= 70; length++) {
            struct buf buf = {0};
            assert_ok(buf_reserve(&buf, 64));
            memset(buf.data, 'u', used);
            buf.length = used;
            assert_ok(buf_printf(&buf, "%.*s", length,
                                 "0123456789012345678901234567890123456789"
                                 "0123456789012345678901234567890123456789"));
            assert_int_equal(buf.length, used + (size_t)length);
            for (size_t i = 0; i < buf.length; i++) {
                assert_int_equal(buf.data[i],
                                 i < used ? (int)'u' : '0' + (int)((i - used) % 10));
            }
            buf_free(&buf);
        }
    }
}

static void empty_is_present(void **state) {
    (void)state;
    struct buf buf = {0};
    assert_true(slice_present(buf_slice(&buf)));
    assert_ok(buf_append(&buf, NULL, 0));
    assert_ok(buf_append_text(&buf, ""));
    assert_ok(buf_assign(&buf, slice_of("")));
    assert_int_equal(buf.length, 0);
    buf_free(&buf);
    assert_null(buf.data);
    assert_int_equal(buf.capacity, 0);
}

static void a_part_of_itself_can_be_assigned(void **state) {
    (void)state;
    struct buf buf = {0};
    assert_ok(buf_append_text(&buf, "one two"));
    assert_ok(buf_assign(&buf, slice_make(buf.data + 4, 3)));
    assert_true(slice_equal(buf_slice(&buf), slice_of("two")));
    buf_free(&buf);
}

static void growth_doubles(void **state) {
    (void)state;
    struct buf buf = {0};
    size_t grown = 0;
    for (int i = 0; i < 100000; i++) {
        size_t before = buf.capacity;
        assert_ok(buf_append(&buf, "x", 1));
        grown += buf.capacity != before;
    }
    assert_true(grown <= 12);
    buf_free(&buf);
}

static void too_much_is_refused_and_changes_nothing(void **state) {
    (void)state;
    struct buf buf = {0};
    assert_ok(buf_append_text(&buf, "kept"));
    assert_int_equal(buf_reserve(&buf, SIZE_MAX), STATUS_NO_MEMORY);
    assert_int_equal(buf_reserve(&buf, SIZE_MAX / 2), STATUS_NO_MEMORY);
    assert_int_equal(buf_append(&buf, "x", SIZE_MAX - 2), STATUS_NO_MEMORY);
    assert_true(slice_equal(buf_slice(&buf), slice_of("kept")));
    buf_free(&buf);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(behaves_as_an_array),
        cmocka_unit_test(printing_fits_or_grows),
        cmocka_unit_test(empty_is_present),
        cmocka_unit_test(a_part_of_itself_can_be_assigned),
        cmocka_unit_test(growth_doubles),
        cmocka_unit_test(too_much_is_refused_and_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
