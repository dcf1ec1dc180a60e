/* Every kind of reply, byte for byte, in both protocols. */
#define TEST_HAS_STAGE
#include "../common/support.h"

#include <math.h>

#include "counted_memory.h"
#include "resp_writer.h"

/* A writer, and what it wrote. */
struct session {
    struct output output;
    struct resp_writer writer;
    struct buf written;
};

static struct resp_writer *begin(struct session *session, int protocol) {
    *session = (struct session){0};
    session->writer =
        (struct resp_writer){.output = &session->output, .protocol = protocol};
    return &session->writer;
}

static void end(struct session *session, const char *bytes, size_t count) {
    struct slice slices[4];
    size_t found;
    assert_int_equal(session->output.status, STATUS_OK);
    while ((found = output_gather(&session->output, UINT64_MAX, slices, 4)) > 0) {
        for (size_t i = 0; i < found; i++) {
            assert_ok(buf_append_slice(&session->written, slices[i]));
            output_advance(&session->output, slices[i].length);
        }
    }
    assert_int_equal(output_pending(&session->output), 0);
    if (!slice_equal(buf_slice(&session->written), slice_make(bytes, count))) {
        fail_msg("\"%.*s\", not \"%s\"", (int)session->written.length,
                 session->written.data, bytes);
    }
    output_free(&session->output);
    buf_free(&session->written);
}

#define EXPECT(call, resp2, resp3)                                                       \
    do {                                                                                 \
        struct session session;                                                          \
        struct resp_writer *w = begin(&session, 2);                                      \
        call;                                                                            \
        end(&session, resp2, sizeof(resp2) - 1);                                         \
        w = begin(&session, 3);                                                          \
        call;                                                                            \
        end(&session, resp3, sizeof(resp3) - 1);                                         \
    } while (0)

#define EXPECT_BOTH(call, bytes) EXPECT(call, bytes, bytes)

static void golden_bytes(void **state) {
    (void)state;
    EXPECT_BOTH(resp_write_simple(w, "OK"), "+OK\r\n");
    EXPECT_BOTH(resp_write_error(w, "ERR syntax error"), "-ERR syntax error\r\n");
    EXPECT_BOTH(resp_write_error(w, "ERR a\r\nb\n"), "-ERR a  b\r\n");
    EXPECT_BOTH(resp_write_errorf(w, "ERR unknown command '%s'", "a\r\nb"),
                "-ERR unknown command 'a  b'\r\n");
    EXPECT_BOTH(resp_write_integer(w, 0), ":0\r\n");
    EXPECT_BOTH(resp_write_integer(w, INT64_MIN), ":-9223372036854775808\r\n");
    EXPECT_BOTH(resp_write_integer(w, INT64_MAX), ":9223372036854775807\r\n");
    EXPECT_BOTH(resp_write_bulk(w, slice_of("")), "$0\r\n\r\n");
    EXPECT_BOTH(resp_write_bulk(w, slice_make("a\r\n\0", 4)), "$4\r\na\r\n\0\r\n");
    EXPECT(resp_write_null(w), "$-1\r\n", "_\r\n");
    EXPECT(resp_write_null_array(w), "*-1\r\n", "_\r\n");
    EXPECT(resp_write_boolean(w, true), ":1\r\n", "#t\r\n");
    EXPECT(resp_write_boolean(w, false), ":0\r\n", "#f\r\n");
    EXPECT(resp_write_double(w, 1.5), "$3\r\n1.5\r\n", ",1.5\r\n");
    EXPECT(resp_write_double(w, 3.1), "$18\r\n3.1000000000000001\r\n",
           ",3.1000000000000001\r\n");
    EXPECT(resp_write_double(w, -INFINITY), "$4\r\n-inf\r\n", ",-inf\r\n");
    EXPECT(resp_write_big_number(w, slice_of("-12345678901234567890123")),
           "$24\r\n-12345678901234567890123\r\n", "(-12345678901234567890123\r\n");
    EXPECT(resp_write_verbatim(w, "txt", slice_of("abc")), "$3\r\nabc\r\n",
           "=7\r\ntxt:abc\r\n");
    EXPECT_BOTH(resp_write_aggregate(w, RESP_ARRAY, 0), "*0\r\n");
    EXPECT_BOTH(resp_write_aggregate(w, RESP_ARRAY, 1048576), "*1048576\r\n");
    EXPECT(resp_write_aggregate(w, RESP_MAP, 3), "*6\r\n", "%3\r\n");
    EXPECT(resp_write_aggregate(w, RESP_SET, 3), "*3\r\n", "~3\r\n");
    EXPECT(resp_write_aggregate(w, RESP_PUSH, 3), "*3\r\n", ">3\r\n");
}

static void nested(struct resp_writer *w) {
    struct output_piece *outer = resp_begin_aggregate(w);
    struct output_piece *empty = resp_begin_aggregate(w);
    resp_end_aggregate(w, empty, RESP_ARRAY, 0);
    struct output_piece *inner = resp_begin_aggregate(w);
    resp_write_bulk(w, slice_of("field"));
    resp_write_integer(w, 1);
    resp_end_aggregate(w, inner, RESP_MAP, 1);
    resp_write_null(w);
    resp_end_aggregate(w, outer, RESP_ARRAY, 3);
    resp_write_simple(w, "OK");
}

static void counts_known_late(void **state) {
    (void)state;
    EXPECT(nested(w), "*3\r\n*0\r\n*2\r\n$5\r\nfield\r\n:1\r\n$-1\r\n+OK\r\n",
           "*3\r\n*0\r\n%1\r\n$5\r\nfield\r\n:1\r\n_\r\n+OK\r\n");
}

/* An element that is still to be counted keeps back what follows, not what was before. */
static void an_open_count_holds_back(void **state) {
    (void)state;
    struct session session;
    struct slice slices[4];
    struct resp_writer *w = begin(&session, 3);
    resp_write_simple(w, "OK");
    struct output_piece *begun = resp_begin_aggregate(w);
    resp_write_integer(w, 5);
    assert_int_equal(output_gather(&session.output, UINT64_MAX, slices, 4), 1);
    assert_true(slice_equal(slices[0], slice_of("+OK\r\n")));
    output_advance(&session.output, 5);
    assert_int_equal(output_gather(&session.output, UINT64_MAX, slices, 4), 0);
    resp_end_aggregate(w, begun, RESP_SET, 1);
    end(&session, "~1\r\n:5\r\n", 8);
}

/* Of any length, copied or taken over. */
static void values_of_any_length(void **state) {
    (void)state;
    uint64_t random = test_seed();
    static const size_t lengths[] = {0,
                                     1,
                                     OUTPUT_PIECE_LEAST,
                                     OUTPUT_TAKE_BYTES - 1,
                                     OUTPUT_TAKE_BYTES,
                                     3 * OUTPUT_PIECE_MOST};
    size_t blocks = counted_memory_blocks();
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct buf value = {0}, expected = {0};
        struct session session;
        struct resp_writer *w = begin(&session, 2);
        for (size_t at = 0; at < lengths[i]; at++) {
            unsigned char byte = (unsigned char)random_next(&random);
            assert_ok(buf_append(&value, &byte, 1));
        }
        for (int copy = 0; copy < 2; copy++) {
            assert_ok(buf_printf(&expected, "$%zu\r\n", value.length));
            assert_ok(buf_append_slice(&expected, buf_slice(&value)));
            assert_ok(buf_append_text(&expected, "\r\n"));
        }
        resp_write_bulk(w, buf_slice(&value));
        resp_write_bulk_buf(w, &value);
        assert_int_equal(value.length, 0);
        assert_int_equal(output_pending(&session.output), expected.length);
        end(&session, (const char *)expected.data, expected.length);
        buf_free(&expected);
        buf_free(&value);
    }
    assert_int_equal(counted_memory_blocks(), blocks);
}

static void long_errors_are_cut(void **state) {
    (void)state;
    static char text[2 * ERROR_MESSAGE_BYTES];
    memset(text, 'x', sizeof text - 1);
    struct session session;
    struct resp_writer *w = begin(&session, 2);
    resp_write_errorf(w, "%s", text);
    char expected[ERROR_MESSAGE_BYTES + 3] = "-";
    memcpy(expected + 1, text, ERROR_MESSAGE_BYTES - 1);
    strcat(expected, "\r\n");
    end(&session, expected, strlen(expected));
}

static void nothing_is_said_while_muted(void **state) {
    (void)state;
    struct session session;
    struct buf value = {0};
    struct resp_writer *w = begin(&session, 3);
    static unsigned char bytes[OUTPUT_TAKE_BYTES];
    w->muted = true;
    nested(w);
    resp_write_error(w, "ERR a");
    resp_write_double(w, 1);
    assert_ok(buf_append(&value, bytes, sizeof bytes));
    resp_write_bulk_buf(w, &value);
    assert_int_equal(value.length, 0);
    buf_free(&value);
    w->muted = false;
    resp_write_integer(w, 1);
    end(&session, ":1\r\n", 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_bytes),
        cmocka_unit_test(counts_known_late),
        cmocka_unit_test(an_open_count_holds_back),
        cmocka_unit_test(values_of_any_length),
        cmocka_unit_test(long_errors_are_cut),
        cmocka_unit_test(nothing_is_said_while_muted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
