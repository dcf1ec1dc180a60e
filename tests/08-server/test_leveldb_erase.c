/* What Strata has erased is gone for LevelDB (Debian's libleveldb), and what LevelDB has
 * written can be erased. Real files, in a directory of their own. */
#include "../04-manifest/both.h"

static void turn_of_leveldb(const char *directory, struct both *both) {
    static const struct leveldb_kind kind = {65536, 512, 3, 10, 1};
    struct leveldb_opened opened;
    leveldb_begin(&opened, directory, &kind, false);
    leveldb_expect(&opened, both);
    leveldb_write_some(&opened, both, random_below(&both->seed, 200));
    leveldb_end(&opened);
}

static void turn_of_strata(const char *directory, struct both *both) {
    struct kv_options options = kv_options_default();
    options.durability = DURABILITY_NONE;
    options.write_buffer_bytes = 60000;
    options.table_bytes = 30000;
    struct kv *kv = strata_begin(directory, &options);
    strata_expect(kv, both);
    for (uint64_t steps = 1 + random_below(&both->seed, 4); steps > 0; steps--) {
        if (random_below(&both->seed, 3) == 0) {
            assert_ok(kv_erase_all(kv, NULL));
            memset(both->keys, 0, sizeof both->keys);
            strata_expect(kv, both);
        } else {
            strata_write_some(kv, both, random_below(&both->seed, 300));
        }
    }
    strata_expect(kv, both);
    assert_ok(kv_close(kv, NULL));
}

static void erased_for_both(void **state) {
    (void)state;
    uint64_t seed = test_seed();
    for (int round = 0; round < 4; round++) {
        char directory[BOTH_PATH_BYTES];
        static struct both both;
        memset(&both, 0, sizeof both);
        both.seed = random_next(&seed);
        both_directory(directory);
        turn_of_strata(directory, &both);
        for (int turn = 0; turn < 4; turn++) {
            turn_of_leveldb(directory, &both);
            turn_of_strata(directory, &both);
        }
        both_remove(directory);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(erased_for_both),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
