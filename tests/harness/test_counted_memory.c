/* The counting allocator of the harness: counts, faults, leaks, reclaim. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "counted_memory.h"
#include "memory.h"
#include "thread.h"

static void test_counts_blocks_and_bytes(void **state) {
    (void)state;
    size_t blocks = counted_memory_blocks(), bytes = counted_memory_bytes();
    size_t calls = counted_memory_calls();
    char *first = memory_take(100);
    char *second = memory_take_zeroed(50);
    char *none = memory_take(0);
    assert_non_null(none);
    assert_int_equal(counted_memory_blocks(), blocks + 3);
    assert_int_equal(counted_memory_bytes(), bytes + 150);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(second[i], 0);
    }
    memset(first, 7, 100);
    first = memory_resize(first, 100000);
    assert_int_equal(first[99], 7);
    assert_int_equal(counted_memory_bytes(), bytes + 100050);
    assert_int_equal(counted_memory_calls(), calls + 4);
    memory_give(second);
    memory_give(first);
    memory_give(none);
    memory_give(NULL);
    assert_int_equal(counted_memory_blocks(), blocks);
    assert_int_equal(counted_memory_bytes(), bytes);
}

static void test_blocks_are_aligned(void **state) {
    (void)state;
    for (size_t bytes = 0; bytes < 40; bytes++) {
        void *block = memory_take(bytes);
        assert_int_equal((uintptr_t)block % _Alignof(max_align_t), 0);
        memory_give(block);
    }
}

static void test_an_impossible_size_fails(void **state) {
    (void)state;
    volatile size_t bytes = SIZE_MAX - 8;
    char *block = memory_copy_text("kept");
    assert_null(memory_take(bytes));
    assert_null(memory_take_zeroed(bytes));
    assert_null(memory_resize(block, bytes));
    assert_string_equal(block, "kept");
    memory_give(block);
}

/* Every kind of call is struck once, and the one after it is not. */
static void test_fails_the_nth_once(void **state) {
    (void)state;
    for (size_t n = 1; n <= 4; n++) {
        void *made[4];
        void *held = memory_take(1);
        counted_memory_fail(n, false);
        made[0] = memory_take(1);
        made[1] = memory_take_zeroed(1);
        made[2] = memory_resize(held, 2);
        made[3] = memory_copy_text("text");
        for (size_t i = 0; i < 4; i++) {
            assert_int_equal(made[i] == NULL, i + 1 == n);
        }
        assert_true(counted_memory_failed());
        counted_memory_fail(0, false);
        assert_false(counted_memory_failed());
        memory_give(made[0]);
        memory_give(made[1]);
        memory_give(made[2] != NULL ? made[2] : held);
        memory_give(made[3]);
    }
}

static void test_fails_persistently(void **state) {
    (void)state;
    counted_memory_fail(2, true);
    void *first = memory_take(1);
    assert_non_null(first);
    assert_false(counted_memory_failed());
    for (int i = 0; i < 3; i++) {
        assert_null(memory_take(1));
        assert_null(memory_resize(first, 10));
    }
    counted_memory_fail(0, false);
    first = memory_resize(first, 10);
    assert_non_null(first);
    memory_give(first);
}

static void test_reclaims_what_was_taken_since_the_mark(void **state) {
    (void)state;
    size_t blocks = counted_memory_blocks();
    char *old = memory_copy_text("old");
    counted_memory_mark();
    void *given = memory_take(1);
    for (int i = 0; i < 10; i++) {
        assert_non_null(memory_take(1000));
    }
    memory_give(given);
    old = memory_resize(old, 100);
    assert_int_equal(counted_memory_reclaim(), 10);
    assert_int_equal(counted_memory_blocks(), blocks + 1);
    assert_string_equal(old, "old");
    assert_int_equal(counted_memory_reclaim(), 0);
    memory_give(old);
    assert_int_equal(counted_memory_blocks(), blocks);
}

/* Threads of their own are not struck by this one's fault, and their blocks count. */
static void other_thread(void *argument) {
    void **blocks = argument;
    for (size_t i = 0; i < 1000; i++) {
        void *passing = memory_take(i);
        blocks[i] = memory_take(1);
        memory_give(passing);
    }
}

static void test_other_threads(void **state) {
    (void)state;
    static void *taken[2][1000];
    struct thread threads[2];
    size_t before = counted_memory_blocks();
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(
            thread_create(&threads[i], &threads_posix, other_thread, taken[i]),
            STATUS_OK);
    }
    counted_memory_fail(1, true);
    assert_null(memory_take(1));
    for (size_t i = 0; i < 2; i++) {
        thread_join(&threads[i]);
    }
    counted_memory_fail(0, false);
    assert_int_equal(counted_memory_blocks(), before + 2000);
    for (size_t i = 0; i < 2000; i++) {
        assert_non_null(taken[i / 1000][i % 1000]);
        memory_give(taken[i / 1000][i % 1000]);
    }
    assert_int_equal(counted_memory_blocks(), before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts_blocks_and_bytes),
        cmocka_unit_test(test_blocks_are_aligned),
        cmocka_unit_test(test_an_impossible_size_fails),
        cmocka_unit_test(test_fails_the_nth_once),
        cmocka_unit_test(test_fails_persistently),
        cmocka_unit_test(test_reclaims_what_was_taken_since_the_mark),
        cmocka_unit_test(test_other_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
