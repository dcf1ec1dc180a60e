#define TEST_HAS_STAGE
#include "../common/support.h"

#include "craft.h"
#include "filter.h"
#include "tables.h"

void craft_begin(struct craft *craft) {
    *craft = (struct craft){0};
    block_builder_init(&craft->data, 16);
    block_builder_init(&craft->index, 1);
    block_builder_init(&craft->metaindex, 16);
}

struct block_handle craft_store(struct craft *craft, struct slice contents) {
    struct block_handle handle = {craft->file.length, 0};
    assert_ok(
        block_store(&craft->file, contents, COMPRESSION_NONE, &craft->scratch, &handle));
    return handle;
}

void craft_handle(struct block_builder *to, struct slice key,
                  struct block_handle handle) {
    unsigned char encoded[BLOCK_HANDLE_BYTES_MAX];
    size_t bytes = block_handle_encode(encoded, handle);
    assert_ok(block_builder_add(to, key, slice_make(encoded, bytes)));
}

struct slice craft_key(struct craft *craft, const char *user, uint64_t tag) {
    assert_ok(internal_key_build(&craft->key, slice_of(user), tag));
    return buf_slice(&craft->key);
}

void craft_put(struct craft *craft, const char *user, uint64_t sequence) {
    struct slice key = craft_key(craft, user, tag_make(sequence, KV_PUT));
    assert_ok(block_builder_add(&craft->data, key, slice_of("value")));
}

void craft_block(struct craft *craft, const char *user, uint64_t sequence) {
    struct slice contents;
    assert_ok(block_builder_finish(&craft->data, &contents));
    craft_handle(&craft->index, craft_key(craft, user, tag_make(sequence, KV_PUT)),
                 craft_store(craft, contents));
    block_builder_reset(&craft->data);
}

void craft_meta(struct craft *craft, const char *name, struct slice contents) {
    craft_handle(&craft->metaindex, slice_of(name), craft_store(craft, contents));
}

void craft_properties(struct craft *craft, const struct properties *properties) {
    struct block_builder builder;
    struct slice contents;
    block_builder_init(&builder, 16);
    assert_ok(properties_build(properties, &builder));
    assert_ok(block_builder_finish(&builder, &contents));
    craft_meta(craft, TABLE_PROPERTIES, contents);
    block_builder_free(&builder);
}

void craft_filter(struct craft *craft, const char *user) {
    struct filter_builder builder;
    struct buf filter = {0};
    filter_builder_init(&builder, 20);
    assert_ok(filter_builder_add(&builder, filter_hash(slice_of(user))));
    assert_ok(filter_builder_finish(&builder, &filter));
    craft_meta(craft, TABLE_FILTER, buf_slice(&filter));
    filter_builder_free(&builder);
    buf_free(&filter);
}

struct disk *craft_end(struct craft *craft) {
    struct slice contents;
    struct footer footer;
    unsigned char encoded[FOOTER_BYTES];
    assert_ok(block_builder_finish(&craft->metaindex, &contents));
    footer.metaindex = craft_store(craft, contents);
    assert_ok(block_builder_finish(&craft->index, &contents));
    footer.index = craft_store(craft, contents);
    footer_encode(encoded, &footer);
    assert_ok(buf_append(&craft->file, encoded, sizeof encoded));
    struct disk *disk = disk_new();
    disk_put_file(disk, TABLE_PATH, buf_slice(&craft->file));
    buf_free(&craft->file);
    buf_free(&craft->scratch);
    buf_free(&craft->key);
    block_builder_free(&craft->data);
    block_builder_free(&craft->index);
    block_builder_free(&craft->metaindex);
    return disk;
}
