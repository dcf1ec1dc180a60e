/* The list against a sorted array; and readers beside the inserter, on real threads. */
#define TEST_HAS_STAGE
#include "../common/support.h"

#include "arena.h"
#include "internal_key.h"
#include "scheduler.h"
#include "skiplist.h"
#include "thread.h"

enum { KEY_BYTES_MAX = 20 };

struct entry {
    unsigned char key[KEY_BYTES_MAX];
    size_t key_bytes;
    uint64_t tag;
};

static struct slice key_of(const struct entry *entry) {
    return slice_make(entry->key, entry->key_bytes);
}

/* Few letters, lengths about the words that comparisons take: many keys share beginnings,
 * many are the same. */
static struct entry random_entry(uint64_t *random) {
    struct entry entry = {.key_bytes = random_below(random, KEY_BYTES_MAX + 1),
                          .tag = random_below(random, 5)};
    size_t same = random_below(random, KEY_BYTES_MAX + 1);
    for (size_t i = 0; i < entry.key_bytes; i++) {
        static const unsigned char letters[] = {0, 'a', 0xff};
        entry.key[i] = i < same ? 'a' : letters[random_below(random, 3)];
    }
    return entry;
}

static int compare(const void *left, const void *right) {
    const struct entry *a = left;
    const struct entry *b = right;
    int order = slice_compare(key_of(a), key_of(b));
    return order != 0 ? order : (a->tag < b->tag) - (a->tag > b->tag);
}

static void insert(struct skiplist *list, struct arena *arena,
                   const struct entry *entry) {
    uint64_t count = atomic_u64_load(&list->count, memory_order_relaxed);
    struct arena_piece space;
    assert_true(arena_take(arena, skiplist_node_bytes(count, entry->key_bytes),
                           skiplist_value_bytes(entry->key_bytes), &space));
    skiplist_insert(list, space.front, space.back, key_of(entry), entry->tag,
                    key_of(entry));
}

static void assert_node(const struct skiplist_node *node, const struct entry *entry) {
    if (entry == NULL) {
        assert_null(node);
        return;
    }
    assert_non_null(node);
    assert_true(slice_equal(skiplist_key(node), key_of(entry)));
    assert_true(slice_equal(skiplist_value(node), key_of(entry)));
    assert_int_equal(skiplist_tag(node), entry->tag);
    struct slice internal = skiplist_internal_key(node);
    assert_true(slice_equal(internal_key_user(internal), key_of(entry)));
    assert_int_equal(internal_key_tag(internal), entry->tag);
}

/* `entries` sorted: walked, and sought with `probes` random targets. */
static void assert_list(const struct skiplist *list, const struct entry *entries,
                        size_t count, uint64_t *random, size_t probes) {
    const struct skiplist_node *node = skiplist_first(list);
    for (size_t i = 0; i < count; i++) {
        assert_node(node, &entries[i]);
        node = skiplist_next(node);
    }
    assert_null(node);
    assert_node(skiplist_last(list), count == 0 ? NULL : &entries[count - 1]);
    for (size_t probe = 0; probe < probes; probe++) {
        struct entry target = random_entry(random);
        if (count > 0 && probe % 2 == 0) {
            target = entries[random_below(random, count)];
        }
        size_t at = 0;
        while (at < count && compare(&entries[at], &target) < 0) {
            at++;
        }
        assert_node(skiplist_seek(list, key_of(&target), target.tag),
                    at == count ? NULL : &entries[at]);
        assert_node(skiplist_seek_before(list, key_of(&target), target.tag),
                    at == 0 ? NULL : &entries[at - 1]);
    }
}

static bool contains(const struct entry *entries, size_t count,
                     const struct entry *entry) {
    for (size_t i = 0; i < count; i++) {
        if (compare(&entries[i], entry) == 0) {
            return true;
        }
    }
    return false;
}

enum order { ANY_ORDER, ASCENDING, DESCENDING, RUNS };

/* Puts the entries in the order in which they will be inserted. */
static void arrange(struct entry *entries, size_t count, enum order order) {
    if (order == ANY_ORDER) {
        return;
    }
    qsort(entries, count, sizeof *entries, compare);
    for (size_t i = 0; order == DESCENDING && i < count / 2; i++) {
        struct entry kept = entries[i];
        entries[i] = entries[count - 1 - i];
        entries[count - 1 - i] = kept;
    }
    /* Ascending runs between one another: the hint is right, then wrong, then right. */
    for (size_t i = 0; order == RUNS && i + 8 <= count / 2; i += 8) {
        for (size_t j = i; j < i + 4; j++) {
            struct entry kept = entries[j];
            entries[j] = entries[j + count / 2];
            entries[j + count / 2] = kept;
        }
    }
}

static void equals_a_sorted_array(void **state) {
    (void)state;
    uint64_t random = test_seed();
    static struct entry entries[600];
    for (size_t round = 0; round < 200; round++) {
        struct arena arena = {0};
        static struct skiplist list;
        skiplist_init(&list);
        size_t wanted = random_below(&random, round % 10 == 0 ? 600 : 40);
        size_t count = 0;
        for (size_t i = 0; i < wanted; i++) {
            struct entry entry = random_entry(&random);
            if (!contains(entries, count, &entry)) {
                entries[count++] = entry;
            }
        }
        arrange(entries, count, (enum order)(round % 4));
        for (size_t i = 0; i < count; i++) {
            insert(&list, &arena, &entries[i]);
        }
        qsort(entries, count, sizeof *entries, compare);
        assert_list(&list, entries, count, &random, 50);
        arena_free(&arena);
    }
}

/* Every fourth entry is in the level above, and what an entry takes is its index's. */
static void heights_are_as_drawn(void **state) {
    (void)state;
    size_t least = skiplist_node_bytes(0, 0);
    size_t higher[SKIPLIST_LEVELS + 1] = {0};
    for (uint64_t i = 0; i < 100000; i++) {
        size_t bytes = skiplist_node_bytes(i, 0);
        least = bytes < least ? bytes : least;
        assert_int_equal(bytes, skiplist_node_bytes(i, 0));
    }
    for (uint64_t i = 0; i < 100000; i++) {
        size_t level = (skiplist_node_bytes(i, 0) - least) / 8;
        assert_in_range(level, 0, SKIPLIST_LEVELS - 1);
        for (size_t j = 0; j <= level; j++) {
            higher[j]++;
        }
    }
    assert_int_equal(higher[0], 100000);
    assert_in_range(higher[1], 24000, 26000);
    assert_in_range(higher[2], 5800, 6700);
}

/* ---- readers beside the inserter ------------------------------------------------- */

enum { RACE_ENTRIES = 8000, RACE_READERS = 2 };

struct race {
    struct skiplist list;
    struct atomic_u64 inserted; /* entries 1 to here are in */
};

struct racer {
    struct race *race;
    size_t index;
    const char *wrong; /* what a reader saw that may not be */
};

/* The index-th entry's key: any order, no two the same. */
static uint64_t scattered(uint64_t index) {
    return (index * 2654435761u) % 1000003;
}

static const char *walk(const struct race *race) {
    uint64_t before = atomic_u64_load(&race->inserted, memory_order_acquire);
    uint64_t seen = 0;
    const struct skiplist_node *last = NULL;
    for (const struct skiplist_node *node = skiplist_first(&race->list); node != NULL;
         node = skiplist_next(node)) {
        if (last != NULL && internal_key_compare(skiplist_internal_key(last),
                                                 skiplist_internal_key(node)) >= 0) {
            return "out of order";
        }
        if (!slice_equal(skiplist_key(node), skiplist_value(node))) {
            return "an entry that is not complete";
        }
        seen += skiplist_tag(node) <= before;
        last = node;
    }
    return seen == before ? NULL : "an entry is missing";
}

/* Every entry that was in before is found, and nothing before it is taken for it. */
static const char *probe(const struct race *race, uint64_t *random) {
    uint64_t before = atomic_u64_load(&race->inserted, memory_order_acquire);
    if (before == 0) {
        return NULL;
    }
    uint64_t index = 1 + random_below(random, before);
    char key[16];
    snprintf(key, sizeof key, "%010" PRIu64, scattered(index));
    const struct skiplist_node *node = skiplist_seek(&race->list, slice_of(key), index);
    if (node == NULL || skiplist_tag(node) != index) {
        return "a seek missed";
    }
    node = skiplist_seek_before(&race->list, slice_of(key), index);
    return node != NULL && slice_compare(skiplist_key(node), slice_of(key)) >= 0
               ? "what is before is not"
               : NULL;
}

static void read_beside(void *argument) {
    struct racer *racer = argument;
    uint64_t random = racer->index;
    while (racer->wrong == NULL &&
           atomic_u64_load(&racer->race->inserted, memory_order_acquire) < RACE_ENTRIES) {
        racer->wrong = walk(racer->race);
        for (int i = 0; i < 200 && racer->wrong == NULL; i++) {
            racer->wrong = probe(racer->race, &random);
        }
    }
    if (racer->wrong == NULL) {
        racer->wrong = walk(racer->race);
    }
}

static void readers_see_complete_prefixes(void **state) {
    (void)state;
    static struct race race;
    struct arena arena = {0};
    struct thread threads[RACE_READERS];
    struct racer racers[RACE_READERS];
    skiplist_init(&race.list);
    for (size_t i = 0; i < RACE_READERS; i++) {
        racers[i] = (struct racer){&race, i, NULL};
        assert_ok(thread_create(&threads[i], &threads_posix, read_beside, &racers[i]));
    }
    for (uint64_t index = 1; index <= RACE_ENTRIES; index++) {
        char key[KEY_BYTES_MAX];
        struct entry entry = {.tag = index};
        int length = snprintf(key, sizeof key, "%010" PRIu64, scattered(index));
        entry.key_bytes = (size_t)length;
        memcpy(entry.key, key, entry.key_bytes);
        insert(&race.list, &arena, &entry);
        atomic_u64_store(&race.inserted, index, memory_order_release);
    }
    for (size_t i = 0; i < RACE_READERS; i++) {
        thread_join(&threads[i]);
        if (racers[i].wrong != NULL) {
            fail_msg("a reader saw: %s", racers[i].wrong);
        }
    }
    arena_free(&arena);
}

/* ---- every order of a reader's and the inserter's steps, drawn --------------------- */

enum { VERSIONS = 40, ORDERS = 1000 };

/* New versions of one key come while a reader looks for the newest that it may see. In
 * the sim flavour every load and store is a place to stop and let the other go on. */
struct versions_race {
    struct skiplist list;
    struct atomic_u64 visible;
    const char *wrong;
};

static void add_versions(void *argument) {
    struct versions_race *race = argument;
    enum { NODE_BYTES = 224, VALUE_BYTES = 32 };
    static _Alignas(8) unsigned char space[VERSIONS + 1][NODE_BYTES + VALUE_BYTES];
    memset(space, 0, sizeof space); /* links of the last order would be right by chance */
    for (uint64_t tag = 1; tag <= VERSIONS; tag++) {
        skiplist_insert(&race->list, space[tag], space[tag] + NODE_BYTES, slice_of("key"),
                        tag, slice_of("value"));
        atomic_u64_store(&race->visible, tag, memory_order_release);
    }
}

static void look_for_newest(struct versions_race *race) {
    while (race->wrong == NULL) {
        uint64_t visible = atomic_u64_load(&race->visible, memory_order_acquire);
        const struct skiplist_node *node =
            skiplist_seek(&race->list, slice_of("key"), visible);
        if (visible > 0 && (node == NULL || skiplist_tag(node) != visible)) {
            race->wrong = "another version than the one that it may see";
        }
        uint64_t expected = visible;
        for (; node != NULL && race->wrong == NULL; node = skiplist_next(node)) {
            if (skiplist_tag(node) != expected--) {
                race->wrong = "a version is missing";
            }
        }
        if (expected > 0 || visible == VERSIONS) {
            race->wrong = expected > 0 ? "older versions are missing" : race->wrong;
            return;
        }
    }
}

static uint64_t choose(void *context, uint64_t bound) {
    return random_below(context, bound);
}

static void searches_hold_in_every_order(void **state) {
    (void)state;
    uint64_t random = test_seed();
    for (int order = 0; order < ORDERS; order++) {
        static struct versions_race race;
        struct thread writer;
        struct scheduler *scheduler = scheduler_new(choose, &random);
        race = (struct versions_race){.wrong = NULL};
        skiplist_init(&race.list);
        assert_ok(
            thread_create(&writer, scheduler_threads(scheduler), add_versions, &race));
#ifndef STRATA_SIM
        scheduler_settle(scheduler); /* without switch points it would wait for ever */
#endif
        look_for_newest(&race);
        thread_join(&writer);
        scheduler_free(scheduler);
        if (race.wrong != NULL) {
            fail_msg("in order %d: %s", order, race.wrong);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_a_sorted_array),
        cmocka_unit_test(heights_are_as_drawn),
        cmocka_unit_test(readers_see_complete_prefixes),
        cmocka_unit_test(searches_hold_in_every_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
