/* A fiber: a stack of its own that control can be handed to and taken from, all on one
 * real thread (ucontext; makecontext(3)). Known to AddressSanitizer and ThreadSanitizer
 * through their fiber interfaces. Stacks are kept for reuse, since a store that is opened
 * a million times may start a thread each time. Out of memory ends the program. */
#ifndef STRATA_FIBER_H
#define STRATA_FIBER_H

#include <stddef.h>
#include <ucontext.h>

enum { FIBER_STACK_BYTES = 256 * 1024 };

/* Fields are the implementation's. */
struct fiber {
    ucontext_t context;
    void *stack; /* above a guard page; NULL: the real thread's own */
    void (*body)(void *argument);
    void *argument;
    void *fake_stack; /* AddressSanitizer's */
    const void *stack_bottom;
    size_t stack_bytes;
    void *known_as; /* ThreadSanitizer's name for it */
    struct fiber *next_free;
};

/* The real thread itself, in the caller's storage; costs nothing. */
void fiber_home(struct fiber *home);

/* A fiber that will run body(argument) when first switched to. The body must not return.
 */
struct fiber *fiber_take(void (*body)(void *argument), void *argument);

/* Nobody runs on it: it was left in the middle, or for good. */
void fiber_give(struct fiber *fiber);

/* From the running fiber to another; returns when this one is switched to again. */
void fiber_switch(struct fiber *from, struct fiber *to);

/* As fiber_switch, and does not come back. */
__attribute__((noreturn)) void fiber_leave(struct fiber *from, struct fiber *to);

#endif
