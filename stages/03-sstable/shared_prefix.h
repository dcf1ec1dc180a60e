/* How many bytes two keys begin with in common, eight at a time. */
#ifndef STRATA_SHARED_PREFIX_H
#define STRATA_SHARED_PREFIX_H

#include <stdint.h>

#include "slice.h"

/* Of the first `limit` bytes, which both have. */
static inline size_t shared_prefix(const unsigned char *a, const unsigned char *b,
                                   size_t limit) {
    size_t at = 0;
    for (; at + sizeof(uint64_t) <= limit; at += sizeof(uint64_t)) {
        uint64_t a_word;
        uint64_t b_word;
        memcpy(&a_word, a + at, sizeof a_word);
        memcpy(&b_word, b + at, sizeof b_word);
        if (a_word != b_word) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
            return at + (size_t)__builtin_ctzll(a_word ^ b_word) / 8;
#else
            return at + (size_t)__builtin_clzll(a_word ^ b_word) / 8;
#endif
        }
    }
    while (at < limit && a[at] == b[at]) {
        at++;
    }
    return at;
}

#endif
