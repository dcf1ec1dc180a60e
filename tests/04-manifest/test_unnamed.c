/* Tables that no edit names, and damaged edits where no log is left: what a crash leaves
 * is opened, and nothing is kept that named tables hold; what damage leaves is refused.
 * The merges are made by hand, as edits of the catalog. */
#include "../03-sstable/engine_faults.h"

#include "catalog_manifest.h"
#include "current.h"
#include "flush.h"

/* A directory, and its catalog, without an engine. */
struct hand {
    struct directory directory;
    void *catalog;
    struct catalog_found found;
};

static void hand_open(struct hand *hand, struct simulation *sim) {
    *hand = (struct hand){0};
    assert_ok(directory_open(&hand->directory, "db", &sim->options, NULL));
    assert_ok(catalog_manifest.open(&hand->directory, &sim->options, &hand->catalog,
                                    &hand->found, NULL));
}

static void hand_close(struct hand *hand) {
    catalog_manifest.close(hand->catalog);
    version_unref(hand->found.version);
    directory_close(&hand->directory);
}

static void hand_apply(struct hand *hand, struct edit *edit) {
    struct version *after;
    bool begun;
    assert_ok(version_apply(hand->found.version, edit, &after, NULL));
    assert_ok(catalog_manifest.apply(hand->catalog, edit, after, &begun, NULL));
    version_unref(hand->found.version);
    hand->found.version = after;
    edit_free(edit);
}

/* A table of the puts `first` to `last`, under a temporary name, in the edit. */
static void write_table(struct hand *hand, struct simulation *sim, struct edit *edit,
                        unsigned level, uint64_t first, uint64_t last) {
    struct memtable *memtable = memtable_open(0);
    struct table_file *file;
    assert_non_null(memtable);
    for (uint64_t i = first; i <= last; i++) {
        char key[24], value[24];
        struct memtable_room room;
        snprintf(key, sizeof key, "k%" PRIu64, i);
        snprintf(value, sizeof value, "v%" PRIu64, i);
        struct kv_op op = put_op(key, value);
        assert_ok(memtable_reserve(memtable, &op, 1, &room));
        memtable_insert(memtable, &room, &op, 1, i);
    }
    assert_ok(flush_memtable(&hand->directory, &sim->options, memtable, first - 1, last,
                             &file, NULL));
    assert_ok(edit_add(edit, level, file));
    table_file_unref(file);
    memtable_unref(memtable);
}

static void remove_inputs(struct simulation *sim, const uint64_t inputs[2]) {
    for (size_t i = 0; i < 2; i++) {
        assert_ok(directory_remove("db", &sim->world, NAME_TABLE, inputs[i], NULL));
    }
}

/* The two tables of level 0 become one of level 1. The catalog's first edit is empty, and
 * begins a manifest: the merge is a later one. Answers the merged table's number; *at is
 * the operation with which the merge begins. */
static uint64_t merge(struct simulation *sim, uint64_t inputs[2], size_t *at) {
    struct hand hand;
    struct edit edit = {0};
    hand_open(&hand, sim);
    hand_apply(&hand, &edit);
    *at = disk_operations(sim->disk);
    assert_int_equal(hand.found.version->run_count, 2);
    for (size_t i = 0; i < 2; i++) {
        inputs[i] = hand.found.version->runs[i].files[0]->meta.number;
        assert_ok(edit_remove(&edit, 0, inputs[i]));
    }
    write_table(&hand, sim, &edit, 1, 1, 20);
    uint64_t number = edit.added[0].file->meta.number;
    hand_apply(&hand, &edit);
    hand_close(&hand);
    return number;
}

/* Two tables with k1 … k20, and no log. */
static void make_two(struct simulation *sim) {
    simulation_begin(sim);
    struct kv *kv = open_store(sim);
    put_numbers(kv, 1, 10, DURABILITY_NONE);
    assert_ok(kv_flush(kv, NULL));
    put_numbers(kv, 11, 20, DURABILITY_NONE);
    assert_ok(kv_flush(kv, NULL));
    assert_ok(kv_close(kv, NULL));
}

struct seen {
    size_t tables, lost, logs;
};

static void see_file(void *context, const char *path) {
    struct seen *seen = context;
    bool table = strstr(path, ".ldb") != NULL;
    seen->lost += table && strncmp(path, "db/lost/", 8) == 0;
    seen->tables += table && strncmp(path, "db/lost/", 8) != 0;
    seen->logs += strstr(path, ".log") != NULL;
}

static struct seen see(struct simulation *sim) {
    struct seen seen = {0};
    disk_list_files(sim->disk, see_file, &seen);
    return seen;
}

static void manifest_path(struct simulation *sim, char path[64]) {
    struct current current;
    assert_ok(current_read("db", &sim->world, &current, NULL));
    snprintf(path, 64, "db/MANIFEST-%06" PRIu64, current.number);
}

static void assert_refused(struct simulation *sim, const char *words) {
    struct kv *kv;
    struct error error = {0};
    struct seen before = see(sim);
    assert_int_equal(kv_open("db", &sim->options, &kv, &error), STATUS_CORRUPT);
    assert_message_has(error, words);
    struct seen after = see(sim);
    assert_memory_equal(&after, &before, sizeof after); /* nothing is moved or removed */
}

/* The disk after this crash. */
static struct simulation crashed(const struct simulation *sim,
                                 const struct crash *crash) {
    struct simulation after = *sim;
    simulation_use(&after, disk_crash(sim->disk, crash));
    return after;
}

/* ---- a merge, cut off ------------------------------------------------------------ */

/* In every state that a loss of power leaves of a merge without logs: all is there, and
 * only once. */
static void a_merge_is_cut_off(void **state) {
    (void)state;
    struct simulation sim;
    uint64_t inputs[2], seed = test_seed();
    size_t from, states = 0, undone = 0, at_rest;
    make_two(&sim);
    merge(&sim, inputs, &from);
    at_rest = disk_operations(sim.disk);
    remove_inputs(&sim, inputs);
    for (size_t at = from; at <= disk_operations(sim.disk); at++) {
        struct exploration exploration;
        disk_explore_begin(&exploration, DISK_POSIX, at);
        for (int i = 0; i < 60 && disk_explore_next(sim.disk, &exploration, &seed); i++) {
            struct simulation after = crashed(&sim, &exploration.crash);
            after.options.world = &after.world;
            assert_int_equal(see(&after).logs, 0);
            struct kv *kv = open_store(&after);
            assert_numbers(kv, 20);
            size_t tables = stats_of(kv).tables;
            assert_int_equal(see(&after).tables, tables);
            assert_int_equal(see(&after).lost, 0);
            assert_true(tables == 1 || (tables == 2 && at <= at_rest));
            undone += tables == 2;
            assert_survives(&after, 20);
            put_number(kv, 21, DURABILITY_ALWAYS);
            assert_survives(&after, 21);
            assert_ok(kv_close(kv, NULL));
            assert_verified(&after);
            disk_free(after.disk);
            states++;
        }
    }
    printf("%zu states, %zu without the merge\n", states, undone);
    assert_in_range(undone, 20, states - 20);
    simulation_end(&sim);
}

/* ---- damage where no log is left ------------------------------------------------- */

/* Where the last record begins; *end is behind it. Zeros follow. All are in one block. */
static size_t last_edit(struct slice bytes, size_t *end) {
    size_t begin = 0;
    for (*end = 0; *end + 7 <= bytes.length && bytes.data[*end + 6] != 0;) {
        begin = *end;
        *end += 7u + (size_t)(bytes.data[begin + 4] | bytes.data[begin + 5] << 8);
    }
    return begin;
}

/* Calls `judge` with the store's manifest cut at each place in its last edit, and with
 * each bit of that flipped; the file is whole again afterwards. How often it was called.
 */
static size_t damage_all(struct simulation *sim, void (*judge)(struct simulation *sim)) {
    struct buf whole = {0};
    char path[64];
    size_t cases = 0;
    manifest_path(sim, path);
    size_t end, from = last_edit(file_bytes(sim, path), &end);
    assert_true(from > 0);
    assert_ok(buf_assign(&whole, file_bytes(sim, path)));
    for (size_t bytes = from; bytes < end; bytes++, cases++) {
        disk_put_file(sim->disk, path, slice_make(whole.data, bytes));
        judge(sim);
    }
    disk_put_file(sim->disk, path, buf_slice(&whole));
    for (size_t bit = 8 * from; bit < 8 * end; bit++, cases++) {
        assert_true(disk_flip_bit(sim->disk, path, bit));
        judge(sim);
        assert_true(disk_flip_bit(sim->disk, path, bit));
    }
    buf_free(&whole);
    return cases;
}

static void is_refused(struct simulation *sim) {
    assert_refused(sim, "the manifest lacks its end");
}

static void is_refused_for_a_table(struct simulation *sim) {
    assert_refused(sim, ".ldb");
}

/* A flush was acted on, and nothing was written since: no log. Its edit is damaged, or
 * gone: its table tells, under its old name too, and if it cannot be read. */
static void a_flush_is_lost(void **state) {
    (void)state;
    struct simulation sim;
    make_two(&sim);
    assert_int_equal(see(&sim).logs, 0);
    assert_true(has_file(&sim, "db/000008.ldb"));
    size_t cases = damage_all(&sim, is_refused);
    assert_ok(file_rename(sim.world.files, "db/000008.ldb", "db/000008.sst", NULL));
    cases += damage_all(&sim, is_refused);
    disk_put_file(sim.disk, "db/000008.sst", slice_of("unreadable"));
    cases += damage_all(&sim, is_refused);
    printf("%zu cases\n", cases);
    assert_true(cases > 500);
    simulation_end(&sim);
}

/* A merge was acted on: what it merged is gone. Its table is what is left, and stays. */
static void a_merge_is_lost(void **state) {
    (void)state;
    struct simulation sim;
    uint64_t inputs[2];
    size_t at;
    char path[64];
    make_two(&sim);
    uint64_t merged = merge(&sim, inputs, &at);
    remove_inputs(&sim, inputs);
    size_t cases = damage_all(&sim, is_refused_for_a_table);
    assert_true(cases > 200);
    snprintf(path, sizeof path, "db/%06" PRIu64 ".ldb", merged);
    assert_true(has_file(&sim, path));
    simulation_end(&sim);
}

/* ---- a flush beside a merge ------------------------------------------------------ */

/* A flush's table whose number another edit knew already, since the two were made at the
 * same time. With its log it is set aside, as any other; without, it tells. */
static void a_table_older_than_the_last_edit(void **state) {
    (void)state;
    for (int logs = 0; logs < 2; logs++) {
        struct simulation sim;
        struct hand hand;
        struct edit flush = {0}, other = {0};
        bool begun;
        make_two(&sim);
        if (logs == 1) {
            struct kv *kv = open_store(&sim);
            put_numbers(kv, 21, 25, DURABILITY_ALWAYS);
            assert_ok(kv_close(kv, NULL));
        }
        hand_open(&hand, &sim);
        write_table(&hand, &sim, &flush, 0, 21, 25);
        hand_apply(&hand, &other); /* its next file number is above the table's */
        assert_ok(catalog_name_tables(&hand.directory, &flush, &begun, NULL));
        edit_free(&flush);
        hand_close(&hand);
        assert_int_equal(see(&sim).tables, 3);
        if (logs == 0) {
            assert_refused(&sim, "the manifest lacks its end");
        } else {
            struct kv *kv = open_store(&sim);
            assert_numbers(kv, 25);
            assert_ok(kv_close(kv, NULL));
            assert_int_equal(see(&sim).tables, 2);
            assert_int_equal(see(&sim).lost, 1);
        }
        simulation_end(&sim);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_merge_is_cut_off),
        cmocka_unit_test(a_flush_is_lost),
        cmocka_unit_test(a_merge_is_lost),
        cmocka_unit_test(a_table_older_than_the_last_edit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
