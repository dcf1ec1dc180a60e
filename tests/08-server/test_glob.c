/* Patterns, against what a naive reading of their rules says. */
#define TEST_HAS_STAGE
#include "../common/support.h"

#include "glob.h"

static bool matches(const char *pattern, const char *text, enum glob_case fold) {
    uint64_t steps = 0;
    return glob_match(slice_of(pattern), slice_of(text), fold, &steps);
}

/* As Redis 7.0 answers, unless said. */
static const struct {
    const char *pattern, *text;
    bool same_case, any_case;
} rows[] = {
    {"", "", true, true},
    {"", "a", false, false},
    {"a", "", false, false},
    {"*", "", true, true}, /* not there, where KEYS * is not matched at all */
    {"**", "", true, true},
    {"*", "abc", true, true},
    {"a*", "a", true, true},
    {"*a", "a", true, true},
    {"?", "", false, false},
    {"?", "a", true, true},
    {"h?llo", "hello", true, true},
    {"h?llo", "hllo", false, false},
    {"h*llo", "heeeello", true, true},
    {"h*llo", "hllo", true, true},
    {"h*llo", "hll", false, false},
    {"*abc*abc", "abcabcxabc", true, true},
    {"*abc*abc", "abcabcxab", false, false},
    {"a*b*c", "abbbbc", true, true},
    {"a*b*c", "acb", false, false},
    {"hello", "HELLO", false, true},
    {"HE*o", "hellO", false, true},
    {"h[ae]llo", "hallo", true, true},
    {"h[ae]llo", "hillo", false, false},
    {"h[^e]llo", "hallo", true, true},
    {"h[^e]llo", "hello", false, false},
    {"h[a-b]llo", "hbllo", true, true},
    {"h[b-a]llo", "hallo", true, true},
    {"h[a-b]llo", "hcllo", false, false},
    {"[A-C]", "b", false, true},
    {"[^A-C]", "b", true, false},
    {"[Z-a]", "_", true, false}, /* the ends are folded once they are in order */
    {"[Z-a]", "b", false, false},
    {"[ab]", "B", false, true},
    {"[]", "a", false, false},
    {"[]a]", "a", false, false},
    {"[^]", "a", true, true},
    {"[^]", "", false, false},
    {"[", "a", false, false},
    {"[", "[", false, false},
    {"[a", "a", true, true},
    {"[ab", "b", true, true},
    {"x[a-", "x-", true, true},
    {"[a-]", "]", true, true}, /* a range from a to ], backwards, and without an end */
    {"[a-]", "_", true, true},
    {"[a-]", "-", false, false},
    {"[-a]", "-", true, true},
    {"[^^]", "^", false, false},
    {"[a^]", "^", true, true},
    {"[\\]]", "]", true, true},
    {"[\\^a]", "^", true, true},
    {"[\\a]", "A", false, false}, /* escaped in a set: its case counts */
    {"[a\\-z]", "-", true, true},
    {"[a\\-z]", "b", false, false},
    {"[\\", "\\", true, true},
    {"[*]", "*", true, true},
    {"[*]", "a", false, false},
    {"[?]", "?", true, true},
    {"\\*", "*", true, true},
    {"\\*", "a", false, false},
    {"\\?", "?", true, true},
    {"\\[a]", "[a]", true, true},
    {"\\a", "A", false, true},
    {"\\\\", "\\", true, true},
    {"\\", "\\", true, true},
    {"a\\", "a\\", true, true},
    {"*\\", "aa\\", true, true},
    {"*\\*", "aa*", true, true},
    {"*\\*", "aaa", false, false},
    {"*[ab]c", "xbac", true, true},
    {"[\x80-\xff]", "\xc3", true, true},
    {"[a-\xff]", "b", true, true}, /* bytes have no sign */
    {"[a-\xff]", "B", false, true},
    {"\xc3\xa4", "\xc3\x84", false, false}, /* case is ASCII's */
};

static void rows_of_answers(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (matches(rows[i].pattern, rows[i].text, GLOB_CASE) != rows[i].same_case ||
            matches(rows[i].pattern, rows[i].text, GLOB_NO_CASE) != rows[i].any_case) {
            fail_msg("%s on %s", rows[i].pattern, rows[i].text);
        }
    }
    uint64_t steps = 0;
    assert_true(
        glob_match(slice_make("a\0*", 3), slice_make("a\0b", 3), GLOB_CASE, &steps));
    assert_false(
        glob_match(slice_make("a\0b", 3), slice_make("a\0c", 3), GLOB_CASE, &steps));
}

/* ---- a reference ----------------------------------------------------------------- */

static int fold_byte(int byte, enum glob_case fold) {
    return fold == GLOB_NO_CASE && byte >= 'A' && byte <= 'Z' ? byte + 32 : byte;
}

/* The set is spelled out: which bytes it holds. *end becomes the index behind it. */
static void read_set(struct slice pattern, size_t at, enum glob_case fold, bool held[256],
                     size_t *end) {
    bool negated = at < pattern.length && pattern.data[at] == '^';
    memset(held, 0, 256 * sizeof held[0]);
    for (at += negated; at < pattern.length && pattern.data[at] != ']';) {
        int first = pattern.data[at];
        if (first == '\\' && at + 1 < pattern.length) {
            held[pattern.data[at + 1]] = true;
            at += 2;
            continue;
        }
        int last = first;
        if (at + 2 < pattern.length && pattern.data[at + 1] == '-') {
            last = pattern.data[at + 2];
            at += 2;
        }
        at++;
        int low = fold_byte(first < last ? first : last, fold);
        int high = fold_byte(first < last ? last : first, fold);
        for (int byte = 0; byte < 256; byte++) {
            int folded = fold_byte(byte, fold);
            held[byte] |= folded >= low && folded <= high;
        }
    }
    for (int byte = 0; negated && byte < 256; byte++) {
        held[byte] = !held[byte];
    }
    *end = at + (at < pattern.length);
}

/* Tries everything: exponential, so for short ones. */
static bool naive(struct slice pattern, size_t at, struct slice text, size_t from,
                  enum glob_case fold) {
    if (at == pattern.length) {
        return from == text.length;
    }
    if (pattern.data[at] == '*') {
        for (size_t next = from; next <= text.length; next++) {
            if (naive(pattern, at + 1, text, next, fold)) {
                return true;
            }
        }
        return false;
    }
    if (from == text.length) {
        return false;
    }
    bool held[256] = {false};
    size_t end = at + 1;
    if (pattern.data[at] == '[') {
        read_set(pattern, at + 1, fold, held, &end);
    } else if (pattern.data[at] == '?') {
        memset(held, 1, sizeof held);
    } else {
        end += pattern.data[at] == '\\' && end < pattern.length;
        for (int byte = 0; byte < 256; byte++) {
            held[byte] = fold_byte(byte, fold) == fold_byte(pattern.data[end - 1], fold);
        }
    }
    return held[text.data[from]] && naive(pattern, end, text, from + 1, fold);
}

static struct slice random_bytes(uint64_t *random, const char *alphabet,
                                 unsigned char *bytes, size_t most) {
    size_t length = (size_t)random_below(random, most + 1);
    for (size_t i = 0; i < length; i++) {
        bytes[i] = (unsigned char)alphabet[random_below(random, strlen(alphabet))];
    }
    return slice_make(bytes, length);
}

static void random_patterns_equal_the_reference(void **state) {
    (void)state;
    uint64_t random = test_seed();
    size_t matched = 0;
    for (int i = 0; i < 400000; i++) {
        unsigned char pattern_bytes[12], text_bytes[8];
        bool sets = i % 2 == 0;
        struct slice pattern = random_bytes(&random, sets ? "aAb-[[]]^\\*?" : "ab**?",
                                            pattern_bytes, sizeof pattern_bytes);
        struct slice text = random_bytes(&random, sets ? "aAbB-]\\" : "ab", text_bytes,
                                         sizeof text_bytes);
        enum glob_case fold = i % 3 == 0 ? GLOB_NO_CASE : GLOB_CASE;
        uint64_t steps = 0;
        bool expected = naive(pattern, 0, text, 0, fold);
        if (glob_match(pattern, text, fold, &steps) != expected) {
            fail_msg("\"%.*s\" on \"%.*s\": not %d", (int)pattern.length, pattern.data,
                     (int)text.length, text.data, expected);
        }
        matched += expected;
        assert_true(steps <= (pattern.length + 1) * (text.length + 1));
    }
    assert_in_range(matched, 20000, 380000); /* both answers are met */
}

/* ---- patterns made to take long -------------------------------------------------- */

static void expect_bounded(struct slice pattern, struct slice text, bool expected) {
    uint64_t steps = 0;
    assert_int_equal(glob_match(pattern, text, GLOB_CASE, &steps), expected);
    uint64_t most = (uint64_t)(pattern.length + 1) * (text.length + 1);
    if (steps > most) {
        fail_msg("%" PRIu64 " steps, not %" PRIu64 ", for %zu bytes on %zu", steps, most,
                 pattern.length, text.length);
    }
}

/* With one more * each time, so that what is exponential is seen while it still ends. */
static void stars_do_not_multiply(void **state) {
    (void)state;
    enum { STARS = 400, TEXT = 4000 };
    static unsigned char pattern[2 * STARS + 1], text[TEXT];
    memset(text, 'a', sizeof text);
    for (size_t stars = 1; stars <= STARS; stars += stars < 20 ? 1 : 40) {
        for (size_t i = 0; i < stars; i++) {
            memcpy(pattern + 2 * i, "a*", 2);
        }
        pattern[2 * stars] = 'b';
        size_t length = stars < 20 ? 40 : TEXT;
        expect_bounded(slice_make(pattern, 2 * stars + 1), slice_make(text, length),
                       false);
        expect_bounded(slice_make(pattern, 2 * stars), slice_make(text, length), true);
    }
    memset(pattern, '*', sizeof pattern);
    expect_bounded(slice_make(pattern, sizeof pattern), slice_make(text, TEXT), true);
    pattern[sizeof pattern - 1] = 'b';
    expect_bounded(slice_make(pattern, sizeof pattern), slice_make(text, TEXT), false);
    static unsigned char set[TEXT]; /* one long set, tried at each byte */
    memset(set, 'x', sizeof set);
    memcpy(set, "*[", 2);
    expect_bounded(slice_make(set, sizeof set), slice_make(text, TEXT), false);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_answers),
        cmocka_unit_test(random_patterns_equal_the_reference),
        cmocka_unit_test(stars_do_not_multiply),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
