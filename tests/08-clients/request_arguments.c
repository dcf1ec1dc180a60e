/* Values, numbers and options are mostly such as stand at some edge, and there are few of
 * them, as of keys, so that requests meet. */
#include "request_arguments.h"

#include <ctype.h>

#include "duel.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define BYTES(literal)                                                                   \
    { (const unsigned char *)(literal), sizeof(literal) - 1 }

#define LONG_KEY                                                                         \
    "a long key, a long key, a long key, a long key, a long key, a long key, a long key" \
    ", a long key, a long key, a long key, a long key, a long key, a long key, and more"

static const struct slice keys[] = {
    BYTES("a"),  BYTES("b"),     BYTES("k1"),      BYTES("k2"),
    BYTES("K1"), BYTES(""),      BYTES("two rds"), BYTES("\0\xff\r\n"),
    BYTES("*"),  BYTES("[a-c]"), BYTES("0\n"),     BYTES(LONG_KEY),
};

static const struct slice values[] = {
    BYTES(""),
    BYTES("0"),
    BYTES("1"),
    BYTES("-1"),
    BYTES("10"),
    BYTES("-0"),
    BYTES("007"),
    BYTES("+5"),
    BYTES(" 5"),
    BYTES("5 "),
    BYTES("9223372036854775806"),
    BYTES("9223372036854775807"),
    BYTES("9223372036854775808"),
    BYTES("-9223372036854775808"),
    BYTES("-9223372036854775809"),
    BYTES("3.5"),
    BYTES("-0.1"),
    BYTES("1e3"),
    BYTES("inf"),
    BYTES("nan"),
    BYTES("hello world"),
    BYTES("\0"),
    BYTES("a\r\nb"),
    BYTES("\xff\xfe\0\x01\""),
    BYTES("it's"),
    BYTES("12345678901234567890123456789012345678901234"),
    BYTES("123456789012345678901234567890123456789012345"),
};

static const char *const integers[] = {
    "0",
    "1",
    "-1",
    "2",
    "-2",
    "5",
    "10",
    "-100",
    "1000",
    "2147483647",
    "-2147483649",
    "4294967296",
    "9223372036854775806",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775807",
    "-9223372036854775808",
    "-9223372036854775809",
    "18446744073709551616",
    "1.5",
    "abc",
    "",
    "+5",
    " 5",
    "5 ",
    "007",
    "-0",
    "00",
    "1e3",
    "0x10",
    "-",
};

static const char *const fractions[] = {
    "0",
    "1",
    "-1",
    "1.5",
    "-1.5",
    "0.1",
    "-0.1",
    "3.0e3",
    "5e-1",
    "1e17",
    "1e-17",
    "1e-18",
    "123456789.123456789",
    "123456789012345678901234567890",
    "0.30000000000000004",
    "1e300",
    "-1e300",
    "1e4930",
    "-1e4932",
    "1e5000",
    "1e-5000",
    "inf",
    "-inf",
    "+inf",
    "Infinity",
    "nan",
    "-nan",
    "abc",
    "",
    " 1",
    "1 ",
    "\t1",
    "1x",
    "0x1p3",
    "0xA",
    "-0",
    "-0.0",
    ".5",
    "5.",
    "+1.5",
    "1e",
    "--1",
    "9223372036854775807",
};

static const char *const bad_ends[] = {
    "0",
    "-1",
    "-100000",
    "abc",
    "",
    "1.5",
    " 1",
    "+1",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "9223372036854775",
    "9223372036854776",
    "-9223372036854775",
    "-9223372036854776",
    "18446744073709551617",
    "NX",
};

static const char *const patterns[] = {
    "*",      "?",      "k*",   "k?",   "*1",     "[ab]",        "[^a]",        "[a-c]",
    "[c-a]",  "\\*",    "\\a",  "",     "[",      "[a",          "[^",          "[\\a]",
    "**a**",  "*[0-9]", "a*b*", "K*",   "[a-",    "*\\",         "[]a]",        "[a-]",
    "two rd", "two*",   "*\n",  "*rds", "?*?*?*", "[\x01-\x7f]", "a long key*", "\\[a-c]",
};

static const char *const words[] = {
    "NX",    "XX",      "GT",         "LT",   "GET",     "KEEPTTL",   "PERSIST",
    "EX",    "SAMPLES", "REPLACE",    "DB",   "MATCH",   "COUNT",     "TYPE",
    "SYNCH", "ASYNC",   "string",     "foo",  "",        "\xe9t\xe9", "a b",
    "\n",    "-",       "2000000000", "AUTH", "SETNAME", "HELLO",     "%s%n",
    "*",     "x=1",     "ON",         "OFF",
};

size_t maker_below(struct maker *maker, size_t bound) {
    return (size_t)random_below(&maker->random, bound);
}

bool maker_one_in(struct maker *maker, size_t bound) {
    return maker_below(maker, bound) == 0;
}

static void put(struct maker *maker, struct slice bytes) {
    stream_argument(maker->stream, maker->step, bytes);
}

void maker_put_text(struct maker *maker, const char *text) {
    put(maker, slice_of(text));
}

#define PUT_ONE(maker, list)                                                             \
    maker_put_text(maker, (list)[maker_below(maker, COUNT(list))])

/* In lower case, in capitals, or both. */
void maker_put_word(struct maker *maker, const char *word) {
    char text[256];
    size_t length = strlen(word), how = maker_below(maker, 3);
    assert_true(length < sizeof text);
    for (size_t i = 0; i < length; i++) {
        bool lower = how == 0 || (how == 2 && maker_one_in(maker, 2));
        text[i] = (char)(lower ? tolower((unsigned char)word[i]) : word[i]);
    }
    put(maker, slice_make(text, length));
}

static void put_key(struct maker *maker) {
    /* the first ones oftener, so that they meet */
    size_t among = maker_one_in(maker, 4) ? COUNT(keys) : 4;
    put(maker, keys[maker_below(maker, among)]);
}

static void put_number(struct maker *maker, long long number) {
    char text[32];
    (void)snprintf(text, sizeof text, "%lld", number);
    maker_put_text(maker, text);
}

static void put_value(struct maker *maker) {
    unsigned char bytes[300];
    if (!maker_one_in(maker, 3)) {
        put(maker, values[maker_below(maker, COUNT(values))]);
        return;
    }
    size_t length =
        maker_one_in(maker, 2) ? maker_below(maker, sizeof bytes) : maker_below(maker, 8);
    bool printable = !maker_one_in(maker, 3);
    for (size_t i = 0; i < length; i++) {
        bytes[i] = (unsigned char)(printable ? 'a' + maker_below(maker, 26)
                                             : maker_below(maker, 256));
    }
    put(maker, slice_make(bytes, length));
}

static void put_position(struct maker *maker) {
    static const char *const far[] = {
        "536870912",
        "-536870913",
        "2147483648",
        "4294967295",
        "9223372036854775807",
        "-9223372036854775808",
        "9223372036854775808",
        "-9223372036854775809",
        "abc",
        "",
        "1.0",
        "-0",
    };
    if (maker_one_in(maker, 6)) {
        PUT_ONE(maker, far);
    } else {
        put_number(maker, (long long)maker_below(maker, 40) - 14);
    }
}

/* Seconds that no other end of this stream is near to, in no order. */
static long long some_seconds(struct maker *maker) {
    return 1000000 + 1000 * (long long)(maker->ends++ * 40503u % 65536);
}

static void put_end(struct maker *maker, char letter) {
    static const long long seconds[] = {
        1,           1500000000,  33000000000, 33000000000,
        33000000000, 33000000001, 40000000000, 9000000000000000,
    };
    bool millis = letter == 'm' || letter == 'M';
    if (maker_one_in(maker, 6)) {
        PUT_ONE(maker, bad_ends);
    } else if (letter == 's' || letter == 'm') {
        put_number(maker, some_seconds(maker) * (millis ? 1000 : 1));
    } else {
        put_number(maker,
                   seconds[maker_below(maker, COUNT(seconds))] * (millis ? 1000 : 1) +
                       (millis && maker_one_in(maker, 4) ? 7 : 0));
    }
}

static const char *const of_set[] = {"NX", "XX", "GET",  "KEEPTTL", "KEEPTTL",
                                     "EX", "PX", "EXAT", "PXAT",    "PERSIST"};
static const char *const of_getex[] = {"EX", "PX", "EXAT", "PXAT", "PERSIST", "KEEPTTL"};

static void put_set_options(struct maker *maker, bool is_getex) {
    size_t count = maker_one_in(maker, 3) ? maker_below(maker, 5) : 1;
    for (size_t i = 0; i < count; i++) {
        const char *word = is_getex ? of_getex[maker_below(maker, COUNT(of_getex))]
                                    : of_set[maker_below(maker, COUNT(of_set))];
        maker_put_word(maker, word);
        if (strchr(word, 'X') != NULL && strcmp(word, "NX") != 0 &&
            strcmp(word, "XX") != 0 && !maker_one_in(maker, 20)) {
            bool from_now = strstr(word, "AT") == NULL;
            put_end(maker,
                    word[0] == 'P' ? (from_now ? 'm' : 'M') : (from_now ? 's' : 'S'));
        }
    }
}

static void put_conditions(struct maker *maker) {
    static const char *const conditions[] = {"NX", "XX", "GT", "LT", "NX", "GT", "foo"};
    size_t count = maker_one_in(maker, 3) ? maker_below(maker, 4) : maker_below(maker, 2);
    for (size_t i = 0; i < count; i++) {
        maker_put_word(
            maker,
            conditions[maker_below(maker, COUNT(conditions) - !maker_one_in(maker, 4))]);
    }
}

static void put_copy_options(struct maker *maker) {
    for (size_t i = maker_below(maker, 3); i > 0; i--) {
        if (maker_one_in(maker, 2)) {
            maker_put_word(maker, "REPLACE");
        } else if (maker_one_in(maker, 2)) {
            maker_put_word(maker, "DB");
            maker_put_text(maker, maker_one_in(maker, 2)
                                      ? "0"
                                      : integers[maker_below(maker, COUNT(integers))]);
        } else if (maker_one_in(maker, 3)) {
            PUT_ONE(maker, words);
        }
    }
}

static void put_scan_options(struct maker *maker) {
    for (size_t i = maker_below(maker, 3); i > 0; i--) {
        if (maker_one_in(maker, 2)) {
            maker_put_word(maker, "MATCH");
            PUT_ONE(maker, patterns);
        } else {
            maker_put_word(maker, "TYPE");
            maker_put_word(maker, maker_one_in(maker, 3) ? "hash" : "string");
        }
    }
}

static void put_hello_options(struct maker *maker) {
    for (size_t i = maker_below(maker, 3); i > 0; i--) {
        if (maker_one_in(maker, 2)) {
            maker_put_word(maker, "AUTH");
            maker_put_text(maker, maker_one_in(maker, 3) ? "nobody" : "default");
            PUT_ONE(maker, words);
        } else {
            maker_put_word(maker, "SETNAME");
            PUT_ONE(maker, words);
        }
    }
}

void maker_put(struct maker *maker, char letter) {
    switch (letter) {
    case 'k':
        put_key(maker);
        break;
    case 'v':
        put_value(maker);
        break;
    case 'i':
        PUT_ONE(maker, integers);
        break;
    case 'f':
        PUT_ONE(maker, fractions);
        break;
    case 's':
    case 'm':
    case 'S':
    case 'M':
        put_end(maker, letter);
        break;
    case 'p':
        PUT_ONE(maker, patterns);
        break;
    case 'o':
        put_position(maker);
        break;
    case 'w':
        PUT_ONE(maker, words);
        break;
    case 'O':
    case 'X':
        put_set_options(maker, letter == 'X');
        break;
    case 'C':
        put_conditions(maker);
        break;
    case 'D':
        put_copy_options(maker);
        break;
    case 'N':
        put_scan_options(maker);
        break;
    case 'F':
        if (maker_one_in(maker, 2)) {
            maker_put_word(maker, maker_one_in(maker, 2) ? "SYNC" : "ASYNC");
        }
        break;
    case 'P':
        maker_put_text(maker, maker_one_in(maker, 4) ? "wrong" : DUEL_PASSWORD);
        break;
    case 'H':
        put_hello_options(maker);
        break;
    default:
        fail_msg("no letter of a shape: %c", letter);
    }
}
