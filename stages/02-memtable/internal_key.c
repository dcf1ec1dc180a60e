#include "internal_key.h"

bool internal_key_legal(struct slice key) {
    return key.length >= TAG_BYTES && tag_type(internal_key_tag(key)) <= KV_PUT;
}

int internal_key_compare(struct slice a, struct slice b) {
    int order = slice_compare(internal_key_user(a), internal_key_user(b));
    if (order != 0) {
        return order;
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
