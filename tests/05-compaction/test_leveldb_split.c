/* Databases in which the versions of a user key are split across tables of a level, as
 * LevelDB may leave them (google/leveldb issues 320 and 887). They are built here table
 * by table, with the cuts anywhere between two versions: Strata reads them right,
 * compacts any part of them without an old version coming back, and heals what it
 * compacts. LevelDB reads them before, and what Strata has made of them. */
#include "../04-manifest/both.h"

#include "current.h"
#include "directory.h"
#include "internal_key.h"
#include "manifest.h"
#include "table.h"
#include "table_writer.h"

enum { FOREIGN_LEVELS = 4, VERSIONS_MAX = 6, ENTRIES_MAX = BOTH_KEYS * VERSIONS_MAX };

struct entry {
    size_t index; /* of its key */
    uint64_t tag;
    unsigned level;
    struct held held;
};

struct foreign {
    struct both both;
    struct entry entries[ENTRIES_MAX]; /* in the order of internal keys */
    size_t count;
    uint64_t sequence;
    uint64_t next_number;
    struct manifest_state state;
    size_t split; /* neighbours that share a user key */
};

static int compare_entries(const void *a, const void *b) {
    const struct entry *left = a, *right = b;
    if (left->index != right->index) {
        return both_compare(&left->index, &right->index);
    }
    return left->tag > right->tag ? -1 : left->tag < right->tag;
}

/* Versions of each key, the newest first; from one to the next it goes down, or stays in
 * the level. The newest is what a reader sees. */
static void draw_entries(struct foreign *f) {
    f->sequence = ENTRIES_MAX;
    for (size_t i = 0; i < BOTH_KEYS; i++) {
        unsigned level = 1;
        uint64_t count = random_below(&f->both.seed, VERSIONS_MAX + 1);
        for (uint64_t n = 0; n < count; n++) {
            (void)both_draw(&f->both); /* moves the seed on: values differ */
            struct held held = {random_below(&f->both.seed, 3) != 0,
                                random_next(&f->both.seed),
                                random_below(&f->both.seed, 300)};
            uint64_t sequence = 1 + i * VERSIONS_MAX + (VERSIONS_MAX - 1 - n);
            if (random_below(&f->both.seed, 4) == 0 && level + 1 < FOREIGN_LEVELS) {
                level++;
            }
            f->entries[f->count++] = (struct entry){
                i, tag_make(sequence, held.present ? KV_PUT : KV_DELETE), level, held};
        }
    }
    qsort(f->entries, f->count, sizeof f->entries[0], compare_entries);
    memset(f->both.keys, 0, sizeof f->both.keys);
    for (size_t i = f->count; i-- > 0;) { /* the newest comes last, and stays */
        f->both.keys[f->entries[i].index] = f->entries[i].held;
    }
}

/* ---- files ----------------------------------------------------------------------- */

static void path_of(char path[200], const char *directory, enum name_kind kind,
                    uint64_t number) {
    char name[NAME_BYTES];
    name_print(name, kind, number);
    snprintf(path, 200, "%s/%s", directory, name);
}

static void add_to_state(struct foreign *f, unsigned level,
                         const struct table_meta *meta) {
    struct manifest_edit edit = {0};
    const char *why = NULL;
    assert_ok(
        manifest_edit_add(&edit, (struct manifest_added){level, meta->number, meta->bytes,
                                                         buf_slice(&meta->smallest),
                                                         buf_slice(&meta->largest)}));
    assert_ok(manifest_state_apply(&f->state, &edit, &why));
    manifest_edit_free(&edit);
}

/* The entries of the level from `first` on, `count` of them at most. Answers where the
 * next table begins. */
static size_t write_table(struct foreign *f, const char *directory, unsigned level,
                          size_t first, uint64_t count) {
    const struct table_options options = {1024, 16, 0, COMPRESSION_SNAPPY};
    struct table_writer *writer = NULL;
    struct table_meta meta = {0};
    struct file *file = NULL;
    struct buf key = {0};
    char path[200], text[BOTH_KEY_BYTES];
    uint64_t number = f->next_number++;
    size_t i = first;
    path_of(path, directory, NAME_TABLE, number);
    assert_ok(file_open(&file_system_posix, path, FILE_CREATE, &file, NULL));
    assert_ok(table_writer_open(file, &options, &writer, NULL));
    for (; i < f->count && count > 0; i++) {
        const struct entry *entry = &f->entries[i];
        if (entry->level != level) {
            continue;
        }
        assert_ok(internal_key_build(&key, both_key(text, entry->index), entry->tag));
        assert_ok(table_writer_add(
            writer, buf_slice(&key),
            entry->held.present ? both_value(&entry->held) : slice_of(""), NULL));
        count--;
    }
    assert_ok(table_writer_finish(writer, 0, 0, 0, &meta, NULL));
    meta.number = number;
    add_to_state(f, level, &meta);
    table_writer_close(writer);
    assert_ok(file_close(file, NULL));
    table_meta_free(&meta);
    buf_free(&key);
    return i;
}

static size_t next_of(const struct foreign *f, unsigned level, size_t from) {
    while (from < f->count && f->entries[from].level != level) {
        from++;
    }
    return from;
}

static void write_level(struct foreign *f, const char *directory, unsigned level) {
    size_t last = SIZE_MAX; /* key of the table before */
    for (size_t i = next_of(f, level, 0); i < f->count; i = next_of(f, level, i)) {
        f->split += f->entries[i].index == last;
        i = write_table(f, directory, level, i, 1 + random_below(&f->both.seed, 40));
        size_t end = i;
        while (f->entries[--end].level != level) {
        }
        last = f->entries[end].index;
    }
}

static void write_database(struct foreign *f, const char *directory) {
    struct manifest *manifest = NULL;
    struct file *file = NULL;
    bool begun = false;
    char path[200];
    f->next_number = 3;
    path_of(path, directory, NAME_LOG, 2);
    assert_ok(file_open(&file_system_posix, path, FILE_CREATE, &file, NULL));
    assert_ok(file_close(file, NULL));
    for (unsigned level = 1; level < FOREIGN_LEVELS; level++) {
        write_level(f, directory, level);
    }
    uint64_t number = f->next_number++;
    f->state.log_number = 2;
    f->state.next_number = f->next_number + 1;
    f->state.last_sequence = f->sequence;
    f->state.foreign = true;
    assert_ok(
        manifest_create(directory, &world_system, number, &f->state, &manifest, NULL));
    assert_ok(manifest_close(manifest, NULL));
    struct current current = {CURRENT_MANIFEST, number};
    assert_ok(current_write(directory, &world_system, &current, number, &begun, NULL));
}

static void foreign_free(struct foreign *f) {
    manifest_state_free(&f->state);
}

static void foreign_make(struct foreign *f, const char *directory, uint64_t seed) {
    *f = (struct foreign){.both = {.seed = seed}};
    draw_entries(f);
    write_database(f, directory);
    assert_true(f->split > 5);
}

/* The same, all of it in the last of these levels. */
static void foreign_make_bottom(struct foreign *f, const char *directory, uint64_t seed) {
    *f = (struct foreign){.both = {.seed = seed}};
    draw_entries(f);
    for (size_t i = 0; i < f->count; i++) {
        f->entries[i].level = FOREIGN_LEVELS - 1;
    }
    write_database(f, directory);
}

/* ---- what Strata makes of it ----------------------------------------------------- */

static int compare_tables(const void *a, const void *b) {
    const struct manifest_table *const *left = a, *const *right = b;
    if ((*left)->level != (*right)->level) {
        return (*left)->level < (*right)->level ? -1 : 1;
    }
    return internal_key_compare(buf_slice(&(*left)->meta.smallest),
                                buf_slice(&(*right)->meta.smallest));
}

/* Neighbours of a level that share a user key. *wrong grows by those of which one is
 * newer: its number is `from` or above. */
static size_t count_split(const char *directory, uint64_t from, size_t *wrong) {
    struct manifest_state state = {0};
    struct manifest_tail tail;
    struct current current;
    size_t split = 0;
    assert_ok(current_read(directory, &world_system, &current, NULL));
    assert_ok(
        manifest_load(directory, &world_system, current.number, &state, &tail, NULL));
    qsort(state.tables, state.table_count, sizeof(struct manifest_table *),
          compare_tables);
    for (size_t i = 1; i < state.table_count; i++) {
        const struct manifest_table *left = state.tables[i - 1], *right = state.tables[i];
        if (left->level == right->level && left->level > 0 &&
            slice_equal(internal_key_user(buf_slice(&left->meta.largest)),
                        internal_key_user(buf_slice(&right->meta.smallest)))) {
            split++;
            *wrong += left->meta.number >= from || right->meta.number >= from;
        }
    }
    manifest_state_free(&state);
    return split;
}

static uint64_t count_tombstones(const char *directory) {
    struct manifest_state state = {0};
    struct manifest_tail tail;
    struct current current;
    struct block_cache *cache = NULL;
    uint64_t tombstones = 0;
    assert_ok(block_cache_open(0, &threads_posix, &cache, NULL));
    assert_ok(current_read(directory, &world_system, &current, NULL));
    assert_ok(
        manifest_load(directory, &world_system, current.number, &state, &tail, NULL));
    for (size_t i = 0; i < state.table_count; i++) {
        uint64_t number = state.tables[i]->meta.number;
        struct table *table = NULL;
        struct file *file = NULL;
        assert_ok(directory_table(directory, &world_system, number, &file, NULL));
        assert_ok(table_open(file, number, cache, &table, NULL));
        assert_non_null(table_properties(table));
        tombstones += table_properties(table)->tombstones;
        table_unref(table);
    }
    manifest_state_free(&state);
    block_cache_close(cache);
    return tombstones;
}

static void say_nothing(void *context, const char *line) {
    (void)context;
    (void)line;
}

static void assert_verified(const char *directory, const struct kv_options *options) {
    struct error error = {0};
    if (kv_verify(directory, options, say_nothing, NULL, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
}

static struct kv_options small_options(void) {
    struct kv_options options = kv_options_default();
    options.durability = DURABILITY_NONE;
    options.log_step_bytes = 65536;
    options.write_buffer_bytes = 16384;
    options.table_bytes = 8192;
    return options;
}

static const struct leveldb_kind kind = {65536, 1024, 16, 0, 1};

static void leveldb_agrees(const char *directory, const struct both *both) {
    struct leveldb_opened opened;
    leveldb_begin(&opened, directory, &kind, false);
    leveldb_expect(&opened, both);
    leveldb_end(&opened);
}

/* One stretch after the other: each compaction takes some tables and leaves others, and
 * after each every key has its newest version. */
static void stretches_are_compacted(void **state) {
    (void)state;
    uint64_t seed = test_seed();
    for (int run = 0; run < 4; run++) {
        static struct foreign f;
        char directory[BOTH_PATH_BYTES];
        struct kv_options options = small_options();
        size_t wrong = 0;
        both_directory(directory);
        foreign_make(&f, directory, random_next(&seed));
        assert_verified(directory, &options);
        uint64_t from = f.next_number;
        /* Nothing goes on by itself: level 1 is far from full. */
        options.level0_tables = 1000;
        struct kv *kv = strata_begin(directory, &options);
        strata_expect(kv, &f.both);
        for (int i = 0; i < 12; i++) {
            char texts[2][BOTH_KEY_BYTES];
            size_t at = random_below(&f.both.seed, BOTH_KEYS);
            struct slice begin = both_key(texts[0], at);
            struct slice end = both_key(texts[1], random_below(&f.both.seed, BOTH_KEYS));
            assert_ok(kv_compact(kv, begin, end, NULL));
            strata_expect(kv, &f.both);
        }
        assert_ok(kv_close(kv, NULL));
        assert_verified(directory, &options);
        size_t split = count_split(directory, from, &wrong);
        printf("%zu split, then %zu\n", f.split, split);
        assert_int_equal(wrong, 0);
        leveldb_agrees(directory, &f.both);
        kv = strata_begin(directory, &options);
        strata_expect(kv, &f.both);
        assert_ok(kv_compact(kv, (struct slice){0}, (struct slice){0}, NULL));
        strata_expect(kv, &f.both);
        assert_ok(kv_close(kv, NULL));
        assert_int_equal(count_split(directory, 0, &wrong), 0);
        assert_int_equal(count_tombstones(directory), 0);
        assert_verified(directory, &options);
        leveldb_agrees(directory, &f.both);
        foreign_free(&f);
        both_remove(directory);
    }
}

/* The background's own choice, with levels over their targets from the first write on,
 * and more written above. */
static void the_background_heals(void **state) {
    (void)state;
    uint64_t seed = test_seed();
    for (int run = 0; run < 3; run++) {
        static struct foreign f;
        char directory[BOTH_PATH_BYTES];
        struct kv_options options = small_options();
        struct kv_stats stats;
        size_t wrong = 0;
        both_directory(directory);
        foreign_make(&f, directory, random_next(&seed));
        uint64_t from = f.next_number;
        options.level0_tables = 1;
        options.level0_stop_tables = 2; /* writers wait for compactions */
        options.write_buffer_bytes = 4096;
        options.table_bytes = 4096;
        struct kv *kv = strata_begin(directory, &options);
        for (int i = 0; i < 3; i++) {
            strata_write_some(kv, &f.both, 40);
            strata_expect(kv, &f.both);
        }
        assert_ok(kv_flush(kv, NULL));
        kv_stats(kv, &stats);
        assert_true(stats.compactions > 0);
        strata_expect(kv, &f.both);
        assert_ok(kv_close(kv, NULL));
        size_t split = count_split(directory, from, &wrong);
        printf("%zu split, then %zu\n", f.split, split);
        assert_int_equal(wrong, 0);
        assert_verified(directory, &options);
        leveldb_agrees(directory, &f.both);
        foreign_free(&f);
        both_remove(directory);
    }
}

/* They hide nothing, and nothing comes down to them: a compaction of all rewrites their
 * tables where they are. */
static void tombstones_at_the_bottom_die(void **state) {
    (void)state;
    uint64_t seed = test_seed();
    static struct foreign f;
    char directory[BOTH_PATH_BYTES];
    struct kv_options options = small_options();
    both_directory(directory);
    foreign_make_bottom(&f, directory, random_next(&seed));
    assert_true(count_tombstones(directory) > 100);
    options.level0_tables = 1000;
    struct kv *kv = strata_begin(directory, &options);
    strata_expect(kv, &f.both);
    assert_ok(kv_compact(kv, (struct slice){0}, (struct slice){0}, NULL));
    strata_expect(kv, &f.both);
    assert_ok(kv_close(kv, NULL));
    assert_int_equal(count_tombstones(directory), 0);
    assert_verified(directory, &options);
    leveldb_agrees(directory, &f.both);
    foreign_free(&f);
    both_remove(directory);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stretches_are_compacted),
        cmocka_unit_test(the_background_heals),
        cmocka_unit_test(tombstones_at_the_bottom_die),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
