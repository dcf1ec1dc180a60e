/* The time, as the world tells it. Tenants: the system's clocks (common/clock.c) and the
 * harness's simulated clock, which moves only when the harness says so. */
#ifndef STRATA_CLOCK_H
#define STRATA_CLOCK_H

#include <stdint.h>

struct clock_ops {
    uint64_t (*monotonic_micros)(
        void *state); /* never goes back; no meaning across processes */
    uint64_t (*wall_micros)(void *state); /* since 1970-01-01 UTC */
};

struct clock {
    const struct clock_ops *ops;
    void *state;
};

extern const struct clock clock_system;

static inline uint64_t clock_monotonic_micros(const struct clock *clock) {
    return clock->ops->monotonic_micros(clock->state);
}

static inline uint64_t clock_wall_micros(const struct clock *clock) {
    return clock->ops->wall_micros(clock->state);
}

#endif
