/* A database that is measured: the same few operations of each, done with the fastest
 * calls that its C interface has for them. Tenants: Strata (strata.c), LevelDB
 * (leveldb.c) and RocksDB (rocksdb.c); each file says how its database is set up.
 *
 * put, remove and get may run in any number of threads at once, but those that get, or
 * write batches, need a handle each (share). All report errors with the contender's own
 * words. */
#ifndef STRATA_CONTENDER_H
#define STRATA_CONTENDER_H

#include "kv.h"

/* What a scan has passed over. `mix` is of bytes of every key and value, so that none of
 * them goes unread. */
struct seen {
    uint64_t entries;
    uint64_t bytes;
    uint64_t mix;
};

static inline void seen_add(struct seen *seen, struct slice key, struct slice value) {
    seen->entries++;
    seen->bytes += key.length + value.length;
    seen->mix += (uint64_t)key.data[key.length - 1] + value.data[0];
}

struct contender {
    const char *name;
    void (*version)(char *text, size_t bytes); /* "1.23" */

    /* Of the options, create, durability, write_buffer_bytes, write_buffers,
     * block_cache_bytes, block_bytes, restart_interval, filter_bits and compression mean
     * the same to all. */
    enum status (*open)(const char *dir, const struct kv_options *options, void **db,
                        struct error *error);
    enum status (*close)(void *db, struct error *error); /* frees it in any case */
    enum status (*put)(void *db, struct slice key, struct slice value,
                       struct error *error);
    enum status (*remove)(void *db, struct slice key, struct error *error);

    /* Adds to a batch of the handle's, and writes that at once and empties it. */
    enum status (*batch_put)(void *db, struct slice key, struct slice value,
                             struct error *error);
    enum status (*batch_write)(void *db, struct error *error);

    /* Another handle of the same open database, which is closed after it has gone. */
    enum status (*share)(void *db, void **other, struct error *error);
    void (*unshare)(void *other);

    /* OK or NOT_FOUND; the value lives until the next get, or close. */
    enum status (*get)(void *db, struct slice key, struct slice *value,
                       struct error *error);

    /* Over everything, with an iterator of its own. */
    enum status (*scan)(void *db, bool forward, struct seen *seen, struct error *error);

    /* An iterator of its own, a seek, and so many steps as there are entries for. */
    enum status (*seek)(void *db, struct slice key, unsigned int steps, struct seen *seen,
                        struct error *error);

    /* Writes what is in memory to tables, and merges all of those. */
    enum status (*compact)(void *db, struct error *error);
};

enum { CONTENDERS = 3 };

/* Strata first: the others are held against it. */
extern const struct contender *const contenders[CONTENDERS];

extern const struct contender contender_strata;
extern const struct contender contender_leveldb;
extern const struct contender contender_rocksdb;

#endif
