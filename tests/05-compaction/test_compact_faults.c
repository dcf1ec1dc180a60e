/* A compaction that fails, is stopped, or is held back. */
#include "../01-wal/simulation.h"

#include <fiu-control.h>
#include <fiu.h>

#include "outcome.h"

/* One whose outputs are several. */
static void open_several(struct layers *l, uint64_t seed) {
    uint64_t random = seed;
    do {
        layers_draw(l, &random);
    } while (l->count < 80 || l->table_bytes > 400 || l->table_bytes < 100 ||
             l->items[0].layer >= DEEPER_LAYER);
    layers_open(l, &random);
}

/* Nothing is left of a compaction that failed; it can be tried again. */
static void assert_undone(struct layers *l, struct outcome *r) {
    struct error error = {0};
    assert_int_equal(r->edit.added_count + r->edit.removed_count, 0);
    assert_int_equal(layers_temporaries(l), 0);
    if (compact(&l->with, &l->compaction, &r->edit, &r->counts, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
}

static void a_failing_call_leaves_nothing(void **state) {
    (void)state;
    static struct layers l;
    static const enum fault_effect effects[] = {FAULT_BEFORE, FAULT_AFTER, FAULT_SHORT};
    for (size_t e = 0; e < 3; e++) {
        bool struck = true;
        size_t failures = 0;
        for (size_t countdown = 1; struck; countdown++) {
            struct outcome r = {0};
            struct error error = {0};
            open_several(&l, 3);
            fail_call(&l.sim, countdown, effects[e], EIO, false);
            enum status status =
                compact(&l.with, &l.compaction, &r.edit, &r.counts, &error);
            struck = disk_fault_struck(l.sim.disk) != NULL;
            fail_nothing(&l.sim);
            if (status != STATUS_OK) {
                assert_int_equal(status, STATUS_IO);
                assert_message_has(error, "db/");
                failures++;
                assert_undone(&l, &r);
            }
            outcome_check(&l, &r);
            edit_free(&r.edit);
            layers_close(&l);
        }
        printf("%zu failures\n", failures);
        assert_true(failures > 10 || effects[e] == FAULT_SHORT);
    }
}

static void a_failing_point_leaves_nothing(void **state) {
    (void)state;
    static const char *const points[] = {"compaction_begin", "table_sync"};
    static struct layers l;
    assert_int_equal(fiu_init(0), 0);
    for (size_t i = 0; i < 2; i++) {
        struct outcome r = {0};
        struct error error = {0};
        open_several(&l, 3);
        assert_int_equal(fiu_enable(points[i], 1, NULL, FIU_ONETIME), 0);
        assert_int_equal(compact(&l.with, &l.compaction, &r.edit, &r.counts, &error),
                         STATUS_IO);
        fiu_disable(points[i]);
        assert_message_has(error, points[i]);
        assert_undone(&l, &r);
        outcome_check(&l, &r);
        edit_free(&r.edit);
        layers_close(&l);
    }
}

static void no_memory_leaves_nothing(void **state) {
    (void)state;
    static struct layers l;
    bool failed = true;
    size_t failures = 0;
    for (size_t countdown = 1; failed; countdown++) {
        struct outcome r = {0};
        struct error error = {0};
        open_several(&l, 3);
        counted_memory_fail(countdown, false);
        enum status status = compact(&l.with, &l.compaction, &r.edit, &r.counts, &error);
        failed = counted_memory_failed();
        counted_memory_fail(0, false);
        if (status != STATUS_OK) {
            assert_int_equal(status, STATUS_NO_MEMORY);
            failures++;
            assert_undone(&l, &r);
        }
        outcome_check(&l, &r);
        edit_free(&r.edit);
        layers_close(&l);
    }
    printf("%zu failures\n", failures);
    assert_true(failures > 50);
}

/* Half a megabyte, in one run. */
static void open_many(struct layers *l) {
    uint64_t random = 5;
    *l = (struct layers){
        .level = 1, .output_level = 2, .table_bytes = 30000, .cut_in = 50};
    for (; l->count < ITEMS_MAX; l->count++) {
        struct item *item = &l->items[l->count];
        snprintf(item->key, sizeof item->key, "%05zu", l->count);
        item->sequence = l->count + 1;
        item->put = true;
        item->padding = 1000 + item->sequence % 30;
    }
    layers_open(l, &random);
    l->sim.options.compression = TABLE_COMPRESSION_NONE;
}

static bool stop_at_last(void *context) {
    size_t *left = context;
    return (*left)-- == 0;
}

static void a_stopped_one_leaves_nothing(void **state) {
    (void)state;
    static struct layers l;
    struct outcome r = {0};
    struct error error = {0};
    size_t left = 0;
    size_t asked = 0;
    open_many(&l);
    l.with.stop = stop_at_last;
    l.with.context = &left;
    for (;; left = ++asked) {
        enum status status = compact(&l.with, &l.compaction, &r.edit, &r.counts, &error);
        if (status == STATUS_OK) {
            break;
        }
        assert_int_equal(status, STATUS_STALLED);
        assert_int_equal(r.edit.added_count + r.edit.removed_count, 0);
        assert_int_equal(layers_temporaries(&l), 0);
    }
    assert_in_range(asked, 5, 7); /* every 64 KiB of entries */
    outcome_check(&l, &r);
    edit_free(&r.edit);
    layers_close(&l);
}

/* So many bytes a second; what is written is known, and the simulated clock moves for
 * nothing else. The entries are read and written in the same order as without. */
static void a_limit_slows_it_down(void **state) {
    (void)state;
    static struct layers l;
    struct outcome r = {0};
    struct rate_limit *limit;
    open_many(&l);
    assert_ok(rate_limit_open(100000, &l.sim.world, &limit, NULL));
    l.with.limit = limit;
    uint64_t began = clock_monotonic_micros(l.sim.world.clock);
    assert_ok(compact(&l.with, &l.compaction, &r.edit, &r.counts, NULL));
    uint64_t micros = clock_monotonic_micros(l.sim.world.clock) - began;
    assert_int_equal(r.counts.micros, micros);
    assert_true(r.counts.written_bytes > 100000);
    assert_in_range(micros, (r.counts.written_bytes - 10000) * 10 - 300000,
                    r.counts.written_bytes * 10);
    outcome_check(&l, &r);
    edit_free(&r.edit);
    rate_limit_close(limit);
    layers_close(&l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failing_call_leaves_nothing),
        cmocka_unit_test(a_failing_point_leaves_nothing),
        cmocka_unit_test(no_memory_leaves_nothing),
        cmocka_unit_test(a_stopped_one_leaves_nothing),
        cmocka_unit_test(a_limit_slows_it_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
