/* Where the inner iterator stands, while valid:
 *
 *     FORWARD    on the current entry itself: key and value are the inner one's
 *     BACKWARD   before all versions of the current entry's key, or nowhere; key and
 *                value are copies
 *
 * Forward, versions come newest first: the first at or below the sequence decides, the
 * others of its key are passed over. Backward, they come oldest first: each at or below
 * the sequence replaces the one before, and only the next key, or the first version above
 * the sequence, tells that the last one stands. To turn forward is to seek the end of the
 * present key's versions.
 *
 * Many versions of one key are not walked through: after SKIPS_MAX of them the rest is
 * sought past. */
#include "user_iter.h"

#include "internal_key.h"
#include "memory.h"

enum direction { FORWARD, BACKWARD };

enum { SKIPS_MAX = 8 };

struct user_iter {
    struct iter iter; /* first: an iter is converted to its user_iter */
    struct iter *inner;
    uint64_t sequence;
    enum direction direction;
    struct buf bounds;
    struct slice from, to; /* within bounds, or absent */
    struct buf key;        /* BACKWARD: the current key; FORWARD: one to pass over */
    struct buf value;      /* BACKWARD: the current value */
    struct buf target;     /* an internal key to seek */
};

/* ---- the inner iterator ---------------------------------------------------------- */

static void fail(struct user_iter *iter, enum status status, const char *words) {
    iter->iter.valid = false;
    error_set(&iter->iter.error, status, "%s", words);
}

static bool healthy(const struct user_iter *iter) {
    return iter->iter.error.status == STATUS_OK;
}

static void fail_memory(struct user_iter *iter) {
    fail(iter, STATUS_NO_MEMORY, "out of memory: an iterator's entry");
}

/* Whether the inner iterator stands on an entry; else the end, or the failure, is this
 * iterator's. */
static bool standing(struct user_iter *iter) {
    if (!iter->inner->valid) {
        if (iter->inner->error.status != STATUS_OK && healthy(iter)) {
            iter->iter.error = iter->inner->error;
        }
        return false;
    }
    if (!internal_key_legal(iter->inner->key)) {
        fail(iter, STATUS_CORRUPT, "an entry's key is no internal key");
        return false;
    }
    return true;
}

static struct slice inner_user(const struct user_iter *iter) {
    return internal_key_user(iter->inner->key);
}

static uint64_t inner_tag(const struct user_iter *iter) {
    return internal_key_tag(iter->inner->key);
}

static bool inner_visible(const struct user_iter *iter) {
    return tag_sequence(inner_tag(iter)) <= iter->sequence;
}

/* Builds an internal key to seek. */
static bool aim(struct user_iter *iter, struct slice user, uint64_t tag) {
    if (internal_key_build(&iter->target, user, tag) != STATUS_OK) {
        fail_memory(iter);
        return false;
    }
    return true;
}

static void seek(struct user_iter *iter, struct slice user, uint64_t tag) {
    if (aim(iter, user, tag)) {
        iter_seek(iter->inner, buf_slice(&iter->target));
    }
}

/* The last entry before all versions of the key. */
static void seek_before_all(struct user_iter *iter, struct slice user) {
    if (aim(iter, user, tag_seek(SEQUENCE_MAX))) {
        iter_seek_before(iter->inner, buf_slice(&iter->target));
    }
}

static bool keep_key(struct user_iter *iter, struct slice user) {
    if (buf_assign(&iter->key, user) != STATUS_OK) {
        fail_memory(iter);
        return false;
    }
    return true;
}

/* ---- forward --------------------------------------------------------------------- */

/* Neighbours mostly differ in their length or their last byte. */
static bool is_passed(const struct user_iter *iter, struct slice user) {
    size_t length = user.length;
    return length == iter->key.length &&
           (length == 0 || (user.data[length - 1] == iter->key.data[length - 1] &&
                            memcmp(user.data, iter->key.data, length) == 0));
}

/* Goes on from an entry that does not count to the next that may: one by one, and after
 * SKIPS_MAX of them by seeking the tag among the versions of its key, if that leads on.
 */
static void skip(struct user_iter *iter, int *skips, uint64_t tag) {
    if ((*skips)++ < SKIPS_MAX || inner_tag(iter) <= tag) {
        iter_next(iter->inner);
    } else if (keep_key(iter, inner_user(iter))) {
        *skips = 0;
        seek(iter, buf_slice(&iter->key), tag);
    }
}

/* Shows the first visible entry at or after the inner one. `passing`: entries of the key
 * in iter->key do not count, since an earlier one hides them. */
static void find_forward(struct user_iter *iter, bool passing) {
    int skips = 0;
    iter->direction = FORWARD;
    iter->iter.valid = false;
    while (healthy(iter) && standing(iter)) {
        struct slice user = inner_user(iter);
        uint64_t tag = inner_tag(iter);
        if (passing && is_passed(iter, user)) {
            skip(iter, &skips, 0);
        } else if (slice_present(iter->to) && slice_compare(user, iter->to) >= 0) {
            return;
        } else if (tag_sequence(tag) > iter->sequence) {
            passing = false; /* behind that key; a skip may need its room */
            skip(iter, &skips, tag_seek(iter->sequence));
        } else if (tag_type(tag) == KV_PUT) {
            iter_show(&iter->iter, iter->inner);
            iter->iter.key = user;
            return;
        } else {
            passing = keep_key(iter, user);
            skips = 0;
            iter_next(iter->inner);
        }
    }
}

/* ---- backward -------------------------------------------------------------------- */

/* Of the key that the inner iterator stands on, going back: keeps the newest visible
 * version in key and value and stops before all versions. Answers whether there was one,
 * and it is a put. */
static bool gather(struct user_iter *iter) {
    bool put = false;
    if (!keep_key(iter, inner_user(iter))) {
        return false;
    }
    for (int skips = 0;
         standing(iter) && slice_equal(inner_user(iter), buf_slice(&iter->key));
         skips++) {
        if (!inner_visible(iter)) {
            seek_before_all(iter, buf_slice(&iter->key));
        } else if (skips == SKIPS_MAX) {
            seek(iter, buf_slice(&iter->key), tag_seek(iter->sequence));
        } else {
            put = tag_type(inner_tag(iter)) == KV_PUT;
            if (put && buf_assign(&iter->value, iter->inner->value) != STATUS_OK) {
                fail_memory(iter);
            }
            iter_prev(iter->inner);
        }
        if (!healthy(iter)) {
            return false;
        }
    }
    return put && healthy(iter);
}

/* Shows the last visible entry at or before the inner one, which stands behind all
 * versions of it. */
static void find_backward(struct user_iter *iter) {
    iter->direction = BACKWARD;
    iter->iter.valid = false;
    while (healthy(iter) && standing(iter)) {
        if (slice_present(iter->from) &&
            slice_compare(inner_user(iter), iter->from) < 0) {
            return;
        }
        if (gather(iter)) {
            iter->iter.key = buf_slice(&iter->key);
            iter->iter.value = buf_slice(&iter->value);
            iter->iter.valid = true;
            return;
        }
    }
}

/* ---- operations ------------------------------------------------------------------ */

/* A move that goes anywhere begins afresh, also after a failure. */
static struct user_iter *begin(struct iter *iter) {
    iter->error.status = STATUS_OK;
    return (struct user_iter *)iter;
}

static void user_first(struct iter *base) {
    struct user_iter *iter = begin(base);
    if (slice_present(iter->from)) {
        seek(iter, iter->from, tag_seek(iter->sequence));
    } else {
        iter_first(iter->inner);
    }
    find_forward(iter, false);
}

static void user_last(struct iter *base) {
    struct user_iter *iter = begin(base);
    if (slice_present(iter->to)) {
        seek_before_all(iter, iter->to);
    } else {
        iter_last(iter->inner);
    }
    find_backward(iter);
}

static void user_seek(struct iter *base, struct slice key) {
    struct user_iter *iter = begin(base);
    if (slice_present(iter->from) && slice_compare(key, iter->from) < 0) {
        key = iter->from;
    }
    seek(iter, key, tag_seek(iter->sequence));
    find_forward(iter, false);
}

static void user_seek_before(struct iter *base, struct slice key) {
    struct user_iter *iter = begin(base);
    if (slice_present(iter->to) && slice_compare(key, iter->to) > 0) {
        key = iter->to;
    }
    seek_before_all(iter, key);
    find_backward(iter);
}

static void user_next(struct iter *base) {
    struct user_iter *iter = (struct user_iter *)base;
    if (iter->direction == BACKWARD) {
        seek(iter, buf_slice(&iter->key), 0); /* its last version has this tag, perhaps */
    } else if (keep_key(iter, base->key)) {
        iter_next(iter->inner);
    }
    find_forward(iter, true);
}

static void user_prev(struct iter *base) {
    struct user_iter *iter = (struct user_iter *)base;
    if (iter->direction == FORWARD) {
        iter_prev(iter->inner); /* perhaps to a newer version, which gather passes over */
    }
    find_backward(iter);
}

static void user_close(struct iter *base) {
    struct user_iter *iter = (struct user_iter *)base;
    iter_close(iter->inner);
    buf_free(&iter->bounds);
    buf_free(&iter->key);
    buf_free(&iter->value);
    buf_free(&iter->target);
    memory_give(iter);
}

static const struct iter_ops user_ops = {
    user_first, user_last, user_seek, user_seek_before, user_next, user_prev, user_close};

static enum status copy_bounds(struct user_iter *iter,
                               const struct user_iter_options *options) {
    enum status status = buf_append_slice(&iter->bounds, options->from);
    if (status == STATUS_OK) {
        status = buf_append_slice(&iter->bounds, options->to);
    }
    const unsigned char *bytes = buf_slice(&iter->bounds).data;
    if (status == STATUS_OK && slice_present(options->from)) {
        iter->from = slice_make(bytes, options->from.length);
    }
    if (status == STATUS_OK && slice_present(options->to)) {
        iter->to = slice_make(bytes + options->from.length, options->to.length);
    }
    return status;
}

enum status user_iter_open(struct iter *inner, const struct user_iter_options *options,
                           struct iter **out, struct error *error) {
    struct user_iter *iter = memory_take_zeroed(sizeof *iter);
    if (iter == NULL) {
        iter_close(inner);
        return error_no_memory(error, "an iterator", sizeof *iter);
    }
    iter->iter.ops = &user_ops;
    iter->inner = inner;
    iter->sequence = options->sequence;
    if (copy_bounds(iter, options) != STATUS_OK) {
        user_close(&iter->iter);
        return error_no_memory(error, "an iterator's bounds",
                               options->from.length + options->to.length);
    }
    *out = &iter->iter;
    return STATUS_OK;
}
