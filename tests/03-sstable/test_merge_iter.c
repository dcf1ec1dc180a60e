/* Merges of arrays against one sorted array, on walks of all moves; children that fail,
 * and children that gain entries meanwhile. */
#define TEST_HAS_STAGE
#include "../common/support.h"

#include "counted_memory.h"
#include "merge_iter.h"
#include "user_iter.h"
#include "walk.h"

enum { CHILDREN_MAX = 9, ENTRIES_MAX = 60, STEPS = 150, SEQUENCES = 4 };

struct child {
    struct array_iter iter; /* first: an iter is converted to its child */
    struct injected fault;
    struct entry entries[ENTRIES_MAX];
    size_t count;
};

/* What is merged, and all of it in the order of delivery. */
struct merging {
    struct child children[CHILDREN_MAX];
    size_t count;
    struct entry all[CHILDREN_MAX * ENTRIES_MAX];
    struct walk walk; /* over all of it */
};

/* So that a test sees whether it was closed, once. */
static void child_close(struct iter *iter) {
    assert_non_null(iter->ops);
    iter->ops = NULL;
}

static struct iter *child_init(struct child *child) {
    static struct iter_ops ops;
    ops = array_iter_ops(child_close);
    child->fault = (struct injected){0};
    child->iter = (struct array_iter){.iter = {.ops = &ops},
                                      .entries = child->entries,
                                      .count = child->count,
                                      .fault = &child->fault};
    return &child->iter.iter;
}

/* An entry's number tells which child's it is, and orders those of one key. */
static int compare_delivery(const void *left, const void *right) {
    int order = entry_compare(left, right);
    unsigned a = ((const struct entry *)left)->number;
    unsigned b = ((const struct entry *)right)->number;
    return order != 0 ? order : (a > b) - (a < b);
}

/* Of many keys few collide, of few nearly all. */
static struct iter *open_merging(struct merging *merging, uint64_t *random) {
    struct iter *iters[CHILDREN_MAX];
    struct iter *iter;
    size_t total = 0;
    uint64_t keys = 1 + random_below(random, random_below(random, 2) == 0 ? 5 : 200);
    merging->count = random_below(random, CHILDREN_MAX + 1);
    for (size_t i = 0; i < merging->count; i++) {
        struct child *child = &merging->children[i];
        size_t count = random_below(random, 1 + random_below(random, ENTRIES_MAX));
        for (size_t e = 0; e < count; e++) {
            child->entries[e] = random_entry(random, keys, SEQUENCES);
        }
        child->count = entries_sort(child->entries, count);
        for (size_t e = 0; e < child->count; e++) {
            child->entries[e].number = (unsigned)(i * ENTRIES_MAX + e);
            merging->all[total++] = child->entries[e];
        }
        iters[i] = child_init(child);
    }
    qsort(merging->all, total, sizeof(struct entry), compare_delivery);
    merging->walk = (struct walk){.entries = merging->all, .count = total, .at = total};
    assert_ok(merge_iter_open(iters, merging->count, &iter, NULL));
    memset(iters, 0xee, sizeof iters); /* the array is not kept */
    return iter;
}

static void close_merging(const struct merging *merging, struct iter *iter) {
    iter_close(iter);
    for (size_t i = 0; i < merging->count; i++) {
        assert_null(merging->children[i].iter.iter.ops);
    }
}

static void walks_equal_a_sorted_array(void **state) {
    (void)state;
    uint64_t random = test_seed();
    static struct merging merging;
    for (int round = 0; round < 2000; round++) {
        struct iter *iter = open_merging(&merging, &random);
        size_t calls = counted_memory_calls();
        assert_walk(&merging.walk, iter);
        for (int i = 0; i < STEPS; i++) {
            walk_step(&merging.walk, iter, &random);
            assert_walk(&merging.walk, iter);
        }
        assert_int_equal(counted_memory_calls(), calls);
        assert_walk_complete(&merging.walk, iter);
        close_merging(&merging, iter);
    }
}

static bool take_failures(struct merging *merging) {
    bool failed = false;
    for (size_t i = 0; i < merging->count; i++) {
        failed = failed || merging->children[i].fault.failed;
        merging->children[i].fault.failed = false;
    }
    return failed;
}

/* Any move of any child may fail, those of a turn too: then this move fails. None fails
 * for another reason, and none seems to be the end. */
static void failures_end_a_walk(bool cut, enum status expected, const char *words) {
    uint64_t random = test_seed();
    static struct merging merging;
    size_t failures = 0;
    for (int round = 0; round < 2000; round++) {
        struct iter *iter = open_merging(&merging, &random);
        for (int i = 0; i < STEPS && merging.count > 1; i++) {
            size_t child = random_below(&random, merging.count);
            if (random_below(&random, 4) == 0) {
                merging.children[child].fault.cut = cut;
                merging.children[child].fault.in = 1 + random_below(&random, 4);
            }
            walk_step(&merging.walk, iter, &random);
            if (take_failures(&merging)) {
                assert_false(iter->valid);
                assert_int_equal(iter->error.status, expected);
                assert_message_has(iter->error, words);
                failures++;
            } else {
                assert_walk(&merging.walk, iter);
            }
        }
        close_merging(&merging, iter);
    }
    assert_in_range(failures, 10000, 1000000);
}

static void failures_are_no_ends(void **state) {
    (void)state;
    failures_end_a_walk(false, STATUS_IO, "cannot read it");
}

/* A key without a tag is nothing to compare with. */
static void short_keys_are_corrupt(void **state) {
    (void)state;
    failures_end_a_walk(true, STATUS_CORRUPT, "no internal key");
}

/* A child gains an entry that is newer than all that a reader sees. */
static void grow(struct merging *merging, uint64_t *random) {
    struct child *child = &merging->children[random_below(random, merging->count)];
    struct entry entry = random_entry(random, 200, 1000);
    if (merging->walk.count > 0) {
        entry = merging->all[random_below(random, merging->walk.count)];
    }
    encode_fixed64(entry.key + entry.key_bytes - TAG_BYTES,
                   tag_make(SEQUENCES + random_below(random, 1000), KV_PUT));
    if (child->count < ENTRIES_MAX) {
        child->entries[child->count] = entry;
        child->count = entries_sort(child->entries, child->count + 1);
        child->iter.count = child->count;
    }
}

static bool stands_on_newer(const struct iter *iter) {
    return iter->valid && tag_sequence(internal_key_tag(iter->key)) >= SEQUENCES;
}

/* What was there before is delivered as if nothing had come. */
static void children_may_gain_entries(void **state) {
    (void)state;
    uint64_t random = test_seed();
    static struct merging merging;
    for (int round = 0; round < 1000; round++) {
        struct iter *iter = open_merging(&merging, &random);
        for (int i = 0; i < STEPS && merging.count > 0; i++) {
            grow(&merging, &random);
            walk_step(&merging.walk, iter, &random);
            while (stands_on_newer(iter)) {
                merging.walk.back ? iter_prev(iter) : iter_next(iter);
            }
            assert_walk(&merging.walk, iter);
        }
        close_merging(&merging, iter);
    }
}

/* Of nothing there is nothing. */
static void no_children_no_entries(void **state) {
    (void)state;
    struct iter *iter;
    struct walk walk = {0};
    uint64_t random = test_seed();
    assert_ok(merge_iter_open(NULL, 0, &iter, NULL));
    for (int i = 0; i < STEPS; i++) {
        walk_step(&walk, iter, &random);
        walk.at = 0;
        assert_walk(&walk, iter);
    }
    iter_close(iter);
}

static void no_memory_closes_the_children(void **state) {
    (void)state;
    static struct child children[3];
    struct iter *iters[3];
    size_t blocks = counted_memory_blocks();
    for (size_t i = 0; i < 3; i++) {
        iters[i] = child_init(&children[i]);
    }
    struct iter *iter = NULL;
    struct error error = {0};
    counted_memory_fail(1, false);
    assert_int_equal(merge_iter_open(iters, 3, &iter, &error), STATUS_NO_MEMORY);
    counted_memory_fail(0, false);
    assert_null(iter);
    assert_message_has(error, "an iterator");
    for (size_t i = 0; i < 3; i++) {
        assert_null(children[i].iter.iter.ops);
    }
    assert_int_equal(counted_memory_blocks(), blocks);
}

static struct entry entry_of(const char *user, uint64_t tag) {
    struct entry entry = {.key_bytes = strlen(user) + TAG_BYTES};
    memcpy(entry.key, user, strlen(user));
    encode_fixed64(entry.key + strlen(user), tag);
    return entry;
}

/* A user's iterator seeks past many versions of a key; where all of them are the last
 * that there can be, no seek leads past them. */
static void many_equal_last_versions_are_passed(void **state) {
    (void)state;
    enum { COPIES = 30 };
    static struct child children[COPIES];
    struct iter *iters[COPIES], *merged, *iter;
    const struct user_iter_options all = {.sequence = 5};
    for (size_t i = 0; i < COPIES; i++) {
        children[i].count = 2;
        children[i].entries[0] = entry_of("a", i == 0 ? tag_make(3, KV_PUT) : 0);
        children[i].entries[1] = entry_of("b", tag_make(1, KV_PUT));
        iters[i] = child_init(&children[i]);
    }
    assert_ok(merge_iter_open(iters, COPIES, &merged, NULL));
    assert_ok(user_iter_open(merged, &all, &iter, NULL));
    iter_first(iter);
    assert_true(iter->valid && slice_equal(iter->key, slice_of("a")));
    iter_next(iter);
    assert_true(iter->valid && slice_equal(iter->key, slice_of("b")));
    iter_next(iter);
    assert_false(iter->valid);
    assert_int_equal(iter->error.status, STATUS_OK);
    iter_close(iter);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(walks_equal_a_sorted_array),
        cmocka_unit_test(failures_are_no_ends),
        cmocka_unit_test(short_keys_are_corrupt),
        cmocka_unit_test(children_may_gain_entries),
        cmocka_unit_test(no_children_no_entries),
        cmocka_unit_test(many_equal_last_versions_are_passed),
        cmocka_unit_test(no_memory_closes_the_children),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
