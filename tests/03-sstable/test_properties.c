/* Properties are read as they were built; a block of other names, of more, or of none is
 * read too; broken ones are refused. */
#define TEST_HAS_STAGE
#include "../common/support.h"

#include "counted_memory.h"
#include "properties.h"

static const struct properties sample = {.compression = 1,
                                         .created_seconds = 1700000000,
                                         .data_blocks = 300,
                                         .entries = 12345,
                                         .format_version = 1,
                                         .largest_sequence = UINT64_MAX,
                                         .raw_key_bytes = 128,
                                         .raw_value_bytes = 127,
                                         .shadowed = 5,
                                         .smallest_sequence = 0,
                                         .tombstones = 7};

static void golden_bytes(void **state) {
    (void)state;
    static const char expected[] =
        "\x00\x0b\x01"
        "compression\x01"
        "\x01\x0e\x05"
        "reated_seconds\x80\xe2\xcf\xaa\x06"
        "\x00\x0b\x02"
        "data_blocks\xac\x02"
        "\x00\x07\x02"
        "entries\xb9\x60"
        "\x00\x0e\x01"
        "format_version\x01"
        "\x00\x10\x0a"
        "largest_sequence\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
        "\x00\x0d\x02"
        "raw_key_bytes\x80\x01"
        "\x04\x0b\x01"
        "value_bytes\x7f"
        "\x00\x08\x01"
        "shadowed\x05"
        "\x01\x10\x01"
        "mallest_sequence\x00"
        "\x00\x0a\x01"
        "tombstones\x07"
        "\x00\x00\x00\x00\x01\x00\x00";
    struct block_builder builder;
    struct slice contents;
    block_builder_init(&builder, 16);
    assert_ok(properties_build(&sample, &builder));
    assert_ok(block_builder_finish(&builder, &contents));
    assert_int_equal(contents.length, sizeof expected);
    assert_memory_equal(contents.data, expected, sizeof expected);
    block_builder_free(&builder);
}

static void what_is_built_is_read(void **state) {
    (void)state;
    uint64_t random = test_seed();
    for (int round = 0; round < 200; round++) {
        struct properties properties;
        struct properties read;
        struct block_builder builder;
        struct slice contents;
        const char *why = NULL;
        block_builder_init(&builder, 1 + (unsigned)random_below(&random, 20));
#define DRAW(name, words, unit) properties.name = random_magnitude(&random);
        PROPERTIES_TABLE(DRAW)
        assert_ok(properties_build(&properties, &builder));
        assert_ok(block_builder_finish(&builder, &contents));
        assert_ok(properties_read(&read, contents, &why));
#define COMPARE(name, words, unit) assert_int_equal(read.name, properties.name);
        PROPERTIES_TABLE(COMPARE)
        block_builder_free(&builder);
    }
}

/* A block with one or two entries. */
static enum status read_of(struct properties *read, const char *name, struct slice value,
                           const char **why) {
    struct block_builder builder;
    struct slice contents;
    block_builder_init(&builder, 16);
    if (name != NULL) {
        assert_ok(block_builder_add(&builder, slice_of(name), value));
        assert_ok(block_builder_add(&builder, slice_of("tombstones"), slice_of("\x05")));
    }
    assert_ok(block_builder_finish(&builder, &contents));
    *read = sample;
    enum status status = properties_read(read, contents, why);
    block_builder_free(&builder);
    return status;
}

static void unknown_names_are_passed_over(void **state) {
    (void)state;
    struct properties read;
    const char *why = NULL;
    assert_ok(read_of(&read, "something else", slice_of("text"), &why));
    assert_int_equal(read.tombstones, 5);
    assert_int_equal(read.entries, 0);
    assert_ok(read_of(&read, "entrie", slice_of("\x09"), &why));
    assert_int_equal(read.entries, 0);
    assert_ok(read_of(&read, NULL, slice_of(""), &why));
    assert_int_equal(read.tombstones, 0);
}

static void broken_ones_are_refused(void **state) {
    (void)state;
    struct properties read;
    const char *why = NULL;
    assert_int_equal(read_of(&read, "entries", slice_of("\x09\x09"), &why),
                     STATUS_CORRUPT);
    assert_int_equal(read.entries, sample.entries); /* not written */
    assert_string_equal(why, "a property that is no number");
    assert_int_equal(read_of(&read, "entries", slice_of("\xff"), &why), STATUS_CORRUPT);
    assert_int_equal(read_of(&read, "entries", slice_of(""), &why), STATUS_CORRUPT);
    why = NULL;
    assert_int_equal(properties_read(&read, slice_of("short"), &why), STATUS_CORRUPT);
    assert_non_null(why);
    /* An entry that is longer than the block. */
    static const unsigned char entry[] = {0, 9, 1, 'x', 0, 0, 0, 0, 1, 0, 0, 0};
    assert_int_equal(properties_read(&read, slice_make(entry, sizeof entry), &why),
                     STATUS_CORRUPT);
    assert_string_equal(why, "properties that cannot be read");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_bytes),
        cmocka_unit_test(what_is_built_is_read),
        cmocka_unit_test(unknown_names_are_passed_over),
        cmocka_unit_test(broken_ones_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
