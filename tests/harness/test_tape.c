/* The tape: what was chosen can be saved and replayed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tape.h"

static void seeds_determine_choices(void **state) {
    (void)state;
    struct tape a = {0}, b = {0}, c = {0};
    tape_seed(&a, 7);
    tape_seed(&b, 7);
    tape_seed(&c, 8);
    bool differ = false;
    for (int i = 0; i < 100; i++) {
        uint64_t from_a = tape_choose(&a, 1000);
        assert_true(from_a < 1000);
        assert_int_equal(from_a, tape_choose(&b, 1000));
        differ |= from_a != tape_choose(&c, 1000);
    }
    assert_true(differ);
    tape_free(&a);
    tape_free(&b);
    tape_free(&c);
}

static void replay_gives_the_choices_then_zeros(void **state) {
    (void)state;
    const uint64_t given[] = {5, 0, 25};
    struct tape tape = {0};
    tape_replay(&tape, given, 3);
    assert_int_equal(tape_choose(&tape, 10), 5);
    assert_int_equal(tape_choose(&tape, 10), 0);
    assert_int_equal(tape_choose(&tape, 10), 9); /* too large: the largest */
    assert_int_equal(tape_choose(&tape, 10), 0);
    assert_int_equal(tape.made, 4);
    assert_int_equal(tape.choices[2], 9);
    tape_replay(&tape, tape.choices, 3); /* its own choices */
    assert_int_equal(tape_choose(&tape, 10), 5);
    tape_free(&tape);
}

static char *printed(const struct tape *tape) {
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    tape_print(tape, out);
    fclose(out);
    return text;
}

static void text_holds_every_choice(void **state) {
    (void)state;
    uint64_t random = 1;
    for (int round = 0; round < 200; round++) {
        struct tape tape = {0}, again = {0};
        tape_seed(&tape, random_next(&random));
        size_t count = 1 + random_below(&random, 30);
        for (size_t i = 0; i < count; i++) {
            tape_choose(&tape, i % 3 == 0 ? 2 : UINT64_MAX >> random_below(&random, 64));
        }
        char *text = printed(&tape);
        assert_true(tape_parse(&again, text));
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(tape_choose(&again, UINT64_MAX), tape.choices[i]);
        }
        free(text);
        tape_free(&tape);
        tape_free(&again);
    }
}

static void zeros_at_the_end_are_not_printed(void **state) {
    (void)state;
    const uint64_t given[] = {0, 35, 36, 0, 0};
    struct tape tape = {0};
    tape_replay(&tape, given, 5);
    for (int i = 0; i < 5; i++) {
        tape_choose(&tape, 100);
    }
    char *text = printed(&tape);
    assert_string_equal(text, "0.z.10");
    free(text);
    tape_free(&tape);
}

static void what_is_no_tape_is_refused(void **state) {
    (void)state;
    const char *wrong[] = {"",  ".",   "1.", ".1",  "1..2",
                           "A", "1,2", "-1", "1 2", "zzzzzzzzzzzzzzzz"};
    struct tape tape = {0};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(tape_parse(&tape, wrong[i]));
        assert_int_equal(tape_choose(&tape, 10), 0);
    }
    tape_free(&tape);
}

static void spans_hold_their_choices(void **state) {
    (void)state;
    struct tape tape = {0};
    tape_seed(&tape, 1);
    tape_begin(&tape);
    tape_choose(&tape, 2);
    tape_begin(&tape);
    tape_choose(&tape, 2);
    tape_choose(&tape, 2);
    tape_end(&tape);
    tape_end(&tape);
    assert_int_equal(tape.span_count, 2);
    assert_int_equal(tape.spans[0].begin, 1);
    assert_int_equal(tape.spans[0].end, 3);
    assert_int_equal(tape.spans[1].begin, 0);
    assert_int_equal(tape.spans[1].end, 3);
    tape_free(&tape);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seeds_determine_choices),
        cmocka_unit_test(replay_gives_the_choices_then_zeros),
        cmocka_unit_test(text_holds_every_choice),
        cmocka_unit_test(zeros_at_the_end_are_not_printed),
        cmocka_unit_test(what_is_no_tape_is_refused),
        cmocka_unit_test(spans_hold_their_choices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
