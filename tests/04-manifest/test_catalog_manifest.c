/* The manifest as the catalog: adoption of a listing, new manifests, what is removed and
 * what is set aside, and faults in the middle of all that.
 *
 * tidy: long because there is a test for each promise of catalog_manifest.c. */
#include "../03-sstable/engine_faults.h"

#include "catalog_listing.h"
#include "current.h"
#include "engine.h"
#include "engine_store.h"

static uint64_t manifest_in_force(struct simulation *sim) {
    struct current current;
    assert_ok(current_read("db", &sim->world, &current, NULL));
    assert_int_equal(current.kind, CURRENT_MANIFEST);
    return current.number;
}

struct counted {
    size_t tables, manifests, temporaries, logs;
};

static void count_file(void *context, const char *path) {
    struct counted *counted = context;
    switch (name_parse(path + strlen("db/")).kind) {
    case NAME_TABLE:
        counted->tables++;
        break;
    case NAME_MANIFEST:
        counted->manifests++;
        break;
    case NAME_TEMPORARY:
        counted->temporaries++;
        break;
    case NAME_LOG:
        counted->logs++;
        break;
    case NAME_FOREIGN:
    case NAME_OLD_TABLE:
    case NAME_CURRENT:
    case NAME_LOCK:
    case NAME_TEXT_LOG:
    case NAME_REPAIRED:
    case NAME_LOST:
    case NAME_LOST_AND_FOUND:
        break;
    }
}

static struct counted files_of(struct simulation *sim) {
    struct counted counted = {0};
    disk_list_files(sim->disk, count_file, &counted);
    return counted;
}

/* ---- adoption -------------------------------------------------------------------- */

static const struct engine_parts listing_parts = {&catalog_listing, &commit_direct,
                                                  &upkeep_inline, &horizon_newest,
                                                  &value_filter_none};

/* Stage 03's engine, in the same directory. */
static struct engine *open_listing(struct simulation *sim) {
    struct engine *engine = NULL;
    struct error error = {0};
    if (engine_open("db", &sim->options, &listing_parts, &engine, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
    return engine;
}

static void put_listed(struct engine *engine, uint64_t first, uint64_t last) {
    for (uint64_t i = first; i <= last; i++) {
        char key[24], value[24];
        uint64_t sequence;
        snprintf(key, sizeof key, "k%" PRIu64, i);
        snprintf(value, sizeof value, "v%" PRIu64, i);
        struct kv_op op = put_op(key, value);
        const struct kv_write_options how = {.durability = DURABILITY_ALWAYS};
        assert_ok(engine_write(engine, &op, 1, &how, &sequence, NULL));
    }
}

/* Two tables, and some in the log. */
static void make_listed(struct simulation *sim) {
    simulation_begin(sim);
    struct engine *engine = open_listing(sim);
    put_listed(engine, 1, 10);
    assert_ok(engine_flush(engine, NULL));
    put_listed(engine, 11, 20);
    assert_ok(engine_flush(engine, NULL));
    put_listed(engine, 21, 25);
    assert_ok(engine_close(engine, NULL));
}

static void a_listing_is_adopted(void **state) {
    (void)state;
    struct simulation sim;
    make_listed(&sim);
    struct slice current = file_bytes(&sim, "db/CURRENT");
    assert_true(slice_equal(current, slice_of("LISTING\n")));
    struct kv *kv = open_store(&sim);
    uint64_t number = manifest_in_force(&sim);
    assert_numbers(kv, 25);
    assert_int_equal(stats_of(kv).tables, 2);
    assert_int_equal(files_of(&sim).tables, 2);
    put_number(kv, 26, DURABILITY_ALWAYS);
    assert_ok(kv_flush(kv, NULL));
    assert_numbers(kv, 26);
    assert_survives(&sim, 26);
    assert_ok(kv_close(kv, NULL));
    assert_true(manifest_in_force(&sim) >= number);
    assert_verified(&sim);

    struct engine *engine;
    struct error error = {0};
    assert_int_equal(engine_open("db", &sim.options, &listing_parts, &engine, &error),
                     STATUS_INVALID); /* stage 03 is told */
    assert_message_has(error, "stage 04 or later");
    simulation_end(&sim);
}

/* In every state that a loss of power leaves of an adoption: this stage opens it; and as
 * long as CURRENT says so, stage 03 does. */
static void adoption_is_cut_off(void **state) {
    (void)state;
    struct simulation sim;
    size_t states = 0, listed = 0;
    uint64_t seed = test_seed();
    make_listed(&sim);
    size_t from = disk_operations(sim.disk);
    struct kv *kv = open_store(&sim);
    assert_ok(kv_close(kv, NULL));
    for (size_t at = from; at <= disk_operations(sim.disk); at++) {
        struct exploration exploration;
        disk_explore_begin(&exploration, DISK_POSIX, at);
        for (int i = 0; i < 40 && disk_explore_next(sim.disk, &exploration, &seed); i++) {
            struct simulation after = sim;
            simulation_use(&after, disk_crash(sim.disk, &exploration.crash));
            after.options.world = &after.world;
            struct slice current = file_bytes(&after, "db/CURRENT");
            bool again = slice_equal(current, slice_of("LISTING\n"));
            if (again) {
                struct engine *engine = open_listing(&after);
                put_listed(engine, 26, 26);
                assert_ok(engine_close(engine, NULL));
                listed++;
            }
            kv = open_store(&after);
            assert_numbers(kv, again ? 26 : 25);
            assert_int_equal(files_of(&after).manifests, 1);
            assert_int_equal(files_of(&after).temporaries, 0);
            assert_survives(&after, again ? 26 : 25);
            assert_ok(kv_close(kv, NULL));
            disk_free(after.disk);
            states++;
        }
    }
    printf("%zu states, %zu of stage 03\n", states, listed);
    assert_in_range(listed, 10, states - 10);
    simulation_end(&sim);
}

/* Each call of an adoption fails once: it is refused, and works the next time. */
static void adoption_fails(void **state) {
    (void)state;
    static const enum fault_effect effects[] = {FAULT_BEFORE, FAULT_AFTER};
    size_t failures = 0;
    for (size_t i = 0; i < 2; i++) {
        bool struck = true;
        for (size_t countdown = 1; struck; countdown++) {
            struct simulation sim;
            struct kv *kv = NULL;
            struct error error = {0};
            make_listed(&sim);
            fail_call(&sim, countdown, effects[i], EIO, false);
            enum status status = kv_open("db", &sim.options, &kv, &error);
            struck = disk_fault_struck(sim.disk) != NULL;
            fail_nothing(&sim);
            assert_true(status == STATUS_OK || (struck && status == STATUS_IO));
            failures += status != STATUS_OK;
            if (status == STATUS_OK) {
                assert_ok(kv_close(kv, NULL));
            }
            assert_survives(&sim, 25);
            kv = open_store(&sim);
            assert_numbers(kv, 25);
            assert_survives(&sim, 25);
            assert_ok(kv_close(kv, NULL));
            simulation_end(&sim);
        }
    }
    printf("%zu failures\n", failures);
    assert_in_range(failures, 20, 200);
}

/* ---- new manifests --------------------------------------------------------------- */

/* Every table has bounds of 60,000 bytes, so that edits are large. */
static void put_long_keys(struct kv *kv) {
    static char key[60000];
    const struct kv_write_options none = {.durability = DURABILITY_NONE};
    for (int i = 0; i < 2; i++) {
        memset(key, i == 0 ? 'a' : 'z', sizeof key);
        assert_ok(kv_put(kv, slice_make(key, sizeof key), slice_of("v"), &none, NULL));
    }
}

/* It is replaced when it has grown, and not for each edit where the tables alone take as
 * much as that. */
static void a_manifest_that_has_grown_is_replaced(void **state) {
    (void)state;
    enum { FLUSHES = 60 };
    struct simulation sim;
    simulation_begin(&sim);
    sim.options.compression = TABLE_COMPRESSION_SNAPPY;
    struct kv *kv = open_store(&sim);
    uint64_t before = 0;
    size_t replaced = 0, since = 0, longest = 0;
    for (size_t i = 0; i < FLUSHES; i++) {
        put_long_keys(kv);
        assert_ok(kv_flush(kv, NULL));
        uint64_t now = manifest_in_force(&sim);
        since = now == before ? since + 1 : 0;
        replaced += now != before;
        longest = since > longest ? since : longest;
        before = now;
        assert_int_equal(files_of(&sim).manifests, 1);
    }
    printf("%zu manifests for %d edits\n", replaced, FLUSHES);
    assert_in_range(replaced, 3, 8); /* the first edit's, and at least two more */
    assert_true(longest >= 8);
    assert_survives(&sim, 0);
    assert_ok(kv_close(kv, NULL));
    kv = open_store(&sim);
    assert_int_equal(stats_of(kv).tables, FLUSHES);
    assert_ok(kv_close(kv, NULL));
    assert_verified(&sim);
    simulation_end(&sim);
}

/* ---- what is removed ------------------------------------------------------------- */

static void garbage_is_collected(void **state) {
    (void)state;
    struct simulation sim;
    simulation_begin(&sim);
    struct kv *kv = open_store(&sim);
    put_numbers(kv, 1, 10, DURABILITY_NONE);
    assert_ok(kv_flush(kv, NULL));
    put_numbers(kv, 11, 15, DURABILITY_ALWAYS);
    assert_ok(kv_close(kv, NULL));
    static const char *const garbage[] = {"db/000101.ldb",      "db/000102.sst",
                                          "db/000103.dbtmp",    "db/000001.dbtmp",
                                          "db/MANIFEST-000104", "db/MANIFEST-000001"};
    static const char *const others[] = {"db/LOG", "db/LOG.old"};
    for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
        disk_put_file(sim.disk, garbage[i], slice_of("whatever"));
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        disk_put_file(sim.disk, others[i], slice_of("text"));
    }
    assert_verified(&sim);
    assert_true(has_file(&sim, garbage[0])); /* it was a look only */
    kv = open_store(&sim);
    for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
        assert_false(has_file(&sim, garbage[i]));
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_true(has_file(&sim, others[i]));
    }
    assert_true(has_file(&sim, "db/lost/000101.ldb")); /* an edit may have named it */
    assert_numbers(kv, 15);
    put_number(kv, 16, DURABILITY_NONE);
    assert_ok(kv_flush(kv, NULL));
    assert_false(has_file(&sim, "db/000101.ldb")); /* no number is used again */
    assert_numbers(kv, 16);
    assert_ok(kv_close(kv, NULL));
    simulation_end(&sim);
}

/* The last edit was cut off: the table that it named is kept, for a person, and its
 * changes are still in the log. */
static void a_dropped_edit_sets_its_table_aside(void **state) {
    (void)state;
    struct simulation sim;
    struct buf manifest = {0}, log = {0};
    char manifest_path[64], log_path[64], table_path[64];
    simulation_begin(&sim);
    struct kv *kv = open_store(&sim);
    put_numbers(kv, 1, 10, DURABILITY_NONE);
    assert_ok(kv_flush(kv, NULL));
    put_numbers(kv, 11, 20, DURABILITY_ALWAYS);
    uint64_t number = manifest_in_force(&sim);
    snprintf(manifest_path, sizeof manifest_path, "db/MANIFEST-%06" PRIu64, number);
    for (uint64_t i = 1; i < 30; i++) {
        char path[64];
        snprintf(path, sizeof path, "db/%06" PRIu64 ".log", i);
        if (has_file(&sim, path)) {
            strcpy(log_path, path);
        }
    }
    assert_ok(buf_assign(&log, file_bytes(&sim, log_path)));
    assert_ok(buf_assign(&manifest, file_bytes(&sim, manifest_path)));
    assert_ok(kv_flush(kv, NULL));
    for (uint64_t i = 1; i < 30; i++) {
        char path[64];
        snprintf(path, sizeof path, "db/%06" PRIu64 ".ldb", i);
        if (has_file(&sim, path)) {
            strcpy(table_path, path);
        }
    }
    size_t end = manifest.length;
    while (manifest.data[end - 1] == 0) {
        end--;
    }
    assert_int_equal(manifest_in_force(&sim), number);
    struct slice now = file_bytes(&sim, manifest_path);
    assert_memory_equal(now.data, manifest.data, end);
    assert_ok(buf_assign(&manifest, slice_make(now.data, end + 20))); /* half an edit */
    assert_ok(kv_close(kv, NULL));
    disk_put_file(sim.disk, manifest_path, buf_slice(&manifest));
    disk_put_file(sim.disk, log_path, buf_slice(&log));

    kv = open_store(&sim);
    char lost[80];
    snprintf(lost, sizeof lost, "db/lost/%s", table_path + strlen("db/"));
    assert_false(has_file(&sim, table_path));
    assert_true(has_file(&sim, lost));
    assert_true(manifest_in_force(&sim) > number); /* what was read may not be durable */
    assert_numbers(kv, 20);
    assert_survives(&sim, 20);
    assert_ok(kv_flush(kv, NULL));
    assert_numbers(kv, 20);
    assert_ok(kv_close(kv, NULL));
    buf_free(&manifest);
    buf_free(&log);
    simulation_end(&sim);
}

static void a_named_table_is_missing(void **state) {
    (void)state;
    struct simulation sim;
    struct error error = {0};
    simulation_begin(&sim);
    struct kv *kv = open_store(&sim);
    put_numbers(kv, 1, 10, DURABILITY_NONE);
    assert_ok(kv_flush(kv, NULL));
    assert_ok(kv_close(kv, NULL));
    assert_true(has_file(&sim, "db/000006.ldb"));
    assert_ok(file_rename(sim.world.files, "db/000006.ldb", "db/000006.sst", NULL));
    kv = open_store(&sim); /* its old name will do */
    assert_numbers(kv, 10);
    assert_ok(kv_close(kv, NULL));
    assert_ok(file_remove(sim.world.files, "db/000006.sst", NULL));
    assert_int_equal(kv_verify("db", &sim.options, NULL, NULL, &error), STATUS_CORRUPT);
    assert_message_has(error, "000006");
    assert_int_equal(kv_open("db", &sim.options, &kv, &error), STATUS_CORRUPT);
    assert_message_has(error, "000006");
    simulation_end(&sim);
}

/* ---- failures -------------------------------------------------------------------- */

static size_t refused_count, renames, directory_syncs;

static bool begins(const char *text, const char *words) {
    return strncmp(text, words, strlen(words)) == 0;
}

/* A later flush appends to a manifest: only what has begun to be written there is in
 * doubt. */
static void judge_append(struct simulation *sim, const struct flush_fault *met) {
    (void)sim;
    bool refused = begins(met->struck, "write db/MANIFEST") ||
                   begins(met->struck, "sync db/MANIFEST");
    if (met->refused != refused) {
        fail_msg("\"%s\": %s", met->struck, met->refused ? "refused" : "not refused");
    }
    refused_count += refused;
}

/* The first edit of an open goes into a new manifest. There are two renames, of the table
 * and of CURRENT, and three syncs of the directory, for the table, the manifest and
 * CURRENT: the last of each leaves it in doubt which manifest is in force. */
static void judge_first(struct simulation *sim, const struct flush_fault *met) {
    (void)sim;
    bool renamed = begins(met->struck, "rename ");
    bool synced = begins(met->struck, "sync directory db");
    renames += renamed;
    directory_syncs += synced;
    bool refused = (renamed && renames % 2 == 0) || (synced && directory_syncs % 3 == 0);
    if (met->refused != refused) {
        fail_msg("\"%s\": %s", met->struck, met->refused ? "refused" : "not refused");
    }
    refused_count += refused;
}

static void faults_in_a_flush(void **state) {
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        const struct flush_plan plan = {.first = i % 2 == 0, .reopens = i / 2 == 1};
        refused_count = renames = directory_syncs = 0;
        size_t faults = meet_all_faults(&plan, plan.first ? judge_first : judge_append);
        printf("%zu faults, %zu left the manifest in doubt\n", faults, refused_count);
        assert_int_equal(refused_count, 4); /* two calls, before and after the effect */
    }
}

static void a_full_disk(void **state) {
    (void)state;
    size_t in_flush = fill_disks();
    printf("%zu of 62 in a flush\n", in_flush);
    assert_in_range(in_flush, 5, 61);
}

/* Exactly the manifest does not fit: nothing has begun, and with room it goes on. */
static void no_space_for_the_manifest(void **state) {
    (void)state;
    static const char *const calls[] = {"allocate db/MANIFEST", "open db/MANIFEST"};
    size_t met[2] = {0};
    for (size_t countdown = 2; countdown < 120; countdown++) {
        struct simulation sim;
        struct error error = {0};
        simulation_begin(&sim);
        struct kv *kv = open_store(&sim);
        put_numbers(kv, 1, 10, DURABILITY_NONE);
        assert_ok(kv_flush(kv, NULL));
        if (countdown % 2 == 0) { /* then a new one is created */
            assert_ok(kv_close(kv, NULL));
            kv = open_store(&sim);
        }
        put_numbers(kv, 11, 20, DURABILITY_NONE);
        fail_call(&sim, countdown / 2, FAULT_BEFORE, ENOSPC, true);
        enum status status = kv_flush(kv, &error);
        const char *struck = disk_fault_struck(sim.disk);
        for (size_t i = 0; i < 2 && struck != NULL; i++) {
            if (begins(struck, calls[i])) {
                met[i]++;
                assert_int_equal(status, STATUS_NO_SPACE);
                assert_message_has(error, "MANIFEST-");
            }
        }
        bool manifest =
            struck != NULL && (begins(struck, calls[0]) || begins(struck, calls[1]));
        fail_nothing(&sim);
        assert_numbers(kv, 20);
        assert_true(!manifest || try_number(kv, 21, NULL) == STATUS_OK);
        assert_resumes(kv);
        assert_ok(kv_flush(kv, NULL));
        assert_ok(kv_close(kv, NULL));
        simulation_end(&sim);
    }
    printf("%zu times when allocated, %zu when created\n", met[0], met[1]);
    assert_true(met[0] > 0 && met[1] > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_listing_is_adopted),
        cmocka_unit_test(adoption_is_cut_off),
        cmocka_unit_test(adoption_fails),
        cmocka_unit_test(a_manifest_that_has_grown_is_replaced),
        cmocka_unit_test(garbage_is_collected),
        cmocka_unit_test(a_dropped_edit_sets_its_table_aside),
        cmocka_unit_test(a_named_table_is_missing),
        cmocka_unit_test(faults_in_a_flush),
        cmocka_unit_test(a_full_disk),
        cmocka_unit_test(no_space_for_the_manifest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
