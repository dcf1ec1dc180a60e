/* What a row of a sweep arms is what fails then: the second fault, the point that fails
 * from then on. A sweep that armed less would pass in silence. */
#include "plan.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "counted_memory.h"
#include "failpoint.h"
#include "memory.h"

static struct plan plan_of(size_t row, uint64_t which, uint64_t later) {
    uint64_t choices[PLAN_CHOICES] = {0};
    choices[PLAN_CHOICES - 2] = later;
    assert_true(plan_row(row, which, choices));
    struct tape tape = {0};
    tape_replay(&tape, choices, PLAN_CHOICES);
    struct plan plan = plan_draw(&tape);
    tape_free(&tape);
    return plan;
}

static bool is_second(const struct plan *plan) {
    return plan->second_call + plan->second_allocation > 0;
}

/* Whatever may fail fails once and for good, and no row is another one again. */
static void rows_are_all_kinds(void **state) {
    (void)state;
    size_t seconds = 0;
    size_t points[FAILPOINT_COUNT][2] = {{0}};
    struct plan seen[PLAN_ROWS];
    size_t count = 0;
    for (size_t row = 0; row < PLAN_ROWS; row++) {
        uint64_t choices[PLAN_CHOICES] = {0};
        if (!plan_row(row, 0, choices)) {
            continue;
        }
        struct plan plan = plan_of(row, 0, 3);
        seconds += is_second(&plan);
        if (plan.what == FAIL_POINT) {
            points[plan.point][plan.fault.persistent]++;
        }
        for (size_t i = 0; i < count; i++) {
            struct plan same = seen[i];
            assert_false(same.what == plan.what && same.point == plan.point &&
                         same.fault.effect == plan.fault.effect &&
                         same.fault.errnum == plan.fault.errnum &&
                         same.fault.persistent == plan.fault.persistent &&
                         same.second_call == plan.second_call &&
                         same.second_allocation == plan.second_allocation);
        }
        seen[count++] = plan;
    }
    assert_int_equal(seconds, PLAN_SECOND_ROWS);
    for (size_t i = 0; i < FAILPOINT_COUNT; i++) {
        bool can = points_can_fail((enum failpoint)i);
        assert_int_equal(points[i][0], can);
        assert_int_equal(points[i][1], can);
    }
}

/* ---- second faults --------------------------------------------------------------- */

static int sync_root(struct disk *disk) {
    const struct file_system *files = disk_files(disk);
    return files->ops->sync_directory(files->state, ".");
}

static bool take(void) {
    void *memory = memory_take(1);
    memory_give(memory);
    return memory != NULL;
}

/* The second call fails, then two go well, and the `later`-th after the fault fails. */
static void a_second_call_fails(void **state) {
    (void)state;
    for (size_t row = PLAN_ROWS - PLAN_SECOND_ROWS; row < PLAN_ROWS; row++) {
        struct plan plan = plan_of(row, 1, 2);
        if (plan.second_call == 0) {
            continue;
        }
        char struck[PLAN_STRUCK_BYTES];
        struct disk *disk = disk_new();
        plan_arm(&plan, disk);
        assert_int_equal(sync_root(disk), 0);
        assert_false(plan_struck(disk, struck));
        assert_int_equal(sync_root(disk), EIO);
        assert_true(plan_struck(disk, struck));
        for (size_t i = 1; i < plan.second_call; i++) {
            assert_int_equal(sync_root(disk), 0);
        }
        assert_int_equal(sync_root(disk), EIO);
        assert_int_equal(sync_root(disk), 0);
        assert_true(plan_disarm(disk));
        disk_free(disk);
    }
}

static void a_second_allocation_fails(void **state) {
    (void)state;
    for (size_t row = PLAN_ROWS - PLAN_SECOND_ROWS; row < PLAN_ROWS; row++) {
        struct plan plan = plan_of(row, 0, 2);
        if (plan.second_allocation == 0) {
            continue;
        }
        struct disk *disk = disk_new();
        plan_arm(&plan, disk);
        assert_true(take());
        assert_int_equal(sync_root(disk), EIO);
        for (size_t i = 1; i < plan.second_allocation; i++) {
            assert_true(take());
        }
        assert_false(take());
        assert_true(take());
        assert_int_equal(sync_root(disk), 0);
        assert_true(plan_disarm(disk));
        assert_true(take());
        disk_free(disk);
    }
}

/* ---- failpoints ------------------------------------------------------------------ */

static bool sync_fails(void) {
    return failpoint(log_sync) != 0;
}

static bool append_fails(void) {
    return failpoint(log_append) != 0;
}

static void points_fail_once_or_for_good(void **state) {
    (void)state;
    struct disk *disk = disk_new();
    points_watch();
    for (int persistent = 0; persistent < 2; persistent++) {
        struct plan plan = {.what = FAIL_POINT,
                            .point = FAILPOINT_log_sync,
                            .fault = {.countdown = 2, .persistent = persistent != 0}};
        plan_arm(&plan, disk);
        assert_false(sync_fails());
        assert_false(append_fails());
        assert_false(points_struck());
        assert_true(sync_fails());
        assert_true(points_struck());
        for (int i = 0; i < 5; i++) {
            assert_int_equal(sync_fails(), persistent != 0);
            assert_false(append_fails());
        }
        assert_true(plan_disarm(disk));
        assert_false(sync_fails());
    }
    assert_int_equal(points_hits(FAILPOINT_log_sync), 16);
    assert_int_equal(points_hits(FAILPOINT_log_append), 12);
    assert_int_equal(points_hits(FAILPOINT_log_close), 0);
    points_unwatch();
    assert_false(sync_fails());
    assert_int_equal(points_hits(FAILPOINT_log_sync), 16);
    disk_free(disk);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_all_kinds),
        cmocka_unit_test(a_second_call_fails),
        cmocka_unit_test(a_second_allocation_fails),
        cmocka_unit_test(points_fail_once_or_for_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
