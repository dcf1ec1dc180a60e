#include "properties.h"

#include "block.h"
#include "internal_key.h"

struct row {
    const char *name;
    size_t offset; /* of its field */
};

static const struct row rows[] = {
#define PROPERTIES_ROW(name, words, unit) {#name, offsetof(struct properties, name)},
    PROPERTIES_TABLE(PROPERTIES_ROW)
#undef PROPERTIES_ROW
};

enum { ROW_COUNT = sizeof rows / sizeof rows[0] };

static uint64_t *field(struct properties *properties, const struct row *row) {
    return (uint64_t *)(void *)((unsigned char *)properties + row->offset);
}

void properties_count(struct properties *properties, struct slice key,
                      struct slice value) {
    uint64_t tag = internal_key_tag(key);
    uint64_t sequence = tag_sequence(tag);
    if (properties->entries == 0 || sequence < properties->smallest_sequence) {
        properties->smallest_sequence = sequence;
    }
    if (sequence > properties->largest_sequence) {
        properties->largest_sequence = sequence;
    }
    properties->entries++;
    properties->tombstones += tag_type(tag) == KV_DELETE;
    properties->raw_key_bytes += key.length;
    properties->raw_value_bytes += value.length;
}

enum status properties_build(const struct properties *properties,
                             struct block_builder *builder) {
    struct properties values = *properties;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < ROW_COUNT && status == STATUS_OK; i++) {
        unsigned char value[VARINT64_BYTES_MAX];
        unsigned char *end = encode_varint(value, *field(&values, &rows[i]));
        status = block_builder_add(builder, slice_of(rows[i].name),
                                   slice_make(value, (size_t)(end - value)));
    }
    return status;
}

/* Takes the value in, if the name is known; false for a value that is no varint. */
static bool take_property(struct properties *properties, struct slice name,
                          struct slice value) {
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (slice_equal(name, slice_of(rows[i].name))) {
            return take_varint64(&value, field(properties, &rows[i])) &&
                   value.length == 0;
        }
    }
    return true;
}

enum status properties_read(struct properties *properties, struct slice contents,
                            const char **why) {
    struct properties values = {0};
    struct block block;
    enum status status = block_init(&block, contents, why);
    if (status != STATUS_OK) {
        return status;
    }
    struct block_iter iter;
    block_iter_init(&iter, &block);
    for (block_iter_first(&iter); iter.iter.valid && status == STATUS_OK;
         block_iter_next(&iter)) {
        if (!take_property(&values, iter.iter.key, iter.iter.value)) {
            *why = "a property that is no number";
            status = STATUS_CORRUPT;
        }
    }
    if (status == STATUS_OK && iter.iter.error.status != STATUS_OK) {
        *why = "properties that cannot be read";
        status = iter.iter.error.status;
    }
    block_iter_free(&iter);
    if (status == STATUS_OK) {
        *properties = values;
    }
    return status;
}
