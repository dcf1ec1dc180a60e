/* The harness's own reader of logs, against bytes laid out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "records.h"

enum { BLOCK = 32768, FULL = 1, FIRST = 2, MIDDLE = 3, LAST = 4 };

/* A log that grows; checksums are left out, since the reader trusts its bytes. */
struct log {
    unsigned char bytes[3 * BLOCK];
    size_t length;
};

static void fragment(struct log *log, unsigned char type, const void *data,
                     size_t count) {
    unsigned char header[7] = {
        0, 0, 0, 0, (unsigned char)(count & 255), (unsigned char)(count >> 8), type};
    memcpy(log->bytes + log->length, header, sizeof header);
    memcpy(log->bytes + log->length + sizeof header, data, count);
    log->length += sizeof header + count;
}

/* Sequence and count of a change, little-endian. */
static const unsigned char mark_5[12] = {5};
static const unsigned char change_6[20] = {6, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 1, 1, 'k'};
static const unsigned char change_300[20] = {44, 1, 0, 0, 0, 0, 0, 0, 1};

static void mark(struct log *log) {
    fragment(log, FIRST, "", 0);
    fragment(log, LAST, mark_5, sizeof mark_5);
}

static size_t read_all(const struct log *log, struct record *records, size_t room) {
    return records_read(slice_make(log->bytes, log->length), records, room);
}

static void test_marks_and_changes(void **state) {
    (void)state;
    static struct log log;
    struct record records[4];
    mark(&log);
    fragment(&log, FULL, change_6, sizeof change_6);
    fragment(&log, FULL, change_300, sizeof change_300);
    assert_int_equal(read_all(&log, records, 4), 3);
    assert_true(records[0].mark);
    assert_int_equal(records[0].begin, 0);
    assert_int_equal(records[0].end, 26);
    assert_int_equal(records[0].sequence, 5);
    assert_false(records[1].mark);
    assert_int_equal(records[1].begin, 26);
    assert_int_equal(records[1].end, 53);
    assert_int_equal(records[1].sequence, 6);
    assert_int_equal(records[1].count, 2);
    assert_int_equal(records[2].sequence, 300);
    assert_int_equal(read_all(&log, records, 2), 2);
    log.length -= 1; /* the last one is cut short */
    assert_int_equal(read_all(&log, records, 4), 2);
}

/* A record over three blocks; then so little room that a trailer of zeros fills it; then
 * an empty first fragment that is filler, since another first follows. */
static void test_block_edges(void **state) {
    (void)state;
    static struct log log;
    static unsigned char data[BLOCK];
    struct record records[6];
    memcpy(data, change_6, sizeof change_6);
    mark(&log);
    fragment(&log, FIRST, data, BLOCK - 26 - 7);
    fragment(&log, MIDDLE, data, BLOCK - 7);
    fragment(&log, LAST, data, 100);
    size_t end = log.length;
    fragment(&log, FULL, data, BLOCK - 107 - 7 - 10);
    assert_int_equal(log.length, 3 * BLOCK - 10);
    fragment(&log, FIRST, "", 0);
    assert_int_equal(read_all(&log, records, 6), 3);
    assert_int_equal(records[1].begin, 26);
    assert_int_equal(records[1].end, end);
    assert_int_equal(records[1].sequence, 6);
    assert_int_equal(records[2].begin, end);
}

static void test_filler_before_a_mark(void **state) {
    (void)state;
    static struct log log;
    static unsigned char data[BLOCK];
    struct record records[4];
    memcpy(data, change_6, sizeof change_6);
    fragment(&log, FULL, data, BLOCK - 7 - 10);
    fragment(&log, FIRST, "", 0);
    log.length = BLOCK; /* three zeros */
    mark(&log);
    assert_int_equal(read_all(&log, records, 4), 2);
    assert_true(records[1].mark);
    assert_int_equal(records[1].begin, BLOCK);
    assert_int_equal(records[1].end, BLOCK + 26);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_marks_and_changes),
        cmocka_unit_test(test_block_edges),
        cmocka_unit_test(test_filler_before_a_mark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
