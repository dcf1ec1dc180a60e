#include "fiber.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define FIBER_ASAN
#endif
#if __has_feature(thread_sanitizer)
#define FIBER_TSAN
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define FIBER_ASAN
#endif
#ifdef __SANITIZE_THREAD__
#define FIBER_TSAN
#endif

#ifdef FIBER_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef FIBER_TSAN
#include <sanitizer/tsan_interface.h>
#endif

enum { GUARD_BYTES = 4096, FREE_MAX = 32 };

static _Thread_local struct fiber *free_fibers;
static _Thread_local size_t free_count;

/* The two sides of the switch under way. */
static _Thread_local struct fiber *left;
static _Thread_local struct fiber *entered;

static void need(bool done) {
    if (!done) {
        perror("fiber");
        exit(EXIT_FAILURE);
    }
}

/* The first thing that happens on a stack that control has come to. */
static void arrive(void) {
#ifdef FIBER_ASAN
    __sanitizer_finish_switch_fiber(entered->fake_stack, &left->stack_bottom,
                                    &left->stack_bytes);
#endif
}

/* The last thing on one that it leaves. Inlined always: from here on ThreadSanitizer
 * counts calls and returns on the other fiber's account, and a return from here would be
 * one without a call. */
__attribute__((always_inline)) static inline void
depart(struct fiber *from, struct fiber *to, bool for_good) {
    left = from;
    entered = to;
#ifdef FIBER_ASAN
    __sanitizer_start_switch_fiber(for_good ? NULL : &from->fake_stack, to->stack_bottom,
                                   to->stack_bytes);
#endif
#ifdef FIBER_TSAN
    if (from->known_as == NULL) {
        from->known_as = __tsan_get_current_fiber();
    }
    __tsan_switch_to_fiber(to->known_as, 0);
#endif
    (void)for_good;
}

/* makecontext passes int arguments only: the body is found in the fiber. */
static void begin(void) {
    arrive();
    entered->body(entered->argument);
    abort();
}

static void prepare(struct fiber *fiber) {
    need(getcontext(&fiber->context) == 0);
    fiber->context.uc_stack.ss_sp = fiber->stack;
    fiber->context.uc_stack.ss_size = FIBER_STACK_BYTES;
    fiber->context.uc_link = NULL;
    makecontext(&fiber->context, begin, 0);
}

void fiber_home(struct fiber *home) {
    memset(home, 0, sizeof *home);
}

static struct fiber *fiber_new(void) {
    struct fiber *fiber = calloc(1, sizeof *fiber);
    need(fiber != NULL);
    char *pages = mmap(NULL, GUARD_BYTES + FIBER_STACK_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    need(pages != MAP_FAILED);
    need(mprotect(pages, GUARD_BYTES, PROT_NONE) == 0);
    fiber->stack = pages + GUARD_BYTES;
    return fiber;
}

struct fiber *fiber_take(void (*body)(void *argument), void *argument) {
    struct fiber *fiber = free_fibers;
    if (fiber == NULL) {
        fiber = fiber_new();
    } else {
        free_fibers = fiber->next_free;
        free_count--;
    }
    fiber->body = body;
    fiber->argument = argument;
    fiber->fake_stack = NULL;
    fiber->stack_bottom = fiber->stack;
    fiber->stack_bytes = FIBER_STACK_BYTES;
#ifdef FIBER_TSAN
    fiber->known_as = __tsan_create_fiber(0);
#endif
    prepare(fiber);
    return fiber;
}

void fiber_give(struct fiber *fiber) {
#ifdef FIBER_ASAN
    /* Left in the middle, its frames have red zones still. */
    ASAN_UNPOISON_MEMORY_REGION(fiber->stack, FIBER_STACK_BYTES);
#endif
#ifdef FIBER_TSAN
    __tsan_destroy_fiber(fiber->known_as);
#endif
    if (free_count == FREE_MAX) {
        munmap((char *)fiber->stack - GUARD_BYTES, GUARD_BYTES + FIBER_STACK_BYTES);
        free(fiber);
        return;
    }
    fiber->next_free = free_fibers;
    free_fibers = fiber;
    free_count++;
}

void fiber_switch(struct fiber *from, struct fiber *to) {
    depart(from, to, false);
    need(swapcontext(&from->context, &to->context) == 0);
    arrive();
}

void fiber_leave(struct fiber *from, struct fiber *to) {
    depart(from, to, true);
    setcontext(&to->context);
    abort();
}
