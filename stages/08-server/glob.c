/* A pattern is a row of elements, of which each but * takes exactly one byte of the text.
 * So a first match of what stands before a * is as good as any other: a later one leaves
 * less of the text for the rest, and what the * may take it could have taken from the
 * earlier one. Hence a mismatch goes back to the last * only, which takes one byte more,
 * and never to one before it. The place to which the text goes back moves forward each
 * time: as many tries as the text has bytes, each of at most the pattern's length. */
#include "glob.h"

static unsigned char lower(unsigned char byte) {
    return byte >= 'A' && byte <= 'Z' ? (unsigned char)(byte - 'A' + 'a') : byte;
}

static bool same(unsigned char a, unsigned char b, enum glob_case fold) {
    return fold == GLOB_NO_CASE ? lower(a) == lower(b) : a == b;
}

static bool in_range(unsigned char from, unsigned char to, unsigned char byte,
                     enum glob_case fold) {
    unsigned char least = from < to ? from : to;
    unsigned char most = from < to ? to : from;
    if (fold == GLOB_NO_CASE) {
        least = lower(least);
        most = lower(most);
        byte = lower(byte);
    }
    return byte >= least && byte <= most;
}

/* The set behind a '['; *length becomes that of the set with its ']'. */
static bool in_set(struct slice set, unsigned char byte, enum glob_case fold,
                   size_t *length) {
    const unsigned char *at = set.data, *end = set.data + set.length;
    bool negated = at < end && *at == '^';
    bool found = false;
    at += negated;
    while (at < end && *at != ']') {
        if (*at == '\\' && end - at >= 2) {
            found |= at[1] == byte; /* an escaped byte is itself, in any case */
            at += 2;
        } else if (end - at >= 3 && at[1] == '-') {
            found |= in_range(at[0], at[2], byte, fold);
            at += 3;
        } else {
            found |= same(*at, byte, fold);
            at++;
        }
    }
    *length = (size_t)(at - set.data) + (at < end);
    return found != negated;
}

/* Whether the pattern's first element, which is no *, takes the byte; *length becomes the
 * element's, of the pattern. */
static bool takes(struct slice pattern, unsigned char byte, enum glob_case fold,
                  size_t *length) {
    switch (pattern.data[0]) {
    case '?':
        *length = 1;
        return true;
    case '[': {
        slice_advance(&pattern, 1);
        bool found = in_set(pattern, byte, fold, length);
        *length += 1;
        return found;
    }
    case '\\':
        *length = pattern.length >= 2 ? 2 : 1;
        return same(pattern.data[*length - 1], byte, fold);
    default:
        *length = 1;
        return same(pattern.data[0], byte, fold);
    }
}

bool glob_match(struct slice pattern, struct slice text, enum glob_case fold,
                uint64_t *steps) {
    struct slice star_pattern = {0}; /* what stands behind the last * */
    struct slice star_text = {0};    /* what is left if that * takes no more */
    size_t length;
    while (text.length > 0 || pattern.length > 0) {
        if (pattern.length > 0 && pattern.data[0] == '*') {
            slice_advance(&pattern, 1);
            *steps += 1;
            if (pattern.length == 0) {
                return true;
            }
            star_pattern = pattern;
            star_text = text;
            continue;
        }
        if (text.length == 0) {
            return false; /* nor would it be enough if a * took more */
        }
        bool taken = pattern.length > 0 && takes(pattern, text.data[0], fold, &length);
        *steps += pattern.length > 0 ? length : 1;
        if (taken) {
            slice_advance(&pattern, length);
            slice_advance(&text, 1);
        } else if (slice_present(star_pattern)) {
            slice_advance(&star_text, 1);
            pattern = star_pattern;
            text = star_text;
        } else {
            return false;
        }
    }
    return true;
}
