/* What iterators read and a full cache does not want: right in both directions, with few
 * reads, and the cache keeps what it had. Long scans read ahead. */
#define TEST_HAS_STAGE
#include "../common/support.h"

#include <errno.h>

#include "counted_memory.h"
#include "read_ahead.h"
#include "tables.h"

enum { SMALL = 60, MEDIUM = 24000, LARGE = 3 * READ_AHEAD_BYTES, SCAN_BLOCKS = 16 };

struct bed {
    struct disk *disk;
    struct block_cache *cache;
    struct table *table;
    uint64_t blocks;
};

static struct model model;

/* Ascending keys, values of up to so many random bytes. */
static void fill_model(uint64_t *random, size_t count, size_t value_bytes) {
    model = (struct model){.count = count};
    for (size_t i = 0; i < count; i++) {
        struct entry *entry = &model.entries[i];
        char user[20];
        snprintf(user, sizeof user, "%08zu", 2 * i);
        *entry = (struct entry){0};
        assert_ok(internal_key_build(&entry->key, slice_of(user), tag_make(1, KV_PUT)));
        size_t length = random_below(random, value_bytes);
        assert_ok(buf_reserve(&entry->value, length));
        for (size_t at = 0; at < length; at++) {
            entry->value.data[at] = (unsigned char)random_next(random);
        }
        entry->value.length = length;
    }
}

static void bed_begin(struct bed *bed, enum compression compression,
                      uint64_t cache_bytes) {
    const struct table_options options = {200, 4, 0, compression};
    bed->disk = disk_new();
    bed->cache = open_cache(cache_bytes);
    assert_ok(model_write(&model, bed->disk, &options, NULL, NULL));
    assert_ok(open_table(bed->disk, bed->cache, &bed->table, NULL));
    bed->blocks = table_properties(bed->table)->data_blocks;
}

static void bed_end(struct bed *bed) {
    table_unref(bed->table);
    assert_int_equal(disk_open_handles(bed->disk), 0);
    block_cache_close(bed->cache);
    disk_free(bed->disk);
    model_free(&model);
}

static void scan(struct table *table, bool forward) {
    struct iter *iter;
    size_t at = forward ? 0 : model.count;
    assert_ok(table_iter(table, &iter, NULL));
    for ((forward ? iter_first : iter_last)(iter); iter->valid;
         (forward ? iter_next : iter_prev)(iter)) {
        at -= !forward;
        assert_at(iter, &model, at);
        at += forward;
    }
    assert_int_equal(iter->error.status, STATUS_OK);
    assert_int_equal(at, forward ? model.count : 0);
    iter_close(iter);
}

static uint64_t inserts(const struct bed *bed) {
    struct block_cache_stats stats;
    block_cache_stats(bed->cache, &stats);
    return stats.inserts;
}

static void a_scan_leaves_a_full_cache_alone(void **state) {
    (void)state;
    uint64_t random = test_seed();
    struct bed bed;
    fill_model(&random, MODEL_MAX, 2 * SMALL);
    bed_begin(&bed, COMPRESSION_NONE, 20000);
    assert_true(bed.blocks > 200);
    scan(bed.table, true);
    for (int forward = 0; forward < 2; forward++) {
        uint64_t kept = inserts(&bed);
        size_t calls = disk_calls(bed.disk);
        scan(bed.table, forward);
        assert_in_range(inserts(&bed) - kept, 0, SCAN_BLOCKS);
        assert_in_range(disk_calls(bed.disk) - calls, 1, SCAN_BLOCKS + 2);
    }
    bed_end(&bed);
}

/* Each seek shows the right entry and its neighbour; the cache takes one in so many of
 * the blocks that were read; and a block in use is not read again. */
static void seeks_leave_a_full_cache_alone(void **state) {
    (void)state;
    enum { SEEKS = 2000 };
    uint64_t random = test_seed();
    struct bed bed;
    struct iter *iter;
    fill_model(&random, MODEL_MAX, 2 * SMALL);
    bed_begin(&bed, COMPRESSION_SNAPPY, 20000);
    scan(bed.table, true);
    assert_ok(table_iter(bed.table, &iter, NULL));
    uint64_t kept = inserts(&bed);
    size_t calls = disk_calls(bed.disk);
    for (size_t i = 0; i < SEEKS; i++) {
        size_t at = random_below(&random, model.count - 1);
        struct slice key = buf_slice(&model.entries[at].key);
        iter_seek(iter, key);
        assert_at(iter, &model, at);
        size_t again = disk_calls(bed.disk);
        iter_seek(iter, key);
        assert_int_equal(disk_calls(bed.disk), again);
        iter_next(iter);
        assert_at(iter, &model, at + 1);
    }
    iter_close(iter);
    uint64_t reads = disk_calls(bed.disk) - calls;
    assert_in_range(reads, SEEKS / 2, 2 * SEEKS);
    assert_in_range(inserts(&bed) - kept, 1, 2 * reads / BLOCK_CACHE_WANTS_ONE_IN);
    bed_end(&bed);
}

static void a_cache_with_room_takes_a_scan(void **state) {
    (void)state;
    uint64_t random = test_seed();
    struct bed bed;
    fill_model(&random, MODEL_MAX, 2 * SMALL);
    bed_begin(&bed, COMPRESSION_SNAPPY, 64 << 20);
    scan(bed.table, true);
    assert_int_equal(inserts(&bed), bed.blocks);
    size_t calls = disk_calls(bed.disk);
    scan(bed.table, false);
    assert_int_equal(disk_calls(bed.disk), calls);
    bed_end(&bed);
}

/* Blocks longer than a piece, some next to short ones; to and fro, mostly in long runs.
 */
static void walks_meet_blocks_of_all_sizes(void **state) {
    (void)state;
    uint64_t random = test_seed();
    static const enum compression compressions[] = {COMPRESSION_NONE, COMPRESSION_LZ4};
    for (int round = 0; round < 6; round++) {
        struct bed bed;
        fill_model(&random, 200, round % 3 == 0 ? READ_AHEAD_BYTES / 4 : SMALL);
        for (size_t i = 0; i < model.count; i += 40) {
            struct buf *value = &model.entries[i].value;
            assert_ok(buf_reserve(value, LARGE));
            memset(value->data + value->length, 'x', LARGE - value->length);
            value->length = LARGE;
        }
        bed_begin(&bed, compressions[round % 2], 0);
        struct iter *iter;
        assert_ok(table_iter(bed.table, &iter, NULL));
        iter_first(iter);
        for (size_t at = 0, step = 0; step < 3000; step++) {
            bool forward =
                random_below(&random, 50) == 0 ? step % 2 == 0 : step / 400 % 2 == 0;
            if ((forward ? at + 1 : at) == (forward ? model.count : 0)) {
                continue;
            }
            (forward ? iter_next : iter_prev)(iter);
            at = forward ? at + 1 : at - 1;
            assert_at(iter, &model, at);
        }
        iter_close(iter);
        bed_end(&bed);
    }
}

/* Any read may fail, any allocation too: it is said, and the iterator begins afresh. */
static void failures_are_said(void **state) {
    (void)state;
    uint64_t random = test_seed();
    struct bed bed;
    for (int kind = 0; kind < 4; kind++) {
        bool forward = kind % 2 == 0, memory = kind < 2;
        size_t failures = 0;
        fill_model(&random, 100, MEDIUM); /* some blocks have room in an iterator */
        bed_begin(&bed, COMPRESSION_LZ4, 0);
        struct iter *iter;
        assert_ok(table_iter(bed.table, &iter, NULL));
        for (bool failed = true; failed; failures += failed) {
            if (memory) {
                counted_memory_fail(failures + 1, false);
            } else {
                disk_set_fault(bed.disk,
                               &(struct fault){failures + 1, FAULT_BEFORE, EIO, false});
            }
            for ((forward ? iter_first : iter_last)(iter); iter->valid;
                 (forward ? iter_next : iter_prev)(iter)) {
            }
            failed = iter->error.status != STATUS_OK;
            assert_int_equal(failed, memory ? counted_memory_failed()
                                            : disk_fault_struck(bed.disk) != NULL);
            assert_true(!failed ||
                        iter->error.status == (memory ? STATUS_NO_MEMORY : STATUS_IO));
            counted_memory_fail(0, false);
            disk_set_fault(bed.disk, &(struct fault){0});
        }
        assert_true(failures > (memory ? 4 : SCAN_BLOCKS));
        iter_close(iter);
        scan(bed.table, forward);
        bed_end(&bed);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scan_leaves_a_full_cache_alone),
        cmocka_unit_test(seeks_leave_a_full_cache_alone),
        cmocka_unit_test(a_cache_with_room_takes_a_scan),
        cmocka_unit_test(walks_meet_blocks_of_all_sizes),
        cmocka_unit_test(failures_are_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
