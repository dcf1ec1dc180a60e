#include "support.h"

#include <limits.h>
#include <sys/mman.h>

#include "checksum.h"

typedef uint32_t extend_function(uint32_t before, const void *bytes, size_t count);

/* RFC 3720 appendix B.4, read as little-endian numbers, and the check value of the
 * CRC-32C for "123456789". */
static void known_vectors(extend_function *extend) {
    unsigned char bytes[32];
    memset(bytes, 0, sizeof bytes);
    assert_int_equal(extend(0, bytes, sizeof bytes), 0x8a9136aa);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(extend(0, bytes, sizeof bytes), 0x62a8ab43);
    for (unsigned i = 0; i < sizeof bytes; i++) {
        bytes[i] = (unsigned char)i;
    }
    assert_int_equal(extend(0, bytes, sizeof bytes), 0x46dd794e);
    for (unsigned i = 0; i < sizeof bytes; i++) {
        bytes[i] = (unsigned char)(31 - i);
    }
    assert_int_equal(extend(0, bytes, sizeof bytes), 0x113fdb5c);
    static const unsigned char read_command[48] = {
        0x01, 0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00,
        0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x18, 0x28, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00};
    assert_int_equal(extend(0, read_command, sizeof read_command), 0xd9963a56);
    assert_int_equal(extend(0, "123456789", 9), 0xe3069283);
    assert_int_equal(extend(0, "", 0), 0);
    assert_int_equal(extend(77, NULL, 0), 77);
}

static void fast_has_the_known_values(void **state) {
    (void)state;
    known_vectors(checksum_extend);
}

static void portable_has_the_known_values(void **state) {
    (void)state;
    known_vectors(checksum_portable);
}

static void twins_agree_at_any_length_alignment_and_split(void **state) {
    (void)state;
    uint64_t random = test_seed();
    static unsigned char bytes[5000];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (unsigned char)random_next(&random);
    }
    for (int round = 0; round < 3000; round++) {
        size_t start = random_below(&random, 64);
        size_t length = random_below(&random, round % 3 == 0 ? sizeof bytes - 64 : 300);
        uint32_t before = (uint32_t)random_next(&random);
        uint32_t whole = checksum_portable(before, bytes + start, length);
        assert_int_equal(checksum_extend(before, bytes + start, length), whole);
        size_t split = random_below(&random, length + 1);
        uint32_t first = checksum_extend(before, bytes + start, split);
        assert_int_equal(checksum_extend(first, bytes + start + split, length - split),
                         whole);
        first = checksum_portable(before, bytes + start, split);
        assert_int_equal(checksum_portable(first, bytes + start + split, length - split),
                         whole);
    }
}

/* ISA-L counts in int, so this much must go to it in pieces. The mapping is the shared
 * zero page: no memory is used. */
static void more_than_two_gibibytes(void **state) {
    (void)state;
    size_t length = (size_t)INT_MAX + 4097;
    void *zeros =
        mmap(NULL, length, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_ptr_not_equal(zeros, MAP_FAILED);
    uint32_t halves = checksum_extend(0, zeros, length / 2);
    halves = checksum_extend(halves, zeros, length - length / 2);
    assert_int_equal(checksum_extend(0, zeros, length), halves);
    assert_int_equal(munmap(zeros, length), 0);
}

static void masks_round_trip(void **state) {
    (void)state;
    uint64_t random = test_seed();
    for (int round = 0; round < 10000; round++) {
        uint32_t crc = (uint32_t)random_next(&random);
        assert_int_equal(checksum_unmask(checksum_mask(crc)), crc);
        assert_int_not_equal(checksum_mask(crc), crc);
    }
    assert_int_equal(checksum_mask(0), 0xa282ead8);
    assert_int_equal(checksum_mask(1), 0xa284ead8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fast_has_the_known_values),
        cmocka_unit_test(portable_has_the_known_values),
        cmocka_unit_test(twins_agree_at_any_length_alignment_and_split),
        cmocka_unit_test(more_than_two_gibibytes),
        cmocka_unit_test(masks_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
