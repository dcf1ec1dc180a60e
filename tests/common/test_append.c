/* One contract, two tenants: every test runs over both, on a file that can be told to
 * refuse its calls. */
#include "directory.h"

#include <errno.h>

#include "append.h"
#include "refusing_file.h"

/* ---- the fixture ----------------------------------------------------------------- */

enum { STEP_BYTES = 4096, FILE_BYTES = 1 << 20 };

static char directory[DIRECTORY_BYTES];

static struct refusing begin(void) {
    char *path = path_join(directory, "log");
    struct refusing refusing = {.file = {&refusing_ops, path}};
    assert_ok(file_open(&file_system_posix, path, FILE_OVERWRITE, &refusing.under, NULL));
    return refusing;
}

static void end(struct refusing *refusing) {
    assert_int_equal(refusing->mappings, 0);
    assert_ok(file_close(refusing->under, NULL));
    memory_give(refusing->file.path);
}

static struct append *open_region(struct refusing *refusing, uint64_t at,
                                  enum append_kind kind, size_t step_bytes) {
    struct append *append = NULL;
    struct error error = {0};
    enum status status =
        append_open(&refusing->file, at, kind, step_bytes, &append, &error);
    if (status != STATUS_OK) {
        fail_msg("%s", error.message);
    }
    return append;
}

static void add(struct append *append, const void *bytes, size_t count) {
    unsigned char *space = NULL;
    assert_ok(append_reserve(append, count, &space, NULL));
    memcpy(space, bytes, count);
    assert_ok(append_commit(append, count, NULL));
}

static enum append_kind kind_of(void **state) {
    return *(const enum append_kind *)*state;
}

static unsigned char contents[FILE_BYTES + 1];

static size_t read_contents(struct refusing *refusing) {
    size_t done = 0;
    assert_ok(file_read(refusing->under, 0, contents, sizeof contents, &done, NULL));
    return done;
}

/* What is in the file begins with the model and has zeros behind. */
static void assert_model_then_zeros(struct refusing *refusing, const unsigned char *model,
                                    size_t length) {
    size_t size = read_contents(refusing);
    assert_true(size >= length);
    assert_memory_equal(contents, model, length);
    for (size_t i = length; i < size; i++) {
        assert_int_equal(contents[i], 0);
    }
}

static void assert_exactly(struct refusing *refusing, const unsigned char *model,
                           size_t length) {
    assert_int_equal(read_contents(refusing), length);
    assert_memory_equal(contents, model, length);
}

/* ---- the contract ---------------------------------------------------------------- */

static void fill(uint64_t *random, unsigned char *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        bytes[i] = (unsigned char)(1 + random_below(random, 255));
    }
}

/* Reserves once or twice, commits a part, and the same in the model. */
static void append_something(uint64_t *random, struct append *append,
                             unsigned char *model, size_t *length, size_t most) {
    unsigned char *space = NULL;
    size_t first = random_below(random, most);
    assert_ok(append_reserve(append, first, &space, NULL));
    fill(random, model + *length, first);
    memcpy(space, model + *length, first);
    size_t whole = first;
    if (random_below(random, 3) == 0) {
        whole += random_below(random, 3 * most);
        assert_ok(append_reserve(append, whole, &space, NULL));
        assert_memory_equal(space, model + *length, first);
        fill(random, model + *length + first, whole - first);
        memcpy(space + first, model + *length + first, whole - first);
    }
    size_t kept = random_below(random, 4) == 0 ? random_below(random, whole + 1) : whole;
    assert_ok(append_commit(append, kept, NULL));
    *length += kept;
    assert_int_equal(append_end(append), *length);
}

static void random_appends_equal_the_model(void **state) {
    uint64_t random = test_seed();
    static unsigned char model[FILE_BYTES];
    static const size_t most[] = {140, 300, STEP_BYTES, 5 * STEP_BYTES};
    for (int round = 0; round < 40; round++) {
        struct refusing refusing = begin();
        size_t length = 0;
        size_t step = round % 2 == 0 ? STEP_BYTES : 5000;
        size_t reserve_most = most[random_below(&random, 4)];
        for (int opened = 0; opened < 4; opened++) {
            struct append *append = open_region(&refusing, length, kind_of(state), step);
            assert_int_equal(append_end(append), length);
            for (int i = 0; i < 60 && length + 4 * reserve_most < FILE_BYTES; i++) {
                append_something(&random, append, model, &length, reserve_most);
                if (random_below(&random, 4) == 0) {
                    assert_ok(append_sync(append, NULL));
                    assert_true(read_contents(&refusing) >= length);
                    assert_memory_equal(contents, model, length);
                }
            }
            assert_ok(append_close(append, NULL));
            assert_exactly(&refusing, model, length);
        }
        end(&refusing);
    }
}

static void zeros_stand_behind_the_end(void **state) {
    struct refusing refusing = begin();
    struct append *append = open_region(&refusing, 0, kind_of(state), STEP_BYTES);
    unsigned char model[3 * STEP_BYTES];
    memset(model, 'x', sizeof model);
    for (size_t length = 0; length + 139 <= sizeof model; length += 139) {
        add(append, model, 139);
        assert_model_then_zeros(&refusing, model, length + 139);
    }
    assert_true(read_contents(&refusing) > append_end(append));
    size_t length = (size_t)append_end(append);
    assert_ok(append_close(append, NULL));
    assert_exactly(&refusing, model, length);
    end(&refusing);
}

static void space_is_allocated_in_steps(void **state) {
    struct refusing refusing = begin();
    struct append *append = open_region(&refusing, 0, kind_of(state), STEP_BYTES);
    for (int i = 0; i < 4 * STEP_BYTES; i++) {
        add(append, "x", 1);
    }
    assert_int_equal(refusing.allocates, 4);
    assert_int_equal(refusing.writes,
                     kind_of(state) == APPEND_WRITE ? 4 * STEP_BYTES : 0);
    assert_ok(append_close(append, NULL));
    end(&refusing);
}

static void a_small_step_serves_a_large_reserve(void **state) {
    struct refusing refusing = begin();
    struct append *append = open_region(&refusing, 0, kind_of(state), STEP_BYTES);
    static unsigned char model[50 * STEP_BYTES + 1];
    memset(model, 'y', sizeof model);
    add(append, model, 1);
    add(append, model, sizeof model - 1);
    assert_ok(append_close(append, NULL));
    assert_exactly(&refusing, model, sizeof model);
    end(&refusing);
}

/* More than the write tenant keeps between commits. */
static void a_very_large_reserve_is_followed_by_small_ones(void **state) {
    enum { LARGE_BYTES = 3 * 1024 * 1024 };
    struct refusing refusing = begin();
    struct append *append = open_region(&refusing, 0, kind_of(state), STEP_BYTES);
    unsigned char *large = malloc(LARGE_BYTES);
    assert_non_null(large);
    memset(large, 'z', LARGE_BYTES);
    add(append, large, LARGE_BYTES);
    add(append, "small", 5);
    assert_ok(append_close(append, NULL));
    size_t done = 0;
    assert_ok(file_read(refusing.under, LARGE_BYTES - 1, contents, 10, &done, NULL));
    assert_int_equal(done, 6);
    assert_memory_equal(contents, "zsmall", 6);
    free(large);
    end(&refusing);
}

static void nothing_committed_leaves_nothing(void **state) {
    struct refusing refusing = begin();
    struct append *append = open_region(&refusing, 0, kind_of(state), STEP_BYTES);
    unsigned char *space = NULL;
    assert_ok(append_reserve(append, 100, &space, NULL));
    memset(space, 'x', 100);
    assert_ok(append_commit(append, 0, NULL));
    assert_ok(append_close(append, NULL));
    assert_int_equal(read_contents(&refusing), 0);
    end(&refusing);
}

static void what_stood_behind_the_end_is_cut_at_open(void **state) {
    struct refusing refusing = begin();
    static unsigned char old[3 * STEP_BYTES];
    memset(old, 'o', sizeof old);
    assert_ok(file_write(refusing.under, 0, old, sizeof old, NULL));
    struct append *append = open_region(&refusing, 100, kind_of(state), STEP_BYTES);
    unsigned char model[103];
    memset(model, 'o', 100);
    memcpy(model + 100, "new", 3);
    add(append, "new", 3);
    assert_model_then_zeros(&refusing, model, 103);
    assert_ok(append_close(append, NULL));
    assert_exactly(&refusing, model, 103);
    end(&refusing);
}

/* The message, the committed bytes and a later attempt after space is back. */
static void no_space_changes_nothing(void **state) {
    struct refusing refusing = begin();
    struct append *append = open_region(&refusing, 0, kind_of(state), STEP_BYTES);
    add(append, "first", 5);
    unsigned char *space = NULL;
    assert_ok(append_reserve(append, 6, &space, NULL));
    memcpy(space, "second", 6);

    refusing.allocate_errnum = ENOSPC;
    struct error error = {0};
    unsigned char *more = NULL;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(append_reserve(append, 2 * STEP_BYTES, &more, &error),
                         STATUS_NO_SPACE);
        assert_message_has(error, "log: allocate");
        assert_message_has(error, "No space left on device");
        assert_null(more);
        assert_int_equal(append_end(append), 5);
    }
    assert_memory_equal(space, "second", 6);
    assert_model_then_zeros(&refusing, (const unsigned char *)"first", 5);

    refusing.allocate_errnum = 0;
    assert_ok(append_reserve(append, 2 * STEP_BYTES, &more, NULL));
    assert_memory_equal(more, "second", 6);
    assert_ok(append_commit(append, 6, NULL));
    assert_ok(append_close(append, NULL));
    assert_exactly(&refusing, (const unsigned char *)"firstsecond", 11);
    end(&refusing);
}

static void a_file_system_that_cannot_allocate(void **state) {
    struct refusing refusing = begin();
    refusing.allocate_errnum = EOPNOTSUPP;
    struct append *append = open_region(&refusing, 0, kind_of(state), STEP_BYTES);
    for (int i = 0; i < 100; i++) {
        add(append, "0123456789", 10);
        assert_int_equal(read_contents(&refusing), append_end(append));
    }
    /* Each tenant asks once. */
    assert_int_equal(refusing.allocates, kind_of(state) == APPEND_MAPPED ? 2 : 1);
    assert_ok(append_close(append, NULL));
    end(&refusing);
}

static void a_file_system_that_cannot_map(void **state) {
    struct refusing refusing = begin();
    refusing.map_errnum = ENODEV;
    struct append *append = open_region(&refusing, 10, kind_of(state), STEP_BYTES);
    add(append, "0123456789", 10);
    assert_int_equal(refusing.writes, 1);
    assert_int_equal(append_end(append), 20);
    assert_ok(append_close(append, NULL));
    assert_int_equal(read_contents(&refusing), 20);
    assert_memory_equal(contents + 10, "0123456789", 10);
    end(&refusing);
}

static void failures_are_told_and_close_frees(void **state) {
    struct error error = {0};
    struct refusing refusing = begin();
    struct append *append = open_region(&refusing, 0, kind_of(state), STEP_BYTES);
    add(append, "kept", 4);
    refusing.sync_errnum = EIO;
    assert_int_equal(append_sync(append, &error), STATUS_IO);
    assert_message_has(error, "log: sync");
    refusing.truncate_errnum = EIO;
    assert_int_equal(append_close(append, &error), STATUS_IO);
    assert_message_has(error, "log: truncate to 4 bytes");
    end(&refusing);

    refusing = begin();
    assert_ok(file_write(refusing.under, 0, "old", 3, NULL));
    refusing.truncate_errnum = EIO;
    append = NULL;
    assert_int_equal(
        append_open(&refusing.file, 1, kind_of(state), STEP_BYTES, &append, &error),
        STATUS_IO);
    assert_message_has(error, "log: truncate to 1 bytes");
    assert_null(append);
    end(&refusing);
}

/* What is longer than a page is handed over by one write in either tenant; what is
 * shorter, in a mapping, by none. */
static void what_is_long_is_written(void **state) {
    bool maps = kind_of(state) == APPEND_MAPPED;
    struct refusing refusing = begin();
    struct append *append = open_region(&refusing, 0, kind_of(state), STEP_BYTES);
    static unsigned char model[4 * STEP_BYTES];
    memset(model, 'm', sizeof model);
    add(append, model, STEP_BYTES + 1);
    assert_int_equal(refusing.writes, 1);
    add(append, model, STEP_BYTES);
    assert_int_equal(refusing.writes, maps ? 1 : 2);
    add(append, model, STEP_BYTES + 1);
    add(append, model, 1);
    assert_int_equal(refusing.writes, maps ? 2 : 4);
    assert_model_then_zeros(&refusing, model, 3 * STEP_BYTES + 3);
    assert_ok(append_close(append, NULL));
    assert_exactly(&refusing, model, 3 * STEP_BYTES + 3);
    end(&refusing);
}

/* Once for each step, over all of it that is not yet taken. */
static void what_is_synced_often_is_filled(void **state) {
    struct error error = {0};
    struct refusing refusing = begin();
    struct append *append = open_region(&refusing, 0, kind_of(state), STEP_BYTES);
    unsigned char model[2 * STEP_BYTES];
    memset(model, 's', sizeof model);
    size_t own = kind_of(state) == APPEND_WRITE; /* writes of a commit */
    for (size_t step = 0; step < 2; step++) {
        size_t before = refusing.writes;
        for (size_t i = 0; i < 8; i++) {
            add(append, model, 16);
            assert_int_equal(refusing.writes, before + (i + 1) * own);
            assert_ok(append_sync(append, NULL));
        }
        refusing.write_errnum = EIO;
        unsigned char *space = NULL;
        assert_int_equal(append_reserve(append, 16, &space, &error), STATUS_IO);
        refusing.write_errnum = 0;
        before = refusing.writes;
        add(append, model, 16);
        assert_int_equal(refusing.writes, before + 1 + own);
        assert_model_then_zeros(&refusing, model, (size_t)append_end(append));
        add(append, model, (step + 1) * STEP_BYTES - (size_t)append_end(append));
        assert_int_equal(refusing.writes, before + 1 + 2 * own);
    }
    assert_model_then_zeros(&refusing, model, sizeof model);
    assert_ok(append_close(append, NULL));
    assert_exactly(&refusing, model, sizeof model);
    end(&refusing);
}

/* A piece when the one before is used up, so that nobody waits for all of it. */
static void a_large_step_is_filled_in_pieces(void **state) {
    enum { PIECE = 128 * 1024, LARGE_STEP = 8 * PIECE, PIECE_WRITES = 2, SMALL = 16 };
    static unsigned char model[2 * PIECE];
    struct refusing refusing = begin();
    struct append *append = open_region(&refusing, 0, kind_of(state), LARGE_STEP);
    memset(model, 'p', sizeof model);
    for (size_t i = 0; i < 8; i++) {
        add(append, model, SMALL);
        assert_ok(append_sync(append, NULL));
    }
    size_t own = kind_of(state) == APPEND_WRITE; /* writes of a small commit */
    size_t before = refusing.writes;
    add(append, model, SMALL);
    assert_int_equal(refusing.writes, before + PIECE_WRITES + own);
    size_t filled = 8 * SMALL + PIECE;
    before = refusing.writes;
    add(append, model, filled - (size_t)append_end(append));
    assert_int_equal(refusing.writes, before + 1);
    before = refusing.writes;
    add(append, model, SMALL);
    assert_int_equal(refusing.writes, before + PIECE_WRITES + own);
    assert_model_then_zeros(&refusing, model, filled + SMALL);
    assert_ok(append_close(append, NULL));
    assert_exactly(&refusing, model, filled + SMALL);
    end(&refusing);
}

static void a_failed_write_is_cut_away(void **state) {
    enum { LONG_BYTES = STEP_BYTES + 1 };
    struct error error = {0};
    struct refusing refusing = begin();
    struct append *append = open_region(&refusing, 0, kind_of(state), STEP_BYTES);
    add(append, "kept", 4);
    unsigned char *space = NULL;
    assert_ok(append_reserve(append, LONG_BYTES, &space, NULL));
    memset(space, 'l', LONG_BYTES);
    refusing.write_errnum = EIO;
    assert_int_equal(append_commit(append, LONG_BYTES, &error), STATUS_IO);
    assert_message_has(error, "log: write at offset 4");
    assert_int_equal(append_end(append), 4);
    assert_ok(append_close(append, NULL));
    assert_exactly(&refusing, (const unsigned char *)"kept", 4);
    end(&refusing);
}

static void failed_mappings_are_told(void **state) {
    if (kind_of(state) != APPEND_MAPPED) {
        return;
    }
    struct error error = {0};
    struct refusing refusing = begin();
    refusing.map_errnum = ENOMEM;
    struct append *append = NULL;
    assert_int_equal(
        append_open(&refusing.file, 0, APPEND_MAPPED, STEP_BYTES, &append, &error),
        STATUS_NO_MEMORY);
    assert_null(append);
    refusing.map_errnum = 0;
    append = open_region(&refusing, 0, APPEND_MAPPED, STEP_BYTES);
    add(append, "kept", 4);
    refusing.map_errnum = ENOMEM;
    unsigned char *space = NULL;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(append_reserve(append, STEP_BYTES, &space, &error),
                         STATUS_NO_MEMORY);
        assert_message_has(error, "log: map");
    }
    refusing.map_errnum = 0;
    add(append, "more", 4);
    refusing.unmap_errnum = EIO;
    assert_int_equal(append_close(append, &error), STATUS_IO);
    assert_message_has(error, "log: unmap");
    /* Nothing is cut away under what may still be mapped. */
    assert_model_then_zeros(&refusing, (const unsigned char *)"keptmore", 8);
    assert_true(read_contents(&refusing) > 8);
    end(&refusing);
}

/* As the death of the process would leave it: what was committed, and space behind. */
static void an_abandoned_region_leaves_the_file_alone(void **state) {
    struct refusing refusing = begin();
    struct append *append = open_region(&refusing, 0, kind_of(state), STEP_BYTES);
    add(append, "kept", 4);
    append_abandon(append);
    assert_int_equal(refusing.mappings, 0);
    assert_int_equal(read_contents(&refusing), STEP_BYTES);
    assert_model_then_zeros(&refusing, (const unsigned char *)"kept", 4);
    end(&refusing);
    append_abandon(NULL);
}

static void closing_nothing_is_legal(void **state) {
    (void)state;
    assert_ok(append_close(NULL, NULL));
}

/* ---- the runs -------------------------------------------------------------------- */

static enum append_kind kinds[] = {APPEND_WRITE, APPEND_MAPPED};

#define CONTRACT(kind)                                                                   \
    cmocka_unit_test_prestate(random_appends_equal_the_model, kind),                     \
        cmocka_unit_test_prestate(zeros_stand_behind_the_end, kind),                     \
        cmocka_unit_test_prestate(space_is_allocated_in_steps, kind),                    \
        cmocka_unit_test_prestate(a_small_step_serves_a_large_reserve, kind),            \
        cmocka_unit_test_prestate(a_very_large_reserve_is_followed_by_small_ones, kind), \
        cmocka_unit_test_prestate(nothing_committed_leaves_nothing, kind),               \
        cmocka_unit_test_prestate(what_stood_behind_the_end_is_cut_at_open, kind),       \
        cmocka_unit_test_prestate(no_space_changes_nothing, kind),                       \
        cmocka_unit_test_prestate(a_file_system_that_cannot_allocate, kind),             \
        cmocka_unit_test_prestate(a_file_system_that_cannot_map, kind),                  \
        cmocka_unit_test_prestate(failures_are_told_and_close_frees, kind),              \
        cmocka_unit_test_prestate(what_is_long_is_written, kind),                        \
        cmocka_unit_test_prestate(what_is_synced_often_is_filled, kind),                 \
        cmocka_unit_test_prestate(a_large_step_is_filled_in_pieces, kind),               \
        cmocka_unit_test_prestate(a_failed_write_is_cut_away, kind),                     \
        cmocka_unit_test_prestate(failed_mappings_are_told, kind),                       \
        cmocka_unit_test_prestate(an_abandoned_region_leaves_the_file_alone, kind),      \
        cmocka_unit_test_prestate(closing_nothing_is_legal, kind)

/* cmocka gives a group's state to its tests in place of their own: it must stay NULL. */
static void *group_directory;

static int setup(void **state) {
    (void)state;
    int failed = directory_setup(&group_directory);
    strcpy(directory, group_directory);
    return failed;
}

static int teardown(void **state) {
    (void)state;
    return directory_teardown(&group_directory);
}

int main(void) {
    const struct CMUnitTest tests[] = {CONTRACT(&kinds[0]), CONTRACT(&kinds[1])};
    return cmocka_run_group_tests(tests, setup, teardown);
}
