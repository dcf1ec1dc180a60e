/* The model against a naive replay: a list of operations, and the answer found by running
 * through all of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model.h"
#include "tape.h"

enum { KEYS = 4, CHANGES = 12, OPS = 3 };

static const char *const keys[KEYS] = {"", "a", "aa", "b"};
static const char *const values[] = {"", "1", "2", "33"};

struct naive_change {
    struct kv_op ops[OPS];
    size_t count; /* 0: an erasure */
};

static struct naive_change draw_change(uint64_t *random) {
    struct naive_change change = {.count = random_below(random, OPS + 1)};
    for (size_t i = 0; i < change.count; i++) {
        bool put = random_below(random, 3) > 0;
        change.ops[i] = (struct kv_op){put ? KV_PUT : KV_DELETE,
                                       slice_of(keys[random_below(random, KEYS)]),
                                       slice_of(values[random_below(random, 4)])};
    }
    return change;
}

/* What stands under each key after the changes; NULL: nothing. */
static void replay(const struct naive_change *changes, size_t count,
                   const struct kv_op *state[KEYS]) {
    memset(state, 0, KEYS * sizeof *state);
    for (size_t i = 0; i < count; i++) {
        if (changes[i].count == 0) {
            memset(state, 0, KEYS * sizeof *state);
        }
        for (size_t j = 0; j < changes[i].count; j++) {
            for (size_t key = 0; key < KEYS; key++) {
                if (slice_equal(changes[i].ops[j].key, slice_of(keys[key]))) {
                    state[key] =
                        changes[i].ops[j].type == KV_PUT ? &changes[i].ops[j] : NULL;
                }
            }
        }
    }
}

static void same(const struct model_version *version, const struct kv_op *op) {
    assert_int_equal(version == NULL, op == NULL);
    if (op != NULL) {
        assert_true(slice_equal(version->key, op->key));
        assert_true(slice_equal(version->value, op->value));
    }
}

static void compare_after(const struct model *model, const struct naive_change *changes,
                          size_t count) {
    const struct model_at at = {count, 0};
    const struct kv_op *state[KEYS];
    replay(changes, count, state);
    const struct kv_op *before = NULL;
    for (size_t key = 0; key < KEYS; key++) {
        same(model_get(model, slice_of(keys[key]), at), state[key]);
        same(model_previous(model, slice_of(keys[key]), at), before);
        before = state[key] != NULL ? state[key] : before;
    }
    same(model_previous(model, (struct slice){0}, at), before);
    const struct kv_op *after = NULL;
    for (size_t key = KEYS; key-- > 0;) {
        same(model_next(model, slice_of(keys[key]), false, at), after);
        after = state[key] != NULL ? state[key] : after;
        same(model_next(model, slice_of(keys[key]), true, at), after);
    }
    same(model_next(model, (struct slice){0}, true, at), after);
}

static void answers_as_the_naive_replay(void **state) {
    (void)state;
    struct model model = {0}, copy = {0};
    for (uint64_t seed = 0; seed < 300; seed++) {
        uint64_t random = seed;
        struct naive_change changes[CHANGES];
        size_t count = random_below(&random, CHANGES + 1);
        model_clear(&model);
        uint64_t sequence = 0;
        for (size_t i = 0; i < count; i++) {
            changes[i] = draw_change(&random);
            sequence += changes[i].count;
            if (changes[i].count == 0) {
                model_erase(&model);
            } else {
                assert_int_equal(model_apply(&model, changes[i].ops, changes[i].count),
                                 sequence);
            }
            assert_int_equal(model_sequence(&model, i + 1), sequence);
        }
        for (size_t i = 0; i <= count; i++) {
            compare_after(&model, changes, i);
        }
        size_t kept = random_below(&random, count + 1);
        model_copy(&copy, &model, kept);
        model_truncate(&model, kept);
        compare_after(&model, changes, kept);
        compare_after(&copy, changes, kept);
        assert_int_equal(copy.change_count, kept);
    }
    model_free(&model);
    model_free(&copy);
}

static void sequences_and_changes_agree(void **state) {
    (void)state;
    struct model model = {0};
    const struct kv_op ops[3] = {{KV_DELETE, slice_of("a"), {0}},
                                 {KV_DELETE, slice_of("a"), {0}},
                                 {KV_DELETE, slice_of("a"), {0}}};
    assert_true(model_is_boundary(&model, 0));
    assert_false(model_is_boundary(&model, 1));
    model_apply(&model, ops, 2);
    model_erase(&model);
    model_apply(&model, ops, 3);
    const size_t changes_at[] = {0, 0, 2, 2, 2, 3, 3};
    const bool boundary[] = {true, false, true, false, false, true, false};
    for (uint64_t s = 0; s < 7; s++) {
        assert_int_equal(model_changes_at(&model, s, SIZE_MAX), changes_at[s]);
        assert_int_equal(model_is_boundary(&model, s), boundary[s]);
    }
    assert_int_equal(model_changes_at(&model, 2, 1), 1);
    model_free(&model);
}

static void what_is_over_is_not_found(void **state) {
    (void)state;
    struct model model = {0};
    const struct kv_op op = {
        KV_PUT, slice_of("k"),
        slice_make((const unsigned char *)"\xfeXTL\x05\x01\0\0\0\0\0\0v", 13)};
    model_apply(&model, &op, 1);
    for (uint64_t millis = 0; millis < 1000; millis++) {
        const struct model_at at = {1, millis};
        assert_int_equal(model_get(&model, op.key, at) != NULL, millis < 0x105);
    }
    assert_false(model_is_over(slice_of("\xfeXTL"), UINT64_MAX));
    assert_false(model_is_over(
        slice_make((const unsigned char *)"\xfeXTL\0\0\0\0\0\0\0\0", 12), UINT64_MAX));
    model_free(&model);
}

/* ---- an iterator over a list, right or wrong ------------------------------------- */

struct list_iter {
    struct iter iter;
    const struct kv_op *entries;
    size_t count;
    size_t at;   /* one past the entry: 0 is before the first */
    bool misses; /* the last entry, on the way back */
};

static void stand(struct list_iter *list, size_t at) {
    list->at = at;
    list->iter.valid = at >= 1 && at <= list->count;
    if (list->iter.valid) {
        list->iter.key = list->entries[at - 1].key;
        list->iter.value = list->entries[at - 1].value;
    }
}

static void list_first(struct iter *iter) {
    stand((struct list_iter *)iter, 1);
}
static void list_last(struct iter *iter) {
    struct list_iter *list = (struct list_iter *)iter;
    stand(list, list->count - list->misses);
}
static void list_next(struct iter *iter) {
    stand((struct list_iter *)iter, ((struct list_iter *)iter)->at + 1);
}
static void list_prev(struct iter *iter) {
    stand((struct list_iter *)iter, ((struct list_iter *)iter)->at - 1);
}

static const struct iter_ops list_ops = {
    .first = list_first, .last = list_last, .next = list_next, .prev = list_prev};

static bool walk_matches(const struct kv_op *entries, size_t count, bool misses,
                         struct slice from, struct slice to) {
    const struct kv_op ops[] = {
        {KV_PUT, slice_of(""), slice_of("1")},  {KV_PUT, slice_of("b"), slice_of("old")},
        {KV_PUT, slice_of("d"), slice_of("4")}, {KV_PUT, slice_of("b"), slice_of("2")},
        {KV_PUT, slice_of("c"), slice_of("3")}, {KV_DELETE, slice_of("c"), {0}}};
    struct model model = {0};
    model_apply(&model, ops, 6);
    struct list_iter list = {.entries = entries, .count = count, .misses = misses};
    list.iter.ops = &list_ops;
    char words[200] = "";
    bool answer = model_matches(&model, (struct model_at){1, 0}, from, to, &list.iter,
                                words, sizeof words);
    assert_true(answer == (words[0] == '\0'));
    model_free(&model);
    return answer;
}

static bool matches(const struct kv_op *entries, size_t count, struct slice from,
                    struct slice to) {
    return walk_matches(entries, count, false, from, to);
}

static void a_walk_must_show_the_state(void **state) {
    (void)state;
    const struct slice none = {0};
    struct kv_op right[] = {{KV_PUT, slice_of(""), slice_of("1")},
                            {KV_PUT, slice_of("b"), slice_of("2")},
                            {KV_PUT, slice_of("d"), slice_of("4")}};
    assert_true(matches(right, 3, none, none));
    assert_false(matches(right, 2, none, none));
    assert_false(matches(right + 1, 2, none, none));
    assert_true(matches(right + 1, 2, slice_of("a"), none));
    assert_true(matches(right + 1, 1, slice_of("b"), slice_of("d")));
    assert_true(matches(right, 2, none, slice_of("c")));
    assert_true(matches(right, 0, slice_of("c"), slice_of("d")));
    assert_false(matches(right, 3, none, slice_of("d")));
    assert_false(walk_matches(right, 3, true, none, none));
    right[1].value = slice_of("old");
    assert_false(matches(right, 3, none, none));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_as_the_naive_replay),
        cmocka_unit_test(sequences_and_changes_agree),
        cmocka_unit_test(what_is_over_is_not_found),
        cmocka_unit_test(a_walk_must_show_the_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
