#include "internal_key.h"

/* Eight bytes as a number that compares as they do. */
static uint64_t word_at(const unsigned char *bytes) {
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

/* Word by word: keys are short, and merges spend their time here. The tag makes it safe:
 * behind any byte of a user key there are eight more to read. A word may so reach beyond
 * the shorter user key; what differs only there says nothing. */
int internal_key_compare(struct slice a, struct slice b) {
    size_t a_bytes = a.length - TAG_BYTES;
    size_t b_bytes = b.length - TAG_BYTES;
    size_t shared = a_bytes < b_bytes ? a_bytes : b_bytes;
    for (size_t at = 0; at < shared; at += sizeof(uint64_t)) {
        uint64_t a_word = word_at(a.data + at);
        uint64_t b_word = word_at(b.data + at);
        if (a_word != b_word) {
            size_t same = (size_t)__builtin_clzll(a_word ^ b_word) / 8;
            if (at + same < shared) {
                return a_word < b_word ? -1 : 1;
            }
        }
    }
    if (a_bytes != b_bytes) {
        return a_bytes < b_bytes ? -1 : 1;
    }
    uint64_t a_tag = internal_key_tag(a);
    uint64_t b_tag = internal_key_tag(b);
    return (a_tag < b_tag) - (a_tag > b_tag);
}

enum status internal_key_build(struct buf *key, struct slice user, uint64_t tag) {
    buf_clear(key);
    enum status status = buf_reserve(key, user.length + TAG_BYTES);
    if (status == STATUS_OK) {
        status = buf_append_slice(key, user);
    }
    if (status == STATUS_OK) {
        encode_fixed64(key->data + key->length, tag);
        key->length += TAG_BYTES;
    }
    return status;
}
