/* Requests are understood as Redis 7.0 understands them, however their bytes are cut. */
#define TEST_HAS_STAGE
#include "../common/support.h"

#include "counted_memory.h"
#include "feed.h"

#define BROKEN "! ERR Protocol error: "

/* Small enough that a short input meets them. */
static const struct resp_limits limits = {1000, 3000, 100, 50};

#define ROW(bytes, story)                                                                \
    { bytes, sizeof(bytes) - 1, story }

static const struct {
    const char *bytes;
    size_t count;
    const char *story;
} rows[] = {
    /* arrays */
    ROW("", ""),
    ROW("*1\r\n$4\r\nPING\r\n", "[PING]|"),
    ROW("*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", "[PING]|[GET][k]|"),
    ROW("*3\r\n$3\r\nSET\r\n$0\r\n\r\n$0\r\n\r\n", "[SET][][]|"),
    ROW("*2\r\n$4\r\nECHO\r\n$8\r\n\r\n$\0*\1\xff\n\r\n",
        "[ECHO][\\x0d\\x0a$\\x00*\\x01\\xff\\x0a]|"),
    ROW("*2\r\n$4\r\nECHO\r\n$5\r\nhel", ""),
    ROW("*1\r\n$4\r\nPING\r", ""),
    ROW("*1\r\n$4\r\nPINGab*1\r\n$1\r\nx\r\n", "[PING]|[x]|"), /* Redis does not look */
    ROW("*1\rx$1\rxa\r\n", "[a]|"),
    /* nothing asked for */
    ROW("*0\r\n", ""),
    ROW("*-1\r\n*-10\r\n*1\r\n$1\r\na\r\n", "[a]|"),
    ROW("\r\n\n  \r\n\t\n*0\r\nPING\r\n", "[PING]|"),
    ROW("*-9223372036854775808\r\nPING\n", "[PING]|"),
    /* counts that are none */
    ROW("*3000000000\r\n", BROKEN "invalid multibulk length"),
    ROW("*51\r\n", BROKEN "invalid multibulk length"),
    ROW("*50\r\n", ""),
    ROW("*\r\n", BROKEN "invalid multibulk length"),
    ROW("*abc\r\n", BROKEN "invalid multibulk length"),
    ROW("*1 \r\n", BROKEN "invalid multibulk length"),
    ROW("*+1\r\n", BROKEN "invalid multibulk length"),
    ROW("*01\r\n", BROKEN "invalid multibulk length"),
    ROW("*99999999999999999999\r\n", BROKEN "invalid multibulk length"),
    ROW("PING\r\n*x\r\nPING\r\n", "[PING]|" BROKEN "invalid multibulk length"),
    ROW("*1\r\n$-10\r\n", BROKEN "invalid bulk length"),
    ROW("*1\r\n$-1\r\n", BROKEN "invalid bulk length"),
    ROW("*1\r\n$2000000000\r\n", BROKEN "invalid bulk length"),
    ROW("*1\r\n$1001\r\n", BROKEN "invalid bulk length"),
    ROW("*1\r\n$1000\r\n", ""),
    ROW("*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$blabla\r\n", BROKEN "invalid bulk length"),
    ROW("*1\r\n$\r\n", BROKEN "invalid bulk length"),
    ROW("*2\r\n$3\r\nGET\r\nk\r\n", BROKEN "expected '$', got 'k'"),
    ROW("*1\r\n:1\r\n", BROKEN "expected '$', got ':'"),
    ROW("*1\r\n\r\n", BROKEN "expected '$', got ' '"),
    ROW("*1\r\n\n\r\n", BROKEN "expected '$', got ' '"),
    ROW("*1\r\n\0\r\n", BROKEN "expected '$', got ' '"),
    ROW("*2\r\n*1\r\n$1\r\na\r\n", BROKEN "expected '$', got '*'"),
    /* inline */
    ROW("PING\r\n", "[PING]|"),
    ROW("PING\n", "[PING]|"),
    ROW("  SET  key\tvalue \r\nGET key\n", "[SET][key][value]|[GET][key]|"),
    ROW("PING", ""),
    ROW("$3\r\nGET\r\n", "[$3]|[GET]|"),
    ROW("GET /index.html HTTP/1.1\r\nHost: a\r\n\r\n",
        "[GET][/index.html][HTTP/1.1]|[Host:][a]|"),
    ROW("SET k \"a b\"\n", "[SET][k][a\\x20b]|"),
    ROW("SET k 'a b'\r\n", "[SET][k][a\\x20b]|"),
    ROW("SET \"\" ''\n", "[SET][][]|"),
    ROW("ECHO \"\\n\\r\\t\\a\\b\\x00\\xFf\\q\\\\\\\"\"\n",
        "[ECHO][\\x0a\\x0d\\x09\\x07\\x08\\x00\\xffq\\x5c\"]|"),
    ROW("ECHO \"\\xg1\\x1\"\n", "[ECHO][xg1x1]|"),
    ROW("ECHO 'it\\'s' '\\n\\x41'\n", "[ECHO][it's][\\x5cn\\x5cx41]|"),
    ROW("ECHO a\"b c\" d'e f'\n", "[ECHO][ab\\x20c][de\\x20f]|"),
    ROW("ECHO a\\nb\n", "[ECHO][a\\x5cnb]|"),
    ROW("ECHO a\0b \0\n", "[ECHO][a\\x00b][\\x00]|"),
    ROW("ECHO a\vb \v c\n", "[ECHO][a\\x0bb][c]|"),
    ROW("ECHO \"\n", BROKEN "unbalanced quotes in request"),
    ROW("ECHO 'a\r\n", BROKEN "unbalanced quotes in request"),
    ROW("ECHO \"a\\\"\n", BROKEN "unbalanced quotes in request"),
    ROW("ECHO 'a\\'\n", BROKEN "unbalanced quotes in request"),
    ROW("ECHO \"a\\\r\n", BROKEN "unbalanced quotes in request"),
    ROW("ECHO \"a\"b\n", BROKEN "unbalanced quotes in request"),
    ROW("ECHO 'a''b'\n", BROKEN "unbalanced quotes in request"),
    ROW("PING\nECHO \"a\"b\nPING\n", "[PING]|" BROKEN "unbalanced quotes in request"),
    ROW("ECHO \"a\"\vb\n", "[ECHO][a][b]|"),
    /* one kind behind the other */
    ROW("PING\r\n*1\r\n$4\r\nPING\r\n*0\r\nPING\n\n*1\r\n$1\r\n*\r\n",
        "[PING]|[PING]|[PING]|[*]|"),
};

static void expect_story(struct feed *feed, const char *story, struct slice bytes,
                         size_t cut, size_t piece) {
    const char *told = feed_story(feed);
    if (strcmp(told, story) != 0) {
        fail_msg("\"%.*s\", cut at %zu and every %zu: \"%s\", not \"%s\"",
                 (int)bytes.length, bytes.data, cut, piece, told, story);
    }
}

static void known_requests(void **state) {
    (void)state;
    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
        struct slice bytes = slice_make(rows[row].bytes, rows[row].count);
        for (size_t cut = 0; cut <= bytes.length; cut++) {
            for (size_t piece = 1; piece < 4; piece++) {
                struct feed feed;
                struct slice rest = bytes;
                feed_begin(&feed, &limits, true);
                feed_bytes(&feed, slice_make(bytes.data, cut), SIZE_MAX);
                slice_advance(&rest, cut);
                feed_bytes(&feed, rest, piece < 3 ? piece : SIZE_MAX);
                expect_story(&feed, rows[row].story, bytes, cut, piece);
                feed_end(&feed);
            }
        }
    }
}

/* What was said once is said again: the parser stands where it was broken. */
static void an_end_is_final(void **state) {
    (void)state;
    struct feed feed;
    struct resp_request request;
    struct error error = {0};
    feed_begin(&feed, &limits, true);
    feed_bytes(&feed, slice_of("PING\r\n*1\r\n$x\r\nPING\r\n"), SIZE_MAX);
    assert_string_equal(feed_story(&feed), "[PING]|" BROKEN "invalid bulk length");
    assert_int_equal(resp_parser_next(&feed.parser, &request, &error), STATUS_INVALID);
    assert_string_equal(error.message, "ERR Protocol error: invalid bulk length");
    feed_end(&feed);
}

/* ---- random requests ------------------------------------------------------------- */

enum { WORDS_MAX = 40 };

static void append(struct buf *buf, const char *text) {
    assert_ok(buf_append_text(buf, text));
}

/* As feed.c tells it. */
static void tell(struct buf *story, struct slice word) {
    append(story, "[");
    for (size_t i = 0; i < word.length; i++) {
        unsigned char byte = word.data[i];
        bool special = byte == '[' || byte == ']' || byte == '\\';
        assert_ok(buf_printf(
            story, byte <= ' ' || byte > '~' || special ? "\\x%02x" : "%c", byte));
    }
    append(story, "]");
}

static void write_bulk(struct buf *bytes, struct slice word) {
    assert_ok(buf_printf(bytes, "$%zu\r\n", word.length));
    assert_ok(buf_append_slice(bytes, word));
    append(bytes, "\r\n");
}

/* Quoted in one of the ways that keep it. */
static void write_word(struct buf *bytes, struct slice word, uint64_t *random) {
    bool single = random_below(random, 2) == 0 &&
                  memchr(word.data, '\n', word.length) == NULL &&
                  memchr(word.data, '\\', word.length) == NULL;
    append(bytes, single ? " '" : " \"");
    for (size_t i = 0; i < word.length; i++) {
        unsigned char byte = word.data[i];
        if (single) {
            assert_ok(buf_printf(bytes, byte == '\'' ? "\\%c" : "%c", byte));
        } else if (byte == '\n' || random_below(random, 3) == 0) {
            assert_ok(buf_printf(bytes, "\\x%02x", byte));
        } else {
            assert_ok(
                buf_printf(bytes, byte == '"' || byte == '\\' ? "\\%c" : "%c", byte));
        }
    }
    append(bytes, single ? "'" : "\"");
}

/* Sizes lie about those at which the parser goes another way. */
static size_t random_size(uint64_t *random) {
    static const size_t edges[] = {RESP_LONG_BYTES,     RESP_READ_BYTES,
                                   2 * RESP_LONG_BYTES, 4 * RESP_READ_BYTES,
                                   RESP_READ_BYTES / 4, 200000};
    if (random_below(random, 40) > 0) {
        return (size_t)random_below(random, 30);
    }
    size_t edge = edges[random_below(random, sizeof edges / sizeof edges[0])];
    return edge - 20 + (size_t)random_below(random, 40);
}

static void add_request(struct buf *bytes, struct buf *story, uint64_t *random) {
    static unsigned char word[200020];
    bool is_inline = random_below(random, 4) == 0;
    size_t count = 1 + (size_t)random_below(random, WORDS_MAX);
    if (!is_inline) {
        assert_ok(buf_printf(bytes, "*%zu\r\n", count));
    }
    for (size_t i = 0; i < count; i++) {
        size_t length =
            is_inline ? (size_t)random_below(random, 30) : random_size(random);
        bool binary = length < 30 && random_below(random, 2) == 0;
        uint64_t seed = random_next(random);
        for (size_t at = 0; at < length; at++) {
            word[at] = binary ? (unsigned char)random_next(random)
                              : (unsigned char)('a' + (seed + at) % 26);
        }
        if (is_inline) {
            write_word(bytes, slice_make(word, length), random);
        } else {
            write_bulk(bytes, slice_make(word, length));
        }
        tell(story, slice_make(word, length));
    }
    append(bytes, is_inline ? "\r\n" : "");
    append(story, "|");
}

static void feed_cut(struct feed *feed, struct slice bytes, uint64_t *random) {
    while (bytes.length > 0 && feed->status == STATUS_NOT_FOUND) {
        size_t part = (size_t)(random_magnitude(random) % (bytes.length + 1));
        feed_bytes(feed, slice_make(bytes.data, part),
                   random_below(random, 2) == 0 ? SIZE_MAX : 1 + part / 3);
        slice_advance(&bytes, part);
    }
}

static void random_requests_come_through(void **state) {
    (void)state;
    uint64_t random = test_seed();
    const struct resp_limits wide = resp_limits_default();
    for (int round = 0; round < 150; round++) {
        struct buf bytes = {0}, story = {0};
        struct feed feed;
        size_t count = 1 + (size_t)random_below(&random, 20);
        for (size_t i = 0; i < count; i++) {
            add_request(&bytes, &story, &random);
        }
        for (int cut = 0; cut < 3; cut++) {
            feed_begin(&feed, &wide, true);
            if (cut == 0) {
                feed_bytes(&feed, buf_slice(&bytes), round % 10 == 0 ? 1 : SIZE_MAX);
            } else {
                feed_cut(&feed, buf_slice(&bytes), &random);
            }
            feed_story(&feed);
            assert_int_equal(feed.status, STATUS_NOT_FOUND);
            assert_true(slice_equal(buf_slice(&feed.story), buf_slice(&story)));
            feed_end(&feed);
        }
        buf_free(&bytes);
        buf_free(&story);
    }
}

/* Bytes changed at random: whatever they mean now, they mean it however they are cut. */
static void cuts_change_nothing(void **state) {
    (void)state;
    uint64_t random = test_seed();
    size_t broken = 0;
    for (int round = 0; round < 4000; round++) {
        unsigned char bytes[300];
        size_t length = 0;
        while (length < 200) {
            size_t row = (size_t)random_below(&random, sizeof rows / sizeof rows[0]);
            memcpy(bytes + length, rows[row].bytes, rows[row].count);
            length += rows[row].count;
        }
        for (size_t i = random_below(&random, 4); i > 0; i--) {
            static const char likely[] = "*$\r\n0123456789-\"'\\ x\0";
            bytes[random_below(&random, length)] =
                (unsigned char)likely[random_below(&random, sizeof likely)];
        }
        struct feed whole, cut;
        feed_begin(&whole, &limits, round % 2 == 0);
        feed_begin(&cut, &limits, round % 2 == 0);
        feed_bytes(&whole, slice_make(bytes, length), SIZE_MAX);
        feed_bytes(&cut, slice_make(bytes, length), 1 + (size_t)random_below(&random, 5));
        expect_story(&cut, feed_story(&whole), slice_make(bytes, length), 0, 0);
        broken += whole.status == STATUS_INVALID;
        feed_end(&whole);
        feed_end(&cut);
    }
    assert_in_range(broken, 400, 3990);
}

/* ---- a look ahead ---------------------------------------------------------------- */

/* Second arguments that were announced for the requests to come. */
struct announced {
    struct buf first;
    struct buf seconds[4];
    size_t count, next;
};

static void announce(struct announced *announced, const struct resp_parser *parser,
                     const struct resp_request *request) {
    struct slice seconds[4];
    announced->next = 0;
    announced->count = resp_parser_alike(parser, seconds, 4);
    buf_clear(&announced->first);
    assert_int_equal(buf_append_slice(&announced->first, request->arguments[0]),
                     STATUS_OK);
    for (size_t i = 0; i < announced->count; i++) {
        buf_clear(&announced->seconds[i]);
        assert_int_equal(buf_append_slice(&announced->seconds[i], seconds[i]), STATUS_OK);
    }
}

static void expect_announced(struct announced *announced,
                             const struct resp_request *request) {
    if (announced->next == announced->count) {
        return;
    }
    assert_int_equal(request->count, 2);
    assert_true(slice_equal(request->arguments[0], buf_slice(&announced->first)));
    assert_true(slice_equal(request->arguments[1],
                            buf_slice(&announced->seconds[announced->next++])));
}

/* Answers how many were announced. */
static size_t read_announced(struct slice bytes, size_t piece) {
    struct resp_parser parser;
    struct resp_request request;
    struct announced announced = {0};
    struct error error = {0};
    enum status status = STATUS_NOT_FOUND;
    size_t all = 0;
    resp_parser_init(&parser, &limits, true);
    while (bytes.length > 0 && status == STATUS_NOT_FOUND) {
        unsigned char *to;
        size_t count;
        assert_int_equal(resp_parser_room(&parser, &to, &count), STATUS_OK);
        count = count < piece ? count : piece;
        count = count < bytes.length ? count : bytes.length;
        memcpy(to, bytes.data, count);
        slice_advance(&bytes, count);
        resp_parser_filled(&parser, count);
        while ((status = resp_parser_next(&parser, &request, &error)) == STATUS_OK) {
            bool told = announced.next < announced.count;
            expect_announced(&announced, &request);
            if (!told) {
                announce(&announced, &parser, &request);
                all += announced.count;
            }
        }
    }
    assert_int_equal(announced.next, announced.count);
    for (size_t i = 0; i < 4; i++) {
        buf_free(&announced.seconds[i]);
    }
    buf_free(&announced.first);
    resp_parser_free(&parser);
    return all;
}

/* Of twelve requests that are alike and came at once the first is told of four, the sixth
 * of four, the eleventh of one. */
static void requests_are_announced(void **state) {
    (void)state;
    static const char *const get = "*2\r\n$3\r\nGET\r\n$4\r\nk\r\n1\r\n";
    struct buf bytes = {0};
    for (int i = 0; i < 12; i++) {
        append(&bytes, get);
    }
    assert_int_equal(read_announced(buf_slice(&bytes), SIZE_MAX), 9);
    assert_int_equal(read_announced(slice_make(bytes.data, bytes.length - 1), SIZE_MAX),
                     8); /* the last one is not whole */
    assert_int_equal(read_announced(buf_slice(&bytes), 1), 0);
    buf_free(&bytes);
}

/* What is announced comes, whatever stands around it, and however it is cut or spoilt. */
static void announced_requests_come(void **state) {
    (void)state;
    static const char *const pieces[] = {"*2\r\n$3\r\nGET\r\n$1\r\na\r\n",
                                         "*2\r\n$3\r\nGET\r\n$2\r\n\r\n\r\n",
                                         "*2\r\n$3\r\nGET\r\n$0\r\n\r\n",
                                         "*2\r\n$3\r\nget\r\n$1\r\na\r\n",
                                         "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n",
                                         "GET a\r\n",
                                         "*0\r\n",
                                         "*2\r\n$4\r\nECHO\r\n$3\r\nabc\r\n",
                                         "*1\r\n$4\r\nPING\r\n"};
    uint64_t random = test_seed();
    size_t all = 0;
    for (int round = 0; round < 3000; round++) {
        struct buf bytes = {0};
        for (size_t i = random_below(&random, 12); i > 0; i--) {
            size_t most = random_below(&random, 3) == 0 ? 9 : 3;
            append(&bytes, pieces[random_below(&random, most)]);
        }
        if (bytes.length > 0 && random_below(&random, 4) == 0) {
            static const char likely[] = "*$\r\n0123456789-a";
            bytes.data[random_below(&random, bytes.length)] =
                (unsigned char)likely[random_below(&random, sizeof likely)];
        }
        all += read_announced(buf_slice(&bytes), 1 + random_magnitude(&random) % 300);
        buf_free(&bytes);
    }
    assert_true(all > 1000);
}

/* ---- no memory ------------------------------------------------------------------- */

/* Only the parser's own memory is to fail, so nothing is told. */
static enum status swallow(struct resp_parser *parser, struct slice bytes) {
    struct resp_request request;
    enum status status = STATUS_NOT_FOUND;
    while (bytes.length > 0 && status == STATUS_NOT_FOUND) {
        unsigned char *to;
        size_t count;
        status = resp_parser_room(parser, &to, &count);
        if (status != STATUS_OK) {
            return status;
        }
        count = count < bytes.length ? count : bytes.length;
        memcpy(to, bytes.data, count);
        resp_parser_filled(parser, count);
        slice_advance(&bytes, count);
        do {
            status = resp_parser_next(parser, &request, NULL);
        } while (status == STATUS_OK);
    }
    return status;
}

static void any_allocation_may_fail(void **state) {
    (void)state;
    const struct resp_limits wide = resp_limits_default();
    struct buf bytes = {0};
    static unsigned char word[200000];
    append(&bytes, "a b c d e f g h i j k l m n o p q r s t u v w x y z\r\n*90\r\n");
    for (size_t i = 0; i < 90; i++) {
        write_bulk(&bytes, slice_make(word, i % 9 == 0 ? 100000 + i : 2000 + i));
    }
    size_t blocks = counted_memory_blocks(), failures = 0;
    bool failed = true;
    for (size_t countdown = 1; failed; countdown++) {
        struct resp_parser parser;
        resp_parser_init(&parser, &wide, true);
        counted_memory_fail(countdown, false);
        enum status status = swallow(&parser, buf_slice(&bytes));
        failed = counted_memory_failed();
        counted_memory_fail(0, false);
        assert_int_equal(status, failed ? STATUS_NO_MEMORY : STATUS_NOT_FOUND);
        failures += failed;
        resp_parser_free(&parser);
        assert_int_equal(counted_memory_blocks(), blocks);
    }
    assert_in_range(failures, 20, 100);
    buf_free(&bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_requests),
        cmocka_unit_test(an_end_is_final),
        cmocka_unit_test(random_requests_come_through),
        cmocka_unit_test(cuts_change_nothing),
        cmocka_unit_test(requests_are_announced),
        cmocka_unit_test(announced_requests_come),
        cmocka_unit_test(any_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
