/* Changes as bytes: what is encoded is read back, and every cut and every lie is
 * refused. */
#include "simulation.h"

enum { OPS_MAX = 20, BYTES_MAX = 400 };

struct sample {
    struct kv_op ops[OPS_MAX];
    size_t count;
    unsigned char bytes[BYTES_MAX];
};

static void random_sample(struct sample *sample, uint64_t *seed) {
    for (size_t i = 0; i < BYTES_MAX; i++) {
        sample->bytes[i] = (unsigned char)random_next(seed);
    }
    sample->count = random_below(seed, OPS_MAX + 1);
    for (size_t i = 0; i < sample->count; i++) {
        struct kv_op *op = &sample->ops[i];
        op->type = random_below(seed, 2) == 0 ? KV_PUT : KV_DELETE;
        op->key = slice_make(sample->bytes, random_below(seed, 200));
        op->value = slice_make(sample->bytes + 100,
                               op->type == KV_PUT ? random_below(seed, 300) : 0);
    }
}

/* The encoding in a block of its exact size, so that a reader that goes too far is
 * caught. */
static unsigned char *encoded(const struct sample *sample, uint64_t sequence,
                              size_t *bytes) {
    *bytes = change_bytes(sample->ops, sample->count);
    unsigned char *change = malloc(*bytes);
    change_encode(change, sequence, sample->ops, sample->count);
    return change;
}

static void test_round_trip(void **state) {
    (void)state;
    uint64_t seed = test_seed();
    struct sample sample;
    for (int n = 0; n < 2000; n++) {
        random_sample(&sample, &seed);
        uint64_t sequence = 1 + (random_magnitude(&seed) >> 9);
        size_t bytes;
        unsigned char *change = encoded(&sample, sequence, &bytes);
        struct change_reader reader;
        struct kv_op op;
        const char *why = NULL;
        assert_true(change_read(&reader, slice_make(change, bytes), &why));
        assert_true(reader.sequence == sequence);
        assert_int_equal(reader.count, sample.count);
        for (size_t i = 0; i < sample.count; i++) {
            assert_true(change_next(&reader, &op));
            assert_int_equal(op.type, sample.ops[i].type);
            assert_true(slice_equal(op.key, sample.ops[i].key));
            assert_true(slice_equal(op.value, sample.ops[i].value));
        }
        assert_false(change_next(&reader, &op));
        free(change);
    }
}

static void test_golden(void **state) {
    (void)state;
    static const unsigned char expected[] = {
        8, 7, 6,   5,   4,   3, 2,   0,   2, 0, 0, 0, /* sequence, count */
        1, 3, 'k', 'e', 'y', 2, 'v', 'w',             /* put key vw */
        0, 1, 'x'};                                   /* delete x */
    const struct kv_op ops[] = {put_op("key", "vw"),
                                {KV_DELETE, slice_of("x"), {NULL, 0}}};
    unsigned char change[sizeof expected];
    assert_int_equal(change_bytes(ops, 2), sizeof expected);
    change_encode(change, UINT64_C(0x0002030405060708), ops, 2);
    assert_memory_equal(change, expected, sizeof expected);
}

static void assert_refused(const unsigned char *change, size_t bytes, const char *what) {
    struct change_reader reader;
    const char *why = NULL;
    if (change_read(&reader, slice_make(change, bytes), &why)) {
        fail_msg("%s of a change of %zu bytes was taken", what, bytes);
    }
    assert_true(why != NULL && why[0] != '\0');
}

static void test_every_truncation(void **state) {
    (void)state;
    uint64_t seed = test_seed();
    struct sample sample;
    for (int n = 0; n < 50; n++) {
        random_sample(&sample, &seed);
        size_t bytes;
        unsigned char *change = encoded(&sample, 1 + random_below(&seed, 1000), &bytes);
        for (size_t cut = 0; cut < bytes; cut++) {
            unsigned char *exact = malloc(cut + (cut == 0));
            memcpy(exact, change, cut);
            assert_refused(exact, cut, "a truncation");
            free(exact);
        }
        unsigned char *longer = malloc(bytes + 1);
        memcpy(longer, change, bytes);
        for (unsigned extra = 0; extra < 256; extra++) {
            longer[bytes] = (unsigned char)extra;
            assert_refused(longer, bytes + 1, "a byte too many");
        }
        free(longer);
        free(change);
    }
}

static void test_every_lie_about_the_count(void **state) {
    (void)state;
    uint64_t seed = test_seed();
    struct sample sample;
    for (int n = 0; n < 50; n++) {
        random_sample(&sample, &seed);
        size_t bytes;
        unsigned char *change = encoded(&sample, 1, &bytes);
        for (uint32_t claim = 0; claim <= OPS_MAX + 5; claim++) {
            encode_fixed32(change + 8, claim);
            if (claim != sample.count) {
                assert_refused(change, bytes, "a wrong count");
            }
        }
        encode_fixed32(change + 8, UINT32_MAX);
        assert_refused(change, bytes, "a huge count");
        free(change);
    }
}

static void test_unknown_operations(void **state) {
    (void)state;
    const struct kv_op op = put_op("key", "value");
    unsigned char change[64];
    size_t bytes = change_bytes(&op, 1);
    for (unsigned type = 2; type < 256; type++) {
        change_encode(change, 1, &op, 1);
        change[CHANGE_HEADER_BYTES] = (unsigned char)type;
        assert_refused(change, bytes, "an unknown type");
    }
    change_encode(change, 1, &op, 1);
    change[CHANGE_HEADER_BYTES + 1] = 0x7f; /* a key longer than the change */
    assert_refused(change, bytes, "a long key");
    memset(change + CHANGE_HEADER_BYTES + 1, 0xff, 6); /* no varint32 */
    assert_refused(change, bytes, "an endless length");
}

static void test_sequences(void **state) {
    (void)state;
    const struct kv_op ops[] = {put_op("a", "b"), put_op("c", "d"), put_op("e", "f")};
    const uint64_t end = UINT64_C(1) << 56;
    struct change_reader reader;
    const char *why;
    unsigned char change[64];
    size_t bytes = change_bytes(ops, 3);
    struct slice slice = slice_make(change, bytes);
    change_encode(change, 1, ops, 3);
    assert_true(change_read(&reader, slice, &why));
    change_encode(change, end - 4, ops, 3);
    assert_true(change_read(&reader, slice, &why));
    static const uint64_t wrong[] = {0, (UINT64_C(1) << 56) - 3, UINT64_C(1) << 56,
                                     UINT64_MAX - 1, UINT64_MAX};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        change_encode(change, wrong[i], ops, 3);
        assert_refused(change, bytes, "a sequence out of range");
    }
}

/* Any bytes at all: nothing is read beyond them (the sanitizers watch). */
static void test_noise(void **state) {
    (void)state;
    uint64_t seed = test_seed();
    for (int n = 0; n < 20000; n++) {
        size_t bytes = random_below(&seed, 60);
        unsigned char *noise = malloc(bytes + (bytes == 0));
        for (size_t i = 0; i < bytes; i++) {
            noise[i] =
                (unsigned char)random_below(&seed, random_below(&seed, 2) ? 256 : 3);
        }
        struct change_reader reader;
        struct kv_op op;
        const char *why;
        if (change_read(&reader, slice_make(noise, bytes), &why)) {
            size_t count = 0;
            while (change_next(&reader, &op)) {
                count++;
            }
            assert_int_equal(count, reader.count);
        }
        free(noise);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_every_truncation),
        cmocka_unit_test(test_every_lie_about_the_count),
        cmocka_unit_test(test_unknown_operations),
        cmocka_unit_test(test_sequences),
        cmocka_unit_test(test_noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
