/* Merges of arrays against one sorted array, on walks of all moves; children that fail,
 * and children that gain entries meanwhile. */
#define TEST_HAS_STAGE
#include "../common/support.h"

#include "array_iter.h"
#include "counted_memory.h"
#include "merge_iter.h"

enum { CHILDREN_MAX = 9, ENTRIES_MAX = 60, STEPS = 150, SEQUENCES = 4 };

struct child {
    struct array_iter iter;
    struct entry entries[ENTRIES_MAX];
    size_t count;
};

/* What is merged, and all of it in the order of delivery. */
struct merging {
    struct child children[CHILDREN_MAX];
    size_t count;
    size_t closed;
    struct entry all[CHILDREN_MAX * ENTRIES_MAX];
    size_t all_count;
};

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
    uint64_t keys = 1 + random_below(random, random_below(random, 2) == 0 ? 5 : 200);
    merging->count = random_below(random, CHILDREN_MAX + 1);
    merging->closed = merging->all_count = 0;
    for (size_t i = 0; i < merging->count; i++) {
        struct child *child = &merging->children[i];
        size_t count = random_below(random, 1 + random_below(random, ENTRIES_MAX));
        for (size_t e = 0; e < count; e++) {
            child->entries[e] = random_entry(random, keys, SEQUENCES);
        }
        child->count = entries_sort(child->entries, count);
        for (size_t e = 0; e < child->count; e++) {
            child->entries[e].number = (unsigned)(i * ENTRIES_MAX + e);
            merging->all[merging->all_count++] = child->entries[e];
        }
        array_iter_init(&child->iter, child->entries, child->count, &merging->closed);
        iters[i] = &child->iter.iter;
    }
    qsort(merging->all, merging->all_count, sizeof(struct entry), compare_delivery);
    assert_ok(merge_iter_open(iters, merging->count, &iter, NULL));
    memset(iters, 0xee, sizeof iters); /* the array is not kept */
    return iter;
}

static bool take_failures(struct merging *merging) {
    bool failed = false;
    for (size_t i = 0; i < merging->count; i++) {
        failed = failed || merging->children[i].iter.failed;
        merging->children[i].iter.failed = false;
    }
    return failed;
}

static size_t before(const struct merging *merging, size_t at) {
    return at == 0 ? merging->all_count : at - 1;
}

/* A step of the walk; answers where it must lead, and in *back whether from behind. */
static size_t step(struct iter *iter, const struct merging *merging, size_t at,
                   bool *back, uint64_t *random) {
    struct entry target = random_entry(random, 200, SEQUENCES);
    if (merging->all_count > 0 && random_below(random, 3) > 0) {
        target = merging->all[random_below(random, merging->all_count)];
    }
    struct slice key = entry_key(&target);
    uint64_t move = random_below(random, 16);
    if (move > 4 && iter->valid) { /* mostly on, so that children run out */
        *back = *back == (move != 5);
        *back ? iter_prev(iter) : iter_next(iter);
        return *back ? before(merging, at) : at + 1;
    }
    *back = move % 2 == 0;
    size_t found = entries_find(merging->all, merging->all_count, key);
    switch (move) {
    case 0:
        iter_last(iter);
        return before(merging, merging->all_count);
    case 1:
        iter_first(iter);
        return 0;
    default:
        *back ? iter_seek_before(iter, key) : iter_seek(iter, key);
        return *back ? before(merging, found) : found;
    }
}

static void assert_at(const struct iter *iter, const struct merging *merging, size_t at) {
    char value[16];
    assert_int_equal(iter->error.status, STATUS_OK);
    assert_int_equal(iter->valid, at < merging->all_count);
    if (iter->valid) {
        snprintf(value, sizeof value, "%u", merging->all[at].number);
        assert_true(slice_equal(iter->key, entry_key(&merging->all[at])));
        assert_true(slice_equal(iter->value, slice_of(value)));
    }
}

static void walks_equal_a_sorted_array(void **state) {
    (void)state;
    uint64_t random = test_seed();
    static struct merging merging;
    for (int round = 0; round < 2000; round++) {
        struct iter *iter = open_merging(&merging, &random);
        size_t calls = counted_memory_calls();
        size_t at = merging.all_count;
        bool back = false;
        assert_false(iter->valid);
        for (int i = 0; i < STEPS; i++) {
            at = step(iter, &merging, at, &back, &random);
            assert_at(iter, &merging, at);
        }
        assert_int_equal(counted_memory_calls(), calls);
        iter_close(iter);
        assert_int_equal(merging.closed, merging.count);
    }
}

/* Any move of any child may fail, those of a turn too: then this move fails. None fails
 * for another reason, and none seems to be the end. */
static void failures_end_a_walk(bool cut, enum status expected, const char *words) {
    uint64_t random = test_seed();
    static struct merging merging;
    size_t failures = 0;
    for (int round = 0; round < 2000; round++) {
        struct iter *iter = open_merging(&merging, &random);
        size_t at = merging.all_count;
        bool back = false;
        for (int i = 0; i < STEPS && merging.count > 1; i++) {
            struct array_iter *child =
                &merging.children[random_below(&random, merging.count)].iter;
            if (random_below(&random, 4) == 0) {
                child->cut = cut;
                child->fail_in = 1 + random_below(&random, 4);
            }
            at = step(iter, &merging, at, &back, &random);
            if (take_failures(&merging)) {
                assert_false(iter->valid);
                assert_int_equal(iter->error.status, expected);
                assert_message_has(iter->error, words);
                failures++;
            } else {
                assert_at(iter, &merging, at);
            }
        }
        iter_close(iter);
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
    if (merging->all_count > 0) {
        entry = merging->all[random_below(random, merging->all_count)];
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
        size_t at = merging.all_count;
        bool back = false;
        for (int i = 0; i < STEPS && merging.count > 0; i++) {
            grow(&merging, &random);
            at = step(iter, &merging, at, &back, &random);
            while (stands_on_newer(iter)) {
                back ? iter_prev(iter) : iter_next(iter);
            }
            assert_at(iter, &merging, at);
        }
        iter_close(iter);
    }
}

static void every_full_walk_is_complete(void **state) {
    (void)state;
    uint64_t random = test_seed();
    static struct merging merging;
    for (int round = 0; round < 1000; round++) {
        struct iter *iter = open_merging(&merging, &random);
        size_t at = 0;
        for (iter_first(iter); iter->valid; iter_next(iter)) {
            assert_at(iter, &merging, at++);
        }
        assert_int_equal(at, merging.all_count);
        for (iter_last(iter); iter->valid; iter_prev(iter)) {
            assert_at(iter, &merging, --at);
        }
        assert_int_equal(at, 0);
        assert_int_equal(iter->error.status, STATUS_OK);
        iter_close(iter);
    }
}

/* Of nothing there is nothing. */
static void no_children_no_entries(void **state) {
    (void)state;
    struct iter *iter;
    assert_ok(merge_iter_open(NULL, 0, &iter, NULL));
    static const struct merging nothing;
    uint64_t random = test_seed();
    bool back = false;
    for (int i = 0; i < STEPS; i++) {
        assert_at(iter, &nothing, step(iter, &nothing, 0, &back, &random));
    }
    iter_close(iter);
}

static void no_memory_closes_the_children(void **state) {
    (void)state;
    struct array_iter iters[3];
    struct iter *children[3];
    size_t closed = 0;
    size_t blocks = counted_memory_blocks();
    for (size_t i = 0; i < 3; i++) {
        array_iter_init(&iters[i], NULL, 0, &closed);
        children[i] = &iters[i].iter;
    }
    struct iter *iter = NULL;
    struct error error = {0};
    counted_memory_fail(1, false);
    assert_int_equal(merge_iter_open(children, 3, &iter, &error), STATUS_NO_MEMORY);
    counted_memory_fail(0, false);
    assert_null(iter);
    assert_message_has(error, "an iterator");
    assert_int_equal(closed, 3);
    assert_int_equal(counted_memory_blocks(), blocks);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(walks_equal_a_sorted_array),
        cmocka_unit_test(every_full_walk_is_complete),
        cmocka_unit_test(failures_are_no_ends),
        cmocka_unit_test(short_keys_are_corrupt),
        cmocka_unit_test(children_may_gain_entries),
        cmocka_unit_test(no_children_no_entries),
        cmocka_unit_test(no_memory_closes_the_children),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
