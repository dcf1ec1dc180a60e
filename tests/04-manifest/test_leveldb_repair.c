/* A repair of a database with a manifest: what can be read is there again, and LevelDB
 * (Debian's, through its C interface) reads the result. */
#define TEST_HAS_STAGE
#include "../common/support.h"

#include <leveldb/c.h>

#include "file.h"
#include "kv.h"
#include "memory.h"

/* More tables than a repair merges at once. */
enum { ROUNDS = 70, PUTS = 40, KEYS = 300 };

struct fixture {
    char dir[40];
    struct kv_options options;
    int value[KEYS]; /* -1: none */
};

static void remove_file(void *context, const char *name) {
    char *path = path_join(context, name);
    if (unlink(path) != 0) {
        char *inside = NULL;
        (void)asprintf(&inside, "rm -r '%s'", path);
        assert_int_equal(system(inside), 0);
        free(inside);
    }
    memory_give(path);
}

static void remove_named(struct fixture *f, const char *name) {
    remove_file(f->dir, name);
}

static void end(struct fixture *f) {
    assert_ok(directory_list(&file_system_posix, f->dir, remove_file, f->dir, NULL));
    assert_int_equal(rmdir(f->dir), 0);
}

static struct kv *open_store(struct fixture *f) {
    struct kv *kv = NULL;
    struct error error = {0};
    if (kv_open(f->dir, &f->options, &kv, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
    return kv;
}

/* A table for each round but the last, whose changes stay in the log. */
static void begin(struct fixture *f) {
    uint64_t seed = test_seed();
    *f = (struct fixture){.dir = "/tmp/strata-test-XXXXXX",
                          .options = kv_options_default()};
    assert_non_null(mkdtemp(f->dir));
    memset(f->value, -1, sizeof f->value);
    f->options.durability = DURABILITY_NONE;
    struct kv *kv = open_store(f);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < PUTS; i++) {
            size_t n = random_below(&seed, KEYS);
            char key[16], value[16];
            snprintf(key, sizeof key, "k%zu", n);
            snprintf(value, sizeof value, "%d", round * PUTS + i);
            f->value[n] = random_below(&seed, 3) == 0 ? -1 : round * PUTS + i;
            assert_ok(f->value[n] < 0
                          ? kv_delete(kv, slice_of(key), NULL, NULL)
                          : kv_put(kv, slice_of(key), slice_of(value), NULL, NULL));
        }
        if (round < ROUNDS - 1) {
            assert_ok(kv_flush(kv, NULL));
        }
    }
    assert_ok(kv_close(kv, NULL));
}

static void assert_contents(struct fixture *f) {
    struct kv *kv = open_store(f);
    struct buf found = {0};
    for (size_t n = 0; n < KEYS; n++) {
        char key[16], value[16];
        snprintf(key, sizeof key, "k%zu", n);
        snprintf(value, sizeof value, "%d", f->value[n]);
        enum status status = kv_get(kv, slice_of(key), &found, NULL, NULL);
        assert_int_equal(status, f->value[n] < 0 ? STATUS_NOT_FOUND : STATUS_OK);
        assert_true(f->value[n] < 0 || slice_equal(buf_slice(&found), slice_of(value)));
    }
    struct kv_progress progress;
    kv_progress(kv, &progress);
    assert_true(progress.issued >= ROUNDS * PUTS); /* sequences are kept */
    buf_free(&found);
    assert_ok(kv_close(kv, NULL));
}

/* LevelDB finds the same, and puts k0. */
static void assert_leveldb(struct fixture *f) {
    char *error = NULL;
    leveldb_options_t *options = leveldb_options_create();
    leveldb_readoptions_t *reads = leveldb_readoptions_create();
    leveldb_writeoptions_t *writes = leveldb_writeoptions_create();
    leveldb_readoptions_set_verify_checksums(reads, 1);
    leveldb_options_set_paranoid_checks(options, 1);
    leveldb_t *db = leveldb_open(options, f->dir, &error);
    if (error != NULL) {
        fail_msg("%s", error);
    }
    size_t count = 0, expected = 0;
    leveldb_iterator_t *iter = leveldb_create_iterator(db, reads);
    for (leveldb_iter_seek_to_first(iter); leveldb_iter_valid(iter);
         leveldb_iter_next(iter)) {
        size_t key_bytes, value_bytes;
        const char *key = leveldb_iter_key(iter, &key_bytes);
        const char *value = leveldb_iter_value(iter, &value_bytes);
        char text[16];
        snprintf(text, sizeof text, "%.*s", (int)key_bytes - 1, key + 1);
        size_t n = strtoull(text, NULL, 10);
        snprintf(text, sizeof text, "%d", f->value[n]);
        assert_true(slice_equal(slice_make(value, value_bytes), slice_of(text)));
        count++;
    }
    leveldb_iter_get_error(iter, &error);
    assert_null(error);
    leveldb_iter_destroy(iter);
    for (size_t n = 0; n < KEYS; n++) {
        expected += f->value[n] >= 0;
    }
    assert_int_equal(count, expected);
    leveldb_put(db, writes, "k0", 2, "7", 1, &error);
    assert_null(error);
    f->value[0] = 7;
    leveldb_close(db);
    leveldb_options_destroy(options);
    leveldb_readoptions_destroy(reads);
    leveldb_writeoptions_destroy(writes);
}

static void keep_line(void *lines, const char *line) {
    assert_ok(buf_append_text(lines, line));
    assert_ok(buf_append_text(lines, "\n"));
}

static void repair(struct fixture *f) {
    struct buf lines = {0};
    struct error error = {0};
    if (kv_repair(f->dir, &f->options, keep_line, &lines, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
    assert_ok(kv_verify(f->dir, &f->options, keep_line, &lines, &error));
    buf_free(&lines);
}

/* Without CURRENT; without the manifest that it names; without either. */
static void nothing_names_the_tables(void **state) {
    (void)state;
    for (int gone = 1; gone < 4; gone++) {
        struct fixture f;
        struct kv *kv = NULL;
        begin(&f);
        if (gone & 1) {
            remove_named(&f, "CURRENT");
        }
        if (gone & 2) {
            remove_named(&f, "MANIFEST-000002");
        }
        assert_int_equal(kv_open(f.dir, &f.options, &kv, NULL), STATUS_CORRUPT);
        repair(&f);
        if (gone == 1) {
            assert_contents(&f);
        }
        assert_leveldb(&f);
        assert_contents(&f);
        end(&f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_names_the_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
