/* LevelDB's filter, built here from the published words: on hashes that LevelDB's own
 * test states (google/leveldb, util/hash_test.cc), and on many keys over several filters.
 * What LevelDB really writes is read in test_leveldb_table.c. */
#define TEST_HAS_STAGE
#include "../common/support.h"

#include "buf.h"
#include "coding.h"
#include "leveldb_filter.h"

enum { BASE = 11 };

static void end_block(struct buf *block, const uint32_t *starts, size_t count) {
    unsigned char word[4];
    uint32_t end = (uint32_t)block->length;
    for (size_t i = 0; i < count; i++) {
        encode_fixed32(word, starts[i]);
        assert_ok(buf_append(block, word, 4));
    }
    encode_fixed32(word, end);
    assert_ok(buf_append(block, word, 4));
    assert_ok(buf_append(block, "\x0b", 1));
}

static void set_bits(unsigned char *bits, size_t bytes, uint32_t hash, unsigned probes) {
    uint32_t delta = (hash >> 17) | (hash << 15);
    for (unsigned i = 0; i < probes; i++) {
        uint32_t bit = (hash + i * delta) % (uint32_t)(bytes * 8);
        bits[bit / 8] |= (unsigned char)(1u << (bit % 8));
    }
}

/* A key is there with exactly its bits; without any one of them it is not. */
static void published_hashes_are_ours(void **state) {
    (void)state;
    static const struct {
        const char *key;
        size_t length;
        uint32_t hash;
    } rows[] = {{"", 0, 0xbc9f1d34},
                {"\x62", 1, 0xef1345c4},
                {"\xc3\x97", 2, 0x5b663814},
                {"\xe2\x99\xa5", 3, 0x323c078f},
                {"\xe1\x80\xb9\x32", 4, 0xed21633a}};
    enum { BYTES = 1021, PROBES = 6 };
    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
        unsigned char bits[BYTES + 1] = {0};
        struct slice key = slice_make(rows[row].key, rows[row].length);
        set_bits(bits, BYTES, rows[row].hash, PROBES);
        bits[BYTES] = PROBES;
        struct buf block = {0};
        const uint32_t start = 0;
        assert_ok(buf_append(&block, bits, sizeof bits));
        end_block(&block, &start, 1);
        const char *why;
        assert_true(leveldb_filter_check(buf_slice(&block), &why));
        assert_true(leveldb_filter_may_contain(buf_slice(&block), 0, key));
        size_t set = 0;
        for (size_t bit = 0; bit < BYTES * 8; bit++) {
            if (bits[bit / 8] >> (bit % 8) & 1) {
                block.data[bit / 8] = (unsigned char)(bits[bit / 8] ^ 1u << (bit % 8));
                assert_false(leveldb_filter_may_contain(buf_slice(&block), 0, key));
                block.data[bit / 8] = bits[bit / 8];
                set++;
            }
        }
        assert_int_equal(set, PROBES);
        buf_free(&block);
    }
}

/* Three filters: of the blocks from 0, from 2048 (where none begins) and from 4096. */
static void each_block_has_its_own_filter(void **state) {
    (void)state;
    enum { BYTES = 9 };
    unsigned char bits[BYTES + 1] = {0};
    uint32_t starts[3] = {0, BYTES + 1, BYTES + 1};
    struct buf block = {0};
    const char *why;
    set_bits(bits, BYTES, 0xef1345c4, 4); /* "b" */
    bits[BYTES] = 4;
    assert_ok(buf_append(&block, bits, sizeof bits));
    memset(bits, 0, sizeof bits);
    set_bits(bits, BYTES, 0x5b663814, 4); /* "\xc3\x97" */
    bits[BYTES] = 4;
    assert_ok(buf_append(&block, bits, sizeof bits));
    end_block(&block, starts, 3);
    struct slice filter = buf_slice(&block);
    struct slice b = slice_of("b");
    struct slice x = slice_of("\xc3\x97");
    assert_true(leveldb_filter_check(filter, &why));
    assert_true(leveldb_filter_may_contain(filter, 0, b));
    assert_true(leveldb_filter_may_contain(filter, 2047, b));
    assert_false(leveldb_filter_may_contain(filter, 2047, x));
    assert_true(leveldb_filter_may_contain(filter, 2048, b)); /* empty: no such block */
    assert_true(leveldb_filter_may_contain(filter, 4096, x));
    assert_false(leveldb_filter_may_contain(filter, 6143, b));
    assert_true(leveldb_filter_may_contain(filter, 6144, b)); /* beyond all filters */
    assert_true(leveldb_filter_may_contain(filter, UINT64_MAX, b));
    block.data[BYTES] = 31; /* probes: some other encoding */
    assert_true(leveldb_filter_may_contain(filter, 0, x));
    buf_free(&block);
}

/* Reads within the bytes, whatever they are (ASan watches), and what the check refuses
 * denies nothing. */
static void damaged_filters_deny_nothing(void **state) {
    (void)state;
    uint64_t random = test_seed();
    size_t refused = 0;
    size_t denied = 0;
    for (int round = 0; round < 100000; round++) {
        size_t length = random_below(&random, 40);
        unsigned char *bytes = malloc(length == 0 ? 1 : length);
        for (size_t i = 0; i < length; i++) {
            bytes[i] = (unsigned char)random_magnitude(&random);
        }
        if (length >= 5 && round % 4 != 0) {
            encode_fixed32(bytes + length - 5, (uint32_t)random_below(&random, length));
            bytes[length - 1] = (unsigned char)random_below(&random, 70);
            for (size_t i = decode_fixed32(bytes + length - 5); i + 9 <= length; i += 4) {
                encode_fixed32(bytes + i, (uint32_t)random_below(&random, length));
            }
        }
        struct slice filter = slice_make(bytes, length);
        const char *why = NULL;
        bool whole = leveldb_filter_check(filter, &why);
        for (uint64_t offset = 0; offset < 10; offset++) {
            bool denies = !leveldb_filter_may_contain(
                filter, offset << random_below(&random, 60), slice_of("some key"));
            denied += denies;
        }
        assert_true(whole || why != NULL);
        refused += !whole;
        free(bytes);
    }
    assert_in_range(refused, 10000, 99000);
    assert_in_range(denied, 100, 999000);

    /* Its first filter would end behind the filters, where bytes stand that deny. */
    static const unsigned char outside[200] = {0, 0, 0, 2, 0, 0, 0, 0,  200,
                                               0, 0, 0, 4, 0, 0, 0, 11, [199] = 6};
    const char *why;
    assert_false(leveldb_filter_check(slice_make(outside, 17), &why));
    assert_true(leveldb_filter_may_contain(slice_make(outside, 17), 0, slice_of("k")));
    assert_true(leveldb_filter_may_contain(slice_make(outside, 4), 0, slice_of("k")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_hashes_are_ours),
        cmocka_unit_test(each_block_has_its_own_filter),
        cmocka_unit_test(damaged_filters_deny_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
