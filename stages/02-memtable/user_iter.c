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

/* Behind all versions of the key in iter->key, of which the inner one may stand on any.
 */
static void pass_key(struct user_iter *iter) {
    for (int skips = 0; healthy(iter) && standing(iter) &&
                        slice_equal(inner_user(iter), buf_slice(&iter->key));
         skips++) {
        if (skips == SKIPS_MAX) {
            seek(iter, buf_slice(&iter->key), 0);
        } else {
            iter_next(iter->inner);
        }
    }
}

/* On the first entry of this key that is not above the sequence, or on another key. */
static void pass_newer(struct user_iter *iter) {
    for (int skips = 0; standing(iter) && !inner_visible(iter); skips++) {
        if (skips < SKIPS_MAX) {
            iter_next(iter->inner);
            continue;
        }
        skips = 0;
        if (!keep_key(iter, inner_user(iter))) {
            return;
        }
        seek(iter, buf_slice(&iter->key), tag_seek(iter->sequence));
        if (!healthy(iter)) {
            return;
        }
    }
}

/* Shows the first visible entry at or after the inner one, which stands on no version
 * that an earlier one hides. */
static void find_forward(struct user_iter *iter) {
    iter->direction = FORWARD;
    iter->iter.valid = false;
    while (healthy(iter)) {
        pass_newer(iter);
        if (!healthy(iter) || !standing(iter) ||
            (slice_present(iter->to) && slice_compare(inner_user(iter), iter->to) >= 0)) {
            return;
        }
        if (tag_type(inner_tag(iter)) == KV_PUT) {
            iter->iter.key = inner_user(iter);
            iter->iter.value = iter->inner->value;
            iter->iter.valid = true;
            return;
        }
        if (keep_key(iter, inner_user(iter))) {
            pass_key(iter);
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
    find_forward(iter);
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
    find_forward(iter);
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
        seek(iter, buf_slice(&iter->key), 0);
        pass_key(iter); /* should there be a version with tag 0 */
    } else if (keep_key(iter, base->key)) {
        iter_next(iter->inner);
        pass_key(iter);
    }
    find_forward(iter);
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
