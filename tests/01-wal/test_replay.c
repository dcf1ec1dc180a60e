/* The chain rule and the rule for damage, on logs built byte by byte.
 *
 * tidy: long because there is a test for each case of the two rules. */
#include "simulation.h"

#include "replay.h"

struct replaying {
    struct simulation sim;
    struct buf log; /* the one under construction */
    struct replay replay;
    uint64_t visited; /* the last sequence that was visited */
    bool anywhere;    /* the first may be any */
    struct error error;
};

static enum status visit(void *context, const struct change_reader *change,
                         struct slice payload, struct error *error) {
    struct replaying *r = context;
    (void)error;
    if (r->anywhere) {
        r->visited = change->sequence - 1;
        r->anywhere = false;
    }
    assert_int_equal(change->sequence, r->visited + 1); /* in order, once each */
    assert_true(payload.length >= CHANGE_HEADER_BYTES);
    r->visited += change->count;
    return STATUS_OK;
}

static enum status run_with(struct replaying *r, const struct replay_options *options) {
    struct listing listing = {0};
    replay_free(&r->replay);
    r->visited = options->behind;
    r->anywhere = options->begins_before;
    r->error = (struct error){0};
    assert_ok(listing_read(&listing, "db", &r->sim.world, NULL));
    enum status status = replay_run(&r->replay, "db", &r->sim.world, &listing, options,
                                    visit, r, &r->error);
    listing_free(&listing);
    assert_int_equal(r->visited, r->replay.last);
    return status;
}

static void begin(struct replaying *r) {
    *r = (struct replaying){0};
    simulation_begin(&r->sim);
}

static void place(struct replaying *r, uint64_t number) {
    place_log(&r->sim, number, &r->log);
}

static void assert_replays(struct replaying *r, uint64_t last, uint64_t durable) {
    enum status status = run_with(r, &replay_everything);
    if (status != STATUS_OK) {
        fail_msg("%s", r->error.message);
    }
    assert_int_equal(r->replay.last, last);
    assert_int_equal(r->replay.durable, durable);
}

static void assert_corrupt(struct replaying *r, uint64_t last, uint64_t durable,
                           const char *words) {
    assert_int_equal(run_with(r, &replay_everything), STATUS_CORRUPT);
    assert_message_has(r->error, words);
    assert_int_equal(r->replay.last, last);
    assert_int_equal(r->replay.durable, durable);
}

static void end(struct replaying *r) {
    replay_free(&r->replay);
    simulation_end(&r->sim);
}

/* ---- the chain rule -------------------------------------------------------------- */

static void test_one_chain(void **state) {
    (void)state;
    struct replaying r;
    begin(&r);
    add_mark(&r.log, 1);
    add_puts(&r.log, 1, 3);
    place(&r, 1);
    add_mark(&r.log, 3);
    add_puts(&r.log, 4, 6);
    uint64_t end_of_changes = r.log.length;
    add_zeros(&r.log, 500);
    uint64_t bytes = r.log.length;
    place(&r, 2);
    assert_replays(&r, 6, 2);
    assert_int_equal(r.replay.log_count, 2);
    assert_int_equal(r.replay.changes, 6);
    const struct replay_log *log = &r.replay.logs[1];
    assert_int_equal(log->number, 2);
    assert_int_equal(log->first, 4);
    assert_int_equal(log->changes_end, end_of_changes);
    assert_int_equal(log->end, end_of_changes);
    assert_int_equal(log->cut, end_of_changes);
    assert_int_equal(log->bytes, bytes);
    assert_true(log->clean && !log->foreign);
    end(&r);
}

/* Numbers of files order the logs, and need not be consecutive. */
static void test_order_of_logs(void **state) {
    (void)state;
    struct replaying r;
    begin(&r);
    add_puts(&r.log, 3, 4);
    place(&r, 1000000);
    add_puts(&r.log, 1, 2);
    place(&r, 999999);
    assert_replays(&r, 4, 0);
    assert_int_equal(r.replay.logs[0].number, 999999);
    end(&r);
}

static void test_gap(void **state) {
    (void)state;
    struct replaying r;
    begin(&r);
    add_mark(&r.log, 1);
    add_puts(&r.log, 1, 2);
    uint64_t gap = r.log.length;
    add_puts(&r.log, 4, 5);
    place(&r, 1);
    assert_replays(&r, 2, 0);
    assert_false(r.replay.logs[0].clean);
    assert_int_equal(r.replay.logs[0].end, gap);
    add_mark(&r.log, 1);
    add_puts(&r.log, 3, 3); /* a later log closes it; what followed it does not return */
    place(&r, 2);
    assert_replays(&r, 3, 0);
    end(&r);
}

static void test_gap_between_logs(void **state) {
    (void)state;
    struct replaying r;
    begin(&r);
    add_puts(&r.log, 1, 2);
    place(&r, 1);
    add_mark(&r.log, 1);
    add_puts(&r.log, 4, 4);
    place(&r, 2);
    assert_replays(&r, 2, 0);
    assert_true(r.replay.logs[0].clean);
    assert_int_equal(r.replay.logs[1].first, 0);
    add_mark(&r.log, 5);
    place(&r, 3); /* but 4 was durable */
    assert_corrupt(&r, 2, 4, "db/000002.log: offset 26");
    end(&r);
}

static void test_repeated_changes(void **state) {
    (void)state;
    struct replaying r;
    begin(&r);
    add_mark(&r.log, 1);
    add_puts(&r.log, 1, 5);
    place(&r, 1);
    add_mark(&r.log, 3);
    uint64_t first = r.log.length;
    add_puts(&r.log, 3, 5);
    uint64_t rewritten = r.log.length;
    add_puts(&r.log, 6, 7);
    place(&r, 2);
    assert_replays(&r, 7, 2);
    assert_int_equal(r.replay.changes, 7);
    assert_int_equal(r.replay.logs[1].first, 3); /* repeats are in turn */
    const struct replay_options above_2 = {UINT64_MAX, UINT64_MAX, .cut_above = 2};
    assert_ok(run_with(&r, &above_2));
    assert_int_equal(r.replay.logs[1].cut, first);
    const struct replay_options above_5 = {UINT64_MAX, UINT64_MAX, .cut_above = 5};
    assert_ok(run_with(&r, &above_5));
    assert_int_equal(r.replay.logs[1].cut, rewritten);
    assert_int_equal(r.replay.logs[0].cut, r.replay.logs[0].end);
    end(&r);
}

/* A change of several operations that an older log holds in part: such is never written.
 */
static void test_overlap(void **state) {
    (void)state;
    struct replaying r;
    const struct kv_op ops[] = {put_op("a", "1"), put_op("b", "2"), put_op("c", "3")};
    begin(&r);
    add_puts(&r.log, 1, 2);
    add_change(&r.log, 2, ops, 3);
    place(&r, 1);
    assert_replays(&r, 2, 0);
    assert_false(r.replay.logs[0].clean);
    end(&r);
}

static void test_part_of_the_logs(void **state) {
    (void)state;
    struct replaying r;
    begin(&r);
    add_puts(&r.log, 1, 2);
    uint64_t two = r.log.length;
    add_puts(&r.log, 3, 3);
    place(&r, 1);
    add_puts(&r.log, 4, 4);
    place(&r, 2);
    const struct replay_options options = {1, two, .cut_above = UINT64_MAX};
    assert_ok(run_with(&r, &options));
    assert_int_equal(r.replay.last, 2);
    assert_int_equal(r.replay.log_count, 1);
    end(&r);
}

/* ---- behind tables --------------------------------------------------------------- */

static struct replay_options behind(uint64_t sequence, uint64_t first_log) {
    struct replay_options options = replay_everything;
    options.behind = sequence;
    options.first_log = first_log;
    return options;
}

/* Only what follows the tables is visited; that they hold the rest is known. */
static void test_behind(void **state) {
    (void)state;
    for (uint64_t last = 0; last <= 7; last++) {
        struct replaying r;
        begin(&r);
        add_mark(&r.log, 1);
        add_puts(&r.log, 1, 3);
        place(&r, 1);
        add_mark(&r.log, 1);
        add_puts(&r.log, 4, 6);
        place(&r, 2);
        const struct replay_options options = behind(last, 0);
        assert_ok(run_with(&r, &options));
        assert_int_equal(r.replay.base, last);
        assert_int_equal(r.replay.last, last > 6 ? last : 6);
        assert_int_equal(r.replay.durable, last);
        assert_int_equal(r.replay.changes, last > 6 ? 0 : 6 - last);
        assert_true(r.replay.logs[0].clean && r.replay.logs[1].clean);
        end(&r);
    }
}

/* A change that tables hold in part only is none that was ever written. */
static void test_behind_within_a_change(void **state) {
    (void)state;
    struct replaying r;
    const struct kv_op ops[] = {put_op("a", "1"), put_op("b", "2"), put_op("c", "3")};
    begin(&r);
    add_change(&r.log, 1, ops, 3);
    add_puts(&r.log, 4, 4);
    place(&r, 1);
    for (uint64_t last = 0; last <= 3; last++) {
        const struct replay_options options = behind(last, 0);
        bool whole = last == 0 || last == 3;
        assert_ok(run_with(&r, &options));
        assert_int_equal(r.replay.last, whole ? 4 : last);
        assert_int_equal(r.replay.logs[0].clean, whole);
    }
    end(&r);
}

/* What follows the tables has to follow them at once. */
static void test_gap_behind_tables(void **state) {
    (void)state;
    struct replaying r;
    begin(&r);
    add_mark(&r.log, 1);
    add_puts(&r.log, 5, 6);
    place(&r, 3);
    struct replay_options options = behind(3, 0);
    assert_ok(run_with(&r, &options)); /* 4 was never durable: 5 and 6 are dropped */
    assert_int_equal(r.replay.last, 3);
    assert_string_equal(r.replay.logs[0].why, "a change is missing before it");
    options = behind(4, 0);
    assert_ok(run_with(&r, &options));
    assert_int_equal(r.replay.last, 6);
    add_mark(&r.log, 5);
    add_puts(&r.log, 5, 6);
    place(&r, 3);
    options = behind(3, 0);
    assert_int_equal(run_with(&r, &options), STATUS_CORRUPT); /* but now it was */
    assert_message_has(r.error, "db/000003.log: offset 26: a change is missing");
    assert_message_has(r.error, "up to sequence 4 were durable");
    options = behind(4, 0);
    assert_ok(run_with(&r, &options));
    end(&r);
}

/* Of logs that are forgotten, nothing is looked at, not even the damage. */
static void test_first_log(void **state) {
    (void)state;
    struct replaying r;
    begin(&r);
    add_mark(&r.log, 90);
    add_bytes(&r.log, "damage", 6);
    place(&r, 2);
    add_mark(&r.log, 3);
    add_puts(&r.log, 3, 5);
    place(&r, 4);
    struct replay_options options = behind(2, 3);
    assert_ok(run_with(&r, &options));
    assert_int_equal(r.replay.last, 5);
    assert_int_equal(r.replay.log_count, 1);
    assert_int_equal(r.replay.logs[0].number, 4);
    options = behind(2, 4); /* that one belongs to the chain */
    assert_ok(run_with(&r, &options));
    assert_int_equal(r.replay.last, 5);
    options = behind(2, 5);
    assert_ok(run_with(&r, &options));
    assert_int_equal(r.replay.last, 2);
    assert_int_equal(r.replay.log_count, 0);
    options = behind(2, 2);
    assert_int_equal(run_with(&r, &options), STATUS_CORRUPT);
    end(&r);
}

/* The first change may be one that the tables seem to hold; and only that one decides. */
static void test_begins_before(void **state) {
    (void)state;
    struct replaying r;
    begin(&r);
    add_puts(&r.log, 4, 6);
    place(&r, 3);
    add_puts(&r.log, 7, 9);
    place(&r, 4);
    for (uint64_t last = 2; last <= 12; last++) {
        struct replay_options options = behind(last, 0);
        options.begins_before = true;
        enum status status = run_with(&r, &options);
        assert_ok(status);
        bool gap = last < 3;
        assert_int_equal(r.replay.base, last < 4 ? last : 3);
        assert_int_equal(r.replay.last, gap ? last : 9);
        assert_int_equal(r.replay.changes, gap ? 0 : 6);
    }
    struct replay_options options = behind(7, 4); /* the first that is read */
    options.begins_before = true;
    assert_ok(run_with(&r, &options));
    assert_int_equal(r.replay.base, 6);
    assert_int_equal(r.replay.changes, 3);
    add_puts(&r.log, 8, 10); /* a later log repeats changes: that begins nothing */
    place(&r, 5);
    assert_ok(run_with(&r, &options));
    assert_int_equal(r.replay.base, 6);
    assert_int_equal(r.replay.changes, 4);
    options.first_log = 9; /* none: then the tables say where the end is */
    assert_ok(run_with(&r, &options));
    assert_int_equal(r.replay.base, 7);
    assert_int_equal(r.replay.last, 7);
    end(&r);
}

/* ---- the rule for damage --------------------------------------------------------- */

static void test_damage_above_the_mark(void **state) {
    (void)state;
    struct replaying r;
    begin(&r);
    add_mark(&r.log, 1);
    add_puts(&r.log, 1, 2);
    add_mark(&r.log, 3);
    size_t third = r.log.length;
    add_puts(&r.log, 3, 4);
    r.log.data[third + 9] ^= 1;
    place(&r, 1);
    assert_replays(&r, 2, 2);
    assert_int_equal(r.replay.logs[0].end, third);
    assert_string_equal(r.replay.logs[0].why, "checksum mismatch");
    end(&r);
}

static void test_damage_below_the_mark(void **state) {
    (void)state;
    struct replaying r;
    char words[64];
    begin(&r);
    add_mark(&r.log, 1);
    add_puts(&r.log, 1, 1);
    size_t second = r.log.length;
    add_puts(&r.log, 2, 2);
    add_mark(&r.log, 3);
    add_puts(&r.log, 3, 4);
    r.log.data[second + 9] ^= 1;
    place(&r, 1);
    snprintf(words, sizeof words, "db/000001.log: offset %zu: checksum", second);
    assert_corrupt(&r, 1, 2, words);
    end(&r);
}

/* The mark is found behind damage of any length, wherever it then stands. */
static void test_marks_behind_damage(void **state) {
    (void)state;
    for (size_t bytes = 1; bytes < 200000; bytes = bytes * 2 + 13) {
        struct replaying r;
        begin(&r);
        add_mark(&r.log, 1);
        add_puts(&r.log, 1, 1);
        for (size_t i = 0; i < bytes; i++) {
            unsigned char noise = (unsigned char)(i * 37 + 200);
            add_bytes(&r.log, &noise, 1);
        }
        struct buf lost = r.log;
        r.log = (struct buf){0};
        add_bytes(&r.log, lost.data, lost.length);
        add_mark(&r.log, 2); /* says no more than is there */
        place(&r, 1);
        assert_replays(&r, 1, 1);
        add_bytes(&r.log, lost.data, lost.length);
        add_mark(&r.log, 2);
        add_mark(&r.log, 3);
        add_mark(&r.log, 1);
        place(&r, 1);
        assert_corrupt(&r, 1, 2, "db/000001.log");
        buf_free(&lost);
        end(&r);
    }
}

/* A record that is no change ends its log like damage. */
static void test_no_change(void **state) {
    (void)state;
    struct replaying r;
    begin(&r);
    add_mark(&r.log, 1);
    add_puts(&r.log, 1, 1);
    add_record(&r.log, slice_of("this is not a change at all"));
    add_puts(&r.log, 2, 2);
    place(&r, 1);
    assert_replays(&r, 1, 0);
    add_mark(&r.log, 1);
    add_puts(&r.log, 1, 1);
    add_record(&r.log, slice_of("this is not a change at all"));
    add_puts(&r.log, 2, 2);
    add_mark(&r.log, 3);
    place(&r, 1);
    assert_corrupt(&r, 1, 2, "db/000001.log");
    end(&r);
}

static void test_missing_first_log(void **state) {
    (void)state;
    struct replaying r;
    begin(&r);
    add_mark(&r.log, 3);
    add_puts(&r.log, 3, 4);
    place(&r, 2);
    assert_corrupt(&r, 0, 2, "a change is missing before it");
    add_mark(&r.log, 3);
    place(&r, 2);
    assert_corrupt(&r, 0, 2, "a log is missing");
    end(&r);
}

static void test_nothing_there(void **state) {
    (void)state;
    struct replaying r;
    begin(&r);
    place(&r, 1); /* an empty file */
    assert_replays(&r, 0, 0);
    assert_true(r.replay.logs[0].clean);
    add_zeros(&r.log, 70000);
    place(&r, 1);
    assert_replays(&r, 0, 0);
    assert_true(r.replay.logs[0].clean);
    end(&r);
}

static void test_foreign(void **state) {
    (void)state;
    struct replaying r;
    begin(&r);
    add_puts(&r.log, 1, 3);
    place(&r, 5);
    assert_replays(&r, 3, 0);
    assert_true(r.replay.logs[0].foreign);
    end(&r);
}

static enum status refuse(void *context, const struct change_reader *change,
                          struct slice payload, struct error *error) {
    (void)context;
    (void)payload;
    return change->sequence == 2 ? error_set(error, STATUS_LIMIT, "enough") : STATUS_OK;
}

static void test_a_visitor_that_refuses(void **state) {
    (void)state;
    struct replaying r;
    struct listing listing = {0};
    struct error error = {0};
    begin(&r);
    add_puts(&r.log, 1, 3);
    place(&r, 1);
    assert_ok(listing_read(&listing, "db", &r.sim.world, NULL));
    assert_int_equal(replay_run(&r.replay, "db", &r.sim.world, &listing,
                                &replay_everything, refuse, NULL, &error),
                     STATUS_LIMIT);
    assert_string_equal(error.message, "enough");
    listing_free(&listing);
    end(&r);
}

/* Half a mark, whose other half is lost, stands before the change that is cut off: it
 * goes with it, or the log would end in damage. */
static void test_cut_before_what_was_passed_over(void **state) {
    (void)state;
    struct replaying r;
    begin(&r);
    add_mark(&r.log, 1);
    add_puts(&r.log, 1, 2);
    uint64_t changes_end = r.log.length;
    add_fragment(&r.log, LOG_FIRST, "", 0);
    add_puts(&r.log, 3, 3);
    place(&r, 1);
    const struct replay_options above_2 = {UINT64_MAX, UINT64_MAX, .cut_above = 2};
    assert_ok(run_with(&r, &above_2));
    assert_int_equal(r.replay.last, 3);
    assert_int_equal(r.replay.logs[0].cut, changes_end);
    assert_true(r.replay.logs[0].clean);
    end(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_chain),
        cmocka_unit_test(test_order_of_logs),
        cmocka_unit_test(test_gap),
        cmocka_unit_test(test_gap_between_logs),
        cmocka_unit_test(test_repeated_changes),
        cmocka_unit_test(test_overlap),
        cmocka_unit_test(test_part_of_the_logs),
        cmocka_unit_test(test_behind),
        cmocka_unit_test(test_behind_within_a_change),
        cmocka_unit_test(test_gap_behind_tables),
        cmocka_unit_test(test_first_log),
        cmocka_unit_test(test_begins_before),
        cmocka_unit_test(test_damage_above_the_mark),
        cmocka_unit_test(test_damage_below_the_mark),
        cmocka_unit_test(test_marks_behind_damage),
        cmocka_unit_test(test_no_change),
        cmocka_unit_test(test_missing_first_log),
        cmocka_unit_test(test_nothing_there),
        cmocka_unit_test(test_foreign),
        cmocka_unit_test(test_a_visitor_that_refuses),
        cmocka_unit_test(test_cut_before_what_was_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
