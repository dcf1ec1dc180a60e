/* Readers beside evictions and beside the end of files, on real threads and in drawn
 * orders of their steps. */
#include "open_tables.h"

#include "../common/directory.h"

#include "disk.h"
#include "scheduler.h"

enum { ACTORS = 3 };

#ifdef STRATA_SIM
enum { ORDERS = 400 };
#else
enum { ORDERS = 10 }; /* actors change places at locks only */
#endif

struct race {
    struct open_tables tables;
    struct atomic_pointer current[TABLES]; /* the files; readers load them inside */
    size_t rounds;
    bool only_pins; /* there are no readers but while they pin */
};

struct actor {
    struct race *race;
    uint64_t random;
    const char *wrong; /* what it saw that may not be */
};

/* A file whose place another has taken, until nobody can ask for it any more. */
struct gone {
    struct table_file *file;
    struct readers_watch watch;
};

static struct table_file *load(struct race *race, size_t index) {
    return atomic_pointer_load(&race->current[index], memory_order_seq_cst);
}

/* Two tables at once. */
static void read_inside(struct actor *actor) {
    struct race *race = actor->race;
    struct table_cache *cache = race->tables.cache;
    struct table *tables[2];
    size_t indexes[2];
    for (size_t i = 0; i < 2; i++) {
        indexes[i] = random_below(&actor->random, TABLES);
        if (table_cache_get(cache, load(race, indexes[i]), &tables[i], NULL) !=
            STATUS_OK) {
            actor->wrong = "a get that failed";
            return;
        }
    }
    for (size_t i = 0; i < 2; i++) {
        if (!is_table(tables[i], indexes[i] + 1)) {
            actor->wrong = "another table than it asked for";
        }
    }
}

/* As an iterator does, which keeps the file alive and is no reader when it moves. */
static void read_pinned(struct actor *actor, struct table_file *file) {
    struct table *table;
    uint64_t number = file->meta.number;
    if (table_cache_pin(actor->race->tables.cache, file, &table, NULL) != STATUS_OK) {
        actor->wrong = "a pin that failed";
        return;
    }
    if (!is_table(table, number)) {
        actor->wrong = "a pinned table that is another";
    }
    table_file_unref(file);
    if (!is_table(table, number)) {
        actor->wrong = "a pinned table that changed when its file ended";
    }
    table_unref(table);
}

static void read_tables(struct actor *actor) {
    struct race *race = actor->race;
    struct reader_slot *slot = readers_enter(&race->tables.readers);
    struct table_file *file = load(race, random_below(&actor->random, TABLES));
    table_file_ref(file);
    if (!race->only_pins) {
        read_inside(actor);
    }
    readers_leave(slot);
    read_pinned(actor, file);
}

static void read_on(void *argument) {
    struct actor *actor = argument;
    for (size_t i = 0; i < actor->race->rounds && actor->wrong == NULL; i++) {
        read_tables(actor);
    }
}

/* Once no reader can have it, and nobody else keeps it alive. */
static void end_if_unused(struct race *race, struct gone *gone) {
    if (readers_watch_over(&race->tables.readers, &gone->watch) &&
        atomic_u64_load(&gone->file->references, memory_order_acquire) == 1) {
        table_cache_forget(race->tables.cache, gone->file);
        table_file_unref(gone->file);
        gone->file = NULL;
    }
}

/* What an engine does when a version goes: others stand in the place of its files, and
 * these end when nobody can ask for them. */
static void replace_files(struct race *race, uint64_t random) {
    struct gone gone[TABLES] = {{NULL, {0}}};
    for (size_t i = 0; i < race->rounds; i++) {
        size_t index = random_below(&random, TABLES);
        struct gone *old = &gone[index];
        if (old->file == NULL) {
            struct table_file *file = table_file_open(&load(race, index)->meta);
            assert_non_null(file);
            old->file = load(race, index);
            atomic_pointer_store(&race->current[index], file, memory_order_seq_cst);
            old->watch = readers_watch_begin(&race->tables.readers);
        } else {
            end_if_unused(race, old);
        }
    }
    for (size_t i = 0; i < TABLES; i++) {
        while (gone[i].file != NULL) {
            struct table_cache_stats stats; /* takes a lock: others go on */
            table_cache_stats(race->tables.cache, &stats);
            end_if_unused(race, &gone[i]);
        }
    }
}

static void run_race(struct race *race, const char *directory, const struct world *world,
                     size_t max_open, uint64_t seed) {
    struct thread threads[ACTORS];
    struct actor actors[ACTORS];
    open_tables_begin(&race->tables, directory, world, max_open);
    for (size_t i = 0; i < TABLES; i++) {
        atomic_pointer_store(&race->current[i], race->tables.files[i],
                             memory_order_seq_cst);
    }
    for (size_t i = 0; i < ACTORS; i++) {
        actors[i] = (struct actor){race, seed + i, NULL};
        assert_ok(thread_create(&threads[i], world->threads, read_on, &actors[i]));
    }
    replace_files(race, seed);
    for (size_t i = 0; i < ACTORS; i++) {
        thread_join(&threads[i]);
        if (actors[i].wrong != NULL) {
            fail_msg("seed %" PRIu64 ": an actor saw: %s", seed, actors[i].wrong);
        }
    }
    struct table_cache_stats stats;
    table_cache_stats(race->tables.cache, &stats);
    size_t open = 0;
    for (size_t i = 0; i < TABLES; i++) {
        struct table_file *file = race->tables.files[i] = load(race, i);
        open += atomic_pointer_load(&file->table, memory_order_relaxed) != NULL;
    }
    assert_int_equal(stats.open, open);
    assert_true(open <= max_open);
    open_tables_end(&race->tables);
}

static void threads_read_their_tables(void **state) {
    uint64_t random = test_seed();
    size_t blocks = counted_memory_blocks();
    for (size_t max_open = 1; max_open <= TABLES; max_open += 2) {
        static struct race race;
        race = (struct race){.rounds = 150};
        run_race(&race, *state, &world_system, max_open, random_next(&random));
        assert_int_equal(counted_memory_blocks(), blocks);
    }
}

static uint64_t choose(void *context, uint64_t bound) {
    return random_below(context, bound);
}

static void readers_hold_in_every_order(void **state) {
    (void)state;
    uint64_t random = test_seed();
    for (size_t order = 0; order < ORDERS; order++) {
        static struct race race;
        size_t blocks = counted_memory_blocks();
        struct scheduler *scheduler = scheduler_new(choose, &random);
        struct disk *disk = disk_new();
        struct world world = {disk_files(disk), scheduler_threads(scheduler),
                              scheduler_clock(scheduler)};
        assert_ok(directory_make(world.files, "db", NULL));
        race = (struct race){.rounds = 6, .only_pins = order % 2 == 0};
        run_race(&race, "db", &world, 1 + order % 3, random_next(&random));
        assert_int_equal(disk_open_handles(disk), 0);
        assert_int_equal(scheduler_objects(scheduler), 0);
        disk_free(disk);
        scheduler_free(scheduler);
        assert_int_equal(counted_memory_blocks(), blocks);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_read_their_tables),
        cmocka_unit_test(readers_hold_in_every_order),
    };
    return cmocka_run_group_tests(tests, directory_setup, directory_teardown);
}
