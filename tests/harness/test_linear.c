/* Hand-made histories: those that an order explains, and those that none does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "linear.h"

static struct call *add(struct history *history, enum call_kind kind, uint64_t invoked,
                        uint64_t returned) {
    struct call *call = &history->calls[history->count++];
    *call = (struct call){.kind = kind, .invoked = invoked, .returned = returned};
    return call;
}

/* Writes `value` under key 0. */
static struct call *put(struct history *history, uint64_t invoked, uint64_t returned,
                        uint64_t sequence, unsigned value) {
    struct call *call = add(history, CALL_WRITE, invoked, returned);
    call->sequence = sequence;
    call->ops[0] = (struct history_op){0, value};
    call->op_count = 1;
    return call;
}

/* Writes `value` under keys 0 and 1. */
static struct call *put_two(struct history *history, uint64_t invoked, uint64_t returned,
                            uint64_t last, unsigned value) {
    struct call *call = put(history, invoked, returned, last, value);
    call->ops[1] = (struct history_op){1, value};
    call->op_count = 2;
    return call;
}

static struct call *get(struct history *history, uint64_t invoked, uint64_t returned,
                        uint64_t observed, unsigned found) {
    struct call *call = add(history, CALL_GET, invoked, returned);
    call->observed = observed;
    call->found = found;
    return call;
}

static void accepts(const struct history *history) {
    char words[300] = "";
    bool holds = history_linear(history, words, sizeof words);
    if (!holds) {
        print_message("%s\n", words);
    }
    assert_true(holds);
}

/* For the reason that is looked for, not for another. */
static void rejects(const struct history *history, const char *why) {
    char words[300] = "";
    assert_false(history_linear(history, words, sizeof words));
    if (strstr(words, why) == NULL) {
        fail_msg("'%s' is not about '%s'", words, why);
    }
}

static void empty_and_sequential(void **state) {
    (void)state;
    struct history history = {0};
    accepts(&history);
    get(&history, 1, 2, 0, VALUE_ABSENT);
    put(&history, 3, 4, 1, 7);
    get(&history, 5, 6, 1, 7);
    put(&history, 7, 8, 2, VALUE_ABSENT);
    get(&history, 9, 10, 2, VALUE_ABSENT);
    accepts(&history);
}

/* While a write runs, a read may see it or not. */
static void overlapping_read(void **state) {
    (void)state;
    for (unsigned seen = 0; seen < 2; seen++) {
        struct history history = {0};
        put(&history, 1, 10, 1, 7);
        get(&history, 2, 3, seen, seen * 7);
        accepts(&history);
        history.calls[1].found = 7 - seen * 7;
        rejects(&history, "shows");
    }
}

static void overlapping_writes_in_any_order(void **state) {
    (void)state;
    struct history history = {0};
    put(&history, 1, 10, 2, 7);
    put(&history, 2, 9, 1, 8);
    get(&history, 11, 12, 2, 7);
    accepts(&history);
    history.calls[1].invoked = 10;
    history.calls[0].returned = 9;
    rejects(&history, "the higher one");
}

static void stale_read(void **state) {
    (void)state;
    struct history history = {0};
    put(&history, 1, 2, 1, 7);
    get(&history, 3, 4, 0, VALUE_ABSENT);
    rejects(&history, "had returned before");
}

static void read_of_the_future(void **state) {
    (void)state;
    struct history history = {0};
    get(&history, 1, 2, 1, 7);
    put(&history, 3, 4, 1, 7);
    rejects(&history, "before it began");
}

static void reads_that_go_back(void **state) {
    (void)state;
    struct history history = {0};
    put(&history, 1, 20, 1, 7);
    get(&history, 2, 3, 1, 7);
    get(&history, 4, 5, 0, VALUE_ABSENT);
    rejects(&history, "before it");
    history.calls[2].invoked = 3; /* they overlap: either order will do */
    accepts(&history);
}

static void sequences_with_faults(void **state) {
    (void)state;
    struct history hole = {0}, twice = {0}, none = {0};
    put(&hole, 1, 2, 2, 7);
    rejects(&hole, "ends with 0");
    put(&twice, 1, 3, 1, 7);
    put(&twice, 2, 4, 1, 8);
    rejects(&twice, "ends with 1");
    put(&none, 1, 2, 0, 7);
    rejects(&none, "without sequences");
}

static void half_of_a_change(void **state) {
    (void)state;
    struct history history = {0};
    put_two(&history, 1, 10, 2, 7);
    get(&history, 2, 3, 1, 7);
    rejects(&history, "the end of no change");
}

static void iterator_is_one_moment(void **state) {
    (void)state;
    struct history history = {0};
    put_two(&history, 1, 2, 2, 7);
    put_two(&history, 4, 5, 4, 8);
    struct call *iter = add(&history, CALL_ITER, 3, 9);
    iter->observed = 2;
    iter->walk_count = 2;
    for (size_t walk = 0; walk < 2; walk++) {
        iter->walks[walk][0] = iter->walks[walk][1] = 7;
    }
    accepts(&history);
    iter->walks[1][1] = 8; /* the second walk sees a write that came meanwhile */
    rejects(&history, "shows v8 under key 1");
    iter->walks[1][1] = 7;
    iter->walks[0][2] = 7; /* an entry that nobody wrote */
    rejects(&history, "under key 2");
}

/* A write that failed may have happened or not, but not both. */
static void write_in_doubt(void **state) {
    (void)state;
    for (unsigned seen = 0; seen < 2; seen++) {
        struct history history = {0};
        put(&history, 1, 2, 1, 7)->failed = true;
        get(&history, 3, 4, seen, seen * 7);
        accepts(&history);
    }
    struct history replaced = {0};
    put(&replaced, 1, 2, 1, 7)->failed = true;
    put(&replaced, 3, 4, 1, 8);
    struct call *read = get(&replaced, 5, 6, 1, 8);
    accepts(&replaced);
    read->found = 7;
    rejects(&replaced, "shows v7");
}

/* Two of one group fail, and their log is lost: the second cannot be there without the
 * first, whose sequences another write got in part. */
static void writes_in_doubt_are_a_chain(void **state) {
    (void)state;
    struct history history = {0};
    put(&history, 1, 2, 1, 1);
    put_two(&history, 3, 6, 3, 2)->failed = true;
    struct call *second = put(&history, 4, 5, 4, 3);
    second->failed = true;
    put(&history, 7, 8, 2, 4);
    accepts(&history);
    get(&history, 9, 10, 4, 3);
    rejects(&history, "observed");
    history.count--;
    second->failed = false;
    rejects(&history, "write 3 has the sequences from 4");
}

/* What was before an erasure is gone behind it, and the sequence is the same. */
static void an_erasure_has_a_place(void **state) {
    (void)state;
    for (unsigned seen = 0; seen < 2; seen++) {
        struct history history = {0};
        put(&history, 1, 2, 1, 7);
        struct call *erase = add(&history, CALL_ERASE, 3, 10);
        struct call *during = get(&history, 4, 5, 1, seen * 7);
        struct call *after = get(&history, 11, 12, 1, VALUE_ABSENT);
        accepts(&history);
        after->found = 7;
        rejects(&history, "shows v7");
        after->invoked = 9;
        if (seen == 0) {
            rejects(&history, "shows v7"); /* the read before it had seen the erasure */
        } else {
            accepts(&history);
        }
        after->found = VALUE_ABSENT;
        erase->kind = CALL_FLUSH;
        rejects(&history, "shows v0");
        erase->kind = CALL_ERASE;
        erase->invoked = 6;
        during->found = VALUE_ABSENT;
        rejects(&history, "shows v0");
    }
}

static void erasures_between_writes(void **state) {
    (void)state;
    struct history history = {0};
    put(&history, 1, 2, 1, 7);
    add(&history, CALL_ERASE, 3, 20);
    put_two(&history, 4, 5, 3, 8);
    struct call *read = get(&history, 21, 22, 3, 8);
    accepts(&history); /* behind the first write */
    read->found = VALUE_ABSENT;
    accepts(&history); /* behind both */
    get(&history, 23, 24, 3, 8);
    rejects(&history, "shows v8");
    history.count--;
    history.calls[1].returned = 4;
    history.calls[2].invoked = 5;
    rejects(&history, "shows v0");
    read->found = 8;
    accepts(&history);
}

static void an_erasure_in_doubt(void **state) {
    (void)state;
    struct history history = {0};
    put(&history, 1, 2, 1, 7);
    struct call *erase = add(&history, CALL_ERASE, 3, 4);
    get(&history, 5, 6, 1, 7);
    struct call *read = get(&history, 7, 8, 1, 7);
    rejects(&history, "shows v7");
    erase->failed = true;
    accepts(&history);
    read->found = VALUE_ABSENT;
    accepts(&history);
    get(&history, 9, 10, 1, 7);
    rejects(&history, "shows v");
}

static void calls_without_an_answer(void **state) {
    (void)state;
    struct history history = {0};
    put(&history, 1, 0, 1, 7);
    get(&history, 2, 0, 99, 99);
    get(&history, 3, 4, 99, 99)->failed = true;
    get(&history, 5, 6, 0, VALUE_ABSENT);
    accepts(&history);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_and_sequential),
        cmocka_unit_test(overlapping_read),
        cmocka_unit_test(overlapping_writes_in_any_order),
        cmocka_unit_test(stale_read),
        cmocka_unit_test(read_of_the_future),
        cmocka_unit_test(reads_that_go_back),
        cmocka_unit_test(sequences_with_faults),
        cmocka_unit_test(half_of_a_change),
        cmocka_unit_test(iterator_is_one_moment),
        cmocka_unit_test(write_in_doubt),
        cmocka_unit_test(writes_in_doubt_are_a_chain),
        cmocka_unit_test(an_erasure_has_a_place),
        cmocka_unit_test(erasures_between_writes),
        cmocka_unit_test(an_erasure_in_doubt),
        cmocka_unit_test(calls_without_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
