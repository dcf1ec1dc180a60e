/* Walks of seek, next and prev against what a reader must see; and what goes wrong
 * underneath. */
#define TEST_HAS_STAGE
#include "../common/support.h"

#include "counted_memory.h"
#include "user_iter.h"
#include "versions.h"

/* What is visible, sorted. */
struct picture {
    const struct version *entries[VERSIONS_MAX];
    size_t count;
};

static int compare_keys(const void *left, const void *right) {
    return slice_compare(version_key(*(const struct version *const *)left),
                         version_key(*(const struct version *const *)right));
}

static void take_picture(struct picture *picture, const struct history *history,
                         const struct user_iter_options *options) {
    picture->count = 0;
    for (size_t i = 0; i < history->count && i < options->sequence; i++) {
        const struct version *version = &history->versions[i];
        struct slice key = version_key(version);
        if (version->type == KV_PUT &&
            history_find(history, key, options->sequence) == version &&
            !(slice_present(options->from) && slice_compare(key, options->from) < 0) &&
            !(slice_present(options->to) && slice_compare(key, options->to) >= 0)) {
            picture->entries[picture->count++] = version;
        }
    }
    qsort(picture->entries, picture->count, sizeof(struct version *), compare_keys);
}

/* The index of the first entry at or after key. */
static size_t find(const struct picture *picture, struct slice key) {
    size_t at = 0;
    while (at < picture->count &&
           slice_compare(version_key(picture->entries[at]), key) < 0) {
        at++;
    }
    return at;
}

/* `at` == count: nowhere. */
static void assert_at(const struct iter *iter, const struct picture *picture, size_t at) {
    assert_int_equal(iter->error.status, STATUS_OK);
    assert_int_equal(iter->valid, at < picture->count);
    if (iter->valid) {
        assert_true(slice_equal(iter->key, version_key(picture->entries[at])));
        assert_true(slice_equal(iter->value, slice_of(picture->entries[at]->value)));
    }
}

static size_t before(const struct picture *picture, size_t at) {
    return at == 0 ? picture->count : at - 1;
}

/* A step of the walk, here and there; answers where it must be. */
static size_t step(struct iter *iter, const struct picture *picture, size_t at,
                   uint64_t keys, uint64_t *random) {
    struct version target = random_version(random, keys + 2);
    struct slice key = version_key(&target);
    switch (random_below(random, 10)) {
    case 0:
        iter_first(iter);
        return 0;
    case 1:
        iter_last(iter);
        return before(picture, picture->count);
    case 2:
    case 3:
        iter_seek(iter, key);
        return find(picture, key);
    case 4:
    case 5:
        iter_seek_before(iter, key);
        return before(picture, find(picture, key));
    default:
        if (!iter->valid) {
            return at;
        }
        if (random_below(random, 2) == 0) {
            iter_next(iter);
            return at + 1;
        }
        iter_prev(iter);
        return before(picture, at);
    }
}

static struct user_iter_options random_options(const struct history *history,
                                               struct version bounds[2], uint64_t keys,
                                               uint64_t *random) {
    struct user_iter_options options = {.sequence =
                                            random_below(random, history->count + 2)};
    bounds[0] = random_version(random, keys + 2);
    bounds[1] = random_version(random, keys + 2);
    if (random_below(random, 3) == 0) {
        options.from = version_key(&bounds[0]);
    }
    if (random_below(random, 3) == 0) {
        options.to = version_key(&bounds[1]);
    }
    return options;
}

/* Few keys have many versions, so that they are sought past, many have few. Writing goes
 * on meanwhile and must not be seen. */
static void walks_equal_the_model(void **state) {
    (void)state;
    uint64_t random = test_seed();
    static struct history history;
    static struct picture picture;
    for (int round = 0; round < 600; round++) {
        struct memtable *memtable = memtable_open(0);
        struct version bounds[2];
        struct iter *iter;
        uint64_t keys = 1 + random_below(&random, round % 2 == 0 ? 6 : 60);
        size_t count = random_below(&random, VERSIONS_MAX - 100);
        for (history.count = 0; history.count < count;) {
            history_add(&history, memtable, random_version(&random, keys));
        }
        struct user_iter_options options =
            random_options(&history, bounds, keys, &random);
        options.sequence = options.sequence > count ? count : options.sequence;
        take_picture(&picture, &history, &options);
        assert_ok(user_iter_open(memtable_iter(memtable), &options, &iter, NULL));
        memset(bounds, 'x', sizeof bounds); /* they were copied */
        assert_false(iter->valid);
        size_t at = picture.count;
        for (int i = 0; i < 200; i++) {
            at = step(iter, &picture, at, keys, &random);
            assert_at(iter, &picture, at);
            if (history.count < VERSIONS_MAX && i % 4 == 0) {
                history_add(&history, memtable, random_version(&random, keys));
            }
        }
        iter_close(iter);
        memtable_unref(memtable);
    }
}

/* Any allocation may fail: the iterator says so, and works again afterwards. */
static void no_memory_ends_a_move(void **state) {
    (void)state;
    uint64_t random = test_seed();
    static struct history history;
    struct memtable *memtable = memtable_open(0);
    for (history.count = 0; history.count < VERSIONS_MAX;) {
        history_add(&history, memtable, random_version(&random, 20));
    }
    const struct user_iter_options options = {slice_of("a"), slice_of("e"),
                                              VERSIONS_MAX / 2};
    static struct picture picture;
    take_picture(&picture, &history, &options);
    size_t blocks = counted_memory_blocks();
    size_t failures = 0;
    bool failed = true;
    for (size_t countdown = 1; failed; countdown++) {
        struct iter *inner = memtable_iter(memtable);
        struct iter *iter;
        counted_memory_fail(countdown, false);
        enum status status = user_iter_open(inner, &options, &iter, NULL);
        if (status == STATUS_OK) {
            for (iter_first(iter); iter->valid; iter_next(iter)) {
            }
            status = iter->error.status;
        }
        if (status == STATUS_OK) {
            for (iter_last(iter); iter->valid; iter_prev(iter)) {
            }
            status = iter->error.status;
        }
        failed = counted_memory_failed();
        counted_memory_fail(0, false);
        assert_int_equal(status, failed ? STATUS_NO_MEMORY : STATUS_OK);
        failures += failed;
        if (countdown > 2) { /* it was opened */
            iter_first(iter);
            assert_at(iter, &picture, 0);
            iter_close(iter);
        }
        assert_int_equal(counted_memory_blocks(), blocks);
    }
    assert_in_range(failures, 4, 50);
    memtable_unref(memtable);
}

/* ---- an inner iterator that fails ------------------------------------------------ */

/* Shows `good` entries a, b, … and then a bad key, or an error. */
struct failing {
    struct iter iter;
    size_t good;
    size_t at;
    bool error; /* else a key that is none */
    unsigned char key[1 + TAG_BYTES];
};

static void failing_show(struct iter *iter) {
    struct failing *failing = (struct failing *)iter;
    iter->valid = failing->at < failing->good || !failing->error;
    if (failing->at < failing->good) {
        failing->key[0] = (unsigned char)('a' + failing->at);
        encode_fixed64(failing->key + 1, tag_make(1, KV_PUT));
        iter->key = slice_make(failing->key, sizeof failing->key);
        iter->value = slice_of("value");
    } else if (failing->error) {
        error_set(&iter->error, STATUS_IO, "cannot read it");
    } else {
        iter->key = slice_of("short");
        iter->value = slice_of("");
    }
}

static void failing_first(struct iter *iter) {
    ((struct failing *)iter)->at = 0;
    failing_show(iter);
}

static void failing_next(struct iter *iter) {
    ((struct failing *)iter)->at++;
    failing_show(iter);
}

static void failing_seek(struct iter *iter, struct slice key) {
    (void)key;
    ((struct failing *)iter)->at = ((struct failing *)iter)->good;
    failing_show(iter);
}

static void failing_last(struct iter *iter) {
    failing_seek(iter, iter->key);
}

static void failing_close(struct iter *iter) {
    (void)iter;
}

static const struct iter_ops failing_ops = {failing_first, failing_last, failing_seek,
                                            failing_seek,  failing_next, failing_last,
                                            failing_close};

/* An error is no end: the walk stops, and says why. */
static void errors_are_passed_on(void **state) {
    (void)state;
    const struct user_iter_options options = {.sequence = 5};
    for (int kind = 0; kind < 2; kind++) {
        struct failing failing = {
            .iter = {.ops = &failing_ops}, .good = 2, .error = kind == 0};
        enum status expected = kind == 0 ? STATUS_IO : STATUS_CORRUPT;
        struct iter *iter;
        size_t count = 0;
        assert_ok(user_iter_open(&failing.iter, &options, &iter, NULL));
        for (iter_first(iter); iter->valid; iter_next(iter)) {
            count++;
        }
        assert_int_equal(count, 2);
        assert_int_equal(iter->error.status, expected);
        iter_last(iter);
        assert_false(iter->valid);
        assert_int_equal(iter->error.status, expected);
        iter_seek_before(iter, slice_of("b"));
        assert_int_equal(iter->error.status, expected);
        failing.iter.error = (struct error){0};
        iter_first(iter);
        assert_true(iter->valid);
        assert_int_equal(iter->error.status, STATUS_OK);
        iter_prev(iter); /* turns round by a seek, which fails */
        assert_false(iter->valid);
        assert_int_equal(iter->error.status, expected);
        iter_close(iter);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(walks_equal_the_model),
        cmocka_unit_test(no_memory_ends_a_move),
        cmocka_unit_test(errors_are_passed_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
