/* What snapshots cost, and give back when they are released; those that cannot be read
 * at; and what happens when memory runs out. */
#include "../01-wal/simulation.h"

/* ---- room ------------------------------------------------------------------------ */

enum { ROOM_KEYS = 200 };

static void overwrite(struct kv *kv, uint64_t count, uint64_t number) {
    uint64_t random = number;
    for (uint64_t i = 0; i < count; i++) {
        char key[24], value[128];
        const struct kv_write_options options = {.durability = DURABILITY_NONE};
        snprintf(key, sizeof key, "k%05" PRIu64,
                 count == ROOM_KEYS ? i : random_below(&random, ROOM_KEYS));
        snprintf(value, sizeof value, "%016" PRIx64 "%016" PRIx64 "%016" PRIx64,
                 random_next(&random), random_next(&random), random_next(&random));
        assert_ok(kv_put(kv, slice_of(key), slice_of(value), &options, NULL));
    }
}

static void everything(struct kv *kv, const struct kv_snapshot *snapshot,
                       struct buf *text) {
    struct iter *iter = NULL;
    const struct kv_iter_options options = {.snapshot = snapshot};
    buf_clear(text);
    assert_ok(kv_iter(kv, &options, &iter, NULL));
    for (iter_first(iter); iter->valid; iter_next(iter)) {
        assert_ok(buf_append_slice(text, iter->key));
        assert_ok(buf_append_slice(text, iter->value));
    }
    assert_int_equal(iter->error.status, STATUS_OK);
    iter_close(iter);
}

static uint64_t compacted_bytes(struct kv *kv) {
    struct kv_stats stats;
    assert_ok(kv_compact(kv, (struct slice){0}, (struct slice){0}, NULL));
    kv_stats(kv, &stats);
    assert_int_equal(stats.obsolete_tables, 0);
    return stats.table_bytes;
}

/* Overwritten many times and compacted, a snapshot reads as it did; it costs as much as
 * it holds; and its release lets that go. OVERWRITES in the environment makes it long. */
static void release_lets_the_room_go(void **state) {
    (void)state;
    const char *given = getenv("OVERWRITES");
    const uint64_t overwrites = given != NULL ? strtoull(given, NULL, 10) : 10000;
    struct simulation sim;
    struct kv_snapshot *snapshot = NULL;
    struct buf before = {0}, now = {0};
    simulation_begin(&sim);
    sim.options.write_buffer_bytes = overwrites > 100000 ? 4 << 20 : 64 << 10;
    sim.options.table_bytes = 16 << 10;
    sim.options.compression = TABLE_COMPRESSION_NONE;
    struct kv *kv = open_store(&sim);
    overwrite(kv, ROOM_KEYS, 1);
    const uint64_t alone = compacted_bytes(kv);
    everything(kv, NULL, &before);
    assert_ok(kv_snapshot_take(kv, &snapshot, NULL));
    overwrite(kv, overwrites, 2);
    const uint64_t held = compacted_bytes(kv);
    everything(kv, snapshot, &now);
    assert_true(slice_equal(buf_slice(&before), buf_slice(&now)));
    assert_in_range(held, alone * 3 / 2, alone * 5 / 2);
    everything(kv, NULL, &now);
    assert_false(slice_equal(buf_slice(&before), buf_slice(&now)));
    kv_snapshot_release(snapshot);
    const uint64_t released = compacted_bytes(kv);
    assert_in_range(released, 1, alone * 9 / 8);
    printf("%" PRIu64 " overwrites: %" PRIu64 " bytes, with a snapshot %" PRIu64
           ", without %" PRIu64 "\n",
           overwrites, alone, held, released);
    everything(kv, NULL, &before);
    assert_true(slice_equal(buf_slice(&before), buf_slice(&now)));
    assert_ok(kv_close(kv, NULL));
    buf_free(&before);
    buf_free(&now);
    simulation_end(&sim);
}

/* What was deleted under a snapshot is there for it, and afterwards for nobody. */
static void release_lets_tombstones_go(void **state) {
    (void)state;
    struct simulation sim;
    struct kv_snapshot *snapshot = NULL;
    struct buf before = {0}, now = {0};
    struct kv_stats stats;
    simulation_begin(&sim);
    struct kv *kv = open_store(&sim);
    overwrite(kv, ROOM_KEYS, 1);
    everything(kv, NULL, &before);
    assert_ok(kv_snapshot_take(kv, &snapshot, NULL));
    for (int i = 0; i < ROOM_KEYS; i++) {
        char key[24];
        snprintf(key, sizeof key, "k%05d", i);
        assert_ok(kv_delete(kv, slice_of(key), NULL, NULL));
    }
    assert_in_range(compacted_bytes(kv), 1, UINT64_MAX);
    everything(kv, snapshot, &now);
    assert_true(slice_equal(buf_slice(&before), buf_slice(&now)));
    kv_snapshot_release(snapshot);
    assert_int_equal(compacted_bytes(kv), 0);
    kv_stats(kv, &stats);
    assert_int_equal(stats.tables, 0);
    assert_ok(kv_close(kv, NULL));
    buf_free(&before);
    buf_free(&now);
    simulation_end(&sim);
}

/* ---- misuse and memory ----------------------------------------------------------- */

static void wrong_snapshots_are_told(void **state) {
    (void)state;
    struct simulation sim;
    struct kv *other = NULL;
    struct kv_snapshot *snapshot = NULL;
    struct buf value = {0};
    struct iter *iter = NULL;
    struct error error = {0};
    simulation_begin(&sim);
    struct kv *kv = open_store(&sim);
    assert_ok(kv_open("other", &sim.options, &other, NULL));
    put_number(kv, 1, DURABILITY_NONE);
    put_number(other, 1, DURABILITY_NONE);
    assert_ok(kv_snapshot_take(other, &snapshot, NULL));
    const struct kv_read_options read = {.snapshot = snapshot};
    const struct kv_iter_options walk = {.snapshot = snapshot};
    assert_int_equal(kv_get(kv, slice_of("k1"), &value, &read, &error), STATUS_INVALID);
    assert_string_equal(error.message, "the snapshot is of another store");
    assert_int_equal(kv_iter(kv, &walk, &iter, &error), STATUS_INVALID);
    assert_string_equal(error.message, "the snapshot is of another store");
    assert_ok(kv_get(other, slice_of("k1"), &value, &read, NULL));
    assert_ok(kv_close(other, NULL));
    assert_int_equal(kv_get(kv, slice_of("k1"), &value, &read, &error), STATUS_INVALID);
    assert_string_equal(error.message, "the snapshot's store has been closed");
    assert_int_equal(kv_iter(kv, &walk, &iter, &error), STATUS_INVALID);
    kv_snapshot_release(snapshot);
    kv_snapshot_release(NULL);
    assert_true(has_number(kv, 1));
    assert_ok(kv_close(kv, NULL));
    buf_free(&value);
    simulation_end(&sim);
}

static void memory_runs_out(void **state) {
    (void)state;
    struct simulation sim;
    struct kv_snapshot *snapshots[2] = {NULL, NULL};
    struct buf value = {0};
    struct error error = {0};
    struct kv_stats stats;
    simulation_begin(&sim);
    struct kv *kv = open_store(&sim);
    put_number(kv, 1, DURABILITY_NONE);
    counted_memory_fail(1, false);
    assert_int_equal(kv_snapshot_take(kv, &snapshots[0], &error), STATUS_NO_MEMORY);
    assert_null(snapshots[0]);
    assert_ok(kv_snapshot_take(kv, &snapshots[0], NULL));
    assert_ok(kv_snapshot_take(kv, &snapshots[1], NULL));
    size_t countdown = 0, refused = 0;
    do {
        put_number(kv, 1, DURABILITY_NONE);
        assert_ok(kv_flush(kv, NULL));
        counted_memory_fail(++countdown, false);
        enum status status = kv_compact(kv, (struct slice){0}, (struct slice){0}, &error);
        assert_true(status == STATUS_OK || status == STATUS_NO_MEMORY);
        refused += status == STATUS_NO_MEMORY;
    } while (counted_memory_failed());
    counted_memory_fail(0, false);
    assert_in_range(refused, 20, UINT64_MAX);
    assert_ok(kv_compact(kv, (struct slice){0}, (struct slice){0}, NULL));
    const struct kv_read_options read = {.snapshot = snapshots[0]};
    assert_ok(kv_get(kv, slice_of("k1"), &value, &read, NULL));
    kv_stats(kv, &stats);
    assert_int_equal(stats.snapshots, 2);
    buf_free(&value);
    kv_snapshot_release(snapshots[1]);
    kv_snapshot_release(snapshots[0]);
    assert_ok(kv_close(kv, NULL));
    simulation_end(&sim);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(release_lets_the_room_go),
        cmocka_unit_test(release_lets_tombstones_go),
        cmocka_unit_test(wrong_snapshots_are_told),
        cmocka_unit_test(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
