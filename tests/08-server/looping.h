/* A loop whose time stands still until the test moves it, and what tests of the loop
 * share. */
#ifndef STRATA_TESTS_LOOPING_H
#define STRATA_TESTS_LOOPING_H

#define TEST_HAS_STAGE
#include "../common/support.h"

#include <fcntl.h>

#include "counted_memory.h"
#include "loop.h"

struct test_clock {
    uint64_t micros;
};

static inline uint64_t test_clock_micros(void *state) {
    const struct test_clock *clock = state;
    return clock->micros;
}

static const struct clock_ops test_clock_ops = {test_clock_micros, test_clock_micros};

struct looping {
    struct test_clock time;
    struct clock clock;
    struct world world;
    struct loop *loop;
    size_t blocks; /* of memory, before */
    int open;      /* descriptors, before */
};

static inline int open_descriptors(void) {
    int open = 0;
    for (int descriptor = 0; descriptor < 1024; descriptor++) {
        open += fcntl(descriptor, F_GETFD) != -1;
    }
    return open;
}

static inline void looping_begin(struct looping *l) {
    *l = (struct looping){
        .time = {1000000}, .blocks = counted_memory_blocks(), .open = open_descriptors()};
    l->clock = (struct clock){&test_clock_ops, &l->time};
    l->world = (struct world){.threads = &threads_posix, .clock = &l->clock};
    assert_ok(loop_open(&l->world, &l->loop, NULL));
}

static inline void looping_end(struct looping *l) {
    loop_close(l->loop);
    assert_int_equal(counted_memory_blocks(), l->blocks);
    assert_int_equal(open_descriptors(), l->open);
}

#endif
