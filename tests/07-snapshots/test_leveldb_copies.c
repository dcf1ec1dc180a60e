/* LevelDB opens checkpoints and backups, finds what the store held, and goes on in them;
 * Strata reads what it wrote, and the store and the other copies are as they were. */
#define TEST_HAS_STAGE
#include "../common/support.h"

#include <ftw.h>
#include <leveldb/c.h>
#include <unistd.h>

#include "kv_checkpoint.h"

enum { KEYS = 500, PATH_BYTES = 100 };

static struct slice text_of(char text[32], const char *what, int i, int round) {
    snprintf(text, 32, "%s%04d-%d", what, i, round);
    return slice_of(text);
}

/* Round 1 puts all, round 2 overwrites some and deletes some. */
static void write_round(struct kv *kv, int round) {
    for (int i = 0; i < KEYS; i++) {
        char key[32], value[32];
        struct slice name = text_of(key, "key", i, 0);
        if (round == 1 || i % 3 == 0) {
            assert_ok(kv_put(kv, name, text_of(value, "value", i, round), NULL, NULL));
        } else if (i % 3 == 1) {
            assert_ok(kv_delete(kv, name, NULL, NULL));
        }
    }
}

/* The round that the key's value is of after so many; 0: deleted. */
static int round_of(int i, int rounds) {
    return rounds == 1 || i % 3 == 2 ? 1 : i % 3 == 0 ? 2 : 0;
}

static void expect_strata(const char *path, int rounds, const char *added) {
    struct kv_options options = kv_options_default();
    struct error error = {0};
    struct kv *kv = NULL;
    struct buf value = {0};
    options.create = false;
    if (kv_verify(path, &options, NULL, NULL, &error) != STATUS_OK ||
        kv_open(path, &options, &kv, &error) != STATUS_OK) {
        fail_msg("%s: %s", path, error.message);
    }
    for (int i = 0; i < KEYS; i++) {
        char key[32], text[32];
        int round = round_of(i, rounds);
        enum status status = kv_get(kv, text_of(key, "key", i, 0), &value, NULL, NULL);
        assert_int_equal(status, round == 0 ? STATUS_NOT_FOUND : STATUS_OK);
        assert_true(round == 0 ||
                    slice_equal(buf_slice(&value), text_of(text, "value", i, round)));
    }
    enum status status = kv_get(kv, slice_of("added"), &value, NULL, NULL);
    assert_int_equal(status, added == NULL ? STATUS_NOT_FOUND : STATUS_OK);
    assert_true(added == NULL || slice_equal(buf_slice(&value), slice_of(added)));
    buf_free(&value);
    assert_ok(kv_close(kv, NULL));
}

static void no_complaint(char *complaint) {
    if (complaint != NULL) {
        fail_msg("LevelDB: %s", complaint);
    }
}

/* LevelDB finds exactly that, adds a key, and merges all. */
static void turn_of_leveldb(const char *path, int rounds) {
    char *complaint = NULL;
    leveldb_options_t *options = leveldb_options_create();
    leveldb_readoptions_t *reading = leveldb_readoptions_create();
    leveldb_writeoptions_t *writing = leveldb_writeoptions_create();
    leveldb_options_set_paranoid_checks(options, 1);
    leveldb_readoptions_set_verify_checksums(reading, 1);
    leveldb_t *db = leveldb_open(options, path, &complaint);
    no_complaint(complaint);
    leveldb_iterator_t *iter = leveldb_create_iterator(db, reading);
    leveldb_iter_seek_to_first(iter);
    for (int i = 0; i < KEYS; i++) {
        char key[32], text[32];
        int round = round_of(i, rounds);
        if (round == 0) {
            continue;
        }
        assert_true(leveldb_iter_valid(iter));
        size_t key_bytes, value_bytes;
        const char *found = leveldb_iter_key(iter, &key_bytes);
        const char *value = leveldb_iter_value(iter, &value_bytes);
        assert_true(slice_equal(slice_make(found, key_bytes), text_of(key, "key", i, 0)));
        assert_true(slice_equal(slice_make(value, value_bytes),
                                text_of(text, "value", i, round)));
        leveldb_iter_next(iter);
    }
    assert_false(leveldb_iter_valid(iter));
    leveldb_iter_get_error(iter, &complaint);
    no_complaint(complaint);
    leveldb_iter_destroy(iter);
    leveldb_put(db, writing, "added", 5, "by LevelDB", 10, &complaint);
    no_complaint(complaint);
    leveldb_compact_range(db, NULL, 0, NULL, 0);
    leveldb_close(db);
    leveldb_writeoptions_destroy(writing);
    leveldb_readoptions_destroy(reading);
    leveldb_options_destroy(options);
}

static int remove_one(const char *path, const struct stat *status, int kind,
                      struct FTW *walk) {
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

static void leveldb_opens_copies(void **state) {
    (void)state;
    char directory[64] = "/tmp/strata-test-XXXXXX";
    char db[PATH_BYTES], cp[PATH_BYTES], bk[PATH_BYTES], first[PATH_BYTES],
        second[PATH_BYTES], restored[PATH_BYTES];
    struct error error = {0};
    struct kv_options options = kv_options_default();
    struct kv *kv = NULL;
    uint64_t number = 0;
    options.durability = DURABILITY_NONE;
    options.write_buffer_bytes = 4 << 10;
    assert_non_null(mkdtemp(directory));
    snprintf(db, sizeof db, "%s/db", directory);
    snprintf(cp, sizeof cp, "%s/cp", directory);
    snprintf(bk, sizeof bk, "%s/bk", directory);
    snprintf(first, sizeof first, "%s/bk/000001", directory);
    snprintf(second, sizeof second, "%s/bk/000002", directory);
    snprintf(restored, sizeof restored, "%s/restored", directory);
    assert_ok(kv_open(db, &options, &kv, NULL));
    write_round(kv, 1);
    assert_ok(kv_checkpoint(kv, cp, NULL, NULL));
    assert_ok(kv_backup(kv, bk, NULL, &number, NULL));
    write_round(kv, 2);
    assert_ok(kv_backup(kv, bk, NULL, &number, NULL));
    assert_ok(kv_close(kv, NULL));
    turn_of_leveldb(cp, 1);
    turn_of_leveldb(second, 2);
    expect_strata(cp, 1, "by LevelDB");
    expect_strata(first, 1, NULL);
    expect_strata(db, 2, NULL);
    if (kv_restore(bk, restored, &options, NULL, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
    expect_strata(restored, 2, "by LevelDB"); /* a database like any other */
    assert_int_equal(nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leveldb_opens_copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
