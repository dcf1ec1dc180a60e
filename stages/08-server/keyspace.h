/* The keys of the server: strings with an end, over the store (kv.h).
 *
 * What is over is absent, to every function here. A write is one change, and never waits
 * to be durable: replies do. So the sequences that a request observed and wrote are
 * gathered in its access, for its reply to wait for.
 *
 * Who writes a key holds its lock, from before it reads the key until the change is in:
 *
 *     struct key_locks locks = {0};
 *     key_locks_add(&locks, key);                    of all keys first
 *     status = keyspace_lock(access, &locks);
 *     … keyspace_get, keyspace_put …
 *     keyspace_unlock(access, &locks);
 *
 * so that what is read and written is one step to all others who write; blind writes too,
 * for another one may be between its read and its write. Who only reads takes none.
 *
 * Keys share locks, KEY_LOCKS of them. They are taken in the order of their numbers,
 * whatever the order of the keys: no two wait for each other. A holder may wait for a
 * file to be read, or for a stalled write, so who may not wait does not wait for it
 * either: STALLED.
 *
 * STALLED, of any function: it would have to wait, and access->may_wait is false; nothing
 * has changed. Other errors are the store's, with a message.
 *
 * Any thread, each with its own access.
 *
 * tidy: long because it is all that commands know of the store. */
#ifndef STRATA_KEYSPACE_H
#define STRATA_KEYSPACE_H

#include "expiry.h"
#include "kv.h"

struct keyspace;

/* The store is borrowed. NO_MEMORY. */
MUST_CHECK enum status keyspace_open(struct kv *kv, const struct world *world,
                                     struct keyspace **keyspace, struct error *error);
void keyspace_close(struct keyspace *keyspace); /* nobody uses it; NULL is allowed */

/* One request's use of it. */
struct keyspace_access {
    struct keyspace *keyspace;
    bool may_wait;
    uint64_t millis;     /* 0: nobody has asked for its time */
    uint64_t sequence;   /* the greatest that it observed or wrote */
    size_t hits, misses; /* of keyspace_get and keyspace_get_many, to be counted */
    size_t expired;      /* misses because the value was over */
};

void keyspace_begin(struct keyspace_access *access, struct keyspace *keyspace,
                    bool may_wait);

/* All of the request happens at this time: that of the first call. Most requests have
 * nothing to do with ends, and ask no clock. */
uint64_t keyspace_access_millis(struct keyspace_access *access);

/* Whether what ends then is over, for this request. */
bool keyspace_is_over(struct keyspace_access *access, uint64_t expires_at_millis);

uint64_t keyspace_now_micros(const struct keyspace *keyspace); /* wall clock */
uint64_t keyspace_random(struct keyspace *keyspace);
struct kv *keyspace_kv(struct keyspace *keyspace);

/* ---- locks ----------------------------------------------------------------------- */

enum { KEY_LOCKS = 1024 };

struct key_locks { /* {0}: none */
    uint64_t wanted[KEY_LOCKS / 64];
};

void key_locks_add(struct key_locks *locks, struct slice key);
void key_locks_add_all(struct key_locks *locks); /* of every key */
MUST_CHECK enum status keyspace_lock(struct keyspace_access *access,
                                     const struct key_locks *locks);
void keyspace_unlock(struct keyspace_access *access, const struct key_locks *locks);

/* ---- reading --------------------------------------------------------------------- */

struct stored_value { /* {0}: empty; to be freed with buf_free(&value->payload) */
    struct buf payload;
    uint64_t expires_at_millis;
};

/* NOT_FOUND: it is not there, or over. */
MUST_CHECK enum status keyspace_get(struct keyspace_access *access, struct slice key,
                                    struct stored_value *value, struct error *error);

/* The payloads of many keys, as they are at one moment; statuses[i] is OK or NOT_FOUND.
 * LIMIT: they are more than most_bytes (0: any number). The caller frees the payloads,
 * after an error too. */
MUST_CHECK enum status keyspace_get_many(struct keyspace_access *access,
                                         const struct slice *keys, size_t count,
                                         size_t most_bytes, struct buf *payloads,
                                         enum status *statuses, struct error *error);

/* How many keys there are: exactly, by going over all of them. It waits: requires
 * may_wait, as do iterators. */
MUST_CHECK enum status keyspace_count(struct keyspace_access *access, uint64_t *count,
                                      struct error *error);

/* What is not over of an iterator over the store, as it was when it was opened, at the
 * time of `access`. */
struct keyspace_iter {
    struct iter *iter;
    uint64_t now_millis;
    uint64_t passed; /* entries looked at, those that are over too */
    bool valid;
    struct slice key; /* key and payload: borrowed until it moves */
    struct slice payload;
    uint64_t expires_at_millis;
};

/* From `from` on, before `to`, if they are present. Not positioned yet. */
MUST_CHECK enum status keyspace_iter_open(struct keyspace_access *access,
                                          struct slice from, struct slice to,
                                          struct keyspace_iter *iter,
                                          struct error *error);
void keyspace_iter_close(struct keyspace_iter *iter);

/* As those of iter.h, for `reverse` from the other end: the last one, that before key.
 * When valid is false, keyspace_iter_status tells whether that is the end. */
MUST_CHECK enum status keyspace_iter_status(const struct keyspace_iter *iter,
                                            struct error *error);
void keyspace_iter_first(struct keyspace_iter *iter, bool reverse);
void keyspace_iter_seek(struct keyspace_iter *iter, struct slice key, bool reverse);
void keyspace_iter_next(struct keyspace_iter *iter, bool reverse);

/* ---- writing --------------------------------------------------------------------- */

struct key_change {
    struct slice key;
    bool put; /* false: it is deleted */
    struct slice payload;
    uint64_t expires_at_millis; /* EXPIRY_NEVER: it has no end */
};

/* All of them or none, as one change. Requires the locks of all keys. LIMIT: a key or
 * value is too long. */
MUST_CHECK enum status keyspace_write(struct keyspace_access *access,
                                      const struct key_change *changes, size_t count,
                                      struct error *error);

static inline enum status keyspace_put(struct keyspace_access *access, struct slice key,
                                       struct slice payload, uint64_t expires_at_millis,
                                       struct error *error) {
    const struct key_change change = {key, true, payload, expires_at_millis};
    return keyspace_write(access, &change, 1, error);
}

static inline enum status keyspace_delete(struct keyspace_access *access,
                                          struct slice key, struct error *error) {
    const struct key_change change = {.key = key};
    return keyspace_write(access, &change, 1, error);
}

/* Everything. Takes all locks itself; durable when it returns. Requires may_wait. */
MUST_CHECK enum status keyspace_erase(struct keyspace_access *access,
                                      struct error *error);

#endif
