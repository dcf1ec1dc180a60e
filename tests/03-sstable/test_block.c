/* Blocks against a sorted array: those of the builder and others that the format allows,
 * whole, cut, flipped and made of noise. */
#define TEST_HAS_STAGE
#include "../common/support.h"

#include "block.h"
#include "block_builder.h"
#include "counted_memory.h"
#include "internal_key.h"

enum { ENTRIES_MAX = 100, KEY_BYTES_MAX = 700, VALUE_BYTES_MAX = 300 };

struct entry {
    unsigned char key[KEY_BYTES_MAX];
    size_t key_bytes;
    unsigned char value[VALUE_BYTES_MAX];
    size_t value_bytes;
};

/* Sorted, no key twice. */
struct model {
    struct entry entries[ENTRIES_MAX];
    size_t count;
};

static struct slice entry_key(const struct entry *entry) {
    return slice_make(entry->key, entry->key_bytes);
}

static struct slice entry_value(const struct entry *entry) {
    return slice_make(entry->value, entry->value_bytes);
}

static int compare_entries(const void *left, const void *right) {
    return internal_key_compare(entry_key(left), entry_key(right));
}

/* Few letters and sequences, so that keys begin each other, have versions, and go on
 * where others have their tag; one in thirty is long. */
static void random_key(struct entry *entry, uint64_t *random) {
    static const unsigned char letters[] = {0, 1, 'a', 0xff};
    size_t user_bytes = random_below(random, 7);
    if (random_below(random, 30) == 0) {
        user_bytes = random_below(random, KEY_BYTES_MAX - TAG_BYTES);
    }
    for (size_t i = 0; i < user_bytes; i++) {
        entry->key[i] = i < 3 || user_bytes < 7 ? letters[random_below(random, 4)] : 'x';
    }
    uint64_t sequence = random_below(random, 2) == 0 ? random_below(random, 4)
                                                     : random_magnitude(random) >> 8;
    encode_fixed64(entry->key + user_bytes,
                   tag_make(sequence, (enum kv_op_type)random_below(random, 2)));
    entry->key_bytes = user_bytes + TAG_BYTES;
}

static void random_model(struct model *model, size_t count, uint64_t *random) {
    for (size_t i = 0; i < count; i++) {
        struct entry *entry = &model->entries[i];
        random_key(entry, random);
        entry->value_bytes =
            random_below(random, random_below(random, 8) == 0 ? VALUE_BYTES_MAX : 20);
        memset(entry->value, (int)random_below(random, 256), entry->value_bytes);
    }
    qsort(model->entries, count, sizeof(struct entry), compare_entries);
    model->count = 0;
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || compare_entries(&model->entries[i], &model->entries[i - 1]) != 0) {
            model->entries[model->count++] = model->entries[i];
        }
    }
}

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

/* ---- blocks ---------------------------------------------------------------------- */

/* The bytes alone in their memory, so that AddressSanitizer sees the first byte beyond. */
static struct slice alone(struct slice bytes) {
    unsigned char *copy = malloc(bytes.length);
    assert_non_null(copy);
    memcpy(copy, bytes.data, bytes.length);
    return slice_make(copy, bytes.length);
}

static void alone_free(struct slice bytes) {
    union {
        const unsigned char *borrowed;
        void *owned;
    } memory = {bytes.data};
    free(memory.owned);
}

static struct slice built(const struct model *model, unsigned restart_interval) {
    struct block_builder builder;
    struct slice contents;
    block_builder_init(&builder, restart_interval);
    for (size_t i = 0; i < model->count; i++) {
        assert_int_equal(block_builder_empty(&builder), i == 0);
        assert_ok(block_builder_add(&builder, entry_key(&model->entries[i]),
                                    entry_value(&model->entries[i])));
    }
    size_t bytes = block_builder_bytes(&builder);
    assert_ok(block_builder_finish(&builder, &contents));
    assert_int_equal(contents.length, bytes);
    contents = alone(contents);
    block_builder_free(&builder);
    return contents;
}

static void append_varint(struct buf *to, uint64_t value) {
    unsigned char bytes[VARINT64_BYTES_MAX];
    assert_ok(buf_append(to, bytes, (size_t)(encode_varint(bytes, value) - bytes)));
}

static void append_fixed32(struct buf *to, size_t value) {
    unsigned char bytes[4];
    encode_fixed32(bytes, (uint32_t)value);
    assert_ok(buf_append(to, bytes, sizeof bytes));
}

static void append_entry(struct buf *to, size_t shared, struct slice unshared,
                         struct slice value) {
    append_varint(to, shared);
    append_varint(to, unshared.length);
    append_varint(to, value.length);
    assert_ok(buf_append_slice(to, unshared));
    assert_ok(buf_append_slice(to, value));
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

static void open_block(struct block *block, struct slice contents) {
    const char *why = "";
    if (block_init(block, contents, &why) != STATUS_OK) {
        fail_msg("%s", why);
    }
}

/* ---- whole blocks ---------------------------------------------------------------- */

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
    iter_close(&iter.iter);
    alone_free(contents);
}

static void walks_equal_the_model(void **state) {
    (void)state;
    uint64_t random = test_seed();
    static struct model model;
    for (unsigned interval = 1; interval <= 20; interval++) {
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

/* ---- damaged blocks -------------------------------------------------------------- */

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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(walks_equal_the_model),
        cmocka_unit_test(foreign_blocks_are_read),
        cmocka_unit_test(every_truncation_is_bounded),
        cmocka_unit_test(every_flipped_bit_is_bounded),
        cmocka_unit_test(noise_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
