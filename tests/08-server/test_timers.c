/* Timers against a list of them that is searched from one end to the other. */
#include "looping.h"

#include "timers.h"

enum { TIMERS = 60, STEPS = 20000 };

struct both {
    struct timers timers;
    struct timer timer[TIMERS];
    bool added[TIMERS];
    uint64_t micros[TIMERS]; /* the model's */
};

static uint64_t earliest(const struct both *both) {
    uint64_t first = TIMER_NEVER;
    for (size_t i = 0; i < TIMERS; i++) {
        if (both->added[i] && both->micros[i] < first) {
            first = both->micros[i];
        }
    }
    return first;
}

static void take_due(struct both *both, uint64_t now) {
    struct timer *timer;
    while ((timer = timers_take_due(&both->timers, now)) != NULL) {
        size_t i = (size_t)(timer - both->timer);
        assert_true(both->added[i]);
        assert_true(both->micros[i] == earliest(both) && both->micros[i] <= now);
        both->micros[i] = TIMER_NEVER;
        assert_true(timer->micros == TIMER_NEVER);
    }
    assert_true(earliest(both) > now);
}

static void step(struct both *both, uint64_t *seed, uint64_t *now) {
    size_t i = (size_t)random_below(seed, TIMERS);
    switch (random_below(seed, 8)) {
    case 0:
        if (both->added[i]) {
            timers_remove(&both->timers, &both->timer[i]);
        } else {
            assert_ok(timers_add(&both->timers, &both->timer[i]));
        }
        both->added[i] = !both->added[i];
        both->micros[i] = TIMER_NEVER;
        break;
    case 1:
        *now += random_below(seed, 30);
        take_due(both, *now);
        break;
    default:
        if (both->added[i]) {
            both->micros[i] = *now + random_below(seed, 100);
            timers_set(&both->timers, &both->timer[i], both->micros[i]);
        }
        break;
    }
}

static void test_like_a_list(void **state) {
    (void)state;
    uint64_t seed = test_seed(), now = 0;
    struct both *both = calloc(1, sizeof *both);
    for (size_t i = 0; i < STEPS; i++) {
        step(both, &seed, &now);
        assert_true(timers_next(&both->timers) == earliest(both));
    }
    for (size_t i = 0; i < TIMERS; i++) {
        if (both->added[i]) {
            timers_remove(&both->timers, &both->timer[i]);
        }
    }
    timers_free(&both->timers);
    assert_int_equal(counted_memory_blocks(), 0);
    free(both);
}

static void test_no_memory(void **state) {
    (void)state;
    struct timers timers = {0};
    struct timer timer[40] = {0};
    size_t added = 0;
    for (size_t i = 0; i < 40; i++) {
        counted_memory_fail(1, false);
        enum status status = timers_add(&timers, &timer[i]);
        assert_true(status == (counted_memory_failed() ? STATUS_NO_MEMORY : STATUS_OK));
        counted_memory_fail(0, false);
        if (status != STATUS_OK) {
            assert_ok(timers_add(&timers, &timer[i]));
            added++;
        }
        timers_set(&timers, &timer[i], 100 - i);
        assert_true(timers_next(&timers) == 100 - i);
    }
    assert_true(added > 1);
    for (size_t i = 0; i < 40; i++) {
        timers_remove(&timers, &timer[i]);
    }
    timers_free(&timers);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_like_a_list),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
