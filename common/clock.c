#include "clock.h"

#include <stddef.h>
#include <time.h>

static uint64_t read_micros(clockid_t id) {
    struct timespec now = {0};
    (void)clock_gettime(id, &now); /* cannot fail for the two clocks below */
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static uint64_t system_monotonic_micros(void *state) {
    (void)state;
    return read_micros(CLOCK_MONOTONIC);
}

static uint64_t system_wall_micros(void *state) {
    (void)state;
    return read_micros(CLOCK_REALTIME);
}

static const struct clock_ops system_clock_ops = {system_monotonic_micros,
                                                  system_wall_micros};

const struct clock clock_system = {&system_clock_ops, NULL};
