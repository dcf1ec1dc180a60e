/* An index searched by words against the same block searched as any other. */
#include "blocks.h"

#include "counted_memory.h"
#include "index_words.h"

enum { PROGRAMS = 400, SEEKS = 60 };

static const unsigned char shared_start[] = "all of them begin so";

/* Puts the same `bytes` before all keys but, if so, the last one. */
static void prepend(struct model *model, size_t bytes, bool last_too) {
    size_t count = last_too ? model->count : model->count - 1;
    for (size_t i = 0; i < count; i++) {
        struct entry *entry = &model->entries[i];
        memmove(entry->key + bytes, entry->key, entry->key_bytes);
        memcpy(entry->key, shared_start, bytes);
        entry->key_bytes += bytes;
    }
}

static void random_index(struct model *model, uint64_t *random) {
    random_model(model, 1 + random_below(random, ENTRIES_MAX), random);
    size_t start = random_below(random, sizeof shared_start);
    for (size_t i = 0; i < model->count; i++) {
        if (model->entries[i].key_bytes + start > KEY_BYTES_MAX) {
            start = 0;
        }
    }
    struct entry *last = &model->entries[model->count - 1];
    bool shortened = random_below(random, 2) == 0;
    prepend(model, start, !shortened);
    if (shortened) {
        last->key[0] = 0xff; /* above all, and unlike them */
        encode_fixed64(last->key + 1, tag_make(1, KV_PUT));
        last->key_bytes = 1 + TAG_BYTES;
        while (model->count > 1 &&
               compare_entries(&model->entries[model->count - 2], last) >= 0) {
            model->entries[model->count - 2] = *last;
            model->count--;
            last = &model->entries[model->count - 1];
        }
    }
}

static void assert_same(const struct block_iter *one, const struct block_iter *other) {
    assert_int_equal(one->iter.error.status, STATUS_OK);
    assert_int_equal(other->iter.error.status, STATUS_OK);
    assert_int_equal(one->iter.valid, other->iter.valid);
    if (one->iter.valid) {
        assert_int_equal(one->entry, other->entry);
        assert_int_equal(one->next, other->next);
        assert_true(slice_equal(one->iter.key, other->iter.key));
        assert_true(slice_equal(one->iter.value, other->iter.value));
    }
}

static void seek_both(const struct index_words *words, const struct block *block,
                      struct slice key) {
    struct block_iter by_words;
    struct block_iter plain;
    block_iter_init(&by_words, block);
    block_iter_init(&plain, block);
    index_words_seek(words, &by_words, key);
    block_iter_seek(&plain, key);
    assert_same(&by_words, &plain);
    block_iter_free(&by_words);
    block_iter_free(&plain);
}

/* Keys that are there, that stand beside them, and others, with and without the start. */
static void seek_all(const struct index_words *words, const struct block *block,
                     const struct model *model, uint64_t *random) {
    struct model wanted = {.count = 1};
    for (size_t i = 0; i < model->count; i++) {
        struct entry near = model->entries[i];
        seek_both(words, block, entry_key(&near));
        near.key[random_below(random, near.key_bytes)]++;
        seek_both(words, block, entry_key(&near));
    }
    for (size_t i = 0; i < SEEKS; i++) {
        random_key(&wanted.entries[0], random);
        if (wanted.entries[0].key_bytes + sizeof shared_start <= KEY_BYTES_MAX) {
            prepend(&wanted, random_below(random, sizeof shared_start), true);
        }
        seek_both(words, block, entry_key(&wanted.entries[0]));
    }
}

static void searches_equal_those_of_a_block(void **state) {
    (void)state;
    size_t blocks = counted_memory_blocks();
    uint64_t random = test_seed();
    struct model *model = malloc(sizeof *model);
    assert_non_null(model);
    for (size_t i = 0; i < PROGRAMS; i++) {
        random_index(model, &random);
        unsigned interval = 1 + (random_below(&random, 4) == 0);
        struct slice contents = built(model, interval);
        struct block block;
        struct index_words words;
        open_block(&block, contents);
        assert_ok(index_words_init(&words, &block));
        assert_int_equal(words.array != NULL, interval == 1 || model->count == 1);
        seek_all(&words, &block, model, &random);
        index_words_free(&words);
        alone_free(contents);
    }
    free(model);
    assert_int_equal(counted_memory_blocks(), blocks);
}

/* What is found is of no matter: that nothing beyond the block is read is. */
static void damaged_ones_are_searched_within_their_bytes(void **state) {
    (void)state;
    uint64_t random = test_seed();
    struct model *model = malloc(sizeof *model);
    assert_non_null(model);
    for (size_t i = 0; i < PROGRAMS; i++) {
        random_index(model, &random);
        struct slice good = built(model, 1);
        unsigned char *bytes = malloc(good.length);
        assert_non_null(bytes);
        memcpy(bytes, good.data, good.length);
        for (size_t flips = 1 + random_below(&random, 3); flips > 0; flips--) {
            bytes[random_below(&random, good.length)] ^=
                (unsigned char)(1u << random_below(&random, 8));
        }
        struct block block;
        struct index_words words;
        const char *why;
        if (block_init(&block, slice_make(bytes, good.length), &why) == STATUS_OK) {
            assert_ok(index_words_init(&words, &block));
            for (size_t at = 0; at < model->count; at++) {
                struct block_iter iter;
                block_iter_init(&iter, &block);
                index_words_seek(&words, &iter, entry_key(&model->entries[at]));
                block_iter_free(&iter);
            }
            index_words_free(&words);
        }
        free(bytes);
        alone_free(good);
    }
    free(model);
}

static void an_index_without_entries_has_no_words(void **state) {
    (void)state;
    static const struct model model = {.count = 0};
    struct slice contents = built(&model, 1);
    struct block block;
    struct index_words words;
    open_block(&block, contents);
    assert_ok(index_words_init(&words, &block));
    assert_null(words.array);
    assert_int_equal(index_words_bytes(&words), 0);
    index_words_free(&words);
    alone_free(contents);
}

static void words_without_memory(void **state) {
    (void)state;
    size_t blocks = counted_memory_blocks();
    uint64_t random = test_seed();
    struct model *model = malloc(sizeof *model);
    assert_non_null(model);
    random_model(model, ENTRIES_MAX, &random);
    struct slice contents = built(model, 1);
    struct block block;
    struct index_words words;
    open_block(&block, contents);
    counted_memory_fail(1, false);
    assert_int_equal(index_words_init(&words, &block), STATUS_NO_MEMORY);
    counted_memory_fail(0, false);
    index_words_free(&words);
    alone_free(contents);
    free(model);
    assert_int_equal(counted_memory_blocks(), blocks);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(searches_equal_those_of_a_block),
        cmocka_unit_test(damaged_ones_are_searched_within_their_bytes),
        cmocka_unit_test(an_index_without_entries_has_no_words),
        cmocka_unit_test(words_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
