/* Damaged blocks: whatever the bytes, nothing beyond them is read, and what is shown
 * ends. Run it under AddressSanitizer: every block stands alone in its memory. */
#include "blocks.h"

static unsigned touched; /* the sum of all bytes that were shown */

static void touch(struct slice bytes) {
    for (size_t i = 0; i < bytes.length; i++) {
        touched += bytes.data[i];
    }
}

/* What is shown may be wrong, but is there. Answers whether something is. */
static bool look(const struct iter *iter) {
    if (iter->valid) {
        touch(iter->key);
        touch(iter->value);
        assert_int_equal(iter->error.status, STATUS_OK);
    } else if (iter->error.status != STATUS_OK) {
        assert_int_equal(iter->error.status, STATUS_CORRUPT);
        assert_message_has(iter->error, "in the block at ");
    }
    return iter->valid;
}

/* Every move, on whatever bytes; answers whether something was found to be wrong. */
static bool survey(const struct model *model, struct slice contents) {
    struct block block;
    struct block_iter iter;
    const char *why = NULL;
    if (block_init(&block, contents, &why) != STATUS_OK) {
        assert_non_null(why);
        return true;
    }
    bool wrong = false;
    size_t most = contents.length / 3 + 1; /* an entry has three bytes */
    size_t count = 0;
    block_iter_init(&iter, &block);
    for (block_iter_first(&iter); look(&iter.iter); block_iter_next(&iter)) {
        assert_true(++count <= most);
    }
    wrong |= iter.iter.error.status != STATUS_OK;
    count = 0;
    for (block_iter_last(&iter); look(&iter.iter); block_iter_prev(&iter)) {
        assert_true(++count <= most);
    }
    wrong |= iter.iter.error.status != STATUS_OK;
    for (size_t i = 0; i < model->count; i++) {
        struct slice key = entry_key(&model->entries[i]);
        block_iter_seek(&iter, key);
        if (look(&iter.iter)) {
            block_iter_next(&iter);
            (void)look(&iter.iter);
        }
        wrong |= iter.iter.error.status != STATUS_OK;
        block_iter_seek_before(&iter, key);
        (void)look(&iter.iter);
        wrong |= iter.iter.error.status != STATUS_OK;
    }
    block_iter_free(&iter);
    return wrong;
}

static void every_truncation_is_bounded(void **state) {
    (void)state;
    uint64_t random = test_seed();
    static struct model model;
    for (unsigned interval = 1; interval <= 16; interval *= 2) {
        random_model(&model, 30, &random);
        struct slice contents = built(&model, interval);
        assert_false(survey(&model, contents));
        size_t wrong = 0;
        for (size_t length = 0; length < contents.length; length++) {
            struct slice cut = alone(slice_make(contents.data, length));
            wrong += survey(&model, cut);
            alone_free(cut);
        }
        assert_true(wrong > contents.length / 2);
        alone_free(contents);
    }
}

static void every_flipped_bit_is_bounded(void **state) {
    (void)state;
    uint64_t random = test_seed();
    static struct model model;
    for (unsigned interval = 1; interval <= 16; interval *= 2) {
        random_model(&model, 30, &random);
        struct slice contents = built(&model, interval);
        struct slice flipped = alone(contents);
        size_t wrong = 0;
        for (size_t bit = 0; bit < 8 * contents.length; bit++) {
            unsigned char *bytes =
                memcpy((void *)(uintptr_t)flipped.data, contents.data, contents.length);
            bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
            wrong += survey(&model, flipped);
        }
        assert_in_range(wrong, contents.length / 4, 8 * contents.length - 1);
        alone_free(contents);
        alone_free(flipped);
    }
}

/* Small numbers, as they stand in entries, before a tail that is good. */
static void noise_is_bounded(void **state) {
    (void)state;
    uint64_t random = test_seed();
    static struct model model;
    size_t opened = 0;
    for (int round = 0; round < 20000; round++) {
        struct buf block = {0};
        size_t bytes = 1 + random_below(&random, 60);
        size_t restarts = 1 + random_below(&random, 3);
        random_model(&model, 3, &random);
        for (size_t i = 0; i < bytes; i++) {
            unsigned char byte = (unsigned char)random_below(
                &random, random_below(&random, 4) == 0 ? 256 : 12);
            assert_ok(buf_append(&block, &byte, 1));
        }
        for (size_t i = 0; i < restarts; i++) {
            append_fixed32(&block, i * bytes / restarts);
        }
        append_fixed32(&block, restarts);
        struct slice contents = alone(buf_slice(&block));
        opened += !survey(&model, contents);
        alone_free(contents);
        buf_free(&block);
    }
    assert_in_range(opened, 1, 19999);
}

/* ---- what is seen to be wrong ---------------------------------------------------- */

/* The entries with restart points at 0 and, if it is above, at `restart`. */
static struct slice with_restarts(struct buf *entries, size_t restart) {
    append_fixed32(entries, 0);
    if (restart > 0) {
        append_fixed32(entries, restart);
    }
    append_fixed32(entries, restart > 0 ? 2 : 1);
    struct slice contents = alone(buf_slice(entries));
    buf_free(entries);
    return contents;
}

/* A walk over the block, from the front or the back, shows `good` entries and then says
 * what is wrong and where. */
static void assert_walk_ends(struct slice contents, bool forward, size_t good,
                             const char *message) {
    struct block block;
    struct block_iter iter;
    open_block(&block, contents);
    block_iter_init(&iter, &block);
    if (forward) {
        block_iter_first(&iter);
    } else {
        block_iter_last(&iter);
    }
    for (; look(&iter.iter); good--) {
        assert_true(good > 0);
        if (forward) {
            block_iter_next(&iter);
        } else {
            block_iter_prev(&iter);
        }
    }
    assert_int_equal(good, 0);
    assert_int_equal(iter.iter.error.status, STATUS_CORRUPT);
    assert_string_equal(iter.iter.error.message, message);
    block_iter_free(&iter);
}

static void assert_seek_fails(struct slice contents, const char *user,
                              const char *message) {
    struct block block;
    struct block_iter iter;
    struct buf key = {0};
    open_block(&block, contents);
    block_iter_init(&iter, &block);
    assert_ok(internal_key_build(&key, slice_of(user), tag_seek(5)));
    block_iter_seek(&iter, buf_slice(&key));
    assert_false(iter.iter.valid);
    assert_int_equal(iter.iter.error.status, STATUS_CORRUPT);
    assert_string_equal(iter.iter.error.message, message);
    block_iter_seek_before(&iter, buf_slice(&key)); /* no other answer */
    assert_false(iter.iter.valid);
    assert_int_equal(iter.iter.error.status, STATUS_CORRUPT);
    block_iter_free(&iter);
    buf_free(&key);
}

static void broken_entries_are_named(void **state) {
    (void)state;
    struct buf entries = {0};
    append_entry(&entries, 0, slice_of("k12345678"), slice_of("value"));
    size_t second = entries.length; /* 17 */
    append_entry(&entries, 10, slice_of("x"), slice_of(""));
    struct slice contents = with_restarts(&entries, 0);
    const char *message = "in the block at 17: a key shares more than there is";
    assert_walk_ends(contents, true, 1, message);
    assert_walk_ends(contents, false, 0, message);
    assert_seek_fails(contents, "z", message);
    alone_free(contents);

    append_entry(&entries, 0, slice_of("k12345678"), slice_of("value"));
    append_entry(&entries, 0, slice_of("n12345678"), slice_of("value"));
    entries.data[second + 2]++; /* the value's length */
    contents = with_restarts(&entries, 0);
    message = "in the block at 17: an entry is cut short";
    assert_walk_ends(contents, true, 1, message);
    assert_walk_ends(contents, false, 0, message);
    assert_seek_fails(contents, "z", message);
    alone_free(contents);

    append_entry(&entries, 0, slice_of("k12345678"), slice_of("value"));
    append_entry(&entries, 0, slice_of("n123456"), slice_of(""));
    contents = with_restarts(&entries, second);
    assert_seek_fails(contents, "z", "in the block at 17: a key is no internal key");
    alone_free(contents);

    append_entry(&entries, 0, slice_of("k123456"), slice_of("value"));
    contents = with_restarts(&entries, 0);
    assert_seek_fails(contents, "z", "in the block at 0: a key is no internal key");
    alone_free(contents);
}

static void wrong_restart_points_are_named(void **state) {
    (void)state;
    struct buf entries = {0};
    append_entry(&entries, 0, slice_of("k12345678"), slice_of("value"));
    append_entry(&entries, 1, slice_of("m12345678"), slice_of("value"));
    struct slice contents = with_restarts(&entries, 17);
    const char *message = "in the block at 17: a key shares more than there is";
    assert_walk_ends(contents, false, 0, message);
    assert_seek_fails(contents, "z", message);
    assert_seek_fails(contents, "a", message); /* though it is not on the way */
    alone_free(contents);

    /* In the middle of an entry, at bytes that could be one: 15 is met from the front,
     * and missed on the way back to it. */
    struct block block;
    struct block_iter iter;
    append_entry(&entries, 0, slice_of("k12345678"), slice_make("\0\11\0", 3));
    append_entry(&entries, 0, slice_of("n12345678"), slice_of("value"));
    contents = with_restarts(&entries, 12);
    open_block(&block, contents);
    block_iter_init(&iter, &block);
    block_iter_first(&iter);
    block_iter_next(&iter);
    assert_true(slice_equal(iter.iter.key, slice_of("n12345678")));
    block_iter_prev(&iter);
    assert_false(iter.iter.valid);
    assert_string_equal(iter.iter.error.message,
                        "in the block at 12: an entry and a restart point overlap");
    block_iter_free(&iter);
    alone_free(contents);

    /* kkkk, and then a user key that is empty: its three bytes are the tag's. */
    append_entry(&entries, 0, slice_of("kkkk12345678"), slice_of(""));
    append_entry(&entries, 3, slice_of("12345"), slice_of(""));
    contents = with_restarts(&entries, 0);
    assert_seek_fails(contents, "kkkkk",
                      "in the block at 15: a key is below the one before it");
    alone_free(contents);
}

static void tails_that_are_none(void **state) {
    (void)state;
    static const struct {
        unsigned char bytes[20];
        size_t length;
        const char *why;
    } cases[] = {
        {{0}, 0, "a block of an impossible size"},
        {{1, 0, 0, 0, 0, 0, 0}, 7, "a block of an impossible size"},
        {{0, 0, 0, 0, 0, 0, 0, 0}, 8, "a block with an impossible number"},
        {{0, 0, 0, 0, 2, 0, 0, 0}, 8, "a block with an impossible number"},
        {{0, 0, 0, 0, 0, 0, 0, 0x40}, 8, "a block with an impossible number"},
        {{0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}, 8, "a block with an impossible number"},
        {{1, 0, 0, 0, 1, 0, 0, 0}, 8, "a block whose restart points are wrong"},
        {{0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0}, 12, "a block whose restart points are"},
        {{9, 9, 9, 0, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0},
         15,
         "a block whose restart points are wrong"},
        {{9, 9, 9, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0},
         15,
         "a block whose restart points are wrong"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct slice contents = alone(slice_make(cases[i].bytes, cases[i].length));
        struct block block = {NULL, 7, 7};
        const char *why = "";
        assert_int_equal(block_init(&block, contents, &why), STATUS_CORRUPT);
        assert_int_equal(strncmp(why, cases[i].why, strlen(cases[i].why)), 0);
        assert_int_equal(block.restarts, 7);
        alone_free(contents);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_truncation_is_bounded),
        cmocka_unit_test(every_flipped_bit_is_bounded),
        cmocka_unit_test(noise_is_bounded),
        cmocka_unit_test(broken_entries_are_named),
        cmocka_unit_test(wrong_restart_points_are_named),
        cmocka_unit_test(tails_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
