/* The shrinker on made-up properties whose simplest failing case is known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shrink.h"

/* A list of up to 12 items, as programs are: a 0 ends it. */
enum { ITEMS_MAX = 12 };

struct list {
    uint64_t items[ITEMS_MAX];
    size_t count;
};

static struct list draw(struct tape *tape) {
    struct list list = {0};
    while (list.count < ITEMS_MAX) {
        tape_begin(tape);
        bool more = tape_choose(tape, 8) != 0;
        if (more) {
            list.items[list.count++] = tape_choose(tape, 1000);
            tape_choose(tape, 50); /* of no importance */
        }
        tape_end(tape);
        if (!more) {
            break;
        }
    }
    return list;
}

static bool has_large_item(void *context, struct tape *tape) {
    (void)context;
    struct list list = draw(tape);
    for (size_t i = 0; i < list.count; i++) {
        if (list.items[i] >= 137) {
            return true;
        }
    }
    return false;
}

/* An item, and a later one that is larger by at least 10. */
static bool has_rise(void *context, struct tape *tape) {
    (void)context;
    struct list list = draw(tape);
    for (size_t i = 0; i < list.count; i++) {
        for (size_t j = i + 1; j < list.count; j++) {
            if (list.items[j] >= list.items[i] + 10) {
                return true;
            }
        }
    }
    return false;
}

/* Two items that are equal and not 0: neither can be lowered alone. */
static bool has_equal_items(void *context, struct tape *tape) {
    (void)context;
    struct list list = draw(tape);
    for (size_t i = 1; i < list.count; i++) {
        if (list.items[i] == list.items[i - 1] && list.items[i] >= 3) {
            return true;
        }
    }
    return false;
}

/* A count in front says how many items follow; three of them at least. */
static bool has_counted_items(void *context, struct tape *tape) {
    (void)context;
    uint64_t count = tape_choose(tape, 10);
    size_t odd = 0;
    for (uint64_t i = 0; i < count; i++) {
        tape_begin(tape);
        odd += tape_choose(tape, 100) % 2;
        tape_end(tape);
    }
    return odd >= 2;
}

/* A count in front; the last two of the items are 77 and 33. Those before them go only
 * together with a lower count. */
static bool ends_in_two(void *context, struct tape *tape) {
    (void)context;
    uint64_t count = tape_choose(tape, 10), before = 0, last = 0;
    for (uint64_t i = 0; i < count; i++) {
        tape_begin(tape);
        before = last;
        last = tape_choose(tape, 100);
        tape_end(tape);
    }
    return before == 77 && last == 33;
}

/* The same list as has_large_item's without spans: choices must be deleted. */
static bool has_large_unspanned(void *context, struct tape *tape) {
    (void)context;
    bool large = false;
    for (int i = 0; i < ITEMS_MAX && tape_choose(tape, 8) != 0; i++) {
        large |= tape_choose(tape, 1000) >= 137;
    }
    return large;
}

/* 3 and 5 in any order. */
static bool has_both(void *context, struct tape *tape) {
    (void)context;
    uint64_t items[2];
    for (int i = 0; i < 2; i++) {
        tape_begin(tape);
        items[i] = tape_choose(tape, 10);
        tape_end(tape);
    }
    return items[0] * items[1] == 15;
}

static bool runs_out(void *context, struct tape *tape) {
    (*(size_t *)context)++;
    return has_large_item(NULL, tape);
}

/* Shrinks failing tapes of many seeds; each must end as `expected`. */
static void demand(shrink_fails *fails, const uint64_t *expected, size_t count) {
    size_t failing = 0;
    for (uint64_t seed = 0; seed < 400; seed++) {
        struct tape tape = {0};
        tape_seed(&tape, seed);
        if (fails(NULL, &tape)) {
            failing++;
            shrink(&tape, fails, NULL, 20000);
            assert_int_equal(tape.made, count);
            assert_memory_equal(tape.choices, expected, count * sizeof *expected);
        }
        tape_free(&tape);
    }
    assert_true(failing > 0);
}

static void a_list_shrinks_to_its_one_item(void **state) {
    (void)state;
    demand(has_large_item, (const uint64_t[]){1, 137, 0, 0}, 4);
}

static void what_is_between_two_items_goes(void **state) {
    (void)state;
    demand(has_rise, (const uint64_t[]){1, 0, 0, 1, 10, 0, 0}, 7);
}

static void equal_items_go_down_together(void **state) {
    (void)state;
    const uint64_t given[] = {1, 900, 3, 1, 40, 2, 1, 40, 2, 0};
    struct tape tape = {0};
    tape_replay(&tape, given, sizeof given / sizeof given[0]);
    assert_true(has_equal_items(NULL, &tape));
    shrink(&tape, has_equal_items, NULL, 20000);
    const uint64_t expected[] = {1, 3, 0, 1, 3, 0, 0};
    assert_int_equal(tape.made, 7);
    assert_memory_equal(tape.choices, expected, sizeof expected);
    tape_free(&tape);
}

static void counts_go_down_with_what_they_count(void **state) {
    (void)state;
    demand(has_counted_items, (const uint64_t[]){2, 1, 1}, 3);
}

static void starts_from(shrink_fails *fails, const uint64_t *given, size_t count,
                        const uint64_t *expected, size_t expected_count) {
    struct tape tape = {0};
    tape_replay(&tape, given, count);
    assert_true(fails(NULL, &tape));
    shrink(&tape, fails, NULL, 20000);
    assert_int_equal(tape.made, expected_count);
    assert_memory_equal(tape.choices, expected, expected_count * sizeof *expected);
    tape_free(&tape);
}

static void a_count_is_lowered_while_a_span_goes(void **state) {
    (void)state;
    starts_from(ends_in_two, (const uint64_t[]){5, 9, 8, 7, 77, 33}, 6,
                (const uint64_t[]){2, 77, 33}, 3);
}

static void choices_outside_spans_go(void **state) {
    (void)state;
    demand(has_large_unspanned, (const uint64_t[]){1, 137, 0}, 3);
}

static void spans_change_places(void **state) {
    (void)state;
    starts_from(has_both, (const uint64_t[]){5, 3}, 2, (const uint64_t[]){3, 5}, 2);
}

static void runs_are_bounded_and_the_result_fails(void **state) {
    (void)state;
    for (size_t runs = 0; runs < 40; runs++) {
        struct tape tape = {0};
        size_t ran = 0;
        tape_seed(&tape, 3);
        assert_true(has_large_item(NULL, &tape));
        assert_true(shrink(&tape, runs_out, &ran, runs) <= runs);
        assert_true(ran <= runs);
        tape_replay(&tape, tape.choices, tape.made);
        assert_true(has_large_item(NULL, &tape));
        tape_free(&tape);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_shrinks_to_its_one_item),
        cmocka_unit_test(what_is_between_two_items_goes),
        cmocka_unit_test(equal_items_go_down_together),
        cmocka_unit_test(counts_go_down_with_what_they_count),
        cmocka_unit_test(a_count_is_lowered_while_a_span_goes),
        cmocka_unit_test(choices_outside_spans_go),
        cmocka_unit_test(spans_change_places),
        cmocka_unit_test(runs_are_bounded_and_the_result_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
