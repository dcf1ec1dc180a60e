/* Databases go both ways between Strata and LevelDB (Debian's libleveldb): what one has
 * written, at random and with deletes, the other opens, compares in full, writes further,
 * and gives back. Real files, in a directory of their own. */
#include "both.h"

#include <sys/wait.h>

#include "directory.h"

static const struct leveldb_kind kinds[] = {
    {65536, 4096, 16, 0, 1}, {65536, 512, 3, 10, 1}, {4 << 20, 4096, 1, 10, 0}};

enum { KINDS = sizeof kinds / sizeof kinds[0] };

/* Random settings, of tables that LevelDB can read. */
static struct kv_options draw_options(uint64_t *seed) {
    static const uint32_t block_bytes[] = {256, 1024, 4096, 16384};
    static const uint32_t intervals[] = {1, 2, 16};
    struct kv_options options = kv_options_default();
    options.durability = DURABILITY_NONE;
    options.log_region = random_below(seed, 2) == 0 ? APPEND_WRITE : APPEND_MAPPED;
    options.log_bytes = random_below(seed, 2) == 0 ? 30000 : 1 << 20;
    options.write_buffer_bytes = random_below(seed, 2) == 0 ? 60000 : 4 << 20;
    options.block_bytes = block_bytes[random_below(seed, 4)];
    options.restart_interval = intervals[random_below(seed, 3)];
    options.filter_bits = random_below(seed, 2) == 0 ? 0 : 10;
    options.compression =
        random_below(seed, 2) == 0 ? TABLE_COMPRESSION_NONE : TABLE_COMPRESSION_SNAPPY;
    return options;
}

/* ---- a process of LevelDB that ends without a close ------------------------------ */

/* "leave", directory, file with the model, index of the kind, changes */
static int leave(char *const *arguments) {
    struct leveldb_opened opened;
    struct both both;
    FILE *file = fopen(arguments[2], "r+b");
    bool told = file != NULL && fread(&both, sizeof both, 1, file) == 1;
    leveldb_begin(&opened, arguments[1], &kinds[atoi(arguments[3])], true);
    leveldb_write_some(&opened, &both, (size_t)atoi(arguments[4]));
    rewind(file);
    told = told && fwrite(&both, sizeof both, 1, file) == 1;
    _exit(told && fclose(file) == 0 ? 0 : 1);
}

static void write_and_leave(const char *directory, struct both *both, size_t kind,
                            size_t changes) {
    char path[] = "/tmp/strata-test-XXXXXX", kind_text[24], changes_text[24];
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    assert_int_equal(write(descriptor, both, sizeof *both), sizeof *both);
    close(descriptor);
    snprintf(kind_text, sizeof kind_text, "%zu", kind);
    snprintf(changes_text, sizeof changes_text, "%zu", changes);
    fflush(stdout);
    pid_t process = fork();
    assert_true(process >= 0);
    if (process == 0) {
        execl("/proc/self/exe", "leave", directory, path, kind_text, changes_text,
              (char *)NULL);
        _exit(127);
    }
    int status;
    assert_int_equal(waitpid(process, &status, 0), process);
    assert_int_equal(status, 0);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fread(both, sizeof *both, 1, file), 1);
    fclose(file);
    assert_int_equal(unlink(path), 0);
}

/* ---- rounds ---------------------------------------------------------------------- */

static void turn_of_leveldb(const char *directory, struct both *both) {
    struct leveldb_opened opened;
    leveldb_begin(&opened, directory, &kinds[random_below(&both->seed, KINDS)], false);
    leveldb_expect(&opened, both);
    leveldb_write_some(&opened, both, 1 + random_below(&both->seed, 400));
    if (random_below(&both->seed, 2) == 0) {
        leveldb_compact_range(opened.db, NULL, 0, NULL, 0);
        leveldb_expect(&opened, both);
    }
    if (random_below(&both->seed, 2) == 0) {
        leveldb_write_some(&opened, both, random_below(&both->seed, 60));
    }
    leveldb_end(&opened);
}

static void say_nothing(void *context, const char *line) {
    (void)context;
    (void)line; /* the first fault is the error's message */
}

static void turn_of_strata(const char *directory, struct both *both) {
    for (uint64_t opens = 1 + random_below(&both->seed, 2); opens > 0; opens--) {
        struct kv_options options = draw_options(&both->seed);
        struct kv *kv = strata_begin(directory, &options);
        strata_expect(kv, both);
        for (uint64_t n = random_below(&both->seed, 4); n > 0; n--) {
            strata_write_some(kv, both, 1 + random_below(&both->seed, 150));
            if (random_below(&both->seed, 2) == 0) {
                assert_ok(kv_flush(kv, NULL));
            }
        }
        strata_expect(kv, both);
        assert_ok(kv_close(kv, NULL));
        struct error error = {0};
        if (kv_verify(directory, &options, say_nothing, NULL, &error) != STATUS_OK) {
            fail_msg("%s", error.message);
        }
    }
}

struct renaming {
    const char *directory;
    size_t tables;
};

/* Every other table gets the name that LevelDB gave tables before its version 1.14. */
static void rename_table(void *context, const char *text) {
    struct renaming *renaming = context;
    struct name name = name_parse(text);
    char from[200], to[200];
    if (name.kind == NAME_TABLE && renaming->tables++ % 2 == 0) {
        snprintf(from, sizeof from, "%s/%s", renaming->directory, text);
        snprintf(to, sizeof to, "%s/%06" PRIu64 ".sst", renaming->directory, name.number);
        assert_int_equal(rename(from, to), 0);
    }
}

static void both_ways(void **state) {
    (void)state;
    uint64_t seed = test_seed();
    for (int run = 0; run < 6; run++) {
        static struct both both;
        char directory[BOTH_PATH_BYTES];
        both = (struct both){.seed = random_next(&seed)};
        both_directory(directory);
        if (run % 2 == 0) {
            turn_of_strata(directory, &both);
        } else {
            write_and_leave(directory, &both, (size_t)run % KINDS, 300);
        }
        for (int round = 0; round < 4; round++) {
            if (run % 2 == 1 || round > 0) {
                turn_of_strata(directory, &both);
            }
            if (random_below(&both.seed, 3) == 0) {
                struct renaming renaming = {.directory = directory};
                assert_ok(directory_list(&file_system_posix, directory, rename_table,
                                         &renaming, NULL));
            }
            if (random_below(&both.seed, 3) == 0) {
                write_and_leave(directory, &both, random_below(&both.seed, KINDS),
                                1 + random_below(&both.seed, 300));
            } else {
                turn_of_leveldb(directory, &both);
            }
        }
        turn_of_strata(directory, &both);
        both_remove(directory);
    }
}

/* ---- what LevelDB does not read -------------------------------------------------- */

/* Debian's LevelDB has no Zstd, and no LevelDB knows LZ4. */
static void tables_that_leveldb_cannot_read(void **state) {
    (void)state;
    static const enum table_compression refused[] = {TABLE_COMPRESSION_ZSTD,
                                                     TABLE_COMPRESSION_LZ4};
    uint64_t seed = test_seed();
    for (int i = 0; i < 2; i++) {
        static struct both both;
        char directory[BOTH_PATH_BYTES];
        struct kv_options options = kv_options_default();
        struct leveldb_opened opened;
        both = (struct both){.seed = random_next(&seed)};
        both_directory(directory);
        options.compression = refused[i];
        struct kv *kv = strata_begin(directory, &options);
        strata_write_some(kv, &both, 300);
        assert_ok(kv_flush(kv, NULL));
        assert_ok(kv_close(kv, NULL));
        char *error = leveldb_try(&opened, directory, &kinds[0], false);
        if (error == NULL) { /* it has not looked into the tables yet */
            leveldb_readoptions_t *reading = leveldb_readoptions_create();
            leveldb_readoptions_set_verify_checksums(reading, 1);
            leveldb_iterator_t *iter = leveldb_create_iterator(opened.db, reading);
            leveldb_iter_seek_to_first(iter);
            assert_false(leveldb_iter_valid(iter));
            leveldb_iter_get_error(iter, &error);
            leveldb_iter_destroy(iter);
            leveldb_readoptions_destroy(reading);
        }
        assert_non_null(error);
        leveldb_free(error);
        leveldb_end(&opened);
        kv = strata_begin(directory, &options);
        strata_expect(kv, &both);
        assert_ok(kv_close(kv, NULL));
        both_remove(directory);
    }
}

int main(int argc, char **argv) {
    if (argc > 1) {
        return leave(argv);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ways),
        cmocka_unit_test(tables_that_leveldb_cannot_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
