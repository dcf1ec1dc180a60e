/* Whatever threads do at the same time, the event log tells it in an order in which the
 * tree that is drawn of its lines is the tree. */
#include "../03-sstable/engine_faults.h"

#include "tree.h"

enum { ROUNDS = 400, WRITERS = 3, WRITES = 60 };

struct writer {
    struct kv *kv;
    struct thread thread;
    uint64_t first;
    bool failed;
};

static uint64_t any_thread(void *seed, uint64_t bound) {
    return random_below(seed, bound);
}

/* Each value fills a buffer, keys ascend: each table is flushed, and then moved. */
static void write_all(void *argument) {
    struct writer *writer = argument;
    char key[24];
    static const char value[600];
    for (uint64_t i = 0; i < WRITES; i++) {
        snprintf(key, sizeof key, "%08" PRIu64, writer->first + i * WRITERS);
        writer->failed |= kv_put(writer->kv, slice_of(key), slice_make(value, 600), NULL,
                                 NULL) != STATUS_OK;
    }
}

static struct kv_stats run(struct simulation *sim) {
    struct writer writers[WRITERS];
    struct kv *kv = open_store(sim);
    for (uint64_t i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.kv = kv, .first = i};
        assert_ok(thread_create(&writers[i].thread, sim->world.threads, write_all,
                                &writers[i]));
    }
    for (uint64_t i = 0; i < WRITERS; i++) {
        thread_join(&writers[i].thread);
        assert_false(writers[i].failed);
    }
    assert_ok(kv_flush(kv, NULL));
    assert_ok(kv_compact(kv, (struct slice){0}, (struct slice){0}, NULL));
    struct kv_stats stats = stats_of(kv);
    assert_int_equal(stats.event_log_lost, 0);
    assert_ok(kv_close(kv, NULL));
    return stats;
}

static void replay(struct simulation *sim, struct tree *tree) {
    struct slice log = file_bytes(sim, "db/LOG");
    struct buf words = {0};
    while (log.length > 0) {
        enum tree_step step;
        const unsigned char *end = memchr(log.data, '\n', log.length);
        assert_non_null(end);
        size_t length = (size_t)(end - log.data);
        assert_ok(tree_apply(tree, slice_make(log.data, length), &words, &step));
        slice_advance(&log, length + 1);
    }
    buf_free(&words);
}

static void the_tree_that_is_told_is_the_tree(void **state) {
    (void)state;
    uint64_t seed = test_seed();
    for (int round = 0; round < ROUNDS; round++) {
        struct simulation sim;
        struct tree tree = {0};
        simulation_begin_with(&sim, any_thread, &seed);
        sim.options.durability = DURABILITY_NONE;
        sim.options.write_buffer_bytes = 500;
        sim.options.table_bytes = 4096;
        sim.options.level0_tables = 1 + (uint32_t)random_below(&seed, 3);
        sim.options.compaction_threads = 2;
        sim.options.event_log_bytes = round % 2 == 0 ? 1 << 20 : 40000;
        struct kv_stats stats = run(&sim);
        assert_true(stats.tables_moved > 0);
        replay(&sim, &tree);
        for (size_t level = 0; level < LEVELS; level++) {
            assert_int_equal(tree.levels[level].count, stats.levels[level].tables);
            for (size_t i = 0; i < tree.levels[level].count; i++) {
                char name[NAME_BYTES], path[NAME_BYTES + 4];
                name_print(name, NAME_TABLE, tree.levels[level].tables[i].number);
                snprintf(path, sizeof path, "db/%s", name);
                assert_true(has_file(&sim, path));
            }
        }
        tree_free(&tree);
        simulation_end(&sim);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tree_that_is_told_is_the_tree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
