/* Several changes in one piece: byte for byte what one at a time would have written, and
 * all of it or nothing where the log refuses. */
#include "simulation.h"

#include "append.h"
#include "log_writer.h"
#include "wal.h"

enum { RECORDS = 4, PAYLOAD_MAX = 70000 };

/* ---- records --------------------------------------------------------------------- */

struct records {
    unsigned char bytes[RECORDS][PAYLOAD_MAX];
    size_t lengths[RECORDS];
    uint64_t marks[RECORDS]; /* 0: none */
};

/* A file whose first block has `room` bytes left, with these records behind that; with
 * `together`, committed at once. */
static void write_records(enum append_kind kind, size_t room, const struct records *what,
                          bool together, struct buf *written) {
    struct simulation sim;
    struct file *file;
    struct append *append;
    struct log_writer writer = {0};
    uint64_t skip = LOG_BLOCK_BYTES - room;
    simulation_begin(&sim);
    assert_ok(file_open(sim.world.files, "log", FILE_CREATE, &file, NULL));
    assert_ok(file_truncate(file, skip, NULL));
    assert_ok(append_open(file, skip, kind, 4096, &append, NULL));
    writer.append = append;
    for (size_t i = 0; i < RECORDS; i++) {
        unsigned char *space;
        bool begun = false;
        assert_ok(
            log_writer_begin(&writer, what->lengths[i], what->marks[i], &space, NULL));
        memcpy(space, what->bytes[i], what->lengths[i]);
        if (together && i + 1 < RECORDS) {
            assert_ok(log_writer_keep(&writer, NULL));
            assert_int_equal(append_end(append), skip);
        } else {
            assert_ok(log_writer_end(&writer, &begun, NULL));
            assert_true(begun);
        }
    }
    size_t end = append_end(append);
    struct slice bytes = file_bytes(&sim, "log");
    written->length = 0;
    add_bytes(written, bytes.data, end);
    assert_ok(append_close(append, NULL));
    assert_ok(file_close(file, NULL));
    disk_free(sim.disk);
    scheduler_free(sim.scheduler);
}

static void assert_same(enum append_kind kind, size_t room, const struct records *what) {
    struct buf single = {0}, together = {0};
    write_records(kind, room, what, false, &single);
    write_records(kind, room, what, true, &together);
    assert_int_equal(single.length, together.length);
    assert_memory_equal(single.data, together.data, single.length);
    buf_free(&single);
    buf_free(&together);
}

/* The beginning of a mark, whole or in part, anywhere in the payload or at its end. */
static void forge(struct records *what, size_t i, uint64_t *seed) {
    size_t length = what->lengths[i];
    size_t part = 1 + random_below(seed, LOG_HEADER_BYTES);
    if (length >= part) {
        size_t at = random_below(seed, 2) == 0 ? length - part
                                               : random_below(seed, length - part + 1);
        memcpy(what->bytes[i] + at, log_empty_first, part);
    }
}

/* With every room left in a block, and records that are small, end near a block's edge or
 * go over two of them; marks in front of any, and payloads that look like marks. */
static void test_kept_records_are_those_of_single_ones(void **state) {
    static struct records what;
    enum append_kind kind = *(const enum append_kind *)*state;
    uint64_t seed = test_seed();
    for (size_t room = 0; room <= 120; room++) {
        for (int run = 0; run < 6; run++) {
            for (size_t i = 0; i < RECORDS; i++) {
                uint64_t size = random_below(&seed, 8);
                what.lengths[i] = size < 6 ? random_below(&seed, 60)
                                  : size == 6
                                      ? LOG_BLOCK_BYTES - 80 + random_below(&seed, 120)
                                      : random_below(&seed, PAYLOAD_MAX);
                what.marks[i] = random_below(&seed, 3) == 0 ? random_next(&seed) : 0;
                for (size_t j = 0; j < what.lengths[i]; j++) {
                    what.bytes[i][j] = (unsigned char)random_next(&seed);
                }
                if (random_below(&seed, 2) == 0) {
                    forge(&what, i, &seed);
                }
            }
            assert_same(kind, room == 0 ? LOG_BLOCK_BYTES : room, &what);
        }
    }
}

/* ---- changes --------------------------------------------------------------------- */

enum { CHANGES = 5, OPS = 8 };

static const size_t op_counts[CHANGES] = {1, 3, 1, 2, 1};

static struct wal *open_wal(struct simulation *sim) {
    struct wal *wal = NULL;
    const struct wal_start start = {.numbers = &sim->numbers};
    assert_ok(wal_open("db", &sim->options, &start, &wal, NULL));
    return wal;
}

static struct wal *begin(struct simulation *sim, enum append_kind kind) {
    simulation_begin(sim);
    sim->options.log_region = kind;
    assert_ok(directory_make(sim->world.files, "db", NULL));
    assert_ok(directory_sync(sim->world.files, ".", NULL));
    return open_wal(sim);
}

/* Eight puts, of values that together go over some blocks. */
static struct change_group group_of(struct kv_op ops[OPS], size_t value_bytes) {
    static unsigned char value[100000];
    memset(value, 'v', sizeof value);
    for (size_t i = 0; i < OPS; i++) {
        ops[i] = put_op("key", "");
        ops[i].value = slice_make(value, value_bytes * (i + 1) / 2);
    }
    return (struct change_group){ops, OPS, op_counts, CHANGES};
}

static void assert_progress(struct wal *wal, uint64_t issued, uint64_t written) {
    struct wal_progress progress;
    wal_progress(wal, &progress);
    assert_int_equal(progress.issued, issued);
    assert_int_equal(progress.written, written);
}

/* A second group has the mark of a sync before it. */
static void test_a_group_is_its_changes(void **state) {
    enum append_kind kind = *(const enum append_kind *)*state;
    for (size_t bytes = 0; bytes < 25000; bytes = bytes * 3 + 7) {
        struct buf logs[2] = {{0}, {0}};
        for (int together = 0; together < 2; together++) {
            struct simulation sim;
            struct kv_op ops[OPS];
            struct wal *wal = begin(&sim, kind);
            struct change_group group = group_of(ops, bytes);
            uint64_t last = 0;
            for (int turn = 0; turn < 2; turn++) {
                const struct kv_op *at = ops;
                for (size_t i = 0; !together && i < CHANGES; at += op_counts[i++]) {
                    assert_ok(wal_append(wal, at, op_counts[i], &last, NULL));
                }
                if (together) {
                    assert_ok(wal_append_group(wal, &group, &last, NULL));
                }
                assert_int_equal(last, (uint64_t)(turn + 1) * OPS);
                assert_ok(wal_sync(wal, last, NULL));
            }
            assert_ok(wal_close(wal, NULL));
            struct slice log = file_bytes(&sim, "db/000001.log");
            logs[together].data = malloc(log.length); /* it outlives the simulation */
            memcpy(logs[together].data, log.data, log.length);
            logs[together].length = log.length;
            simulation_end(&sim);
        }
        assert_int_equal(logs[0].length, logs[1].length);
        assert_memory_equal(logs[0].data, logs[1].data, logs[0].length);
        free(logs[0].data);
        free(logs[1].data);
    }
}

/* ---- failures -------------------------------------------------------------------- */

/* A group that was refused left nothing: the next one is there, and only that. */
static void assert_goes_on(struct simulation *sim, struct wal *wal) {
    uint64_t last = 99;
    struct buf expected = {0};
    struct kv_op op = put_op("k1", "v1");
    assert_ok(wal_state(wal, NULL));
    assert_progress(wal, 0, 0);
    assert_ok(wal_append(wal, &op, 1, &last, NULL));
    assert_int_equal(last, 1);
    add_mark(&expected, 1);
    add_puts(&expected, 1, 1);
    struct wal_progress progress;
    char path[32];
    wal_progress(wal, &progress);
    snprintf(path, sizeof path, "db/%06" PRIu64 ".log", progress.log_number);
    assert_ok(wal_close(wal, NULL));
    struct slice log = file_bytes(sim, path);
    add_mark(&expected, 2);
    assert_int_equal(log.length, expected.length);
    assert_memory_equal(log.data, expected.data, log.length);
    buf_free(&expected);
    simulation_end(sim);
}

static void test_no_memory_in_a_group(void **state) {
    enum append_kind kind = *(const enum append_kind *)*state;
    unsigned refusals = 0;
    for (size_t n = 1;; n++) {
        struct simulation sim;
        struct kv_op ops[OPS];
        uint64_t last = 99;
        struct wal *wal = begin(&sim, kind);
        struct change_group group = group_of(ops, 20000);
        counted_memory_fail(n, false);
        enum status status = wal_append_group(wal, &group, &last, NULL);
        bool failed = counted_memory_failed();
        counted_memory_fail(0, false);
        if (status == STATUS_OK) {
            assert_false(failed);
            wal_abandon(wal);
            simulation_end(&sim);
            break;
        }
        assert_int_equal(status, STATUS_NO_MEMORY);
        assert_int_equal(last, 0);
        refusals++;
        assert_goes_on(&sim, wal);
    }
    assert_true(refusals >= 3);
}

static void test_no_space_in_a_group(void **state) {
    enum append_kind kind = *(const enum append_kind *)*state;
    unsigned refusals = 0;
    for (size_t room = 5000;; room += 9973) {
        struct simulation sim;
        struct kv_op ops[OPS];
        uint64_t last = 99;
        struct wal *wal = begin(&sim, kind);
        struct change_group group = group_of(ops, 20000);
        disk_set_capacity(sim.disk, room);
        enum status status = wal_append_group(wal, &group, &last, NULL);
        disk_set_capacity(sim.disk, SIZE_MAX);
        if (status == STATUS_OK) {
            assert_int_equal(last, OPS);
            wal_abandon(wal);
            simulation_end(&sim);
            break;
        }
        assert_int_equal(status, STATUS_NO_SPACE);
        assert_int_equal(last, 0);
        refusals++;
        assert_goes_on(&sim, wal);
    }
    assert_true(refusals >= 5);
}

/* Once the commit has begun, the whole group is issued and none of it is written. */
static void test_a_failed_commit_of_a_group(void **state) {
    enum append_kind kind = *(const enum append_kind *)*state;
    static const enum fault_effect effects[] = {FAULT_BEFORE, FAULT_AFTER,
                                                FAULT_SHORT_ERROR};
    for (size_t i = 0; i < 3; i++) {
        struct simulation sim;
        struct kv_op ops[OPS];
        uint64_t last = 99;
        struct wal *wal = begin(&sim, kind);
        struct kv_op first = put_op("k1", "v1");
        assert_ok(wal_append(wal, &first, 1, &last, NULL));
        struct change_group group = group_of(ops, 100); /* within the step */
        fail_call(&sim, 1, effects[i], EIO, false);
        enum status status = wal_append_group(wal, &group, &last, NULL);
        if (kind == APPEND_MAPPED && disk_fault_struck(sim.disk) == NULL) {
            assert_ok(status); /* a copy has no call that could fail */
            assert_int_equal(last, 1 + OPS);
        } else {
            assert_int_equal(status, STATUS_IO);
            assert_int_equal(wal_state(wal, NULL), STATUS_IO);
            assert_int_equal(last, disk_fault_struck(sim.disk)[0] == 'w' ? 1 + OPS : 0);
            assert_progress(wal, last == 0 ? 1 : last, 1);
        }
        fail_nothing(&sim);
        wal_abandon(wal);
        simulation_end(&sim);
    }
}

int main(void) {
    static enum append_kind kinds[] = {APPEND_WRITE, APPEND_MAPPED};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_kept_records_are_those_of_single_ones, &kinds[0]),
        cmocka_unit_test_prestate(test_kept_records_are_those_of_single_ones, &kinds[1]),
        cmocka_unit_test_prestate(test_a_group_is_its_changes, &kinds[0]),
        cmocka_unit_test_prestate(test_a_group_is_its_changes, &kinds[1]),
        cmocka_unit_test_prestate(test_no_memory_in_a_group, &kinds[0]),
        cmocka_unit_test_prestate(test_no_memory_in_a_group, &kinds[1]),
        cmocka_unit_test_prestate(test_no_space_in_a_group, &kinds[0]),
        cmocka_unit_test_prestate(test_no_space_in_a_group, &kinds[1]),
        cmocka_unit_test_prestate(test_a_failed_commit_of_a_group, &kinds[0]),
        cmocka_unit_test_prestate(test_a_failed_commit_of_a_group, &kinds[1]),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
