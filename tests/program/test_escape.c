/* Escaped text, base 64, UTF-8 and records: round trips of random bytes, the exact form
 * of each, and every malformed input that a line can hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "program/base64.h"
#include "program/escape.h"
#include "program/record.h"
#include "program/utf8.h"

enum { SEED = 20261120, TRIALS = 20000, BYTES_MAX = 40 };

struct random {
    uint64_t state;
};

static uint64_t random_next(struct random *random) {
    random->state ^= random->state << 13;
    random->state ^= random->state >> 7;
    random->state ^= random->state << 17;
    return random->state;
}

/* Bytes among which escapes, near-escapes and broken UTF-8 are common. */
static struct slice random_bytes(struct random *random, unsigned char bytes[BYTES_MAX]) {
    static const unsigned char spice[] = {'\\', 'x',  't',  'n',  'u',  '0',  '"',
                                          0,    0x7f, '\t', '\n', '\r', 0xc2, 0x80,
                                          0xa0, 0xe0, 0xed, 0xf0, 0xf4, 0xff, '='};
    size_t length = random_next(random) % BYTES_MAX;
    for (size_t i = 0; i < length; i++) {
        uint64_t choice = random_next(random);
        bytes[i] = choice % 2 == 0 ? spice[choice / 2 % sizeof spice]
                                   : (unsigned char)(choice >> 8);
    }
    return slice_make(bytes, length);
}

static void assert_bytes(struct slice found, struct slice wanted) {
    assert_int_equal(found.length, wanted.length);
    assert_memory_equal(found.data, wanted.data, wanted.length);
}

static void escape_round_trip(void **state) {
    (void)state;
    struct random random = {SEED};
    struct buf text = {0}, back = {0};
    struct error error = {0};
    for (int trial = 0; trial < TRIALS; trial++) {
        unsigned char bytes[BYTES_MAX];
        struct slice wanted = random_bytes(&random, bytes);
        buf_clear(&text);
        buf_clear(&back);
        assert_int_equal(escape_print(wanted, &text), STATUS_OK);
        assert_true(utf8_valid(buf_slice(&text)));
        for (size_t i = 0; i < text.length; i++) {
            assert_true(text.data[i] >= 0x20 && text.data[i] != 0x7f);
        }
        assert_int_equal(escape_parse(buf_slice(&text), &back, &error), STATUS_OK);
        assert_bytes(buf_slice(&back), wanted);
    }
    buf_free(&text);
    buf_free(&back);
}

/* Every byte alone, so that none depends on its neighbours. */
static void escape_single_bytes(void **state) {
    (void)state;
    struct error error = {0};
    for (int value = 0; value < 256; value++) {
        unsigned char byte = (unsigned char)value;
        struct buf text = {0}, back = {0};
        assert_int_equal(escape_print(slice_make(&byte, 1), &text), STATUS_OK);
        bool plain = byte >= 0x20 && byte < 0x7f && byte != '\\';
        assert_int_equal(text.length == 1, plain);
        assert_int_equal(escape_parse(buf_slice(&text), &back, &error), STATUS_OK);
        assert_bytes(buf_slice(&back), slice_make(&byte, 1));
        buf_free(&text);
        buf_free(&back);
    }
}

static void escape_form(void **state) {
    (void)state;
    static const char bytes[] = "a\tb\nc\rd\\e\0f\x7fg\xffh\xc3\xa9i\xc2\x85";
    struct buf text = {0};
    assert_int_equal(escape_print(slice_make(bytes, sizeof bytes - 1), &text), STATUS_OK);
    assert_bytes(buf_slice(&text),
                 slice_of("a\\tb\\nc\\rd\\\\e\\x00f\\x7fg\\xffh\xc3\xa9i\\xc2\\x85"));
    buf_free(&text);
}

static void escape_refuses(void **state) {
    (void)state;
    static const char *const wrong[] = {"\\",    "a\\",   "\\q",   "\\x",   "\\x1",
                                        "\\xg1", "\\x1g", "\\X41", "\\041", "ok\\ "};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct buf back = {0};
        struct error error = {0};
        enum status status = escape_parse(slice_of(wrong[i]), &back, &error);
        assert_int_equal(status, STATUS_INVALID);
        assert_non_null(strstr(error.message, "column"));
        buf_free(&back);
    }
    struct buf back = {0};
    struct error error = {0};
    assert_int_equal(escape_parse(slice_of("ab\\q"), &back, &error), STATUS_INVALID);
    assert_non_null(strstr(error.message, "column 3"));
    buf_free(&back);
}

/* Against the definition: decode, then ask whether the shortest form was used and the
 * code point is one. */
static bool is_character(const unsigned char *bytes, size_t length) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    uint32_t point = bytes[0];
    if (length == 1) {
        return point < 0x80;
    }
    unsigned int lead_mask = 0xffu << (7 - length) & 0xff;
    if ((bytes[0] & lead_mask) != lead[length]) {
        return false;
    }
    point = bytes[0] & ~lead_mask & 0xff;
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xc0) != 0x80) {
            return false;
        }
        point = point << 6 | (bytes[i] & 0x3fu);
    }
    return point >= least[length] && point <= 0x10ffff &&
           (point < 0xd800 || point > 0xdfff);
}

static void utf8_by_definition(void **state) {
    (void)state;
    for (uint32_t pattern = 0; pattern < 1u << 24; pattern += 7) {
        unsigned char bytes[4] = {(unsigned char)(pattern >> 16 | 0x80),
                                  (unsigned char)(pattern >> 8), (unsigned char)pattern,
                                  0xbf};
        size_t wanted = 0;
        for (size_t length = 1; length <= 4; length++) {
            wanted = is_character(bytes, length) ? length : wanted;
        }
        assert_int_equal(utf8_character(slice_make(bytes, 4)), wanted);
    }
    assert_int_equal(utf8_character(slice_of("")), 0);
    assert_int_equal(utf8_character(slice_of("\xe2\x82")), 0);
    assert_int_equal(utf8_character(slice_of("a")), 1);
}

static void base64_round_trip(void **state) {
    (void)state;
    struct random random = {SEED + 1};
    struct buf text = {0}, back = {0};
    for (int trial = 0; trial < TRIALS; trial++) {
        unsigned char bytes[BYTES_MAX];
        struct slice wanted = random_bytes(&random, bytes);
        buf_clear(&text);
        buf_clear(&back);
        assert_int_equal(base64_print(wanted, &text), STATUS_OK);
        assert_int_equal(text.length, (wanted.length + 2) / 3 * 4);
        assert_int_equal(base64_parse(buf_slice(&text), &back), STATUS_OK);
        assert_bytes(buf_slice(&back), wanted);
    }
    buf_free(&text);
    buf_free(&back);
}

/* RFC 4648, section 10. */
static void base64_vectors(void **state) {
    (void)state;
    static const char *const vectors[][2] = {{"", ""},
                                             {"f", "Zg=="},
                                             {"fo", "Zm8="},
                                             {"foo", "Zm9v"},
                                             {"foob", "Zm9vYg=="},
                                             {"fooba", "Zm9vYmE="},
                                             {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        struct buf text = {0};
        assert_int_equal(base64_print(slice_of(vectors[i][0]), &text), STATUS_OK);
        assert_bytes(buf_slice(&text), slice_of(vectors[i][1]));
        buf_free(&text);
    }
    static const char *const wrong[] = {"Zg",   "Zg=",  "Zh==",     "Zm9=",  "====",
                                        "Z===", "Z=g=", "Zg==Zg==", "Zm9v ", "Zm9\n"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct buf back = {0};
        assert_int_equal(base64_parse(slice_of(wrong[i]), &back), STATUS_INVALID);
        buf_free(&back);
    }
    struct buf back = {0};
    assert_int_equal(base64_parse(slice_make("Zm\0v", 4), &back), STATUS_INVALID);
    buf_free(&back);
}

static void record_round_trip(enum record_format format) {
    struct random random = {SEED + 2};
    struct buf line = {0};
    struct record record = {0};
    struct error error = {0};
    for (int trial = 0; trial < TRIALS; trial++) {
        unsigned char key_bytes[BYTES_MAX], value_bytes[BYTES_MAX];
        struct slice key = random_bytes(&random, key_bytes);
        struct slice value = random_bytes(&random, value_bytes);
        buf_clear(&line);
        assert_int_equal(record_print(format, key, value, &line), STATUS_OK);
        assert_int_equal(line.data[line.length - 1], '\n');
        struct slice text = slice_make(line.data, line.length - 1);
        assert_null(memchr(text.data, '\n', text.length));
        assert_int_equal(record_parse(format, text, &record, &error), STATUS_OK);
        assert_bytes(buf_slice(&record.key), key);
        assert_bytes(buf_slice(&record.value), value);
    }
    buf_free(&line);
    record_free(&record);
}

static void record_text_round_trip(void **state) {
    (void)state;
    record_round_trip(RECORD_TEXT);
}

static void record_json_round_trip(void **state) {
    (void)state;
    record_round_trip(RECORD_JSON);
}

static void refuses(enum record_format format, struct slice line) {
    struct record record = {0};
    struct error error = {0};
    enum status status = record_parse(format, line, &record, &error);
    if (status != STATUS_INVALID || error.message[0] == '\0') {
        fail_msg("taken, or refused without words: %.*s", (int)line.length,
                 (const char *)line.data);
    }
    record_free(&record);
}

static void record_refuses(void **state) {
    (void)state;
    static const char *const text[] = {"", "no tab", "a\tb\tc", "a\\q\tb", "a\tb\\"};
    for (size_t i = 0; i < sizeof text / sizeof text[0]; i++) {
        refuses(RECORD_TEXT, slice_of(text[i]));
    }
    static const char *const json[] = {
        "",
        "null",
        "[]",
        "{}",
        "{\"key\":\"a\"}",
        "{\"value\":\"a\"}",
        "{\"key\":\"a\",\"value\":1}",
        "{\"key\":\"a\",\"value\":null}",
        "{\"key\":\"a\",\"key\":\"b\",\"value\":\"c\"}",
        "{\"key\":\"a\",\"key_base64\":\"YQ==\",\"value\":\"c\"}",
        "{\"key\":\"a\",\"value\":\"b\",\"more\":\"c\"}",
        "{\"KEY\":\"a\",\"value\":\"b\"}",
        "{\"key\":\"a\",\"value_base64\":\"YQ\"}",
        "{\"key\":\"a\\u0000b\",\"value\":\"c\"}",
        "{\"key\":\"\\\\\\u0000b\",\"value\":\"c\"}",
        "{\"key\":\"a\",\"value\":\"\\ud800\"}",
        "{\"key\":\"a\",\"value\":\"b\"} x",
        "{\"key\":\"a\",\"value\":\"b\"}{}",
        "{\"key\":\"a\",\"value\":\"b\"",
        "{\"key\":\"a\",\"value\":\"\xff\"}",
    };
    for (size_t i = 0; i < sizeof json / sizeof json[0]; i++) {
        refuses(RECORD_JSON, slice_of(json[i]));
    }
    refuses(RECORD_JSON, slice_make("{\"key\":\"a\0\",\"value\":\"b\"}", 24));
}

static void record_json_form(void **state) {
    (void)state;
    struct buf line = {0};
    assert_int_equal(record_print(RECORD_JSON, slice_of("a\"\\\n\xc3\xa9"),
                                  slice_make("b\0", 2), &line),
                     STATUS_OK);
    assert_bytes(
        buf_slice(&line),
        slice_of("{\"key\":\"a\\\"\\\\\\u000a\xc3\xa9\",\"value_base64\":\"YgA=\"}"
                 "\n"));
    buf_clear(&line);
    assert_int_equal(record_print(RECORD_JSON, slice_of("a"), (struct slice){0}, &line),
                     STATUS_OK);
    assert_bytes(buf_slice(&line), slice_of("{\"key\":\"a\"}\n"));
    buf_free(&line);

    struct record record = {0};
    struct error error = {0};
    struct slice written = slice_of(" { \"value\" : \"\\u00e9\\ud83d\\ude00\\\\u0000\" , "
                                    "\"key_base64\" : \"AP8=\" }\r");
    assert_int_equal(record_parse(RECORD_JSON, written, &record, &error), STATUS_OK);
    assert_bytes(buf_slice(&record.key), slice_make("\0\xff", 2));
    assert_bytes(buf_slice(&record.value), slice_of("\xc3\xa9\xf0\x9f\x98\x80\\u0000"));
    record_free(&record);
}

int main(void) {
    printf("seed %d, %d trials each\n", SEED, TRIALS);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escape_round_trip),
        cmocka_unit_test(escape_single_bytes),
        cmocka_unit_test(escape_form),
        cmocka_unit_test(escape_refuses),
        cmocka_unit_test(utf8_by_definition),
        cmocka_unit_test(base64_round_trip),
        cmocka_unit_test(base64_vectors),
        cmocka_unit_test(record_text_round_trip),
        cmocka_unit_test(record_json_round_trip),
        cmocka_unit_test(record_refuses),
        cmocka_unit_test(record_json_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
