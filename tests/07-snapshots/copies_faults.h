/* Copies of which every call and every allocation fails once. */
#ifndef STRATA_TESTS_COPIES_FAULTS_H
#define STRATA_TESTS_COPIES_FAULTS_H

#include "copies.h"

/* A way to copy a store of k1 … k`last`, and how to see that it is done, or undone: the
 * store has lost nothing, and the next attempt succeeds. may_be_there: a name that could
 * not be taken back leads to a whole copy. */
struct copying {
    uint64_t last;
    void (*prepare)(struct kv *kv); /* NULL: nothing */
    enum status (*make)(struct simulation *sim, struct kv *kv, struct error *error);
    void (*assert_undone)(struct simulation *sim, struct kv *kv, bool may_be_there,
                          const char *what);
    const char *copy; /* its name, when it is done */
};

struct failure_kind {
    enum fault_effect effect;
    int errnum;
    bool persistent;
};

static inline struct kv *begin_copying(struct simulation *sim, bool links,
                                       struct other_disk *other,
                                       const struct copying *copying) {
    simulation_begin(sim);
    use_disk(sim, sim->disk, links, other);
    struct kv *kv = begin_numbers(sim, copying->last);
    if (copying->prepare != NULL) {
        copying->prepare(kv);
    }
    return kv;
}

/* Each call fails in its turn, until there are no more; answers how many attempts did. */
static inline size_t fail_calls(const struct copying *copying, struct failure_kind kind,
                                bool links) {
    size_t failures = 0;
    bool struck = true;
    for (size_t n = 1; struck; n++) {
        struct simulation sim;
        struct other_disk other;
        struct error error = {0};
        char what[160];
        struct kv *kv = begin_copying(&sim, links, &other, copying);
        fail_call(&sim, n, kind.effect, kind.errnum, kind.persistent);
        enum status status = copying->make(&sim, kv, &error);
        const char *at = disk_fault_struck(sim.disk);
        struck = at != NULL;
        snprintf(what, sizeof what, "call %zu: %.100s", n, struck ? at : "nothing");
        fail_nothing(&sim);
        if (status != STATUS_OK) {
            assert_true(struck && error.message[0] != '\0');
            failures++;
            copying->assert_undone(&sim, kv, kind.persistent, what);
        } else {
            assert_holds(&sim, copying->copy, copying->last);
            assert_ok(kv_resume(kv, NULL)); /* it may be a log that was struck */
        }
        assert_ok(kv_close(kv, NULL));
        assert_holds(&sim, "db", copying->last);
        simulation_end(&sim);
    }
    return failures;
}

/* The same for allocations. */
static inline size_t fail_memory(const struct copying *copying) {
    size_t failures = 0;
    bool failed = true;
    for (size_t n = 1; failed; n++) {
        struct simulation sim;
        struct other_disk other;
        struct error error = {0};
        struct kv *kv = begin_copying(&sim, true, &other, copying);
        counted_memory_fail(n, false);
        enum status status = copying->make(&sim, kv, &error);
        failed = counted_memory_failed();
        counted_memory_fail(0, false);
        if (status != STATUS_OK) {
            assert_int_equal(status, STATUS_NO_MEMORY);
            failures++;
            copying->assert_undone(&sim, kv, false, "memory");
        } else {
            assert_holds(&sim, copying->copy, copying->last);
        }
        assert_ok(kv_close(kv, NULL));
        simulation_end(&sim);
    }
    return failures;
}

#endif
