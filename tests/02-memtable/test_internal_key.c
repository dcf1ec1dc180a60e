/* The bytes are those of the format, the order is that of the format. */
#define TEST_HAS_STAGE
#include "../common/support.h"

#include "counted_memory.h"
#include "internal_key.h"

/* LevelDB: the tag little-endian, sequence above type. */
static void golden_bytes(void **state) {
    (void)state;
    struct buf key = {0};
    assert_ok(
        internal_key_build(&key, slice_of("user"), tag_make(0x123456789abcde, KV_PUT)));
    static const unsigned char expected[] = {'u',  's',  'e',  'r',  0x01, 0xde,
                                             0xbc, 0x9a, 0x78, 0x56, 0x34, 0x12};
    assert_int_equal(key.length, sizeof expected);
    assert_memory_equal(key.data, expected, sizeof expected);
    assert_true(slice_equal(internal_key_user(buf_slice(&key)), slice_of("user")));
    uint64_t tag = internal_key_tag(buf_slice(&key));
    assert_int_equal(tag_sequence(tag), 0x123456789abcde);
    assert_int_equal(tag_type(tag), KV_PUT);
    buf_free(&key);
}

static void illegal_keys_are_known(void **state) {
    (void)state;
    static const unsigned char bytes[] = "k\x01\0\0\0\0\0\0\0";
    assert_true(internal_key_legal(slice_make(bytes, 9)));
    assert_true(internal_key_legal(slice_make(bytes + 1, 8))); /* the empty user key */
    assert_false(internal_key_legal(slice_make(bytes + 1, 7)));
    assert_false(internal_key_legal(slice_make(bytes, 0)));
    static const unsigned char type[] = "k\x02\0\0\0\0\0\0\0";
    assert_false(internal_key_legal(slice_make(type, 9)));
}

struct parts {
    unsigned char user[20];
    size_t user_bytes;
    uint64_t sequence;
    enum kv_op_type type;
};

/* Half of the keys are long and begin alike. */
static struct parts random_parts(uint64_t *random) {
    struct parts parts = {.user_bytes = random_below(random, 4),
                          .sequence = random_below(random, 2) == 0
                                          ? random_below(random, 4)
                                          : SEQUENCE_MAX - random_below(random, 4),
                          .type = random_below(random, 2) == 0 ? KV_PUT : KV_DELETE};
    size_t alike = random_below(random, 2) == 0 ? 0 : 3 + random_below(random, 13);
    parts.user_bytes += alike;
    for (size_t i = alike; i < parts.user_bytes; i++) {
        static const unsigned char letters[] = {0, 1, 0xff};
        parts.user[i] = letters[random_below(random, 3)];
    }
    return parts;
}

/* Byte by byte, then the numbers: slower than the real one, and plainly right. */
static int expected_order(const struct parts *a, const struct parts *b) {
    for (size_t i = 0; i < a->user_bytes || i < b->user_bytes; i++) {
        int left = i < a->user_bytes ? a->user[i] : -1;
        int right = i < b->user_bytes ? b->user[i] : -1;
        if (left != right) {
            return left < right ? -1 : 1;
        }
    }
    if (a->sequence != b->sequence) {
        return a->sequence > b->sequence ? -1 : 1;
    }
    return a->type == b->type ? 0 : a->type == KV_PUT ? -1 : 1;
}

/* Of copies with nothing behind them, so that the address sanitizer sees the end. */
static int compare_exact(struct slice a, struct slice b) {
    unsigned char *left = malloc(a.length);
    unsigned char *right = malloc(b.length);
    memcpy(left, a.data, a.length);
    memcpy(right, b.data, b.length);
    int order =
        internal_key_compare(slice_make(left, a.length), slice_make(right, b.length));
    free(left);
    free(right);
    return order;
}

static void order_is_user_then_newest(void **state) {
    (void)state;
    uint64_t random = test_seed();
    struct buf left = {0}, right = {0};
    for (int round = 0; round < 50000; round++) {
        struct parts a = random_parts(&random);
        struct parts b = random_parts(&random);
        assert_ok(internal_key_build(&left, slice_make(a.user, a.user_bytes),
                                     tag_make(a.sequence, a.type)));
        assert_ok(internal_key_build(&right, slice_make(b.user, b.user_bytes),
                                     tag_make(b.sequence, b.type)));
        int order = compare_exact(buf_slice(&left), buf_slice(&right));
        assert_int_equal((order > 0) - (order < 0), expected_order(&a, &b));
    }
    buf_free(&left);
    buf_free(&right);
}

/* Where a seek at a sequence lands, between which tags. */
static void seeks_stand_between_versions(void **state) {
    (void)state;
    assert_true(tag_seek(7) >= tag_make(7, KV_PUT));
    assert_true(tag_seek(7) >= tag_make(7, KV_DELETE));
    assert_true(tag_seek(7) < tag_make(8, KV_DELETE));
    assert_true(tag_seek(SEQUENCE_MAX) >= tag_make(SEQUENCE_MAX, KV_PUT));
}

static void no_memory_is_told(void **state) {
    (void)state;
    struct buf key = {0};
    counted_memory_fail(1, false);
    assert_int_equal(internal_key_build(&key, slice_of("k"), 1), STATUS_NO_MEMORY);
    counted_memory_fail(0, false);
    buf_free(&key);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_bytes),
        cmocka_unit_test(illegal_keys_are_known),
        cmocka_unit_test(order_is_user_then_newest),
        cmocka_unit_test(seeks_stand_between_versions),
        cmocka_unit_test(no_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
