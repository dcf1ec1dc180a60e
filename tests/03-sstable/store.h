/* What the tests of the store share that look at its files: a store on the simulated
 * disk, and the lines that it reports. */
#ifndef STRATA_TESTS_STORE_H
#define STRATA_TESTS_STORE_H

#include "../01-wal/simulation.h"

static inline void keep_line(void *lines, const char *line) {
    assert_ok(buf_append_text(lines, line));
    assert_ok(buf_append_text(lines, "\n"));
}

/* The lines as one text, until they are changed. */
static inline const char *text_of(struct buf *lines) {
    assert_ok(buf_append(lines, "", 1));
    lines->length--;
    return (const char *)lines->data;
}

static inline void put_text(struct kv *kv, const char *key, const char *value) {
    assert_ok(kv_put(kv, slice_of(key), slice_of(value), NULL, NULL));
}

static inline void delete_text(struct kv *kv, const char *key) {
    assert_ok(kv_delete(kv, slice_of(key), NULL, NULL));
}

/* NULL: the key is not there. */
static inline void assert_text(struct kv *kv, const char *key, const char *value) {
    struct buf found = {0};
    struct error error = {0};
    enum status status = kv_get(kv, slice_of(key), &found, NULL, &error);
    if (status != (value == NULL ? STATUS_NOT_FOUND : STATUS_OK)) {
        fail_msg("%s: %s: %s", key, status_words(status), error.message);
    }
    if (value != NULL && !slice_equal(buf_slice(&found), slice_of(value))) {
        fail_msg("%s: %.*s, not %s", key, (int)found.length, (const char *)found.data,
                 value);
    }
    buf_free(&found);
}

static inline void note_path(void *context, const char *path) {
    keep_line(context, path);
}

/* The number of the first table, or 0. */
static inline uint64_t some_table(struct simulation *sim) {
    struct buf paths = {0};
    disk_list_files(sim->disk, note_path, &paths);
    const char *text = text_of(&paths);
    uint64_t number = 0;
    for (const char *at = text; (at = strstr(at, "db/0")) != NULL; at += 3) {
        if (number == 0 && strncmp(at + 9, ".ldb", 4) == 0) {
            number = strtoull(at + 3, NULL, 10);
        }
    }
    buf_free(&paths);
    return number;
}

/* Replaces a file by its first bytes. */
static inline void cut_file(struct simulation *sim, const char *path, size_t bytes) {
    struct slice contents = file_bytes(sim, path);
    struct buf kept = {0};
    assert_true(bytes <= contents.length);
    assert_ok(buf_assign(&kept, slice_make(contents.data, bytes)));
    disk_put_file(sim->disk, path, buf_slice(&kept));
    buf_free(&kept);
}

#endif
