/* What the tests of blocks share: sorted entries of internal keys that look like each
 * other, and blocks of them. */
#ifndef STRATA_TESTS_BLOCKS_H
#define STRATA_TESTS_BLOCKS_H

#define TEST_HAS_STAGE
#include "../common/support.h"

#include "block.h"
#include "block_builder.h"
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

static inline struct slice entry_key(const struct entry *entry) {
    return slice_make(entry->key, entry->key_bytes);
}

static inline struct slice entry_value(const struct entry *entry) {
    return slice_make(entry->value, entry->value_bytes);
}

static inline int compare_entries(const void *left, const void *right) {
    return internal_key_compare(entry_key(left), entry_key(right));
}

/* Few letters and sequences, so that keys begin each other, have versions, and go on
 * where others have their tag; one in thirty is long. */
static inline void random_key(struct entry *entry, uint64_t *random) {
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

static inline void random_model(struct model *model, size_t count, uint64_t *random) {
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

/* The bytes alone in their memory: AddressSanitizer sees the first byte beyond. */
static inline struct slice alone(struct slice bytes) {
    unsigned char *copy = malloc(bytes.length);
    assert_non_null(copy);
    memcpy(copy, bytes.data, bytes.length);
    return slice_make(copy, bytes.length);
}

static inline void alone_free(struct slice bytes) {
    union {
        const unsigned char *borrowed;
        void *owned;
    } memory = {bytes.data};
    free(memory.owned);
}

static inline struct slice built(const struct model *model, unsigned restart_interval) {
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

static inline void append_varint(struct buf *to, uint64_t value) {
    unsigned char bytes[VARINT64_BYTES_MAX];
    assert_ok(buf_append(to, bytes, (size_t)(encode_varint(bytes, value) - bytes)));
}

static inline void append_fixed32(struct buf *to, size_t value) {
    unsigned char bytes[4];
    encode_fixed32(bytes, (uint32_t)value);
    assert_ok(buf_append(to, bytes, sizeof bytes));
}

static inline void append_entry(struct buf *to, size_t shared, struct slice unshared,
                                struct slice value) {
    append_varint(to, shared);
    append_varint(to, unshared.length);
    append_varint(to, value.length);
    assert_ok(buf_append_slice(to, unshared));
    assert_ok(buf_append_slice(to, value));
}

static inline void open_block(struct block *block, struct slice contents) {
    const char *why = "";
    if (block_init(block, contents, &why) != STATUS_OK) {
        fail_msg("%s", why);
    }
}

#endif
