/* Each block is preceded by a header, and the headers of all outstanding blocks are one
 * doubly linked ring in the order in which they were taken. So giving back is O(1), and
 * what was taken since a mark is the ring's end. */
#include "counted_memory.h"

#include <sched.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"

struct header {
    alignas(max_align_t) struct header *previous;
    struct header *next;
    size_t bytes;
    uint64_t serial; /* ascends along the ring */
};

enum { SPOILED_BYTES_MAX = 1024 };

/* guarded by lock: held for a few instructions, hence spinning */
static atomic_flag lock = ATOMIC_FLAG_INIT;
static struct header ring = {&ring, &ring, 0, 0};
static uint64_t last_serial;
static uint64_t mark;
static size_t blocks;
static size_t bytes_held;

static _Thread_local struct {
    size_t countdown; /* 0: no fault ahead */
    bool persistently;
    bool failed;
    size_t calls;
} mine;

static void lock_ring(void) {
    while (atomic_flag_test_and_set_explicit(&lock, memory_order_acquire)) {
        sched_yield();
    }
}

static void unlock_ring(void) {
    atomic_flag_clear_explicit(&lock, memory_order_release);
}

/* Counts a call; true if it is to fail. */
static bool strikes(void) {
    mine.calls++;
    if (mine.failed && mine.persistently) {
        return true;
    }
    if (mine.countdown == 0 || --mine.countdown != 0) {
        return false;
    }
    mine.failed = true;
    return true;
}

static struct header *header_of(void *block) {
    return (struct header *)block - 1;
}

static void *enlist(struct header *header, size_t bytes) {
    if (header == NULL) {
        return NULL;
    }
    header->bytes = bytes;
    lock_ring();
    header->serial = ++last_serial;
    header->previous = ring.previous;
    header->next = &ring;
    ring.previous->next = header;
    ring.previous = header;
    blocks++;
    bytes_held += bytes;
    unlock_ring();
    return header + 1;
}

void *memory_take(size_t bytes) {
    if (strikes() || bytes > SIZE_MAX - sizeof(struct header)) {
        return NULL;
    }
    return enlist(malloc(sizeof(struct header) + bytes), bytes);
}

void *memory_take_zeroed(size_t bytes) {
    if (strikes() || bytes > SIZE_MAX - sizeof(struct header)) {
        return NULL;
    }
    return enlist(calloc(1, sizeof(struct header) + bytes), bytes);
}

void *memory_resize(void *block, size_t bytes) {
    if (block == NULL) {
        return memory_take(bytes);
    }
    if (strikes() || bytes > SIZE_MAX - sizeof(struct header)) {
        return NULL;
    }
    /* The neighbours point at the old place: nobody may walk the ring until they point
     * at the new one. */
    lock_ring();
    size_t before = header_of(block)->bytes;
    struct header *header = realloc(header_of(block), sizeof(struct header) + bytes);
    if (header != NULL) {
        header->previous->next = header;
        header->next->previous = header;
        header->bytes = bytes;
        bytes_held = bytes_held - before + bytes;
    }
    unlock_ring();
    return header == NULL ? NULL : header + 1;
}

static void unlink_locked(struct header *header) {
    if (header->next->previous != header || header->previous->next != header) {
        fprintf(stderr, "memory given back twice, or never taken\n");
        abort();
    }
    header->previous->next = header->next;
    header->next->previous = header->previous;
    blocks--;
    bytes_held -= header->bytes;
}

/* Whoever still looks at a block that was given back shall not find what it held. The
 * compiler, which knows that nobody may look, must not leave this out. */
static void spoil(void *block) {
    size_t bytes = header_of(block)->bytes;
    memset(block, 0xdd, bytes < SPOILED_BYTES_MAX ? bytes : SPOILED_BYTES_MAX);
    __asm__ volatile("" : : "r"(block) : "memory");
}

void memory_give(void *block) {
    if (block == NULL) {
        return;
    }
    lock_ring();
    unlink_locked(header_of(block));
    unlock_ring();
    spoil(block);
    free(header_of(block));
}

char *memory_copy_text(const char *text) {
    size_t bytes = strlen(text) + 1;
    char *copy = memory_take(bytes);
    return copy == NULL ? NULL : memcpy(copy, text, bytes);
}

void counted_memory_fail(size_t countdown, bool persistently) {
    mine.countdown = countdown;
    mine.persistently = persistently;
    mine.failed = false;
}

bool counted_memory_failed(void) {
    return mine.failed;
}

size_t counted_memory_calls(void) {
    return mine.calls;
}

size_t counted_memory_blocks(void) {
    lock_ring();
    size_t count = blocks;
    unlock_ring();
    return count;
}

size_t counted_memory_bytes(void) {
    lock_ring();
    size_t count = bytes_held;
    unlock_ring();
    return count;
}

void counted_memory_mark(void) {
    lock_ring();
    mark = last_serial;
    unlock_ring();
}

size_t counted_memory_reclaim(void) {
    size_t count = 0;
    lock_ring();
    while (ring.previous != &ring && ring.previous->serial > mark) {
        struct header *header = ring.previous;
        unlink_locked(header);
        free(header);
        count++;
    }
    unlock_ring();
    return count;
}
