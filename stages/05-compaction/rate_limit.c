/* A token bucket, kept as a moment: `full` is when the bucket will be full if nobody
 * takes from it any more. It holds what flows in within BURST_MICROS, so it lacks the
 * bytes of full - now, and is empty, or in debt, from there on:
 *
 *     now                          full
 *      |------- BURST_MICROS -------|         empty
 *      |------|                               room for most of a burst
 *      |---------------- … ------------------|         in debt
 *
 * Whoever takes moves `full` on at once by the time that its bytes flow in, and then
 * waits until the bucket is out of debt. So all are served in the order in which they
 * came, a small one is not overtaken by the next, and who asks for more than the bucket
 * ever holds waits until it would be full, and goes (GCRA, ITU-T I.371, annex A). */
#include "rate_limit.h"

#include <assert.h>

#include "memory.h"

enum { MICROS = 1000000, BURST_MICROS = MICROS / 10 };

struct rate_limit {
    uint64_t bytes_per_second;
    const struct clock *clock;
    struct mutex lock;
    struct condition ended_now;
    /* guarded by lock */
    uint64_t full;
    uint64_t rest; /* of a microsecond, in bytes times MICROS: what is not in `full` */
    bool ended;
};

enum status rate_limit_open(uint64_t bytes_per_second, const struct world *world,
                            struct rate_limit **limit, struct error *error) {
    assert(bytes_per_second > 0 && bytes_per_second < UINT64_MAX / 2);
    struct rate_limit *opened = memory_take_zeroed(sizeof *opened);
    if (opened == NULL) {
        return error_no_memory(error, "a rate limit", sizeof *opened);
    }
    if (mutex_init(&opened->lock, world->threads) != STATUS_OK) {
        memory_give(opened);
        return error_no_memory(error, "a mutex", 0);
    }
    if (condition_init(&opened->ended_now, world->threads) != STATUS_OK) {
        mutex_free(&opened->lock);
        memory_give(opened);
        return error_no_memory(error, "a condition", 0);
    }
    opened->bytes_per_second = bytes_per_second;
    opened->clock = world->clock;
    *limit = opened;
    return STATUS_OK;
}

void rate_limit_close(struct rate_limit *limit) {
    if (limit != NULL) {
        condition_free(&limit->ended_now);
        mutex_free(&limit->lock);
        memory_give(limit);
    }
}

/* Requires lock. Takes the bytes, and answers the moment from which they may be written.
 */
static uint64_t reserve(struct rate_limit *limit, uint64_t bytes) {
    uint64_t now = clock_monotonic_micros(limit->clock);
    if (limit->full < now) {
        limit->full = now;
        limit->rest = 0;
    }
    uint64_t before = limit->full;
    uint64_t owed = bytes * MICROS + limit->rest;
    uint64_t micros = owed / limit->bytes_per_second;
    limit->rest = owed % limit->bytes_per_second;
    limit->full += micros;
    if (micros >= BURST_MICROS) {
        return before;
    }
    return limit->full > BURST_MICROS ? limit->full - BURST_MICROS : 0;
}

void rate_limit_take(struct rate_limit *limit, uint64_t bytes) {
    assert(bytes < UINT64_MAX / 2 / MICROS);
    mutex_lock(&limit->lock);
    uint64_t from = limit->ended ? 0 : reserve(limit, bytes);
    while (!limit->ended && clock_monotonic_micros(limit->clock) < from) {
        (void)condition_wait_until(&limit->ended_now, &limit->lock, from);
    }
    mutex_unlock(&limit->lock);
}

void rate_limit_end(struct rate_limit *limit) {
    mutex_lock(&limit->lock);
    limit->ended = true;
    condition_broadcast(&limit->ended_now);
    mutex_unlock(&limit->lock);
}

void rate_limit_begin(struct rate_limit *limit) {
    mutex_lock(&limit->lock);
    limit->ended = false;
    mutex_unlock(&limit->lock);
}
