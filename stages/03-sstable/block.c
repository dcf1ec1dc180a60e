/* A search compares as little as it can. It knows how many bytes the key before has in
 * common with the target (`matched`), and that this key is before the target. Then of the
 * next key
 *
 *   - if it shares more than `matched` bytes with the key before, the byte that decided
 *     there decides here: it is before the target, too, and is not looked at;
 *   - else its shared bytes are the target's, and only the unshared ones are compared.
 *
 * So no key is put together on the way, and the one that is found is the target's first
 * bytes and its own. There is an exception: where no byte decided, but the length or the
 * tag did, the next key may share bytes of a tag with the one before. Such bytes are kept
 * in the iterator's room, from `matched` on.
 *
 * tidy: long because steps and searches read entries by the same few lines, which are
 * inlined into both. */
#include "block.h"

#include "coding.h"
#include "internal_key.h"
#include "shared_prefix.h"

/* ---- entries --------------------------------------------------------------------- */

struct entry {
    uint32_t shared;
    uint32_t unshared;
    uint32_t value_bytes;
    const unsigned char *bytes; /* the unshared ones, then the value */
};

static inline bool take_length(const unsigned char **at, const unsigned char *end,
                               uint32_t *value) {
    if (*at < end && **at < 0x80) {
        *value = *(*at)++;
        return true;
    }
    struct slice rest = slice_make(*at, (size_t)(end - *at));
    if (!take_varint32(&rest, value)) {
        return false;
    }
    *at = rest.data;
    return true;
}

/* Reads the entry at `offset`, which lies before the restart array, and answers whether
 * it ends before it, too. That the key before has as many bytes as are shared is the
 * caller's to check. */
static inline bool entry_at(const struct block *block, size_t offset,
                            struct entry *entry) {
    const unsigned char *at = block->data + offset;
    const unsigned char *end = block->data + block->restarts;
    if (!take_length(&at, end, &entry->shared) ||
        !take_length(&at, end, &entry->unshared) ||
        !take_length(&at, end, &entry->value_bytes)) {
        return false;
    }
    entry->bytes = at;
    return (uint64_t)entry->unshared + entry->value_bytes <= (uint64_t)(end - at);
}

static inline size_t entry_key_bytes(const struct entry *entry) {
    return (size_t)entry->shared + entry->unshared;
}

/* The offset of what comes behind it. */
static inline size_t entry_end(const struct block *block, const struct entry *entry) {
    return (size_t)(entry->bytes - block->data) + entry->unshared + entry->value_bytes;
}

static inline size_t restart_offset(const struct block *block, uint32_t index) {
    return decode_fixed32(block->data + block->restarts + 4 * (size_t)index);
}

/* ---- the block ------------------------------------------------------------------- */

enum status block_init(struct block *block, struct slice contents, const char **why) {
    if (contents.length < BLOCK_TAIL_BYTES || contents.length > BLOCK_BYTES_MAX) {
        *why = "a block of an impossible size";
        return STATUS_CORRUPT;
    }
    size_t end = contents.length - 4;
    uint32_t count = decode_fixed32(contents.data + end);
    if (count == 0 || count > end / 4) {
        *why = "a block with an impossible number of restart points";
        return STATUS_CORRUPT;
    }
    const struct block found = {contents.data, end - 4 * (size_t)count, count};
    size_t before = restart_offset(&found, 0);
    bool good = before == 0;
    for (uint32_t i = 1; i < count && good; i++) {
        size_t offset = restart_offset(&found, i);
        good = offset > before && offset < found.restarts;
        before = offset;
    }
    if (!good) {
        *why = "a block whose restart points are wrong";
        return STATUS_CORRUPT;
    }
    *block = found;
    return STATUS_OK;
}

enum status block_check_restarts(const struct block *block, const char **why) {
    struct entry entry;
    uint32_t met = 0;
    size_t offset = 0;
    while (offset < block->restarts && entry_at(block, offset, &entry)) {
        if (met < block->restart_count && restart_offset(block, met) == offset) {
            if (entry.shared != 0) {
                *why = "the key at a restart point shares bytes of the one before";
                return STATUS_CORRUPT;
            }
            met++;
        }
        offset = entry_end(block, &entry);
    }
    if (met < block->restart_count && block->restarts > 0) {
        *why = "a restart point is no entry";
        return STATUS_CORRUPT;
    }
    return STATUS_OK;
}

/* ---- moves ----------------------------------------------------------------------- */

static void fail_at(struct block_iter *iter, size_t offset, const char *why) {
    iter->iter.valid = false;
    (void)error_set(&iter->iter.error, STATUS_CORRUPT, "in the block at %zu: %s", offset,
                    why);
}

static const char cut_short[] = "an entry is cut short";
static const char shares_too_much[] = "a key shares more than there is";
static const char no_internal_key[] = "a key is no internal key";

/* Before every positioning: an error of the past is forgotten. */
static void begin(struct block_iter *iter) {
    iter->iter.valid = false;
    iter->behind_count = 0;
    iter->iter.error.status = STATUS_OK;
}

/* Room for a key. What it holds stays, whether or not it is of use. */
static bool make_room(struct block_iter *iter, size_t bytes) {
    if (bytes <= iter->room_bytes) {
        return true;
    }
    if (buf_reserve(&iter->large, bytes) != STATUS_OK) {
        iter->iter.valid = false;
        (void)error_no_memory(&iter->iter.error, "a key", bytes);
        return false;
    }
    if (iter->room == iter->small) {
        memcpy(iter->large.data, iter->small, sizeof iter->small);
    }
    iter->room = iter->large.data;
    iter->room_bytes = iter->large.capacity;
    return true;
}

/* The entry becomes the current one; its key has been put together at `key`. */
static inline void show(struct block_iter *iter, size_t offset, const struct entry *entry,
                        const unsigned char *key) {
    iter->entry = offset;
    iter->next = entry_end(iter->block, entry);
    iter->iter.key = slice_make(key, entry_key_bytes(entry));
    iter->iter.value = slice_make(entry->bytes + entry->unshared, entry->value_bytes);
    iter->iter.valid = true;
}

/* Goes to the entry at `offset`, behind one whose key has key_bytes and is iter.key, or
 * at a restart point with key_bytes == 0. */
static inline void step_to(struct block_iter *iter, size_t offset, size_t key_bytes) {
    struct entry entry;
    if (offset >= iter->block->restarts) {
        iter->iter.valid = false;
        return;
    }
    if (!entry_at(iter->block, offset, &entry)) {
        fail_at(iter, offset, cut_short);
        return;
    }
    if (entry.shared > key_bytes) {
        fail_at(iter, offset, shares_too_much);
        return;
    }
    if (entry.shared == 0) {
        show(iter, offset, &entry, entry.bytes);
        return;
    }
    const unsigned char *before = iter->iter.key.data;
    bool in_room = before == iter->room;
    if (!make_room(iter, entry_key_bytes(&entry))) {
        return;
    }
    if (!in_room) {
        memcpy(iter->room, before, entry.shared);
    }
    memcpy(iter->room + entry.shared, entry.bytes, entry.unshared);
    show(iter, offset, &entry, iter->room);
}

void block_iter_first(struct block_iter *iter) {
    begin(iter);
    step_to(iter, 0, 0);
}

void block_iter_next(struct block_iter *iter) {
    iter->behind_count = 0;
    step_to(iter, iter->next, iter->iter.key.length);
}

void block_iter_restart(struct block_iter *iter, uint32_t index) {
    const struct block *block = iter->block;
    begin(iter);
    step_to(iter,
            index < block->restart_count ? restart_offset(block, index) : block->restarts,
            0);
}

/* The last restart point before `offset`, which is above 0. */
static size_t restart_before(const struct block *block, size_t offset) {
    uint32_t low = 0;
    uint32_t high = block->restart_count - 1;
    while (low < high) {
        uint32_t middle = high - (high - low) / 2;
        if (restart_offset(block, middle) < offset) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return restart_offset(block, low);
}

/* The current entry is left behind, by a step forward. */
static void leave_behind(struct block_iter *iter) {
    enum { KEPT = BLOCK_ITER_BEHIND / 2 };
    if (iter->behind_count == BLOCK_ITER_BEHIND) {
        memmove(iter->behind, iter->behind + BLOCK_ITER_BEHIND - KEPT,
                KEPT * sizeof iter->behind[0]);
        iter->behind_count = KEPT;
    }
    iter->behind[iter->behind_count++] = (uint32_t)iter->entry;
}

/* Goes to the entry that ends at `end`, above 0. Since entries only lead forward, the way
 * begins at the restart point before. */
static void walk_up_to(struct block_iter *iter, size_t end) {
    begin(iter);
    step_to(iter, restart_before(iter->block, end), 0);
    while (iter->iter.valid && iter->next < end) {
        leave_behind(iter);
        step_to(iter, iter->next, iter->iter.key.length);
    }
    if (iter->iter.valid && iter->next > end) {
        fail_at(iter, iter->entry, "an entry and a restart point overlap");
    }
}

void block_iter_last(struct block_iter *iter) {
    if (iter->block->restarts == 0) {
        begin(iter);
    } else {
        walk_up_to(iter, iter->block->restarts);
    }
}

/* Goes to the entry just behind, if a walk has met it. Its key begins with what the
 * current one shares with it. What is missing from there on stands in the entry itself,
 * and where that shares more, in the ones behind it. False: in more than were kept. */
static bool step_back(struct block_iter *iter) {
    const struct block *block = iter->block;
    size_t at = iter->behind_count;
    struct entry current, entry, older;
    if (at == 0 || !entry_at(block, iter->entry, &current) ||
        !entry_at(block, iter->behind[--at], &entry)) {
        return false;
    }
    const unsigned char *key = entry.bytes;
    if (entry.shared > 0) {
        if (!make_room(iter, entry_key_bytes(&entry))) {
            return true;
        }
        key = iter->room; /* the current key stands there, if it shares anything */
        memcpy(iter->room + entry.shared, entry.bytes, entry.unshared);
    }
    for (size_t missing = entry.shared, i = at; missing > current.shared;) {
        if (i == 0 || !entry_at(block, iter->behind[--i], &older)) {
            return false;
        }
        if (older.shared < missing) {
            memcpy(iter->room + older.shared, older.bytes, missing - older.shared);
            missing = older.shared;
        }
    }
    show(iter, iter->behind[at], &entry, key);
    iter->behind_count = at;
    return true;
}

void block_iter_prev(struct block_iter *iter) {
    if (iter->entry == 0) {
        begin(iter);
    } else if (!step_back(iter)) {
        walk_up_to(iter, iter->entry);
    }
}

/* ---- search ---------------------------------------------------------------------- */

enum { PREFETCH_BYTES_MAX = 2048, CACHE_LINE_BYTES = 64 };

struct target {
    const unsigned char *user;
    size_t user_bytes;
    uint64_t tag;
};

static bool is_before(struct slice key, const struct target *target) {
    size_t user_bytes = key.length - TAG_BYTES;
    size_t both = user_bytes < target->user_bytes ? user_bytes : target->user_bytes;
    size_t same = shared_prefix(key.data, target->user, both);
    if (same < both) {
        return key.data[same] < target->user[same];
    }
    if (user_bytes != target->user_bytes) {
        return user_bytes < target->user_bytes;
    }
    return internal_key_tag(key) > target->tag;
}

/* A walk learns from each entry where the next one is: of a block that the processor's
 * caches do not hold it would wait for one line after the other. So they are asked for
 * together, up to the next restart point, where most searches have ended. */
static void prefetch_walk(const struct block *block, size_t from, size_t to) {
    size_t most = from + PREFETCH_BYTES_MAX;
    for (to = to < most ? to : most; from < to; from += CACHE_LINE_BYTES) {
        __builtin_prefetch(block->data + from);
    }
}

/* Finds the last restart point whose key is before the target, else the first of all.
 * False: the iterator has failed. */
static bool find_restart(struct block_iter *iter, const struct target *target,
                         size_t *offset) {
    const struct block *block = iter->block;
    uint32_t low = 0;
    uint32_t high = block->restart_count - 1;
    while (low < high) {
        uint32_t middle = high - (high - low) / 2;
        size_t at = restart_offset(block, middle);
        struct entry entry;
        const char *why = !entry_at(block, at, &entry) ? cut_short
                          : entry.shared != 0          ? shares_too_much
                          : entry.unshared < TAG_BYTES ? no_internal_key
                                                       : NULL;
        if (why != NULL) {
            fail_at(iter, at, why);
            return false;
        }
        if (is_before(slice_make(entry.bytes, entry.unshared), target)) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    *offset = restart_offset(block, low);
    prefetch_walk(block, *offset,
                  low + 1 < block->restart_count ? restart_offset(block, low + 1)
                                                 : block->restarts);
    return true;
}

/* A walk's knowledge of the key before, which is before the target. */
struct walk {
    size_t key_bytes; /* of it */
    size_t matched;   /* its user key and the target's are alike so far */
    bool decided;     /* by the byte at `matched`; else its bytes from there on are in
                         the iterator's room */
};

/* Looks at an entry. True: it is not before the target, or the iterator has failed. */
static bool reaches(struct block_iter *iter, const struct target *target, size_t offset,
                    const struct entry *entry, struct walk *walk) {
    size_t key_bytes = entry_key_bytes(entry);
    size_t from = entry->shared; /* its bytes before that are the target's */
    const unsigned char *bytes = entry->bytes;
    if (key_bytes < TAG_BYTES) {
        fail_at(iter, offset, no_internal_key);
        return true;
    }
    if (entry->shared > walk->matched) {
        if (!make_room(iter, key_bytes)) {
            return true;
        }
        memcpy(iter->room + entry->shared, entry->bytes, entry->unshared);
        from = walk->matched;
        bytes = iter->room + from;
    }
    size_t user_bytes = key_bytes - TAG_BYTES;
    if (user_bytes < from) { /* the key before begins with it, and is longer */
        fail_at(iter, offset, "a key is below the one before it");
        return true;
    }
    size_t both = user_bytes < target->user_bytes ? user_bytes : target->user_bytes;
    size_t same = from + shared_prefix(bytes, target->user + from, both - from);
    bool decided = same < both;
    if (decided ? bytes[same - from] > target->user[same]
        : user_bytes != target->user_bytes
            ? user_bytes > target->user_bytes
            : decode_fixed64(bytes + (same - from)) <= target->tag) {
        return true;
    }
    if (!decided && bytes == entry->bytes) {
        if (!make_room(iter, key_bytes)) {
            return true;
        }
        memcpy(iter->room + same, bytes + (same - from), key_bytes - same);
    }
    *walk = (struct walk){key_bytes, same, decided};
    return false;
}

/* Puts the key of the found entry together. */
static void show_found(struct block_iter *iter, const struct target *target,
                       size_t offset, const struct entry *entry,
                       const struct walk *walk) {
    if (entry->shared == 0) {
        show(iter, offset, entry, entry->bytes);
        return;
    }
    if (!make_room(iter, entry_key_bytes(entry))) {
        return;
    }
    if (entry->shared <= walk->matched) {
        memcpy(iter->room, target->user, entry->shared);
        memcpy(iter->room + entry->shared, entry->bytes, entry->unshared);
    } else {
        memcpy(iter->room, target->user, walk->matched);
    }
    show(iter, offset, entry, iter->room);
}

void block_iter_seek(struct block_iter *iter, struct slice key) {
    const struct target target = {key.data, key.length - TAG_BYTES,
                                  internal_key_tag(key)};
    const struct block *block = iter->block;
    struct walk walk = {0};
    struct entry entry;
    size_t offset;
    begin(iter);
    if (!find_restart(iter, &target, &offset)) {
        return;
    }
    for (; offset < block->restarts; offset = entry_end(block, &entry)) {
        if (!entry_at(block, offset, &entry)) {
            fail_at(iter, offset, cut_short);
            return;
        }
        if (entry.shared > walk.key_bytes) {
            fail_at(iter, offset, shares_too_much);
            return;
        }
        if (walk.decided && entry.shared > walk.matched) {
            walk.key_bytes = entry_key_bytes(&entry);
        } else if (reaches(iter, &target, offset, &entry, &walk)) {
            if (iter->iter.error.status == STATUS_OK) {
                show_found(iter, &target, offset, &entry, &walk);
            }
            return;
        }
    }
}

void block_iter_seek_before(struct block_iter *iter, struct slice key) {
    block_iter_seek(iter, key);
    if (iter->iter.valid) {
        block_iter_prev(iter);
    } else if (iter->iter.error.status == STATUS_OK) {
        block_iter_last(iter);
    }
}

/* ---- foresight ------------------------------------------------------------------- */

enum { RESTARTS_AHEAD = 8, TAIL_AHEAD = 16 };

/* Of a block of the usual size these are its restart points; in one line, or in two. */
void block_foresee_tail(struct slice contents) {
    const unsigned char *end = contents.data + contents.length;
    __builtin_prefetch(end - 1);
    __builtin_prefetch(end - (contents.length < TAIL_AHEAD ? 1 : TAIL_AHEAD));
}

void block_foresee_restart(const struct block *block, uint32_t index) {
    __builtin_prefetch(block->data + block->restarts + 4 * (size_t)index);
}

void block_foresee_entry(const struct block *block, uint32_t index) {
    if (index < block->restart_count) {
        __builtin_prefetch(block->data + restart_offset(block, index));
    }
}

void block_foresee_restarts(const struct block *block) {
    for (uint32_t i = 1; i <= RESTARTS_AHEAD; i++) {
        block_foresee_entry(block, i);
    }
}

void block_foresee_walk(const struct block *block, struct slice key) {
    const struct target target = {key.data, key.length - TAG_BYTES,
                                  internal_key_tag(key)};
    struct block_iter iter;
    size_t offset;
    block_iter_init(&iter, block);
    (void)find_restart(&iter, &target, &offset);
}

/* ---- as an iterator -------------------------------------------------------------- */

static void op_first(struct iter *iter) {
    block_iter_first((struct block_iter *)iter);
}

static void op_last(struct iter *iter) {
    block_iter_last((struct block_iter *)iter);
}

static void op_seek(struct iter *iter, struct slice key) {
    block_iter_seek((struct block_iter *)iter, key);
}

static void op_seek_before(struct iter *iter, struct slice key) {
    block_iter_seek_before((struct block_iter *)iter, key);
}

static void op_next(struct iter *iter) {
    block_iter_next((struct block_iter *)iter);
}

static void op_prev(struct iter *iter) {
    block_iter_prev((struct block_iter *)iter);
}

static void op_close(struct iter *iter) {
    block_iter_free((struct block_iter *)iter);
}

static const struct iter_ops block_iter_ops = {op_first, op_last, op_seek, op_seek_before,
                                               op_next,  op_prev, op_close};

/* Field by field: a get makes an iterator, and most of it need not be zeroed. */
void block_iter_init(struct block_iter *iter, const struct block *block) {
    iter->iter.ops = &block_iter_ops;
    iter->iter.valid = false;
    iter->iter.error.status = STATUS_OK;
    iter->iter.error.message[0] = '\0';
    iter->iter.key = (struct slice){NULL, 0};
    iter->iter.value = (struct slice){NULL, 0};
    iter->block = block;
    iter->entry = 0;
    iter->next = 0;
    iter->room = iter->small;
    iter->room_bytes = sizeof iter->small;
    iter->large = (struct buf){0};
    iter->behind_count = 0;
}

void block_iter_free(struct block_iter *iter) {
    buf_free(&iter->large);
}
