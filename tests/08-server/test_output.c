/* What is put in comes out once, in order, however it is sent; and what is missing
 * memory stops it for good. */
#define TEST_HAS_STAGE
#include "../common/support.h"

#include "counted_memory.h"
#include "output.h"

enum { SLICES = 8 };

/* Sends up to `most` bytes of what lies before `until`, as a writev might; answers how
 * many. */
static size_t send_some(struct output *output, uint64_t until, size_t most,
                        struct buf *sent) {
    struct slice slices[SLICES];
    size_t count = output_gather(output, until, slices, 1 + most % SLICES);
    size_t left = most;
    for (size_t i = 0; i < count && left > 0; i++) {
        assert_true(slices[i].length > 0);
        size_t part = slices[i].length < left ? slices[i].length : left;
        assert_ok(buf_append(sent, slices[i].data, part));
        left -= part;
    }
    output_advance(output, most - left);
    return most - left;
}

static void send_all(struct output *output, struct buf *sent) {
    while (send_some(output, output->appended, 100000, sent) > 0) {
    }
    assert_int_equal(output_pending(output), 0);
}

static void fill(unsigned char *bytes, size_t count, uint64_t *random) {
    for (size_t i = 0; i < count; i++) {
        bytes[i] = (unsigned char)random_next(random);
    }
}

/* A place that is kept, and where in `expected` what fills it belongs. */
struct kept {
    struct output_piece *piece;
    size_t at;
};

static void insert(struct buf *buf, size_t at, const void *bytes, size_t count) {
    assert_ok(buf_reserve(buf, count));
    memmove(buf->data + at + count, buf->data + at, buf->length - at);
    memcpy(buf->data + at, bytes, count);
    buf->length += count;
}

static size_t random_count(uint64_t *random) {
    static const size_t edges[] = {1, OUTPUT_PIECE_LEAST, OUTPUT_TAKE_BYTES,
                                   OUTPUT_PIECE_MOST};
    size_t edge = edges[random_below(random, 4)];
    return random_below(random, 4) > 0 ? (size_t)random_below(random, 60)
                                       : edge - 1 + (size_t)random_below(random, 3);
}

static void put_something(struct output *output, struct buf *expected, struct kept *kept,
                          uint64_t *random) {
    static unsigned char bytes[OUTPUT_PIECE_MOST + 2];
    size_t count = random_count(random);
    struct buf buf = {0};
    fill(bytes, count, random);
    switch (random_below(random, 5)) {
    case 0:
        assert_ok(buf_append(&buf, bytes, count));
        output_append_buf(output, &buf);
        assert_int_equal(buf.length, 0);
        buf_free(&buf);
        break;
    case 1:
        if (kept->piece == NULL) {
            *kept = (struct kept){output_later(output), expected->length};
            assert_non_null(kept->piece);
            return;
        }
        count %= OUTPUT_LATER_BYTES + 1;
        output_fill(output, kept->piece, bytes, count);
        insert(expected, kept->at, bytes, count);
        kept->piece = NULL;
        return;
    default:
        output_append(output, bytes, count);
        break;
    }
    assert_ok(buf_append(expected, bytes, count));
}

static void what_goes_in_comes_out(void **state) {
    (void)state;
    uint64_t random = test_seed();
    size_t blocks = counted_memory_blocks();
    for (int round = 0; round < 300; round++) {
        struct output output = {0};
        struct buf expected = {0}, sent = {0};
        struct kept kept = {0};
        for (int step = 0; step < 100; step++) {
            put_something(&output, &expected, &kept, &random);
            assert_int_equal(output.appended, expected.length);
            if (random_below(&random, 3) == 0) {
                uint64_t until = random_below(&random, output.appended + 2);
                size_t most = (size_t)random_magnitude(&random) % 300000;
                send_some(&output, until, most, &sent);
                assert_int_equal(output.sent, sent.length);
                assert_true(kept.piece == NULL || sent.length <= kept.at);
            }
        }
        if (kept.piece != NULL) { /* with nothing: so nothing is there */
            output_fill(&output, kept.piece, "", 0);
        }
        send_all(&output, &sent);
        assert_true(slice_equal(buf_slice(&sent), buf_slice(&expected)));
        assert_null(output.first);
        output_free(&output);
        buf_free(&expected);
        buf_free(&sent);
    }
    assert_int_equal(counted_memory_blocks(), blocks);
}

static void nothing_is_sent_behind_its_position(void **state) {
    (void)state;
    struct output output = {0};
    struct slice slices[SLICES];
    output_append(&output, "hello", 5);
    uint64_t position = output.appended;
    output_append(&output, " world", 6);
    assert_int_equal(output_gather(&output, position, slices, SLICES), 1);
    assert_true(slice_equal(slices[0], slice_of("hello")));
    output_advance(&output, 2);
    assert_int_equal(output_gather(&output, position, slices, SLICES), 1);
    assert_true(slice_equal(slices[0], slice_of("llo")));
    output_advance(&output, 3);
    assert_int_equal(output_gather(&output, position, slices, SLICES), 0);
    assert_int_equal(output_gather(&output, 0, slices, SLICES), 0);
    assert_int_equal(output_pending(&output), 6);
    output_free(&output);
}

/* Much is not copied. */
static void much_is_taken_over(void **state) {
    (void)state;
    for (size_t less = 0; less < 2; less++) {
        struct output output = {0};
        struct buf buf = {0};
        struct slice slices[SLICES];
        static unsigned char bytes[OUTPUT_TAKE_BYTES];
        assert_ok(buf_append(&buf, bytes, sizeof bytes - less));
        const unsigned char *data = buf.data;
        size_t capacity = buf.capacity;
        output_append_buf(&output, &buf);
        assert_true(output_gather(&output, output.appended, slices, SLICES) >= 1);
        assert_int_equal(slices[0].data == data, less == 0);
        assert_int_equal(buf.length, 0);
        assert_int_equal(buf.capacity, less == 0 ? 0 : capacity); /* kept for the next */
        buf_free(&buf);
        output_free(&output);
    }
}

static void what_waits_is_joined(void **state) {
    (void)state;
    struct output to = {0}, from = {0}, empty = {0};
    struct buf sent = {0};
    output_join(&to, &empty);
    assert_int_equal(output_pending(&to), 0);
    output_append(&from, "first", 5);
    output_join(&to, &from);
    assert_int_equal(output_pending(&from), 0);
    assert_int_equal(send_some(&to, to.appended, 2, &sent), 2);
    output_append(&to, " second", 7);
    output_append(&from, " third", 6);
    output_join(&to, &from);
    output_join(&to, &empty);
    output_append(&to, " fourth", 7);
    assert_int_equal(to.appended, 25);
    send_all(&to, &sent);
    assert_true(slice_equal(buf_slice(&sent), slice_of("first second third fourth")));
    output_free(&from);
    output_free(&to);
    buf_free(&sent);
}

/* Pieces grow with what waits, so there are few of them. */
static void pieces_are_few(void **state) {
    (void)state;
    struct output output = {0};
    size_t before = counted_memory_blocks(), calls = counted_memory_calls();
    static const char bytes[100];
    output_append(&output, bytes, 1);
    assert_true(counted_memory_bytes() <= 2048);
    for (int i = 0; i < 10000; i++) {
        output_append(&output, bytes, sizeof bytes);
    }
    assert_true(counted_memory_calls() - calls <= 32);
    output_advance(&output, 1000000);
    assert_true(counted_memory_blocks() - before <= 1);
    output_free(&output);
}

/* Whatever fails, what is already there is whole, and no later reply follows a gap. */
static void no_memory_is_the_end(void **state) {
    (void)state;
    size_t blocks = counted_memory_blocks(), failures = 0;
    static unsigned char bytes[OUTPUT_TAKE_BYTES];
    bool failed = true;
    for (size_t countdown = 1; failed; countdown++) {
        struct output output = {0}, other = {0};
        struct buf buf = {0};
        assert_ok(buf_append(&buf, bytes, sizeof bytes));
        counted_memory_fail(countdown, false);
        output_append(&output, bytes, 3000);
        struct output_piece *piece = output_later(&output);
        output_append_buf(&output, &buf);
        output_append(&other, "x", 1);
        output_join(&output, &other);
        output_append(&output, bytes, 100);
        output_fill(&output, piece, "abc", 3);
        failed = counted_memory_failed();
        counted_memory_fail(0, false);
        assert_int_equal(output.status, failed ? STATUS_NO_MEMORY : STATUS_OK);
        uint64_t appended = output.appended;
        output_append(&output, bytes, 1);
        assert_int_equal(output.appended - appended, failed ? 0 : 1);
        failures += failed;
        output_free(&output);
        buf_free(&buf);
        assert_int_equal(counted_memory_blocks(), blocks);
    }
    assert_in_range(failures, 4, 20);
}

/* A part is never cut; but none is begun while more wait than may. */
static void parts_are_bounded(void **state) {
    (void)state;
    static unsigned char bytes[1000];
    struct output output = {.most_bytes = 1000};
    for (size_t i = 0; i < 2; i++) {
        output_begin_part(&output);
        output_append(&output, bytes, 1000);
        output_append(&output, bytes, 1);
        output_advance(&output, i == 0 ? 1 : 1001);
    }
    assert_int_equal(output.status, STATUS_OK);
    output_begin_part(&output); /* just as many as may */
    output_append(&output, bytes, 1);
    assert_int_equal(output.status, STATUS_OK);
    output_begin_part(&output);
    output_append(&output, bytes, 1);
    assert_int_equal(output.status, STATUS_LIMIT);
    assert_int_equal(output_pending(&output), 1001);
    output_free(&output);
    struct buf buf = {0}; /* a long one, of which most is sent */
    assert_ok(buf_reserve(&buf, 100000));
    memset(buf.data, 'v', 100000);
    buf.length = 100000;
    output.most_bytes = 10000;
    output_begin_part(&output);
    output_append_buf(&output, &buf);
    output_advance(&output, 99500);
    output_begin_part(&output);
    assert_int_equal(output.status, STATUS_OK);
    output_free(&output);
    output.most_bytes = 0;
    output_append(&output, bytes, 1000);
    output_begin_part(&output);
    assert_int_equal(output.status, STATUS_OK);
    output_free(&output);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_bounded),
        cmocka_unit_test(what_goes_in_comes_out),
        cmocka_unit_test(nothing_is_sent_behind_its_position),
        cmocka_unit_test(much_is_taken_over),
        cmocka_unit_test(what_waits_is_joined),
        cmocka_unit_test(pieces_are_few),
        cmocka_unit_test(no_memory_is_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
