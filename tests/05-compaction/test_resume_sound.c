/* A resume of a store that has not failed: who looks whether there is anything to resume
 * waits for nobody, and nobody waits for it. */
#include "../03-sstable/engine_faults.h"

static void compact(void *argument) {
    assert_ok(kv_compact(argument, (struct slice){0}, (struct slice){0}, NULL));
}

static void beside_a_compaction(void **state) {
    (void)state;
    struct simulation sim;
    struct thread thread;
    simulation_begin(&sim);
    sim.options.compaction_bytes_per_second = 100;
    sim.options.block_bytes = 120;
    sim.options.table_bytes = 150;
    struct kv *kv = open_store(&sim);
    for (int table = 0; table < 2; table++) {
        put_numbers(kv, 1, 100, DURABILITY_NONE);
        assert_ok(kv_flush(kv, NULL));
    }
    assert_ok(thread_create(&thread, sim.world.threads, compact, kv));
    scheduler_settle(sim.scheduler); /* it waits for its share of the disk */
    uint64_t before = clock_monotonic_micros(sim.world.clock);
    assert_resumes(kv);
    put_number(kv, 101, DURABILITY_NONE);
    assert_int_equal(clock_monotonic_micros(sim.world.clock), before);
    assert_int_equal(stats_of(kv).compactions, 0);
    thread_join(&thread);
    assert_true(stats_of(kv).compactions > 0);
    assert_true(clock_monotonic_micros(sim.world.clock) > before);
    assert_ok(kv_close(kv, NULL));
    simulation_end(&sim);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(beside_a_compaction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
