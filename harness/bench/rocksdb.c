/* RocksDB through its C interface (rocksdb/c.h), as Debian builds it: with Snappy,
 * without the processor's CRC instructions (its log has CRC-32C, its tables XXH3).
 *
 * What all contenders share comes from the options, as in leveldb.c; of write buffers it
 * has as many as Strata. Its tables are block-based (the only kind that compresses), with
 * an LRU cache, a filter over whole keys for each table, and checksums verified on reads.
 * The log is written without waiting for the disk unless the options say so. All else is
 * its default: no mapped files, two background jobs (as many as these machines have
 * cores), indexes and filters kept outside the cache (so its cache holds more blocks than
 * its bytes say), levels that begin at 256 MB, tables of 64 MB, all of them kept open. */
#include <dlfcn.h>
#include <rocksdb/c.h>
#include <stdio.h>

#include "contender.h"
#include "memory.h"

struct rocksdb {
    rocksdb_t *db;
    rocksdb_options_t *options;
    rocksdb_block_based_table_options_t *tables;
    rocksdb_cache_t *cache;
    rocksdb_readoptions_t *reading;
    rocksdb_writeoptions_t *writing;
    rocksdb_pinnableslice_t *value; /* of the last get, not copied; NULL: none */
    rocksdb_writebatch_t *batch;
};

static enum status failed(char *why, struct error *error) {
    enum status status = error_set(error, STATUS_IO, "rocksdb: %s", why);
    rocksdb_free(why);
    return status;
}

static enum status result(char *failure, struct error *error) {
    return failure == NULL ? STATUS_OK : failed(failure, error);
}

/* The C interface does not tell; the name of the library does: librocksdb.so.7.8. */
static void rocks_version(char *text, size_t bytes) {
    static const char mark[] = ".so.";
    Dl_info about;
    const char *version = NULL;
    if (dladdr((void *)(uintptr_t)rocksdb_open, &about) != 0) {
        version = strstr(about.dli_fname, mark);
    }
    snprintf(text, bytes, "%s", version == NULL ? "" : version + sizeof mark - 1);
}

static void set_up_tables(struct rocksdb *rocks, const struct kv_options *options) {
    rocks->cache = rocksdb_cache_create_lru(options->block_cache_bytes);
    rocks->tables = rocksdb_block_based_options_create();
    rocksdb_block_based_options_set_block_cache(rocks->tables, rocks->cache);
    rocksdb_block_based_options_set_block_size(rocks->tables, options->block_bytes);
    rocksdb_block_based_options_set_block_restart_interval(
        rocks->tables, (int)options->restart_interval);
    if (options->filter_bits > 0) { /* the filter goes over to the options */
        rocksdb_block_based_options_set_filter_policy(
            rocks->tables, rocksdb_filterpolicy_create_bloom_full(options->filter_bits));
        rocksdb_block_based_options_set_whole_key_filtering(rocks->tables, 1);
    }
}

static void set_up(struct rocksdb *rocks, const struct kv_options *options) {
    set_up_tables(rocks, options);
    rocks->options = rocksdb_options_create();
    rocksdb_options_set_block_based_table_factory(rocks->options, rocks->tables);
    rocksdb_options_set_create_if_missing(rocks->options, options->create);
    rocksdb_options_set_write_buffer_size(rocks->options, options->write_buffer_bytes);
    rocksdb_options_set_max_write_buffer_number(rocks->options,
                                                (int)options->write_buffers);
    rocksdb_options_set_compression(rocks->options,
                                    options->compression == TABLE_COMPRESSION_SNAPPY
                                        ? rocksdb_snappy_compression
                                        : rocksdb_no_compression);
    rocks->reading = rocksdb_readoptions_create();
    rocksdb_readoptions_set_verify_checksums(rocks->reading, 1);
    rocks->writing = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(rocks->writing,
                                  options->durability == DURABILITY_ALWAYS);
    rocks->batch = rocksdb_writebatch_create();
}

static void let_go_of_value(struct rocksdb *rocks) {
    if (rocks->value != NULL) {
        rocksdb_pinnableslice_destroy(rocks->value);
        rocks->value = NULL;
    }
}

static enum status rocks_share(void *db, void **other, struct error *error) {
    struct rocksdb *rocks = memory_take(sizeof *rocks);
    if (rocks == NULL) {
        return error_no_memory(error, "a contender", sizeof *rocks);
    }
    *rocks = *(struct rocksdb *)db;
    rocks->value = NULL;
    rocks->batch = NULL;
    *other = rocks;
    return STATUS_OK;
}

static void rocks_unshare(void *other) {
    let_go_of_value(other);
    memory_give(other);
}

static enum status rocks_close(void *db, struct error *error) {
    (void)error; /* RocksDB tells of none */
    struct rocksdb *rocks = db;
    let_go_of_value(rocks);
    if (rocks->db != NULL) {
        rocksdb_close(rocks->db);
    }
    rocksdb_writebatch_destroy(rocks->batch);
    rocksdb_writeoptions_destroy(rocks->writing);
    rocksdb_readoptions_destroy(rocks->reading);
    rocksdb_options_destroy(rocks->options);
    rocksdb_block_based_options_destroy(rocks->tables);
    rocksdb_cache_destroy(rocks->cache);
    memory_give(rocks);
    return STATUS_OK;
}

static enum status rocks_open(const char *dir, const struct kv_options *options,
                              void **db, struct error *error) {
    struct rocksdb *rocks = memory_take_zeroed(sizeof *rocks);
    if (rocks == NULL) {
        return error_no_memory(error, "a contender", sizeof *rocks);
    }
    set_up(rocks, options);
    char *failure = NULL;
    rocks->db = rocksdb_open(rocks->options, dir, &failure);
    if (rocks->db == NULL) {
        enum status closed = rocks_close(rocks, error);
        return closed == STATUS_OK ? failed(failure, error) : closed;
    }
    *db = rocks;
    return STATUS_OK;
}

static enum status rocks_put(void *db, struct slice key, struct slice value,
                             struct error *error) {
    struct rocksdb *rocks = db;
    char *failure = NULL;
    rocksdb_put(rocks->db, rocks->writing, (const char *)key.data, key.length,
                (const char *)value.data, value.length, &failure);
    return result(failure, error);
}

static enum status rocks_remove(void *db, struct slice key, struct error *error) {
    struct rocksdb *rocks = db;
    char *failure = NULL;
    rocksdb_delete(rocks->db, rocks->writing, (const char *)key.data, key.length,
                   &failure);
    return result(failure, error);
}

static enum status rocks_batch_put(void *db, struct slice key, struct slice value,
                                   struct error *error) {
    (void)error;
    rocksdb_writebatch_put(((struct rocksdb *)db)->batch, (const char *)key.data,
                           key.length, (const char *)value.data, value.length);
    return STATUS_OK;
}

static enum status rocks_batch_write(void *db, struct error *error) {
    struct rocksdb *rocks = db;
    char *failure = NULL;
    rocksdb_write(rocks->db, rocks->writing, rocks->batch, &failure);
    rocksdb_writebatch_clear(rocks->batch);
    return result(failure, error);
}

static enum status rocks_get(void *db, struct slice key, struct slice *value,
                             struct error *error) {
    struct rocksdb *rocks = db;
    char *failure = NULL;
    let_go_of_value(rocks);
    rocks->value = rocksdb_get_pinned(rocks->db, rocks->reading, (const char *)key.data,
                                      key.length, &failure);
    if (rocks->value != NULL) {
        size_t bytes;
        const char *data = rocksdb_pinnableslice_value(rocks->value, &bytes);
        *value = slice_make(data, bytes);
        return STATUS_OK;
    }
    return failure == NULL ? STATUS_NOT_FOUND : failed(failure, error);
}

static void see(const rocksdb_iterator_t *iter, struct seen *seen) {
    size_t key_bytes, value_bytes;
    const char *key = rocksdb_iter_key(iter, &key_bytes);
    const char *value = rocksdb_iter_value(iter, &value_bytes);
    seen_add(seen, slice_make(key, key_bytes), slice_make(value, value_bytes));
}

static enum status end_scan(rocksdb_iterator_t *iter, struct error *error) {
    char *failure = NULL;
    rocksdb_iter_get_error(iter, &failure);
    rocksdb_iter_destroy(iter);
    return result(failure, error);
}

static enum status rocks_scan(void *db, bool forward, struct seen *seen,
                              struct error *error) {
    struct rocksdb *rocks = db;
    rocksdb_iterator_t *iter = rocksdb_create_iterator(rocks->db, rocks->reading);
    if (forward) {
        for (rocksdb_iter_seek_to_first(iter); rocksdb_iter_valid(iter);
             rocksdb_iter_next(iter)) {
            see(iter, seen);
        }
    } else {
        for (rocksdb_iter_seek_to_last(iter); rocksdb_iter_valid(iter);
             rocksdb_iter_prev(iter)) {
            see(iter, seen);
        }
    }
    return end_scan(iter, error);
}

static enum status rocks_seek(void *db, struct slice key, unsigned int steps,
                              struct seen *seen, struct error *error) {
    struct rocksdb *rocks = db;
    rocksdb_iterator_t *iter = rocksdb_create_iterator(rocks->db, rocks->reading);
    rocksdb_iter_seek(iter, (const char *)key.data, key.length);
    while (rocksdb_iter_valid(iter)) {
        see(iter, seen);
        if (steps-- == 0) {
            break;
        }
        rocksdb_iter_next(iter);
    }
    return end_scan(iter, error);
}

static enum status rocks_compact(void *db, struct error *error) {
    (void)error; /* RocksDB tells of none */
    rocksdb_compact_range(((struct rocksdb *)db)->db, NULL, 0, NULL, 0);
    return STATUS_OK;
}

const struct contender contender_rocksdb = {
    .name = "rocksdb",
    .version = rocks_version,
    .open = rocks_open,
    .close = rocks_close,
    .put = rocks_put,
    .remove = rocks_remove,
    .batch_put = rocks_batch_put,
    .batch_write = rocks_batch_write,
    .share = rocks_share,
    .unshare = rocks_unshare,
    .get = rocks_get,
    .scan = rocks_scan,
    .seek = rocks_seek,
    .compact = rocks_compact,
};
