/* Logs go both ways between Strata and LevelDB (Debian's libleveldb, through its C
 * interface). LevelDB replays every log that it finds in a directory without CURRENT, if
 * it may create a database there: so a log is copied, alone, into an empty directory. */
#define TEST_HAS_STAGE
#include "../common/support.h"

#include <leveldb/c.h>

#include "file.h"
#include "memory.h"
#include "names.h"

enum { PATH_BYTES = 64, MODEL_KEYS = 60, VALUE_BYTES_MAX = 150000 };

struct fixture {
    char from[PATH_BYTES]; /* the directory that one program writes */
    char to[PATH_BYTES];   /* what the other finds: the logs alone */
    bool present[MODEL_KEYS];
    size_t sizes[MODEL_KEYS]; /* of values, whose bytes follow from it */
    uint64_t seed;
};

static void make_directory(char path[PATH_BYTES]) {
    strcpy(path, "/tmp/strata-test-XXXXXX");
    assert_non_null(mkdtemp(path));
}

static void remove_visited(void *context, const char *name) {
    char *path = path_join(context, name);
    assert_int_equal(unlink(path), 0);
    memory_give(path);
}

static void remove_directory(char *path) {
    assert_ok(directory_list(&file_system_posix, path, remove_visited, path, NULL));
    assert_int_equal(rmdir(path), 0);
}

static void begin(struct fixture *f, uint64_t seed) {
    *f = (struct fixture){.seed = seed};
    make_directory(f->from);
    make_directory(f->to);
}

static void end(struct fixture *f) {
    remove_directory(f->from);
    remove_directory(f->to);
}

/* ---- the model ------------------------------------------------------------------- */

static size_t key_text(char text[16], size_t key) {
    return (size_t)snprintf(text, 16, "key%zu", key);
}

static unsigned char *value_of(size_t size) {
    static unsigned char value[VALUE_BYTES_MAX];
    uint64_t seed = size;
    for (size_t i = 0; i < size; i++) {
        value[i] = (unsigned char)random_next(&seed);
    }
    return value;
}

static size_t random_size(uint64_t *seed) {
    switch (random_below(seed, 6)) {
    case 0:
        return 0;
    case 1:
        return 32768 - 60 + random_below(seed, 60);
    case 2:
        return random_below(seed, VALUE_BYTES_MAX);
    default:
        return random_below(seed, 100);
    }
}

/* One operation on the model; false: a delete. */
static bool draw(struct fixture *f, size_t *key) {
    *key = random_below(&f->seed, MODEL_KEYS);
    f->present[*key] = random_below(&f->seed, 4) != 0;
    if (f->present[*key]) {
        f->sizes[*key] = random_size(&f->seed);
    }
    return f->present[*key];
}

/* ---- files ----------------------------------------------------------------------- */

struct copying {
    const struct fixture *fixture;
    size_t logs;
};

static void copy_log(void *context, const char *name) {
    struct copying *copying = context;
    if (name_parse(name).kind != NAME_LOG) {
        return;
    }
    char *from = path_join(copying->fixture->from, name);
    char *to = path_join(copying->fixture->to, name);
    FILE *in = fopen(from, "rb");
    FILE *out = fopen(to, "wb");
    assert_non_null(in);
    assert_non_null(out);
    for (int byte = getc(in); byte != EOF; byte = getc(in)) {
        putc(byte, out);
    }
    fclose(in);
    assert_int_equal(fclose(out), 0);
    memory_give(from);
    memory_give(to);
    copying->logs++;
}

static size_t copy_logs(const struct fixture *f) {
    struct copying copying = {f, 0};
    assert_ok(directory_list(&file_system_posix, f->from, copy_log, &copying, NULL));
    return copying.logs;
}

/* ---- LevelDB --------------------------------------------------------------------- */

static void assert_no_error(char *error) {
    if (error != NULL) {
        fail_msg("LevelDB: %s", error);
    }
}

static leveldb_t *leveldb_at(const char *path) {
    char *error = NULL;
    leveldb_options_t *options = leveldb_options_create();
    leveldb_options_set_create_if_missing(options, 1);
    leveldb_options_set_paranoid_checks(options, 1);
    leveldb_options_set_write_buffer_size(options, 256 << 20); /* all in one log */
    leveldb_t *db = leveldb_open(options, path, &error);
    assert_no_error(error);
    leveldb_options_destroy(options);
    return db;
}

static void write_with_leveldb(struct fixture *f, int changes) {
    leveldb_t *db = leveldb_at(f->from);
    leveldb_writeoptions_t *options = leveldb_writeoptions_create();
    for (int i = 0; i < changes; i++) {
        char *error = NULL;
        leveldb_writebatch_t *batch = leveldb_writebatch_create();
        for (uint64_t n = 1 + random_below(&f->seed, 4); n > 0; n--) {
            char key[16];
            size_t index;
            bool put = draw(f, &index);
            size_t length = key_text(key, index);
            if (put) {
                leveldb_writebatch_put(batch, key, length,
                                       (const char *)value_of(f->sizes[index]),
                                       f->sizes[index]);
            } else {
                leveldb_writebatch_delete(batch, key, length);
            }
        }
        leveldb_write(db, options, batch, &error);
        assert_no_error(error);
        leveldb_writebatch_destroy(batch);
    }
    leveldb_writeoptions_destroy(options);
    leveldb_close(db);
}

static void assert_in_leveldb(const struct fixture *f) {
    leveldb_t *db = leveldb_at(f->to);
    leveldb_readoptions_t *options = leveldb_readoptions_create();
    leveldb_readoptions_set_verify_checksums(options, 1);
    size_t present = 0;
    for (size_t i = 0; i < MODEL_KEYS; i++) {
        char key[16];
        char *error = NULL;
        size_t length = 0;
        size_t key_length = key_text(key, i);
        char *value = leveldb_get(db, options, key, key_length, &length, &error);
        assert_no_error(error);
        assert_true((value != NULL) == f->present[i]);
        if (value != NULL) {
            assert_int_equal(length, f->sizes[i]);
            assert_memory_equal(value, value_of(length), length);
            present++;
        }
        leveldb_free(value);
    }
    leveldb_iterator_t *iter = leveldb_create_iterator(db, options);
    for (leveldb_iter_seek_to_first(iter); leveldb_iter_valid(iter);
         leveldb_iter_next(iter)) {
        present--;
    }
    char *error = NULL;
    leveldb_iter_get_error(iter, &error);
    assert_no_error(error);
    assert_int_equal(present, 0);
    leveldb_iter_destroy(iter);
    leveldb_readoptions_destroy(options);
    leveldb_close(db);
}

/* ---- Strata ---------------------------------------------------------------------- */

static struct kv *strata_at(const char *path, const struct kv_options *options) {
    struct kv *kv = NULL;
    struct error error = {0};
    if (kv_open(path, options, &kv, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
    return kv;
}

/* Syncs now and then, so that marks stand everywhere, and reopens. */
static void write_with_strata(struct fixture *f, const struct kv_options *options,
                              int changes) {
    struct kv *kv = strata_at(f->from, options);
    for (int i = 0; i < changes; i++) {
        enum { OPS = 4 };
        struct kv_op ops[OPS];
        char keys[OPS][16];
        size_t count = 1 + random_below(&f->seed, OPS);
        unsigned char *values[OPS];
        for (size_t n = 0; n < count; n++) {
            size_t index;
            bool put = draw(f, &index);
            ops[n].type = put ? KV_PUT : KV_DELETE;
            ops[n].key = slice_make(keys[n], key_text(keys[n], index));
            size_t size = put ? f->sizes[index] : 0;
            values[n] = malloc(size + 1);
            memcpy(values[n], value_of(size), size);
            ops[n].value = slice_make(values[n], size);
        }
        assert_ok(kv_write(kv, ops, count, NULL, NULL));
        for (size_t n = 0; n < count; n++) {
            free(values[n]);
        }
        if (random_below(&f->seed, 3) == 0) {
            assert_ok(kv_sync(kv, NULL));
        }
        if (random_below(&f->seed, 20) == 0) {
            assert_ok(kv_close(kv, NULL));
            kv = strata_at(f->from, options);
        }
    }
    assert_ok(kv_close(kv, NULL));
}

static void assert_in_strata(const struct fixture *f, const struct kv_options *options) {
    struct kv *kv = strata_at(f->to, options);
    struct iter *iter = NULL;
    size_t present = 0;
    for (size_t i = 0; i < MODEL_KEYS; i++) {
        char key[16];
        struct buf value = {0};
        size_t length = key_text(key, i);
        enum status status = kv_get(kv, slice_make(key, length), &value, NULL, NULL);
        assert_int_equal(status, f->present[i] ? STATUS_OK : STATUS_NOT_FOUND);
        if (status == STATUS_OK) {
            assert_int_equal(value.length, f->sizes[i]);
            assert_true(slice_equal(buf_slice(&value),
                                    slice_make(value_of(value.length), value.length)));
            present++;
        }
        buf_free(&value);
    }
    assert_ok(kv_iter(kv, NULL, &iter, NULL));
    for (iter_first(iter); iter->valid; iter_next(iter)) {
        present--;
    }
    assert_int_equal(iter->error.status, STATUS_OK);
    assert_int_equal(present, 0);
    iter_close(iter);
    assert_ok(kv_close(kv, NULL));
}

static struct kv_options options_of(enum append_kind kind) {
    struct kv_options options = kv_options_default();
    options.durability = DURABILITY_NONE;
    options.log_region = kind;
    options.log_step_bytes = 65536;
    return options;
}

/* ---- both ways ------------------------------------------------------------------- */

static void test_strata_reads_leveldb(void **state) {
    (void)state;
    uint64_t seed = test_seed();
    for (int run = 0; run < 3; run++) {
        struct fixture f;
        const struct kv_options options = options_of(APPEND_WRITE);
        begin(&f, random_next(&seed));
        write_with_leveldb(&f, 60);
        assert_int_equal(copy_logs(&f), 1);
        assert_in_strata(&f, &options);
        assert_in_strata(&f, &options); /* now from Strata's own rewriting */
        end(&f);
    }
}

static void test_leveldb_reads_strata(void **state) {
    const enum append_kind *kind = *state;
    uint64_t seed = test_seed();
    for (int run = 0; run < 3; run++) {
        struct fixture f;
        struct kv_options options = options_of(*kind);
        options.log_bytes =
            run == 0 ? UINT64_C(1) << 30 : 300000; /* else rotated often */
        begin(&f, random_next(&seed));
        write_with_strata(&f, &options, 100);
        size_t logs = copy_logs(&f);
        assert_true(run == 0 ? logs == 1 : logs > 3);
        assert_in_leveldb(&f);
        end(&f);
    }
}

/* Marks with every room left before the block's end, fillers and trailers included. */
static void test_leveldb_reads_marks_at_edges(void **state) {
    (void)state;
    for (size_t room = 0; room <= 40; room++) {
        struct fixture f;
        const struct kv_options options = options_of(APPEND_WRITE);
        begin(&f, 1);
        struct kv *kv = strata_at(f.from, &options);
        /* mark 26, then header 7, change 12 + 1 + 1 + 4 + 3 + value */
        f.sizes[0] = 32768 - 26 - 7 - 12 - 9 - room;
        f.sizes[1] = 9;
        f.present[0] = f.present[1] = true;
        assert_ok(kv_put(kv, slice_of("key0"),
                         slice_make(value_of(f.sizes[0]), f.sizes[0]), NULL, NULL));
        assert_ok(kv_sync(kv, NULL));
        assert_ok(kv_put(kv, slice_of("key1"), slice_make(value_of(9), 9), NULL, NULL));
        assert_ok(kv_close(kv, NULL));
        assert_int_equal(copy_logs(&f), 1);
        assert_in_leveldb(&f);
        end(&f);
    }
}

int main(void) {
    static enum append_kind kinds[] = {APPEND_WRITE, APPEND_MAPPED};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strata_reads_leveldb),
        cmocka_unit_test_prestate(test_leveldb_reads_strata, &kinds[0]),
        cmocka_unit_test_prestate(test_leveldb_reads_strata, &kinds[1]),
        cmocka_unit_test(test_leveldb_reads_marks_at_edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
