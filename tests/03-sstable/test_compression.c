/* Round trips, golden bytes, and packed bytes that lie. */
#define TEST_HAS_STAGE
#include "../common/support.h"

#include "block.h"
#include "coding.h"
#include "compression.h"
#include "counted_memory.h"

static const enum compression all[] = {COMPRESSION_NONE, COMPRESSION_SNAPPY,
                                       COMPRESSION_ZSTD, COMPRESSION_LZ4};
enum { KINDS = sizeof all / sizeof all[0], RAW_BYTES_MAX = 200000 };

/* Runs of few letters and noise in turn. */
static size_t random_raw(unsigned char *raw, size_t most, uint64_t *random) {
    size_t length = random_magnitude(random) % (most + 1);
    for (size_t at = 0; at < length;) {
        size_t run = 1 + random_magnitude(random) % 300;
        bool noise = random_below(random, 3) == 0;
        unsigned char letter = (unsigned char)random_next(random);
        for (; run > 0 && at < length; run--) {
            raw[at++] = noise ? (unsigned char)random_next(random) : letter;
        }
    }
    return length;
}

/* Unpacked into memory of its own, exactly large enough. */
static enum status unpacks(unsigned type, struct slice packed, struct slice expected) {
    size_t bytes = 0;
    const char *why = NULL;
    unsigned char *packed_copy = malloc(packed.length);
    memcpy(packed_copy, packed.data, packed.length);
    struct slice copy = slice_make(packed_copy, packed.length);
    enum status status = compression_unpacked_bytes(type, copy, &bytes, &why);
    if (status == STATUS_OK && bytes <= 4 * RAW_BYTES_MAX) {
        unsigned char *to = malloc(bytes);
        status = compression_unpack(type, copy, to, bytes, &why);
        if (status == STATUS_OK && slice_present(expected)) {
            assert_true(slice_equal(slice_make(to, bytes), expected));
        }
        free(to);
    }
    if (status != STATUS_OK) {
        assert_int_equal(status, STATUS_CORRUPT);
        assert_non_null(why);
    }
    free(packed_copy);
    return status;
}

static void round_trips(void **state) {
    (void)state;
    uint64_t random = test_seed();
    static unsigned char bytes[RAW_BYTES_MAX];
    struct buf packed = {0};
    size_t saved = 0;
    for (int round = 0; round < 400; round++) {
        struct slice raw = slice_make(bytes, random_raw(bytes, RAW_BYTES_MAX, &random));
        for (size_t i = 0; i < KINDS; i++) {
            assert_ok(buf_append_text(&packed, "old"));
            assert_ok(compression_pack(all[i], raw, &packed));
            assert_ok(unpacks(all[i], buf_slice(&packed), raw));
            saved += packed.length < raw.length / 2;
        }
    }
    assert_true(saved > 300);
    buf_free(&packed);
}

/* Cut anywhere it is no block, nor with bytes behind it. */
static void exactly_the_bytes_come_out(void **state) {
    (void)state;
    uint64_t random = test_seed();
    static unsigned char bytes[3000];
    struct buf packed = {0};
    const char *why;
    for (size_t i = 0; i < KINDS; i++) {
        size_t length;
        do {
            length = random_raw(bytes, sizeof bytes, &random);
        } while (length < sizeof bytes / 2);
        struct slice raw = slice_make(bytes, length);
        unsigned char *to = malloc(length + 1);
        assert_ok(compression_pack(all[i], raw, &packed));
        for (size_t cut = 0; cut < packed.length && all[i] != COMPRESSION_NONE; cut++) {
            assert_int_equal(unpacks(all[i], slice_make(packed.data, cut), raw),
                             STATUS_CORRUPT);
        }
        assert_int_equal(
            compression_unpack(all[i], buf_slice(&packed), to, length + 1, &why),
            STATUS_CORRUPT);
        assert_ok(compression_unpack(all[i], buf_slice(&packed), to, length, &why));
        free(to);
        assert_ok(buf_append(&packed, "", 1));
        to = malloc(length);
        assert_int_equal(compression_unpack(all[i], buf_slice(&packed), to, length, &why),
                         STATUS_CORRUPT);
        free(to);
    }
    buf_free(&packed);
}

/* Every bit flipped, and noise: an answer within bounds, right or wrong. The checksum of
 * the block, not the compression, tells that it is wrong. */
static void hostile_bytes_are_bounded(void **state) {
    (void)state;
    uint64_t random = test_seed();
    static unsigned char bytes[1500];
    struct buf packed = {0};
    size_t refused = 0;
    for (size_t i = 0; i < KINDS; i++) {
        struct slice raw = slice_make(bytes, random_raw(bytes, sizeof bytes, &random));
        assert_ok(compression_pack(all[i], raw, &packed));
        for (size_t bit = 0; bit < 8 * packed.length; bit++) {
            packed.data[bit / 8] ^= (unsigned char)(1u << bit % 8);
            refused +=
                unpacks(all[i], buf_slice(&packed), (struct slice){NULL, 0}) != STATUS_OK;
            packed.data[bit / 8] ^= (unsigned char)(1u << bit % 8);
        }
    }
    assert_true(refused > 0);
    buf_free(&packed);
    for (int round = 0; round < 20000; round++) {
        size_t length = random_below(&random, 40);
        for (size_t i = 0; i < length; i++) {
            bytes[i] = (unsigned char)random_magnitude(&random);
        }
        (void)unpacks((unsigned)random_below(&random, 6), slice_make(bytes, length),
                      (struct slice){NULL, 0});
    }
}

/* A length that is claimed is looked at before memory could be taken for it. */
static void lengths_have_a_limit(void **state) {
    (void)state;
    static const unsigned types[] = {COMPRESSION_SNAPPY, COMPRESSION_LZ4};
    unsigned char packed[VARINT32_BYTES_MAX];
    const char *why = NULL;
    for (size_t i = 0; i < 2; i++) {
        for (size_t beyond = 0; beyond < 2; beyond++) {
            size_t bytes = 7;
            size_t length =
                (size_t)(encode_varint(packed, BLOCK_BYTES_MAX + beyond) - packed);
            assert_int_equal(compression_unpacked_bytes(
                                 types[i], slice_make(packed, length), &bytes, &why),
                             beyond ? STATUS_CORRUPT : STATUS_OK);
            assert_int_equal(bytes, beyond ? 7 : BLOCK_BYTES_MAX);
        }
        assert_string_equal(why, "the block would be too large when unpacked");
    }
    /* Zstandard: magic, a single segment whose length has eight bytes, 2^30 + 1. */
    static const unsigned char frame[] = {0x28, 0xb5, 0x2f, 0xfd, 0xe0, 1, 0, 0,
                                          0x40, 0,    0,    0,    0,    1, 0, 0};
    size_t bytes;
    assert_int_equal(compression_unpacked_bytes(
                         COMPRESSION_ZSTD, slice_make(frame, sizeof frame), &bytes, &why),
                     STATUS_CORRUPT);
    assert_string_equal(why, "the block would be too large when unpacked");
}

static void types_have_names(void **state) {
    (void)state;
    static const char *const names[] = {"none", "snappy", "zstd", NULL, "lz4"};
    unsigned char byte = 'x';
    struct slice packed = slice_make(&byte, 1);
    size_t bytes;
    const char *why = NULL;
    for (unsigned type = 0; type < 300; type++) {
        bool known = type < 5 && names[type] != NULL;
        assert_int_equal(compression_known(type), known);
        if (known) {
            assert_string_equal(compression_name((enum compression)type), names[type]);
            continue;
        }
        assert_int_equal(compression_unpacked_bytes(type, packed, &bytes, &why),
                         STATUS_CORRUPT);
        assert_string_equal(why, "the compression is of an unknown type");
        assert_int_equal(compression_unpack(type, packed, &byte, 1, &why),
                         STATUS_CORRUPT);
        assert_string_equal(why, "the compression is of an unknown type");
    }
}

/* What the formats say of 40 times "ab", packed by hand: others must unpack to the same,
 * and our own packing must begin alike. */
static void golden_bytes(void **state) {
    (void)state;
    static const struct {
        enum compression type;
        unsigned char bytes[24];
        size_t length;
    } cases[] = {
        /* length 80; literal of 2; copies of 64 and 14 bytes from 2 before */
        {COMPRESSION_SNAPPY, {80, 0x04, 'a', 'b', 0xfe, 2, 0, 0x36, 2, 0}, 10},
        /* length 80; literal of 2, 4 + 15 + 54 bytes from 2 before; literal of 5 */
        {COMPRESSION_LZ4,
         {80, 0x2f, 'a', 'b', 2, 0, 54, 0x50, 'b', 'a', 'b', 'a', 'b'},
         13},
    };
    char raw[81] = "";
    struct buf packed = {0};
    for (int i = 0; i < 40; i++) {
        strcat(raw, "ab");
    }
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_ok(unpacks(cases[i].type, slice_make(cases[i].bytes, cases[i].length),
                          slice_of(raw)));
        assert_ok(compression_pack(cases[i].type, slice_of(raw), &packed));
        assert_memory_equal(packed.data, cases[i].bytes, 4);
    }
    assert_ok(compression_pack(COMPRESSION_ZSTD, slice_of(raw), &packed));
    static const unsigned char magic_and_length[] = {0x28, 0xb5, 0x2f, 0xfd, 0x20, 80};
    assert_memory_equal(packed.data, magic_and_length, sizeof magic_and_length);
    buf_free(&packed);
}

static void memory_may_be_missing(void **state) {
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        struct buf packed = {0};
        counted_memory_fail(1, false);
        assert_int_equal(compression_pack(all[i], slice_of("some bytes"), &packed),
                         STATUS_NO_MEMORY);
        counted_memory_fail(0, false);
        assert_ok(compression_pack(all[i], slice_of("some bytes"), &packed));
        buf_free(&packed);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_bytes),
        cmocka_unit_test(round_trips),
        cmocka_unit_test(exactly_the_bytes_come_out),
        cmocka_unit_test(hostile_bytes_are_bounded),
        cmocka_unit_test(lengths_have_a_limit),
        cmocka_unit_test(types_have_names),
        cmocka_unit_test(memory_may_be_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
