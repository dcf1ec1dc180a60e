/* Lookups that do not wait: they answer from memory, rightly, or are STALLED without a
 * call to the disk; and once others have brought in what was missing, they answer. */
#include "../03-sstable/engine_faults.h"

enum { KEYS = 60 };

/* Tables in several levels, some write buffers, deletions; and a cache that holds some of
 * the blocks, all, or none. */
struct bed {
    struct simulation sim;
    struct kv *kv;
    uint64_t random;
    uint64_t numbers[KEYS]; /* the values; 0: none */
    uint64_t written;
};

static void put_some(struct bed *bed, size_t count) {
    const struct kv_write_options options = {.durability = DURABILITY_NONE};
    for (size_t i = 0; i < count; i++) {
        char key[24], value[64];
        size_t at = random_below(&bed->random, KEYS);
        bool put = random_below(&bed->random, 4) > 0;
        snprintf(key, sizeof key, "k%zu", at);
        snprintf(value, sizeof value, "%" PRIu64 ".......................",
                 ++bed->written);
        bed->numbers[at] = put ? bed->written : 0;
        assert_ok(put ? kv_put(bed->kv, slice_of(key), slice_of(value), &options, NULL)
                      : kv_delete(bed->kv, slice_of(key), &options, NULL));
    }
}

static void bed_open(struct bed *bed, uint64_t seed) {
    *bed = (struct bed){.random = seed};
    simulation_begin(&bed->sim);
    bed->sim.options.block_bytes = 100;
    bed->sim.options.table_bytes = 400;
    bed->sim.options.block_cache_bytes = random_below(&bed->random, 3) * 2500;
    bed->sim.options.max_open_files = 1 + (uint32_t)random_below(&bed->random, 8);
    bed->kv = open_store(&bed->sim);
    for (size_t i = random_below(&bed->random, 6); i > 0; i--) {
        put_some(bed, random_below(&bed->random, 60));
        assert_ok(kv_flush(bed->kv, NULL));
    }
    if (random_below(&bed->random, 2) == 0) {
        assert_ok(kv_compact(bed->kv, (struct slice){0}, (struct slice){0}, NULL));
    }
    if (random_below(&bed->random, 2) == 0) {
        assert_ok(kv_close(bed->kv, NULL));
        bed->kv = open_store(&bed->sim);
    }
    put_some(bed, random_below(&bed->random, 10));
    scheduler_settle(bed->sim.scheduler);
}

static void bed_close(struct bed *bed) {
    assert_ok(kv_close(bed->kv, NULL));
    simulation_end(&bed->sim);
}

/* Whether what came back is the newest version; STALLED is none. */
static void assert_answer(const struct bed *bed, size_t at, enum status status,
                          const struct buf *value) {
    uint64_t number = bed->numbers[at];
    assert_int_equal(status, number == 0 ? STATUS_NOT_FOUND : STATUS_OK);
    if (number != 0) {
        char text[24];
        size_t length = (size_t)snprintf(text, sizeof text, "%" PRIu64 ".", number);
        assert_true(value->length > length && memcmp(value->data, text, length) == 0);
    }
}

static uint64_t reads(struct bed *bed) {
    return disk_calls(bed->sim.disk);
}

static enum status get(struct bed *bed, size_t at, bool no_wait, struct buf *value) {
    char key[24];
    struct error error = {0};
    const struct kv_read_options options = {.no_wait = no_wait};
    uint64_t before = reads(bed);
    snprintf(key, sizeof key, "k%zu", at);
    enum status status = kv_get(bed->kv, slice_of(key), value, &options, &error);
    if (no_wait) {
        assert_int_equal(reads(bed), before);
    }
    if (status == STATUS_STALLED) {
        assert_true(no_wait);
        assert_message_has(error, "would have to read a file");
    } else {
        assert_answer(bed, at, status, value);
    }
    return status;
}

static void answers_are_right_or_stalled(void **state) {
    (void)state;
    uint64_t seed = test_seed();
    size_t stalled = 0, answered = 0;
    for (int round = 0; round < 200; round++) {
        struct bed bed;
        struct buf value = {0};
        bed_open(&bed, random_next(&seed));
        for (int i = 0; i < 100; i++) {
            size_t at = random_below(&bed.random, KEYS);
            bool no_wait = random_below(&bed.random, 3) > 0;
            enum status status = get(&bed, at, no_wait, &value);
            stalled += status == STATUS_STALLED;
            answered += no_wait && status != STATUS_STALLED;
        }
        buf_free(&value);
        bed_close(&bed);
    }
    printf("%zu stalled, %zu answered\n", stalled, answered);
    assert_true(stalled > 1000 && answered > 1000);
}

/* Where there is room for all, whoever waited brings in what the next one finds. */
static void what_was_read_is_found(void **state) {
    (void)state;
    struct bed bed = {.random = 1};
    struct buf value = {0};
    simulation_begin(&bed.sim);
    bed.sim.options.block_bytes = 100;
    bed.kv = open_store(&bed.sim);
    put_some(&bed, 200);
    assert_ok(kv_compact(bed.kv, (struct slice){0}, (struct slice){0}, NULL));
    size_t stalled = 0;
    for (size_t at = 0; at < KEYS; at++) {
        if (get(&bed, at, true, &value) == STATUS_STALLED) {
            stalled++;
            assert_true(get(&bed, at, false, &value) != STATUS_STALLED);
        }
        assert_true(get(&bed, at, true, &value) != STATUS_STALLED);
    }
    assert_in_range(stalled, 3, KEYS - 10); /* blocks, and not keys */
    buf_free(&value);
    bed_close(&bed);
}

/* All of the keys, or STALLED. */
static void many_at_once(void **state) {
    (void)state;
    uint64_t seed = test_seed();
    size_t stalled = 0, answered = 0;
    enum status statuses[10];
    for (int round = 0; round < 200; round++) {
        struct bed bed;
        struct buf values[10] = {{0}};
        char texts[10][24];
        struct slice keys[10];
        size_t at[10];
        bed_open(&bed, random_next(&seed));
        for (int i = 0; i < 20; i++) {
            const struct kv_read_options options = {.no_wait = i % 2 == 0};
            size_t count = 1 + random_below(&bed.random, 10);
            for (size_t k = 0; k < count; k++) {
                at[k] = random_below(&bed.random, KEYS);
                snprintf(texts[k], sizeof texts[k], "k%zu", at[k]);
                keys[k] = slice_of(texts[k]);
            }
            uint64_t before = reads(&bed);
            enum status status =
                kv_get_many(bed.kv, keys, count, values, statuses, &options, NULL);
            if (options.no_wait) {
                assert_int_equal(reads(&bed), before);
            }
            if (status == STATUS_STALLED) {
                assert_true(options.no_wait);
                stalled++;
                continue;
            }
            assert_ok(status);
            answered += options.no_wait;
            for (size_t k = 0; k < count; k++) {
                assert_answer(&bed, at[k], statuses[k], &values[k]);
            }
        }
        for (size_t k = 0; k < 10; k++) {
            buf_free(&values[k]);
        }
        bed_close(&bed);
    }
    printf("%zu stalled, %zu answered\n", stalled, answered);
    assert_true(stalled > 100 && answered > 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_right_or_stalled),
        cmocka_unit_test(what_was_read_is_found),
        cmocka_unit_test(many_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
