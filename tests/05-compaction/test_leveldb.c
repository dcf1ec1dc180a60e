/* Databases go both ways between Strata and LevelDB (Debian's libleveldb) while both
 * compact: what one has spread over several levels, with overwrites and deletes, the
 * other opens, compares in full, compacts, writes further, and gives back. Real files, in
 * a directory of their own. */
#include "../04-manifest/both.h"

#include "directory.h"

/* LevelDB takes no smaller write buffer. */
static const struct leveldb_kind kinds[] = {{65536, 4096, 16, 10, 1},
                                            {65536, 512, 3, 0, 1}};

/* Small buffers and tables, so that several levels arise. */
static struct kv_options draw_options(uint64_t *seed) {
    struct kv_options options = kv_options_default();
    options.durability = DURABILITY_NONE;
    options.log_region = random_below(seed, 2) == 0 ? APPEND_WRITE : APPEND_MAPPED;
    options.log_step_bytes = 65536;
    options.write_buffer_bytes = UINT64_C(4096) << random_below(seed, 3);
    options.table_bytes = UINT64_C(4096) << random_below(seed, 3);
    options.level0_tables = 1 + (uint32_t)random_below(seed, 3);
    options.level0_stop_tables = options.level0_tables + 2; /* writers wait for it */
    options.block_bytes = random_below(seed, 2) == 0 ? 512 : 4096;
    options.filter_bits = random_below(seed, 2) == 0 ? 0 : 10;
    options.compaction_threads = 1 + (uint32_t)random_below(seed, 3);
    options.compression =
        random_below(seed, 2) == 0 ? TABLE_COMPRESSION_NONE : TABLE_COMPRESSION_SNAPPY;
    return options;
}

static void say_nothing(void *context, const char *line) {
    (void)context;
    (void)line; /* the first fault is the error's message */
}

static void assert_verified(const char *directory, const struct kv_options *options) {
    struct error error = {0};
    if (kv_verify(directory, options, say_nothing, NULL, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
}

/* A stretch of keys, or all of them. */
static void draw_stretch(uint64_t *seed, char texts[2][BOTH_KEY_BYTES],
                         struct slice bounds[2]) {
    for (int i = 0; i < 2; i++) {
        bounds[i] = random_below(seed, 3) == 0
                        ? (struct slice){0}
                        : both_key(texts[i], random_below(seed, BOTH_KEYS));
    }
}

/* ---- turns ----------------------------------------------------------------------- */

/* What arose, over all turns. */
struct seen {
    size_t deep;    /* turns of Strata that ended with three levels or more */
    size_t foreign; /* turns of LevelDB that began with as many */
    size_t compactions;
    size_t dropped; /* tombstones */
};

static size_t levels_of(const struct kv_stats *stats) {
    size_t levels = 0;
    for (size_t i = 0; i < KV_LEVELS; i++) {
        levels += stats->levels[i].tables > 0;
    }
    return levels;
}

static void turn_of_strata(const char *directory, struct both *both, struct seen *seen) {
    struct kv_options options = draw_options(&both->seed);
    char texts[2][BOTH_KEY_BYTES];
    struct slice bounds[2];
    struct kv_stats stats;
    struct kv *kv = strata_begin(directory, &options);
    strata_expect(kv, both);
    for (uint64_t n = 1 + random_below(&both->seed, 3); n > 0; n--) {
        strata_write_some(kv, both, 50 + random_below(&both->seed, 250));
        if (random_below(&both->seed, 2) == 0) {
            draw_stretch(&both->seed, texts, bounds);
            assert_ok(kv_compact(kv, bounds[0], bounds[1], NULL));
            strata_expect(kv, both);
        }
    }
    strata_expect(kv, both);
    kv_stats(kv, &stats);
    assert_ok(kv_close(kv, NULL));
    assert_verified(directory, &options);
    seen->deep += levels_of(&stats) >= 3;
    seen->compactions += stats.compactions;
    seen->dropped += stats.tombstones_dropped;
}

static size_t leveldb_levels(struct leveldb_opened *opened) {
    size_t levels = 0;
    for (int i = 0; i < KV_LEVELS; i++) {
        char name[40];
        snprintf(name, sizeof name, "leveldb.num-files-at-level%d", i);
        char *count = leveldb_property_value(opened->db, name);
        assert_non_null(count);
        levels += strcmp(count, "0") != 0;
        leveldb_free(count);
    }
    return levels;
}

static void leveldb_compact(struct leveldb_opened *opened, struct both *both) {
    char texts[2][BOTH_KEY_BYTES];
    struct slice bounds[2];
    draw_stretch(&both->seed, texts, bounds);
    leveldb_compact_range(opened->db, (const char *)bounds[0].data, bounds[0].length,
                          (const char *)bounds[1].data, bounds[1].length);
    leveldb_expect(opened, both);
}

static void turn_of_leveldb(const char *directory, struct both *both, struct seen *seen) {
    struct leveldb_opened opened;
    leveldb_begin(&opened, directory, &kinds[random_below(&both->seed, 2)], false);
    seen->foreign += leveldb_levels(&opened) >= 3;
    leveldb_expect(&opened, both);
    if (random_below(&both->seed, 2) == 0) {
        leveldb_compact(&opened, both);
    }
    leveldb_write_some(&opened, both, 1 + random_below(&both->seed, 400));
    if (random_below(&both->seed, 2) == 0) {
        leveldb_compact(&opened, both);
    }
    leveldb_expect(&opened, both);
    leveldb_end(&opened);
}

static void both_ways(void **state) {
    (void)state;
    uint64_t seed = test_seed();
    struct seen seen = {0};
    for (int run = 0; run < 3; run++) {
        static struct both both;
        char directory[BOTH_PATH_BYTES];
        both = (struct both){.seed = random_next(&seed)};
        both_directory(directory);
        turn_of_strata(directory, &both, &seen);
        for (int round = 0; round < 3; round++) {
            turn_of_leveldb(directory, &both, &seen);
            turn_of_strata(directory, &both, &seen);
        }
        both_remove(directory);
    }
    printf("deep=%zu foreign=%zu compactions=%zu dropped=%zu\n", seen.deep, seen.foreign,
           seen.compactions, seen.dropped);
    assert_true(seen.deep > 0 && seen.foreign > 0);
    assert_true(seen.compactions > 30 && seen.dropped > 0);
}

/* ---- old names ------------------------------------------------------------------- */

struct tables {
    const char *directory;
    bool rename; /* to what LevelDB called tables before its version 1.14 */
    size_t renamed, old, new;
};

static void visit_table(void *context, const char *text) {
    struct tables *tables = context;
    struct name name = name_parse(text);
    char from[200], to[200];
    tables->old += name.kind == NAME_OLD_TABLE;
    tables->new += name.kind == NAME_TABLE;
    if (tables->rename && name.kind == NAME_TABLE) {
        snprintf(from, sizeof from, "%s/%s", tables->directory, text);
        snprintf(to, sizeof to, "%s/%06" PRIu64 ".sst", tables->directory, name.number);
        assert_int_equal(rename(from, to), 0);
        tables->renamed++;
    }
}

/* A compaction reads such tables, and removes them with the rest; a new one never has
 * such a name. Another thread may be about to remove one until the database is closed. */
static void old_names_go(void **state) {
    (void)state;
    static struct both both;
    char directory[BOTH_PATH_BYTES];
    both = (struct both){.seed = test_seed()};
    both_directory(directory);
    struct leveldb_opened opened;
    leveldb_begin(&opened, directory, &kinds[0], true);
    leveldb_write_some(&opened, &both, 600);
    leveldb_compact_range(opened.db, NULL, 0, NULL, 0);
    leveldb_write_some(&opened, &both, 200);
    leveldb_end(&opened);
    struct tables before = {.directory = directory, .rename = true};
    assert_ok(directory_list(&file_system_posix, directory, visit_table, &before, NULL));
    assert_true(before.renamed > 0);
    struct kv_options options = kv_options_default();
    struct kv *kv = strata_begin(directory, &options);
    strata_expect(kv, &both);
    strata_write_some(kv, &both, 1);
    assert_ok(kv_compact(kv, (struct slice){0}, (struct slice){0}, NULL));
    strata_expect(kv, &both);
    struct kv_stats stats;
    kv_stats(kv, &stats);
    assert_int_equal(stats.obsolete_tables, 0);
    assert_ok(kv_close(kv, NULL));
    struct tables after = {.directory = directory};
    assert_ok(directory_list(&file_system_posix, directory, visit_table, &after, NULL));
    assert_int_equal(after.old, 0);
    assert_int_equal(after.new, stats.tables);
    assert_verified(directory, &options);
    leveldb_begin(&opened, directory, &kinds[0], false);
    leveldb_expect(&opened, &both);
    leveldb_end(&opened);
    both_remove(directory);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ways),
        cmocka_unit_test(old_names_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
