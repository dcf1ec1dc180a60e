/* LevelDB and a directory of stage 03, whose CURRENT says LISTING: it is refused, with or
 * without create_if_missing, and not a byte of it changes. */
#define TEST_HAS_STAGE
#include "../common/support.h"

#include <ftw.h>

#include <leveldb/c.h>

#include "checksum.h"
#include "file.h"
#include "kv.h"

enum { PATH_BYTES = 64, FILES_MAX = 16, ENTRIES = 500 };

struct picture {
    char names[FILES_MAX][PATH_BYTES];
    uint32_t checksums[FILES_MAX];
    size_t count;
    const char *directory;
};

/* LOG and LOG.old are LevelDB's own, of no importance; LOCK is empty. */
static void take_file(void *context, const char *name) {
    struct picture *picture = context;
    char path[2 * PATH_BYTES];
    if (strncmp(name, "LO", 2) == 0) {
        return;
    }
    snprintf(path, sizeof path, "%s/%s", picture->directory, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    uint32_t sum = checksum("", 0);
    for (int byte = getc(file); byte != EOF; byte = getc(file)) {
        unsigned char one = (unsigned char)byte;
        sum = checksum_extend(sum, &one, 1);
    }
    fclose(file);
    assert_true(picture->count < FILES_MAX);
    snprintf(picture->names[picture->count], PATH_BYTES, "%s", name);
    picture->checksums[picture->count++] = sum;
}

static void take(struct picture *picture, const char *directory) {
    *picture = (struct picture){.directory = directory};
    assert_ok(directory_list(&file_system_posix, directory, take_file, picture, NULL));
}

static void assert_unchanged(const struct picture *before, const char *directory) {
    struct picture now;
    take(&now, directory);
    assert_int_equal(now.count, before->count);
    for (size_t i = 0; i < before->count; i++) {
        size_t at = 0;
        while (at < now.count && strcmp(now.names[at], before->names[i]) != 0) {
            at++;
        }
        if (at == now.count || now.checksums[at] != before->checksums[i]) {
            fail_msg("LevelDB changed %s", before->names[i]);
        }
    }
}

static void write_store(const char *directory) {
    struct kv *kv = NULL;
    struct kv_options options = kv_options_default();
    options.durability = DURABILITY_NONE;
    assert_ok(kv_open(directory, &options, &kv, NULL));
    for (int i = 0; i < ENTRIES; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        assert_ok(kv_put(kv, slice_of(key), slice_of("value"), NULL, NULL));
        if (i % 200 == 100) {
            assert_ok(kv_flush(kv, NULL));
        }
    }
    assert_ok(kv_close(kv, NULL));
}

static void assert_store(const char *directory) {
    struct kv *kv = NULL;
    struct buf value = {0};
    const struct kv_options options = kv_options_default();
    assert_ok(kv_open(directory, &options, &kv, NULL));
    for (int i = 0; i < ENTRIES; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        assert_ok(kv_get(kv, slice_of(key), &value, NULL, NULL));
        assert_true(slice_equal(buf_slice(&value), slice_of("value")));
    }
    buf_free(&value);
    assert_ok(kv_close(kv, NULL));
}

static int remove_one(const char *path, const struct stat *status, int kind,
                      struct FTW *walk) {
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

static void refused_and_unharmed(void **state) {
    (void)state;
    char directory[PATH_BYTES] = "/tmp/strata-test-XXXXXX";
    struct picture before;
    assert_non_null(mkdtemp(directory));
    write_store(directory);
    take(&before, directory);
    assert_true(before.count >= 4); /* CURRENT, tables, a log */
    for (unsigned char create = 0; create <= 1; create++) {
        char *error = NULL;
        leveldb_options_t *options = leveldb_options_create();
        leveldb_options_set_create_if_missing(options, create);
        assert_null(leveldb_open(options, directory, &error));
        assert_non_null(error);
        leveldb_free(error);
        leveldb_options_destroy(options);
        assert_unchanged(&before, directory);
        assert_store(directory);
        take(&before, directory); /* the open may have moved the log */
    }
    assert_int_equal(nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused_and_unharmed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
