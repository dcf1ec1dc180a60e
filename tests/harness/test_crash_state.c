/* What survives a loss of power: the rules of notes/crash-model.md, one by one.
 *
 * tidy: long because there is one test per rule, and the rules are one table. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "disk.h"

static const struct file_system_ops *ops_of(struct disk *disk) {
    return disk_files(disk)->ops;
}

static struct file *must_open(struct disk *disk, const char *path, enum file_mode mode) {
    struct file *file = NULL;
    assert_int_equal(ops_of(disk)->open(disk, path, mode, &file), 0);
    return file;
}

static void put(struct file *file, uint64_t offset, const char *text) {
    struct error error = {0};
    assert_int_equal(file_write(file, offset, text, strlen(text), &error), STATUS_OK);
}

/* The image with the fates given as letters, the first for the first pending piece: k
 * kept, l lost, z zero, n noise, s stale. */
static struct disk *crash_now(struct disk *disk, enum disk_profile profile,
                              const char *fates) {
    static const char letters[] = "klzns";
    struct crash crash = {.profile = profile, .operation = disk_operations(disk)};
    for (size_t i = 0; fates[i] != '\0'; i++) {
        crash.fates[i] = (unsigned char)(strchr(letters, fates[i]) - letters);
    }
    assert_int_equal(disk_pending(disk, profile, crash.operation), strlen(fates));
    return disk_crash(disk, &crash);
}

/* Expects the file to hold the text, or to be absent where text is NULL. */
static void expect(struct disk *disk, const char *path, const char *text) {
    struct slice contents = slice_of("");
    bool there = disk_read_file(disk, path, &contents);
    assert_int_equal(there, text != NULL);
    if (text != NULL && !slice_equal(contents, slice_of(text))) {
        fail_msg("%s holds \"%.*s\", not \"%s\"", path, (int)contents.length,
                 (const char *)contents.data, text);
    }
}

static void expect_after(struct disk *disk, enum disk_profile profile, const char *fates,
                         const char *path, const char *text) {
    struct disk *image = crash_now(disk, profile, fates);
    expect(image, path, text);
    disk_free(image);
}

/* ---- data ------------------------------------------------------------------------ */

static void test_data_pieces_posix(void **state) {
    (void)state;
    struct disk *disk = disk_new();
    disk_put_file(disk, "log", slice_of("durable"));
    struct file *file = must_open(disk, "log", FILE_WRITE);
    put(file, 7, "-one");
    put(file, 11, "-two");
    put(file, 0, "D");
    expect_after(disk, DISK_POSIX, "kkk", "log", "Durable-one-two");
    expect_after(disk, DISK_POSIX, "lll", "log", "durable");
    expect_after(disk, DISK_POSIX, "kll", "log", "durable-one");
    expect_after(disk, DISK_POSIX, "llk", "log", "Durable");
    struct disk *hole = crash_now(disk, DISK_POSIX, "lkl");
    struct slice contents;
    assert_true(disk_read_file(hole, "log", &contents));
    assert_int_equal(contents.length, 15);
    assert_memory_equal(contents.data, "durable\0\0\0\0-two", 15);
    disk_free(hole);
    struct disk *zero = crash_now(disk, DISK_POSIX, "klz");
    assert_true(disk_read_file(zero, "log", &contents));
    assert_int_equal(contents.length, 11);
    assert_memory_equal(contents.data, "\0urable-one", 11);
    disk_free(zero);
    put(file, 3, "ABLE");
    struct disk *end = crash_now(disk, DISK_POSIX, "lllz");
    assert_true(disk_read_file(end, "log", &contents));
    assert_int_equal(contents.length, 7);
    assert_memory_equal(contents.data, "dur\0\0\0\0", 7);
    disk_free(end);
    struct disk *noise = crash_now(disk, DISK_POSIX, "nkll");
    assert_true(disk_read_file(noise, "log", &contents));
    assert_memory_equal(contents.data, "durable", 7);
    assert_memory_not_equal(contents.data + 7, "-one", 4);
    assert_memory_equal(contents.data + 11, "-two", 4);
    disk_free(noise);
    disk_free(disk);
}

static void test_data_pieces_ext4(void **state) {
    (void)state;
    struct disk *disk = disk_new();
    disk_put_file(disk, "log", slice_of("durable"));
    struct file *file = must_open(disk, "log", FILE_WRITE);
    put(file, 7, "-one");
    put(file, 0, "D");
    put(file, 6, "E-two");
    expect_after(disk, DISK_EXT4, "lkl", "log", "Durable");
    /* In place only old or new; behind the end zeros as well, but never anything else. */
    expect_after(disk, DISK_EXT4, "lzl", "log", "durable");
    expect_after(disk, DISK_EXT4, "lnl", "log", "durable");
    expect_after(disk, DISK_EXT4, "kls", "log", "durable-one");
    struct disk *straddling = crash_now(disk, DISK_EXT4, "llz");
    struct slice extended;
    assert_true(disk_read_file(straddling, "log", &extended));
    assert_int_equal(extended.length, 11);
    assert_memory_equal(extended.data, "durable\0\0\0\0", 11);
    disk_free(straddling);
    for (const char *fate = "zns"; *fate != '\0'; fate++) {
        struct disk *image =
            crash_now(disk, DISK_EXT4, (const char[]){*fate, 'l', *fate, '\0'});
        struct slice contents;
        assert_true(disk_read_file(image, "log", &contents));
        assert_int_equal(contents.length, 11);
        assert_memory_equal(contents.data, "durable\0\0\0\0", 11);
        disk_free(image);
    }
    disk_free(disk);
}

static void test_torn_at_sectors(void **state) {
    (void)state;
    struct disk *disk = disk_new();
    disk_put_file(disk, "table", slice_of(""));
    struct file *file = must_open(disk, "table", FILE_WRITE);
    struct error error;
    unsigned char bytes[2000];
    memset(bytes, 'x', sizeof bytes);
    assert_int_equal(file_write(file, 300, bytes, sizeof bytes, &error), STATUS_OK);
    for (size_t sectors = 1; sectors <= 6; sectors++) {
        for (int fate = FATE_KEPT; fate <= FATE_ZERO; fate++) {
            struct crash crash = {.operation = disk_operations(disk),
                                  .fates = {(unsigned char)fate},
                                  .split_sectors = sectors};
            struct disk *image = disk_crash(disk, &crash);
            struct slice contents;
            assert_true(disk_read_file(image, "table", &contents));
            size_t torn = 512 * sectors;
            /* It touches five sectors: what is not torn inside has one fate. */
            torn = fate == FATE_KEPT || sectors >= 5 ? 300 + sizeof bytes : torn;
            torn = fate != FATE_KEPT && sectors >= 5 ? 300 : torn;
            size_t size = fate == FATE_LOST ? torn : 300 + sizeof bytes;
            size = size == 300 ? 0 : size;
            assert_int_equal(contents.length, size);
            for (size_t i = 0; i < size; i++) {
                assert_int_equal(contents.data[i], i >= 300 && i < torn ? 'x' : 0);
            }
            disk_free(image);
        }
    }
    disk_free(disk);
}

/* Pages of one write are lost each on its own. */
static void test_pages_are_pieces(void **state) {
    (void)state;
    struct disk *disk = disk_new();
    disk_put_file(disk, "table", slice_of(""));
    struct file *file = must_open(disk, "table", FILE_WRITE);
    struct error error;
    unsigned char *bytes = malloc(10000);
    memset(bytes, 'x', 10000);
    assert_int_equal(file_write(file, 100, bytes, 10000, &error), STATUS_OK);
    struct disk *image = crash_now(disk, DISK_EXT4, "klk");
    struct slice contents;
    assert_true(disk_read_file(image, "table", &contents));
    assert_int_equal(contents.length, 10100);
    for (size_t i = 0; i < 10100; i++) {
        bool kept = i >= 100 && (i < 4096 || i >= 8192);
        assert_int_equal(contents.data[i], kept ? 'x' : 0);
    }
    free(bytes);
    disk_free(image);
    disk_free(disk);
}

static void test_stale_records(void **state) {
    (void)state;
    struct disk *disk = disk_new();
    struct file *old = must_open(disk, "000003.log", FILE_CREATE);
    put(old, 0, "[old record]");
    assert_int_equal(old->ops->sync(old), 0);
    assert_int_equal(ops_of(disk)->remove(disk, "000003.log"), 0);
    struct file *other = must_open(disk, "CURRENT", FILE_CREATE);
    put(other, 0, "[pointer]");
    struct file *log = must_open(disk, "000012.log", FILE_CREATE);
    assert_int_equal(ops_of(disk)->sync_directory(disk, ""), 0);
    assert_int_equal(other->ops->sync(other), 0);
    put(log, 0, "[new]");
    put(log, 5, "[a longer record]");
    struct disk *image = crash_now(disk, DISK_POSIX, "ks");
    struct slice contents;
    assert_true(disk_read_file(image, "000012.log", &contents));
    assert_int_equal(contents.length, 22);
    assert_memory_equal(contents.data, "[new][old record]\0\0\0\0\0", 22);
    disk_free(image);
    disk_free(disk);
}

static void test_sizes(void **state) {
    (void)state;
    struct disk *disk = disk_new();
    disk_put_file(disk, "log", slice_of("abcdef"));
    struct file *file = must_open(disk, "log", FILE_WRITE);
    assert_int_equal(file->ops->truncate(file, 3), 0);
    put(file, 3, "XYZ!");
    expect_after(disk, DISK_POSIX, "kk", "log", "abcXYZ!");
    expect_after(disk, DISK_POSIX, "kl", "log", "abc");
    expect_after(disk, DISK_POSIX, "lk", "log", "abcXYZ!");
    expect_after(disk, DISK_POSIX, "ll", "log", "abcdef");
    expect_after(disk, DISK_EXT4, "kl", "log", "abc");
    /* The new bytes went to new blocks, which only the lost truncation leads to. */
    expect_after(disk, DISK_EXT4, "lk", "log", "abcdef");
    assert_int_equal(file->ops->allocate(file, 4, 6), 0);
    struct disk *image = crash_now(disk, DISK_POSIX, "llk");
    struct slice contents;
    assert_true(disk_read_file(image, "log", &contents));
    assert_int_equal(contents.length, 10);
    assert_memory_equal(contents.data, "abcdef\0\0\0\0", 10);
    disk_free(image);
    disk_free(disk);
}

/* Another file's sync commits the truncation; what was written before it stays away. */
static void test_truncation_commits_ahead_of_data(void **state) {
    (void)state;
    struct disk *disk = disk_new();
    disk_put_file(disk, "log", slice_of("abcdef"));
    disk_put_file(disk, "other", slice_of(""));
    struct file *file = must_open(disk, "log", FILE_WRITE);
    struct file *other = must_open(disk, "other", FILE_WRITE);
    put(file, 2, "CDEFGH");
    assert_int_equal(file->ops->truncate(file, 4), 0);
    assert_int_equal(other->ops->sync(other), 0);
    expect_after(disk, DISK_EXT4, "k", "log", "abCD");
    expect_after(disk, DISK_EXT4, "l", "log", "abcd");
    expect_after(disk, DISK_POSIX, "ll", "log", "abcdef");
    disk_free(disk);
}

/* ---- names ----------------------------------------------------------------------- */

static void test_names_posix(void **state) {
    (void)state;
    struct disk *disk = disk_new();
    disk_put_file(disk, "db/old", slice_of("old"));
    struct file *file = must_open(disk, "db/new", FILE_CREATE);
    put(file, 0, "new");
    assert_int_equal(file->ops->sync(file), 0);
    expect_after(disk, DISK_POSIX, "l", "db/new", NULL); /* synced, but without a name */
    expect_after(disk, DISK_POSIX, "k", "db/new", "new");
    assert_int_equal(ops_of(disk)->remove(disk, "db/old"), 0);
    expect_after(disk, DISK_POSIX, "kl", "db/old", "old");
    expect_after(disk, DISK_POSIX, "lk", "db/old", NULL);
    expect_after(disk, DISK_POSIX, "lk", "db/new", NULL);
    assert_int_equal(ops_of(disk)->sync_directory(disk, "."), 0); /* not its directory */
    assert_int_equal(disk_pending(disk, DISK_POSIX, disk_operations(disk)), 2);
    assert_int_equal(ops_of(disk)->sync_directory(disk, "db"), 0);
    expect_after(disk, DISK_POSIX, "", "db/old", NULL);
    expect_after(disk, DISK_POSIX, "", "db/new", "new");
    disk_free(disk);
}

static void test_rename_is_old_or_new(void **state) {
    (void)state;
    for (int profile = DISK_POSIX; profile <= DISK_EXT4; profile++) {
        enum disk_profile which = (enum disk_profile)profile;
        struct disk *disk = disk_new();
        disk_put_file(disk, "CURRENT", slice_of("1"));
        disk_put_file(disk, "tmp", slice_of("2"));
        assert_int_equal(ops_of(disk)->rename(disk, "tmp", "CURRENT"), 0);
        expect_after(disk, which, "l", "CURRENT", "1");
        expect_after(disk, which, "l", "tmp", "2");
        expect_after(disk, which, "k", "CURRENT", "2");
        expect_after(disk, which, "k", "tmp", NULL);
        assert_int_equal(ops_of(disk)->sync_directory(disk, "/"), 0);
        expect_after(disk, which, "", "CURRENT", "2");
        disk_free(disk);
    }
}

static void test_rename_of_unsynced_bytes(void **state) {
    (void)state;
    struct disk *disk = disk_new();
    disk_put_file(disk, "CURRENT", slice_of("1"));
    struct file *file = must_open(disk, "tmp", FILE_CREATE);
    put(file, 0, "2");
    assert_int_equal(ops_of(disk)->rename(disk, "tmp", "CURRENT"), 0);
    assert_int_equal(ops_of(disk)->sync_directory(disk, ""), 0);
    expect_after(disk, DISK_POSIX, "l", "CURRENT", "");
    expect_after(disk, DISK_EXT4, "l", "CURRENT", "");
    disk_free(disk);
}

static void test_names_ext4(void **state) {
    (void)state;
    struct disk *disk = disk_new();
    disk_put_file(disk, "old", slice_of("old"));
    disk_put_file(disk, "log", slice_of("log"));
    struct file *file = must_open(disk, "new", FILE_CREATE);
    put(file, 0, "new");
    assert_int_equal(ops_of(disk)->remove(disk, "old"), 0);
    expect_after(disk, DISK_EXT4, "kkl", "old", "old");
    expect_after(disk, DISK_EXT4, "kkl", "new", "new");
    expect_after(disk, DISK_EXT4, "llk", "old", "old"); /* no later entry without it */
    struct file *log = must_open(disk, "log", FILE_WRITE);
    put(log, 2, "G!");
    /* The extension is of a later transaction than the lost names; in place, there is
     * no transaction. */
    expect_after(disk, DISK_EXT4, "llkk", "log", "loG");
    expect_after(disk, DISK_EXT4, "kkkk", "log", "loG!");
    assert_int_equal(log->ops->sync(log), 0);
    /* One file's sync commits all names, and nobody else's data. */
    expect_after(disk, DISK_EXT4, "l", "new", "");
    expect_after(disk, DISK_EXT4, "l", "old", NULL);
    expect_after(disk, DISK_EXT4, "l", "log", "loG!");
    disk_free(disk);
}

static void test_lost_directory_takes_its_files(void **state) {
    (void)state;
    struct disk *disk = disk_new();
    assert_int_equal(ops_of(disk)->make_directory(disk, "db"), 0);
    struct file *file = must_open(disk, "db/log", FILE_CREATE);
    put(file, 0, "log");
    assert_int_equal(file->ops->sync(file), 0);
    assert_int_equal(ops_of(disk)->sync_directory(disk, "db"), 0);
    expect_after(disk, DISK_POSIX, "l", "db/log", NULL);
    expect_after(disk, DISK_POSIX, "k", "db/log", "log");
    expect_after(disk, DISK_EXT4, "", "db/log", "log");
    disk_free(disk);
}

/* What no crash can show has no pieces. */
static void test_gone_files_have_no_pieces(void **state) {
    (void)state;
    struct disk *disk = disk_new();
    disk_put_file(disk, "old.log", slice_of("old"));
    struct file *old = must_open(disk, "old.log", FILE_WRITE);
    struct file *unborn = must_open(disk, "new.log", FILE_CREATE);
    put(old, 3, "er");
    put(unborn, 0, "new");
    assert_int_equal(ops_of(disk)->remove(disk, "old.log"), 0);
    expect_after(disk, DISK_POSIX, "kkkl", "old.log", "older");
    expect_after(disk, DISK_POSIX, "kkkl", "new.log", "new");
    assert_int_equal(ops_of(disk)->sync_directory(disk, ""), 0);
    put(old, 5, "!");
    assert_int_equal(old->ops->truncate(old, 1), 0);
    expect_after(disk, DISK_POSIX, "k", "new.log", "new");
    expect_after(disk, DISK_EXT4, "k", "old.log", NULL);
    disk_free(disk);
}

/* A file that is put there stays, whatever was pending of its name. */
/* The bytes are the file's, whichever of its names is left; a name is its own piece. */
static void test_links(void **state) {
    (void)state;
    struct disk *disk = disk_new();
    const struct file_system_ops *ops = ops_of(disk);
    disk_put_file(disk, "a/old", slice_of("whole"));
    assert_int_equal(ops->make_directory(disk, "b"), 0);
    assert_int_equal(ops->sync_directory(disk, "."), 0);
    assert_int_equal(ops->link(disk, "a/old", "b/new"), 0);
    assert_int_equal(ops->remove(disk, "a/old"), 0);
    expect_after(disk, DISK_POSIX, "kk", "b/new", "whole");
    expect_after(disk, DISK_POSIX, "lk", "b/new", NULL);
    expect_after(disk, DISK_POSIX, "lk", "a/old", NULL); /* both are lost */
    expect_after(disk, DISK_POSIX, "kl", "a/old", "whole");
    struct file *file = must_open(disk, "b/new", FILE_WRITE);
    put(file, 0, "WHOLE");
    expect_after(disk, DISK_POSIX, "kll", "b/new", "whole");
    expect_after(disk, DISK_POSIX, "klk", "b/new", "WHOLE");
    expect_after(disk, DISK_POSIX, "klk", "a/old", "WHOLE");
    assert_int_equal(file->ops->sync(file), 0);
    assert_int_equal(ops->sync_directory(disk, "a"), 0);
    expect_after(disk, DISK_POSIX, "l", "b/new", NULL);
    assert_int_equal(ops->sync_directory(disk, "b"), 0);
    expect_after(disk, DISK_POSIX, "", "b/new", "WHOLE");
    put(file, 0, "again"); /* pending, though the first name is durably gone */
    expect_after(disk, DISK_POSIX, "l", "b/new", "WHOLE");
    expect_after(disk, DISK_POSIX, "k", "b/new", "again");
    assert_int_equal(file->ops->sync(file), 0);
    assert_int_equal(ops->link(disk, "b/new", "b/third"), 0);
    struct disk *image = crash_now(disk, DISK_POSIX, "k");
    struct file *third = must_open(image, "b/third", FILE_WRITE);
    put(third, 0, "still");
    expect(image, "b/new", "still"); /* two names after the crash, too */
    assert_int_equal(third->ops->close(third), 0);
    disk_free(image);
    assert_int_equal(file->ops->close(file), 0);
    disk_free(disk);
}

/* A rename takes along what is in the directory by then, and only that. */
static void test_directory_is_renamed(void **state) {
    (void)state;
    struct disk *disk = disk_new();
    const struct file_system_ops *ops = ops_of(disk);
    disk_put_file(disk, "a/x", slice_of("x"));
    assert_int_equal(ops->rename(disk, "a", "b"), 0);
    expect_after(disk, DISK_POSIX, "l", "a/x", "x");
    expect_after(disk, DISK_POSIX, "k", "b/x", "x");
    expect_after(disk, DISK_POSIX, "k", "a/x", NULL);
    assert_int_equal(ops->make_directory(disk, "a"), 0);
    disk_put_file(disk, "a/later", slice_of("later"));
    expect_after(disk, DISK_POSIX, "kk", "a/later", "later");
    expect_after(disk, DISK_POSIX, "kk", "b/later", NULL);
    expect_after(disk, DISK_POSIX, "kk", "b/x", "x");
    assert_int_equal(ops->sync_directory(disk, "."), 0);
    expect_after(disk, DISK_POSIX, "", "b/x", "x");
    expect_after(disk, DISK_EXT4, "", "a/later", "later");
    struct file *file = must_open(disk, "b/unsynced", FILE_CREATE);
    assert_int_equal(ops->rename(disk, "b", "c"), 0);
    assert_int_equal(ops->sync_directory(disk, "."), 0);
    expect_after(disk, DISK_POSIX, "k", "c/unsynced", NULL); /* file.h: sync it first */
    expect_after(disk, DISK_POSIX, "k", "c/x", "x");
    expect_after(disk, DISK_EXT4, "", "c/unsynced", "");
    assert_int_equal(file->ops->close(file), 0);
    disk_free(disk);
}

static void test_directory_is_removed(void **state) {
    (void)state;
    struct disk *disk = disk_new();
    const struct file_system_ops *ops = ops_of(disk);
    disk_put_file(disk, "a/x", slice_of("x"));
    assert_int_equal(ops->remove(disk, "a/x"), 0);
    assert_int_equal(ops->remove_directory(disk, "a"), 0);
    assert_int_equal(ops->make_directory(disk, "a"), 0);
    expect_after(disk, DISK_POSIX, "lll", "a/x", "x");
    expect_after(disk, DISK_POSIX, "lkl", "a/x", NULL);
    expect_after(disk, DISK_POSIX, "lkk", "a/x", NULL); /* the new one is empty */
    expect_after(disk, DISK_POSIX, "lkk", "a/y", NULL);
    disk_free(disk);
}

static void test_put_is_durable(void **state) {
    (void)state;
    struct disk *disk = disk_new();
    disk_put_file(disk, "a", slice_of("1"));
    assert_int_equal(ops_of(disk)->remove(disk, "a"), 0);
    disk_put_file(disk, "a", slice_of("2"));
    expect_after(disk, DISK_POSIX, "", "a", "2");
    expect_after(disk, DISK_EXT4, "", "a", "2");
    disk_free(disk);
}

/* ---- failed syncs ---------------------------------------------------------------- */

static void test_failed_sync(void **state) {
    (void)state;
    for (int profile = DISK_POSIX; profile <= DISK_EXT4; profile++) {
        enum disk_profile which = (enum disk_profile)profile;
        struct disk *disk = disk_new();
        disk_put_file(disk, "log", slice_of("durable"));
        struct file *file = must_open(disk, "log", FILE_WRITE);
        put(file, 0, "DUR");
        disk_set_fault(disk, &(struct fault){1, FAULT_BEFORE, EIO, false});
        assert_int_equal(file->ops->sync(file), EIO);
        expect(disk, "log", "DURable"); /* readable */
        expect_after(disk, which, "", "log", "durable");
        disk_kill(disk);
        file = must_open(disk, "log", FILE_WRITE);
        expect(disk, "log", "DURable"); /* also by the next process */
        put(file, 6, "E!");
        assert_int_equal(file->ops->sync(file), 0);
        expect_after(disk, which, "", "log", "durablE!"); /* forgotten */
        put(file, 0, "DU");
        expect_after(disk, which, "l", "log", "durablE!");
        assert_int_equal(file->ops->sync(file), 0);
        expect_after(disk, which, "", "log", "DUrablE!"); /* written again: pending */
        disk_free(disk);
    }
}

static void test_failed_sync_effects(void **state) {
    (void)state;
    struct disk *disk = disk_new();
    disk_put_file(disk, "log", slice_of(""));
    struct file *file = must_open(disk, "log", FILE_WRITE);
    put(file, 0, "abc");
    disk_set_fault(disk, &(struct fault){1, FAULT_BEFORE, EINTR, false});
    assert_int_equal(file->ops->sync(file), EINTR); /* no page was tried */
    expect_after(disk, DISK_POSIX, "k", "log", "abc");
    disk_set_fault(disk, &(struct fault){1, FAULT_AFTER, EIO, false});
    assert_int_equal(file->ops->sync(file), EIO);
    expect_after(disk, DISK_POSIX, "", "log", "abc");
    disk_free(disk);
}

/* ---- mapped stores --------------------------------------------------------------- */

static void test_stores_are_pending_at_once(void **state) {
    (void)state;
    struct disk *disk = disk_new();
    disk_put_file(disk, "log", slice_of("................"));
    struct file *file = must_open(disk, "log", FILE_WRITE);
    void *map = NULL;
    assert_int_equal(file->ops->map(file, 0, 16, true, &map), 0);
    memcpy(map, "one", 3);
    expect_after(disk, DISK_POSIX, "k", "log", "one.............");
    expect_after(disk, DISK_POSIX, "l", "log", "................");
    memcpy((char *)map + 3, "two", 3);
    expect_after(disk, DISK_POSIX, "lk", "log", "...two..........");
    assert_int_equal(file->ops->sync(file), 0);
    memcpy((char *)map + 6, "six", 3);
    disk_kill(disk); /* the machine lives on: the stores are in its cache */
    expect(disk, "log", "onetwosix.......");
    expect_after(disk, DISK_EXT4, "l", "log", "onetwo..........");
    disk_free(disk);
}

/* What was stored between two looks is cut where nothing was stored for a while. */
static void test_stores_far_apart(void **state) {
    (void)state;
    struct disk *disk = disk_new();
    disk_put_file(disk, "log", slice_of(""));
    struct file *file = must_open(disk, "log", FILE_WRITE);
    assert_int_equal(file->ops->truncate(file, 8192), 0);
    assert_int_equal(file->ops->sync(file), 0);
    char *map = NULL;
    void *address = NULL;
    assert_int_equal(file->ops->map(file, 0, 8192, true, &address), 0);
    map = address;
    map[100] = 'a';
    map[120] = 'b';
    map[1000] = 'c';
    map[5000] = 'd';
    size_t before = 4; /* put, truncate, sync, and the first store */
    assert_int_equal(disk_operations(disk), before + 2);
    assert_int_equal(disk_pending(disk, DISK_POSIX, before + 2), 3);
    struct disk *image = crash_now(disk, DISK_POSIX, "nkl");
    struct slice contents;
    assert_true(disk_read_file(image, "log", &contents));
    for (size_t i = 0; i < 8192; i++) {
        bool damaged = i >= 100 && i <= 120;
        assert_true(damaged || contents.data[i] == (i == 1000 ? 'c' : 0));
    }
    disk_free(image);
    disk_free(disk);
}

/* ---- the machinery --------------------------------------------------------------- */

/* Crash points in any order and both profiles by turns give what each gives alone. */
static void test_crash_points_in_any_order(void **state) {
    (void)state;
    struct disk *disk = disk_new();
    disk_put_file(disk, "log", slice_of("base"));
    struct file *file = must_open(disk, "log", FILE_WRITE);
    enum { OPERATIONS = 12 };
    uint64_t expected[2][OPERATIONS + 1];
    struct crash crash = {0};
    memset(crash.fates, FATE_LOST, 3);
    for (size_t i = 0; i < OPERATIONS; i++) {
        if (i % 4 == 3) {
            assert_int_equal(file->ops->sync(file), 0);
        } else if (i % 5 == 4) {
            assert_int_equal(file->ops->truncate(file, 2 * i), 0);
        } else {
            put(file, i * 3, "text");
        }
        for (int profile = DISK_POSIX; profile <= DISK_EXT4; profile++) {
            crash.profile = (enum disk_profile)profile;
            crash.operation = disk_operations(disk);
            struct disk *image = disk_crash(disk, &crash);
            expected[profile][i] = disk_fingerprint(image);
            disk_free(image);
        }
    }
    for (int profile = DISK_POSIX; profile <= DISK_EXT4; profile++) {
        for (size_t i = OPERATIONS; i-- > 0;) {
            crash.profile = (enum disk_profile)profile;
            crash.operation = i + 2; /* behind the put and the i-th */
            struct disk *image = disk_crash(disk, &crash);
            assert_int_equal(disk_fingerprint(image), expected[profile][i]);
            disk_free(image);
        }
    }
    disk_free(disk);
}

/* An image is a disk like any other, and all on it is durable. */
static void test_image_is_durable(void **state) {
    (void)state;
    struct disk *disk = disk_new();
    struct file *file = must_open(disk, "log", FILE_CREATE);
    put(file, 0, "one");
    struct disk *first = crash_now(disk, DISK_POSIX, "kk");
    assert_int_equal(disk_operations(first), 0);
    expect_after(first, DISK_POSIX, "", "log", "one");
    struct file *again = must_open(first, "log", FILE_WRITE);
    put(again, 1, "N");
    struct disk *second = crash_now(first, DISK_POSIX, "l");
    expect(second, "log", "one");
    expect(first, "log", "oNe");
    expect(disk, "log", "one");
    disk_free(disk);
    expect_after(first, DISK_EXT4, "k", "log", "oNe");
    disk_free(first);
    expect(second, "log", "one");
    disk_free(second);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_data_pieces_posix),
        cmocka_unit_test(test_data_pieces_ext4),
        cmocka_unit_test(test_torn_at_sectors),
        cmocka_unit_test(test_pages_are_pieces),
        cmocka_unit_test(test_stale_records),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_truncation_commits_ahead_of_data),
        cmocka_unit_test(test_names_posix),
        cmocka_unit_test(test_rename_is_old_or_new),
        cmocka_unit_test(test_rename_of_unsynced_bytes),
        cmocka_unit_test(test_names_ext4),
        cmocka_unit_test(test_lost_directory_takes_its_files),
        cmocka_unit_test(test_gone_files_have_no_pieces),
        cmocka_unit_test(test_links),
        cmocka_unit_test(test_directory_is_renamed),
        cmocka_unit_test(test_directory_is_removed),
        cmocka_unit_test(test_put_is_durable),
        cmocka_unit_test(test_failed_sync),
        cmocka_unit_test(test_failed_sync_effects),
        cmocka_unit_test(test_stores_are_pending_at_once),
        cmocka_unit_test(test_stores_far_apart),
        cmocka_unit_test(test_crash_points_in_any_order),
        cmocka_unit_test(test_image_is_durable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
