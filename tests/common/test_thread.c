#include "support.h"

#include "world.h"

enum { THREADS = 4, ROUNDS = 5000 };

/* A table-tennis of all threads: each waits for its turn, so every condition is needed.
 */
struct table {
    struct mutex lock;
    struct condition turned;
    unsigned turn;  /* guarded by lock */
    unsigned total; /* guarded by lock */
};

struct player {
    struct table *table;
    unsigned number;
};

static void play(void *argument) {
    struct player *player = argument;
    struct table *table = player->table;
    for (int round = 0; round < ROUNDS / THREADS; round++) {
        mutex_lock(&table->lock);
        while (table->turn != player->number) {
            condition_wait(&table->turned, &table->lock);
        }
        table->turn = (table->turn + 1) % THREADS;
        table->total++;
        condition_broadcast(&table->turned);
        mutex_unlock(&table->lock);
    }
}

static void threads_take_turns(void **state) {
    (void)state;
    struct table table = {0};
    assert_ok(mutex_init(&table.lock, &threads_posix));
    assert_ok(condition_init(&table.turned, &threads_posix));
    struct thread threads[THREADS];
    struct player players[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        players[i] = (struct player){&table, i};
        assert_ok(thread_create(&threads[i], &threads_posix, play, &players[i]));
    }
    for (unsigned i = 0; i < THREADS; i++) {
        thread_join(&threads[i]);
    }
    assert_int_equal(table.total, ROUNDS / THREADS * THREADS);
    condition_free(&table.turned);
    mutex_free(&table.lock);
}

/* Without exclusion the plain additions lose some (and ThreadSanitizer sees them). */
static void count_up(void *argument) {
    struct table *table = argument;
    for (int round = 0; round < 100 * ROUNDS; round++) {
        mutex_lock(&table->lock);
        table->total++;
        mutex_unlock(&table->lock);
    }
}

static void mutex_excludes(void **state) {
    (void)state;
    struct table table = {0};
    assert_ok(mutex_init(&table.lock, &threads_posix));
    struct thread threads[2];
    for (unsigned i = 0; i < 2; i++) {
        assert_ok(thread_create(&threads[i], &threads_posix, count_up, &table));
    }
    for (unsigned i = 0; i < 2; i++) {
        thread_join(&threads[i]);
    }
    assert_int_equal(table.total, 2 * 100 * ROUNDS);
    mutex_free(&table.lock);
}

static void timed_wait_ends_at_its_deadline(void **state) {
    (void)state;
    struct mutex lock;
    struct condition never;
    assert_ok(mutex_init(&lock, &threads_posix));
    assert_ok(condition_init(&never, &threads_posix));
    mutex_lock(&lock);
    assert_false(condition_wait_until(&never, &lock, 0));
    uint64_t deadline = clock_monotonic_micros(&clock_system) + 2000;
    while (condition_wait_until(&never, &lock, deadline)) {
    }
    assert_true(clock_monotonic_micros(&clock_system) >= deadline);
    mutex_unlock(&lock);
    condition_free(&never);
    mutex_free(&lock);
}

static void wake(void *argument) {
    struct table *table = argument;
    mutex_lock(&table->lock);
    table->turn = 1;
    condition_signal(&table->turned);
    mutex_unlock(&table->lock);
}

static void timed_wait_is_woken_before_a_far_deadline(void **state) {
    (void)state;
    struct table table = {0};
    assert_ok(mutex_init(&table.lock, &threads_posix));
    assert_ok(condition_init(&table.turned, &threads_posix));
    struct thread waker;
    mutex_lock(&table.lock);
    assert_ok(thread_create(&waker, &threads_posix, wake, &table));
    while (table.turn == 0) {
        assert_true(condition_wait_until(&table.turned, &table.lock, UINT64_MAX));
    }
    mutex_unlock(&table.lock);
    thread_join(&waker);
    condition_free(&table.turned);
    mutex_free(&table.lock);
}

static void clocks_run(void **state) {
    (void)state;
    uint64_t before = clock_monotonic_micros(world_system.clock);
    uint64_t after;
    do {
        after = clock_monotonic_micros(world_system.clock);
        assert_true(after >= before);
    } while (after == before);
    uint64_t year_2020_micros = UINT64_C(1577836800000000);
    assert_true(clock_wall_micros(world_system.clock) > year_2020_micros);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_take_turns),
        cmocka_unit_test(mutex_excludes),
        cmocka_unit_test(timed_wait_ends_at_its_deadline),
        cmocka_unit_test(timed_wait_is_woken_before_a_far_deadline),
        cmocka_unit_test(clocks_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
