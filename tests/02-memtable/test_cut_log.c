/* A log that somebody else cuts short under an open store, through its mapping: an error
 * with words, and not the end of the process. Each test runs in a process of its own. */
#define TEST_HAS_STAGE
#include "../common/child.h"

#include "../common/directory.h"
#include "kv.h"

enum { CHANGES = 300, KEPT_BYTES = 8192, VALUE_BYTES = 100 };

static char directory[DIRECTORY_BYTES];

static struct kv *open_kv(void) {
    struct kv_options options = kv_options_default();
    struct error error = {0};
    struct kv *kv = NULL;
    options.create = true;
    options.durability = DURABILITY_NONE;
    options.log_region = APPEND_MAPPED;
    if (kv_open(directory, &options, &kv, &error) != STATUS_OK) {
        fprintf(stderr, "%s\n", error.message);
    }
    check(kv != NULL);
    return kv;
}

static void key_of(char key[16], int number) {
    snprintf(key, 16, "key%06d", number);
}

static enum status put(struct kv *kv, int number, struct error *error) {
    char key[16], value[VALUE_BYTES];
    key_of(key, number);
    memset(value, 'a' + number % 26, sizeof value);
    return kv_put(kv, slice_of(key), slice_make(value, sizeof value), NULL, error);
}

/* How many of the first there are without a gap; behind them is none. */
static int count_kept(struct kv *kv, int most) {
    int kept = 0;
    for (int i = 0; i < most; i++) {
        char key[16];
        struct buf value = {0};
        key_of(key, i);
        enum status status = kv_get(kv, slice_of(key), &value, NULL, NULL);
        check(status == STATUS_OK || status == STATUS_NOT_FOUND);
        if (status == STATUS_OK) {
            check(kept == i);
            check(value.length == VALUE_BYTES && value.data[0] == 'a' + i % 26);
            kept++;
        }
        buf_free(&value);
    }
    return kept;
}

static void cut_visited(void *context, const char *name) {
    size_t length = strlen(name);
    if (length > 4 && strcmp(name + length - 4, ".log") == 0) {
        char *path = path_join(directory, name);
        check(truncate(path, KEPT_BYTES) == 0);
        ++*(int *)context;
        memory_give(path);
    }
}

static void cut_log(void) {
    int logs = 0;
    check_ok(directory_list(&file_system_posix, directory, cut_visited, &logs, NULL));
    check(logs == 1);
}

/* A store that has met the cut, and says so. */
static struct kv *fail_by_a_cut(void) {
    struct error error = {0};
    struct kv *kv = open_kv();
    for (int i = 0; i < CHANGES; i++) {
        check_ok(put(kv, i, NULL));
    }
    cut_log();
    check(put(kv, CHANGES, &error) == STATUS_IO);
    check(strstr(error.message, ".log: store at offset "));
    check(strstr(error.message, "the log's pages cannot be had"));
    for (int i = 0; i < 3; i++) {
        check(put(kv, CHANGES, &error) == STATUS_IO);
        check(strstr(error.message, "writes are refused until resume or reopen"));
    }
    check(count_kept(kv, CHANGES) == CHANGES); /* reads go on */
    return kv;
}

static const int there = KEPT_BYTES / (VALUE_BYTES + 40);

/* What was in the part that is there comes back, and writes go on. */
static void reopen_after_a_cut(void) {
    struct kv *kv = fail_by_a_cut();
    check(kv_close(kv, NULL) == STATUS_IO);
    kv = open_kv();
    int kept = count_kept(kv, CHANGES);
    check(kept >= there && kept < CHANGES);
    check_ok(put(kv, kept, NULL));
    check_ok(kv_close(kv, NULL));
    kv = open_kv();
    check(count_kept(kv, CHANGES) == kept + 1);
    check_ok(kv_close(kv, NULL));
}

static void resume_after_a_cut(void) {
    struct kv *kv = fail_by_a_cut();
    check_ok(kv_resume(kv, NULL));
    int kept = count_kept(kv, CHANGES);
    check(kept >= there);
    check_ok(put(kv, kept, NULL));
    check_ok(kv_close(kv, NULL));
    kv = open_kv();
    check(count_kept(kv, CHANGES + 1) == kept + 1);
    check_ok(kv_close(kv, NULL));
}

/* ---- the runs -------------------------------------------------------------------- */

static void reopening_finds_what_is_there(void **state) {
    strcpy(directory, *state);
    assert_returns(reopen_after_a_cut);
}

static void a_resume_takes_writes_again(void **state) {
    strcpy(directory, *state);
    assert_returns(resume_after_a_cut);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reopening_finds_what_is_there, directory_setup,
                                        directory_teardown),
        cmocka_unit_test_setup_teardown(a_resume_takes_writes_again, directory_setup,
                                        directory_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
