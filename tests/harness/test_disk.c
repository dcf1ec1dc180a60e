/* The simulated disk as a running process sees it: calls, faults, journal.
 *
 * tidy: long because all of one tenant is tested with the same few helpers. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "disk.h"

enum { FILES = 3, FILE_BYTES = 9000, STEPS = 4000 };

static uint64_t seed;

static size_t draw(size_t bound) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (size_t)(seed % bound);
}

static const struct file_system_ops *ops_of(struct disk *disk) {
    return disk_files(disk)->ops;
}

static struct file *must_open(struct disk *disk, const char *path, enum file_mode mode) {
    struct file *file = NULL;
    assert_int_equal(ops_of(disk)->open(disk, path, mode, &file), 0);
    return file;
}

static void must_write(struct file *file, uint64_t offset, const void *bytes,
                       size_t count) {
    struct error error = {0};
    assert_int_equal(file_write(file, offset, bytes, count, &error), STATUS_OK);
}

static void assert_contents(struct disk *disk, const char *path, const void *bytes,
                            size_t count) {
    struct slice contents;
    assert_true(disk_read_file(disk, path, &contents));
    assert_true(slice_equal(contents, slice_make(bytes, count)));
}

/* ---- live contents equal plain arrays of bytes ----------------------------------- */

struct plain {
    struct file *file;
    struct file *second; /* another handle of the same file */
    unsigned char *map;  /* of the first two pages, or NULL */
    size_t size;
    unsigned char bytes[FILE_BYTES];
};

static void step(struct plain *plain) {
    unsigned char noise[700];
    size_t offset = draw(FILE_BYTES - sizeof noise);
    size_t count = 1 + draw(sizeof noise - 1);
    for (size_t i = 0; i < count; i++) {
        noise[i] = (unsigned char)(draw(4) == 0 ? draw(256) : 0);
    }
    size_t end = offset + count;
    size_t done = 0;
    struct error error;
    switch (draw(7)) {
    case 0:
    case 1:
        must_write(draw(2) ? plain->file : plain->second, offset, noise, count);
        memcpy(plain->bytes + offset, noise, count);
        plain->size = end > plain->size ? end : plain->size;
        break;
    case 2:
        if (plain->map != NULL && end <= plain->size && end <= 2 * FILE_MAP_BYTES) {
            memcpy(plain->map + offset, noise, count);
            memcpy(plain->bytes + offset, noise, count);
        }
        break;
    case 3:
        assert_int_equal(file_truncate(plain->file, offset, &error), STATUS_OK);
        if (offset < plain->size) {
            memset(plain->bytes + offset, 0, plain->size - offset);
        }
        plain->size = offset;
        break;
    case 4:
        assert_int_equal(file_allocate(plain->file, offset, count, &error), STATUS_OK);
        plain->size = end > plain->size ? end : plain->size;
        break;
    case 5:
        assert_int_equal(file_sync(plain->file, &error), STATUS_OK);
        break;
    default:
        assert_int_equal(file_read(plain->second, offset, noise, count, &done, &error),
                         STATUS_OK);
        size_t there = plain->size > offset ? plain->size - offset : 0;
        assert_int_equal(done, there < count ? there : count);
        assert_memory_equal(noise, plain->bytes + offset, done);
        break;
    }
}

static void test_contents_equal_plain_bytes(void **state) {
    (void)state;
    for (uint64_t run = 1; run <= 20; run++) {
        seed = run * UINT64_C(0x9e3779b97f4a7c15);
        print_message("seed %llu\n", (unsigned long long)run);
        struct disk *disk = disk_new();
        struct plain *plain = calloc(FILES, sizeof *plain);
        static const char *const paths[FILES] = {"a", "b", "c"};
        struct error error;
        for (size_t i = 0; i < FILES; i++) {
            void *map = NULL;
            plain[i].file = must_open(disk, paths[i], FILE_CREATE);
            plain[i].second = must_open(disk, paths[i], FILE_WRITE);
            assert_int_equal(
                file_map(plain[i].file, 0, 2 * FILE_MAP_BYTES, true, &map, &error),
                STATUS_OK);
            plain[i].map = map;
        }
        for (size_t i = 0; i < STEPS / 20; i++) {
            step(&plain[draw(FILES)]);
        }
        for (size_t i = 0; i < FILES; i++) {
            assert_contents(disk, paths[i], plain[i].bytes, plain[i].size);
            size_t mapped =
                plain[i].size < 2 * FILE_MAP_BYTES ? plain[i].size : 2 * FILE_MAP_BYTES;
            assert_memory_equal(plain[i].map, plain[i].bytes, mapped);
        }
        free(plain);
        disk_free(disk);
    }
}

/* ---- names ----------------------------------------------------------------------- */

static void collect(void *context, const char *name) {
    strcat(context, name);
    strcat(context, " ");
}

static void test_names(void **state) {
    (void)state;
    struct disk *disk = disk_new();
    const struct file_system_ops *ops = ops_of(disk);
    struct file *file = NULL;
    assert_int_equal(ops->open(disk, "db/x", FILE_READ, &file), ENOENT);
    assert_int_equal(ops->open(disk, "db/x", FILE_CREATE, &file), ENOENT);
    assert_int_equal(ops->make_directory(disk, "db/sub"), ENOENT);
    assert_int_equal(ops->make_directory(disk, "/db/"), 0);
    assert_int_equal(ops->make_directory(disk, "db"), EEXIST);
    assert_int_equal(ops->open(disk, "db", FILE_READ, &file), EISDIR);
    file = must_open(disk, "./db/x", FILE_CREATE);
    must_write(file, 0, "one", 3);
    struct file *taken = NULL;
    assert_int_equal(ops->open(disk, "db/x", FILE_CREATE, &taken), EEXIST);
    struct file *other = must_open(disk, "db/y", FILE_OVERWRITE);
    must_write(other, 0, "other", 5);
    assert_int_equal(ops->rename(disk, "db/z", "db/y"), ENOENT);
    assert_int_equal(ops->rename(disk, "db/x", "nowhere/y"), ENOENT);
    assert_int_equal(ops->rename(disk, "db/x", "db/y"), 0);
    size_t operations = disk_operations(disk);
    assert_int_equal(ops->rename(disk, "db/y", "db/y"), 0);
    assert_int_equal(disk_operations(disk), operations); /* nothing changed */
    assert_contents(disk, "db/y", "one", 3);
    /* The replaced file lives on in its handle. */
    char bytes[5];
    size_t done = 0;
    assert_int_equal(other->ops->read_at(other, 0, bytes, 5, &done), 0);
    assert_int_equal(done, 5);
    assert_memory_equal(bytes, "other", 5);
    struct file *empty = must_open(disk, "db/y", FILE_OVERWRITE);
    assert_contents(disk, "db/y", "", 0);
    assert_int_equal(ops->remove(disk, "db/y"), 0);
    assert_int_equal(ops->remove(disk, "db/y"), ENOENT);
    assert_int_equal(ops->remove(disk, "db"), EISDIR);
    assert_int_equal(ops->sync_directory(disk, "db/y"), ENOENT);
    assert_int_equal(ops->sync_directory(disk, "."), 0);
    assert_int_equal(disk_open_handles(disk), 3);
    assert_int_equal(file->ops->close(file), 0);
    assert_int_equal(other->ops->close(other), 0);
    assert_int_equal(empty->ops->close(empty), 0);
    assert_int_equal(disk_open_handles(disk), 0);
    disk_free(disk);
}

/* Two names of one file are one file; each goes by itself. */
static void test_links(void **state) {
    (void)state;
    struct disk *disk = disk_new();
    const struct file_system_ops *ops = ops_of(disk);
    disk_put_file(disk, "db/a", slice_of("first"));
    disk_put_file(disk, "db/taken", slice_of(""));
    disk_set_capacity(disk, 10);
    assert_int_equal(ops->link(disk, "db/a", "db/taken"), EEXIST);
    assert_int_equal(ops->link(disk, "db/none", "db/b"), ENOENT);
    assert_int_equal(ops->link(disk, "db/a", "none/b"), ENOENT);
    assert_int_equal(ops->link(disk, "db", "b"), EPERM);
    assert_int_equal(ops->link(disk, "db/a", "db/b"), 0);
    assert_int_equal(ops->link(disk, "db/b", "c"), 0);
    struct file *file = must_open(disk, "c", FILE_WRITE);
    must_write(file, 0, "other bytes", 10); /* no name takes room */
    assert_contents(disk, "db/a", "other byte", 10);
    assert_int_equal(ops->remove(disk, "db/a"), 0);
    assert_contents(disk, "db/b", "other byte", 10);
    assert_int_equal(ops->rename(disk, "db/b", "c"), 0); /* rename(2): both stay */
    assert_contents(disk, "db/b", "other byte", 10);
    size_t done = 0;
    assert_int_equal(file->ops->write_at(file, 10, "x", 1, &done), ENOSPC);
    assert_int_equal(ops->remove(disk, "db/b"), 0);
    assert_int_equal(file->ops->write_at(file, 10, "x", 1, &done), ENOSPC);
    assert_int_equal(file->ops->close(file), 0);
    file = must_open(disk, "db/taken", FILE_WRITE);
    assert_int_equal(file->ops->write_at(file, 0, "x", 1, &done), ENOSPC);
    assert_int_equal(ops->remove(disk, "c"), 0);
    must_write(file, 0, "ten bytes.", 10); /* the last name has given its room back */
    assert_int_equal(file->ops->close(file), 0);
    disk_free(disk);
}

static void test_directories_move(void **state) {
    (void)state;
    struct disk *disk = disk_new();
    const struct file_system_ops *ops = ops_of(disk);
    struct slice contents;
    disk_put_file(disk, "a/x", slice_of("x"));
    disk_put_file(disk, "a/deep/y", slice_of("y"));
    disk_put_file(disk, "full/z", slice_of("z"));
    disk_put_file(disk, "ab", slice_of("no child of a"));
    assert_int_equal(ops->make_directory(disk, "empty"), 0);
    assert_int_equal(ops->rename(disk, "a", "full"), ENOTEMPTY);
    assert_int_equal(ops->rename(disk, "a", "ab"), ENOTDIR);
    assert_int_equal(ops->rename(disk, "a", "a/deep/a"), EINVAL);
    assert_int_equal(ops->rename(disk, "a", "none/a"), ENOENT);
    assert_int_equal(ops->rename(disk, "ab", "a"), EISDIR);
    assert_int_equal(ops->rename(disk, "a", "empty"), 0);
    assert_false(disk_read_file(disk, "a/x", &contents));
    assert_contents(disk, "empty/x", "x", 1);
    assert_contents(disk, "empty/deep/y", "y", 1);
    assert_contents(disk, "ab", "no child of a", 13);
    assert_int_equal(ops->make_directory(disk, "a"), 0);
    assert_int_equal(ops->remove_directory(disk, "empty"), ENOTEMPTY);
    assert_int_equal(ops->remove_directory(disk, "ab"), ENOTDIR);
    assert_int_equal(ops->remove_directory(disk, "none"), ENOENT);
    assert_int_equal(ops->remove_directory(disk, "a"), 0);
    assert_int_equal(ops->remove_directory(disk, "a"), ENOENT);
    disk_free(disk);
}

static void test_listing(void **state) {
    (void)state;
    struct disk *disk = disk_new();
    disk_put_file(disk, "db/c", slice_of("3"));
    disk_put_file(disk, "db/a", slice_of("1"));
    disk_put_file(disk, "db/sub/b", slice_of("2"));
    disk_put_file(disk, "d", slice_of("0"));
    char names[100] = "";
    disk_list_files(disk, collect, names);
    assert_string_equal(names, "d db/a db/c db/sub/b ");
    names[0] = '\0';
    assert_int_equal(ops_of(disk)->list(disk, "db", collect, names), 0);
    assert_int_equal(strlen(names), strlen("a c sub "));
    assert_non_null(strstr(names, "a "));
    assert_non_null(strstr(names, "c "));
    assert_non_null(strstr(names, "sub "));
    names[0] = '\0';
    assert_int_equal(ops_of(disk)->list(disk, "/", collect, names), 0);
    assert_int_equal(strlen(names), strlen("db d "));
    assert_int_equal(ops_of(disk)->list(disk, "d", collect, names), ENOTDIR);
    assert_int_equal(ops_of(disk)->list(disk, "no", collect, names), ENOENT);
    disk_free(disk);
}

static void test_locks(void **state) {
    (void)state;
    struct disk *disk = disk_new();
    struct file *lock = NULL;
    struct file *second = NULL;
    assert_int_equal(ops_of(disk)->lock(disk, "LOCK", &lock), 0);
    assert_int_equal(ops_of(disk)->lock(disk, "./LOCK", &second), EAGAIN);
    struct file *plain = must_open(disk, "LOCK", FILE_READ);
    assert_int_equal(plain->ops->close(plain), 0);
    assert_int_equal(ops_of(disk)->lock(disk, "LOCK", &second), EAGAIN);
    assert_int_equal(lock->ops->close(lock), 0);
    assert_int_equal(ops_of(disk)->lock(disk, "LOCK", &second), 0);
    disk_kill(disk);
    assert_int_equal(disk_open_handles(disk), 0);
    assert_int_equal(ops_of(disk)->lock(disk, "LOCK", &second), 0);
    disk_free(disk);
}

/* ---- mappings -------------------------------------------------------------------- */

static void test_two_mappings_of_one_file(void **state) {
    (void)state;
    struct disk *disk = disk_new();
    struct file *file = must_open(disk, "log", FILE_CREATE);
    assert_int_equal(file->ops->truncate(file, 6000), 0);
    void *first = NULL;
    void *second = NULL;
    void *reader = NULL;
    assert_int_equal(file->ops->map(file, 0, 6000, true, &first), 0);
    assert_int_equal(file->ops->map(file, 4096, 1904, true, &second), 0);
    assert_int_equal(file->ops->map(file, 0, 6000, false, &reader), 0);
    assert_int_equal(file->ops->map(file, 100, 10, false, &reader), EINVAL);
    memcpy((char *)first + 5000, "first", 5);
    memcpy((char *)second + 10, "second", 6);
    size_t operations = disk_operations(disk);
    assert_memory_equal((char *)second + 5000 - 4096, "first", 5);
    assert_memory_equal((char *)first + 4106, "second", 6);
    assert_memory_equal((char *)reader + 4106, "second", 6);
    assert_int_equal(disk_operations(disk), operations);
    must_write(file, 5000, "third", 5);
    assert_memory_equal((char *)first + 5000, "third", 5);
    memcpy((char *)first, "last", 4);
    assert_int_equal(file->ops->close(file), 0); /* a mapping outlives its handle */
    assert_int_equal(disk_open_handles(disk), 3);
    memcpy((char *)first + 4, "word", 4);
    disk_kill(disk);
    struct slice contents;
    assert_true(disk_read_file(disk, "log", &contents));
    assert_memory_equal(contents.data, "lastword", 8);
    disk_free(disk);
}

/* ---- capacity -------------------------------------------------------------------- */

static void test_capacity(void **state) {
    (void)state;
    struct disk *disk = disk_new();
    struct file *file = must_open(disk, "a", FILE_CREATE);
    struct file *other = must_open(disk, "b", FILE_CREATE);
    unsigned char bytes[100] = {1};
    size_t done = 0;
    disk_set_capacity(disk, 150);
    assert_int_equal(file->ops->write_at(file, 0, bytes, 100, &done), 0);
    assert_int_equal(done, 100);
    assert_int_equal(other->ops->write_at(other, 0, bytes, 100, &done), 0);
    assert_int_equal(done, 50);
    assert_int_equal(other->ops->write_at(other, 50, bytes, 50, &done), ENOSPC);
    assert_int_equal(other->ops->write_at(other, 0, bytes, 50, &done), 0);
    assert_int_equal(other->ops->allocate(other, 0, 51), ENOSPC);
    assert_int_equal(ops_of(disk)->remove(disk, "a"), 0);
    assert_int_equal(other->ops->allocate(other, 0, 51), ENOSPC); /* still open */
    assert_int_equal(file->ops->close(file), 0);
    assert_int_equal(other->ops->allocate(other, 0, 150), 0);
    assert_int_equal(other->ops->write_at(other, 140, bytes, 20, &done), 0);
    assert_int_equal(done, 10);
    disk_free(disk);
}

/* ---- faults ---------------------------------------------------------------------- */

static void expect_strike(struct disk *disk, const char *words) {
    if (words == NULL) {
        assert_null(disk_fault_struck(disk));
    } else {
        assert_non_null(disk_fault_struck(disk));
        assert_string_equal(disk_fault_struck(disk), words);
    }
}

/* Every kind of call, in order; answers what the n-th answered (n from 1). */
static int calls_until(struct disk *disk, size_t wanted) {
    const struct file_system_ops *ops = ops_of(disk);
    struct file *file = NULL;
    struct file *lock = NULL;
    int answers[16] = {0};
    char bytes[8] = "content";
    uint64_t size = 0;
    size_t done = 0;
    void *map = NULL;
    char names[100] = "";
    answers[1] = ops->make_directory(disk, "db");
    answers[2] = ops->open(disk, "db/a", FILE_OVERWRITE, &file);
    if (file != NULL) {
        answers[3] = file->ops->write_at(file, 0, bytes, 8, &done);
        answers[4] = file->ops->read_at(file, 0, bytes, 8, &done);
        answers[5] = file->ops->sync(file);
        answers[6] = file->ops->allocate(file, 0, 100);
        answers[7] = file->ops->truncate(file, 50);
        answers[8] = file->ops->size(file, &size);
        answers[9] = file->ops->map(file, 0, 50, true, &map);
        if (map != NULL) {
            assert_int_equal(file->ops->unmap(file, map, 50), 0);
        }
        answers[10] = file->ops->close(file);
    }
    answers[11] = ops->lock(disk, "db/LOCK", &lock);
    if (lock != NULL) {
        lock->ops->close(lock);
    }
    answers[12] = ops->rename(disk, "db/a", "db/b");
    answers[13] = ops->sync_directory(disk, "db");
    answers[14] = ops->list(disk, "db", collect, names);
    answers[15] = ops->remove(disk, "db/b");
    return answers[wanted];
}

static void test_every_call_fails(void **state) {
    (void)state;
    static const char *const words[] = {
        NULL,          "make directory db", "open db/a",     "write db/a",
        "read db/a",   "sync db/a",         "allocate db/a", "truncate db/a",
        "size db/a",   "map db/a",          "close db/a",    "lock db/LOCK",
        "rename db/a", "sync directory db", "list db",       "remove db/b"};
    for (size_t n = 1; n <= 15; n++) {
        for (int effect = FAULT_BEFORE; effect <= FAULT_AFTER; effect++) {
            struct disk *disk = disk_new();
            /* The lock's close is call 12: what follows is one further. */
            size_t call = n <= 11 ? n : n + 1;
            disk_set_fault(disk, &(struct fault){.countdown = call,
                                                 .effect = (enum fault_effect)effect,
                                                 .errnum = EIO});
            assert_int_equal(calls_until(disk, n), EIO);
            expect_strike(disk, words[n]);
            assert_int_equal(disk_open_handles(disk), 0);
            disk_free(disk);
        }
    }
}

static void test_fault_before_and_after(void **state) {
    (void)state;
    for (int effect = FAULT_BEFORE; effect <= FAULT_AFTER; effect++) {
        bool done = effect == FAULT_AFTER;
        struct disk *disk = disk_new();
        struct fault fault = {1, (enum fault_effect)effect, EIO, false};
        struct file *file = must_open(disk, "a", FILE_CREATE);
        size_t count = 0;
        disk_set_fault(disk, &fault);
        assert_int_equal(file->ops->write_at(file, 0, "bytes", 5, &count), EIO);
        assert_contents(disk, "a", "bytes", done ? 5 : 0);
        disk_set_fault(disk, &fault);
        assert_int_equal(ops_of(disk)->rename(disk, "a", "b"), EIO);
        struct slice contents;
        assert_int_equal(disk_read_file(disk, "b", &contents), done);
        disk_set_fault(disk, &fault);
        struct file *created = NULL;
        assert_int_equal(ops_of(disk)->open(disk, "c", FILE_CREATE, &created), EIO);
        assert_int_equal(disk_read_file(disk, "c", &contents), done);
        disk_set_fault(disk, &fault);
        assert_int_equal(ops_of(disk)->lock(disk, "LOCK", &created), EIO);
        assert_int_equal(ops_of(disk)->lock(disk, "LOCK", &created), 0);
        disk_free(disk);
    }
}

static void test_short_transfers(void **state) {
    (void)state;
    struct disk *disk = disk_new();
    size_t done = 0;
    disk_set_fault(disk, &(struct fault){1, FAULT_SHORT, EIO, false});
    struct file *file = must_open(disk, "a", FILE_CREATE);
    assert_int_equal(file->ops->sync(file), 0);
    assert_int_equal(file->ops->write_at(file, 0, "x", 1, &done), 0);
    expect_strike(disk, NULL); /* nothing of this can be cut short */
    assert_int_equal(file->ops->write_at(file, 0, "abcdef", 6, &done), 0);
    assert_true(done > 0 && done < 6);
    expect_strike(disk, "write a");
    must_write(file, done, &"abcdef"[done], 6 - done);
    assert_contents(disk, "a", "abcdef", 6);

    disk_set_fault(disk, &(struct fault){1, FAULT_SHORT_ERROR, ENOSPC, false});
    assert_int_equal(file->ops->write_at(file, 6, "ghijkl", 6, &done), 0);
    assert_true(done > 0 && done < 6);
    char bytes[6];
    size_t read = 0;
    assert_int_equal(file->ops->read_at(file, 0, bytes, 6, &read), 0);
    assert_int_equal(file->ops->write_at(file, 6 + done, "l", 1, &read), ENOSPC);
    assert_contents(disk, "a", "abcdefghijkl", 6 + done);
    must_write(file, 6 + done, &"ghijkl"[done], 6 - done);
    assert_contents(disk, "a", "abcdefghijkl", 12);
    disk_free(disk);
}

static void test_persistent_faults(void **state) {
    (void)state;
    struct disk *disk = disk_new();
    size_t done = 0;
    struct file *file = must_open(disk, "a", FILE_CREATE);
    disk_set_fault(disk, &(struct fault){2, FAULT_BEFORE, EIO, true});
    size_t calls = disk_calls(disk);
    assert_int_equal(file->ops->write_at(file, 0, "ab", 2, &done), 0);
    assert_int_equal(file->ops->write_at(file, 2, "cd", 2, &done), EIO);
    assert_int_equal(file->ops->sync(file), 0);
    assert_int_equal(file->ops->write_at(file, 2, "cd", 2, &done), EIO);
    assert_int_equal(disk_calls(disk) - calls, 4);
    disk_set_fault(disk, &(struct fault){1, FAULT_SHORT_ERROR, EIO, true});
    assert_int_equal(file->ops->write_at(file, 2, "cd", 2, &done), 0);
    assert_int_equal(done, 1);
    assert_int_equal(file->ops->write_at(file, 3, "d", 1, &done), EIO);
    assert_int_equal(file->ops->write_at(file, 3, "d", 1, &done), EIO);
    disk_set_fault(disk, &(struct fault){0});
    assert_int_equal(file->ops->write_at(file, 3, "d", 1, &done), 0);
    assert_contents(disk, "a", "abcd", 4);
    disk_free(disk);
}

/* ---- the journal ----------------------------------------------------------------- */

static void test_words(void **state) {
    (void)state;
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    struct disk *disk = disk_new();
    struct file *file = must_open(disk, "1.log", FILE_CREATE);
    unsigned char bytes[1000] = {7};
    must_write(file, 0, bytes, 140);
    assert_int_equal(file->ops->sync(file), 0);
    must_write(file, 140, bytes, 1000);
    disk_set_fault(disk, &(struct fault){1, FAULT_BEFORE, EIO, false});
    assert_int_equal(file->ops->sync(file), EIO);
    must_write(file, 1140, bytes, 10);
    assert_int_equal(ops_of(disk)->rename(disk, "1.log", "2.log"), 0);
    for (size_t i = 0; i < disk_operations(disk); i++) {
        disk_print_operation(disk, i, out);
        fputc('\n', out);
    }
    disk_print(disk, out);
    struct crash crash = {.operation = 4,
                          .fates = {FATE_LOST, FATE_LOST},
                          .split_piece = 1,
                          .split_sectors = 1};
    disk_print_crash(disk, &crash, out);
    fclose(out);
    assert_string_equal(text, "0 create 1.log\n"
                              "1 write 1.log [0, 140)\n"
                              "2 sync 1.log\n"
                              "3 write 1.log [140, 1140)\n"
                              "4 failed sync 1.log\n"
                              "5 write 1.log [1140, 1150)\n"
                              "6 rename 1.log to 2.log\n"
                              "2.log: 1150 bytes, name pending; [0, 140) synced; "
                              "[140, 1140) clean but unwritten; [1140, 1150) pending\n"
                              "power lost (posix) before operation 4 failed sync 1.log; "
                              "pending: 2\n"
                              "  lost: create 1.log\n"
                              "  torn at 512, the rest lost: write 1.log [140, 1140)\n");
    free(text);
    disk_free(disk);
}

static void test_reading_is_not_journalled(void **state) {
    (void)state;
    struct disk *disk = disk_new();
    disk_put_file(disk, "a", slice_of("text"));
    size_t operations = disk_operations(disk);
    char names[10] = "";
    char byte = 0;
    uint64_t size = 0;
    size_t done = 0;
    struct file *file = must_open(disk, "a", FILE_WRITE);
    assert_int_equal(file->ops->read_at(file, 0, &byte, 1, &done), 0);
    assert_int_equal(file->ops->size(file, &size), 0);
    assert_int_equal(ops_of(disk)->list(disk, "", collect, names), 0);
    assert_int_equal(disk_operations(disk), operations);
    disk_free(disk);
}

static void test_flip_and_fingerprint(void **state) {
    (void)state;
    struct disk *disk = disk_new();
    struct disk *same = disk_new();
    disk_put_file(disk, "a", slice_of("text"));
    disk_put_file(disk, "b", slice_of("more"));
    disk_put_file(same, "b", slice_of("more"));
    disk_put_file(same, "a", slice_of("text"));
    uint64_t before = disk_fingerprint(disk);
    assert_int_equal(before, disk_fingerprint(same));
    assert_true(disk_flip_bit(disk, "a", 9));
    assert_contents(disk, "a", "tgxt", 4);
    assert_int_not_equal(before, disk_fingerprint(disk));
    struct crash crash = {.operation = disk_operations(disk)};
    struct disk *image = disk_crash(disk, &crash);
    assert_contents(image, "a", "tgxt", 4);
    disk_free(image);
    assert_true(disk_flip_bit(disk, "a", 9));
    assert_int_equal(before, disk_fingerprint(disk));
    assert_false(disk_flip_bit(disk, "a", 32));
    assert_false(disk_flip_bit(disk, "c", 0));
    disk_put_file(same, "b", slice_of("text"));
    disk_put_file(same, "a", slice_of("more"));
    assert_int_not_equal(before, disk_fingerprint(same)); /* names swapped */
    disk_free(disk);
    disk_free(same);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contents_equal_plain_bytes),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_links),
        cmocka_unit_test(test_directories_move),
        cmocka_unit_test(test_listing),
        cmocka_unit_test(test_locks),
        cmocka_unit_test(test_two_mappings_of_one_file),
        cmocka_unit_test(test_capacity),
        cmocka_unit_test(test_every_call_fails),
        cmocka_unit_test(test_fault_before_and_after),
        cmocka_unit_test(test_short_transfers),
        cmocka_unit_test(test_persistent_faults),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_reading_is_not_journalled),
        cmocka_unit_test(test_flip_and_fingerprint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
