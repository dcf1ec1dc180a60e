/* Writers on simulated threads that queue in an order of the test's choosing: the first
 * leads, and is held where it would write; the others stand behind it until it may go on.
 *
 * tidy: long because it is functions that every test of the folder may include. */
#ifndef STRATA_TESTS_CROWD_H
#define STRATA_TESTS_CROWD_H

#include "../03-sstable/engine_faults.h"

#include <fiu-control.h>
#include <fiu.h>

#include "catalog_manifest.h"
#include "commit_group.h"
#include "engine.h"
#include "engine_store.h"
#include "upkeep_threads.h"

enum { CROWD_MAX = 200, MEMBER_OPS_MAX = 3 };

struct member {
    struct engine *engine;
    struct thread thread;
    uint64_t number; /* its keys are "kN-0", … */
    size_t count;
    size_t value_bytes;
    struct kv_write_options how;
    bool returned;
    enum status status;
    uint64_t sequence;
    struct error error;
};

struct crowd {
    struct simulation sim;
    struct engine_parts parts;
    struct engine *engine;
    struct member members[CROWD_MAX];
    size_t count;
};

static inline void crowd_open(struct crowd *crowd) {
    struct error error = {0};
    if (engine_open("db", &crowd->sim.options, &crowd->parts, &crowd->engine, &error) !=
        STATUS_OK) {
        fail_msg("%s", error.message);
    }
}

/* A world; crowd_open opens the engine, once its options are set. */
static inline void crowd_begin_with(struct crowd *crowd, scheduler_chooser *chooser,
                                    void *context) {
    memset(crowd, 0, sizeof *crowd);
    simulation_begin_with(&crowd->sim, chooser, context);
    assert_int_equal(fiu_init(0), 0);
    crowd->parts =
        (struct engine_parts){&catalog_manifest, &commit_group, &upkeep_threads,
                              &horizon_newest, &value_filter_none};
    crowd->sim.options.durability = DURABILITY_NONE;
}

static inline void crowd_begin(struct crowd *crowd) {
    crowd_begin_with(crowd, NULL, NULL);
}

static inline void crowd_end(struct crowd *crowd) {
    enum status status = engine_close(crowd->engine, NULL);
    (void)status; /* it may have failed for good */
    simulation_end(&crowd->sim);
}

static inline struct slice member_key(char text[32], uint64_t number, size_t op) {
    snprintf(text, 32, "k%" PRIu64 "-%zu", number, op);
    return slice_of(text);
}

static inline void member_write(void *argument) {
    static const unsigned char bytes[1 << 20];
    struct member *member = argument;
    char keys[MEMBER_OPS_MAX][32];
    struct kv_op ops[MEMBER_OPS_MAX];
    for (size_t i = 0; i < member->count; i++) {
        ops[i] = (struct kv_op){KV_PUT, member_key(keys[i], member->number, i),
                                slice_make(bytes, member->value_bytes)};
    }
    member->status = engine_write(member->engine, ops, member->count, &member->how,
                                  &member->sequence, &member->error);
    member->returned = true;
}

/* One more, of `count` operations; it goes as far as it can. */
static inline struct member *crowd_add(struct crowd *crowd, size_t count,
                                       enum durability durability) {
    struct member *member = &crowd->members[crowd->count++];
    assert_true(crowd->count <= CROWD_MAX);
    *member = (struct member){.engine = crowd->engine,
                              .number = crowd->count,
                              .count = count,
                              .value_bytes = 10,
                              .how.durability = durability};
    return member;
}

static inline void crowd_start(struct crowd *crowd, struct member *member) {
    assert_ok(
        thread_create(&member->thread, crowd->sim.world.threads, member_write, member));
    scheduler_settle(crowd->sim.scheduler);
}

/* The first member leads, and is held. */
static inline void crowd_hold(struct crowd *crowd) {
    engine_lock_writing(crowd->engine);
    crowd_start(crowd, crowd_add(crowd, 1, DURABILITY_NONE));
}

static inline void crowd_release(struct crowd *crowd) {
    engine_unlock_writing(crowd->engine);
    for (size_t i = 0; i < crowd->count; i++) {
        thread_join(&crowd->members[i].thread);
    }
}

static inline struct kv_stats crowd_stats(struct crowd *crowd) {
    struct kv_stats stats = {0};
    engine_stats_grouped(crowd->engine, &stats);
    return stats;
}

/* How many of the member's keys are there. */
static inline size_t count_found(struct crowd *crowd, const struct member *member) {
    size_t found = 0;
    for (size_t i = 0; i < member->count; i++) {
        char key[32];
        struct buf value = {0};
        uint64_t observed;
        const struct kv_read_options options = {.observed = &observed};
        enum status status = engine_get(crowd->engine, member_key(key, member->number, i),
                                        &value, &options, NULL);
        assert_true(status == STATUS_OK || status == STATUS_NOT_FOUND);
        found += status == STATUS_OK;
        buf_free(&value);
    }
    return found;
}

/* Acknowledged changes are there, with sequences of their own in the order in which the
 * members queued; of the others nothing is to be seen. */
static inline void assert_outcomes(struct crowd *crowd) {
    uint64_t last = 0;
    for (size_t i = 0; i < crowd->count; i++) {
        const struct member *member = &crowd->members[i];
        bool good = member->status == STATUS_OK;
        if (count_found(crowd, member) != (good ? member->count : 0)) {
            fail_msg("member %zu, %s: %zu of %zu keys", i + 1,
                     status_words(member->status), count_found(crowd, member),
                     member->count);
        }
        if (good) {
            assert_int_equal(member->sequence, last + member->count);
            last = member->sequence;
        }
    }
}

#endif
