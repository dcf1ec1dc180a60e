/* The write-ahead log on the simulated disk: what it writes and in which order, how far a
 * change has come, and that it stops for good after a failure.
 *
 * tidy: long because there is a test for each promise of wal.h. */
#include "simulation.h"

#include "directory.h"
#include "replay.h"
#include "wal.h"

static void make_database(struct simulation *sim) {
    assert_ok(directory_make(sim->world.files, "db", NULL));
    assert_ok(directory_sync(sim->world.files, ".", NULL));
}

static struct wal *open_wal(struct simulation *sim) {
    struct wal *wal = NULL;
    const struct wal_start start = {.numbers = &sim->numbers};
    assert_ok(wal_open("db", &sim->options, &start, &wal, NULL));
    return wal;
}

static struct wal *begin(struct simulation *sim) {
    simulation_begin(sim);
    make_database(sim);
    return open_wal(sim);
}

static enum status try_append(struct wal *wal, uint64_t i, uint64_t *sequence,
                              struct error *error) {
    char key[24], value[24];
    snprintf(key, sizeof key, "k%" PRIu64, i);
    snprintf(value, sizeof value, "v%" PRIu64, i);
    struct kv_op op = put_op(key, value);
    return wal_append(wal, &op, 1, sequence, error);
}

static void append(struct wal *wal, uint64_t first, uint64_t last) {
    for (uint64_t i = first; i <= last; i++) {
        uint64_t sequence = 0;
        assert_ok(try_append(wal, i, &sequence, NULL));
        assert_int_equal(sequence, i);
    }
}

static struct wal_progress progress_of(struct wal *wal) {
    struct wal_progress progress;
    wal_progress(wal, &progress);
    return progress;
}

static void assert_progress(struct wal *wal, uint64_t issued, uint64_t written,
                            uint64_t durable) {
    struct wal_progress progress = progress_of(wal);
    assert_int_equal(progress.issued, issued);
    assert_int_equal(progress.written, written);
    assert_int_equal(progress.durable, durable);
}

/* The log holds exactly these bytes, but for zeros behind them if it is still open. */
static void assert_log(struct simulation *sim, const char *path, struct buf *expected,
                       bool open) {
    struct slice bytes = file_bytes(sim, path);
    assert_true(open ? bytes.length >= expected->length
                     : bytes.length == expected->length);
    assert_memory_equal(bytes.data, expected->data, expected->length);
    for (size_t i = expected->length; i < bytes.length; i++) {
        assert_int_equal(bytes.data[i], 0);
    }
    buf_free(expected);
}

/* Index of the first operation from `from` on with these words; fails if there is none.
 */
static size_t operation_of(struct simulation *sim, size_t from, const char *words) {
    size_t all = count_operations(sim, from, words);
    if (all == 0) {
        fail_msg("no operation \"%s\"", words);
    }
    while (count_operations(sim, from + 1, words) == all) {
        from++;
    }
    return from;
}

/* ---- the order of things --------------------------------------------------------- */

static void test_open_does_nothing(void **state) {
    (void)state;
    struct simulation sim;
    struct wal *wal = begin(&sim);
    size_t calls = disk_calls(sim.disk);
    assert_ok(wal_close(wal, NULL));
    wal = open_wal(&sim);
    wal_abandon(wal);
    assert_int_equal(disk_calls(sim.disk), calls);
    simulation_end(&sim);
}

static void test_append_and_sync(void **state) {
    (void)state;
    struct simulation sim;
    struct buf expected = {0};
    struct wal *wal = begin(&sim);
    append(wal, 1, 2);
    assert_progress(wal, 2, 2, 0);
    assert_true(progress_of(wal).unsynced_bytes > 0);
    assert_ok(wal_sync(wal, 1, NULL));
    assert_progress(wal, 2, 2, 2);
    assert_int_equal(progress_of(wal).unsynced_bytes, 0);
    append(wal, 3, 4);
    assert_progress(wal, 4, 4, 2);
    add_mark(&expected, 1);
    add_puts(&expected, 1, 2);
    add_mark(&expected, 3);
    add_puts(&expected, 3, 4);
    assert_int_equal(progress_of(wal).log_end, expected.length);
    assert_int_equal(progress_of(wal).appended_bytes, expected.length);
    assert_log(&sim, "db/000001.log", &expected, true);
    wal_abandon(wal);
    simulation_end(&sim);
}

/* The name is durable before a change is in the log. */
static void test_a_new_log_is_named_first(void **state) {
    (void)state;
    struct simulation sim;
    struct wal *wal = begin(&sim);
    size_t from = disk_operations(sim.disk);
    append(wal, 1, 1);
    size_t created = operation_of(&sim, from, "create db/000001.log");
    size_t named = operation_of(&sim, created, "sync directory db");
    assert_int_equal(count_operations(&sim, created, "write db/000001.log"), 2);
    assert_int_equal(count_operations(&sim, named, "write db/000001.log"), 1);
    wal_abandon(wal);
    simulation_end(&sim);
}

/* A mark rides in the write that there is anyway: one write an append, no other sync; but
 * for the one that fills a step which was synced eight times. */
static void test_marks_cost_no_write(void **state) {
    (void)state;
    struct simulation sim;
    struct wal *wal = begin(&sim);
    append(wal, 1, 1);
    size_t fills = 0;
    for (uint64_t i = 2; i < 40; i++) {
        bool synced = i % 3 == 0;
        if (synced) {
            assert_ok(wal_sync(wal, i - 1, NULL));
        }
        size_t from = disk_operations(sim.disk);
        uint64_t end = progress_of(wal).log_end;
        append(wal, i, i);
        bool filled = disk_operations(sim.disk) - from == 2;
        assert_int_equal(count_operations(&sim, from, "write db/000001.log"), 1 + filled);
        fills += filled;
        assert_int_equal(disk_operations(sim.disk) - from, 1 + filled);
        size_t record = 7 + 12 + 1 + (i < 10 ? 6 : 8);
        assert_int_equal(progress_of(wal).log_end - end,
                         record + (synced ? LOG_MARK_BYTES : 0));
    }
    assert_int_equal(fills, 1);
    wal_abandon(wal);
    simulation_end(&sim);
}

static void test_older_logs_are_synced_first(void **state) {
    (void)state;
    struct simulation sim;
    struct wal *wal = begin(&sim);
    sim.options.log_bytes = 1;
    wal_abandon(wal);
    wal = open_wal(&sim);
    append(wal, 1, 3); /* one log each */
    assert_int_equal(progress_of(wal).rotations, 2);
    assert_int_equal(progress_of(wal).log_number, 3);
    assert_int_equal(disk_open_handles(sim.disk), 3);
    size_t from = disk_operations(sim.disk);
    assert_ok(wal_sync(wal, 3, NULL));
    size_t first = operation_of(&sim, from, "sync db/000001.log");
    size_t second = operation_of(&sim, from, "sync db/000002.log");
    size_t third = operation_of(&sim, from, "sync db/000003.log");
    assert_true(first < second && second < third);
    assert_int_equal(disk_open_handles(sim.disk), 1); /* the older ones are done with */
    from = disk_operations(sim.disk);
    assert_ok(wal_close(wal, NULL));
    assert_int_equal(count_operations(&sim, from, "db/000001.log"), 0);
    simulation_end(&sim);
}

static void test_rotation(void **state) {
    (void)state;
    struct simulation sim;
    struct buf expected = {0};
    struct wal *wal = begin(&sim);
    wal_abandon(wal);
    sim.options.log_bytes = LOG_MARK_BYTES + 3 * 26; /* three changes, then a new log */
    wal = open_wal(&sim);
    append(wal, 1, 4);
    assert_ok(wal_sync(wal, 4, NULL));
    append(wal, 5, 7);
    assert_ok(wal_close(wal, NULL));
    add_mark(&expected, 1);
    add_puts(&expected, 1, 3);
    assert_log(&sim, "db/000001.log", &expected, false);
    add_mark(&expected, 1); /* when it was begun nothing was durable */
    add_puts(&expected, 4, 4);
    add_mark(&expected, 5);
    add_puts(&expected, 5, 5);
    size_t first = expected.length;
    assert_true(first >= sim.options.log_bytes);
    assert_log(&sim, "db/000002.log", &expected, false);
    add_mark(&expected, 5);
    add_puts(&expected, 6, 7);
    add_mark(&expected, 8);
    assert_log(&sim, "db/000003.log", &expected, false);
    assert_false(has_file(&sim, "db/000004.log"));
    simulation_end(&sim);
}

/* More logs than may wait for a sync: the rotation syncs. */
static void test_many_rotations(void **state) {
    (void)state;
    struct simulation sim;
    struct wal *wal = begin(&sim);
    wal_abandon(wal);
    sim.options.log_bytes = 1;
    wal = open_wal(&sim);
    append(wal, 1, 50);
    assert_true(disk_open_handles(sim.disk) <= 8);
    assert_true(progress_of(wal).durable >= 40);
    assert_ok(wal_close(wal, NULL));
    simulation_end(&sim);
}

static void test_close(void **state) {
    (void)state;
    struct simulation sim;
    struct buf expected = {0};
    struct wal *wal = begin(&sim);
    append(wal, 1, 2);
    size_t from = disk_operations(sim.disk);
    assert_ok(wal_close(wal, NULL));
    size_t sync = operation_of(&sim, from, "sync db/000001.log");
    size_t mark = operation_of(&sim, sync, "write db/000001.log");
    size_t again = operation_of(&sim, mark, "sync db/000001.log");
    (void)operation_of(&sim, again, "truncate db/000001.log");
    assert_int_equal(sync, from);
    assert_int_equal(disk_operations(sim.disk) - from, 4);
    add_mark(&expected, 1);
    add_puts(&expected, 1, 2);
    add_mark(&expected, 3);
    assert_log(&sim, "db/000001.log", &expected, false);
    simulation_end(&sim);
}

static void test_abandon_leaves_the_file(void **state) {
    struct simulation sim;
    struct wal *wal = begin(&sim);
    wal_abandon(wal);
    sim.options.log_region = *(const enum append_kind *)*state;
    wal = open_wal(&sim);
    append(wal, 1, 5);
    assert_ok(wal_sync(wal, 3, NULL));
    append(wal, 6, 6);
    size_t operations = disk_operations(sim.disk);
    uint64_t before = disk_fingerprint(sim.disk);
    wal_abandon(wal);
    assert_int_equal(disk_operations(sim.disk), operations);
    assert_true(disk_fingerprint(sim.disk) == before);
    simulation_end(&sim);
}

static void test_continued(void **state) {
    (void)state;
    struct simulation sim;
    struct buf expected = {0};
    struct wal *wal = begin(&sim);
    append(wal, 1, 2);
    assert_ok(wal_close(wal, NULL));
    add_mark(&expected, 1);
    add_puts(&expected, 1, 2);
    const struct wal_start start = {2, &sim.numbers, true, 1, expected.length};
    assert_ok(wal_open("db", &sim.options, &start, &wal, NULL));
    append(wal, 3, 3);
    assert_ok(wal_close(wal, NULL));
    add_mark(&expected, 3);
    add_puts(&expected, 3, 3);
    add_mark(&expected, 4);
    assert_log(&sim, "db/000001.log", &expected, false);
    simulation_end(&sim);
}

/* ---- one log for each write buffer ----------------------------------------------- */

/* A number is given out and nothing is done before the next append, which has it. */
static void test_rotate(void **state) {
    (void)state;
    struct simulation sim;
    struct buf expected = {0};
    struct wal *wal = begin(&sim);
    append(wal, 1, 2);
    size_t calls = disk_calls(sim.disk);
    assert_int_equal(wal_rotate(wal), 2);
    assert_int_equal(wal_rotate(wal), 2); /* it is still to come */
    assert_int_equal(disk_calls(sim.disk), calls);
    assert_int_equal(progress_of(wal).log_number, 1);
    append(wal, 3, 4);
    assert_int_equal(progress_of(wal).log_number, 2);
    assert_int_equal(progress_of(wal).rotations, 1);
    assert_int_equal(wal_rotate(wal), 3);
    size_t from = disk_operations(sim.disk);
    assert_ok(wal_sync(wal, 4, NULL)); /* both */
    assert_true(operation_of(&sim, from, "sync db/000001.log") <
                operation_of(&sim, from, "sync db/000002.log"));
    assert_progress(wal, 4, 4, 4);
    append(wal, 5, 5);
    add_mark(&expected, 1);
    add_puts(&expected, 1, 2);
    assert_log(&sim, "db/000001.log", &expected, true);
    add_mark(&expected, 1);
    add_puts(&expected, 3, 4);
    assert_log(&sim, "db/000002.log", &expected, true);
    add_mark(&expected, 5);
    add_puts(&expected, 5, 5);
    assert_log(&sim, "db/000003.log", &expected, true);
    assert_ok(wal_close(wal, NULL));
    simulation_end(&sim);
}

/* Before there is a log, and where one would have been continued. */
static void test_rotate_before_an_append(void **state) {
    (void)state;
    struct simulation sim;
    struct buf expected = {0};
    struct wal *wal = begin(&sim);
    uint64_t number = wal_rotate(wal);
    append(wal, 1, 2);
    assert_int_equal(progress_of(wal).log_number, number);
    assert_ok(wal_close(wal, NULL));
    add_mark(&expected, 1);
    add_puts(&expected, 1, 2);
    const struct wal_start start = {2, &sim.numbers, true, number, expected.length};
    add_mark(&expected, 3);
    assert_ok(wal_open("db", &sim.options, &start, &wal, NULL));
    assert_int_equal(wal_rotate(wal), number + 1);
    append(wal, 3, 3);
    assert_int_equal(progress_of(wal).log_number, number + 1);
    assert_ok(wal_close(wal, NULL));
    assert_log(&sim, "db/000001.log", &expected, false);
    add_mark(&expected, 3);
    add_puts(&expected, 3, 3);
    add_mark(&expected, 4);
    assert_log(&sim, "db/000002.log", &expected, false);
    simulation_end(&sim);
}

/* What is durable elsewhere needs no sync here, and the next log's mark knows it. */
static void test_forget(void **state) {
    (void)state;
    struct simulation sim;
    struct buf expected = {0};
    struct wal *wal = begin(&sim);
    append(wal, 1, 2);
    uint64_t next = wal_rotate(wal);
    size_t from = disk_operations(sim.disk);
    assert_ok(wal_forget(wal, 2, next, NULL));
    assert_progress(wal, 2, 2, 2);
    assert_int_equal(progress_of(wal).unsynced_bytes, 0);
    assert_int_equal(disk_open_handles(sim.disk), 0);
    assert_ok(wal_sync(wal, 2, NULL)); /* nothing to do */
    assert_int_equal(count_operations(&sim, from, "sync"), 0);
    append(wal, 3, 3);
    assert_ok(wal_sync(wal, 3, NULL));
    assert_int_equal(count_operations(&sim, from, "db/000001.log"), 0);
    assert_ok(wal_close(wal, NULL));
    add_mark(&expected, 3);
    add_puts(&expected, 3, 3);
    add_mark(&expected, 4);
    assert_log(&sim, "db/000002.log", &expected, false);
    simulation_end(&sim);
}

/* Logs from the number on stay, and what they hold is still to be synced. */
static void test_forget_keeps_later_logs(void **state) {
    (void)state;
    struct simulation sim;
    struct wal *wal = begin(&sim);
    append(wal, 1, 1);
    uint64_t second = wal_rotate(wal);
    append(wal, 2, 2);
    uint64_t third = wal_rotate(wal);
    append(wal, 3, 3);
    assert_ok(wal_forget(wal, 1, second, NULL));
    assert_progress(wal, 3, 3, 1);
    assert_true(progress_of(wal).unsynced_bytes > 0);
    assert_int_equal(disk_open_handles(sim.disk), 2);
    size_t from = disk_operations(sim.disk);
    assert_ok(wal_sync(wal, 3, NULL));
    assert_int_equal(count_operations(&sim, from, "sync db/000001.log"), 0);
    assert_true(operation_of(&sim, from, "sync db/000002.log") <
                operation_of(&sim, from, "sync db/000003.log"));
    assert_ok(wal_forget(wal, 2, third, NULL)); /* late: D does not go back */
    assert_progress(wal, 3, 3, 3);
    append(wal, 4, 4);
    assert_int_equal(progress_of(wal).log_number, third);
    assert_ok(wal_close(wal, NULL));
    simulation_end(&sim);
}

/* A close that fails could lose something only if there were something to lose. */
static void test_forget_where_a_close_fails(void **state) {
    (void)state;
    struct simulation sim;
    struct error error = {0};
    struct wal *wal = begin(&sim);
    append(wal, 1, 1);
    (void)wal_rotate(wal);
    append(wal, 2, 2);
    uint64_t third = wal_rotate(wal);
    fail_call(&sim, 1, FAULT_AFTER, EIO, false);
    assert_int_equal(wal_forget(wal, 2, third, &error), STATUS_IO);
    assert_message_has(error, "db/000001.log");
    fail_nothing(&sim);
    assert_ok(wal_state(wal, NULL));
    assert_progress(wal, 2, 2, 2);
    assert_int_equal(disk_open_handles(sim.disk), 0); /* the second, too */
    append(wal, 3, 3);
    assert_ok(wal_sync(wal, 3, NULL));
    assert_ok(wal_close(wal, NULL));
    simulation_end(&sim);
}

/* ---- failures -------------------------------------------------------------------- */

/* Everything is refused with the first message, and the disk is not asked again. */
static void assert_stopped(struct simulation *sim, struct wal *wal,
                           const struct error *first) {
    size_t calls = disk_calls(sim->disk);
    struct wal_progress before = progress_of(wal);
    struct error error = {0};
    uint64_t sequence = 99;
    assert_int_equal(wal_state(wal, &error), STATUS_IO);
    assert_non_null(strstr(error.message, first->message));
    struct error same = error;
    for (int i = 0; i < 3; i++) {
        error = (struct error){0};
        assert_int_equal(try_append(wal, 9, &sequence, &error), STATUS_IO);
        assert_int_equal(sequence, 0);
        assert_string_equal(error.message, same.message);
        assert_int_equal(wal_sync(wal, before.durable + 1, &error), STATUS_IO);
        assert_string_equal(error.message, same.message);
        assert_int_equal(wal_mark(wal, &error), STATUS_IO);
    }
    assert_int_equal(disk_calls(sim->disk), calls);
    assert_progress(wal, before.issued, before.written, before.durable);
    size_t operations = disk_operations(sim->disk);
    assert_int_equal(wal_close(wal, &error), STATUS_IO);
    assert_string_equal(error.message, same.message);
    assert_int_equal(disk_operations(sim->disk), operations);
}

static void test_a_failed_sync_is_final(void **state) {
    (void)state;
    static const enum fault_effect effects[] = {FAULT_BEFORE, FAULT_AFTER};
    for (size_t i = 0; i < 2; i++) {
        struct simulation sim;
        struct error error = {0};
        struct wal *wal = begin(&sim);
        append(wal, 1, 2);
        assert_ok(wal_sync(wal, 2, NULL));
        append(wal, 3, 4);
        fail_call(&sim, 1, effects[i], EIO, false);
        assert_int_equal(wal_sync(wal, 4, &error), STATUS_IO);
        assert_string_equal(disk_fault_struck(sim.disk), "sync db/000001.log");
        assert_message_has(error, "db/000001.log");
        assert_progress(wal, 4, 4, 2);
        assert_ok(wal_sync(wal, 2, NULL)); /* that much is durable for sure */
        struct error first = {0};
        snprintf(first.message, sizeof first.message, "db/000001.log");
        assert_stopped(&sim, wal, &first);
        simulation_end(&sim);
    }
}

static void test_a_failed_sync_of_an_older_log(void **state) {
    (void)state;
    struct simulation sim;
    struct error error = {0};
    struct wal *wal = begin(&sim);
    wal_abandon(wal);
    sim.options.log_bytes = 1;
    wal = open_wal(&sim);
    append(wal, 1, 3);
    fail_call(&sim, 1, FAULT_BEFORE, EIO, false);
    size_t from = disk_operations(sim.disk);
    assert_int_equal(wal_sync(wal, 3, &error), STATUS_IO);
    assert_message_has(error, "db/000001.log");
    assert_int_equal(count_operations(&sim, from, "sync db/000002.log"), 0);
    assert_int_equal(count_operations(&sim, from, "sync db/000003.log"), 0);
    assert_progress(wal, 3, 3, 0);
    assert_stopped(&sim, wal, &error);
    simulation_end(&sim);
}

static void test_a_failed_append_is_final(void **state) {
    (void)state;
    static const enum fault_effect effects[] = {FAULT_BEFORE, FAULT_AFTER,
                                                FAULT_SHORT_ERROR};
    static const int errnums[] = {EIO,
                                  ENOSPC}; /* a write was begun: final all the same */
    for (size_t i = 0; i < 6; i++) {
        struct simulation sim;
        struct error error = {0};
        uint64_t sequence = 0;
        struct wal *wal = begin(&sim);
        append(wal, 1, 2);
        fail_call(&sim, 1, effects[i % 3], errnums[i / 3], false);
        enum status status = try_append(wal, 3, &sequence, &error);
        assert_int_equal(status, i / 3 == 0 ? STATUS_IO : STATUS_NO_SPACE);
        assert_string_equal(disk_fault_struck(sim.disk), "write db/000001.log");
        assert_int_equal(sequence, 3); /* unknown, until reopened */
        assert_progress(wal, 3, 2, 0);
        if (status == STATUS_IO) {
            assert_stopped(&sim, wal, &error);
        } else {
            assert_int_equal(wal_state(wal, NULL), status);
            assert_int_equal(wal_close(wal, NULL), status);
        }
        simulation_end(&sim);
    }
}

static void test_a_short_write_goes_on(void **state) {
    (void)state;
    struct simulation sim;
    struct buf expected = {0};
    struct wal *wal = begin(&sim);
    append(wal, 1, 1);
    fail_call(&sim, 1, FAULT_SHORT, 0, false);
    append(wal, 2, 2);
    assert_non_null(disk_fault_struck(sim.disk));
    add_mark(&expected, 1);
    add_puts(&expected, 1, 2);
    assert_log(&sim, "db/000001.log", &expected, true);
    wal_abandon(wal);
    simulation_end(&sim);
}

/* No space before anything is written: the same append may be tried again. */
static void test_no_space_is_no_failure(void **state) {
    struct simulation sim;
    struct error error = {0};
    struct wal *wal = begin(&sim);
    wal_abandon(wal);
    sim.options.log_region = *(const enum append_kind *)*state;
    sim.options.log_bytes = 10000;
    wal = open_wal(&sim);
    size_t room = 0;
    unsigned refusals = 0;
    disk_set_capacity(sim.disk, room);
    uint64_t sequence = 0;
    for (uint64_t i = 1; i <= 1000;) {
        enum status status = try_append(wal, i, &sequence, &error);
        if (status == STATUS_OK) {
            assert_int_equal(sequence, i);
            i++;
            continue;
        }
        assert_int_equal(status, STATUS_NO_SPACE);
        assert_int_equal(sequence, 0);
        assert_progress(wal, i - 1, i - 1, progress_of(wal).durable);
        assert_ok(wal_state(wal, NULL));
        assert_ok(wal_sync(wal, i - 1, NULL));
        disk_set_capacity(sim.disk, room += 3000);
        refusals++;
    }
    assert_true(refusals > 5);
    disk_set_capacity(sim.disk, SIZE_MAX);
    assert_ok(wal_close(wal, NULL));
    simulation_end(&sim);
}

static void test_no_memory_is_no_failure(void **state) {
    (void)state;
    static char large[300000];
    memset(large, 'x', sizeof large - 1);
    struct simulation sim;
    struct wal *wal = begin(&sim);
    unsigned refusals = 0;
    const char *const values[] = {"small", large};
    for (uint64_t i = 0; i < 2; i++) {
        struct kv_op op = put_op("key", values[i]);
        for (size_t n = 1;; n++) {
            uint64_t sequence = 99;
            counted_memory_fail(n, false);
            enum status status = wal_append(wal, &op, 1, &sequence, NULL);
            bool failed = counted_memory_failed();
            counted_memory_fail(0, false);
            if (status == STATUS_OK) {
                assert_false(failed);
                assert_int_equal(sequence, i + 1);
                break;
            }
            assert_int_equal(status, STATUS_NO_MEMORY);
            assert_int_equal(sequence, 0);
            assert_ok(wal_state(wal, NULL));
            assert_progress(wal, i, i, 0);
            refusals++;
        }
    }
    assert_true(refusals >= 3);
    assert_ok(wal_close(wal, NULL));
    simulation_end(&sim);
}

/* The log that a rotation begins has its number beforehand. Where memory ends when its file
 * is there already, and for the removal of that file, too, the next append does not meet it. */
static void test_no_memory_for_a_rotated_log(void **state) {
    (void)state;
    struct simulation sim;
    struct wal *wal = begin(&sim);
    uint64_t sequence = 0;
    unsigned refusals = 0;
    append(wal, 1, 1);
    uint64_t number = wal_rotate(wal);
    for (size_t n = 1;; n++) {
        counted_memory_fail(n, true);
        enum status status = try_append(wal, 2, &sequence, NULL);
        counted_memory_fail(0, false);
        if (status == STATUS_OK) {
            break;
        }
        assert_int_equal(status, STATUS_NO_MEMORY);
        assert_ok(wal_state(wal, NULL));
        assert_true(wal_rotate(wal) >= number);
        refusals++;
    }
    assert_true(refusals >= 3);
    assert_true(progress_of(wal).log_number >= number);
    assert_ok(wal_close(wal, NULL));
    simulation_end(&sim);
}

/* ---- threads --------------------------------------------------------------------- */

enum { WRITERS = 12 };

struct writers {
    struct simulation sim;
    struct wal *wal;
    uint64_t seed;
};

/* What was said to be durable is there after the power went and took all it could. */
static void assert_survives(struct writers *w, uint64_t sequence) {
    struct crash crash = {.profile = DISK_POSIX,
                          .operation = disk_operations(w->sim.disk)};
    memset(crash.fates, FATE_LOST, sizeof crash.fates);
    struct disk *after = disk_crash(w->sim.disk, &crash);
    struct world world = {.files = disk_files(after)};
    struct listing listing = {0};
    struct replay replay = {0};
    assert_ok(listing_read(&listing, "db", &world, NULL));
    assert_ok(replay_run(&replay, "db", &world, &listing, &replay_everything, NULL, NULL,
                         NULL));
    assert_true(replay.last >= sequence);
    replay_free(&replay);
    listing_free(&listing);
    disk_free(after);
}

static void write_and_sync(void *argument) {
    struct writers *w = argument;
    struct kv_op op = put_op("key", "value");
    for (int i = 0; i < 3; i++) {
        uint64_t sequence = 0;
        assert_ok(wal_append(w->wal, &op, 1, &sequence, NULL));
        assert_ok(wal_sync(w->wal, sequence, NULL));
        assert_true(progress_of(w->wal).durable >= sequence);
        assert_survives(w, sequence);
    }
}

static uint64_t choose(void *context, uint64_t bound) {
    uint64_t *seed = context;
    return random_below(seed, bound);
}

static void test_threads_share_a_sync(void **state) {
    (void)state;
    enum { RUNS = 40 };
    uint64_t seed = test_seed();
    uint64_t syncs = 0;
    for (int run = 0; run < RUNS; run++) {
        struct writers w = {.seed = random_next(&seed)};
        struct thread threads[WRITERS];
        simulation_begin_with(&w.sim, choose, &w.seed);
        make_database(&w.sim);
        w.sim.options.log_bytes = run % 2 == 0 ? 100 : 100000;
        w.wal = open_wal(&w.sim);
        for (size_t i = 0; i < WRITERS; i++) {
            assert_ok(
                thread_create(&threads[i], w.sim.world.threads, write_and_sync, &w));
        }
        for (size_t i = 0; i < WRITERS; i++) {
            thread_join(&threads[i]);
        }
        assert_progress(w.wal, 3 * WRITERS, 3 * WRITERS, 3 * WRITERS);
        syncs += progress_of(w.wal).syncs;
        assert_ok(wal_close(w.wal, NULL));
        simulation_end(&w.sim);
    }
    printf("%" PRIu64 " syncs for %d\n", syncs, RUNS * 3 * WRITERS);
    assert_true(syncs < (uint64_t)(RUNS * 3 * WRITERS * 9 / 10));
}

/* ---------------------------------------------------------------------------------- */

int main(void) {
    static enum append_kind kinds[] = {APPEND_WRITE, APPEND_MAPPED};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open_does_nothing),
        cmocka_unit_test(test_append_and_sync),
        cmocka_unit_test(test_a_new_log_is_named_first),
        cmocka_unit_test(test_marks_cost_no_write),
        cmocka_unit_test(test_older_logs_are_synced_first),
        cmocka_unit_test(test_rotation),
        cmocka_unit_test(test_many_rotations),
        cmocka_unit_test(test_close),
        cmocka_unit_test_prestate(test_abandon_leaves_the_file, &kinds[0]),
        cmocka_unit_test_prestate(test_abandon_leaves_the_file, &kinds[1]),
        cmocka_unit_test(test_continued),
        cmocka_unit_test(test_rotate),
        cmocka_unit_test(test_rotate_before_an_append),
        cmocka_unit_test(test_forget),
        cmocka_unit_test(test_forget_keeps_later_logs),
        cmocka_unit_test(test_forget_where_a_close_fails),
        cmocka_unit_test(test_a_failed_sync_is_final),
        cmocka_unit_test(test_a_failed_sync_of_an_older_log),
        cmocka_unit_test(test_a_failed_append_is_final),
        cmocka_unit_test(test_a_short_write_goes_on),
        cmocka_unit_test_prestate(test_no_space_is_no_failure, &kinds[0]),
        cmocka_unit_test_prestate(test_no_space_is_no_failure, &kinds[1]),
        cmocka_unit_test(test_no_memory_is_no_failure),
        cmocka_unit_test(test_no_memory_for_a_rotated_log),
        cmocka_unit_test(test_threads_share_a_sync),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
