#include "block_builder.h"

#include <assert.h>

#include "block.h"
#include "coding.h"
#include "shared_prefix.h"

void block_builder_init(struct block_builder *builder, unsigned restart_interval) {
    assert(restart_interval >= 1);
    *builder = (struct block_builder){.restart_interval = restart_interval};
}

void block_builder_free(struct block_builder *builder) {
    buf_free(&builder->entries);
    buf_free(&builder->restarts);
    buf_free(&builder->last_key);
}

void block_builder_reset(struct block_builder *builder) {
    builder->since_restart = 0;
    buf_clear(&builder->entries);
    buf_clear(&builder->restarts);
    buf_clear(&builder->last_key);
}

static enum status add_restart(struct block_builder *builder) {
    unsigned char offset[4];
    encode_fixed32(offset, (uint32_t)builder->entries.length);
    return buf_append(&builder->restarts, offset, sizeof offset);
}

/* The last key becomes `key`, with which it shares its first bytes. */
static enum status keep_key(struct buf *last, struct slice key, size_t shared) {
    last->length = shared;
    return buf_append(last, key.data + shared, key.length - shared);
}

enum status block_builder_add(struct block_builder *builder, struct slice key,
                              struct slice value) {
    struct buf *entries = &builder->entries;
    size_t most = 3 * VARINT32_BYTES_MAX + key.length + value.length;
    if (most > BLOCK_BYTES_MAX - BLOCK_TAIL_BYTES ||
        block_builder_bytes(builder) > BLOCK_BYTES_MAX - BLOCK_TAIL_BYTES - most) {
        return STATUS_LIMIT;
    }
    size_t shared = 0;
    enum status status = STATUS_OK;
    if (builder->since_restart % builder->restart_interval == 0) {
        builder->since_restart = 0;
        status = add_restart(builder);
    } else {
        const struct buf *last = &builder->last_key;
        shared = shared_prefix(last->data, key.data,
                               last->length < key.length ? last->length : key.length);
    }
    if (status == STATUS_OK) {
        status = buf_reserve(entries, most);
    }
    if (status == STATUS_OK) {
        status = keep_key(&builder->last_key, key, shared);
    }
    if (status != STATUS_OK) {
        return status;
    }
    unsigned char *to = entries->data + entries->length;
    to = encode_varint(to, shared);
    to = encode_varint(to, key.length - shared);
    to = encode_varint(to, value.length);
    if (key.length > shared) {
        memcpy(to, key.data + shared, key.length - shared);
        to += key.length - shared;
    }
    if (value.length > 0) {
        memcpy(to, value.data, value.length);
        to += value.length;
    }
    entries->length = (size_t)(to - entries->data);
    builder->since_restart++;
    return STATUS_OK;
}

/* An empty block has one restart point, too. */
static size_t restarts_bytes(const struct block_builder *builder) {
    return block_builder_empty(builder) ? 4 : builder->restarts.length;
}

size_t block_builder_bytes(const struct block_builder *builder) {
    return builder->entries.length + restarts_bytes(builder) + 4;
}

enum status block_builder_finish(struct block_builder *builder, struct slice *contents) {
    unsigned char count[4];
    enum status status = STATUS_OK;
    if (block_builder_empty(builder)) {
        status = add_restart(builder);
    }
    encode_fixed32(count, (uint32_t)(builder->restarts.length / 4));
    if (status == STATUS_OK) {
        status = buf_append_slice(&builder->entries, buf_slice(&builder->restarts));
    }
    if (status == STATUS_OK) {
        status = buf_append(&builder->entries, count, sizeof count);
    }
    if (status == STATUS_OK) {
        *contents = buf_slice(&builder->entries);
    }
    return status;
}
