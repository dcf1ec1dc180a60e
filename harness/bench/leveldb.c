/* LevelDB through its C interface (leveldb/c.h), as Debian builds it: with Snappy,
 * without the processor's CRC instructions, with its assertions.
 *
 * What all contenders share comes from the options: sizes of write buffer and cache,
 * block size, restart interval, filter bits, compression, and whether a write waits for
 * the disk. Checksums are verified on every read, which LevelDB leaves out unless told.
 * All else is LevelDB's default; it has always two write buffers, and levels that begin
 * at 10 MB, with tables of 2 MB. */
#include <leveldb/c.h>
#include <stdio.h>

#include "contender.h"
#include "memory.h"

struct leveldb {
    leveldb_t *db;
    leveldb_options_t *options;
    leveldb_cache_t *cache;
    leveldb_filterpolicy_t *filter; /* NULL: none */
    leveldb_readoptions_t *reading;
    leveldb_writeoptions_t *writing;
    char *value; /* of the last get */
    leveldb_writebatch_t *batch;
};

static enum status failed(char *why, struct error *error) {
    enum status status = error_set(error, STATUS_IO, "leveldb: %s", why);
    leveldb_free(why);
    return status;
}

static enum status result(char *failure, struct error *error) {
    return failure == NULL ? STATUS_OK : failed(failure, error);
}

static void level_version(char *text, size_t bytes) {
    snprintf(text, bytes, "%d.%d", leveldb_major_version(), leveldb_minor_version());
}

static void set_up(struct leveldb *level, const struct kv_options *options) {
    level->options = leveldb_options_create();
    level->cache = leveldb_cache_create_lru(options->block_cache_bytes);
    leveldb_options_set_create_if_missing(level->options, options->create);
    leveldb_options_set_cache(level->options, level->cache);
    leveldb_options_set_write_buffer_size(level->options, options->write_buffer_bytes);
    leveldb_options_set_block_size(level->options, options->block_bytes);
    leveldb_options_set_block_restart_interval(level->options,
                                               (int)options->restart_interval);
    leveldb_options_set_compression(level->options,
                                    options->compression == TABLE_COMPRESSION_SNAPPY
                                        ? leveldb_snappy_compression
                                        : leveldb_no_compression);
    if (options->filter_bits > 0) {
        level->filter = leveldb_filterpolicy_create_bloom((int)options->filter_bits);
        leveldb_options_set_filter_policy(level->options, level->filter);
    }
    level->reading = leveldb_readoptions_create();
    leveldb_readoptions_set_verify_checksums(level->reading, 1);
    level->writing = leveldb_writeoptions_create();
    leveldb_writeoptions_set_sync(level->writing,
                                  options->durability == DURABILITY_ALWAYS);
    level->batch = leveldb_writebatch_create();
}

static enum status level_share(void *db, void **other, struct error *error) {
    struct leveldb *level = memory_take(sizeof *level);
    if (level == NULL) {
        return error_no_memory(error, "a contender", sizeof *level);
    }
    *level = *(struct leveldb *)db;
    level->value = NULL;
    level->batch = NULL;
    *other = level;
    return STATUS_OK;
}

static void level_unshare(void *other) {
    struct leveldb *level = other;
    leveldb_free(level->value);
    memory_give(level);
}

static enum status level_close(void *db, struct error *error) {
    (void)error; /* LevelDB tells of none */
    struct leveldb *level = db;
    leveldb_free(level->value);
    if (level->db != NULL) {
        leveldb_close(level->db);
    }
    leveldb_writebatch_destroy(level->batch);
    leveldb_writeoptions_destroy(level->writing);
    leveldb_readoptions_destroy(level->reading);
    leveldb_options_destroy(level->options);
    if (level->filter != NULL) {
        leveldb_filterpolicy_destroy(level->filter);
    }
    leveldb_cache_destroy(level->cache);
    memory_give(level);
    return STATUS_OK;
}

static enum status level_open(const char *dir, const struct kv_options *options,
                              void **db, struct error *error) {
    struct leveldb *level = memory_take_zeroed(sizeof *level);
    if (level == NULL) {
        return error_no_memory(error, "a contender", sizeof *level);
    }
    set_up(level, options);
    char *failure = NULL;
    level->db = leveldb_open(level->options, dir, &failure);
    if (level->db == NULL) {
        enum status closed = level_close(level, error);
        return closed == STATUS_OK ? failed(failure, error) : closed;
    }
    *db = level;
    return STATUS_OK;
}

static enum status level_put(void *db, struct slice key, struct slice value,
                             struct error *error) {
    struct leveldb *level = db;
    char *failure = NULL;
    leveldb_put(level->db, level->writing, (const char *)key.data, key.length,
                (const char *)value.data, value.length, &failure);
    return result(failure, error);
}

static enum status level_remove(void *db, struct slice key, struct error *error) {
    struct leveldb *level = db;
    char *failure = NULL;
    leveldb_delete(level->db, level->writing, (const char *)key.data, key.length,
                   &failure);
    return result(failure, error);
}

static enum status level_batch_put(void *db, struct slice key, struct slice value,
                                   struct error *error) {
    (void)error;
    leveldb_writebatch_put(((struct leveldb *)db)->batch, (const char *)key.data,
                           key.length, (const char *)value.data, value.length);
    return STATUS_OK;
}

static enum status level_batch_write(void *db, struct error *error) {
    struct leveldb *level = db;
    char *failure = NULL;
    leveldb_write(level->db, level->writing, level->batch, &failure);
    leveldb_writebatch_clear(level->batch);
    return result(failure, error);
}

static enum status level_get(void *db, struct slice key, struct slice *value,
                             struct error *error) {
    struct leveldb *level = db;
    char *failure = NULL;
    size_t bytes;
    leveldb_free(level->value);
    level->value = leveldb_get(level->db, level->reading, (const char *)key.data,
                               key.length, &bytes, &failure);
    if (level->value != NULL) {
        *value = slice_make(level->value, bytes);
        return STATUS_OK;
    }
    return failure == NULL ? STATUS_NOT_FOUND : failed(failure, error);
}

static void see(const leveldb_iterator_t *iter, struct seen *seen) {
    size_t key_bytes, value_bytes;
    const char *key = leveldb_iter_key(iter, &key_bytes);
    const char *value = leveldb_iter_value(iter, &value_bytes);
    seen_add(seen, slice_make(key, key_bytes), slice_make(value, value_bytes));
}

static enum status end_scan(leveldb_iterator_t *iter, struct error *error) {
    char *failure = NULL;
    leveldb_iter_get_error(iter, &failure);
    leveldb_iter_destroy(iter);
    return result(failure, error);
}

static enum status level_scan(void *db, bool forward, struct seen *seen,
                              struct error *error) {
    struct leveldb *level = db;
    leveldb_iterator_t *iter = leveldb_create_iterator(level->db, level->reading);
    if (forward) {
        for (leveldb_iter_seek_to_first(iter); leveldb_iter_valid(iter);
             leveldb_iter_next(iter)) {
            see(iter, seen);
        }
    } else {
        for (leveldb_iter_seek_to_last(iter); leveldb_iter_valid(iter);
             leveldb_iter_prev(iter)) {
            see(iter, seen);
        }
    }
    return end_scan(iter, error);
}

static enum status level_seek(void *db, struct slice key, unsigned int steps,
                              struct seen *seen, struct error *error) {
    struct leveldb *level = db;
    leveldb_iterator_t *iter = leveldb_create_iterator(level->db, level->reading);
    leveldb_iter_seek(iter, (const char *)key.data, key.length);
    while (leveldb_iter_valid(iter)) {
        see(iter, seen);
        if (steps-- == 0) {
            break;
        }
        leveldb_iter_next(iter);
    }
    return end_scan(iter, error);
}

static enum status level_compact(void *db, struct error *error) {
    (void)error; /* LevelDB tells of none */
    leveldb_compact_range(((struct leveldb *)db)->db, NULL, 0, NULL, 0);
    return STATUS_OK;
}

const struct contender contender_leveldb = {
    .name = "leveldb",
    .version = level_version,
    .open = level_open,
    .close = level_close,
    .put = level_put,
    .remove = level_remove,
    .batch_put = level_batch_put,
    .batch_write = level_batch_write,
    .share = level_share,
    .unshare = level_unshare,
    .get = level_get,
    .scan = level_scan,
    .seek = level_seek,
    .compact = level_compact,
};
