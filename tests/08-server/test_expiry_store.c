/* A store whose values end, against a model that keeps every version: random programs of
 * writes, flushes, compactions and reopenings while time goes on and snapshots and
 * iterators are held. Who reads goes by the rule of expiry at his own time: now, or that
 * at which his snapshot was taken. A compaction must change nothing of what he finds;
 * and once all is over and nobody looks back, it leaves nothing. */
#include "../01-wal/simulation.h"

#include "expiry.h"

enum { KEYS = 10, ROUNDS = 500, HELD_MAX = 5 };

static const char *const keys[KEYS] = {"",   "a", "aa", "ab", "b",
                                       "ba", "c", "d",  "da", "e"};

struct event {
    uint64_t sequence;
    uint64_t number; /* 0: a delete */
    uint64_t end;
};

struct history {
    struct event events[ROUNDS * 2];
    size_t count;
};

/* Somebody who reads, and what he goes by. */
struct moment {
    struct kv_snapshot *snapshot;
    struct iter *iter;
    uint64_t sequence;
    uint64_t millis;
};

struct run {
    struct simulation sim;
    struct kv *kv;
    uint64_t random;
    uint64_t written; /* sequence */
    struct history histories[KEYS];
    struct moment held[HELD_MAX];
    size_t held_count;
};

static uint64_t draw(struct run *run, uint64_t bound) {
    return random_below(&run->random, bound);
}

static uint64_t choose(void *context, uint64_t bound) {
    uint64_t *random = context;
    return random_below(random, 4) != 0 ? 0 : random_below(random, bound);
}

static uint64_t millis(const struct run *run) {
    return clock_wall_micros(run->sim.world.clock) / 1000;
}

/* ---- the model ------------------------------------------------------------------- */

/* The number that a reader finds; 0: nothing. */
static uint64_t number_at(const struct run *run, size_t key, const struct moment *at) {
    const struct history *history = &run->histories[key];
    for (size_t i = history->count; i-- > 0;) {
        const struct event *event = &history->events[i];
        if (event->sequence <= at->sequence) {
            return expiry_is_over(event->end, at->millis) ? 0 : event->number;
        }
    }
    return 0;
}

/* By the bytes that the store gave him. */
static uint64_t number_of(struct slice stored, const struct moment *at) {
    struct expiry_value value = expiry_decode(stored);
    char text[24];
    assert_in_range(value.payload.length, 1, sizeof text - 1);
    memcpy(text, value.payload.data, value.payload.length);
    text[value.payload.length] = '\0';
    return expiry_is_over(value.expires_at_millis, at->millis) ? 0
                                                               : strtoull(text, NULL, 10);
}

/* ---- writes ---------------------------------------------------------------------- */

static void write_one(struct run *run, size_t key, bool put, uint64_t end) {
    const struct kv_write_options options = {.durability = DURABILITY_NONE};
    struct history *history = &run->histories[key];
    struct buf stored = {0};
    char text[24];
    run->written++;
    snprintf(text, sizeof text, "%" PRIu64, run->written);
    assert_ok(expiry_encode(&stored, slice_of(text), end));
    assert_ok(
        put ? kv_put(run->kv, slice_of(keys[key]), buf_slice(&stored), &options, NULL)
            : kv_delete(run->kv, slice_of(keys[key]), &options, NULL));
    history->events[history->count++] =
        (struct event){run->written, put ? run->written : 0, put ? end : 0};
    buf_free(&stored);
}

static void write_some(struct run *run) {
    uint64_t end = draw(run, 3) == 0 ? EXPIRY_NEVER : millis(run) + draw(run, 40);
    write_one(run, draw(run, KEYS), draw(run, 5) != 0, end);
}

/* ---- reads ----------------------------------------------------------------------- */

static void take(struct run *run) {
    if (run->held_count == HELD_MAX) {
        return;
    }
    struct moment *held = &run->held[run->held_count++];
    *held = (struct moment){.sequence = run->written, .millis = millis(run)};
    if (draw(run, 3) == 0) {
        assert_ok(kv_iter(run->kv, NULL, &held->iter, NULL));
    } else {
        assert_ok(kv_snapshot_take(run->kv, &held->snapshot, NULL));
    }
}

static void release(struct run *run, size_t i) {
    kv_snapshot_release(run->held[i].snapshot);
    if (run->held[i].iter != NULL) {
        iter_close(run->held[i].iter);
    }
    run->held[i] = run->held[--run->held_count];
}

static void release_all(struct run *run) {
    while (run->held_count > 0) {
        release(run, 0);
    }
}

static void assert_number(const struct run *run, size_t key, const struct moment *at,
                          uint64_t found) {
    uint64_t wanted = number_at(run, key, at);
    if (found != wanted) {
        fail_msg("key %s at %" PRIu64 ": %" PRIu64 ", not %" PRIu64, keys[key],
                 at->sequence, found, wanted);
    }
}

static void get_all(struct run *run, const struct moment *at) {
    const struct kv_read_options options = {.snapshot = at->snapshot};
    struct buf value = {0};
    for (size_t key = 0; key < KEYS; key++) {
        enum status status = kv_get(run->kv, slice_of(keys[key]), &value, &options, NULL);
        assert_true(status == STATUS_OK || status == STATUS_NOT_FOUND);
        assert_number(run, key, at,
                      status == STATUS_OK ? number_of(buf_slice(&value), at) : 0);
    }
    buf_free(&value);
}

static void walk(const struct run *run, struct iter *iter, const struct moment *at) {
    size_t key = 0;
    for (iter_first(iter); iter->valid; iter_next(iter), key++) {
        for (; !slice_equal(iter->key, slice_of(keys[key])); key++) {
            assert_number(run, key, at, 0);
        }
        assert_number(run, key, at, number_of(iter->value, at));
    }
    for (; key < KEYS; key++) {
        assert_number(run, key, at, 0);
    }
    assert_ok(iter->error.status);
}

static void walk_at(struct run *run, const struct moment *at) {
    const struct kv_iter_options options = {.snapshot = at->snapshot};
    struct iter *iter;
    assert_ok(kv_iter(run->kv, &options, &iter, NULL));
    walk(run, iter, at);
    iter_close(iter);
}

static void look(struct run *run) {
    const struct moment now = {.sequence = run->written, .millis = millis(run)};
    size_t i = draw(run, run->held_count + 1);
    const struct moment *at = i < run->held_count ? &run->held[i] : &now;
    if (at->iter != NULL) {
        walk(run, at->iter, at);
    } else if (draw(run, 2) == 0) {
        get_all(run, at);
    } else {
        walk_at(run, at);
    }
}

/* ---- the program ----------------------------------------------------------------- */

static void compact_some(struct run *run) {
    size_t from = draw(run, KEYS), to = draw(run, KEYS);
    bool all = draw(run, 2) == 0 || from >= to;
    assert_ok(kv_compact(run->kv, all ? (struct slice){0} : slice_of(keys[from]),
                         all ? (struct slice){0} : slice_of(keys[to]), NULL));
}

static void step(struct run *run) {
    switch (draw(run, 16)) {
    case 0:
        take(run);
        break;
    case 1:
        if (run->held_count > 0) {
            release(run, draw(run, run->held_count));
        }
        break;
    case 2:
    case 3:
    case 4:
        look(run);
        break;
    case 5:
        assert_ok(kv_flush(run->kv, NULL));
        break;
    case 6:
        if (draw(run, 3) == 0) {
            compact_some(run);
        }
        break;
    case 7:
    case 8:
        scheduler_advance(run->sim.scheduler, draw(run, 12000));
        break;
    case 9:
        if (draw(run, 12) == 0) {
            release_all(run);
            assert_ok(kv_close(run->kv, NULL));
            run->kv = open_store(&run->sim);
        }
        break;
    default:
        write_some(run);
        break;
    }
}

static void begin(struct run *run, uint64_t *seed) {
    simulation_begin_with(&run->sim, choose, seed);
    run->sim.options.write_buffer_bytes = 700;
    run->sim.options.block_bytes = 120;
    run->sim.options.table_bytes = 500;
    run->sim.options.level0_tables = 2;
    run->kv = open_store(&run->sim);
}

/* All that never ends is deleted, the rest ends: a compaction leaves no table. */
static void end(struct run *run) {
    struct kv_stats stats;
    release_all(run);
    for (size_t key = 0; key < KEYS; key++) {
        const struct history *history = &run->histories[key];
        if (history->count > 0 && history->events[history->count - 1].end == 0) {
            write_one(run, key, false, 0);
        }
    }
    scheduler_advance(run->sim.scheduler, 50 * 1000);
    assert_ok(kv_compact(run->kv, (struct slice){0}, (struct slice){0}, NULL));
    kv_stats(run->kv, &stats);
    assert_int_equal(stats.tables, 0);
    assert_ok(kv_close(run->kv, NULL));
    simulation_end(&run->sim);
}

static void compactions_change_no_answer(void **state) {
    (void)state;
    uint64_t seed = test_seed();
    struct run *run = malloc(sizeof *run);
    uint64_t dead = 0;
    for (int round = 0; round < 150; round++) {
        struct kv_stats stats;
        memset(run, 0, sizeof *run);
        run->random = random_next(&seed);
        begin(run, &seed);
        for (int i = 0; i < ROUNDS; i++) {
            step(run);
        }
        for (size_t i = 0; i < run->held_count; i++) {
            if (run->held[i].iter == NULL) {
                get_all(run, &run->held[i]);
            }
        }
        kv_stats(run->kv, &stats);
        dead += stats.values_dead;
        end(run);
    }
    printf("%" PRIu64 " dead\n", dead);
    assert_true(dead > 150);
    free(run);
}

/* Tables at the bottom that nothing is written over: a compaction that is asked for finds
 * what has died there. */
static void the_bottom_gives_back_what_died(void **state) {
    (void)state;
    struct simulation sim;
    struct kv_stats stats;
    struct buf stored = {0};
    simulation_begin(&sim);
    struct kv *kv = open_store(&sim);
    uint64_t end = clock_wall_micros(sim.world.clock) / 1000 + 5;
    assert_ok(expiry_encode(&stored, slice_of("value"), end));
    assert_ok(kv_put(kv, slice_of("key"), buf_slice(&stored), NULL, NULL));
    assert_ok(kv_compact(kv, (struct slice){0}, (struct slice){0}, NULL));
    kv_stats(kv, &stats);
    assert_int_equal(stats.tables, 1);
    assert_int_equal(stats.values_dead, 0);
    scheduler_advance(sim.scheduler, 6000);
    assert_ok(kv_compact(kv, (struct slice){0}, (struct slice){0}, NULL));
    kv_stats(kv, &stats);
    assert_int_equal(stats.tables, 0);
    assert_int_equal(stats.values_dead, 1);
    buf_free(&stored);
    assert_ok(kv_close(kv, NULL));
    simulation_end(&sim);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compactions_change_no_answer),
        cmocka_unit_test(the_bottom_gives_back_what_died),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
