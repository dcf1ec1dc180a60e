/* Databases go both ways between Strata and LevelDB (Debian's libleveldb) while several
 * threads write batches, in groups, with all durabilities, and snapshots keep old
 * versions through flushes and compactions: LevelDB reads the newest of each key, from
 * logs that hold groups and from tables that hold several versions, and goes on. Real
 * files, in a directory of their own. */
#include "../04-manifest/both.h"

#include "kv_batch.h"
#include "kv_snapshot.h"

enum { WRITERS = 4, BATCHES = 60, OPS = 5, VALUE_BYTES = 300, SNAPSHOTS = 4 };

/* LevelDB takes no smaller write buffer. */
static const struct leveldb_kind kind = {65536, 4096, 16, 10, 1};

struct worker {
    struct kv *kv;
    struct both *both; /* each writes the keys whose index leaves its number, and notes */
    size_t number;
    uint64_t seed;
    struct thread thread;
    bool failed; /* cmocka's asserts are for the main thread */
};

static enum status add_one(struct worker *worker, struct kv_batch *batch) {
    char text[BOTH_KEY_BYTES];
    unsigned char bytes[VALUE_BYTES];
    size_t index = random_below(&worker->seed, BOTH_KEYS / WRITERS) * WRITERS;
    index += worker->number;
    struct held *held = &worker->both->keys[index];
    held->present = random_below(&worker->seed, 3) != 0;
    held->seed = random_next(&worker->seed);
    held->size = random_below(&worker->seed, VALUE_BYTES);
    both_fill(held, bytes);
    return held->present ? kv_batch_put(batch, both_key(text, index),
                                        slice_make(bytes, held->size), NULL)
                         : kv_batch_delete(batch, both_key(text, index), NULL);
}

static void write_batches(void *argument) {
    static const enum durability modes[] = {DURABILITY_NONE, DURABILITY_INTERVAL,
                                            DURABILITY_ALWAYS};
    struct worker *worker = argument;
    struct kv_batch *batch = NULL;
    enum status status = kv_batch_open(0, &batch, NULL);
    for (size_t i = 0; i < BATCHES && status == STATUS_OK; i++) {
        const struct kv_write_options how = {.durability =
                                                 modes[random_below(&worker->seed, 3)]};
        kv_batch_clear(batch);
        for (uint64_t n = 1 + random_below(&worker->seed, OPS);
             n > 0 && status == STATUS_OK; n--) {
            status = add_one(worker, batch);
        }
        if (status == STATUS_OK) {
            status = kv_batch_write(worker->kv, batch, &how, NULL);
        }
    }
    kv_batch_close(batch);
    worker->failed = status != STATUS_OK;
}

static void write_beside_each_other(struct kv *kv, struct both *both) {
    struct worker workers[WRITERS];
    for (size_t i = 0; i < WRITERS; i++) {
        workers[i] = (struct worker){
            .kv = kv, .both = both, .number = i, .seed = random_next(&both->seed)};
        assert_ok(thread_create(&workers[i].thread, &threads_posix, write_batches,
                                &workers[i]));
    }
    for (size_t i = 0; i < WRITERS; i++) {
        thread_join(&workers[i].thread);
        assert_false(workers[i].failed);
    }
}

/* What each snapshot shows stays as it was; the store is left with what its last writers
 * wrote in its log alone. Returns how many groups had several changes. */
static uint64_t turn_of_strata(const char *directory, struct both *both) {
    static struct both then[SNAPSHOTS];
    struct kv_snapshot *snapshots[SNAPSHOTS];
    struct kv_options options = kv_options_default();
    struct kv_stats stats;
    options.write_buffer_bytes = 32768;
    options.table_bytes = 8192;
    options.level0_tables = 2;
    struct kv *kv = strata_begin(directory, &options);
    strata_expect(kv, both);
    for (size_t i = 0; i < SNAPSHOTS; i++) {
        write_beside_each_other(kv, both);
        assert_ok(kv_snapshot_take(kv, &snapshots[i], NULL));
        then[i] = *both;
        if (i % 2 == 0) {
            assert_ok(kv_compact(kv, (struct slice){0}, (struct slice){0}, NULL));
        }
    }
    write_beside_each_other(kv, both);
    for (size_t i = 0; i < SNAPSHOTS; i++) {
        for (size_t key = 0; key < BOTH_KEYS; key++) {
            char text[BOTH_KEY_BYTES];
            struct buf value = {0};
            const struct kv_read_options read = {.snapshot = snapshots[i]};
            enum status status = kv_get(kv, both_key(text, key), &value, &read, NULL);
            assert_int_equal(status,
                             then[i].keys[key].present ? STATUS_OK : STATUS_NOT_FOUND);
            assert_true(status != STATUS_OK ||
                        slice_equal(buf_slice(&value), both_value(&then[i].keys[key])));
            buf_free(&value);
        }
        if (i % 2 == 1) { /* the others are held until the close */
            kv_snapshot_release(snapshots[i]);
        }
    }
    kv_stats(kv, &stats);
    assert_ok(kv_close(kv, NULL));
    for (size_t i = 0; i < SNAPSHOTS; i += 2) {
        kv_snapshot_release(snapshots[i]);
    }
    return stats.writes - stats.write_groups;
}

static void turn_of_leveldb(const char *directory, struct both *both) {
    struct leveldb_opened opened;
    leveldb_begin(&opened, directory, &kind, false);
    leveldb_expect(&opened, both);
    leveldb_write_some(&opened, both, 200);
    leveldb_compact_range(opened.db, NULL, 0, NULL, 0);
    leveldb_expect(&opened, both);
    leveldb_end(&opened);
}

static void both_ways(void **state) {
    (void)state;
    static struct both both;
    char directory[BOTH_PATH_BYTES];
    uint64_t joined = 0;
    both = (struct both){.seed = test_seed()};
    both_directory(directory);
    for (int round = 0; round < 3; round++) {
        joined += turn_of_strata(directory, &both);
        turn_of_leveldb(directory, &both);
    }
    joined += turn_of_strata(directory, &both);
    both_remove(directory);
    printf("changes that joined another's group: %" PRIu64 "\n", joined);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
