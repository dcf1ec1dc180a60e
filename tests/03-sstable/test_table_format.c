/* Handles, the footer, and blocks as they are stored, read back from a file in memory. */
#define TEST_HAS_STAGE
#include "../common/support.h"

#include <errno.h>

#include "block.h"
#include "checksum.h"
#include "counted_memory.h"
#include "memory.h"
#include "table_format.h"

/* A file that can only be read. */
struct memory_file {
    struct file file;
    struct buf bytes;
    int errnum; /* 0: reads succeed */
};

static int memory_read_at(struct file *file, uint64_t offset, void *bytes, size_t count,
                          size_t *done) {
    struct memory_file *from = (struct memory_file *)file;
    *done = 0;
    if (offset < from->bytes.length) {
        size_t rest = from->bytes.length - (size_t)offset;
        *done = rest < count ? rest : count;
        memcpy(bytes, from->bytes.data + offset, *done);
    }
    return from->errnum;
}

static const struct file_ops memory_ops = {.read_at = memory_read_at};
static char path[] = "db/000007.ldb";

static struct memory_file memory_file(void) {
    return (struct memory_file){.file = {&memory_ops, path}};
}

static enum status load(struct memory_file *file, struct block_handle handle,
                        unsigned char **data, size_t *bytes, struct error *error) {
    return block_load(&file->file, file->bytes.length, handle, data, bytes, error);
}

/* ---- handles and the footer ------------------------------------------------------ */

static void handles_round_trip(void **state) {
    (void)state;
    uint64_t random = test_seed();
    for (int round = 0; round < 1000; round++) {
        struct block_handle handle = {random_magnitude(&random),
                                      random_magnitude(&random)};
        struct block_handle taken;
        unsigned char bytes[BLOCK_HANDLE_BYTES_MAX + 1] = {0};
        size_t length = block_handle_encode(bytes, handle);
        struct slice rest = slice_make(bytes, length + 1);
        assert_true(take_block_handle(&rest, &taken));
        assert_int_equal(rest.length, 1);
        assert_true(taken.offset == handle.offset && taken.bytes == handle.bytes);
        for (size_t cut = 0; cut < length; cut++) {
            rest = slice_make(bytes, cut);
            assert_false(take_block_handle(&rest, &taken));
            assert_int_equal(rest.length, cut);
        }
    }
}

static void golden_footer(void **state) {
    (void)state;
    static const unsigned char expected[FOOTER_BYTES] = {
        0xac,        0x02, 0x08, 0x00, 0xff, 0xff, 0x03, /* 300, 8; 0, 65535 */
        [40] = 0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb,
    };
    const struct footer footer = {{300, 8}, {0, 65535}};
    struct footer decoded;
    unsigned char bytes[FOOTER_BYTES];
    const char *why = NULL;
    memset(bytes, 'x', sizeof bytes);
    footer_encode(bytes, &footer);
    assert_memory_equal(bytes, expected, sizeof expected);
    assert_ok(footer_decode(bytes, &decoded, &why));
    assert_true(decoded.metaindex.offset == 300 && decoded.metaindex.bytes == 8);
    assert_true(decoded.index.offset == 0 && decoded.index.bytes == 65535);
    for (size_t bit = 8 * 40; bit < 8 * sizeof bytes; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        assert_int_equal(footer_decode(bytes, &decoded, &why), STATUS_CORRUPT);
        assert_string_equal(why, "the file does not end as a table does");
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    memset(bytes, 0xff, 40);
    assert_int_equal(footer_decode(bytes, &decoded, &why), STATUS_CORRUPT);
    assert_string_equal(why, "the footer's handles are broken");
}

/* The largest handles fill the footer's room exactly. */
static void the_largest_footer_fits(void **state) {
    (void)state;
    const struct footer footer = {{UINT64_MAX, UINT64_MAX}, {UINT64_MAX, UINT64_MAX}};
    struct footer decoded = {{0, 0}, {0, 0}};
    unsigned char bytes[FOOTER_BYTES];
    const char *why;
    footer_encode(bytes, &footer);
    assert_ok(footer_decode(bytes, &decoded, &why));
    assert_memory_equal(&decoded, &footer, sizeof footer);
}

/* ---- blocks ---------------------------------------------------------------------- */

/* "a" stored without compression. */
static void golden_block(void **state) {
    (void)state;
    struct memory_file file = memory_file();
    struct buf scratch = {0};
    struct block_handle handle = {0, 99};
    unsigned char expected[] = {'a', 0, 0, 0, 0, 0};
    encode_fixed32(expected + 2, checksum_mask(checksum_portable(0, expected, 2)));
    assert_ok(
        block_store(&file.bytes, slice_of("a"), COMPRESSION_NONE, &scratch, &handle));
    assert_int_equal(handle.bytes, 1);
    assert_int_equal(file.bytes.length, sizeof expected);
    assert_memory_equal(file.bytes.data, expected, sizeof expected);
    assert_null(scratch.data);
    buf_free(&file.bytes);
}

static const enum compression all[] = {COMPRESSION_NONE, COMPRESSION_SNAPPY,
                                       COMPRESSION_ZSTD, COMPRESSION_LZ4};

/* Many blocks one behind the other, whichever way they are stored. */
static void blocks_round_trip(void **state) {
    (void)state;
    uint64_t random = test_seed();
    enum { BLOCKS = 300, CONTENTS_MAX = 20000 };
    static unsigned char contents[BLOCKS][CONTENTS_MAX];
    static size_t lengths[BLOCKS];
    struct block_handle handles[BLOCKS];
    struct memory_file file = memory_file();
    struct buf scratch = {0};
    for (size_t i = 0; i < BLOCKS; i++) {
        lengths[i] = random_below(&random, CONTENTS_MAX + 1);
        uint64_t alphabet = 1 + random_below(&random, 256);
        for (size_t at = 0; at < lengths[i]; at++) {
            contents[i][at] = (unsigned char)random_below(&random, alphabet);
        }
        handles[i].offset = file.bytes.length;
        assert_ok(block_store(&file.bytes, slice_make(contents[i], lengths[i]),
                              all[random_below(&random, 4)], &scratch, &handles[i]));
        assert_int_equal(file.bytes.length,
                         handles[i].offset + handles[i].bytes + BLOCK_TRAILER_BYTES);
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        unsigned char *data;
        size_t bytes;
        assert_ok(load(&file, handles[i], &data, &bytes, NULL));
        assert_true(
            slice_equal(slice_make(data, bytes), slice_make(contents[i], lengths[i])));
        memory_give(data);
    }
    buf_free(&scratch);
    buf_free(&file.bytes);
}

/* Packing that saves less than an eighth is not worth unpacking. Of noise with a tail of
 * zeros the tail alone is saved, so its length decides. */
static void little_savings_are_not_taken(void **state) {
    (void)state;
    uint64_t random = test_seed();
    unsigned char raw[8000] = {0};
    struct buf scratch = {0};
    struct buf packed = {0};
    size_t taken = 0;
    size_t refused = 0;
    for (size_t zeros = 500; zeros < 2000; zeros += 10) {
        for (size_t i = 0; i < sizeof raw; i++) {
            raw[i] = i < sizeof raw - zeros ? (unsigned char)random_next(&random) : 0;
        }
        for (size_t kind = 1; kind < 4; kind++) {
            struct buf out = {0};
            struct block_handle handle = {0, 0};
            assert_ok(compression_pack(all[kind], slice_make(raw, sizeof raw), &packed));
            assert_ok(block_store(&out, slice_make(raw, sizeof raw), all[kind], &scratch,
                                  &handle));
            bool worth = packed.length < 7000; /* 8000 without its eighth */
            assert_int_equal(handle.bytes, worth ? packed.length : sizeof raw);
            assert_int_equal(out.data[handle.bytes], worth ? all[kind] : 0);
            taken += worth;
            refused += !worth;
            buf_free(&out);
        }
    }
    assert_true(taken > 100 && refused > 100);
    buf_free(&scratch);
    buf_free(&packed);
}

/* Whatever bit is flipped, contents or trailer, the block is refused. */
static void every_flipped_bit_is_seen(void **state) {
    (void)state;
    struct buf scratch = {0};
    size_t blocks = counted_memory_blocks();
    for (size_t kind = 0; kind < 4; kind++) {
        struct memory_file file = memory_file();
        struct block_handle handle = {11, 0};
        struct error error;
        char raw[200];
        unsigned char *data = NULL;
        size_t bytes = 7;
        memset(raw, 'r', sizeof raw);
        assert_ok(buf_append_text(&file.bytes, "before this"));
        assert_ok(block_store(&file.bytes, slice_make(raw, sizeof raw), all[kind],
                              &scratch, &handle));
        assert_int_equal(handle.bytes<sizeof raw, kind> 0);
        for (size_t bit = 8 * 11; bit < 8 * file.bytes.length; bit++) {
            file.bytes.data[bit / 8] ^= (unsigned char)(1u << bit % 8);
            assert_int_equal(load(&file, handle, &data, &bytes, &error), STATUS_CORRUPT);
            assert_string_equal(error.message, "db/000007.ldb: offset 11: a block's "
                                               "checksum is wrong");
            assert_null(data);
            assert_int_equal(bytes, 7);
            file.bytes.data[bit / 8] ^= (unsigned char)(1u << bit % 8);
        }
        buf_free(&file.bytes);
    }
    buf_free(&scratch);
    assert_int_equal(counted_memory_blocks(), blocks);
}

/* Bytes with a good checksum. */
static void put_stored(struct memory_file *file, unsigned type, struct slice packed) {
    unsigned char trailer[BLOCK_TRAILER_BYTES] = {(unsigned char)type};
    buf_clear(&file->bytes);
    assert_ok(buf_append_slice(&file->bytes, packed));
    assert_ok(buf_append(&file->bytes, trailer, 1));
    encode_fixed32(trailer,
                   checksum_mask(checksum(file->bytes.data, file->bytes.length)));
    assert_ok(buf_append(&file->bytes, trailer, 4));
}

static void assert_refused(struct memory_file *file, struct block_handle handle,
                           const char *message) {
    unsigned char *data;
    size_t bytes;
    struct error error;
    size_t blocks = counted_memory_blocks();
    assert_int_equal(load(file, handle, &data, &bytes, &error), STATUS_CORRUPT);
    assert_string_equal(error.message, message);
    assert_int_equal(counted_memory_blocks(), blocks);
}

/* A good checksum is no proof of sense. */
static void nonsense_is_refused(void **state) {
    (void)state;
    struct memory_file file = memory_file();
    put_stored(&file, 3, slice_of("abc"));
    assert_refused(&file, (struct block_handle){0, 3},
                   "db/000007.ldb: offset 0: the compression is of an unknown type");
    put_stored(&file, COMPRESSION_SNAPPY, slice_of("\x05\x04"));
    assert_refused(&file, (struct block_handle){0, 2},
                   "db/000007.ldb: offset 0: the compressed bytes are broken");
    put_stored(&file, COMPRESSION_LZ4, slice_of("\xff\xff\xff\xff\x0f"));
    assert_refused(&file, (struct block_handle){0, 5},
                   "db/000007.ldb: offset 0: the block would be too large when unpacked");
    buf_free(&file.bytes);
}

/* A handle that leads out of the file, by one byte, by far, or round the end of numbers;
 * and a file that has become shorter than it was. */
static void handles_stay_within_the_file(void **state) {
    (void)state;
    struct memory_file file = memory_file();
    unsigned char *data;
    size_t bytes;
    struct error error;
    put_stored(&file, COMPRESSION_NONE, slice_of("abc"));
    assert_ok(load(&file, (struct block_handle){0, 3}, &data, &bytes, NULL));
    assert_int_equal(bytes, 3);
    memory_give(data);
    static const struct block_handle beyond[] = {
        {0, 4},
        {1, 3},
        {8, 0},
        {9, 0},
        {0, BLOCK_BYTES_MAX},
        {0, UINT64_MAX},
        {0, UINT64_MAX - 4},
    };
    for (size_t i = 0; i < sizeof beyond / sizeof beyond[0]; i++) {
        assert_int_equal(load(&file, beyond[i], &data, &bytes, &error), STATUS_CORRUPT);
        assert_message_has(error, "a block would lie beyond the file");
    }
    assert_refused(&file, (struct block_handle){UINT64_MAX, 3},
                   "db/000007.ldb: offset 18446744073709551615: a block would lie beyond "
                   "the file");
    assert_int_equal(
        block_load(&file.file, 100, (struct block_handle){0, 4}, &data, &bytes, &error),
        STATUS_CORRUPT);
    assert_message_has(error, "db/000007.ldb: offset 0: the file ends inside of a block");
    file.errnum = EIO;
    assert_int_equal(load(&file, (struct block_handle){0, 3}, &data, &bytes, &error),
                     STATUS_IO);
    assert_message_has(error, path);
    buf_free(&file.bytes);
}

static void blocks_are_put_into_room_that_fits(void **state) {
    (void)state;
    enum { BYTES = 3000 };
    static const unsigned char zeros[BYTES];
    struct memory_file file = memory_file();
    struct buf scratch = {0};
    struct block_handle handles[2] = {{0, 0}, {0, 0}};
    unsigned char room[BYTES];
    for (size_t i = 0; i < 2; i++) {
        handles[i].offset = file.bytes.length;
        assert_ok(block_store(&file.bytes, slice_make(zeros, BYTES),
                              i == 0 ? COMPRESSION_NONE : COMPRESSION_SNAPPY, &scratch,
                              &handles[i]));
        for (size_t room_bytes = BYTES - 1; room_bytes <= BYTES; room_bytes++) {
            size_t blocks = counted_memory_blocks();
            unsigned char *data;
            size_t bytes;
            memset(room, 1, sizeof room);
            assert_ok(block_load_into(&file.file, file.bytes.length, handles[i], room,
                                      room_bytes, &data, &bytes, NULL));
            assert_int_equal(bytes, BYTES);
            assert_memory_equal(data, zeros, BYTES);
            assert_int_equal(data == room, room_bytes == BYTES);
            assert_int_equal(counted_memory_blocks(), blocks + (data != room));
            if (data != room) {
                memory_give(data);
            }
        }
    }
    file.bytes.data[handles[1].offset + 3] ^= 1; /* room is not given back */
    unsigned char *data = NULL;
    size_t bytes;
    assert_int_equal(block_load_into(&file.file, file.bytes.length, handles[1], room,
                                     sizeof room, &data, &bytes, NULL),
                     STATUS_CORRUPT);
    assert_null(data);
    buf_free(&scratch);
    buf_free(&file.bytes);
}

/* Nobody packs nothing, but a file may say so: it is no lack of memory. */
static void a_packed_block_may_be_empty(void **state) {
    (void)state;
    struct memory_file file = memory_file();
    unsigned char stored[] = {
        0 /* Snappy's length of nothing */, COMPRESSION_SNAPPY, 0, 0, 0, 0};
    encode_fixed32(stored + 2, checksum_mask(checksum(stored, 2)));
    assert_ok(buf_append(&file.bytes, stored, sizeof stored));
    unsigned char *data;
    size_t bytes;
    assert_ok(block_load(&file.file, file.bytes.length, (struct block_handle){0, 1},
                         &data, &bytes, NULL));
    assert_int_equal(bytes, 0);
    memory_give(data);
    buf_free(&file.bytes);
}

/* The blocks that are counted: those of a store, one for the block that is loaded and,
 * where it is long and packed, one for what is read. */
static void lack_memory(struct slice raw, size_t unpacked_takes, size_t packed_takes) {
    enum { BEFORE = 64 }; /* fill what a buf takes first, so that it must grow */
    for (size_t kind = 0; kind < 4; kind++) {
        size_t failures = 0;
        bool failed = true;
        for (size_t countdown = 1; failed; countdown++) {
            struct memory_file file = memory_file();
            struct buf scratch = {0};
            struct block_handle handle = {BEFORE, 0};
            unsigned char *data = NULL;
            size_t bytes;
            assert_ok(buf_append(&file.bytes, raw.data, BEFORE));
            size_t blocks = counted_memory_blocks();
            counted_memory_fail(countdown, false);
            enum status status =
                block_store(&file.bytes, raw, all[kind], &scratch, &handle);
            assert_int_equal(file.bytes.length > BEFORE, status == STATUS_OK);
            if (status == STATUS_OK) {
                blocks = counted_memory_blocks();
                status = load(&file, handle, &data, &bytes, NULL);
            }
            failed = counted_memory_failed();
            counted_memory_fail(0, false);
            assert_int_equal(status, failed ? STATUS_NO_MEMORY : STATUS_OK);
            assert_int_equal(data != NULL, !failed);
            memory_give(data);
            assert_in_range(counted_memory_blocks(), blocks, blocks + 1);
            buf_free(&scratch);
            buf_free(&file.bytes);
            failures += failed;
        }
        assert_int_equal(failures, kind == 0 ? unpacked_takes : packed_takes);
    }
}

static void memory_may_be_missing(void **state) {
    (void)state;
    unsigned char raw[30000];
    uint64_t random = test_seed();
    memset(raw, 'r', sizeof raw);
    lack_memory(slice_make(raw, 500), 2, 3);
    for (size_t i = 0; i < sizeof raw / 2; i++) {
        raw[i] = (unsigned char)random_next(&random);
    }
    lack_memory(slice_make(raw, sizeof raw), 2, 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_put_into_room_that_fits),
        cmocka_unit_test(a_packed_block_may_be_empty),
        cmocka_unit_test(handles_round_trip),
        cmocka_unit_test(golden_footer),
        cmocka_unit_test(the_largest_footer_fits),
        cmocka_unit_test(golden_block),
        cmocka_unit_test(blocks_round_trip),
        cmocka_unit_test(little_savings_are_not_taken),
        cmocka_unit_test(every_flipped_bit_is_seen),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(handles_stay_within_the_file),
        cmocka_unit_test(memory_may_be_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
