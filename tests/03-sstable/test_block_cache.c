/* What the cache promises to one thread; test_block_cache_races.c has more of them. */
#include "cached.h"

enum { KEYS_MAX = 600, HELD_MAX = 12, PROGRAMS = 600, STEPS = 600 };

/* ---- random programs against a model ---------------------------------------------- */

struct held {
    struct cached_block *block;
    size_t key;
    bool kept; /* a find meets it */
};

/* What is known of a cache from outside. */
struct model {
    struct block_cache *cache;
    uint64_t capacity, charged;
    bool charged_lately; /* there may be blocks that only being pinned has saved */
    size_t keys;
    size_t bytes_most; /* of a block */
    bool inserted[KEYS_MAX];
    struct held held[HELD_MAX];
    size_t held_count;
    uint64_t hits, misses;
};

static struct cached_key key_of(size_t index) {
    return (struct cached_key){1 + index % 3, index / 3 * 4101};
}

static size_t bytes_of(const struct model *model, size_t index) {
    uint64_t state = index;
    return 1 + random_below(&state, model->bytes_most);
}

static bool is_right(const struct model *model, const struct cached_block *block,
                     size_t key) {
    return cached_is(block, key_of(key), bytes_of(model, key));
}

/* The held block that finds of this key must answer, if there is one. */
static struct cached_block *pinned_block(const struct model *model, size_t key) {
    for (size_t i = 0; i < model->held_count; i++) {
        if (model->held[i].key == key && model->held[i].kept) {
            return model->held[i].block;
        }
    }
    return NULL;
}

static struct cached_block *find(struct model *model, size_t key) {
    struct cached_block *block = cached_find(model->cache, key_of(key));
    struct cached_block *pinned = pinned_block(model, key);
    *(block != NULL ? &model->hits : &model->misses) += 1;
    if (pinned != NULL) {
        assert_ptr_equal(block, pinned);
    }
    if (block != NULL) {
        assert_true(model->inserted[key]);
        assert_true(is_right(model, block, key));
    }
    return block;
}

static void step_find(struct model *model, size_t key) {
    struct cached_block *block = find(model, key);
    if (block != NULL) {
        model->held[model->held_count++] = (struct held){block, key, true};
    }
}

static void step_insert(struct model *model, size_t key) {
    struct cached_block *pinned = pinned_block(model, key);
    struct cached_block *block =
        cached_insert(model->cache, key_of(key), bytes_of(model, key));
    assert_non_null(block);
    assert_true(is_right(model, block, key));
    if (pinned != NULL) {
        assert_ptr_equal(block, pinned);
    }
    model->inserted[key] = true;
    struct cached_block *found = find(model, key);
    if (found != NULL) {
        assert_ptr_equal(found, block);
        block_cache_unpin(model->cache, found);
    }
    model->held[model->held_count++] = (struct held){block, key, found != NULL};
}

/* What was held has not changed, whatever came and went. */
static void step_unpin(struct model *model, size_t index) {
    struct held held = model->held[index];
    assert_true(is_right(model, held.block, held.key));
    model->held[index] = model->held[--model->held_count];
    block_cache_unpin(model->cache, held.block);
}

static void step_charge(struct model *model, uint64_t *random) {
    if (model->charged > 0 && random_below(random, 2) == 0) {
        uint64_t bytes = 1 + random_below(random, model->charged);
        block_cache_release(model->cache, bytes);
        model->charged -= bytes;
    } else {
        uint64_t bytes = random_below(random, model->capacity / 2 + 10);
        block_cache_charge(model->cache, bytes);
        model->charged += bytes;
        model->charged_lately = true;
    }
}

static bool held_before(const struct model *model, size_t index) {
    for (size_t i = 0; i < index; i++) {
        if (model->held[i].block == model->held[index].block) {
            return true;
        }
    }
    return false;
}

/* The sums agree with what is held and with what finds meet. */
static void check_stats(struct model *model) {
    struct block_cache_stats stats;
    if (model->charged_lately) {
        block_cache_charge(model->cache, 0);
        model->charged_lately = model->held_count > 0;
    }
    uint64_t pinned = 0, loose = 0, kept = 0, blocks = 0;
    for (size_t i = 0; i < model->held_count; i++) {
        size_t bytes = bytes_of(model, model->held[i].key);
        pinned += held_before(model, i) ? 0 : bytes;
        loose += model->held[i].kept ? 0 : bytes;
    }
    for (size_t key = 0; key < model->keys; key++) {
        struct cached_block *block = find(model, key);
        if (block != NULL) {
            kept += bytes_of(model, key);
            blocks++;
            block_cache_unpin(model->cache, block);
        }
    }
    block_cache_stats(model->cache, &stats);
    assert_int_equal(stats.hits, model->hits);
    assert_int_equal(stats.misses, model->misses);
    assert_int_equal(stats.charged_bytes, model->charged);
    assert_int_equal(stats.pinned_bytes, pinned);
    assert_int_equal(stats.bytes, kept + loose);
    assert_int_equal(stats.inserts - stats.evictions, blocks);
    uint64_t limit = model->charged > model->capacity ? model->charged : model->capacity;
    assert_true(stats.bytes + stats.charged_bytes <= limit + stats.pinned_bytes);
}

static void run_program(struct model *model, uint64_t *random) {
    for (size_t step = 0; step < STEPS; step++) {
        size_t key = random_below(random, model->keys);
        uint64_t kind = random_below(random, 100);
        if (kind >= 97) {
            step_charge(model, random);
        } else if (model->held_count == HELD_MAX ||
                   (kind < 45 && model->held_count > 0)) {
            step_unpin(model, random_below(random, model->held_count));
        } else if (kind < 65) {
            step_find(model, key);
        } else {
            step_insert(model, key);
        }
        if (step % 20 == 0) {
            check_stats(model);
        }
    }
    while (model->held_count > 0) {
        step_unpin(model, model->held_count - 1);
    }
    check_stats(model);
}

static void programs_find_what_they_inserted(void **state) {
    (void)state;
    uint64_t random = test_seed();
    static const uint64_t capacities[] = {0, 1, 700, 4000, 40000, 3 << 20};
    size_t blocks = counted_memory_blocks();
    for (size_t program = 0; program < PROGRAMS; program++) {
        static struct model model;
        model = (struct model){
            .capacity = capacities[program % 6],
            .keys = 1 + random_below(&random, KEYS_MAX),
            .bytes_most = 1 + (random_magnitude(&random) >> 52),
        };
        assert_ok(block_cache_open(model.capacity, &threads_posix, &model.cache, NULL));
        run_program(&model, &random);
        block_cache_close(model.cache);
        assert_int_equal(counted_memory_blocks(), blocks);
    }
}

/* ---- what is kept and what goes ---------------------------------------------------- */

static bool meets(struct block_cache *cache, size_t key) {
    struct cached_block *block = cached_find(cache, key_of(key));
    if (block != NULL) {
        block_cache_unpin(cache, block);
    }
    return block != NULL;
}

static void pass_through(struct block_cache *cache, size_t key, size_t bytes) {
    struct cached_block *block = cached_insert(cache, key_of(key), bytes);
    assert_non_null(block);
    block_cache_unpin(cache, block);
}

static struct block_cache_stats stats_of(struct block_cache *cache) {
    struct block_cache_stats stats;
    block_cache_stats(cache, &stats);
    return stats;
}

/* Both where bytes are short and where slots are. */
static void what_is_used_stays(void **state) {
    (void)state;
    for (size_t bytes = 10; bytes <= 1000; bytes *= 100) {
        struct block_cache *cache;
        assert_ok(block_cache_open(8000, &threads_posix, &cache, NULL));
        pass_through(cache, 0, bytes);
        for (size_t key = 1; key < 500; key++) {
            assert_true(meets(cache, 0));
            pass_through(cache, key, bytes);
            assert_true(meets(cache, key));
        }
        struct block_cache_stats stats = stats_of(cache);
        assert_int_equal(stats.inserts, 500);
        assert_true(stats.evictions >= 480);
        assert_true(stats.bytes > 3 * bytes);
        block_cache_close(cache);
    }
}

static size_t count_met(struct block_cache *cache, size_t first, size_t count) {
    size_t met = 0;
    for (size_t key = first; key < first + count; key++) {
        met += meets(cache, key);
    }
    return met;
}

/* Room for eight: each round of the hand evicts at least the four that were not found, or
 * who took their places. Where blocks stand to each other depends on their keys. */
static void check_rounds(size_t finds, size_t first) {
    struct block_cache *cache;
    size_t rounds = finds > 2 ? 2 : finds;
    assert_ok(block_cache_open(8000, &threads_posix, &cache, NULL));
    for (size_t key = first; key < first + 8; key++) {
        pass_through(cache, key, 1000);
    }
    for (size_t i = 0; i < finds; i++) {
        assert_int_equal(count_met(cache, first, 4), 4);
    }
    for (size_t i = 0; i < 4 * rounds; i++) {
        pass_through(cache, first + 10 + i, 1000);
    }
    assert_int_equal(stats_of(cache).evictions, 4 * rounds);
    assert_int_equal(count_met(cache, first, 4), 4);
    for (size_t i = 0; i < 100; i++) {
        pass_through(cache, first + 20 + i, 1000);
    }
    assert_int_equal(count_met(cache, first, 4), 0);
    block_cache_close(cache);
}

static void finds_save_for_as_many_rounds_up_to_two(void **state) {
    (void)state;
    for (size_t finds = 0; finds <= 3; finds++) {
        for (size_t first = 0; first < 5000; first += 100) {
            check_rounds(finds, first);
        }
    }
}

static void nothing_is_kept_without_capacity(void **state) {
    (void)state;
    struct block_cache *cache;
    assert_ok(block_cache_open(0, &threads_posix, &cache, NULL));
    struct cached_block *one = cached_insert(cache, key_of(1), 10);
    struct cached_block *same = cached_insert(cache, key_of(1), 10);
    assert_ptr_not_equal(one, same);
    assert_true(cached_is(one, key_of(1), 10));
    assert_true(cached_is(same, key_of(1), 10));
    assert_false(meets(cache, 1));
    assert_int_equal(stats_of(cache).bytes, 20);
    assert_int_equal(stats_of(cache).pinned_bytes, 20);
    assert_int_equal(stats_of(cache).inserts, 0);
    block_cache_unpin(cache, one);
    block_cache_unpin(cache, same);
    assert_int_equal(stats_of(cache).bytes, 0);
    block_cache_close(cache);
}

static void all_may_be_pinned(void **state) {
    (void)state;
    enum { PINNED = 40, FITTING = 8 };
    struct block_cache *cache;
    struct cached_block *blocks[PINNED];
    assert_ok(block_cache_open(FITTING * 1000, &threads_posix, &cache, NULL));
    for (size_t key = 0; key < PINNED; key++) {
        blocks[key] = cached_insert(cache, key_of(key), 1000);
        assert_int_equal(meets(cache, key), key < FITTING);
    }
    assert_int_equal(stats_of(cache).bytes, PINNED * 1000);
    assert_int_equal(stats_of(cache).evictions, 0);
    for (size_t key = 0; key < PINNED; key++) {
        assert_true(cached_is(blocks[key], key_of(key), 1000));
        block_cache_unpin(cache, blocks[key]);
    }
    assert_int_equal(stats_of(cache).bytes, FITTING * 1000);
    pass_through(cache, PINNED, 1000); /* what was pinned can go */
    assert_true(meets(cache, PINNED));
    assert_int_equal(stats_of(cache).bytes, FITTING * 1000);
    block_cache_close(cache);
}

static void too_large_a_block_drives_none_out(void **state) {
    (void)state;
    struct block_cache *cache;
    assert_ok(block_cache_open(1000, &threads_posix, &cache, NULL));
    pass_through(cache, 0, 1000);
    pass_through(cache, 1, 1001);
    assert_true(meets(cache, 0));
    assert_false(meets(cache, 1));
    block_cache_close(cache);
}

static void a_full_cache_wants_some_of_what_it_misses(void **state) {
    (void)state;
    enum { BLOCKS = 64, BLOCK_BYTES = 4000, MISSES = 800 };
    struct block_cache *cache;
    assert_ok(block_cache_open(BLOCKS * BLOCK_BYTES, &threads_posix, &cache, NULL));
    size_t key = 0;
    while (stats_of(cache).bytes < (BLOCKS - BLOCKS / 16) * BLOCK_BYTES) {
        assert_false(meets(cache, key));
        assert_true(
            block_cache_wants(cache, key_of(key).table_number, key_of(key).offset));
        pass_through(cache, key++, BLOCK_BYTES);
        assert_true(key < 2 * (size_t)BLOCKS);
    }
    size_t wanted = 0;
    for (size_t i = 0; i < MISSES; i++, key++) {
        assert_false(meets(cache, key));
        wanted += block_cache_wants(cache, key_of(key).table_number, key_of(key).offset);
    }
    assert_int_equal(wanted, MISSES / BLOCK_CACHE_WANTS_ONE_IN);
    block_cache_charge(cache, BLOCKS * BLOCK_BYTES); /* nothing can be kept */
    assert_int_equal(stats_of(cache).bytes, 0);
    block_cache_release(cache, BLOCKS * BLOCK_BYTES);
    block_cache_close(cache);
}

static void the_second_insert_gets_the_first_block(void **state) {
    (void)state;
    struct block_cache *cache;
    assert_ok(block_cache_open(1000, &threads_posix, &cache, NULL));
    struct cached_block *one = cached_insert(cache, key_of(1), 10);
    size_t blocks = counted_memory_blocks();
    assert_ptr_equal(cached_insert(cache, key_of(1), 10), one);
    assert_int_equal(counted_memory_blocks(), blocks);
    block_cache_unpin(cache, one);
    block_cache_unpin(cache, one);
    assert_int_equal(stats_of(cache).pinned_bytes, 0);
    assert_int_equal(stats_of(cache).inserts, 1);
    block_cache_close(cache);
}

static void charges_drive_blocks_out(void **state) {
    (void)state;
    struct block_cache *cache;
    assert_ok(block_cache_open(4 << 20, &threads_posix, &cache, NULL));
    for (size_t key = 0; key < 900; key++) {
        pass_through(cache, key, 4000);
    }
    assert_int_equal(stats_of(cache).bytes, 900 * 4000);
    block_cache_charge(cache, 3 << 20);
    assert_true(stats_of(cache).bytes <= 1 << 20);
    assert_true(stats_of(cache).bytes >= 900000);
    block_cache_charge(cache, 2 << 20); /* beyond the capacity */
    assert_int_equal(stats_of(cache).bytes, 0);
    pass_through(cache, 1, 1000);
    assert_false(meets(cache, 1));
    block_cache_release(cache, 5 << 20);
    pass_through(cache, 1, 1000);
    assert_true(meets(cache, 1));
    block_cache_close(cache);
}

/* ---- no memory --------------------------------------------------------------------- */

static void open_without_memory(void **state) {
    (void)state;
    size_t blocks = counted_memory_blocks(), failures = 0;
    enum status status;
    do {
        struct block_cache *cache = NULL;
        struct error error = {0};
        counted_memory_fail(failures + 1, false);
        status = block_cache_open(1000, &threads_posix, &cache, &error);
        counted_memory_fail(0, false);
        if (status != STATUS_OK) {
            failures++;
            assert_int_equal(status, STATUS_NO_MEMORY);
            assert_message_has(error, "block cache");
            assert_null(cache);
        }
        block_cache_close(cache);
        assert_int_equal(counted_memory_blocks(), blocks);
    } while (status != STATUS_OK);
    assert_true(failures >= 2);
}

/* A block that is kept asks for no memory; one that is not may go without. */
static void insert_without_memory(void **state) {
    (void)state;
    struct block_cache *cache;
    assert_ok(block_cache_open(1000, &threads_posix, &cache, NULL));
    size_t blocks = counted_memory_blocks();
    for (size_t bytes = 1000; bytes <= 1001; bytes++) {
        unsigned char *data = cached_data(key_of(bytes), bytes);
        struct cached_key key = key_of(bytes);
        counted_memory_fail(1, true);
        struct cached_block *block =
            block_cache_insert(cache, key.table_number, key.offset, data, bytes);
        counted_memory_fail(0, false);
        assert_int_equal(block != NULL, bytes == 1000);
        if (block != NULL) {
            block_cache_unpin(cache, block);
        }
        assert_int_equal(counted_memory_blocks(), blocks + 1);
    }
    assert_int_equal(stats_of(cache).bytes, 1000);
    block_cache_close(cache);
    block_cache_close(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(programs_find_what_they_inserted),
        cmocka_unit_test(what_is_used_stays),
        cmocka_unit_test(finds_save_for_as_many_rounds_up_to_two),
        cmocka_unit_test(nothing_is_kept_without_capacity),
        cmocka_unit_test(all_may_be_pinned),
        cmocka_unit_test(too_large_a_block_drives_none_out),
        cmocka_unit_test(a_full_cache_wants_some_of_what_it_misses),
        cmocka_unit_test(the_second_insert_gets_the_first_block),
        cmocka_unit_test(charges_drive_blocks_out),
        cmocka_unit_test(open_without_memory),
        cmocka_unit_test(insert_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
