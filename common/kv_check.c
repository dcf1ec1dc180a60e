#include "kv_check.h"

#include <inttypes.h>

#include "coding.h"

static enum status check_length(const char *what, uint64_t bytes, uint64_t limit,
                                struct error *error) {
    if (bytes <= limit) {
        return STATUS_OK;
    }
    return error_set(error, STATUS_LIMIT,
                     "%s of %" PRIu64 " bytes is over the limit of %" PRIu64 " bytes",
                     what, bytes, limit);
}

enum status kv_check_op(const struct kv_op *op, struct error *error) {
    if (op->type != KV_PUT && op->type != KV_DELETE) {
        return error_set(error, STATUS_INVALID,
                         "operation type %d is neither put nor delete", (int)op->type);
    }
    if (!slice_present(op->key) || (op->type == KV_PUT && !slice_present(op->value))) {
        return error_set(error, STATUS_INVALID,
                         "a key or value is absent (an empty one has data)");
    }
    enum status status = check_length("key", op->key.length, KV_KEY_BYTES_MAX, error);
    if (status == STATUS_OK && op->type == KV_PUT) {
        status = check_length("value", op->value.length, KV_VALUE_BYTES_MAX, error);
    }
    return status;
}

enum { TYPE_BYTES = 1 };

uint64_t kv_op_bytes(const struct kv_op *op) {
    uint64_t bytes = TYPE_BYTES + varint_bytes(op->key.length) + op->key.length;
    return op->type == KV_PUT ? bytes + varint_bytes(op->value.length) + op->value.length
                              : bytes;
}

enum status kv_check_change(const struct kv_op *ops, size_t count, struct error *error) {
    if (ops == NULL) {
        return error_set(error, STATUS_INVALID, "a change without its operations");
    }
    uint64_t bytes = KV_CHANGE_HEADER_BYTES;
    for (size_t i = 0; i < count; i++) {
        enum status status = kv_check_op(&ops[i], error);
        if (status != STATUS_OK) {
            return status;
        }
        bytes += kv_op_bytes(&ops[i]);
    }
    return check_length("change", bytes, KV_CHANGE_BYTES_MAX, error);
}
