/* What a store must answer to a directory that is not as it left it. */
#ifndef STRATA_TESTS_BAD_INPUT_H
#define STRATA_TESTS_BAD_INPUT_H

#include "store.h"

/* Two tables with the keys "a" and "b", and a log with "c". */
static inline void make_store(struct simulation *sim) {
    simulation_begin(sim);
    struct kv *kv = open_store(sim);
    put_text(kv, "a", "1");
    assert_ok(kv_flush(kv, NULL));
    put_text(kv, "b", "2");
    assert_ok(kv_flush(kv, NULL));
    put_text(kv, "c", "3");
    assert_ok(kv_close(kv, NULL));
}

static inline void remove_file(struct simulation *sim, const char *path) {
    assert_ok(file_remove(sim->world.files, path, NULL));
    assert_ok(directory_sync(sim->world.files, "db", NULL));
}

/* Each read is right, or fails with the status and these words. Answers how many fail. */
static inline size_t failing_reads(struct kv *kv, enum status status, const char *words) {
    static const char *const keys[] = {"a", "b", "c"};
    static const char *const values[] = {"1", "2", "3"};
    struct buf found = {0};
    struct iter *iter = NULL;
    size_t failing = 0;
    for (size_t i = 0; i < 3; i++) {
        struct error error = {0};
        enum status got = kv_get(kv, slice_of(keys[i]), &found, NULL, &error);
        if (got == STATUS_OK) {
            assert_true(slice_equal(buf_slice(&found), slice_of(values[i])));
        } else {
            assert_int_equal(got, status);
            assert_message_has(error, words);
            failing++;
        }
    }
    buf_free(&found);
    size_t seen = 0;
    assert_ok(kv_iter(kv, &(struct kv_iter_options){0}, &iter, NULL));
    for (iter_first(iter); iter->valid; iter_next(iter)) {
        assert_true(slice_equal(iter->key, slice_of(keys[seen])));
        seen++;
    }
    if (iter->error.status != STATUS_OK) {
        assert_int_equal(iter->error.status, status);
        assert_message_has(iter->error, words);
        failing++;
    } else {
        assert_int_equal(seen, 3);
    }
    iter_close(iter);
    return failing;
}

/* Open, or else reads, and verify fail with the status and the words; nothing changes. */
static inline void assert_bad(struct simulation *sim, enum status status,
                              const char *words) {
    struct kv *kv = NULL;
    struct buf lines = {0};
    struct error error = {0};
    uint64_t before = disk_fingerprint(sim->disk);
    enum status verified = kv_verify("db", &sim->options, keep_line, &lines, &error);
    if (verified != status || strstr(error.message, words) == NULL) {
        fail_msg("verify of %s: %s: %s", words, status_words(verified), error.message);
    }
    buf_free(&lines);
    error = (struct error){0};
    enum status opened = kv_open("db", &sim->options, &kv, &error);
    if (opened == STATUS_OK) {
        assert_true(failing_reads(kv, status, words) > 0);
        assert_ok(kv_close(kv, NULL));
    } else if (opened != status || strstr(error.message, words) == NULL) {
        fail_msg("open of %s: %s: %s", words, status_words(opened), error.message);
    } else {
        assert_true(disk_fingerprint(sim->disk) == before);
    }
    assert_int_equal(disk_open_handles(sim->disk), 0);
}

#endif
