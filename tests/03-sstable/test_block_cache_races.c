/* Finds beside inserts that evict, on real threads and in drawn orders of their steps. */
#include "cached.h"

#include "scheduler.h"

enum { ACTORS = 3 };

#ifdef STRATA_SIM
enum { ORDERS = 4000 };
#else
enum { ORDERS = 100 }; /* actors change places at locks only */
#endif

struct race {
    struct block_cache *cache;
    const struct threads *threads;
    size_t keys, bytes_most, rounds;
    uint64_t charge_most;
};

struct actor {
    struct race *race;
    uint64_t random;
    uint64_t finds;
    const char *wrong; /* what it saw that may not be */
};

static size_t bytes_of(const struct race *race, struct cached_key key) {
    uint64_t state = key.offset;
    return 1 + random_below(&state, race->bytes_most);
}

/* A block, found or inserted. NULL: not found this time. */
static struct cached_block *obtain(struct actor *actor, struct cached_key key) {
    struct block_cache *cache = actor->race->cache;
    struct cached_block *block = cached_find(cache, key);
    actor->finds++;
    if (block == NULL && random_below(&actor->random, 4) != 0) {
        block = cached_insert(cache, key, bytes_of(actor->race, key));
        actor->wrong = block == NULL ? "no memory" : NULL;
    }
    return block;
}

/* Holds one block while it obtains another: so blocks are pinned long and short. */
static void act(void *argument) {
    struct actor *actor = argument;
    struct race *race = actor->race;
    struct cached_block *held = NULL;
    struct cached_key held_key = {0, 0};
    for (size_t i = 0; i < race->rounds && actor->wrong == NULL; i++) {
        struct cached_key key = {1, random_below(&actor->random, race->keys)};
        struct cached_block *block = obtain(actor, key);
        if (block != NULL && !cached_is(block, key, bytes_of(race, key))) {
            actor->wrong = "a block of another key, or not whole";
        }
        if (held != NULL) {
            if (!cached_is(held, held_key, bytes_of(race, held_key))) {
                actor->wrong = "a block has changed while it was pinned";
            }
            block_cache_unpin(race->cache, held);
        }
        held = block;
        held_key = key;
        if (race->charge_most > 0 && random_below(&actor->random, 8) == 0) {
            uint64_t bytes = random_below(&actor->random, race->charge_most);
            block_cache_charge(race->cache, bytes);
            block_cache_release(race->cache, bytes);
        }
    }
    if (held != NULL) {
        block_cache_unpin(race->cache, held);
    }
}

/* At rest again: nothing is pinned, the sums are right, and what is there is whole. */
static void check_at_rest(const struct race *race, uint64_t capacity, uint64_t finds) {
    struct block_cache_stats stats;
    block_cache_charge(race->cache, 0);
    block_cache_stats(race->cache, &stats);
    assert_int_equal(stats.pinned_bytes, 0);
    assert_int_equal(stats.charged_bytes, 0);
    assert_int_equal(stats.hits + stats.misses, finds);
    assert_true(stats.bytes <= capacity);
    uint64_t blocks = 0, bytes = 0;
    for (size_t i = 0; i < race->keys; i++) {
        struct cached_key key = {1, i};
        struct cached_block *block = cached_find(race->cache, key);
        if (block != NULL) {
            assert_true(cached_is(block, key, bytes_of(race, key)));
            blocks++;
            bytes += block->bytes;
            block_cache_unpin(race->cache, block);
        }
    }
    assert_int_equal(stats.inserts - stats.evictions, blocks);
    assert_int_equal(stats.bytes, bytes);
}

static void run_race(struct race *race, uint64_t capacity, uint64_t seed) {
    struct thread threads[ACTORS];
    struct actor actors[ACTORS];
    uint64_t finds = 0;
    size_t blocks = counted_memory_blocks();
    assert_ok(block_cache_open(capacity, race->threads, &race->cache, NULL));
    for (size_t i = 0; i < ACTORS; i++) {
        actors[i] = (struct actor){.race = race, .random = seed + i};
        assert_ok(thread_create(&threads[i], race->threads, act, &actors[i]));
    }
    for (size_t i = 0; i < ACTORS; i++) {
        thread_join(&threads[i]);
        finds += actors[i].finds;
    }
    for (size_t i = 0; i < ACTORS; i++) {
        if (actors[i].wrong != NULL) {
            fail_msg("seed %" PRIu64 ": an actor saw: %s", seed, actors[i].wrong);
        }
    }
    check_at_rest(race, capacity, finds);
    block_cache_close(race->cache);
    assert_int_equal(counted_memory_blocks(), blocks);
}

static void threads_find_whole_blocks(void **state) {
    (void)state;
    uint64_t random = test_seed();
    for (int i = 0; i < 6; i++) {
        struct race race = {.threads = &threads_posix,
                            .keys = 20 + 200 * (size_t)(i / 2),
                            .bytes_most = i % 2 == 0 ? 40 : 400,
                            .rounds = 10000,
                            .charge_most = i % 3 == 0 ? 2000 : 0};
        run_race(&race, 4000, random_next(&random));
    }
}

static uint64_t choose(void *context, uint64_t bound) {
    return random_below(context, bound);
}

/* Few slots and fewer bytes: blocks go while they are looked for, others take their
 * slots. In the sim flavour any step of a find, an insert or an unpin may be followed by
 * one of another actor. */
static void finds_hold_in_every_order(void **state) {
    (void)state;
    uint64_t random = test_seed();
    for (int order = 0; order < ORDERS; order++) {
        struct scheduler *scheduler = scheduler_new(choose, &random);
        struct race race = {.threads = scheduler_threads(scheduler),
                            .keys = order % 2 == 0 ? 3 : 24,
                            .bytes_most = 20,
                            .rounds = 12,
                            .charge_most = order % 5 == 0 ? 60 : 0};
        run_race(&race, order % 2 == 0 ? 30 : 1000, random_next(&random));
        assert_int_equal(scheduler_objects(scheduler), 0);
        scheduler_free(scheduler);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_find_whole_blocks),
        cmocka_unit_test(finds_hold_in_every_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
