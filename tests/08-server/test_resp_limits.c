/* What a client can cost: limits, memory that follows the bytes, work that does too. */
#define TEST_HAS_STAGE
#include "../common/support.h"

#include "counted_memory.h"
#include "feed.h"

#define BROKEN "! ERR Protocol error: "

static const struct resp_limits defaults = {(size_t)512 << 20, (size_t)1 << 30, 64 << 10,
                                            1 << 20};

static void the_limits_are_those_of_redis(void **state) {
    (void)state;
    struct resp_limits limits = resp_limits_default();
    assert_memory_equal(&limits, &defaults, sizeof limits);
}

static void expect(const struct resp_limits *limits, bool trusted, struct slice bytes,
                   const char *story) {
    static const size_t pieces[] = {SIZE_MAX, 1, 7};
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        struct feed feed;
        feed_begin(&feed, limits, trusted);
        feed_bytes(&feed, bytes, pieces[i]);
        assert_string_equal(feed_story(&feed), story);
        feed_end(&feed);
    }
}

static void expect_text(bool trusted, const char *text, const char *story) {
    expect(&defaults, trusted, slice_of(text), story);
}

static void counts_at_their_limits(void **state) {
    (void)state;
    expect_text(true, "*1048576\r\n$536870912\r\n", "");
    expect_text(true, "*1048577\r\n", BROKEN "invalid multibulk length");
    expect_text(true, "*1\r\n$536870913\r\n", BROKEN "invalid bulk length");
    expect_text(false, "*10\r\n$16384\r\n", "");
    expect_text(false, "*11\r\n", BROKEN "unauthenticated multibulk length");
    expect_text(false, "*1\r\n$16385\r\n", BROKEN "unauthenticated bulk length");
    expect_text(false, "*1048577\r\n", BROKEN "invalid multibulk length");
    expect_text(false, "*1\r\n$536870913\r\n", BROKEN "invalid bulk length");
}

/* What is behind a request is read by the limits that hold when it has been answered. */
static void trust_counts_from_the_next_request(void **state) {
    (void)state;
    struct resp_request request;
    struct error error = {0};
    for (int answer = 0; answer < 2; answer++) {
        struct resp_parser parser;
        unsigned char *to;
        size_t room;
        static const char bytes[] = "AUTH secret\r\n*11\r\n";
        resp_parser_init(&parser, &defaults, false);
        assert_ok(resp_parser_room(&parser, &to, &room));
        memcpy(to, bytes, sizeof bytes - 1);
        resp_parser_filled(&parser, sizeof bytes - 1);
        assert_ok(resp_parser_next(&parser, &request, &error));
        parser.trusted = answer == 1;
        assert_int_equal(resp_parser_next(&parser, &request, &error),
                         answer == 1 ? STATUS_NOT_FOUND : STATUS_INVALID);
        resp_parser_free(&parser);
    }
}

/* ---- lines ----------------------------------------------------------------------- */

static struct slice line(struct buf *buf, const char *begin, size_t filler,
                         const char *end) {
    buf_clear(buf);
    assert_ok(buf_append_text(buf, begin));
    for (size_t i = 0; i < filler; i++) {
        assert_ok(buf_append(buf, "0", 1));
    }
    assert_ok(buf_append_text(buf, end));
    return buf_slice(buf);
}

/* As many bytes as a line may have before its end, and one more. */
static void lines_at_their_limit(void **state) {
    (void)state;
    enum { MOST = 100 };
    const struct resp_limits limits = {1000, 3000, MOST, 50};
    struct buf buf = {0};
    expect(&limits, true, line(&buf, "", MOST + 1, ""), BROKEN "too big inline request");
    expect(&limits, true, line(&buf, "", MOST + 1, "\n"),
           BROKEN "too big inline request");
    expect(&limits, true, line(&buf, "", MOST, ""), "");
    expect(&limits, true, line(&buf, "*", MOST, ""), BROKEN "too big mbulk count string");
    expect(&limits, true, line(&buf, "*", MOST, "\r\n"),
           BROKEN "too big mbulk count string");
    expect(&limits, true, line(&buf, "*", MOST - 1, ""), "");
    expect(&limits, true, line(&buf, "*", MOST - 1, "\r\n"),
           BROKEN "invalid multibulk length");
    expect(&limits, true, line(&buf, "*1\r\n$", MOST, ""),
           BROKEN "too big bulk count string");
    expect(&limits, true, line(&buf, "*1\r\n$", MOST - 1, ""), "");
    expect(&limits, true, line(&buf, "*1\r\n$", MOST - 1, "\r\n"),
           BROKEN "invalid bulk length");
    expect(&limits, true, line(&buf, "*1\r\n", MOST + 1, ""),
           BROKEN "too big bulk count string");
    struct feed feed; /* the same with Redis's limit, and zero bytes */
    feed_begin(&feed, &defaults, false);
    static unsigned char zeros[(64 << 10) + 1];
    feed_bytes(&feed, slice_make(zeros, sizeof zeros - 1), SIZE_MAX);
    assert_string_equal(feed_story(&feed), "");
    feed_bytes(&feed, slice_make(zeros, 1), SIZE_MAX);
    assert_string_equal(feed_story(&feed), BROKEN "too big inline request");
    feed_end(&feed);
    buf_free(&buf);
}

/* The limit is a line's, not that of all that was read at once. */
static void many_lines_are_not_a_long_one(void **state) {
    (void)state;
    const struct resp_limits limits = {1000, 3000, 100, 50};
    struct buf bytes = {0};
    for (int i = 0; i < 20; i++) {
        assert_ok(buf_append_text(&bytes, "SET key value\r\n*1\r\n$4\r\nPING\r\n"));
    }
    static const char *const rests[] = {"GET k", "*1", "*2\r\n$3\r\nGET\r\n$1"};
    for (size_t i = 0; i < sizeof rests / sizeof rests[0]; i++) {
        struct feed feed;
        size_t length = bytes.length;
        assert_ok(buf_append_text(&bytes, rests[i]));
        feed_begin(&feed, &limits, true);
        feed_bytes(&feed, buf_slice(&bytes), SIZE_MAX);
        assert_int_equal(feed.status, STATUS_NOT_FOUND);
        assert_null(strchr(feed_story(&feed), '!'));
        feed_end(&feed);
        bytes.length = length;
    }
    buf_free(&bytes);
}

/* A request may not be longer than query_bytes, wherever its arguments are kept. */
static void requests_at_their_limit(void **state) {
    (void)state;
    struct resp_limits limits = {60000, 0, 100, 50};
    struct buf bytes = {0};
    static unsigned char word[60000];
    assert_ok(buf_append_text(&bytes, "PING\r\n*2\r\n$50000\r\n"));
    assert_ok(buf_append(&bytes, word, 50000));
    assert_ok(buf_append_text(&bytes, "\r\n$30000\r\n"));
    assert_ok(buf_append(&bytes, word, 30000));
    assert_ok(buf_append_text(&bytes, "\r\n"));
    for (size_t less = 0; less < 2; less++) {
        for (size_t piece = 1; piece < 3; piece++) {
            struct feed feed;
            limits.query_bytes = bytes.length - strlen("PING\r\n") - less;
            feed_begin(&feed, &limits, true);
            feed_bytes(&feed, buf_slice(&bytes), piece == 1 ? 1 : SIZE_MAX);
            assert_int_equal(feed.status, less == 0 ? STATUS_NOT_FOUND : STATUS_LIMIT);
            assert_int_equal(strstr(feed_story(&feed), BROKEN
                                    "request exceeds the query buffer limit") != NULL,
                             less == 1);
            feed_end(&feed);
        }
    }
    buf_free(&bytes);
}

/* ---- memory ---------------------------------------------------------------------- */

/* Feeds one byte at a time and demands that memory is never more than a constant and a
 * few times what has arrived. */
static void feed_watched(struct resp_parser *parser, struct slice bytes, size_t before) {
    struct resp_request request;
    for (size_t arrived = 1; arrived <= bytes.length; arrived++) {
        unsigned char *to;
        size_t room;
        assert_ok(resp_parser_room(parser, &to, &room));
        *to = bytes.data[arrived - 1];
        resp_parser_filled(parser, 1);
        assert_int_equal(resp_parser_next(parser, &request, NULL), STATUS_NOT_FOUND);
        size_t held = counted_memory_bytes() - before;
        if (held > 6 * RESP_READ_BYTES + 6 * arrived) {
            fail_msg("%zu bytes held for %zu", held, arrived);
        }
    }
}

static void memory_follows_what_arrives(void **state) {
    (void)state;
    static const char *const heads[] = {
        "*1048576\r\n",
        "*1048576\r\n$536870912\r\n",
        "*2\r\n$3\r\nSET\r\n$536870912\r\n",
        "*3\r\n$3\r\nSET\r\n$32768\r\n",
        "*1000000\r\n$0\r\n\r\n$0\r\n\r\n$0\r\n\r\n",
    };
    static unsigned char more[300000];
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        struct resp_parser parser;
        size_t before = counted_memory_bytes();
        resp_parser_init(&parser, &defaults, true);
        feed_watched(&parser, slice_of(heads[i]), before);
        if (parser.in_bulk) {
            feed_watched(&parser,
                         slice_make(more, parser.bulk_bytes < sizeof more
                                              ? parser.bulk_bytes
                                              : sizeof more),
                         before);
        }
        resp_parser_free(&parser);
        assert_int_equal(counted_memory_bytes(), before);
    }
}

/* Small arguments cost a slice each, once they are there. */
static void many_arguments_cost_little(void **state) {
    (void)state;
    struct buf bytes = {0};
    assert_ok(buf_append_text(&bytes, "*20000\r\n"));
    for (int i = 0; i < 19999; i++) {
        assert_ok(buf_append_text(&bytes, "$1\r\nx\r\n"));
    }
    struct resp_parser parser;
    size_t before = counted_memory_bytes();
    resp_parser_init(&parser, &defaults, true);
    feed_watched(&parser, buf_slice(&bytes), before);
    resp_parser_free(&parser);
    buf_free(&bytes);
}

/* However much comes, what has been handed out takes no room. */
static void requests_make_room_for_others(void **state) {
    (void)state;
    struct buf bytes = {0};
    for (int i = 0; i < 20000; i++) {
        assert_ok(buf_append_text(&bytes, "*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n"));
    }
    for (size_t piece = 1; piece < 20000; piece += 1999) {
        struct feed feed;
        feed_begin(&feed, &defaults, true);
        feed_bytes(&feed, buf_slice(&bytes), piece);
        assert_int_equal(feed.parser.capacity, RESP_READ_BYTES);
        feed_end(&feed);
    }
    buf_free(&bytes);
}

/* Big memory goes with the request that needed it; a client at rest holds none. */
static void memory_is_given_back(void **state) {
    (void)state;
    struct buf bytes = {0};
    static unsigned char word[30000];
    assert_ok(buf_append_text(&bytes, "*5000\r\n"));
    for (int i = 0; i < 5000; i++) {
        assert_ok(buf_printf(&bytes, "$%d\r\n", i < 20 ? 30000 : 1));
        assert_ok(buf_append(&bytes, word, i < 20 ? 30000 : 1));
        assert_ok(buf_append_text(&bytes, "\r\n"));
    }
    struct feed feed;
    feed_begin(&feed, &defaults, true);
    feed_bytes(&feed, buf_slice(&bytes), SIZE_MAX);
    assert_int_equal(feed.story.data[feed.story.length - 1], '|');
    buf_free(&feed.story);
    buf_free(&bytes);
    size_t before = counted_memory_bytes();
    feed_bytes(&feed, slice_of("PI"), SIZE_MAX);
    assert_true(counted_memory_bytes() < before - 20 * 30000);
    assert_true(feed.parser.capacity <= 4 * RESP_READ_BYTES);
    assert_true(feed.parser.argument_room <= 1024);
    resp_parser_trim(&feed.parser); /* a part of a request is there, and stays */
    feed_bytes(&feed, slice_of("NG\r\n*1\r\n"), SIZE_MAX);
    assert_string_equal(feed_story(&feed), "[PING]|");
    resp_parser_trim(&feed.parser);
    feed_bytes(&feed, slice_of("$1\r\na\r\n"), SIZE_MAX);
    assert_string_equal(feed_story(&feed), "[PING]|[a]|");
    resp_parser_trim(&feed.parser);
    assert_null(feed.parser.bytes);
    assert_null(feed.parser.arguments);
    feed_bytes(&feed, slice_of("b\n"), SIZE_MAX);
    assert_string_equal(feed_story(&feed), "[PING]|[a]|[b]|");
    feed_end(&feed);
}

/* ---- work ------------------------------------------------------------------------ */

static void expect_work(struct slice bytes, size_t piece, size_t times) {
    struct resp_parser parser;
    struct resp_request request;
    size_t fed = 0;
    resp_parser_init(&parser, &defaults, true);
    while (fed < bytes.length) {
        unsigned char *to;
        size_t room;
        assert_ok(resp_parser_room(&parser, &to, &room));
        room = room < piece ? room : piece;
        room = room < bytes.length - fed ? room : bytes.length - fed;
        memcpy(to, bytes.data + fed, room);
        resp_parser_filled(&parser, room);
        fed += room;
        enum status status;
        while ((status = resp_parser_next(&parser, &request, NULL)) == STATUS_OK) {
        }
        assert_int_equal(status, STATUS_NOT_FOUND);
        if (parser.work > times * fed + 4 * RESP_READ_BYTES) {
            fail_msg("%" PRIu64 " bytes of work for %zu, %zu at a time", parser.work, fed,
                     piece);
        }
    }
    resp_parser_free(&parser);
}

/* The same bytes are not looked at, or moved, again and again. */
static void work_follows_what_arrives(void **state) {
    (void)state;
    static const size_t pieces[] = {1, 100, 16000, SIZE_MAX};
    struct buf arguments = {0}, requests = {0}, lines = {0}, large = {0};
    static unsigned char word[1 << 20];
    assert_ok(buf_append_text(&arguments, "*20000\r\n"));
    for (int i = 0; i < 20000; i++) {
        assert_ok(buf_append_text(&arguments, "$3\r\nabc\r\n"));
        assert_ok(buf_append_text(&requests, "*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n"));
    }
    for (int i = 0; i < 10; i++) {
        for (int j = 0; j < 6000; j++) {
            assert_ok(buf_append_text(&lines, "abc\t "));
        }
        assert_ok(buf_append_text(&lines, "\n"));
    }
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        expect_work(buf_slice(&arguments), pieces[i], 8);
        expect_work(buf_slice(&requests), pieces[i], 8);
        expect_work(buf_slice(&lines), pieces[i], 8);
    }
    /* What is long is copied once at most, and read straight to where it stays. */
    assert_ok(buf_append_text(&large, "*2\r\n$3\r\nSET\r\n$1048576\r\n"));
    assert_ok(buf_append(&large, word, sizeof word));
    expect_work(buf_slice(&large), SIZE_MAX, 0);
    buf_free(&arguments);
    buf_free(&requests);
    buf_free(&lines);
    buf_free(&large);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_limits_are_those_of_redis),
        cmocka_unit_test(counts_at_their_limits),
        cmocka_unit_test(trust_counts_from_the_next_request),
        cmocka_unit_test(lines_at_their_limit),
        cmocka_unit_test(many_lines_are_not_a_long_one),
        cmocka_unit_test(requests_at_their_limit),
        cmocka_unit_test(memory_follows_what_arrives),
        cmocka_unit_test(many_arguments_cost_little),
        cmocka_unit_test(requests_make_room_for_others),
        cmocka_unit_test(memory_is_given_back),
        cmocka_unit_test(work_follows_what_arrives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
