/* Readers that come and go while somebody waits for those of before: all orders that few
 * switches between threads make. In the `sim` flavour every atomic is a place to switch;
 * in others only locks are. Simulated threads share a slot (thread_mark), so that
 * they are in each other's way as much as can be. */
#include "../common/support.h"

#include <stdio.h>

#include "readers.h"
#include "scheduler.h"

enum { DECISIONS_MAX = 1024, POLLS = 2 };

/* A chooser that walks the tree of all choices with up to `switches` that are not to
 * stay: run by run the next leaf. */
struct orders {
    uint64_t chosen[DECISIONS_MAX], bounds[DECISIONS_MAX];
    size_t depth, length;
    size_t switches, made; /* allowed; in `chosen` */
    size_t runs;
};

static uint64_t next_choice(void *context, uint64_t bound) {
    struct orders *orders = context;
    assert_true(orders->depth < DECISIONS_MAX);
    if (orders->depth == orders->length) {
        orders->chosen[orders->length++] = 0;
    }
    orders->bounds[orders->depth] = bound;
    return orders->chosen[orders->depth++];
}

/* Prepares the next run; false when all were made. */
static bool next_order(struct orders *orders) {
    orders->depth = 0;
    orders->runs++;
    while (orders->length > 0) {
        size_t last = orders->length - 1;
        bool stays = orders->chosen[last] == 0;
        if ((!stays || orders->made < orders->switches) &&
            orders->chosen[last] + 1 < orders->bounds[last]) {
            orders->made += stays;
            orders->chosen[last]++;
            return true;
        }
        orders->made -= !stays;
        orders->length--;
    }
    return false;
}

/* What is read, and whether it was freed. */
struct object {
    bool freed;
};

struct scene {
    const struct threads *threads;
    struct readers readers;
    struct object old, new;
    struct atomic_pointer address; /* of the one that is read */
    struct mutex turn;             /* a place to switch */
    size_t under;                  /* how often what a reader held was freed */
    bool over;                     /* the watch */
};

static void switch_point(struct scene *scene) {
    mutex_lock(&scene->turn);
    mutex_unlock(&scene->turn);
}

static void read_once(void *argument) {
    struct scene *scene = argument;
    struct reader_slot *slot = readers_enter(&scene->readers);
    const struct object *object =
        atomic_pointer_load(&scene->address, memory_order_seq_cst);
    switch_point(scene);
    scene->under += object->freed;
    readers_leave(slot);
}

static void read_twice(void *argument) {
    read_once(argument);
    switch_point(argument);
    read_once(argument);
}

static void replace(void *argument) {
    struct scene *scene = argument;
    atomic_pointer_store(&scene->address, &scene->new, memory_order_seq_cst);
    struct readers_watch watch = readers_watch_begin(&scene->readers);
    for (int i = 0; i < POLLS && !scene->over; i++) {
        switch_point(scene);
        scene->over = readers_watch_over(&scene->readers, &watch);
    }
    scene->old.freed = scene->over;
}

/* One run: the threads on a scene of their own. `inside`: a reader from before stays for
 * all of it. */
static void run(struct orders *orders, bool inside, thread_body *const *bodies,
                size_t count) {
    struct scene scene = {0};
    struct thread threads[3];
    struct scheduler *scheduler = scheduler_new(next_choice, orders);
    scene.threads = scheduler_threads(scheduler);
    assert_ok(mutex_init(&scene.turn, scene.threads));
    atomic_pointer_store(&scene.address, &scene.old, memory_order_seq_cst);
    struct reader_slot *slot = inside ? readers_enter(&scene.readers) : NULL;
    for (size_t i = 0; i < count; i++) {
        assert_ok(thread_create(&threads[i], scene.threads, bodies[i], &scene));
    }
    for (size_t i = 0; i < count; i++) {
        thread_join(&threads[i]);
    }
    if (scene.under > 0 || (inside && scene.over)) {
        fail_msg("order %zu: what a reader held was freed", orders->runs + 1);
    }
    if (inside) {
        readers_leave(slot);
    }
    struct readers_watch watch = readers_watch_begin(&scene.readers);
    assert_true(readers_watch_over(&scene.readers, &watch));
    mutex_free(&scene.turn);
    scheduler_free(scheduler);
}

static void all_orders(size_t switches, bool inside, thread_body *const *bodies,
                       size_t count) {
    struct orders orders = {.switches = switches};
    do {
        run(&orders, inside, bodies, count);
    } while (next_order(&orders));
    printf("%zu orders\n", orders.runs);
    assert_true(orders.runs > 20);
}

static void a_watch_waits_for_those_inside(void **state) {
    (void)state;
    thread_body *const bodies[] = {replace, read_twice};
    all_orders(3, true, bodies, 2);
}

static void a_watch_waits_however_many_come_and_go(void **state) {
    (void)state;
    thread_body *const bodies[] = {read_once, replace, read_once};
    all_orders(3, true, bodies, 3);
}

static void readers_without_a_pause_do_not_put_it_off(void **state) {
    (void)state;
    static struct readers readers;
    struct reader_slot *slot = readers_enter(&readers);
    struct readers_watch first = readers_watch_begin(&readers);
    assert_false(readers_watch_over(&readers, &first));
    readers_leave(slot);
    slot = readers_enter(&readers);
    struct readers_watch second = readers_watch_begin(&readers);
    assert_true(readers_watch_over(&readers, &first));
    assert_false(readers_watch_over(&readers, &second));
    readers_leave(slot);
    slot = readers_enter(&readers);
    assert_true(readers_watch_over(&readers, &second));
    readers_leave(slot);
}

static void nothing_is_freed_under_a_reader(void **state) {
    (void)state;
    thread_body *const bodies[] = {read_twice, replace, read_twice};
    all_orders(2, false, bodies, 3);
    thread_body *const shorter[] = {read_once, replace, read_once};
    all_orders(3, false, shorter, 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_watch_waits_for_those_inside),
        cmocka_unit_test(a_watch_waits_however_many_come_and_go),
        cmocka_unit_test(readers_without_a_pause_do_not_put_it_off),
        cmocka_unit_test(nothing_is_freed_under_a_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
