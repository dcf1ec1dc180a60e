/* A damaged table, and one whose reading fails, gives the right answer or says what is
 * wrong; never a wrong answer. */
#define TEST_HAS_STAGE
#include "../common/support.h"

#include <errno.h>

#include "counted_memory.h"
#include "tables.h"

static const enum compression compressions[] = {COMPRESSION_NONE, COMPRESSION_SNAPPY,
                                                COMPRESSION_ZSTD, COMPRESSION_LZ4};

/* A few entries over a few small blocks. */
static void draw_small(struct model *model, uint64_t *random) {
    do {
        model_free(model);
        model_draw(model, random, 1);
        model_cut(model, 25);
    } while (model->count < 20 || model->long_keys);
    for (size_t i = 0; i < model->count; i++) {
        struct buf *value = &model->entries[i].value;
        value->length = value->length > 20 ? 20 : value->length;
    }
}

/* Whatever is answered is right; a failure is CORRUPT, and names file and offset. Answers
 * whether there was one. */
static bool right_or_corrupt(struct disk *disk, const struct model *model) {
    struct block_cache *cache = open_cache(0);
    struct table *table;
    struct error error = {0};
    enum status status = open_table(disk, cache, &table, &error);
    if (status == STATUS_OK) {
        status = check_all(table, model, &error);
        table_unref(table);
    }
    if (status != STATUS_OK) {
        assert_int_equal(status, STATUS_CORRUPT);
        assert_int_equal(error.status, STATUS_CORRUPT);
        assert_message_has(error, TABLE_PATH ": offset ");
    }
    block_cache_close(cache);
    return status != STATUS_OK;
}

/* All that may be wrong are the zeros that fill the footer, to which nobody looks. */
static void every_flipped_bit_is_seen(void **state) {
    (void)state;
    uint64_t random = test_seed();
    static struct model model;
    size_t blocks = counted_memory_blocks();
    for (size_t i = 0; i < 8; i++) {
        const struct table_options options = {60, 3, i < 4 ? 10 : 0, compressions[i % 4]};
        struct disk *disk = disk_new();
        struct slice contents;
        draw_small(&model, &random);
        assert_ok(model_write(&model, disk, &options, NULL, NULL));
        assert_true(disk_read_file(disk, TABLE_PATH, &contents));
        uint64_t bits = contents.length * 8;
        size_t unseen = 0;
        assert_in_range(bits, 8 * 500, 8 * 3000);
        assert_false(right_or_corrupt(disk, &model));
        for (uint64_t bit = 0; bit < bits; bit++) {
            assert_true(disk_flip_bit(disk, TABLE_PATH, bit));
            unseen += !right_or_corrupt(disk, &model);
            assert_true(disk_flip_bit(disk, TABLE_PATH, bit));
        }
        printf("%" PRIu64 " bits, %zu unseen\n", bits, unseen);
        assert_in_range(unseen, 30 * 8, 36 * 8); /* the footer's filling */
        model_free(&model);
        disk_free(disk);
    }
    assert_int_equal(counted_memory_blocks(), blocks);
}

static void every_truncation_is_seen(void **state) {
    (void)state;
    uint64_t random = test_seed();
    static struct model model;
    for (size_t i = 0; i < 8; i++) {
        const struct table_options options = {60, 3, i < 4 ? 10 : 0, compressions[i % 4]};
        struct disk *disk = disk_new();
        struct slice contents;
        struct buf copy = {0};
        draw_small(&model, &random);
        assert_ok(model_write(&model, disk, &options, NULL, NULL));
        assert_true(disk_read_file(disk, TABLE_PATH, &contents));
        assert_ok(buf_append_slice(&copy, contents));
        for (size_t length = 0; length < copy.length; length++) {
            disk_put_file(disk, TABLE_PATH, slice_make(copy.data, length));
            assert_true(right_or_corrupt(disk, &model));
        }
        /* And of bytes behind the end, and of some lost at the beginning. */
        assert_ok(buf_append_text(&copy, "x"));
        disk_put_file(disk, TABLE_PATH, buf_slice(&copy));
        assert_true(right_or_corrupt(disk, &model));
        disk_put_file(disk, TABLE_PATH, slice_make(copy.data + 1, copy.length - 2));
        assert_true(right_or_corrupt(disk, &model));
        buf_free(&copy);
        model_free(&model);
        disk_free(disk);
    }
}

/* ---- failures -------------------------------------------------------------------- */

static void count_line(void *context, const char *line) {
    assert_non_null(strstr(line, TABLE_PATH));
    ++*(size_t *)context;
}

/* All that is done with a table, in a fresh cache. */
static enum status use_table(struct disk *disk, const struct model *model,
                             struct error *error) {
    struct block_cache *cache = NULL;
    struct table *table = NULL;
    enum status status = block_cache_open(4000, &threads_posix, &cache, error);
    if (status == STATUS_OK) {
        status = open_table(disk, cache, &table, error);
    }
    if (status == STATUS_OK) {
        status = check_all(table, model, error);
        size_t reported = 0;
        struct error fault = {0};
        enum status verified = table_verify(table, count_line, &reported, &fault);
        assert_true(reported > 0 ? verified == STATUS_IO
                                 : verified == STATUS_OK || verified == STATUS_NO_MEMORY);
        if (verified != STATUS_OK) {
            *error = fault;
        }
        status = status != STATUS_OK ? status : verified;
    }
    table_unref(table);
    block_cache_close(cache);
    return status;
}

/* Any allocation may fail, once or from then on: it is said, nothing leaks, no answer is
 * wrong. */
static void no_memory_is_said(void **state) {
    (void)state;
    uint64_t random = test_seed();
    static struct model model;
    for (int kind = 0; kind < 4; kind++) {
        struct disk *disk = disk_new();
        const struct table_options options = {
            kind % 2 == 0 ? 2000 : 200, 3, kind % 2 == 0 ? 10 : 0,
            kind < 2 ? COMPRESSION_NONE : COMPRESSION_LZ4};
        do { /* long keys take memory where short ones do not */
            model_free(&model);
            model_draw(&model, &random, 200);
        } while (model.long_keys != (kind % 2 == 0) || model.keys < 50 ||
                 model.count < 60);
        model_cut(&model, 60);
        assert_ok(model_write(&model, disk, &options, NULL, NULL));
        size_t blocks = counted_memory_blocks();
        size_t failures = 0;
        bool failed = true;
        for (size_t countdown = 1; failed; countdown++) {
            struct error error = {0};
            counted_memory_fail(countdown, countdown % 2 == 0);
            enum status status = use_table(disk, &model, &error);
            failed = counted_memory_failed();
            counted_memory_fail(0, false);
            assert_int_equal(status, failed ? STATUS_NO_MEMORY : STATUS_OK);
            assert_int_equal(error.status, status);
            assert_int_equal(counted_memory_blocks(), blocks);
            failures += failed;
        }
        assert_in_range(failures, 5, 10000);
        model_free(&model);
        disk_free(disk);
    }
}

/* Any call may fail, once or from then on, or be cut short. A failed close of a file that
 * was only read is nothing. */
static void failed_reads_are_said(void **state) {
    (void)state;
    uint64_t random = test_seed();
    static struct model model;
    static const enum fault_effect effects[] = {FAULT_BEFORE, FAULT_SHORT,
                                                FAULT_SHORT_ERROR};
    for (int kind = 0; kind < 12; kind++) {
        enum fault_effect effect = effects[kind % 3];
        const struct table_options options = {200, 3, kind % 2 == 0 ? 10 : 0,
                                              compressions[kind % 4]};
        struct disk *disk = disk_new();
        model_draw(&model, &random, 200);
        model_cut(&model, 60);
        assert_ok(model_write(&model, disk, &options, NULL, NULL));
        size_t blocks = counted_memory_blocks();
        size_t failures = 0;
        bool struck = true;
        for (size_t countdown = 1; struck; countdown++) {
            const struct fault fault = {countdown, effect, EIO, kind >= 6};
            struct error error = {0};
            disk_set_fault(disk, &fault);
            enum status status = use_table(disk, &model, &error);
            const char *words = disk_fault_struck(disk);
            struck = words != NULL;
            if (struck && effect != FAULT_SHORT && strncmp(words, "close", 5) != 0) {
                assert_int_equal(status, STATUS_IO);
                assert_message_has(error, TABLE_PATH);
                failures++;
            } else {
                assert_ok(status);
            }
            disk_set_fault(disk, &(struct fault){0});
            assert_int_equal(disk_open_handles(disk), 0);
            assert_int_equal(counted_memory_blocks(), blocks);
        }
        assert_true(failures > 4 || effect == FAULT_SHORT);
        model_free(&model);
        disk_free(disk);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_flipped_bit_is_seen),
        cmocka_unit_test(every_truncation_is_seen),
        cmocka_unit_test(no_memory_is_said),
        cmocka_unit_test(failed_reads_are_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
