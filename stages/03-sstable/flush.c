#include "flush.h"

#include "failpoint.h"
#include "filter.h"
#include "memory.h"

static enum compression type_of(enum table_compression compression) {
    switch (compression) {
    case TABLE_COMPRESSION_NONE:
        return COMPRESSION_NONE;
    case TABLE_COMPRESSION_SNAPPY:
        return COMPRESSION_SNAPPY;
    case TABLE_COMPRESSION_ZSTD:
        return COMPRESSION_ZSTD;
    case TABLE_COMPRESSION_LZ4:
        return COMPRESSION_LZ4;
    }
    return COMPRESSION_NONE;
}

struct table_options flush_table_options(const struct kv_options *options) {
    return (struct table_options){.block_bytes = options->block_bytes,
                                  .restart_interval = options->restart_interval,
                                  .filter_bits = options->filter_bits < FILTER_BITS_MAX
                                                     ? options->filter_bits
                                                     : FILTER_BITS_MAX,
                                  .compression = type_of(options->compression)};
}

static enum status fill_from_memtable(void *memtable, struct table_writer *writer,
                                      struct error *error) {
    struct iter *iter = memtable_iter(memtable);
    enum status status = STATUS_OK;
    if (iter == NULL) {
        return error_no_memory(error, "an iterator", 0);
    }
    for (iter_first(iter); iter->valid && status == STATUS_OK; iter_next(iter)) {
        status = table_writer_add(writer, iter->key, iter->value, error);
    }
    iter_close(iter);
    return status;
}

static enum status write_table(struct file *file, const struct world *world,
                               const struct kv_options *options, flush_fill *fill,
                               void *context, uint64_t behind, uint64_t last,
                               struct table_meta *meta, struct error *error) {
    struct table_writer *writer = NULL;
    const struct table_options table = flush_table_options(options);
    uint64_t created = clock_wall_micros(world->clock) / 1000000;
    enum status status = table_writer_open(file, &table, &writer, error);
    if (status == STATUS_OK) {
        status = fill(context, writer, error);
    }
    if (status == STATUS_OK) {
        status = table_writer_finish(writer, last > 0 ? behind + 1 : 0, last, created,
                                     meta, error);
    }
    table_writer_close(writer);
    failpoint_pass(table_written_not_synced);
    if (status == STATUS_OK && failpoint(table_sync)) {
        status = error_set(error, STATUS_IO, "%s: failpoint table_sync", file->path);
    }
    return status == STATUS_OK ? file_sync(file, error) : status;
}

void flush_take_back(const struct directory *directory, uint64_t number) {
    enum status status =
        directory_remove(directory->path, directory->world, NAME_TEMPORARY, number, NULL);
    (void)status;
}

enum status flush_table(struct directory *directory, const struct kv_options *options,
                        flush_fill *fill, void *context, uint64_t behind, uint64_t last,
                        struct table_file **out, struct error *error) {
    struct table_meta meta = {.number = directory_number(directory)};
    struct file *file = NULL;
    enum status status = directory_file(directory->path, directory->world, NAME_TEMPORARY,
                                        meta.number, FILE_CREATE, &file, error);
    if (status != STATUS_OK) {
        flush_take_back(directory, meta.number); /* it may be there all the same */
        return status;
    }
    uint64_t number = meta.number;
    status = write_table(file, directory->world, options, fill, context, behind, last,
                         &meta, error);
    enum status closed = file_close(file, status == STATUS_OK ? error : NULL);
    status = status != STATUS_OK ? status : closed;
    meta.number = number;
    if (status == STATUS_OK) {
        *out = table_file_open(&meta);
        if (*out == NULL) {
            status = error_no_memory(error, "a table's description", sizeof meta);
        }
    }
    table_meta_free(&meta);
    if (status != STATUS_OK) {
        flush_take_back(directory, number);
    }
    return status;
}

enum status flush_memtable(struct directory *directory, const struct kv_options *options,
                           struct memtable *memtable, uint64_t behind, uint64_t last,
                           struct table_file **out, struct error *error) {
    return flush_table(directory, options, fill_from_memtable, memtable, behind, last,
                       out, error);
}
