/* What the tests of erasures share: a store with tables in levels, frozen buffers and an
 * active one, and who looks at all of its keys. */
#ifndef STRATA_TESTS_ERASE_H
#define STRATA_TESTS_ERASE_H

#include "../03-sstable/engine_faults.h"

enum { BEFORE = 40, SYNCED = 33, AFTER = 8 }; /* puts */

static inline void erase_begin(struct simulation *sim) {
    simulation_begin(sim);
    sim->options.block_bytes = 120;
    sim->options.table_bytes = 150;
    sim->options.level0_tables = 3;
    sim->options.durability = DURABILITY_NONE;
}

/* k1 … k20 are in a level, up to k30 in level 0, the rest in the buffer, durable up to
 * SYNCED. */
static inline void fill(struct simulation *sim, struct kv *kv) {
    put_numbers(kv, 1, 10, DURABILITY_NONE);
    assert_ok(kv_flush(kv, NULL));
    put_numbers(kv, 11, 20, DURABILITY_NONE);
    assert_ok(kv_compact(kv, (struct slice){0}, (struct slice){0}, NULL));
    put_numbers(kv, 21, 30, DURABILITY_NONE);
    assert_ok(kv_flush(kv, NULL));
    put_numbers(kv, 31, SYNCED, DURABILITY_NONE);
    assert_ok(kv_sync(kv, NULL));
    put_numbers(kv, SYNCED + 1, BEFORE, DURABILITY_NONE);
    scheduler_settle(sim->scheduler);
}

/* Which of the numbers are there, up to BEFORE + AFTER. */
struct seen {
    bool there[BEFORE + AFTER + 1];
    uint64_t sequence;
};

static inline struct seen look_at(struct kv *kv) {
    struct seen seen = {.sequence = 0};
    struct kv_progress now;
    size_t count = 0;
    struct iter *iter;
    for (uint64_t i = 1; i <= BEFORE + AFTER; i++) {
        seen.there[i] = has_number(kv, i);
        count += seen.there[i];
    }
    assert_ok(kv_iter(kv, NULL, &iter, NULL));
    assert_int_equal(count_forwards(iter), count);
    iter_close(iter);
    kv_progress(kv, &now);
    seen.sequence = now.issued;
    return seen;
}

static inline bool same_seen(const struct seen *a, const struct seen *b) {
    return memcmp(a->there, b->there, sizeof a->there) == 0 && a->sequence == b->sequence;
}

/* k`first` … k`k` are there, for some k, and no others up to `last`; answers k. */
static inline uint64_t assert_first_of(const struct seen *seen, uint64_t first,
                                       uint64_t last) {
    uint64_t k = first - 1;
    while (k < last && seen->there[k + 1]) {
        k++;
    }
    for (uint64_t i = k + 1; i <= last; i++) {
        if (seen->there[i]) {
            fail_msg("k%" PRIu64 " is there, and not k%" PRIu64, i, k + 1);
        }
    }
    return k;
}

/* All of before, as far as it was durable or was written, or nothing of it. */
static inline bool assert_all_or_nothing(const struct seen *seen, uint64_t durable) {
    if (seen->there[1]) {
        uint64_t k = assert_first_of(seen, 1, BEFORE);
        assert_in_range(k, durable, BEFORE);
        assert_int_equal(assert_first_of(seen, BEFORE + 1, BEFORE + AFTER), BEFORE);
        return true;
    }
    assert_int_equal(assert_first_of(seen, 1, BEFORE), 0);
    assert_true(seen->sequence >= BEFORE); /* it goes on */
    return false;
}

#endif
