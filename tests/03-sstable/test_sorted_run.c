/* Runs of tables against one sorted array: lookups, walks, and what fails on the way. */
#include "../common/support.h"

#include "counted_memory.h"
#include "fake_tables.h"
#include "sorted_run.h"
#include "walk.h"

enum { ENTRIES_MAX = 120, FILES_MAX = 12, STEPS = 150, KEYS = 60, SEQUENCES = 6 };

struct running {
    struct table_cache cache;
    struct entry entries[ENTRIES_MAX];
    struct table_file *files[FILES_MAX];
    struct sorted_run run;
    struct walk walk;
};

/* Cut into files anywhere, also between the versions of a key. */
static void open_running(struct running *running, uint64_t *random) {
    size_t count = 1 + random_below(random, ENTRIES_MAX);
    *running = (struct running){.run = {.level = 1, .files = running->files}};
    for (size_t i = 0; i < count; i++) {
        running->entries[i] = random_entry(random, KEYS, SEQUENCES);
    }
    count = entries_sort(running->entries, count);
    running->walk =
        (struct walk){.entries = running->entries, .count = count, .at = count};
    for (size_t begin = 0, end; begin < count; begin = end) {
        end = begin + 1 + random_below(random, count);
        if (end > count || running->run.count + 1 == FILES_MAX) {
            end = count;
        }
        running->files[running->run.count] = fake_file(
            &running->cache, running->run.count, &running->entries[begin], end - begin);
        running->run.count++;
    }
}

static void close_running(struct running *running) {
    assert_nothing_open(&running->cache);
    for (size_t i = 0; i < running->run.count; i++) {
        table_file_unref(running->files[i]);
    }
}

static bool same_user(const struct entry *entry, const struct search_key *key) {
    return slice_equal(internal_key_user(entry_key(entry)), search_key_user(key));
}

/* Whether a file's bounds admit the key. */
static bool within_a_file(const struct running *running, const struct search_key *key) {
    bool within = false;
    struct slice user = search_key_user(key);
    for (size_t i = 0; i < running->run.count; i++) {
        const struct table_meta *meta = &running->files[i]->meta;
        struct slice smallest = internal_key_user(buf_slice(&meta->smallest));
        struct slice largest = internal_key_user(buf_slice(&meta->largest));
        within = within || (slice_compare(smallest, user) <= 0 &&
                            slice_compare(user, largest) <= 0);
    }
    return within;
}

static void assert_lookup(struct running *running, const struct search_key *key) {
    struct buf value = {0};
    char expected[16] = "";
    enum lookup wanted = LOOKUP_ABSENT;
    enum lookup answer = LOOKUP_FOUND;
    size_t at = entries_find(running->entries, running->walk.count, key->internal);
    const struct entry *entry = &running->entries[at];
    if (at < running->walk.count && same_user(entry, key)) {
        bool put = tag_type(internal_key_tag(entry_key(entry))) == KV_PUT;
        wanted = put ? LOOKUP_FOUND : LOOKUP_DELETED;
        snprintf(expected, put ? sizeof expected : 1, "%u", entry->number);
    }
    running->cache.gets = 0;
    assert_ok(sorted_run_get(&running->run, &running->cache, key, &value, &answer, NULL));
    assert_int_equal(answer, wanted);
    assert_true(slice_equal(buf_slice(&value), slice_of(expected)));
    assert_in_range(running->cache.gets, wanted != LOOKUP_ABSENT,
                    within_a_file(running, key));
    buf_free(&value);
}

static void random_search(struct search_key *key, uint64_t *random) {
    struct entry entry = random_entry(random, KEYS + 5, SEQUENCES);
    assert_ok(search_key_init(key, internal_key_user(entry_key(&entry)),
                              random_below(random, SEQUENCES + 1), NULL));
}

static void lookups_ask_one_file_at_most(void **state) {
    (void)state;
    uint64_t random = test_seed();
    static struct running running;
    for (int round = 0; round < 500; round++) {
        struct search_key key;
        open_running(&running, &random);
        for (int i = 0; i < STEPS; i++) {
            random_search(&key, &random);
            assert_lookup(&running, &key);
            search_key_free(&key);
        }
        close_running(&running);
    }
}

static struct iter *open_iter(struct running *running) {
    struct iter *iter = NULL;
    assert_ok(sorted_run_iter(&running->run, NULL, &running->cache, &iter, NULL));
    assert_false(iter->valid);
    assert_int_equal(running->cache.iters, 0);
    return iter;
}

static void walks_equal_a_sorted_array(void **state) {
    (void)state;
    uint64_t random = test_seed();
    static struct running running;
    size_t blocks = counted_memory_blocks();
    for (int round = 0; round < 1000; round++) {
        open_running(&running, &random);
        struct iter *iter = open_iter(&running);
        for (int i = 0; i < STEPS; i++) {
            walk_step(&running.walk, iter, &random);
            assert_walk(&running.walk, iter);
            assert_in_range(running.cache.iters, 0, 1);
        }
        assert_walk_complete(&running.walk, iter);
        iter_close(iter);
        close_running(&running);
        assert_int_equal(counted_memory_blocks(), blocks);
    }
}

/* Tables that do not open, and moves that do not succeed, are no ends. */
static void failures_are_no_ends(void **state) {
    (void)state;
    uint64_t random = test_seed();
    static struct running running;
    size_t failures = 0;
    for (int round = 0; round < 1000; round++) {
        open_running(&running, &random);
        struct iter *iter = open_iter(&running);
        for (int i = 0; i < STEPS; i++) {
            if (random_below(&random, 4) == 0) {
                running.cache.fault.in = 1 + random_below(&random, 5);
            }
            walk_step(&running.walk, iter, &random);
            if (running.cache.fault.failed) {
                assert_false(iter->valid);
                assert_int_equal(iter->error.status, STATUS_IO);
                running.cache.fault.failed = false;
                failures++;
            } else {
                assert_walk(&running.walk, iter);
            }
        }
        iter_close(iter);
        close_running(&running);
    }
    assert_in_range(failures, 10000, 1000000);
}

static void lookups_pass_failures_on(void **state) {
    (void)state;
    uint64_t random = test_seed();
    static struct running running;
    struct search_key key;
    open_running(&running, &random);
    size_t failures = 0;
    for (int i = 0; i < 1000; i++) {
        struct buf value = {0};
        struct error error = {0};
        enum lookup answer = LOOKUP_ABSENT;
        random_search(&key, &random);
        running.cache.fault.in = 1 + random_below(&random, 3);
        enum status status =
            sorted_run_get(&running.run, &running.cache, &key, &value, &answer, &error);
        assert_int_equal(status, running.cache.fault.failed ? STATUS_IO : STATUS_OK);
        assert_int_equal(error.status, status);
        failures += running.cache.fault.failed;
        running.cache.fault.failed = false;
        buf_free(&value);
        search_key_free(&key);
    }
    assert_in_range(failures, 100, 900);
    running.cache.tables[0].entries = NULL;
    running.cache.fault.in = 0;
    struct iter *iter = open_iter(&running);
    iter_first(iter);
    assert_false(iter->valid);
    assert_int_equal(iter->error.status, STATUS_CORRUPT);
    assert_message_has(iter->error, "a table is missing");
    iter_close(iter);
    close_running(&running);
}

/* Any allocation may fail: of the iterator, and of each table's when it is come to. */
static void no_memory_ends_a_move(void **state) {
    (void)state;
    uint64_t random = test_seed();
    static struct running running;
    open_running(&running, &random);
    size_t blocks = counted_memory_blocks();
    size_t failures = 0;
    for (bool failed = true; failed; failures += failed) {
        struct iter *iter = NULL;
        struct error error = {0};
        counted_memory_fail(failures + 1, false);
        enum status status =
            sorted_run_iter(&running.run, NULL, &running.cache, &iter, &error);
        if (status == STATUS_OK) {
            for (iter_first(iter); iter->valid; iter_next(iter)) {
            }
            status = iter->error.status;
        }
        failed = counted_memory_failed();
        counted_memory_fail(0, false);
        assert_int_equal(status, failed ? STATUS_NO_MEMORY : STATUS_OK);
        if (iter != NULL) {
            assert_walk_complete(&running.walk, iter);
        }
        iter_close(iter);
        assert_nothing_open(&running.cache);
        assert_int_equal(counted_memory_blocks(), blocks);
    }
    assert_int_equal(failures, 1 + running.run.count);
    close_running(&running);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lookups_ask_one_file_at_most),
        cmocka_unit_test(walks_equal_a_sorted_array),
        cmocka_unit_test(failures_are_no_ends),
        cmocka_unit_test(lookups_pass_failures_on),
        cmocka_unit_test(no_memory_ends_a_move),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
