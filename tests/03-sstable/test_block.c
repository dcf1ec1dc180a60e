/* Blocks against a sorted array: those of the builder, and others that the format allows.
 */
#include "blocks.h"

#include "counted_memory.h"

/* The index of the first entry at or after key. */
static size_t find(const struct model *model, struct slice key) {
    size_t at = 0;
    while (at < model->count &&
           internal_key_compare(entry_key(&model->entries[at]), key) < 0) {
        at++;
    }
    return at;
}

static size_t before(const struct model *model, size_t at) {
    return at == 0 ? model->count : at - 1;
}

/* As another writer might have written it: restart points anywhere, and keys that share
 * less than they could. */
static struct slice foreign(const struct model *model, uint64_t *random) {
    struct buf block = {0};
    struct buf restarts = {0};
    append_fixed32(&restarts, 0);
    for (size_t i = 0; i < model->count; i++) {
        struct slice key = entry_key(&model->entries[i]);
        size_t shared = 0;
        if (i > 0 && random_below(random, 6) == 0) {
            append_fixed32(&restarts, block.length);
        } else if (i > 0) {
            struct slice last = entry_key(&model->entries[i - 1]);
            while (shared < last.length && shared < key.length &&
                   last.data[shared] == key.data[shared]) {
                shared++;
            }
            shared -= random_below(random, 3) == 0 ? random_below(random, shared + 1) : 0;
        }
        slice_advance(&key, shared);
        append_entry(&block, shared, key, entry_value(&model->entries[i]));
    }
    size_t count = restarts.length / 4;
    assert_ok(buf_append_slice(&block, buf_slice(&restarts)));
    append_fixed32(&block, count);
    struct slice contents = alone(buf_slice(&block));
    buf_free(&block);
    buf_free(&restarts);
    return contents;
}

/* `at` == count: nowhere. */
static void assert_at(const struct iter *iter, const struct model *model, size_t at) {
    assert_int_equal(iter->error.status, STATUS_OK);
    assert_int_equal(iter->valid, at < model->count);
    if (iter->valid) {
        assert_true(slice_equal(iter->key, entry_key(&model->entries[at])));
        assert_true(slice_equal(iter->value, entry_value(&model->entries[at])));
    }
}

/* A step of a walk, here and there; answers where it must be. */
static size_t step(struct iter *iter, const struct model *model, size_t at,
                   uint64_t *random) {
    static struct entry target;
    random_key(&target, random);
    if (model->count > 0 && random_below(random, 2) == 0) {
        target = model->entries[random_below(random, model->count)];
    }
    struct slice key = entry_key(&target);
    switch (random_below(random, 12)) {
    case 0:
        iter_first(iter);
        return 0;
    case 1:
        iter_last(iter);
        return before(model, model->count);
    case 2:
    case 3:
    case 4:
        iter_seek(iter, key);
        return find(model, key);
    case 5:
    case 6:
        iter_seek_before(iter, key);
        return before(model, find(model, key));
    default:
        if (!iter->valid) {
            return at;
        }
        if (random_below(random, 2) == 0) {
            iter_next(iter);
            return at + 1;
        }
        iter_prev(iter);
        return before(model, at);
    }
}

static void walk(const struct model *model, struct slice contents, uint64_t *random) {
    struct block block;
    struct block_iter iter;
    open_block(&block, contents);
    block_iter_init(&iter, &block);
    assert_false(iter.iter.valid);
    size_t at = model->count;
    for (int i = 0; i < 300; i++) {
        at = step(&iter.iter, model, at, random);
        assert_at(&iter.iter, model, at);
    }
    for (size_t i = 0; i < model->count; i++) {
        block_iter_seek(&iter, entry_key(&model->entries[i]));
        assert_at(&iter.iter, model, i);
    }
    iter_last(&iter.iter);
    for (size_t i = model->count; i > 0; i--) {
        assert_at(&iter.iter, model, i - 1);
        iter_prev(&iter.iter);
    }
    assert_false(iter.iter.valid);
    iter_close(&iter.iter);
    alone_free(contents);
}

static void walks_equal_the_model(void **state) {
    (void)state;
    uint64_t random = test_seed();
    static struct model model;
    for (unsigned interval = 1; interval <= 100; interval += interval < 20 ? 1 : 40) {
        for (int round = 0; round < 20; round++) {
            random_model(&model, random_below(&random, ENTRIES_MAX + 1), &random);
            walk(&model, built(&model, interval), &random);
        }
    }
}

static void foreign_blocks_are_read(void **state) {
    (void)state;
    uint64_t random = test_seed();
    static struct model model;
    for (int round = 0; round < 400; round++) {
        random_model(&model, random_below(&random, ENTRIES_MAX + 1), &random);
        walk(&model, foreign(&model, &random), &random);
    }
}

/* ---- golden bytes ---------------------------------------------------------------- */

/* Plain keys, as a metaindex has them; two to a restart point. */
static void golden_bytes(void **state) {
    (void)state;
    static const char *const keys[] = {"", "app", "apple", "apply", "b"};
    static const unsigned char expected[] = {
        0, 0, 1, 'A',                                     /* "" */
        0, 3, 0, 'a', 'p', 'p',                           /* shares nothing with it */
        0, 5, 2, 'a', 'p', 'p', 'l', 'e', 'C', 'C',       /* a restart point */
        4, 1, 0, 'y',                                     /* appl|y */
        0, 1, 1, 'b', 'E',                                /* a restart point */
        0, 0, 0, 0,   10,  0,   0,   0,   24,  0,   0, 0, /* their array */
        3, 0, 0, 0,
    };
    static const char *const values[] = {"A", "", "CC", "", "E"};
    struct block_builder builder;
    struct slice contents;
    struct block block;
    struct block_iter iter;
    block_builder_init(&builder, 2);
    for (int round = 0; round < 2; round++) { /* again, after a reset */
        for (size_t i = 0; i < 5; i++) {
            assert_ok(
                block_builder_add(&builder, slice_of(keys[i]), slice_of(values[i])));
        }
        assert_ok(block_builder_finish(&builder, &contents));
        assert_int_equal(contents.length, sizeof expected);
        assert_memory_equal(contents.data, expected, sizeof expected);
        block_builder_reset(&builder);
    }
    open_block(&block, slice_make(expected, sizeof expected));
    assert_int_equal(block.restart_count, 3);
    block_iter_init(&iter, &block);
    block_iter_first(&iter);
    for (size_t i = 0; i < 5; i++, block_iter_next(&iter)) {
        assert_true(iter.iter.valid);
        assert_true(slice_equal(iter.iter.key, slice_of(keys[i])));
        assert_true(slice_equal(iter.iter.value, slice_of(values[i])));
    }
    assert_false(iter.iter.valid);
    assert_ok(iter.iter.error.status);
    block_iter_free(&iter);
    block_builder_free(&builder);
}

static void an_empty_block_has_a_restart_point(void **state) {
    (void)state;
    static const unsigned char expected[] = {0, 0, 0, 0, 1, 0, 0, 0};
    static struct model model;
    struct slice contents = built(&model, 16);
    assert_int_equal(contents.length, sizeof expected);
    assert_memory_equal(contents.data, expected, sizeof expected);
    alone_free(contents);
}

/* ---- memory ---------------------------------------------------------------------- */

static enum status build(const struct model *model, struct block_builder *builder,
                         struct slice *contents) {
    for (size_t i = 0; i < model->count; i++) {
        enum status status = block_builder_add(builder, entry_key(&model->entries[i]),
                                               entry_value(&model->entries[i]));
        if (status != STATUS_OK) {
            return status;
        }
    }
    return block_builder_finish(builder, contents);
}

/* Any allocation may fail; after a reset the builder is as good as new. */
static void the_builder_may_lack_memory(void **state) {
    (void)state;
    uint64_t random = test_seed();
    static struct model model;
    random_model(&model, ENTRIES_MAX, &random);
    struct slice expected = built(&model, 3);
    size_t blocks = counted_memory_blocks();
    size_t failures = 0;
    bool failed = true;
    for (size_t countdown = 1; failed; countdown++) {
        struct block_builder builder;
        struct slice contents;
        block_builder_init(&builder, 3);
        counted_memory_fail(countdown, false);
        enum status status = build(&model, &builder, &contents);
        failed = counted_memory_failed();
        counted_memory_fail(0, false);
        assert_int_equal(status, failed ? STATUS_NO_MEMORY : STATUS_OK);
        failures += failed;
        block_builder_reset(&builder);
        assert_ok(build(&model, &builder, &contents));
        assert_true(slice_equal(contents, expected));
        block_builder_free(&builder);
        assert_int_equal(counted_memory_blocks(), blocks);
    }
    assert_in_range(failures, 5, 50);
    alone_free(expected);
}

static void the_largest_block_is_a_limit(void **state) {
    (void)state;
    struct block_builder builder;
    struct slice large = slice_make("", BLOCK_BYTES_MAX); /* not looked at */
    block_builder_init(&builder, 1);
    assert_int_equal(block_builder_add(&builder, slice_of("key"), large), STATUS_LIMIT);
    assert_ok(block_builder_add(&builder, slice_of("key"), slice_of("")));
    large.length -= 3 * VARINT32_BYTES_MAX + 3 + BLOCK_TAIL_BYTES;
    assert_int_equal(block_builder_add(&builder, slice_of("key"), large), STATUS_LIMIT);
    block_builder_free(&builder);
}

enum way { BY_SEEK, FORWARD, BACKWARD, WAYS };

/* Every entry, until a move fails. */
static enum status visit(struct block_iter *iter, const struct model *model,
                         enum way way) {
    size_t count = model->count;
    for (size_t i = 0; i < count; i++) {
        size_t at = way == BACKWARD ? count - 1 - i : i;
        if (way == BY_SEEK) {
            block_iter_seek(iter, entry_key(&model->entries[i]));
        } else if (way == FORWARD) {
            (i == 0 ? block_iter_first : block_iter_next)(iter);
        } else {
            (i == 0 ? block_iter_last : block_iter_prev)(iter);
        }
        if (iter->iter.error.status != STATUS_OK) {
            return iter->iter.error.status;
        }
        assert_at(&iter->iter, model, at);
    }
    return STATUS_OK;
}

enum shape { LAST_BYTE_DIFFERS, EACH_IS_LONGER, EACH_GOES_ON_AS_A_TAG, SHAPES };

/* 20 keys, the longest with `longest` bytes. In the third shape a key is the one before
 * and the first byte of its tag, so that it shares that, too. */
static void long_model(struct model *model, enum shape shape, size_t longest) {
    for (model->count = 0; model->count < 20; model->count++) {
        size_t i = model->count;
        struct entry *entry = &model->entries[i];
        size_t user_bytes =
            longest - TAG_BYTES - (shape == LAST_BYTE_DIFFERS ? 0 : 19 - i);
        memset(entry->key, 'k', user_bytes);
        if (shape == LAST_BYTE_DIFFERS) {
            entry->key[user_bytes - 1] = (unsigned char)i;
        } else if (shape == EACH_GOES_ON_AS_A_TAG) {
            memset(entry->key + user_bytes - i, KV_PUT, i);
        }
        encode_fixed64(entry->key + user_bytes, tag_make(7, KV_PUT));
        entry->key_bytes = user_bytes + TAG_BYTES;
    }
}

/* With the n-th allocation failing, until none does. */
static void assert_memory_swept(const struct model *model, const struct block *block,
                                enum way way, bool takes_memory) {
    size_t blocks = counted_memory_blocks();
    size_t failures = 0;
    bool failed = true;
    for (size_t countdown = 1; failed; countdown++) {
        struct block_iter iter;
        block_iter_init(&iter, block);
        counted_memory_fail(countdown, false);
        enum status status = visit(&iter, model, way);
        failed = counted_memory_failed();
        counted_memory_fail(0, false);
        assert_int_equal(status, failed ? STATUS_NO_MEMORY : STATUS_OK);
        failures += failed;
        assert_ok(visit(&iter, model, way)); /* it works again */
        block_iter_free(&iter);
        assert_int_equal(counted_memory_blocks(), blocks);
    }
    assert_int_equal(failures > 0, takes_memory);
}

/* Keys of 256 bytes fit the iterator; longer ones take memory, which may be missing. */
static void long_keys_take_memory(void **state) {
    (void)state;
    static const size_t lengths[] = {255, 256, 257, 260, 300, 600};
    static struct model model;
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        for (enum shape shape = 0; shape < SHAPES; shape++) {
            struct block block;
            long_model(&model, shape, lengths[i]);
            struct slice contents = built(&model, 20);
            open_block(&block, contents);
            for (enum way way = 0; way < WAYS; way++) {
                assert_memory_swept(&model, &block, way,
                                    lengths[i] > BLOCK_ITER_KEY_BYTES);
            }
            alone_free(contents);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_bytes),
        cmocka_unit_test(an_empty_block_has_a_restart_point),
        cmocka_unit_test(walks_equal_the_model),
        cmocka_unit_test(foreign_blocks_are_read),
        cmocka_unit_test(the_builder_may_lack_memory),
        cmocka_unit_test(the_largest_block_is_a_limit),
        cmocka_unit_test(long_keys_take_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
