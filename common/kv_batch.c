/* Keys and values stand one behind the other in one buffer, and the operations' slices
 * point into it. When the buffer moves, as it does at each doubling, they move along. */
#include "kv_batch.h"

#include <inttypes.h>

#include "kv_check.h"
#include "memory.h"
#include "stage.h"

struct kv_batch {
    struct kv_op *ops;
    size_t count, room;
    struct buf bytes; /* of their keys and values */
    uint64_t change_bytes;
    uint64_t limit_bytes;
};

enum status kv_batch_open(uint64_t limit_bytes, struct kv_batch **out,
                          struct error *error) {
    struct kv_batch *batch = memory_take_zeroed(sizeof *batch);
    if (batch == NULL) {
        return error_no_memory(error, "a batch", sizeof *batch);
    }
    batch->change_bytes = KV_CHANGE_HEADER_BYTES;
    batch->limit_bytes = limit_bytes == 0 || limit_bytes > KV_CHANGE_BYTES_MAX
                             ? KV_CHANGE_BYTES_MAX
                             : limit_bytes;
    *out = batch;
    return STATUS_OK;
}

void kv_batch_close(struct kv_batch *batch) {
    if (batch != NULL) {
        buf_free(&batch->bytes);
        memory_give(batch->ops);
        memory_give(batch);
    }
}

/* ---- room ------------------------------------------------------------------------ */

/* The operations' bytes stand in their order. */
static void point_again(struct kv_batch *batch) {
    unsigned char *at = batch->bytes.data;
    for (size_t i = 0; i < batch->count; i++) {
        struct kv_op *op = &batch->ops[i];
        op->key.data = at;
        at += op->key.length;
        if (op->type == KV_PUT) {
            op->value.data = at;
            at += op->value.length;
        }
    }
}

static enum status reserve_ops(struct kv_batch *batch, size_t count) {
    enum { ROOM_LEAST = 8 };
    size_t wanted = batch->count + count;
    if (wanted <= batch->room) {
        return STATUS_OK;
    }
    size_t room = batch->room == 0 ? ROOM_LEAST : batch->room * 2;
    room = room < wanted ? wanted : room;
    struct kv_op *ops = memory_resize(batch->ops, room * sizeof *ops);
    if (ops == NULL) {
        return STATUS_NO_MEMORY;
    }
    batch->ops = ops;
    batch->room = room;
    return STATUS_OK;
}

/* Makes room for so many operations with so many bytes of keys and values, that take so
 * many as part of a change. */
static enum status reserve(struct kv_batch *batch, size_t count, size_t bytes,
                           uint64_t change_bytes, struct error *error) {
    if (batch->change_bytes + change_bytes > batch->limit_bytes) {
        return error_set(error, STATUS_LIMIT,
                         "the batch would take %" PRIu64
                         " bytes, more than its limit, %" PRIu64,
                         batch->change_bytes + change_bytes, batch->limit_bytes);
    }
    uintptr_t before = (uintptr_t)batch->bytes.data;
    /* One byte more: an empty slice must point somewhere, too. */
    if (reserve_ops(batch, count) != STATUS_OK ||
        buf_reserve(&batch->bytes, bytes + 1) != STATUS_OK) {
        return error_no_memory(error, "a batch", bytes);
    }
    if ((uintptr_t)batch->bytes.data != before) {
        point_again(batch);
    }
    return STATUS_OK;
}

static struct slice take_in(struct kv_batch *batch, struct slice bytes) {
    unsigned char *to = batch->bytes.data + batch->bytes.length;
    if (bytes.length > 0) {
        memcpy(to, bytes.data, bytes.length);
    }
    batch->bytes.length += bytes.length;
    return slice_make(to, bytes.length);
}

/* Requires the room. */
static void add(struct kv_batch *batch, const struct kv_op *op) {
    struct kv_op *added = &batch->ops[batch->count];
    *added = (struct kv_op){.type = op->type, .key = take_in(batch, op->key)};
    if (op->type == KV_PUT) {
        added->value = take_in(batch, op->value);
    }
    batch->count++;
    batch->change_bytes += kv_op_bytes(op);
}

/* ---- operations ------------------------------------------------------------------ */

static size_t user_bytes(const struct kv_op *op) {
    return op->key.length + (op->type == KV_PUT ? op->value.length : 0);
}

static enum status add_one(struct kv_batch *batch, const struct kv_op *op,
                           struct error *error) {
    enum status status = kv_check_op(op, error);
    if (status == STATUS_OK) {
        status = reserve(batch, 1, user_bytes(op), kv_op_bytes(op), error);
    }
    if (status == STATUS_OK) {
        add(batch, op);
    }
    return status;
}

enum status kv_batch_put(struct kv_batch *batch, struct slice key, struct slice value,
                         struct error *error) {
    const struct kv_op op = {KV_PUT, key, value};
    return add_one(batch, &op, error);
}

enum status kv_batch_delete(struct kv_batch *batch, struct slice key,
                            struct error *error) {
    const struct kv_op op = {.type = KV_DELETE, .key = key};
    return add_one(batch, &op, error);
}

enum status kv_batch_append(struct kv_batch *batch, const struct kv_batch *other,
                            struct error *error) {
    size_t count = other->count; /* the other one may be this one, and grow */
    enum status status = reserve(batch, count, other->bytes.length,
                                 other->change_bytes - KV_CHANGE_HEADER_BYTES, error);
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        const struct kv_op op = other->ops[i];
        add(batch, &op);
    }
    return status;
}

void kv_batch_clear(struct kv_batch *batch) {
    batch->count = 0;
    batch->change_bytes = KV_CHANGE_HEADER_BYTES;
    buf_clear(&batch->bytes);
}

size_t kv_batch_count(const struct kv_batch *batch) {
    return batch->count;
}

uint64_t kv_batch_bytes(const struct kv_batch *batch) {
    return batch->change_bytes;
}

const struct kv_op *kv_batch_ops(const struct kv_batch *batch) {
    return batch->ops;
}

enum status kv_batch_write(struct kv *kv, const struct kv_batch *batch,
                           const struct kv_write_options *options, struct error *error) {
    return stage_has(FEATURE_BATCH)
               ? kv_write(kv, batch->ops, batch->count, options, error)
               : stage_lacks(FEATURE_BATCH, error);
}
