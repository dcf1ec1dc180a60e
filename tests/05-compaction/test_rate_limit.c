/* The rate limit on the simulated clock, which jumps to where the next waiter goes on. */
#include "../01-wal/simulation.h"

#include "rate_limit.h"

static uint64_t now_of(const struct simulation *sim) {
    return clock_monotonic_micros(sim->world.clock);
}

static struct rate_limit *limit_of(struct simulation *sim, uint64_t bytes_per_second) {
    struct rate_limit *limit;
    simulation_begin(sim);
    assert_ok(rate_limit_open(bytes_per_second, &sim->world, &limit, NULL));
    return limit;
}

static void end(struct simulation *sim, struct rate_limit *limit) {
    rate_limit_close(limit);
    simulation_end(sim);
}

/* A million bytes a second: a byte a microsecond. */
static void a_burst_goes_at_once_and_the_rest_in_time(void **state) {
    (void)state;
    struct simulation sim;
    struct rate_limit *limit = limit_of(&sim, 1000000);
    uint64_t began = now_of(&sim);
    for (size_t i = 0; i < 10; i++) {
        rate_limit_take(limit, 10000);
    }
    assert_int_equal(now_of(&sim) - began, 0);
    rate_limit_take(limit, 1);
    assert_int_equal(now_of(&sim) - began, 1);
    rate_limit_take(limit, 50000);
    assert_int_equal(now_of(&sim) - began, 50001);
    rate_limit_take(limit, 0);
    assert_int_equal(now_of(&sim) - began, 50001);
    scheduler_advance(sim.scheduler, 3600 * UINT64_C(1000000));
    began = now_of(&sim);
    rate_limit_take(limit, 100000); /* an hour's rest brings a burst, no more */
    assert_int_equal(now_of(&sim) - began, 0);
    rate_limit_take(limit, 100);
    assert_int_equal(now_of(&sim) - began, 100);
    end(&sim, limit);
}

static void more_than_a_burst_goes_when_it_is_full(void **state) {
    (void)state;
    struct simulation sim;
    struct rate_limit *limit = limit_of(&sim, 1000000);
    uint64_t began = now_of(&sim);
    rate_limit_take(limit, 2500000);
    assert_int_equal(now_of(&sim) - began, 0);
    rate_limit_take(limit, 1); /* pays for it, but for the burst */
    assert_int_equal(now_of(&sim) - began, 2400001);
    rate_limit_take(limit, 200000);
    assert_int_equal(now_of(&sim) - began, 2500001);
    end(&sim, limit);
}

/* Whatever is asked for, in any span what was allowed is at most what flowed in, a burst,
 * and the one request that went over; and it is no less. Rates do not divide seconds. */
static void any_requests_come_to_the_rate(void **state) {
    (void)state;
    uint64_t random = test_seed();
    for (size_t round = 0; round < 200; round++) {
        struct simulation sim;
        uint64_t rate = 1 + random_magnitude(&random) % 3000000;
        uint64_t most = 1 + random_magnitude(&random) % (rate + 1);
        struct rate_limit *limit = limit_of(&sim, rate);
        uint64_t began = now_of(&sim);
        double taken = 0;
        for (size_t i = 0; i < 300; i++) {
            uint64_t bytes = random_below(&random, most + 1);
            rate_limit_take(limit, bytes);
            taken += (double)bytes;
            double flowed = (double)(now_of(&sim) - began) * (double)rate / 1e6;
            double burst = (double)rate / 10;
            double over = (double)bytes > burst ? (double)bytes : burst;
            assert_true(taken <= flowed + over + (double)rate / 1e6 + 1);
            assert_true(flowed <= taken + (double)rate / 1e6 + 1);
        }
        end(&sim, limit);
    }
}

/* ---- threads --------------------------------------------------------------------- */

struct taker {
    struct simulation *sim;
    struct rate_limit *limit;
    uint64_t bytes;
    uint64_t went; /* when; 0: it waits */
};

static void take(void *argument) {
    struct taker *taker = argument;
    rate_limit_take(taker->limit, taker->bytes);
    taker->went = now_of(taker->sim);
}

static void start(struct taker *takers, struct thread *threads, size_t count,
                  struct simulation *sim, struct rate_limit *limit, uint64_t bytes) {
    for (size_t i = 0; i < count; i++) {
        takers[i] = (struct taker){.sim = sim, .limit = limit, .bytes = bytes};
        assert_ok(thread_create(&threads[i], sim->world.threads, take, &takers[i]));
        scheduler_settle(sim->scheduler);
    }
}

static void threads_share_it_in_their_order(void **state) {
    (void)state;
    struct simulation sim;
    struct rate_limit *limit = limit_of(&sim, 1000000);
    struct taker takers[5];
    struct thread threads[5];
    uint64_t began = now_of(&sim);
    start(takers, threads, 5, &sim, limit, 60000);
    for (size_t i = 0; i < 5; i++) {
        thread_join(&threads[i]);
        assert_int_equal(takers[i].went - began, i == 0 ? 0 : 60000 * (i + 1) - 100000);
    }
    end(&sim, limit);
}

static void an_end_lets_all_go_at_once(void **state) {
    (void)state;
    struct simulation sim;
    struct rate_limit *limit = limit_of(&sim, 1);
    struct taker takers[3];
    struct thread threads[3];
    uint64_t began = now_of(&sim);
    start(takers, threads, 3, &sim, limit, 1 << 30);
    assert_int_equal(takers[0].went, began);
    assert_int_equal(takers[1].went + takers[2].went, 0);
    rate_limit_end(limit);
    scheduler_settle(sim.scheduler);
    for (size_t i = 0; i < 3; i++) {
        thread_join(&threads[i]);
        assert_int_equal(takers[i].went, began);
    }
    rate_limit_take(limit, 1 << 30);
    assert_int_equal(now_of(&sim), began);
    end(&sim, limit);
}

static void no_memory_leaves_nothing(void **state) {
    (void)state;
    struct simulation sim;
    bool failed = true;
    size_t failures = 0;
    simulation_begin(&sim);
    for (size_t countdown = 1; failed; countdown++) {
        struct rate_limit *limit = NULL;
        counted_memory_fail(countdown, false);
        enum status status = rate_limit_open(1, &sim.world, &limit, NULL);
        failed = counted_memory_failed();
        counted_memory_fail(0, false);
        assert_int_equal(status, failed ? STATUS_NO_MEMORY : STATUS_OK);
        failures += failed;
        rate_limit_close(limit);
    }
    assert_int_equal(failures, 3);
    rate_limit_close(NULL);
    simulation_end(&sim);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_goes_at_once_and_the_rest_in_time),
        cmocka_unit_test(more_than_a_burst_goes_when_it_is_full),
        cmocka_unit_test(any_requests_come_to_the_rate),
        cmocka_unit_test(threads_share_it_in_their_order),
        cmocka_unit_test(an_end_lets_all_go_at_once),
        cmocka_unit_test(no_memory_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
