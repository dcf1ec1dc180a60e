/* What the tests with LevelDB (Debian's libleveldb, through its C interface) share: an
 * array that says what a database holds, whoever wrote it, and the two programs, which
 * write to it at random and are compared with it in full.
 *
 * tidy: long because it is functions that several tests include. */
#ifndef STRATA_TESTS_BOTH_H
#define STRATA_TESTS_BOTH_H

#define TEST_HAS_STAGE
#include "../common/support.h"

#include <ftw.h>

#include <leveldb/c.h>

#include "kv.h"
#include "memory.h"

enum { BOTH_KEYS = 400, BOTH_KEY_BYTES = 320, BOTH_VALUE_BYTES = 40000 };

/* ---- the model ------------------------------------------------------------------- */

struct held {
    bool present;
    uint64_t seed; /* of the value's bytes */
    size_t size;
};

struct both {
    struct held keys[BOTH_KEYS];
    uint64_t seed;
};

/* The empty key is one of them; some are long, some begin with the highest bytes. */
static inline struct slice both_key(char text[BOTH_KEY_BYTES], size_t index) {
    if (index == 0) {
        return slice_make(text, 0);
    }
    int length = snprintf(text, BOTH_KEY_BYTES, "%s%05zu%s",
                          index % 11 == 5 ? "\xff\xff" : "user/", index * 7919 % 1000,
                          index % 7 == 3 ? "/" : "");
    if (index % 7 == 3) {
        memset(text + length, 'x', 300);
        length += 300;
    }
    return slice_make(text, (size_t)length);
}

/* Half of it compresses. */
static inline void both_fill(const struct held *held, unsigned char *bytes) {
    uint64_t seed = held->seed;
    for (size_t i = 0; i < held->size; i++) {
        bytes[i] = i % 16 < 8 ? (unsigned char)random_next(&seed) : 'x';
    }
}

static inline struct slice both_value(const struct held *held) {
    static unsigned char bytes[BOTH_VALUE_BYTES];
    both_fill(held, bytes);
    return slice_make(bytes, held->size);
}

/* One operation, noted in the model; its key. */
static inline size_t both_draw(struct both *both) {
    size_t index = random_below(&both->seed, BOTH_KEYS);
    struct held *held = &both->keys[index];
    held->present = random_below(&both->seed, 3) != 0;
    held->seed = random_next(&both->seed);
    uint64_t kind = random_below(&both->seed, 40);
    held->size = kind == 0   ? random_below(&both->seed, BOTH_VALUE_BYTES)
                 : kind <= 3 ? 0
                             : random_below(&both->seed, 300);
    return index;
}

static inline int both_compare(const void *a, const void *b) {
    char left[BOTH_KEY_BYTES], right[BOTH_KEY_BYTES];
    return slice_compare(both_key(left, *(const size_t *)a),
                         both_key(right, *(const size_t *)b));
}

/* The present keys in order; how many. */
static inline size_t both_order(const struct both *both, size_t order[BOTH_KEYS]) {
    size_t count = 0;
    for (size_t i = 0; i < BOTH_KEYS; i++) {
        if (both->keys[i].present) {
            order[count++] = i;
        }
    }
    qsort(order, count, sizeof order[0], both_compare);
    return count;
}

static inline void both_expect(const struct both *both, size_t index, const char *who,
                               struct slice key, struct slice value) {
    char text[BOTH_KEY_BYTES];
    if (!slice_equal(key, both_key(text, index))) {
        fail_msg("%s has the key \"%.*s\" where key %zu belongs", who, (int)key.length,
                 (const char *)key.data, index);
    }
    if (!slice_equal(value, both_value(&both->keys[index]))) {
        fail_msg("%s has another value, of %zu bytes, for key %zu", who, value.length,
                 index);
    }
}

/* ---- directories ----------------------------------------------------------------- */

enum { BOTH_PATH_BYTES = 64 };

static inline void both_directory(char path[BOTH_PATH_BYTES]) {
    strcpy(path, "/tmp/strata-test-XXXXXX");
    assert_non_null(mkdtemp(path));
}

static inline int both_remove_one(const char *path, const struct stat *status, int kind,
                                  struct FTW *walk) {
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

static inline void both_remove(const char *path) {
    assert_int_equal(nftw(path, both_remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* ---- LevelDB --------------------------------------------------------------------- */

struct leveldb_kind {
    size_t write_buffer_bytes; /* LevelDB takes 64 KiB at least */
    size_t block_bytes;
    int restart_interval;
    int filter_bits; /* 0: no filter */
    int compression;
};

static inline void both_no_error(char *error) {
    if (error != NULL) {
        fail_msg("LevelDB: %s", error);
    }
}

struct leveldb_opened {
    leveldb_t *db;
    leveldb_options_t *options;
    leveldb_filterpolicy_t *filter;
};

static inline void leveldb_end(struct leveldb_opened *opened) {
    if (opened->db != NULL) {
        leveldb_close(opened->db);
    }
    leveldb_options_destroy(opened->options);
    if (opened->filter != NULL) {
        leveldb_filterpolicy_destroy(opened->filter);
    }
}

/* An answer is LevelDB's complaint, to be freed by leveldb_free. */
static inline char *leveldb_try(struct leveldb_opened *opened, const char *path,
                                const struct leveldb_kind *kind, bool create) {
    char *error = NULL;
    *opened = (struct leveldb_opened){.options = leveldb_options_create()};
    leveldb_options_set_create_if_missing(opened->options, create);
    leveldb_options_set_paranoid_checks(opened->options, 1);
    leveldb_options_set_write_buffer_size(opened->options, kind->write_buffer_bytes);
    leveldb_options_set_block_size(opened->options, kind->block_bytes);
    leveldb_options_set_block_restart_interval(opened->options, kind->restart_interval);
    leveldb_options_set_compression(opened->options, kind->compression);
    if (kind->filter_bits > 0) {
        opened->filter = leveldb_filterpolicy_create_bloom(kind->filter_bits);
        leveldb_options_set_filter_policy(opened->options, opened->filter);
    }
    opened->db = leveldb_open(opened->options, path, &error);
    return error;
}

static inline void leveldb_begin(struct leveldb_opened *opened, const char *path,
                                 const struct leveldb_kind *kind, bool create) {
    both_no_error(leveldb_try(opened, path, kind, create));
}

/* The sync that the last change asks for covers the log that it goes into. */
static inline void leveldb_write_some(struct leveldb_opened *opened, struct both *both,
                                      size_t changes) {
    for (size_t i = 0; i < changes; i++) {
        char *error = NULL;
        leveldb_writeoptions_t *options = leveldb_writeoptions_create();
        leveldb_writebatch_t *batch = leveldb_writebatch_create();
        leveldb_writeoptions_set_sync(options, i + 1 == changes);
        for (uint64_t n = 1 + random_below(&both->seed, 4); n > 0; n--) {
            char text[BOTH_KEY_BYTES];
            size_t index = both_draw(both);
            struct slice key = both_key(text, index);
            struct slice value = both_value(&both->keys[index]);
            if (both->keys[index].present) {
                leveldb_writebatch_put(batch, (const char *)key.data, key.length,
                                       (const char *)value.data, value.length);
            } else {
                leveldb_writebatch_delete(batch, (const char *)key.data, key.length);
            }
        }
        leveldb_write(opened->db, options, batch, &error);
        both_no_error(error);
        leveldb_writebatch_destroy(batch);
        leveldb_writeoptions_destroy(options);
    }
}

static inline void leveldb_expect_at(const struct both *both, leveldb_iterator_t *iter,
                                     size_t index) {
    char *error = NULL;
    leveldb_iter_get_error(iter, &error);
    both_no_error(error);
    assert_true(leveldb_iter_valid(iter));
    size_t key_length, length;
    const char *key = leveldb_iter_key(iter, &key_length);
    const char *value = leveldb_iter_value(iter, &length);
    both_expect(both, index, "LevelDB", slice_make(key, key_length),
                slice_make(value, length));
}

static inline void leveldb_expect_none(leveldb_iterator_t *iter) {
    char *error = NULL;
    leveldb_iter_get_error(iter, &error);
    both_no_error(error);
    assert_false(leveldb_iter_valid(iter));
}

/* Every key looked up, and all walked in both directions. */
static inline void leveldb_expect(struct leveldb_opened *opened,
                                  const struct both *both) {
    size_t order[BOTH_KEYS];
    size_t count = both_order(both, order);
    leveldb_readoptions_t *options = leveldb_readoptions_create();
    leveldb_readoptions_set_verify_checksums(options, 1);
    for (size_t i = 0; i < BOTH_KEYS; i++) {
        char text[BOTH_KEY_BYTES];
        char *error = NULL;
        size_t length;
        struct slice key = both_key(text, i);
        char *value = leveldb_get(opened->db, options, (const char *)key.data, key.length,
                                  &length, &error);
        both_no_error(error);
        if ((value != NULL) != both->keys[i].present) {
            fail_msg("LevelDB %s key %zu", value != NULL ? "has" : "lacks", i);
        }
        if (value != NULL) {
            both_expect(both, i, "LevelDB", key, slice_make(value, length));
        }
        leveldb_free(value);
    }
    leveldb_iterator_t *iter = leveldb_create_iterator(opened->db, options);
    leveldb_iter_seek_to_first(iter);
    for (size_t i = 0; i < count; i++) {
        leveldb_expect_at(both, iter, order[i]);
        leveldb_iter_next(iter);
    }
    leveldb_expect_none(iter);
    leveldb_iter_seek_to_last(iter);
    for (size_t i = count; i-- > 0;) {
        leveldb_expect_at(both, iter, order[i]);
        leveldb_iter_prev(iter);
    }
    leveldb_expect_none(iter);
    leveldb_iter_destroy(iter);
    leveldb_readoptions_destroy(options);
}

/* ---- Strata ---------------------------------------------------------------------- */

static inline struct kv *strata_begin(const char *path,
                                      const struct kv_options *options) {
    struct kv *kv = NULL;
    struct error error = {0};
    if (kv_open(path, options, &kv, &error) != STATUS_OK) {
        fail_msg("Strata: %s", error.message);
    }
    return kv;
}

static inline void strata_write_some(struct kv *kv, struct both *both, size_t changes) {
    enum { OPS = 4 };
    static unsigned char values[OPS][BOTH_VALUE_BYTES];
    for (size_t i = 0; i < changes; i++) {
        struct kv_op ops[OPS];
        char keys[OPS][BOTH_KEY_BYTES];
        size_t count = 1 + random_below(&both->seed, OPS);
        for (size_t n = 0; n < count; n++) {
            size_t index = both_draw(both);
            struct slice value = both_value(&both->keys[index]);
            memcpy(values[n], value.data, value.length);
            ops[n] = (struct kv_op){both->keys[index].present ? KV_PUT : KV_DELETE,
                                    both_key(keys[n], index),
                                    slice_make(values[n], value.length)};
        }
        assert_ok(kv_write(kv, ops, count, NULL, NULL));
    }
}

static inline void strata_expect_walk(struct kv *kv, const struct both *both) {
    struct iter *iter = NULL;
    size_t order[BOTH_KEYS];
    size_t count = both_order(both, order);
    assert_ok(kv_iter(kv, NULL, &iter, NULL));
    iter_first(iter);
    for (size_t i = 0; i < count && iter->valid; i++) {
        both_expect(both, order[i], "Strata", iter->key, iter->value);
        iter_next(iter);
        if (iter->valid != (i + 1 < count)) {
            fail_msg("Strata, behind entry %zu of %zu: valid %d, %s", i + 1, count,
                     iter->valid, iter->error.message);
        }
    }
    assert_false(iter->valid);
    iter_last(iter);
    for (size_t i = count; i-- > 0;) {
        assert_true(iter->valid);
        both_expect(both, order[i], "Strata", iter->key, iter->value);
        iter_prev(iter);
    }
    assert_false(iter->valid);
    assert_int_equal(iter->error.status, STATUS_OK);
    iter_close(iter);
}

static inline void strata_expect(struct kv *kv, const struct both *both) {
    struct buf value = {0};
    for (size_t i = 0; i < BOTH_KEYS; i++) {
        char text[BOTH_KEY_BYTES];
        struct slice key = both_key(text, i);
        enum status status = kv_get(kv, key, &value, NULL, NULL);
        if (status != (both->keys[i].present ? STATUS_OK : STATUS_NOT_FOUND)) {
            fail_msg("Strata, key %zu: %s", i, status_words(status));
        }
        if (status == STATUS_OK) {
            both_expect(both, i, "Strata", key, buf_slice(&value));
        }
    }
    buf_free(&value);
    strata_expect_walk(kv, both);
}

#endif
