/* A lock of keys is a word: FREE, HELD, or WAITED for by somebody (held, and whoever
 * frees it wakes those who wait). Taking and freeing one that nobody else wants is one
 * atomic operation each; only who has to wait goes through the mutex.
 *
 *     take    FREE -> HELD; or, with the mutex: FREE -> WAITED, else to WAITED, and sleep
 *     free    HELD -> FREE; or, with the mutex: WAITED -> FREE, wake all
 *
 * A sleeper has seen WAITED with the mutex held, and WAITED ends only under the mutex: no
 * wake-up is lost. Who was woken takes it as WAITED, since others may sleep still. */
#include "keyspace.h"

#include <assert.h>
#include <xxhash.h>

#include "atomic.h"
#include "memory.h"

enum lock_word { LOCK_FREE, LOCK_HELD, LOCK_WAITED };

struct keyspace {
    struct kv *kv;
    const struct clock *clock;
    struct atomic_u64 random; /* splitmix64's state */
    struct mutex mutex;
    struct condition freed;             /* one of the locks that somebody waits for */
    struct atomic_u64 locks[KEY_LOCKS]; /* enum lock_word */
};

enum status keyspace_open(struct kv *kv, const struct world *world, struct keyspace **out,
                          struct error *error) {
    struct keyspace *keyspace = memory_take_zeroed(sizeof *keyspace);
    if (keyspace == NULL) {
        return error_no_memory(error, "a keyspace", sizeof *keyspace);
    }
    keyspace->kv = kv;
    keyspace->clock = world->clock;
    atomic_u64_store(&keyspace->random, clock_wall_micros(world->clock),
                     memory_order_relaxed);
    enum status status = mutex_init(&keyspace->mutex, world->threads);
    if (status == STATUS_OK) {
        status = condition_init(&keyspace->freed, world->threads);
        if (status != STATUS_OK) {
            mutex_free(&keyspace->mutex);
        }
    }
    if (status != STATUS_OK) {
        memory_give(keyspace);
        return error_no_memory(error, "a mutex", sizeof keyspace->mutex);
    }
    *out = keyspace;
    return STATUS_OK;
}

void keyspace_close(struct keyspace *keyspace) {
    if (keyspace != NULL) {
        condition_free(&keyspace->freed);
        mutex_free(&keyspace->mutex);
        memory_give(keyspace);
    }
}

void keyspace_begin(struct keyspace_access *access, struct keyspace *keyspace,
                    bool may_wait) {
    *access = (struct keyspace_access){
        .keyspace = keyspace,
        .may_wait = may_wait,
    };
}

uint64_t keyspace_access_millis(struct keyspace_access *access) {
    if (access->millis == 0) {
        access->millis = clock_wall_micros(access->keyspace->clock) / 1000;
    }
    return access->millis;
}

bool keyspace_is_over(struct keyspace_access *access, uint64_t expires_at_millis) {
    return expires_at_millis != EXPIRY_NEVER &&
           expiry_is_over(expires_at_millis, keyspace_access_millis(access));
}

uint64_t keyspace_now_micros(const struct keyspace *keyspace) {
    return clock_wall_micros(keyspace->clock);
}

/* splitmix64 (Steele, Lea, Flood 2014) */
uint64_t keyspace_random(struct keyspace *keyspace) {
    uint64_t mixed = atomic_u64_add(&keyspace->random, UINT64_C(0x9e3779b97f4a7c15),
                                    memory_order_relaxed);
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ (mixed >> 31);
}

struct kv *keyspace_kv(struct keyspace *keyspace) {
    return keyspace->kv;
}

static void note(struct keyspace_access *access, uint64_t sequence) {
    if (access->sequence < sequence) {
        access->sequence = sequence;
    }
}

/* ---- locks ----------------------------------------------------------------------- */

void key_locks_add(struct key_locks *locks, struct slice key) {
    uint64_t number = XXH3_64bits(key.data, key.length) % KEY_LOCKS;
    locks->wanted[number / 64] |= UINT64_C(1) << number % 64;
}

void key_locks_add_all(struct key_locks *locks) {
    memset(locks->wanted, 0xff, sizeof locks->wanted);
}

static bool take(struct keyspace_access *access, struct atomic_u64 *lock) {
    struct keyspace *keyspace = access->keyspace;
    if (atomic_u64_exchange_if(lock, LOCK_FREE, LOCK_HELD, memory_order_acquire)) {
        return true;
    }
    if (!access->may_wait) {
        return false;
    }
    mutex_lock(&keyspace->mutex);
    while (!atomic_u64_exchange_if(lock, LOCK_FREE, LOCK_WAITED, memory_order_acquire)) {
        if (atomic_u64_exchange_if(lock, LOCK_HELD, LOCK_WAITED, memory_order_relaxed) ||
            atomic_u64_load(lock, memory_order_relaxed) == LOCK_WAITED) {
            condition_wait(&keyspace->freed, &keyspace->mutex);
        }
    }
    mutex_unlock(&keyspace->mutex);
    return true;
}

static void release(struct keyspace *keyspace, struct atomic_u64 *lock) {
    if (atomic_u64_exchange_if(lock, LOCK_HELD, LOCK_FREE, memory_order_release)) {
        return;
    }
    mutex_lock(&keyspace->mutex);
    assert(atomic_u64_load(lock, memory_order_relaxed) == LOCK_WAITED);
    atomic_u64_store(lock, LOCK_FREE, memory_order_release);
    condition_broadcast(&keyspace->freed);
    mutex_unlock(&keyspace->mutex);
}

/* The lowest number that is wanted, taken out of `left`; false: none is left. */
static bool next_number(struct key_locks *left, size_t *number) {
    for (size_t i = 0; i < KEY_LOCKS / 64; i++) {
        if (left->wanted[i] != 0) {
            *number = i * 64 + (size_t)__builtin_ctzll(left->wanted[i]);
            left->wanted[i] &= left->wanted[i] - 1;
            return true;
        }
    }
    return false;
}

enum status keyspace_lock(struct keyspace_access *access, const struct key_locks *locks) {
    struct key_locks left = *locks;
    struct key_locks taken = {0};
    size_t number;
    while (next_number(&left, &number)) {
        if (!take(access, &access->keyspace->locks[number])) {
            keyspace_unlock(access, &taken);
            return STATUS_STALLED;
        }
        taken.wanted[number / 64] |= UINT64_C(1) << number % 64;
    }
    return STATUS_OK;
}

void keyspace_unlock(struct keyspace_access *access, const struct key_locks *locks) {
    struct key_locks left = *locks;
    size_t number;
    while (next_number(&left, &number)) {
        release(access->keyspace, &access->keyspace->locks[number]);
    }
}

/* ---- reading --------------------------------------------------------------------- */

/* Leaves the payload of what was stored; false: it is over. */
static bool unpack(struct keyspace_access *access, struct buf *stored,
                   uint64_t *expires_at_millis) {
    struct expiry_value value = expiry_decode(buf_slice(stored));
    if (keyspace_is_over(access, value.expires_at_millis)) {
        return false;
    }
    *expires_at_millis = value.expires_at_millis;
    if (value.payload.length < stored->length) {
        memmove(stored->data, value.payload.data, value.payload.length);
        stored->length = value.payload.length;
    }
    return true;
}

static void count_lookup(struct keyspace_access *access, enum status status) {
    access->hits += status == STATUS_OK;
    access->misses += status == STATUS_NOT_FOUND;
}

enum status keyspace_get(struct keyspace_access *access, struct slice key,
                         struct stored_value *value, struct error *error) {
    uint64_t observed = 0;
    const struct kv_read_options options = {.observed = &observed,
                                            .no_wait = !access->may_wait};
    enum status status =
        kv_get(access->keyspace->kv, key, &value->payload, &options, error);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        return status;
    }
    note(access, observed);
    if (status == STATUS_OK &&
        !unpack(access, &value->payload, &value->expires_at_millis)) {
        access->expired++;
        status = STATUS_NOT_FOUND;
    }
    count_lookup(access, status);
    return status;
}

enum status keyspace_get_many(struct keyspace_access *access, const struct slice *keys,
                              size_t count, size_t most_bytes, struct buf *payloads,
                              enum status *statuses, struct error *error) {
    uint64_t observed = 0;
    const struct kv_read_options options = {
        .observed = &observed, .no_wait = !access->may_wait, .most_bytes = most_bytes};
    enum status status = kv_get_many(access->keyspace->kv, keys, count, payloads,
                                     statuses, &options, error);
    if (status != STATUS_OK) {
        return status;
    }
    note(access, observed);
    for (size_t i = 0; i < count; i++) {
        uint64_t expires_at_millis;
        if (statuses[i] == STATUS_OK &&
            !unpack(access, &payloads[i], &expires_at_millis)) {
            access->expired++;
            statuses[i] = STATUS_NOT_FOUND;
        }
        count_lookup(access, statuses[i]);
    }
    return STATUS_OK;
}

enum status keyspace_count(struct keyspace_access *access, uint64_t *count,
                           struct error *error) {
    const struct slice unbounded = {0};
    struct keyspace_iter iter;
    uint64_t found = 0;
    enum status status = keyspace_iter_open(access, unbounded, unbounded, &iter, error);
    if (status != STATUS_OK) {
        return status;
    }
    keyspace_iter_first(&iter, false);
    while (iter.valid) {
        found++;
        keyspace_iter_next(&iter, false);
    }
    status = keyspace_iter_status(&iter, error);
    keyspace_iter_close(&iter);
    if (status == STATUS_OK) {
        *count = found;
    }
    return status;
}

/* ---- iterating ------------------------------------------------------------------- */

enum status keyspace_iter_open(struct keyspace_access *access, struct slice from,
                               struct slice to, struct keyspace_iter *iter,
                               struct error *error) {
    uint64_t observed = 0;
    const struct kv_iter_options options = {
        .from = from, .to = to, .observed = &observed};
    assert(access->may_wait);
    *iter = (struct keyspace_iter){.now_millis = keyspace_access_millis(access)};
    enum status status = kv_iter(access->keyspace->kv, &options, &iter->iter, error);
    if (status == STATUS_OK) {
        note(access, observed);
    }
    return status;
}

void keyspace_iter_close(struct keyspace_iter *iter) {
    iter_close(iter->iter);
    iter->iter = NULL;
}

enum status keyspace_iter_status(const struct keyspace_iter *iter, struct error *error) {
    if (iter->iter->error.status != STATUS_OK && error != NULL) {
        *error = iter->iter->error;
    }
    return iter->iter->error.status;
}

/* Goes on to what is not over, from where the iterator stands. */
static void settle(struct keyspace_iter *iter, bool reverse) {
    struct iter *inner = iter->iter;
    iter->valid = false;
    while (inner->valid) {
        struct expiry_value value = expiry_decode(inner->value);
        iter->passed++;
        if (!expiry_is_over(value.expires_at_millis, iter->now_millis)) {
            iter->valid = true;
            iter->key = inner->key;
            iter->payload = value.payload;
            iter->expires_at_millis = value.expires_at_millis;
            return;
        }
        if (reverse) {
            iter_prev(inner);
        } else {
            iter_next(inner);
        }
    }
}

void keyspace_iter_first(struct keyspace_iter *iter, bool reverse) {
    if (reverse) {
        iter_last(iter->iter);
    } else {
        iter_first(iter->iter);
    }
    settle(iter, reverse);
}

void keyspace_iter_seek(struct keyspace_iter *iter, struct slice key, bool reverse) {
    if (reverse) {
        iter_seek_before(iter->iter, key);
    } else {
        iter_seek(iter->iter, key);
    }
    settle(iter, reverse);
}

void keyspace_iter_next(struct keyspace_iter *iter, bool reverse) {
    if (reverse) {
        iter_prev(iter->iter);
    } else {
        iter_next(iter->iter);
    }
    settle(iter, reverse);
}

/* ---- writing --------------------------------------------------------------------- */

/* Operations for the changes; `room` keeps the values that get a header. It is reserved
 * once, so that it does not move under those that are there. */
static enum status encode(const struct key_change *changes, size_t count,
                          struct kv_op *ops, struct buf *room) {
    unsigned char header[EXPIRY_HEADER_BYTES];
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        const struct key_change *change = &changes[i];
        if (change->put &&
            expiry_header(header, change->payload, change->expires_at_millis) > 0) {
            bytes += sizeof header + change->payload.length;
        }
    }
    enum status status = bytes > 0 ? buf_reserve(room, bytes) : STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        const struct key_change *change = &changes[i];
        ops[i] = (struct kv_op){change->put ? KV_PUT : KV_DELETE, change->key,
                                change->payload};
        size_t begin = room->length;
        if (change->put &&
            expiry_header(header, change->payload, change->expires_at_millis) > 0) {
            status = buf_append(room, header, sizeof header);
            if (status == STATUS_OK) {
                status = buf_append_slice(room, change->payload);
            }
            ops[i].value = slice_make(room->data + begin, room->length - begin);
        }
    }
    return status;
}

enum status keyspace_write(struct keyspace_access *access,
                           const struct key_change *changes, size_t count,
                           struct error *error) {
    uint64_t sequence = 0;
    const struct kv_write_options options = {.durability = DURABILITY_NONE,
                                             .sequence = &sequence,
                                             .no_wait = !access->may_wait};
    struct kv_op one = {0};
    struct kv_op *ops = count == 1 ? &one : memory_take(count * sizeof *ops);
    struct buf room = {0};
    enum status status = STATUS_NO_MEMORY;
    if (ops != NULL) {
        status = encode(changes, count, ops, &room);
    }
    if (status != STATUS_OK) {
        status = error_no_memory(error, "a change", count * sizeof *ops);
    } else {
        status = kv_write(access->keyspace->kv, ops, count, &options, error);
    }
    if (status == STATUS_OK) { /* that of a failed one may be another's after a resume */
        note(access, sequence);
    }
    buf_free(&room);
    if (ops != &one) {
        memory_give(ops);
    }
    return status;
}

enum status keyspace_erase(struct keyspace_access *access, struct error *error) {
    struct key_locks all = {0};
    assert(access->may_wait);
    key_locks_add_all(&all);
    enum status status = keyspace_lock(access, &all);
    if (status == STATUS_OK) {
        status = kv_erase_all(access->keyspace->kv, error);
        keyspace_unlock(access, &all);
    }
    return status;
}
