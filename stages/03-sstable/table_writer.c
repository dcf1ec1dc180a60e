/* Blocks are appended to `out`, which goes to the file once it has WRITE_BYTES: few large
 * writes.
 *
 * The index has an entry per data block: a key that is at or above all keys of the block
 * and below all of the next, with the block's handle. It is made when the first key of
 * the next block is known, since it may then be shorter than either (LevelDB does the
 * same, google/leveldb, util/comparator.cc). Only user keys are shortened, and only to
 * one that lies strictly between two of them: versions of one key cannot be torn from
 * their index entry. */
#include "table_writer.h"

#include <assert.h>
#include <inttypes.h>

#include "block_builder.h"
#include "filter.h"
#include "internal_key.h"
#include "memory.h"
#include "properties.h"
#include "shared_prefix.h"
#include "table_format.h"

enum { WRITE_BYTES = 64 * 1024, INDEX_RESTART_INTERVAL = 1, META_RESTART_INTERVAL = 16 };

struct table_writer {
    struct file *file;
    struct table_options options;
    uint64_t written; /* handed to the file; `out` comes behind */
    struct buf out;
    struct block_builder data;
    struct block_builder index;
    struct filter_builder filter;
    struct block_handle unindexed; /* a data block without index entry; bytes 0: none */
    struct properties properties;
    struct buf smallest;
    struct buf last;      /* key */
    struct buf separator; /* scratch, as is the next */
    struct buf packed;
};

enum status table_writer_open(struct file *file, const struct table_options *options,
                              struct table_writer **writer, struct error *error) {
    assert(options->restart_interval >= 1);
    struct table_writer *opened = memory_take_zeroed(sizeof *opened);
    if (opened == NULL) {
        return error_no_memory(error, "a table's writer", sizeof *opened);
    }
    opened->file = file;
    opened->options = *options;
    block_builder_init(&opened->data, options->restart_interval);
    block_builder_init(&opened->index, INDEX_RESTART_INTERVAL);
    if (options->filter_bits > 0) {
        filter_builder_init(&opened->filter, options->filter_bits);
    }
    opened->properties.compression = options->compression;
    opened->properties.format_version = PROPERTIES_FORMAT;
    *writer = opened;
    return STATUS_OK;
}

void table_writer_close(struct table_writer *writer) {
    if (writer != NULL) {
        buf_free(&writer->out);
        block_builder_free(&writer->data);
        block_builder_free(&writer->index);
        filter_builder_free(&writer->filter);
        buf_free(&writer->smallest);
        buf_free(&writer->last);
        buf_free(&writer->separator);
        buf_free(&writer->packed);
        memory_give(writer);
    }
}

uint64_t table_writer_bytes(const struct table_writer *writer) {
    return writer->written + writer->out.length;
}

/* ---- blocks ---------------------------------------------------------------------- */

static enum status fail(const struct table_writer *writer, enum status status,
                        struct error *error) {
    return status == STATUS_LIMIT
               ? error_set(error, status,
                           "%s: offset %" PRIu64 ": a block would be too long",
                           writer->file->path, table_writer_bytes(writer))
               : error_no_memory(error, "a table's blocks", writer->out.length);
}

static enum status write_out(struct table_writer *writer, struct error *error) {
    enum status status = file_write(writer->file, writer->written, writer->out.data,
                                    writer->out.length, error);
    if (status == STATUS_OK) {
        writer->written += writer->out.length;
        buf_clear(&writer->out);
    }
    return status;
}

static enum status store(struct table_writer *writer, struct slice contents,
                         enum compression compression, struct block_handle *handle,
                         struct error *error) {
    handle->offset = table_writer_bytes(writer);
    enum status status =
        block_store(&writer->out, contents, compression, &writer->packed, handle);
    if (status != STATUS_OK) {
        return fail(writer, status, error);
    }
    return writer->out.length < WRITE_BYTES ? STATUS_OK : write_out(writer, error);
}

static enum status finish_block(struct table_writer *writer,
                                struct block_builder *builder,
                                enum compression compression, struct block_handle *handle,
                                struct error *error) {
    struct slice contents;
    enum status status = block_builder_finish(builder, &contents);
    if (status != STATUS_OK) {
        return fail(writer, status, error);
    }
    status = store(writer, contents, compression, handle, error);
    block_builder_reset(builder);
    return status;
}

/* ---- the index ------------------------------------------------------------------- */

/* Makes the first `bytes` bytes of a user key, the last of them one higher, the
 * separator: above all that begins with those bytes. */
static enum status shorten(struct buf *separator, struct slice user, size_t bytes) {
    enum status status = internal_key_build(separator, slice_make(user.data, bytes),
                                            tag_seek(SEQUENCE_MAX));
    if (status == STATUS_OK) {
        separator->data[bytes - 1]++;
    }
    return status;
}

/* A key at or above `last`, and below `next`. */
static enum status separate(struct buf *separator, struct slice last, struct slice next) {
    struct slice user = internal_key_user(last);
    struct slice other = internal_key_user(next);
    size_t both = user.length < other.length ? user.length : other.length;
    size_t same = shared_prefix(user.data, other.data, both);
    if (same < both && same + 1 < user.length && user.data[same] + 1 < other.data[same]) {
        return shorten(separator, user, same + 1);
    }
    return buf_assign(separator, last);
}

/* A key at or above `last`. */
static enum status succeed(struct buf *separator, struct slice last) {
    struct slice user = internal_key_user(last);
    size_t same = 0;
    while (same < user.length && user.data[same] == 0xff) {
        same++;
    }
    return same + 1 < user.length ? shorten(separator, user, same + 1)
                                  : buf_assign(separator, last);
}

/* Indexes the data block that was stored last. `next` is absent at the end. */
static enum status add_to_index(struct table_writer *writer, struct slice next,
                                struct error *error) {
    struct slice last = buf_slice(&writer->last);
    unsigned char handle[BLOCK_HANDLE_BYTES_MAX];
    size_t bytes = block_handle_encode(handle, writer->unindexed);
    enum status status = slice_present(next) ? separate(&writer->separator, last, next)
                                             : succeed(&writer->separator, last);
    if (status == STATUS_OK) {
        status = block_builder_add(&writer->index, buf_slice(&writer->separator),
                                   slice_make(handle, bytes));
    }
    writer->unindexed = (struct block_handle){0};
    return status == STATUS_OK ? status : fail(writer, status, error);
}

/* ---- entries --------------------------------------------------------------------- */

static enum status end_data_block(struct table_writer *writer, struct error *error) {
    writer->properties.data_blocks++;
    return finish_block(writer, &writer->data, writer->options.compression,
                        &writer->unindexed, error);
}

enum status table_writer_add(struct table_writer *writer, struct slice key,
                             struct slice value, struct error *error) {
    const bool first = writer->properties.entries == 0;
    if (!internal_key_legal(key) ||
        (!first && internal_key_compare(buf_slice(&writer->last), key) >= 0)) {
        return error_set(error, STATUS_CORRUPT,
                         "%s: entry %" PRIu64
                         " to be written is not above the one before",
                         writer->file->path, writer->properties.entries);
    }
    bool shadowed = !first && slice_equal(internal_key_user(buf_slice(&writer->last)),
                                          internal_key_user(key));
    enum status status = STATUS_OK;
    if (writer->unindexed.bytes > 0) {
        status = add_to_index(writer, key, error);
        if (status != STATUS_OK) {
            return status;
        }
    }
    status = block_builder_add(&writer->data, key, value);
    if (status == STATUS_OK && writer->options.filter_bits > 0) {
        status = filter_builder_add(&writer->filter, filter_hash(internal_key_user(key)));
    }
    if (status == STATUS_OK) {
        status = buf_assign(&writer->last, key);
    }
    if (status == STATUS_OK && first) {
        status = buf_assign(&writer->smallest, key);
    }
    if (status != STATUS_OK) {
        return fail(writer, status, error);
    }
    properties_count(&writer->properties, key, value);
    writer->properties.shadowed += shadowed;
    return block_builder_bytes(&writer->data) < writer->options.block_bytes
               ? STATUS_OK
               : end_data_block(writer, error);
}

/* ---- the end --------------------------------------------------------------------- */

/* Adds a meta block's handle to the metaindex. */
static enum status name_block(struct block_builder *metaindex, const char *name,
                              struct block_handle handle) {
    unsigned char encoded[BLOCK_HANDLE_BYTES_MAX];
    size_t bytes = block_handle_encode(encoded, handle);
    return block_builder_add(metaindex, slice_of(name), slice_make(encoded, bytes));
}

static enum status write_filter(struct table_writer *writer,
                                struct block_builder *metaindex, struct error *error) {
    struct buf filter = {0};
    struct block_handle handle = {0};
    enum status status = filter_builder_finish(&writer->filter, &filter);
    if (status != STATUS_OK) {
        status = fail(writer, status, error);
    } else {
        status = store(writer, buf_slice(&filter), COMPRESSION_NONE, &handle, error);
    }
    buf_free(&filter);
    if (status == STATUS_OK && name_block(metaindex, TABLE_FILTER, handle) != STATUS_OK) {
        status = fail(writer, STATUS_NO_MEMORY, error);
    }
    return status;
}

static enum status write_properties(struct table_writer *writer,
                                    struct block_builder *metaindex,
                                    struct error *error) {
    struct block_builder builder;
    struct block_handle handle;
    block_builder_init(&builder, META_RESTART_INTERVAL);
    enum status status = properties_build(&writer->properties, &builder);
    status = status != STATUS_OK
                 ? fail(writer, status, error)
                 : finish_block(writer, &builder, COMPRESSION_NONE, &handle, error);
    block_builder_free(&builder);
    if (status == STATUS_OK &&
        name_block(metaindex, TABLE_PROPERTIES, handle) != STATUS_OK) {
        status = fail(writer, STATUS_NO_MEMORY, error);
    }
    return status;
}

/* Everything behind the data blocks. The names in the metaindex ascend. */
static enum status write_tail(struct table_writer *writer, struct error *error) {
    struct block_builder metaindex;
    struct footer footer;
    unsigned char encoded[FOOTER_BYTES];
    enum status status = STATUS_OK;
    block_builder_init(&metaindex, META_RESTART_INTERVAL);
    if (writer->options.filter_bits > 0) {
        status = write_filter(writer, &metaindex, error);
    }
    if (status == STATUS_OK) {
        status = write_properties(writer, &metaindex, error);
    }
    if (status == STATUS_OK) {
        status =
            finish_block(writer, &metaindex, COMPRESSION_NONE, &footer.metaindex, error);
    }
    block_builder_free(&metaindex);
    if (status == STATUS_OK) {
        status = finish_block(writer, &writer->index, writer->options.compression,
                              &footer.index, error);
    }
    if (status != STATUS_OK) {
        return status;
    }
    footer_encode(encoded, &footer);
    status = buf_append(&writer->out, encoded, sizeof encoded);
    return status == STATUS_OK ? write_out(writer, error) : fail(writer, status, error);
}

enum status table_writer_finish(struct table_writer *writer, uint64_t smallest_sequence,
                                uint64_t largest_sequence, uint64_t created_seconds,
                                struct table_meta *meta, struct error *error) {
    struct properties *properties = &writer->properties;
    enum status status = STATUS_OK;
    if (!block_builder_empty(&writer->data)) {
        status = end_data_block(writer, error);
    }
    if (status == STATUS_OK && writer->unindexed.bytes > 0) {
        status = add_to_index(writer, (struct slice){0}, error);
    }
    if (smallest_sequence != 0 || largest_sequence != 0) {
        properties->smallest_sequence = smallest_sequence;
        properties->largest_sequence = largest_sequence;
    }
    properties->created_seconds = created_seconds;
    if (status == STATUS_OK) {
        status = write_tail(writer, error);
    }
    if (status == STATUS_OK) {
        meta->bytes = writer->written;
        meta->smallest = writer->smallest;
        meta->largest = writer->last;
        meta->smallest_sequence = properties->smallest_sequence;
        meta->largest_sequence = properties->largest_sequence;
        meta->entries = properties->entries;
        writer->smallest = writer->last = (struct buf){0};
    }
    return status;
}
