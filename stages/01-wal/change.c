#include "change.h"

#include "coding.h"

size_t change_bytes(const struct kv_op *ops, size_t count) {
    size_t bytes = CHANGE_HEADER_BYTES;
    for (size_t i = 0; i < count; i++) {
        bytes += 1 + varint_bytes(ops[i].key.length) + ops[i].key.length;
        if (ops[i].type == KV_PUT) {
            bytes += varint_bytes(ops[i].value.length) + ops[i].value.length;
        }
    }
    return bytes;
}

uint64_t change_user_bytes(const struct kv_op *ops, size_t count) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        bytes += ops[i].key.length + (ops[i].type == KV_PUT ? ops[i].value.length : 0);
    }
    return bytes;
}

void change_encode(unsigned char *to, uint64_t sequence, const struct kv_op *ops,
                   size_t count) {
    encode_fixed64(to, sequence);
    encode_fixed32(to + 8, (uint32_t)count);
    to += CHANGE_HEADER_BYTES;
    for (size_t i = 0; i < count; i++) {
        *to++ = (unsigned char)ops[i].type;
        to = encode_prefixed(to, ops[i].key);
        if (ops[i].type == KV_PUT) {
            to = encode_prefixed(to, ops[i].value);
        }
    }
}

static bool take_op(struct slice *rest, struct kv_op *op) {
    if (rest->length == 0 || rest->data[0] > KV_PUT) {
        return false;
    }
    op->type = (enum kv_op_type)rest->data[0];
    op->value = slice_of("");
    slice_advance(rest, 1);
    return take_prefixed(rest, &op->key) &&
           (op->type == KV_DELETE || take_prefixed(rest, &op->value));
}

bool change_read(struct change_reader *reader, struct slice change, const char **why) {
    *why = "change is shorter than its header";
    struct slice rest = change;
    uint64_t sequence;
    uint32_t count;
    if (!take_fixed64(&rest, &sequence) || !take_fixed32(&rest, &count)) {
        return false;
    }
    *reader = (struct change_reader){sequence, count, 0, rest};
    *why = "change holds an operation that cannot be read";
    for (uint32_t i = 0; i < count; i++) {
        struct kv_op op;
        if (!take_op(&rest, &op)) {
            return false;
        }
    }
    *why = "change holds more than its count says";
    if (rest.length > 0) {
        return false;
    }
    /* Sequences are 56 bits wide wherever they meet a key (LevelDB's internal keys). */
    *why = "change's sequence number is out of range";
    return sequence > 0 && sequence < (UINT64_C(1) << 56) - count;
}

bool change_next(struct change_reader *reader, struct kv_op *op) {
    if (reader->taken == reader->count) {
        return false;
    }
    reader->taken++;
    return take_op(&reader->rest, op);
}
