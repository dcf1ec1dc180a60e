/* C11 atomics, wrapped. In the `sim` flavour (-DSTRATA_SIM) each is a point where the
 * harness's scheduler may let another thread run; in all others the wrapper is the atomic
 * itself. Memory order is named at each use, as in the standard: load acquire, store
 * release, and so on. */
#ifndef STRATA_ATOMIC_H
#define STRATA_ATOMIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef STRATA_SIM
void scheduler_switch_point(void); /* harness/scheduler.c */
#else
static inline void scheduler_switch_point(void) {
}
#endif

struct atomic_u64 {
    _Atomic uint64_t value;
};

static inline uint64_t atomic_u64_load(const struct atomic_u64 *atomic,
                                       memory_order order) {
    scheduler_switch_point();
    return atomic_load_explicit(&atomic->value, order);
}

static inline void atomic_u64_store(struct atomic_u64 *atomic, uint64_t value,
                                    memory_order order) {
    scheduler_switch_point();
    atomic_store_explicit(&atomic->value, value, order);
}

/* Adding and subtracting answer what was there before. */
static inline uint64_t atomic_u64_add(struct atomic_u64 *atomic, uint64_t value,
                                      memory_order order) {
    scheduler_switch_point();
    return atomic_fetch_add_explicit(&atomic->value, value, order);
}

static inline uint64_t atomic_u64_subtract(struct atomic_u64 *atomic, uint64_t value,
                                           memory_order order) {
    scheduler_switch_point();
    return atomic_fetch_sub_explicit(&atomic->value, value, order);
}

/* Puts `value` there if `expected` is there; true if it did. A failure orders nothing. */
static inline bool atomic_u64_exchange_if(struct atomic_u64 *atomic, uint64_t expected,
                                          uint64_t value, memory_order order) {
    scheduler_switch_point();
    return atomic_compare_exchange_strong_explicit(&atomic->value, &expected, value,
                                                   order, memory_order_relaxed);
}

/* What one thread builds and others then read: the release store of its address
 * publishes all that was written before, to whoever loads that address with acquire. */
struct atomic_pointer {
    _Atomic(void *) value;
};

static inline void *atomic_pointer_load(const struct atomic_pointer *atomic,
                                        memory_order order) {
    scheduler_switch_point();
    return atomic_load_explicit(&atomic->value, order);
}

static inline void atomic_pointer_store(struct atomic_pointer *atomic, void *value,
                                        memory_order order) {
    scheduler_switch_point();
    atomic_store_explicit(&atomic->value, value, order);
}

#endif
