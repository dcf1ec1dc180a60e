/* A binary heap in an array: the parent of place p is at (p - 1) / 2, and is due no
 * later. Each timer knows its place. */
#include "timers.h"

#include <assert.h>

#include "memory.h"

enum { FIRST_ROOM = 16 };

void timers_free(struct timers *timers) {
    assert(timers->count == 0);
    memory_give(timers->heap);
    *timers = (struct timers){0};
}

static void put(struct timers *timers, size_t place, struct timer *timer) {
    timers->heap[place] = timer;
    timer->place = place;
}

static void rise(struct timers *timers, struct timer *timer) {
    size_t place = timer->place;
    while (place > 0 && timers->heap[(place - 1) / 2]->micros > timer->micros) {
        put(timers, place, timers->heap[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    put(timers, place, timer);
}

static void sink(struct timers *timers, struct timer *timer) {
    size_t place = timer->place;
    for (;;) {
        size_t child = 2 * place + 1;
        if (child + 1 < timers->count &&
            timers->heap[child + 1]->micros < timers->heap[child]->micros) {
            child++;
        }
        if (child >= timers->count || timers->heap[child]->micros >= timer->micros) {
            break;
        }
        put(timers, place, timers->heap[child]);
        place = child;
    }
    put(timers, place, timer);
}

enum status timers_add(struct timers *timers, struct timer *timer) {
    if (timers->count == timers->room) {
        size_t room = timers->room == 0 ? FIRST_ROOM : timers->room * 2;
        struct timer **heap = memory_resize(timers->heap, room * sizeof(struct timer *));
        if (heap == NULL) {
            return STATUS_NO_MEMORY;
        }
        timers->heap = heap;
        timers->room = room;
    }
    timer->micros = TIMER_NEVER;
    put(timers, timers->count++, timer);
    return STATUS_OK;
}

void timers_set(struct timers *timers, struct timer *timer, uint64_t micros) {
    timer->micros = micros;
    rise(timers, timer);
    sink(timers, timer);
}

void timers_remove(struct timers *timers, struct timer *timer) {
    assert(timers->heap[timer->place] == timer);
    struct timer *last = timers->heap[--timers->count];
    if (last != timer) {
        put(timers, timer->place, last);
        timers_set(timers, last, last->micros);
    }
}

uint64_t timers_next(const struct timers *timers) {
    return timers->count == 0 ? TIMER_NEVER : timers->heap[0]->micros;
}

struct timer *timers_take_due(struct timers *timers, uint64_t now) {
    if (timers_next(timers) > now) {
        return NULL;
    }
    struct timer *timer = timers->heap[0];
    timers_set(timers, timer, TIMER_NEVER);
    return timer;
}
