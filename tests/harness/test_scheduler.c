/* The simulated threads: what they can do, that every order is reached, that time and
 * death behave as promised.
 *
 * tidy: long because there is one test per promise of scheduler.h. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "atomic.h"
#include "counted_memory.h"
#include "memory.h"
#include "scheduler.h"

/* A chooser that walks the tree of all choices: run by run the next leaf. */
struct enumeration {
    uint64_t chosen[64];
    uint64_t bounds[64];
    size_t depth;
    size_t length;
};

static uint64_t next_choice(void *context, uint64_t bound) {
    struct enumeration *all = context;
    assert_true(bound >= 2);
    assert_true(all->depth < 64);
    if (all->depth == all->length) {
        all->chosen[all->length++] = 0;
    }
    all->bounds[all->depth] = bound;
    return all->chosen[all->depth++];
}

/* Prepares the next run; false when all were made. */
static bool next_run(struct enumeration *all) {
    all->depth = 0;
    while (all->length > 0) {
        if (++all->chosen[all->length - 1] < all->bounds[all->length - 1]) {
            return true;
        }
        all->length--;
    }
    return false;
}

static uint64_t random_choice(void *context, uint64_t bound) {
    uint64_t *seed = context;
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (*seed >> 33) % bound;
}

/* A bounded queue between threads. */
struct queue {
    struct mutex mutex;
    struct condition not_empty, not_full;
    uint64_t items[2];
    size_t count;
    uint64_t sum;
};

enum { ITEMS = 20 };

static void produce(void *argument) {
    struct queue *queue = argument;
    for (uint64_t i = 1; i <= ITEMS; i++) {
        mutex_lock(&queue->mutex);
        while (queue->count == 2) {
            condition_wait(&queue->not_full, &queue->mutex);
        }
        queue->items[queue->count++] = i;
        condition_signal(&queue->not_empty);
        mutex_unlock(&queue->mutex);
    }
}

static void consume(void *argument) {
    struct queue *queue = argument;
    for (int i = 0; i < ITEMS; i++) {
        mutex_lock(&queue->mutex);
        while (queue->count == 0) {
            condition_wait(&queue->not_empty, &queue->mutex);
        }
        queue->sum += queue->items[--queue->count];
        condition_broadcast(&queue->not_full);
        mutex_unlock(&queue->mutex);
    }
}

static void queue_run(struct scheduler *scheduler) {
    const struct threads *threads = scheduler_threads(scheduler);
    struct queue queue = {0};
    struct thread all[4];
    assert_int_equal(mutex_init(&queue.mutex, threads), STATUS_OK);
    assert_int_equal(condition_init(&queue.not_empty, threads), STATUS_OK);
    assert_int_equal(condition_init(&queue.not_full, threads), STATUS_OK);
    assert_int_equal(scheduler_objects(scheduler), 3);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(
            thread_create(&all[i], threads, i < 2 ? produce : consume, &queue),
            STATUS_OK);
    }
    for (size_t i = 0; i < 4; i++) {
        thread_join(&all[i]);
    }
    assert_int_equal(queue.sum, 2 * (ITEMS * (ITEMS + 1) / 2));
    condition_free(&queue.not_full);
    condition_free(&queue.not_empty);
    mutex_free(&queue.mutex);
    assert_int_equal(scheduler_objects(scheduler), 0);
}

static void test_producers_and_consumers(void **state) {
    (void)state;
    size_t blocks = counted_memory_blocks();
    struct scheduler *scheduler = scheduler_new(NULL, NULL);
    queue_run(scheduler);
    scheduler_free(scheduler);
    for (uint64_t run = 0; run < 300; run++) {
        uint64_t seed = run;
        scheduler = scheduler_new(random_choice, &seed);
        scheduler_wake_spuriously(scheduler, run % 3 == 0 ? 0 : 4);
        queue_run(scheduler);
        scheduler_free(scheduler);
    }
    assert_int_equal(counted_memory_blocks(), blocks);
}

/* Two threads add 1 to a number with a gap between reading and writing. */
struct lost_update {
    struct mutex mutex;
    uint64_t number;
};

static void add_one(void *argument) {
    struct lost_update *shared = argument;
    mutex_lock(&shared->mutex);
    uint64_t seen = shared->number;
    mutex_unlock(&shared->mutex);
    mutex_lock(&shared->mutex);
    shared->number = seen + 1;
    mutex_unlock(&shared->mutex);
}

static void two_threads(struct scheduler *scheduler, thread_body *body, void *argument) {
    struct thread first, second;
    const struct threads *threads = scheduler_threads(scheduler);
    assert_int_equal(thread_create(&first, threads, body, argument), STATUS_OK);
    assert_int_equal(thread_create(&second, threads, body, argument), STATUS_OK);
    thread_join(&first);
    thread_join(&second);
}

static void test_every_interleaving_is_reached(void **state) {
    (void)state;
    struct enumeration all = {0};
    size_t sums[3] = {0}, runs = 0;
    do {
        struct scheduler *scheduler = scheduler_new(next_choice, &all);
        struct lost_update shared = {0};
        assert_int_equal(mutex_init(&shared.mutex, scheduler_threads(scheduler)),
                         STATUS_OK);
        two_threads(scheduler, add_one, &shared);
        mutex_free(&shared.mutex);
        scheduler_free(scheduler);
        assert_in_range(shared.number, 1, 2);
        sums[shared.number]++;
        runs++;
    } while (next_run(&all));
    print_message("%zu schedules: %zu lose an update, %zu do not\n", runs, sums[1],
                  sums[2]);
    assert_true(sums[1] > 0);
    assert_true(sums[2] > 0);
}

/* The order in which three threads take one lock: all six must come up, and with no
 * chooser one alone. */
struct order {
    struct mutex mutex;
    size_t taken;
    unsigned char who[3];
    unsigned char next;
};

static void take_turn(void *argument) {
    struct order *order = argument;
    unsigned char me = order->next++;
    mutex_lock(&order->mutex);
    order->who[order->taken++] = me;
    mutex_unlock(&order->mutex);
}

static size_t order_taken(scheduler_chooser *chooser, void *context) {
    struct scheduler *scheduler = scheduler_new(chooser, context);
    const struct threads *threads = scheduler_threads(scheduler);
    struct order order = {0};
    struct thread made[3];
    assert_int_equal(mutex_init(&order.mutex, threads), STATUS_OK);
    mutex_lock(&order.mutex);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(thread_create(&made[i], threads, take_turn, &order), STATUS_OK);
    }
    scheduler_settle(scheduler); /* all have begun and want the lock */
    mutex_unlock(&order.mutex);
    for (size_t i = 0; i < 3; i++) {
        thread_join(&made[i]);
    }
    mutex_free(&order.mutex);
    scheduler_free(scheduler);
    assert_int_equal(order.taken, 3);
    return order.who[0] * 9u + order.who[1] * 3u + order.who[2];
}

static void test_every_order_of_a_lock_is_reached(void **state) {
    (void)state;
    bool seen[27] = {false};
    size_t count = 0;
    for (uint64_t run = 0; run < 500; run++) {
        uint64_t seed = run;
        size_t order = order_taken(random_choice, &seed);
        count += !seen[order];
        seen[order] = true;
    }
    assert_int_equal(count, 6);
    assert_int_equal(order_taken(NULL, NULL), order_taken(NULL, NULL));
}

#ifdef STRATA_SIM
static void add_one_atomically_not(void *argument) {
    struct atomic_u64 *number = argument;
    uint64_t seen = atomic_u64_load(number, memory_order_relaxed);
    atomic_u64_store(number, seen + 1, memory_order_relaxed);
}

static void test_atomics_are_switch_points(void **state) {
    (void)state;
    struct enumeration all = {0};
    size_t sums[3] = {0};
    do {
        struct scheduler *scheduler = scheduler_new(next_choice, &all);
        struct atomic_u64 number = {0};
        two_threads(scheduler, add_one_atomically_not, &number);
        scheduler_free(scheduler);
        sums[atomic_u64_load(&number, memory_order_relaxed)]++;
    } while (next_run(&all));
    assert_true(sums[1] > 0);
    assert_true(sums[2] > 0);
}
#endif

/* Wakes every `period` until told to stop, and notes the time. */
struct ticker {
    struct mutex mutex;
    struct condition condition;
    const struct clock *clock;
    uint64_t period;
    uint64_t start;
    bool stop;
    size_t count;
    uint64_t ticks[16];
};

static void tick(void *argument) {
    struct ticker *ticker = argument;
    mutex_lock(&ticker->mutex);
    uint64_t deadline = ticker->start;
    while (!ticker->stop && ticker->count < 16) {
        deadline += ticker->period;
        while (!ticker->stop &&
               condition_wait_until(&ticker->condition, &ticker->mutex, deadline)) {
        }
        ticker->ticks[ticker->count++] =
            clock_monotonic_micros(ticker->clock) - ticker->start;
    }
    mutex_unlock(&ticker->mutex);
}

static struct ticker ticker_new(struct scheduler *scheduler, uint64_t period) {
    struct ticker ticker = {.clock = scheduler_clock(scheduler), .period = period};
    ticker.start = clock_monotonic_micros(ticker.clock);
    assert_int_equal(mutex_init(&ticker.mutex, scheduler_threads(scheduler)), STATUS_OK);
    assert_int_equal(condition_init(&ticker.condition, scheduler_threads(scheduler)),
                     STATUS_OK);
    return ticker;
}

static void test_time_moves_with_the_harness(void **state) {
    (void)state;
    struct scheduler *scheduler = scheduler_new(NULL, NULL);
    struct ticker ticker = ticker_new(scheduler, 100);
    uint64_t wall = clock_wall_micros(ticker.clock);
    struct thread thread;
    assert_int_equal(thread_create(&thread, scheduler_threads(scheduler), tick, &ticker),
                     STATUS_OK);
    scheduler_settle(scheduler);
    assert_int_equal(ticker.count, 0);
    scheduler_advance(scheduler, 99);
    assert_int_equal(ticker.count, 0);
    scheduler_advance(scheduler, 1);
    assert_int_equal(ticker.count, 1);
    scheduler_advance(scheduler, 350);
    assert_int_equal(ticker.count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(ticker.ticks[i], 100 * (i + 1));
    }
    assert_int_equal(clock_monotonic_micros(ticker.clock), ticker.start + 450);
    assert_int_equal(clock_wall_micros(ticker.clock), wall + 450);
    mutex_lock(&ticker.mutex);
    ticker.stop = true;
    condition_signal(&ticker.condition);
    mutex_unlock(&ticker.mutex);
    thread_join(&thread); /* woken, not timed out: the clock stands */
    assert_int_equal(clock_monotonic_micros(ticker.clock), ticker.start + 450);
    condition_free(&ticker.condition);
    mutex_free(&ticker.mutex);
    scheduler_free(scheduler);
}

static void test_time_jumps_when_all_wait(void **state) {
    (void)state;
    struct scheduler *scheduler = scheduler_new(NULL, NULL);
    struct ticker slow = ticker_new(scheduler, 1000), fast = ticker_new(scheduler, 300);
    struct thread first, second;
    const struct threads *threads = scheduler_threads(scheduler);
    assert_int_equal(thread_create(&first, threads, tick, &slow), STATUS_OK);
    assert_int_equal(thread_create(&second, threads, tick, &fast), STATUS_OK);
    mutex_lock(&slow.mutex);
    assert_false(condition_wait_until(&slow.condition, &slow.mutex, slow.start + 1500));
    assert_int_equal(clock_monotonic_micros(slow.clock), slow.start + 1500);
    assert_int_equal(slow.count, 1);
    assert_int_equal(fast.count, 5);
    /* A deadline that has passed does not wait. */
    assert_false(condition_wait_until(&slow.condition, &slow.mutex, 0));
    mutex_unlock(&slow.mutex);
    thread_join(&first);
    thread_join(&second);
    assert_int_equal(slow.ticks[15], 16000);
    condition_free(&fast.condition);
    mutex_free(&fast.mutex);
    condition_free(&slow.condition);
    mutex_free(&slow.mutex);
    scheduler_free(scheduler);
}

/* A process that dies leaves nothing that runs, and its memory can be taken back. */
static void hold_everything(void *argument) {
    struct queue *queue = argument;
    char frame[4000];
    memset(frame, 1, sizeof frame);
    mutex_lock(&queue->mutex);
    assert_non_null(memory_take(100));
    while (frame[queue->count] != 0) {
        condition_wait(&queue->not_full, &queue->mutex);
    }
    mutex_unlock(&queue->mutex);
}

static void test_kill_drops_the_others(void **state) {
    (void)state;
    struct scheduler *scheduler = scheduler_new(NULL, NULL);
    size_t blocks = counted_memory_blocks();
    for (int round = 0; round < 100; round++) {
        struct queue queue = {0};
        struct thread threads[3];
        const struct threads *world = scheduler_threads(scheduler);
        counted_memory_mark();
        assert_int_equal(mutex_init(&queue.mutex, world), STATUS_OK);
        assert_int_equal(condition_init(&queue.not_full, world), STATUS_OK);
        for (size_t i = 0; i < 3; i++) {
            assert_int_equal(thread_create(&threads[i], world, hold_everything, &queue),
                             STATUS_OK);
        }
        scheduler_settle(scheduler);
        if (round % 2 == 0) {
            mutex_lock(&queue.mutex);
        }
        assert_int_equal(scheduler_objects(scheduler), 5);
        scheduler_kill(scheduler);
        assert_int_equal(scheduler_objects(scheduler), 0);
        assert_int_equal(counted_memory_reclaim(), 3 + 5);
        assert_int_equal(counted_memory_blocks(), blocks);
    }
    queue_run(scheduler);
    scheduler_free(scheduler);
}

struct patience {
    const struct clock *clock;
    struct mutex mutex;
    struct condition condition;
    uint64_t until, woken;
};

static void wait_in_vain(void *argument) {
    struct patience *patience = argument;
    mutex_lock(&patience->mutex);
    assert_false(
        condition_wait_until(&patience->condition, &patience->mutex, patience->until));
    patience->woken = clock_monotonic_micros(patience->clock);
    mutex_unlock(&patience->mutex);
}

/* So who yields until something happens, or a time is up, ends. */
static void test_a_yield_takes_a_microsecond(void **state) {
    (void)state;
    for (uint64_t round = 0; round < 100; round++) {
        uint64_t seed = round;
        struct scheduler *scheduler = scheduler_new(random_choice, &seed);
        const struct threads *threads = scheduler_threads(scheduler);
        struct patience patience = {.clock = scheduler_clock(scheduler)};
        uint64_t begun = clock_monotonic_micros(patience.clock);
        struct thread thread;
        patience.until = begun + 5;
        assert_int_equal(mutex_init(&patience.mutex, threads), STATUS_OK);
        assert_int_equal(condition_init(&patience.condition, threads), STATUS_OK);
        assert_int_equal(thread_create(&thread, threads, wait_in_vain, &patience),
                         STATUS_OK);
        scheduler_settle(scheduler);
        for (uint64_t i = 1; patience.woken == 0; i++) {
            thread_yield(threads);
            assert_int_equal(clock_monotonic_micros(patience.clock), begun + i);
            assert_true(i < 1000);
        }
        assert_true(patience.woken >= patience.until);
        thread_join(&thread);
        condition_free(&patience.condition);
        mutex_free(&patience.mutex);
        scheduler_free(scheduler);
    }
}

static void test_no_memory_is_answered(void **state) {
    (void)state;
    struct scheduler *scheduler = scheduler_new(NULL, NULL);
    const struct threads *threads = scheduler_threads(scheduler);
    struct mutex mutex;
    struct condition condition;
    struct thread thread;
    counted_memory_fail(1, true);
    assert_int_equal(mutex_init(&mutex, threads), STATUS_NO_MEMORY);
    assert_int_equal(condition_init(&condition, threads), STATUS_NO_MEMORY);
    assert_int_equal(thread_create(&thread, threads, produce, NULL), STATUS_NO_MEMORY);
    counted_memory_fail(0, false);
    assert_int_equal(scheduler_objects(scheduler), 0);
    scheduler_free(scheduler);
}

/* Runs `body` in a child that is expected to abort, and returns what it printed. */
static void dies(void (*body)(void), char *report, size_t size) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        body();
        _exit(0);
    }
    close(ends[1]);
    size_t length = 0;
    ssize_t count;
    while ((count = read(ends[0], report + length, size - 1 - length)) > 0) {
        length += (size_t)count;
    }
    report[length] = 0;
    close(ends[0]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

struct embrace {
    struct mutex left, right;
};

static void right_then_left(void *argument) {
    struct embrace *embrace = argument;
    mutex_lock(&embrace->right);
    mutex_lock(&embrace->left);
}

static void deadlock(void) {
    struct scheduler *scheduler = scheduler_new(NULL, NULL);
    const struct threads *threads = scheduler_threads(scheduler);
    struct embrace embrace;
    struct thread thread;
    if (mutex_init(&embrace.left, threads) == STATUS_OK &&
        mutex_init(&embrace.right, threads) == STATUS_OK) {
        mutex_lock(&embrace.left);
        if (thread_create(&thread, threads, right_then_left, &embrace) == STATUS_OK) {
            scheduler_settle(scheduler);
            mutex_lock(&embrace.right);
        }
    }
}

static void lock_twice(void) {
    struct scheduler *scheduler = scheduler_new(NULL, NULL);
    struct mutex mutex;
    if (mutex_init(&mutex, scheduler_threads(scheduler)) == STATUS_OK) {
        mutex_lock(&mutex);
        mutex_lock(&mutex);
    }
}

static void wait_for_nobody(void) {
    struct scheduler *scheduler = scheduler_new(NULL, NULL);
    struct queue queue = {0};
    if (mutex_init(&queue.mutex, scheduler_threads(scheduler)) == STATUS_OK &&
        condition_init(&queue.not_empty, scheduler_threads(scheduler)) == STATUS_OK) {
        mutex_lock(&queue.mutex);
        condition_wait(&queue.not_empty, &queue.mutex);
    }
}

static void test_deadlock_is_reported(void **state) {
    (void)state;
    char report[4096];
    dies(deadlock, report, sizeof report);
    assert_non_null(strstr(report, "deadlock"));
    assert_non_null(strstr(report, "thread 0 waits for mutex 2, held by thread 3"));
    assert_non_null(strstr(report, "thread 3 waits for mutex 1, held by thread 0"));
    dies(lock_twice, report, sizeof report);
    assert_non_null(strstr(report, "locked twice"));
    dies(wait_for_nobody, report, sizeof report);
    assert_non_null(strstr(report, "waits on condition 2 of mutex 1\n"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_producers_and_consumers),
        cmocka_unit_test(test_every_interleaving_is_reached),
        cmocka_unit_test(test_every_order_of_a_lock_is_reached),
#ifdef STRATA_SIM
        cmocka_unit_test(test_atomics_are_switch_points),
#endif
        cmocka_unit_test(test_time_moves_with_the_harness),
        cmocka_unit_test(test_time_jumps_when_all_wait),
        cmocka_unit_test(test_a_yield_takes_a_microsecond),
        cmocka_unit_test(test_kill_drops_the_others),
        cmocka_unit_test(test_no_memory_is_answered),
        cmocka_unit_test(test_deadlock_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
