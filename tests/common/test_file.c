#include "directory.h"

#include <errno.h>

#include "file.h"

/* ---- a scripted tenant: each call does the next step, then all is well ----------- */

enum { STEPS_MAX = 8, CONTENT_BYTES = 64 };

struct step {
    int errnum;  /* 0: a transfer of `part` bytes at most */
    size_t part; /* SIZE_MAX: all */
};

struct scripted {
    struct file file;
    struct step steps[STEPS_MAX];
    size_t step_count;
    bool forever; /* the last step is repeated */
    size_t calls;
    unsigned char content[CONTENT_BYTES];
    uint64_t last_offset;
};

static struct step next_step(struct scripted *scripted) {
    size_t at = scripted->calls++;
    if (scripted->forever && at >= scripted->step_count) {
        at = scripted->step_count - 1;
    }
    return at < scripted->step_count ? scripted->steps[at] : (struct step){0, SIZE_MAX};
}

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

static int scripted_read_at(struct file *file, uint64_t offset, void *bytes, size_t count,
                            size_t *done) {
    struct scripted *scripted = (struct scripted *)file;
    struct step step = next_step(scripted);
    scripted->last_offset = offset;
    if (step.errnum == 0) {
        size_t rest = offset < CONTENT_BYTES ? CONTENT_BYTES - offset : 0;
        *done = least(least(count, step.part), rest);
        memcpy(bytes, scripted->content + offset, *done);
    }
    return step.errnum;
}

static int scripted_write_at(struct file *file, uint64_t offset, const void *bytes,
                             size_t count, size_t *done) {
    struct scripted *scripted = (struct scripted *)file;
    struct step step = next_step(scripted);
    scripted->last_offset = offset;
    if (step.errnum == 0) {
        *done = least(count, step.part);
        memcpy(scripted->content + offset, bytes, *done);
    }
    return step.errnum;
}

static int scripted_sync(struct file *file) {
    return next_step((struct scripted *)file).errnum;
}

static int scripted_with_length(struct file *file, uint64_t bytes) {
    (void)bytes;
    return next_step((struct scripted *)file).errnum;
}

static int scripted_allocate(struct file *file, uint64_t offset, uint64_t bytes) {
    (void)offset;
    (void)bytes;
    return next_step((struct scripted *)file).errnum;
}

static int scripted_size(struct file *file, uint64_t *bytes) {
    *bytes = CONTENT_BYTES;
    return next_step((struct scripted *)file).errnum;
}

static int scripted_map(struct file *file, uint64_t offset, size_t bytes, bool writable,
                        void **address) {
    (void)offset;
    (void)bytes;
    (void)writable;
    *address = file;
    return next_step((struct scripted *)file).errnum;
}

static int scripted_unmap(struct file *file, void *address, size_t bytes) {
    (void)address;
    (void)bytes;
    return next_step((struct scripted *)file).errnum;
}

static int scripted_close(struct file *file) {
    int errnum = next_step((struct scripted *)file).errnum;
    memory_give(file->path);
    file->path = NULL; /* reading it after this is a fault */
    return errnum;
}

static const struct file_ops scripted_ops = {
    scripted_read_at,  scripted_write_at,
    scripted_sync,     scripted_with_length,
    scripted_allocate, scripted_size,
    scripted_map,      scripted_unmap,
    scripted_close,    NULL,
};

static struct scripted script(const struct step *steps, size_t count, bool forever) {
    static char path[] = "db/000001.log";
    struct scripted scripted = {.file = {&scripted_ops, path}, .forever = forever};
    memcpy(scripted.steps, steps, count * sizeof steps[0]);
    scripted.step_count = count;
    for (size_t i = 0; i < CONTENT_BYTES; i++) {
        scripted.content[i] = (unsigned char)i;
    }
    return scripted;
}

#define SCRIPT(forever, ...)                                                             \
    script((struct step[]){__VA_ARGS__},                                                 \
           sizeof(struct step[]){__VA_ARGS__} / sizeof(struct step), forever)

static void short_and_interrupted_reads_are_finished(void **state) {
    (void)state;
    struct scripted scripted =
        SCRIPT(false, {0, 1}, {EINTR, 0}, {EINTR, 0}, {0, 3}, {0, 10});
    unsigned char bytes[40];
    size_t done = 0;
    struct error error = {0};
    assert_ok(file_read(&scripted.file, 8, bytes, sizeof bytes, &done, &error));
    assert_int_equal(done, 40);
    assert_memory_equal(bytes, scripted.content + 8, 40);
    assert_int_equal(scripted.calls, 6);
}

static void a_read_past_the_end_is_short(void **state) {
    (void)state;
    struct scripted scripted = SCRIPT(false, {0, 5});
    unsigned char bytes[40];
    size_t done = 99;
    assert_ok(file_read(&scripted.file, 44, bytes, sizeof bytes, &done, NULL));
    assert_int_equal(done, 20);
    assert_memory_equal(bytes, scripted.content + 44, 20);
}

static void a_failed_read_names_path_and_offset(void **state) {
    (void)state;
    struct scripted scripted = SCRIPT(false, {0, 5}, {EIO, 0});
    unsigned char bytes[40];
    size_t done = 99;
    struct error error = {0};
    assert_int_equal(file_read(&scripted.file, 7, bytes, sizeof bytes, &done, &error),
                     STATUS_IO);
    assert_int_equal(done, 99);
    assert_string_equal(error.message,
                        "db/000001.log: read at offset 12: Input/output error");
}

static void short_and_interrupted_writes_are_finished(void **state) {
    (void)state;
    struct scripted scripted = SCRIPT(false, {0, 2}, {EINTR, 0}, {0, 3}, {EINTR, 0});
    assert_ok(file_write(&scripted.file, 5, "0123456789", 10, NULL));
    assert_memory_equal(scripted.content + 5, "0123456789", 10);
    assert_int_equal(scripted.content[4], 4);
    assert_int_equal(scripted.content[15], 15);
    assert_int_equal(scripted.calls, 5);
}

static void a_failed_write_names_path_and_offset(void **state) {
    (void)state;
    struct scripted scripted = SCRIPT(false, {0, 4}, {ENOSPC, 0});
    struct error error = {0};
    assert_int_equal(file_write(&scripted.file, 5, "0123456789", 10, &error),
                     STATUS_NO_SPACE);
    assert_string_equal(error.message,
                        "db/000001.log: write at offset 9: No space left on device");
}

static void a_write_that_takes_nothing_fails(void **state) {
    (void)state;
    struct scripted scripted = SCRIPT(true, {0, 4}, {0, 0});
    struct error error = {0};
    assert_int_equal(file_write(&scripted.file, 5, "0123456789", 10, &error), STATUS_IO);
    assert_message_has(error, "db/000001.log: write at offset 9");
    assert_int_equal(scripted.calls, 2);
}

static void endless_interruption_ends(void **state) {
    (void)state;
    struct scripted scripted = SCRIPT(true, {EINTR, 0});
    unsigned char bytes[4];
    size_t done;
    uint64_t size;
    assert_int_equal(file_write(&scripted.file, 0, "x", 1, NULL), STATUS_IO);
    assert_int_equal(file_read(&scripted.file, 0, bytes, 4, &done, NULL), STATUS_IO);
    assert_int_equal(file_size(&scripted.file, &size, NULL), STATUS_IO);
    assert_int_equal(file_truncate(&scripted.file, 1, NULL), STATUS_IO);
}

static void a_sync_is_asked_for_once(void **state) {
    (void)state;
    static const int errnums[] = {EINTR, EIO};
    for (size_t i = 0; i < 2; i++) {
        struct scripted scripted = SCRIPT(false, {errnums[i], 0});
        struct error error = {0};
        assert_int_equal(file_sync(&scripted.file, &error), STATUS_IO);
        assert_message_has(error, "db/000001.log: sync");
        assert_int_equal(scripted.calls, 1);
    }
}

static void other_failures_name_what_failed(void **state) {
    (void)state;
    struct error error = {0};
    struct scripted scripted = SCRIPT(true, {EIO, 0});
    assert_int_equal(file_truncate(&scripted.file, 4096, &error), STATUS_IO);
    assert_message_has(error, "db/000001.log: truncate to 4096 bytes: Input/output");
    uint64_t size = 99;
    assert_int_equal(file_size(&scripted.file, &size, &error), STATUS_IO);
    assert_message_has(error, "db/000001.log: size: Input/output");
    assert_int_equal(file_allocate(&scripted.file, 10, 20, &error), STATUS_IO);
    assert_message_has(error, "db/000001.log: allocate 20 bytes at offset 10: Input");
    void *address;
    assert_int_equal(file_map(&scripted.file, 4096, 20, true, &address, &error),
                     STATUS_IO);
    assert_message_has(error, "db/000001.log: map 20 bytes at offset 4096: Input");
    assert_int_equal(file_unmap(&scripted.file, &address, 20, &error), STATUS_IO);
    assert_message_has(error, "db/000001.log: unmap 20 bytes: Input");
    scripted.file.path = memory_copy_text("db/000001.log");
    assert_int_equal(file_close(&scripted.file, &error), STATUS_IO);
    assert_string_equal(error.message, "db/000001.log: close: Input/output error");

    scripted = SCRIPT(true, {EOPNOTSUPP, 0});
    assert_int_equal(file_allocate(&scripted.file, 0, 20, &error), STATUS_UNSUPPORTED);
    scripted = SCRIPT(true, {ENOSPC, 0});
    assert_int_equal(file_allocate(&scripted.file, 0, 20, &error), STATUS_NO_SPACE);
    assert_ok(file_close(NULL, &error));
}

/* The failure is asked for, comes, and is nobody's. */
static void a_release_closes_and_says_nothing(void **state) {
    (void)state;
    struct scripted scripted = SCRIPT(true, {EIO, 0});
    scripted.file.path = memory_copy_text("db/000001.log");
    file_release(&scripted.file);
    assert_int_equal(scripted.calls, 1);
    file_release(NULL);
}

/* ---- the POSIX tenant ------------------------------------------------------------ */

static const struct file_system *const files = &file_system_posix;

static struct file *open_file(const char *path, enum file_mode mode) {
    struct file *file = NULL;
    assert_ok(file_open(files, path, mode, &file, NULL));
    assert_string_equal(file->path, path);
    return file;
}

static void modes_of_opening(void **state) {
    char *path = path_join(*state, "modes");
    struct file *file = NULL;
    struct error error = {0};
    assert_int_equal(file_open(files, path, FILE_READ, &file, &error), STATUS_NOT_FOUND);
    assert_message_has(error, path);
    assert_int_equal(file_open(files, path, FILE_WRITE, &file, &error), STATUS_NOT_FOUND);
    file = open_file(path, FILE_CREATE);
    assert_ok(file_write(file, 0, "abc", 3, &error));
    assert_ok(file_close(file, &error));
    assert_int_equal(file_open(files, path, FILE_CREATE, &file, &error), STATUS_IO);
    assert_message_has(error, "create: File exists");

    uint64_t size = 0;
    file = open_file(path, FILE_WRITE);
    assert_ok(file_size(file, &size, &error));
    assert_int_equal(size, 3);
    assert_ok(file_close(file, &error));
    file = open_file(path, FILE_READ);
    assert_int_equal(file_write(file, 0, "x", 1, &error), STATUS_IO);
    assert_message_has(error, "write at offset 0");
    assert_ok(file_close(file, &error));
    file = open_file(path, FILE_OVERWRITE);
    assert_ok(file_size(file, &size, &error));
    assert_int_equal(size, 0);
    assert_ok(file_close(file, &error));
    memory_give(path);
}

static void contents_come_back(void **state) {
    char *path = path_join(*state, "contents");
    struct file *file = open_file(path, FILE_CREATE);
    struct error error = {0};
    assert_ok(file_write(file, 3, "defg", 4, &error));
    assert_ok(file_write(file, 0, "abc", 3, &error));
    assert_ok(file_sync(file, &error));
    char bytes[10];
    size_t done = 0;
    assert_ok(file_read(file, 1, bytes, sizeof bytes, &done, &error));
    assert_int_equal(done, 6);
    assert_memory_equal(bytes, "bcdefg", 6);
    assert_ok(file_read(file, 7, bytes, sizeof bytes, &done, &error));
    assert_int_equal(done, 0);

    assert_ok(file_truncate(file, 2, &error));
    assert_ok(file_truncate(file, 4, &error));
    assert_ok(file_read(file, 0, bytes, sizeof bytes, &done, &error));
    assert_int_equal(done, 4);
    assert_memory_equal(bytes, "ab\0\0", 4);

    assert_ok(file_allocate(file, 4, 10000, &error));
    uint64_t size = 0;
    assert_ok(file_size(file, &size, &error));
    assert_int_equal(size, 10004);

    unsigned char *window;
    void *address = NULL;
    assert_ok(file_map(file, 4096, 5000, true, &address, &error));
    window = address;
    assert_int_equal(window[0], 0);
    memcpy(window + 10, "mapped", 6);
    assert_ok(file_sync(file, &error));
    assert_ok(file_read(file, 4096 + 10, bytes, 6, &done, &error));
    assert_memory_equal(bytes, "mapped", 6);
    assert_ok(file_unmap(file, address, 5000, &error));
    assert_ok(file_close(file, &error));
    memory_give(path);
}

struct names {
    char found[8][32];
    size_t count;
};

static void note_name(void *context, const char *name) {
    struct names *names = context;
    assert_true(names->count < 8);
    (void)snprintf(names->found[names->count++], sizeof names->found[0], "%s", name);
}

static void what_is_at_hand(void **state) {
    static const char data[FILE_AT_HAND_BYTES + 1];
    char *path = path_join(*state, "at-hand");
    struct file *file = open_file(path, FILE_CREATE);
    assert_ok(file_write(file, 0, data, sizeof data, NULL));
    assert_int_equal(file_at_hand(file, 0, 100), file_at_hand(file, 1, sizeof data - 1));
    assert_false(file_at_hand(file, 0, sizeof data));
    assert_false(file_at_hand(file, sizeof data - 1, 2));
    assert_ok(file_close(file, NULL));
    memory_give(path);
}

static void directories(void **state) {
    struct error error = {0};
    char *dir = path_join(*state, "inner");
    char *a = path_join(dir, "a");
    char *b = path_join(dir, "b");
    struct names names = {0};
    assert_int_equal(directory_list(files, dir, note_name, &names, &error),
                     STATUS_NOT_FOUND);
    assert_message_has(error, dir);
    assert_int_equal(directory_sync(files, dir, &error), STATUS_NOT_FOUND);
    assert_message_has(error, dir);
    assert_ok(directory_make(files, dir, &error));
    assert_ok(directory_make(files, dir, &error));
    assert_int_equal(directory_make(files, b + strlen(b), &error), STATUS_NOT_FOUND);
    assert_ok(directory_list(files, dir, note_name, &names, &error));
    assert_int_equal(names.count, 0);

    assert_ok(file_close(open_file(a, FILE_CREATE), &error));
    assert_ok(file_rename(files, a, b, &error));
    assert_ok(directory_sync(files, dir, &error));
    assert_int_equal(file_rename(files, a, b, &error), STATUS_NOT_FOUND);
    assert_message_has(error, "rename to");
    assert_int_equal(file_remove(files, a, &error), STATUS_NOT_FOUND);
    assert_message_has(error, "remove: No such file");
    assert_ok(directory_list(files, dir, note_name, &names, &error));
    assert_int_equal(names.count, 1);
    assert_string_equal(names.found[0], "b");
    assert_ok(file_close(open_file(a, FILE_CREATE), &error));
    assert_ok(file_rename(files, b, a, &error));
    assert_ok(file_remove(files, a, &error));
    memory_give(a);
    memory_give(b);
    memory_give(dir);
}

static void a_lock_excludes_a_second_one(void **state) {
    struct error error = {0};
    char *path = path_join(*state, "LOCK");
    struct file *first = NULL, *second = NULL;
    assert_ok(file_lock(files, path, &first, &error));
    assert_int_equal(file_lock(files, path, &second, &error), STATUS_BUSY);
    assert_int_equal(error.locked_bytes, strlen(path));
    assert_memory_equal(error.message, path, strlen(path));
    assert_null(second);
    assert_ok(file_close(first, &error));
    assert_ok(file_lock(files, path, &second, &error));
    assert_ok(file_close(second, &error));
    assert_int_equal(file_lock(files, *state, &second, &error), STATUS_IO);
    memory_give(path);
}

static int refuse(void *state, const char *from, const char *to) {
    (void)from;
    (void)to;
    return *(const int *)state;
}

/* Two names of one file on the real file system; where there can be none it is told apart
 * from other failures. */
static void links(void **state) {
    const struct file_system *real = &file_system_posix;
    struct error error = {0};
    struct file *file = NULL;
    uint64_t bytes = 0;
    char *a = path_join(*state, "one"), *b = path_join(*state, "other");
    char *dir = path_join(*state, "moved"), *to = path_join(*state, "there");
    assert_ok(file_open(real, a, FILE_CREATE, &file, &error));
    assert_ok(file_link(real, a, b, &error));
    assert_ok(file_write(file, 0, "bytes", 5, &error));
    assert_ok(file_close(file, &error));
    assert_int_equal(file_link(real, a, b, &error), STATUS_IO);
    assert_message_has(error, "one: link as ");
    assert_ok(file_remove(real, a, &error));
    assert_int_equal(file_link(real, a, dir, &error), STATUS_NOT_FOUND);
    assert_ok(file_open(real, b, FILE_READ, &file, &error));
    assert_ok(file_size(file, &bytes, &error));
    assert_int_equal(bytes, 5);
    file_release(file);
    assert_ok(directory_make(real, dir, &error));
    assert_ok(file_rename(real, dir, to, &error));
    assert_int_equal(directory_unmake(real, dir, &error), STATUS_NOT_FOUND);
    assert_ok(directory_unmake(real, to, &error));
    assert_ok(file_remove(real, b, &error));
    static const int errnos[] = {EXDEV, EPERM, EMLINK, EOPNOTSUPP, ENOSYS, EIO};
    for (size_t i = 0; i < sizeof errnos / sizeof errnos[0]; i++) {
        int errnum = errnos[i];
        const struct file_system_ops ops = {.link = refuse};
        const struct file_system without = {&ops, &errnum};
        assert_int_equal(file_link(&without, a, b, &error),
                         errnum == EIO ? STATUS_IO : STATUS_UNSUPPORTED);
    }
    memory_give(a);
    memory_give(b);
    memory_give(dir);
    memory_give(to);
}

static void paths_have_parents(void **state) {
    (void)state;
    static const char *const cases[][2] = {{"a", "."},      {"a/", "."}, {"a/b", "a/"},
                                           {"a/b//", "a/"}, {"/a", "/"}, {"/", "/"},
                                           {"../a", "../"}, {"", "."}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *parent = path_parent(cases[i][0]);
        assert_string_equal(parent, cases[i][1]);
        memory_give(parent);
    }
}

static void paths_are_joined(void **state) {
    (void)state;
    static const char *const cases[][3] = {
        {"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"/", "b", "/b"}, {"", "b", "b"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *path = path_join(cases[i][0], cases[i][1]);
        assert_string_equal(path, cases[i][2]);
        memory_give(path);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_and_interrupted_reads_are_finished),
        cmocka_unit_test(a_read_past_the_end_is_short),
        cmocka_unit_test(a_failed_read_names_path_and_offset),
        cmocka_unit_test(short_and_interrupted_writes_are_finished),
        cmocka_unit_test(a_failed_write_names_path_and_offset),
        cmocka_unit_test(a_write_that_takes_nothing_fails),
        cmocka_unit_test(endless_interruption_ends),
        cmocka_unit_test(a_sync_is_asked_for_once),
        cmocka_unit_test(other_failures_name_what_failed),
        cmocka_unit_test(a_release_closes_and_says_nothing),
        cmocka_unit_test(modes_of_opening),
        cmocka_unit_test(contents_come_back),
        cmocka_unit_test(what_is_at_hand),
        cmocka_unit_test(directories),
        cmocka_unit_test(a_lock_excludes_a_second_one),
        cmocka_unit_test(paths_are_joined),
        cmocka_unit_test(paths_have_parents),
        cmocka_unit_test(links),
    };
    return cmocka_run_group_tests(tests, directory_setup, directory_teardown);
}
