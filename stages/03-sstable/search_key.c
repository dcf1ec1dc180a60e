#include "search_key.h"

#include "filter.h"

enum status search_key_init(struct search_key *key, struct slice user, uint64_t sequence,
                            struct error *error) {
    unsigned char *data = key->small;
    key->large = (struct buf){0};
    if (user.length > SEARCH_KEY_SMALL_BYTES) {
        if (buf_reserve(&key->large, user.length + TAG_BYTES) != STATUS_OK) {
            return error_no_memory(error, "a key to look for", user.length);
        }
        data = key->large.data;
    }
    if (user.length > 0) {
        memcpy(data, user.data, user.length);
    }
    encode_fixed64(data + user.length, tag_seek(sequence));
    key->internal = slice_make(data, user.length + TAG_BYTES);
    key->met = (struct search_counts){0};
    key->counts = &key->met;
    key->hash = filter_hash(user);
    key->no_wait = false;
    return STATUS_OK;
}

enum status search_key_must_wait(struct error *error) {
    return error_set(error, STATUS_STALLED, "the lookup would have to read a file");
}

void search_key_free(struct search_key *key) {
    buf_free(&key->large);
}
