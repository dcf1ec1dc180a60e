/* What the table cache promises to one thread; test_table_cache_races.c has more. */
#include "open_tables.h"

#include <errno.h>

#include "disk.h"

enum { PINS_MAX = 5, READS_MAX = 5, PROGRAMS = 60, STEPS = 300 };

static struct disk *disk;

static void begin(struct open_tables *tables, size_t max_open) {
    disk = disk_new();
    assert_ok(directory_make(disk_files(disk), "db", NULL));
    struct world world = world_system;
    world.files = disk_files(disk);
    open_tables_begin(tables, "db", &world, max_open);
}

static void end(struct open_tables *tables) {
    open_tables_end(tables);
    assert_int_equal(disk_open_handles(disk), 0);
    disk_free(disk);
}

static struct table *get(struct open_tables *tables, size_t index) {
    struct table *table = NULL;
    assert_ok(table_cache_get(tables->cache, tables->files[index], &table, NULL));
    assert_true(is_table(table, index + 1));
    return table;
}

static struct table_cache_stats stats_of(struct open_tables *tables) {
    struct table_cache_stats stats;
    table_cache_stats(tables->cache, &stats);
    return stats;
}

static bool is_open(const struct open_tables *tables, size_t index) {
    return atomic_pointer_load(&tables->files[index]->table, memory_order_relaxed) !=
           NULL;
}

/* ---- random programs -------------------------------------------------------------- */

/* A table in use, and why it may be used. */
struct use {
    struct table *table;
    size_t index;
    struct reader_slot *reader; /* NULL: it is pinned */
};

struct program {
    struct open_tables tables;
    size_t max_open;
    struct use pins[PINS_MAX], reads[READS_MAX];
    size_t pin_count, read_count;
};

static void step_pin(struct program *program, size_t index) {
    struct use pin = {.index = index};
    if (program->pin_count < PINS_MAX) {
        assert_ok(table_cache_pin(program->tables.cache, program->tables.files[index],
                                  &pin.table, NULL));
        program->pins[program->pin_count++] = pin;
    }
}

static void step_read(struct program *program, size_t index) {
    if (program->read_count < READS_MAX) {
        struct use read = {.index = index};
        read.reader = readers_enter(&program->tables.readers);
        read.table = get(&program->tables, index);
        program->reads[program->read_count++] = read;
    }
}

/* Whatever was closed meanwhile, a table in use is the one that it was. */
static void check_uses(const struct program *program) {
    for (size_t i = 0; i < program->pin_count; i++) {
        assert_true(is_table(program->pins[i].table, program->pins[i].index + 1));
    }
    for (size_t i = 0; i < program->read_count; i++) {
        assert_true(is_table(program->reads[i].table, program->reads[i].index + 1));
    }
}

static void step_unpin(struct program *program, uint64_t *random) {
    if (program->pin_count > 0) {
        struct use *pin = &program->pins[random_below(random, program->pin_count)];
        table_unref(pin->table);
        *pin = program->pins[--program->pin_count];
    }
}

static void step_leave(struct program *program, uint64_t *random) {
    if (program->read_count > 0) {
        struct use *read = &program->reads[random_below(random, program->read_count)];
        readers_leave(read->reader);
        *read = program->reads[--program->read_count];
    }
}

/* The table is no more, and one of the same contents comes. */
static void step_replace(struct program *program, size_t index) {
    struct open_tables *tables = &program->tables;
    table_cache_forget(tables->cache, tables->files[index]);
    assert_false(is_open(tables, index));
    table_file_unref(tables->files[index]);
    tables->files[index] = file_of(tables, index + 1);
}

static size_t pinned_and_closed(const struct program *program) {
    size_t count = 0;
    for (size_t i = 0; i < program->pin_count; i++) {
        const struct use *pin = &program->pins[i];
        void *open = atomic_pointer_load(&program->tables.files[pin->index]->table,
                                         memory_order_relaxed);
        bool again = false;
        for (size_t j = 0; j < i; j++) {
            again = again || program->pins[j].table == pin->table;
        }
        count += open != pin->table && !again;
    }
    return count;
}

/* The limit is kept, and nothing is open that is neither in the cache nor in use. */
static void check_open(struct program *program) {
    size_t open = 0;
    for (size_t i = 0; i < TABLES; i++) {
        open += is_open(&program->tables, i);
    }
    assert_int_equal(stats_of(&program->tables).open, open);
    assert_true(open <= program->max_open);
    size_t others = disk_open_handles(disk) - open;
    assert_true(others >= pinned_and_closed(program));
    if (program->read_count == 0) {
        step_replace(program, 0); /* closes what readers have left */
        open = (size_t)stats_of(&program->tables).open;
        assert_int_equal(disk_open_handles(disk), open + pinned_and_closed(program));
    }
}

static void run_program(struct program *program, uint64_t *random) {
    for (size_t step = 0; step < STEPS; step++) {
        size_t index = random_below(random, TABLES);
        switch (random_below(random, 8)) {
        case 0:
            step_pin(program, index);
            break;
        case 1:
            step_unpin(program, random);
            break;
        case 2:
        case 3:
            step_read(program, index);
            break;
        case 4:
        case 5:
            step_leave(program, random);
            break;
        case 6:
            if (random_below(random, 4) == 0) {
                step_replace(program, index);
            }
            break;
        default:
            while (program->read_count > 0 && random_below(random, 3) == 0) {
                step_leave(program, random);
            }
            check_open(program);
        }
        check_uses(program);
    }
}

static void programs_read_the_tables_they_ask_for(void **state) {
    (void)state;
    uint64_t random = test_seed();
    size_t blocks = counted_memory_blocks();
    for (size_t i = 0; i < PROGRAMS; i++) {
        static struct program program;
        program = (struct program){.max_open = 1 + i % (TABLES + 1)};
        begin(&program.tables, program.max_open);
        run_program(&program, &random);
        while (program.read_count > 0) {
            step_leave(&program, &random);
        }
        if (i % 2 == 0) { /* pinned tables outlive the cache */
            table_cache_close(program.tables.cache);
            program.tables.cache = NULL;
            check_uses(&program);
        }
        while (program.pin_count > 0) {
            step_unpin(&program, &random);
        }
        end(&program.tables);
        assert_int_equal(counted_memory_blocks(), blocks);
    }
}

/* ---- what stays open -------------------------------------------------------------- */

static void what_is_used_stays_open(void **state) {
    (void)state;
    struct open_tables tables;
    begin(&tables, 3);
    struct reader_slot *slot = readers_enter(&tables.readers);
    get(&tables, 0);
    for (size_t i = 0; i < 50; i++) {
        assert_true(is_open(&tables, 0));
        get(&tables, 0);
        get(&tables, 1 + i % (TABLES - 1));
        assert_true(is_open(&tables, 1 + i % (TABLES - 1)));
    }
    assert_true(is_open(&tables, 0));
    assert_int_equal(stats_of(&tables).open, 3);
    readers_leave(slot);
    end(&tables);
}

static void an_open_table_is_opened_once(void **state) {
    (void)state;
    struct open_tables tables;
    begin(&tables, TABLES);
    for (size_t i = 0; i < 3 * TABLES; i++) {
        struct reader_slot *slot = readers_enter(&tables.readers);
        get(&tables, i % TABLES);
        readers_leave(slot);
    }
    assert_int_equal(stats_of(&tables).opens, TABLES);
    end(&tables);
}

static void a_table_is_closed_when_its_readers_left(void **state) {
    (void)state;
    struct open_tables tables;
    begin(&tables, 1);
    struct reader_slot *slot = readers_enter(&tables.readers);
    struct table *first = get(&tables, 0);
    get(&tables, 1);
    get(&tables, 2);
    assert_int_equal(disk_open_handles(disk), 3);
    assert_true(is_table(first, 1));
    readers_leave(slot);
    table_cache_forget(tables.cache, tables.files[5]); /* not open; it comes by */
    assert_int_equal(disk_open_handles(disk), 1);
    end(&tables);
}

/* ---- failures --------------------------------------------------------------------- */

static enum status try_get(struct open_tables *tables, size_t index,
                           struct error *error) {
    struct table *table = NULL;
    struct reader_slot *slot = readers_enter(&tables->readers);
    enum status status =
        table_cache_get(tables->cache, tables->files[index], &table, error);
    assert_int_equal(table != NULL, status == STATUS_OK);
    readers_leave(slot);
    return status;
}

static void a_missing_table_is_corruption(void **state) {
    (void)state;
    struct open_tables tables;
    struct error error = {0};
    struct table *table = NULL;
    begin(&tables, 2);
    assert_ok(file_remove(disk_files(disk), "db/000003.ldb", NULL));
    assert_int_equal(try_get(&tables, 2, &error), STATUS_CORRUPT);
    assert_message_has(error, "db/000003.ldb");
    assert_message_has(error, "missing");
    assert_int_equal(table_cache_pin(tables.cache, tables.files[2], &table, NULL),
                     STATUS_CORRUPT);
    struct table_meta meta;
    write_table(&tables, 3, &meta);
    table_meta_free(&meta);
    assert_ok(try_get(&tables, 2, &error));
    end(&tables);
}

static void a_damaged_table_is_corruption(void **state) {
    (void)state;
    struct open_tables tables;
    struct error error = {0};
    begin(&tables, 2);
    disk_put_file(disk, "db/000002.ldb", slice_of("no table"));
    assert_int_equal(try_get(&tables, 1, &error), STATUS_CORRUPT);
    assert_message_has(error, "db/000002.ldb");
    assert_int_equal(disk_open_handles(disk), 0);
    assert_ok(try_get(&tables, 0, &error));
    end(&tables);
}

/* Each call on the disk, and each allocation, fails once: the get fails or does not need
 * it, and the next one succeeds. */
static void sweep(bool memory) {
    size_t failures = 0;
    for (bool failed = true; failed; failures += failed) {
        struct open_tables tables;
        struct error error = {0};
        begin(&tables, 1);
        assert_ok(try_get(&tables, 0, &error));
        struct fault fault = {.countdown = failures + 1, .errnum = EIO};
        if (memory) {
            counted_memory_fail(failures + 1, false);
        } else {
            disk_set_fault(disk, &fault);
        }
        enum status status = try_get(&tables, 1, &error);
        failed = memory ? counted_memory_failed() : disk_fault_struck(disk) != NULL;
        counted_memory_fail(0, false);
        if (status != STATUS_OK) {
            assert_int_equal(status, memory ? STATUS_NO_MEMORY : STATUS_IO);
            assert_true(error.message[0] != 0);
            assert_true(is_open(&tables, 0));
        }
        assert_ok(try_get(&tables, 1, &error));
        end(&tables);
    }
    assert_true(failures > 3);
}

static void failing_reads_are_told(void **state) {
    (void)state;
    sweep(false);
}

static void no_memory_is_told(void **state) {
    (void)state;
    size_t blocks = counted_memory_blocks();
    sweep(true);
    struct readers readers = {0};
    struct error error = {0};
    for (size_t countdown = 1; countdown <= 2; countdown++) {
        struct table_cache *cache = NULL;
        counted_memory_fail(countdown, false);
        assert_int_equal(
            table_cache_open("db", &world_system, NULL, &readers, 1, &cache, &error),
            STATUS_NO_MEMORY);
        counted_memory_fail(0, false);
        assert_message_has(error, "table cache");
        table_cache_close(cache);
    }
    assert_int_equal(counted_memory_blocks(), blocks);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(programs_read_the_tables_they_ask_for),
        cmocka_unit_test(what_is_used_stays_open),
        cmocka_unit_test(an_open_table_is_opened_once),
        cmocka_unit_test(a_table_is_closed_when_its_readers_left),
        cmocka_unit_test(a_missing_table_is_corruption),
        cmocka_unit_test(a_damaged_table_is_corruption),
        cmocka_unit_test(failing_reads_are_told),
        cmocka_unit_test(no_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
