/* Snapshots and iterators against a model that keeps every version: random programs of
 * writes, flushes, compactions, reopenings, with snapshots and iterators held meanwhile,
 * under simulated threads whose turns are drawn too. */
#include "../01-wal/simulation.h"

enum { KEYS = 14, ROUNDS_MAX = 700, HELD_MAX = 6, CURSORS_MAX = 4, NOWHERE = KEYS };

/* Ascending, the empty one among them, some the beginnings of others. */
static const char *const keys[KEYS] = {"",   "a", "aa", "aab", "ab", "b",  "ba",
                                       "bb", "c", "ca", "d",   "da", "db", "e"};

/* A version; number 0: a delete. */
struct event {
    uint64_t sequence;
    uint64_t number;
};

struct history {
    struct event events[ROUNDS_MAX * 4];
    size_t count;
};

struct held {
    struct kv_snapshot *snapshot;
    uint64_t sequence;
};

/* An iterator, and where it must stand. */
struct cursor {
    struct iter *iter; /* NULL: none */
    uint64_t sequence;
    size_t from, to; /* keys */
    size_t at;       /* NOWHERE: not valid */
};

struct run {
    struct simulation sim;
    struct kv *kv;
    uint64_t random;
    uint64_t written; /* sequence */
    struct history histories[KEYS];
    struct held held[HELD_MAX];
    size_t held_count;
    struct cursor cursors[CURSORS_MAX];
};

static uint64_t draw(struct run *run, uint64_t bound) {
    return random_below(&run->random, bound);
}

/* Mostly the thread goes on that runs. */
static uint64_t choose(void *context, uint64_t bound) {
    uint64_t *random = context;
    return random_below(random, 4) != 0 ? 0 : random_below(random, bound);
}

/* ---- the model ------------------------------------------------------------------- */

/* The number of the key at the sequence, 0: not there. */
static uint64_t number_at(const struct run *run, size_t key, uint64_t sequence) {
    const struct history *history = &run->histories[key];
    for (size_t i = history->count; i-- > 0;) {
        if (history->events[i].sequence <= sequence) {
            return history->events[i].number;
        }
    }
    return 0;
}

static void note(struct run *run, size_t key, bool put) {
    struct history *history = &run->histories[key];
    run->written++;
    history->events[history->count++] =
        (struct event){run->written, put ? run->written : 0};
}

/* Of different lengths, so that tables and blocks end everywhere. */
static struct slice value_of(char text[64], uint64_t number) {
    snprintf(text, 64, "%" PRIu64 "%.*s", number, (int)(number % 40),
             "........................................");
    return slice_of(text);
}

static void assert_value(struct slice value, uint64_t number) {
    char text[64];
    if (!slice_equal(value, value_of(text, number))) {
        fail_msg("%.*s, not %s", (int)value.length, (const char *)value.data, text);
    }
}

/* ---- writes ---------------------------------------------------------------------- */

static void write_some(struct run *run, size_t count) {
    struct kv_op ops[4];
    char texts[4][64];
    const struct kv_write_options options = {.durability = DURABILITY_NONE};
    for (size_t i = 0; i < count; i++) {
        size_t key = draw(run, draw(run, 3) == 0 ? 3 : KEYS);
        bool put = draw(run, 3) != 0;
        note(run, key, put);
        ops[i] = (struct kv_op){put ? KV_PUT : KV_DELETE, slice_of(keys[key]),
                                value_of(texts[i], run->written)};
    }
    assert_ok(kv_write(run->kv, ops, count, &options, NULL));
}

static void compact_some(struct run *run) {
    size_t from = draw(run, KEYS), to = draw(run, KEYS);
    if (draw(run, 2) == 0 || from >= to) {
        assert_ok(kv_compact(run->kv, (struct slice){0}, (struct slice){0}, NULL));
    } else {
        assert_ok(kv_compact(run->kv, slice_of(keys[from]), slice_of(keys[to]), NULL));
    }
}

/* ---- snapshots ------------------------------------------------------------------- */

static void take(struct run *run) {
    if (run->held_count == HELD_MAX) {
        return;
    }
    struct held *held = &run->held[run->held_count++];
    assert_ok(kv_snapshot_take(run->kv, &held->snapshot, NULL));
    held->sequence = run->written;
    assert_int_equal(kv_snapshot_sequence(held->snapshot), run->written);
}

static void release(struct run *run) {
    if (run->held_count > 0) {
        size_t i = draw(run, run->held_count);
        kv_snapshot_release(run->held[i].snapshot);
        run->held[i] = run->held[--run->held_count];
    }
}

/* A snapshot that is held, or now. */
static struct held some_moment(struct run *run) {
    size_t i = draw(run, run->held_count + 1);
    return i < run->held_count ? run->held[i] : (struct held){NULL, run->written};
}

static void get_at(struct run *run, const struct held *moment, size_t key) {
    struct buf value = {0};
    uint64_t observed = 0;
    const struct kv_read_options options = {.observed = &observed,
                                            .snapshot = moment->snapshot};
    uint64_t number = number_at(run, key, moment->sequence);
    enum status status = kv_get(run->kv, slice_of(keys[key]), &value, &options, NULL);
    if (status != (number == 0 ? STATUS_NOT_FOUND : STATUS_OK)) {
        fail_msg("key %s at %" PRIu64 ": %s, not %" PRIu64, keys[key], moment->sequence,
                 status_words(status), number);
    }
    assert_int_equal(observed, moment->sequence);
    if (number != 0) {
        assert_value(buf_slice(&value), number);
    }
    buf_free(&value);
}

static void get_all(struct run *run, const struct held *moment) {
    for (size_t key = 0; key < KEYS; key++) {
        get_at(run, moment, key);
    }
}

static void check_statistics(struct run *run) {
    struct kv_stats stats;
    uint64_t oldest = UINT64_MAX;
    kv_stats(run->kv, &stats);
    for (size_t i = 0; i < run->held_count; i++) {
        oldest = run->held[i].sequence < oldest ? run->held[i].sequence : oldest;
    }
    assert_int_equal(stats.snapshots, run->held_count);
    assert_int_equal(stats.snapshot_oldest_sequence, run->held_count == 0 ? 0 : oldest);
}

/* ---- iterators ------------------------------------------------------------------- */

static bool shows(const struct run *run, const struct cursor *cursor, size_t key) {
    return key >= cursor->from && key < cursor->to &&
           number_at(run, key, cursor->sequence) != 0;
}

/* The first key at or after this one that the cursor shows. */
static size_t after(const struct run *run, const struct cursor *cursor, size_t key) {
    while (key < KEYS && !shows(run, cursor, key)) {
        key++;
    }
    return key;
}

/* The last one before it. */
static size_t before(const struct run *run, const struct cursor *cursor, size_t key) {
    while (key-- > 0) {
        if (shows(run, cursor, key)) {
            return key;
        }
    }
    return NOWHERE;
}

static void open_cursor(struct run *run, struct cursor *cursor) {
    const struct held moment = some_moment(run);
    uint64_t observed = 0;
    cursor->from = draw(run, 2) == 0 ? 0 : draw(run, KEYS);
    cursor->to = draw(run, 2) == 0 ? KEYS : draw(run, KEYS);
    cursor->sequence = moment.sequence;
    cursor->at = NOWHERE;
    const struct kv_iter_options options = {
        cursor->from == 0 ? (struct slice){0} : slice_of(keys[cursor->from]),
        cursor->to == KEYS ? (struct slice){0} : slice_of(keys[cursor->to]), &observed,
        moment.snapshot};
    assert_ok(kv_iter(run->kv, &options, &cursor->iter, NULL));
    assert_int_equal(observed, moment.sequence);
}

static void close_cursor(struct cursor *cursor) {
    iter_close(cursor->iter);
    cursor->iter = NULL;
}

static void move(struct run *run, struct cursor *cursor) {
    struct iter *iter = cursor->iter;
    size_t key = draw(run, KEYS);
    uint64_t way = draw(run, 10);
    if (cursor->at == NOWHERE) {
        way %= 4;
    }
    switch (way) {
    case 0:
        iter_first(iter);
        cursor->at = after(run, cursor, 0);
        break;
    case 1:
        iter_last(iter);
        cursor->at = before(run, cursor, KEYS);
        break;
    case 2:
        iter_seek(iter, slice_of(keys[key]));
        cursor->at = after(run, cursor, key);
        break;
    case 3:
        iter_seek_before(iter, slice_of(keys[key]));
        cursor->at = before(run, cursor, key);
        break;
    default:
        if (way < 7) {
            iter_next(iter);
            cursor->at = after(run, cursor, cursor->at + 1);
        } else {
            iter_prev(iter);
            cursor->at = before(run, cursor, cursor->at);
        }
        break;
    }
    assert_int_equal(iter->error.status, STATUS_OK);
    assert_int_equal(iter->valid, cursor->at != NOWHERE);
    if (iter->valid) {
        assert_true(slice_equal(iter->key, slice_of(keys[cursor->at])));
        assert_value(iter->value, number_at(run, cursor->at, cursor->sequence));
    }
}

static void use_cursor(struct run *run) {
    struct cursor *cursor = &run->cursors[draw(run, CURSORS_MAX)];
    if (cursor->iter == NULL) {
        open_cursor(run, cursor);
    } else if (draw(run, 20) == 0) {
        close_cursor(cursor);
        return;
    }
    for (uint64_t moves = 1 + draw(run, 4); moves > 0; moves--) {
        move(run, cursor);
    }
}

/* ---- the program ----------------------------------------------------------------- */

/* The store lets go of its snapshots, and they say so. */
static void reopen(struct run *run) {
    struct buf value = {0};
    for (size_t i = 0; i < CURSORS_MAX; i++) {
        close_cursor(&run->cursors[i]);
    }
    assert_ok(kv_close(run->kv, NULL));
    run->kv = open_store(&run->sim);
    while (run->held_count > 0) {
        struct kv_snapshot *snapshot = run->held[--run->held_count].snapshot;
        const struct kv_read_options options = {.snapshot = snapshot};
        assert_int_equal(kv_get(run->kv, slice_of("a"), &value, &options, NULL),
                         STATUS_INVALID);
        kv_snapshot_release(snapshot);
    }
    const struct held now = {NULL, run->written};
    get_all(run, &now);
    buf_free(&value);
}

static void step(struct run *run) {
    const struct held moment = some_moment(run);
    switch (draw(run, 24)) {
    case 0:
    case 1:
        take(run);
        break;
    case 2:
        release(run);
        break;
    case 3:
    case 4:
        get_all(run, &moment);
        break;
    case 5:
        if (draw(run, 2) == 0) {
            assert_ok(kv_flush(run->kv, NULL));
        }
        break;
    case 6:
        if (draw(run, 4) == 0) {
            compact_some(run);
        }
        break;
    case 7:
        scheduler_settle(run->sim.scheduler);
        break;
    case 8:
        check_statistics(run);
        break;
    case 9:
        if (draw(run, 10) == 0) {
            reopen(run);
        }
        break;
    default:
        if (draw(run, 2) == 0) {
            use_cursor(run);
        } else {
            write_some(run, draw(run, 4) == 0 ? 1 + draw(run, 4) : 1);
        }
        break;
    }
}

static void begin(struct run *run, uint64_t *seed) {
    simulation_begin_with(&run->sim, choose, seed);
    run->sim.options.write_buffer_bytes = 1500;
    run->sim.options.block_bytes = 120;
    run->sim.options.table_bytes = 700;
    run->sim.options.level0_tables = 2;
    run->kv = open_store(&run->sim);
}

static void programs_match_the_model(void **state) {
    (void)state;
    uint64_t seed = test_seed();
    struct run *run = malloc(sizeof *run);
    uint64_t compactions = 0;
    for (int round = 0; round < 150; round++) {
        struct kv_stats stats;
        memset(run, 0, sizeof *run);
        run->random = random_next(&seed);
        begin(run, &seed);
        for (int i = 0; i < ROUNDS_MAX; i++) {
            step(run);
        }
        for (size_t i = 0; i < run->held_count; i++) {
            get_all(run, &run->held[i]);
        }
        kv_stats(run->kv, &stats);
        compactions += stats.compactions;
        reopen(run);
        assert_ok(kv_close(run->kv, NULL));
        simulation_end(&run->sim);
    }
    assert_in_range(compactions, 150 * 3, UINT64_MAX);
    free(run);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(programs_match_the_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
