/* The steps of a change, apart: what each has done, and what it has not. */
#include "../01-wal/simulation.h"

#include "write_buffer.h"

struct bench {
    struct simulation sim;
    struct write_buffer *buffer;
};

static enum status append(struct write_buffer *buffer, const struct kv_op *ops,
                          size_t count, uint64_t *sequence) {
    const struct change_group one = {ops, count, &count, 1};
    return write_buffer_append(buffer, &one, sequence, NULL);
}

static void begin(struct bench *bench, uint64_t memory_bytes) {
    const struct wal_start start = {.numbers = &bench->sim.numbers};
    struct wal *wal;
    simulation_begin(&bench->sim);
    assert_ok(directory_make(bench->sim.world.files, "db", NULL));
    assert_ok(write_buffer_open(memory_bytes, 4096, 0, &bench->buffer, NULL));
    assert_ok(wal_open("db", &bench->sim.options, &start, &wal, NULL));
    write_buffer_start(bench->buffer, wal, 0);
}

static void end(struct bench *bench) {
    enum status status = write_buffer_stop(bench->buffer, NULL);
    (void)status; /* some tests have it failed */
    write_buffer_unref(bench->buffer);
    simulation_end(&bench->sim);
}

static bool sees(const struct write_buffer *buffer, const char *key) {
    struct slice value;
    return memtable_get(buffer->memtable, slice_of(key), write_buffer_visible(buffer),
                        &value) == LOOKUP_FOUND;
}

static void steps_are_apart(void **state) {
    (void)state;
    struct bench bench;
    struct memtable_room room;
    struct wal_progress now;
    uint64_t sequence;
    const struct kv_op ops[] = {put_op("a", "1"), put_op("b", "2")};
    begin(&bench, 1 << 20);
    struct write_buffer *buffer = bench.buffer;
    assert_ok(write_buffer_reserve(buffer, ops, 2, &room, NULL));
    assert_int_equal(memtable_count(buffer->memtable), 0);
    assert_ok(append(buffer, ops, 2, &sequence));
    assert_int_equal(sequence, 2);
    assert_int_equal(memtable_count(buffer->memtable), 0);
    write_buffer_insert(buffer, &room, ops, 2, sequence);
    assert_int_equal(memtable_count(buffer->memtable), 2);
    assert_false(sees(buffer, "a") || sees(buffer, "b"));
    write_buffer_publish(buffer, sequence);
    assert_true(sees(buffer, "a") && sees(buffer, "b"));
    wal_progress(buffer->wal, &now);
    assert_int_equal(now.written, 2);
    assert_int_equal(now.durable, 0);
    assert_ok(write_buffer_sync(buffer, sequence, NULL));
    wal_progress(buffer->wal, &now);
    assert_int_equal(now.durable, 2);
    /* Sequences within the change: the first is seen without the second. */
    struct slice value;
    assert_int_equal(memtable_get(buffer->memtable, slice_of("a"), 1, &value),
                     LOOKUP_FOUND);
    assert_int_equal(memtable_get(buffer->memtable, slice_of("b"), 1, &value),
                     LOOKUP_ABSENT);
    end(&bench);
}

/* The room goes back; readers go on with what was there, also without the log. */
static void a_failed_append_leaves_nothing(void **state) {
    (void)state;
    struct bench bench;
    struct memtable_room room;
    uint64_t sequence;
    const struct kv_op first = put_op("a", "1");
    const struct kv_op second = put_op("b", "2");
    begin(&bench, 1 << 20);
    struct write_buffer *buffer = bench.buffer;
    assert_ok(write_buffer_reserve(buffer, &first, 1, &room, NULL));
    assert_ok(append(buffer, &first, 1, &sequence));
    write_buffer_insert(buffer, &room, &first, 1, sequence);
    write_buffer_publish(buffer, sequence);
    uint64_t used = memtable_used(buffer->memtable);
    fail_call(&bench.sim, 1, FAULT_BEFORE, EIO, true);
    assert_ok(write_buffer_reserve(buffer, &second, 1, &room, NULL));
    assert_int_equal(append(buffer, &second, 1, &sequence), STATUS_IO);
    memtable_give_back(buffer->memtable, &room);
    fail_nothing(&bench.sim);
    assert_int_equal(memtable_used(buffer->memtable), used);
    assert_int_equal(write_buffer_visible(buffer), 1);
    assert_int_equal(write_buffer_stop(buffer, NULL), STATUS_IO);
    assert_ok(write_buffer_stop(buffer, NULL));
    assert_true(sees(buffer, "a"));
    assert_false(sees(buffer, "b"));
    end(&bench);
}

/* Up to the last byte, and no further; a tombstone takes room as well. */
static void the_limit_is_exact(void **state) {
    (void)state;
    struct bench bench;
    struct memtable_room room;
    struct error error = {0};
    const struct kv_op ops[] = {put_op("a", "1"),
                                {.type = KV_DELETE, .key = slice_of("b")}};
    begin(&bench, 1);
    struct write_buffer *buffer = bench.buffer;
    uint64_t cost = memtable_cost(buffer->memtable, ops, 2);
    buffer->memory_bytes = cost - 1;
    assert_int_equal(write_buffer_reserve(buffer, ops, 2, &room, &error), STATUS_LIMIT);
    assert_message_has(error, "memory-bytes");
    assert_message_has(error, "Open the database again with more");
    assert_int_equal(memtable_used(buffer->memtable), 0);
    buffer->memory_bytes = cost;
    assert_ok(write_buffer_reserve(buffer, ops, 2, &room, NULL));
    assert_int_equal(write_buffer_reserve(buffer, ops + 1, 1, &room, NULL), STATUS_LIMIT);
    end(&bench);
}

static enum status replay(struct write_buffer *buffer, uint64_t sequence,
                          const struct kv_op *ops, size_t count, struct error *error) {
    unsigned char bytes[256];
    struct change_reader reader;
    const char *why;
    size_t length = change_bytes(ops, count);
    assert_in_range(length, 1, sizeof bytes);
    change_encode(bytes, sequence, ops, count);
    assert_true(change_read(&reader, slice_make(bytes, length), &why));
    return write_buffer_replay(buffer, &reader, error);
}

static void replayed_changes_have_their_sequences(void **state) {
    (void)state;
    struct write_buffer *buffer;
    struct error error = {0};
    size_t blocks = counted_memory_blocks();
    const struct kv_op ops[] = {put_op("a", "1"), put_op("a", "2")};
    assert_ok(write_buffer_open(1 << 20, 4096, 0, &buffer, NULL));
    buffer->memory_bytes = memtable_cost(buffer->memtable, ops, 2);
    assert_ok(replay(buffer, 5, ops, 2, NULL));
    struct slice value;
    assert_int_equal(memtable_get(buffer->memtable, slice_of("a"), 4, &value),
                     LOOKUP_ABSENT);
    assert_int_equal(memtable_get(buffer->memtable, slice_of("a"), 5, &value),
                     LOOKUP_FOUND);
    assert_true(slice_equal(value, slice_of("1")));
    assert_int_equal(memtable_get(buffer->memtable, slice_of("a"), 6, &value),
                     LOOKUP_FOUND);
    assert_true(slice_equal(value, slice_of("2")));
    assert_int_equal(replay(buffer, 7, ops, 1, &error), STATUS_LIMIT);
    assert_message_has(error, "up to sequence 6");
    write_buffer_unref(buffer);
    assert_int_equal(counted_memory_blocks(), blocks);
}

static void no_memory_is_a_value(void **state) {
    (void)state;
    struct write_buffer *buffer;
    struct memtable_room room;
    size_t blocks = counted_memory_blocks();
    const struct kv_op op = put_op("a", "1");
    for (size_t countdown = 1; countdown <= 2; countdown++) {
        counted_memory_fail(countdown, false);
        assert_int_equal(write_buffer_open(1 << 20, 4096, 0, &buffer, NULL),
                         STATUS_NO_MEMORY);
    }
    counted_memory_fail(0, false);
    assert_ok(write_buffer_open(1 << 20, 4096, 0, &buffer, NULL));
    counted_memory_fail(1, false);
    assert_int_equal(write_buffer_reserve(buffer, &op, 1, &room, NULL), STATUS_NO_MEMORY);
    counted_memory_fail(1, false);
    assert_int_equal(replay(buffer, 1, &op, 1, NULL), STATUS_NO_MEMORY);
    counted_memory_fail(0, false);
    assert_ok(write_buffer_stop(buffer, NULL));
    write_buffer_unref(buffer);
    write_buffer_unref(NULL);
    assert_int_equal(counted_memory_blocks(), blocks);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_are_apart),
        cmocka_unit_test(a_failed_append_leaves_nothing),
        cmocka_unit_test(the_limit_is_exact),
        cmocka_unit_test(replayed_changes_have_their_sequences),
        cmocka_unit_test(no_memory_is_a_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
