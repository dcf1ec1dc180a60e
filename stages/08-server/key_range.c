/* A random key. [first, last] are the present bounds, both keys. What they share all keys
 * between them share, the prefix. If the first is the prefix itself it is one choice, and
 * each byte that stands behind the prefix is another:
 *
 *     prefix "user:"     user:  user:17  user:18  user:9
 *                        ^one   ^---- '1' -----^  ^ '9'
 *
 * One of them is drawn while they are gone through (the n-th takes the place of what was
 * drawn with probability 1/n), and its keys are the next bounds. */
#include "key_range.h"

enum status key_range_of_prefix(struct key_range *range, struct slice prefix) {
    range->from = prefix;
    range->to = (struct slice){0};
    while (prefix.length > 0 && prefix.data[prefix.length - 1] == 0xff) {
        prefix.length--;
    }
    if (prefix.length == 0) {
        return STATUS_OK;
    }
    enum status status = buf_assign(&range->room, prefix);
    if (status == STATUS_OK) {
        range->room.data[prefix.length - 1]++;
        range->to = buf_slice(&range->room);
    }
    return status;
}

struct slice key_range_pattern_prefix(struct slice pattern) {
    size_t length = 0;
    while (length < pattern.length && strchr("*?[\\", pattern.data[length]) == NULL) {
        length++;
    }
    return slice_make(pattern.data, length);
}

/* ---- a random key ---------------------------------------------------------------- */

struct draw {
    struct keyspace *keyspace;
    struct keyspace_iter iter;
    struct buf first; /* the bounds, both keys */
    struct buf last;
    struct key_range child; /* what is being gone through */
};

static size_t shared_bytes(const struct buf *a, const struct buf *b) {
    size_t shared = 0;
    while (shared < a->length && shared < b->length &&
           a->data[shared] == b->data[shared]) {
        shared++;
    }
    return shared;
}

/* Goes behind the keys that begin as the present one does, up to and with `depth`. */
static enum status pass_child(struct draw *draw, size_t depth) {
    enum status status =
        key_range_of_prefix(&draw->child, slice_make(draw->iter.key.data, depth + 1));
    if (status == STATUS_OK && !slice_present(draw->child.to)) {
        draw->iter.valid = false;
    } else if (status == STATUS_OK) {
        keyspace_iter_seek(&draw->iter, draw->child.to, false);
    }
    return status;
}

/* Draws one of the choices: *drawn becomes the first of its keys. NOT_FOUND: the iterator
 * has failed. */
static enum status draw_child(struct draw *draw, size_t depth, struct buf *drawn) {
    enum status status = STATUS_OK;
    uint64_t choices = 0;
    keyspace_iter_seek(&draw->iter, buf_slice(&draw->first), false);
    while (status == STATUS_OK && draw->iter.valid &&
           slice_compare(draw->iter.key, buf_slice(&draw->last)) <= 0) {
        choices++;
        if (keyspace_random(draw->keyspace) % choices == 0) {
            status = buf_assign(drawn, draw->iter.key);
        }
        if (status == STATUS_OK && draw->iter.key.length == depth) {
            keyspace_iter_next(&draw->iter, false);
        } else if (status == STATUS_OK) {
            status = pass_child(draw, depth);
        }
    }
    return status == STATUS_OK && choices == 0 ? STATUS_NOT_FOUND : status;
}

/* Narrows the bounds to one of the choices. */
static enum status narrow(struct draw *draw) {
    struct buf drawn = {0};
    size_t depth = shared_bytes(&draw->first, &draw->last);
    enum status status = draw_child(draw, depth, &drawn);
    if (status == STATUS_OK) {
        status = buf_assign(&draw->first, buf_slice(&drawn));
    }
    if (status == STATUS_OK && drawn.length == depth) {
        status = buf_assign(&draw->last, buf_slice(&drawn));
    } else if (status == STATUS_OK) {
        status = key_range_of_prefix(&draw->child, slice_make(drawn.data, depth + 1));
        if (status == STATUS_OK && slice_present(draw->child.to)) {
            keyspace_iter_seek(&draw->iter, draw->child.to, true);
            status = draw->iter.valid ? buf_assign(&draw->last, draw->iter.key)
                                      : STATUS_NOT_FOUND;
        }
    }
    buf_free(&drawn);
    return status;
}

/* The bounds of all keys. */
static enum status begin(struct draw *draw) {
    enum status status = STATUS_NOT_FOUND;
    keyspace_iter_first(&draw->iter, true);
    if (draw->iter.valid) {
        status = buf_assign(&draw->last, draw->iter.key);
        keyspace_iter_first(&draw->iter, false);
    }
    if (status == STATUS_OK && draw->iter.valid) {
        status = buf_assign(&draw->first, draw->iter.key);
    }
    return status;
}

enum status key_range_random(struct keyspace_access *access, struct buf *key,
                             struct error *error) {
    const struct slice unbounded = {0};
    struct draw draw = {.keyspace = access->keyspace};
    enum status status =
        keyspace_iter_open(access, unbounded, unbounded, &draw.iter, error);
    if (status != STATUS_OK) {
        return status;
    }
    status = begin(&draw);
    while (status == STATUS_OK &&
           !slice_equal(buf_slice(&draw.first), buf_slice(&draw.last))) {
        status = narrow(&draw);
    }
    enum status read = keyspace_iter_status(&draw.iter, error);
    if (read != STATUS_OK) {
        status = read;
    } else if (status == STATUS_OK) {
        status = buf_assign(key, buf_slice(&draw.first));
    }
    keyspace_iter_close(&draw.iter);
    buf_free(&draw.first);
    buf_free(&draw.last);
    buf_free(&draw.child.room);
    return status;
}
