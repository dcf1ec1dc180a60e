/* The memtable against a list of versions, at every sequence; what it takes. */
#define TEST_HAS_STAGE
#include "../common/support.h"

#include "counted_memory.h"
#include "skiplist.h"
#include "versions.h"

static void lookups_equal_the_history(void **state) {
    (void)state;
    uint64_t random = test_seed();
    static struct history history;
    for (int round = 0; round < 60; round++) {
        struct memtable *memtable = memtable_open(random_below(&random, 8192));
        uint64_t keys = 1 + random_below(&random, 40);
        history.count = 0;
        for (size_t i = 0; i < VERSIONS_MAX; i++) {
            history_add(&history, memtable, random_version(&random, keys));
        }
        for (int probe = 0; probe < 500; probe++) {
            struct version wanted = random_version(&random, keys + 3);
            uint64_t sequence = random_below(&random, VERSIONS_MAX + 2);
            const struct version *found =
                history_find(&history, version_key(&wanted), sequence);
            struct slice value = {0};
            enum lookup lookup =
                memtable_get(memtable, version_key(&wanted), sequence, &value);
            assert_int_equal(lookup, found == NULL              ? LOOKUP_ABSENT
                                     : found->type == KV_DELETE ? LOOKUP_DELETED
                                                                : LOOKUP_FOUND);
            if (lookup == LOOKUP_FOUND) {
                assert_true(slice_equal(value, slice_of(found->value)));
            }
        }
        assert_int_equal(memtable_count(memtable), VERSIONS_MAX);
        memtable_unref(memtable);
    }
}

/* All versions, in the order of internal keys, both ways. */
static void iterators_show_every_version(void **state) {
    (void)state;
    uint64_t random = test_seed();
    static struct history history;
    struct memtable *memtable = memtable_open(4096);
    history.count = 0;
    for (size_t i = 0; i < VERSIONS_MAX; i++) {
        history_add(&history, memtable, random_version(&random, 30));
    }
    struct iter *iter = memtable_iter(memtable);
    assert_false(iter->valid);
    memtable_unref(memtable); /* the iterator holds it */
    struct buf last = {0};
    size_t count = 0;
    for (iter_first(iter); iter->valid; iter_next(iter)) {
        assert_true(count == 0 || internal_key_compare(buf_slice(&last), iter->key) < 0);
        assert_ok(buf_assign(&last, iter->key));
        const struct version *version =
            &history.versions[tag_sequence(internal_key_tag(iter->key)) - 1];
        assert_true(slice_equal(internal_key_user(iter->key), version_key(version)));
        assert_true(version->type == KV_DELETE ||
                    slice_equal(iter->value, slice_of(version->value)));
        count++;
    }
    assert_int_equal(count, VERSIONS_MAX);
    for (iter_last(iter); iter->valid; iter_prev(iter)) {
        assert_true(count == VERSIONS_MAX ||
                    internal_key_compare(buf_slice(&last), iter->key) > 0);
        assert_ok(buf_assign(&last, iter->key));
        count--;
    }
    assert_int_equal(count, 0);
    assert_int_equal(iter->error.status, STATUS_OK);
    buf_free(&last);
    iter_close(iter);
}

/* One change at a time or one operation at a time: the memory is the same, and known
 * beforehand. */
static void costs_are_the_history_s(void **state) {
    (void)state;
    uint64_t random = test_seed();
    size_t blocks = counted_memory_blocks();
    struct memtable *whole = memtable_open(4096);
    struct memtable *single = memtable_open(4096);
    uint64_t sequence = 1;
    for (int round = 0; round < 200; round++) {
        struct version versions[20];
        struct kv_op ops[20];
        struct memtable_room room;
        size_t count = 1 + random_below(&random, 20);
        for (size_t i = 0; i < count; i++) {
            versions[i] = random_version(&random, 50);
            snprintf(versions[i].value, sizeof versions[i].value, "%" PRIu64,
                     random_next(&random));
            ops[i] = version_op(&versions[i]);
        }
        uint64_t cost = memtable_cost(whole, ops, count);
        uint64_t used = memtable_used(whole);
        assert_ok(memtable_reserve(whole, ops, count, &room));
        if (round % 3 == 0) {
            memtable_give_back(whole, &room);
            assert_int_equal(memtable_used(whole), used);
            assert_ok(memtable_reserve(whole, ops, count, &room));
        }
        memtable_insert(whole, &room, ops, count, sequence);
        assert_int_equal(memtable_used(whole), used + cost);
        for (size_t i = 0; i < count; i++) {
            assert_ok(memtable_reserve(single, &ops[i], 1, &room));
            memtable_insert(single, &room, &ops[i], 1, sequence++);
        }
        assert_int_equal(memtable_used(single), memtable_used(whole));
    }
    assert_true(memtable_charged(whole) >= memtable_used(whole));
    memtable_unref(whole);
    memtable_unref(single);
    assert_int_equal(counted_memory_blocks(), blocks);
}

/* About the lengths where a varint grows, and where a piece gets a block of its own. */
static void values_of_any_length_come_back(void **state) {
    (void)state;
    static const size_t lengths[] = {0, 1, 127, 128, 129, 16383, 16384, 70000};
    enum { LENGTHS = sizeof lengths / sizeof lengths[0] };
    static unsigned char bytes[70000];
    struct memtable *memtable = memtable_open(4096);
    for (size_t i = 0; i < LENGTHS; i++) {
        struct memtable_room room;
        memset(bytes, (int)(i + 1), lengths[i]);
        const struct kv_op op = {KV_PUT, slice_make(&lengths[i], sizeof lengths[i]),
                                 slice_make(bytes, lengths[i])};
        uint64_t cost = memtable_cost(memtable, &op, 1);
        assert_in_range(cost, lengths[i] + 33, lengths[i] + 35 + 8 * SKIPLIST_LEVELS);
        assert_ok(memtable_reserve(memtable, &op, 1, &room));
        memtable_insert(memtable, &room, &op, 1, i + 1);
    }
    for (size_t i = 0; i < LENGTHS; i++) {
        struct slice value;
        memset(bytes, (int)(i + 1), lengths[i]);
        assert_int_equal(memtable_get(memtable,
                                      slice_make(&lengths[i], sizeof lengths[i]), LENGTHS,
                                      &value),
                         LOOKUP_FOUND);
        assert_true(slice_equal(value, slice_make(bytes, lengths[i])));
    }
    memtable_unref(memtable);
}

static void no_memory_is_a_value(void **state) {
    (void)state;
    struct kv_op op = {KV_PUT, slice_of("k"), slice_of("v")};
    struct memtable_room room;
    struct slice value;
    counted_memory_fail(1, false);
    assert_null(memtable_open(4096));
    counted_memory_fail(0, false);
    struct memtable *memtable = memtable_open(4096);
    counted_memory_fail(1, true);
    assert_int_equal(memtable_reserve(memtable, &op, 1, &room), STATUS_NO_MEMORY);
    assert_null(memtable_iter(memtable));
    counted_memory_fail(0, false);
    struct kv_op huge = op; /* more than a node can address; nothing is read of it */
    huge.value.length = UINT32_MAX;
    assert_int_equal(memtable_reserve(memtable, &huge, 1, &room), STATUS_NO_MEMORY);
    assert_int_equal(memtable_count(memtable), 0);
    assert_int_equal(memtable_used(memtable), 0);
    assert_int_equal(memtable_get(memtable, op.key, 1, &value), LOOKUP_ABSENT);
    assert_ok(memtable_reserve(memtable, &op, 1, &room));
    counted_memory_fail(1, true); /* what has its room needs no more */
    memtable_insert(memtable, &room, &op, 1, 1);
    counted_memory_fail(0, false);
    assert_int_equal(memtable_get(memtable, op.key, 1, &value), LOOKUP_FOUND);
    memtable_unref(memtable);
    memtable_unref(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lookups_equal_the_history),
        cmocka_unit_test(iterators_show_every_version),
        cmocka_unit_test(costs_are_the_history_s),
        cmocka_unit_test(values_of_any_length_come_back),
        cmocka_unit_test(no_memory_is_a_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
