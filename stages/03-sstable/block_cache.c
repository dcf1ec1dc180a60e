/* A hash table with open addressing, cut into shards: a block stands in one of the
 * WINDOW slots that begin where its key hashes to. A find looks at these and no others.
 *
 * All that is decided about a slot is in one word, its state:
 *
 *     hits (39 bits) | kept (1 bit) | pins (24 bits)
 *
 * Why a find needs no lock:
 *
 *   1. A slot goes from not kept to kept, and back, by the holder of its shard's lock
 *      alone. It goes back by an exchange from exactly "kept, no pins": so never while
 *      somebody has a pin on a kept block.
 *   2. A find adds a hit and a pin in one step, which tells it what was there before. If
 *      the slot was kept, the pin counts: by (1) its block stays. If not, or if it turns
 *      out to be another block's, the find takes both back and has read nothing but
 *      atomics.
 *   3. So a slot that is not kept may carry pins for a moment, and whoever fills it may
 *      not store its state: it adds the kept bit and its own pin. Such a pin may also
 *      keep a block from being evicted for a moment: the hand goes on to another.
 *   4. The add that publishes a block is a release, the add of a find an acquire: what
 *      the find reads was written. An unpin is a release, the exchange that evicts an
 *      acquire: what is freed was read. All changes of a state between are
 *      read-modify-writes, so they carry both on (C11 5.1.2.4, release sequences).
 *   5. The key is compared once without a pin, to leave slots of other keys alone, and
 *      again with it, since the slot may have been filled anew in between. Hence the key
 *      is atomic; data and bytes are not, nobody reads them without a pin.
 *
 * The count of hits is also CLOCK's mark: a block was used if it has more hits than were
 * seen when the hand last came by. So a hit is marked and counted by the very step that
 * pins. A new block has no mark, it must be found again to earn one: so blocks that are
 * read once, as by a scan, do not drive out those that are read often. One that was found
 * more than once is passed over twice. Both were measured: of look-ups by Zipf's law in
 * five times the capacity 80 % hit, not 78; with a scan beside them 69 %, not 63. */
#include "block_cache.h"

#include <assert.h>

#include "memory.h"

static const uint64_t PIN = 1;
static const uint64_t PINS = (UINT64_C(1) << 24) - 1;
static const uint64_t KEPT = UINT64_C(1) << 24;
static const uint64_t HIT = UINT64_C(1) << 25;

enum {
    LINE_BYTES = 64,
    WINDOW = 16, /* slots in which a block may stand */
    BYTES_PER_SLOT = 2048,
    SLOT_BITS_MAX = 24,
    SHARD_BITS_MAX = 4,
    SHARD_SLOTS_MIN = 256, /* for half a megabyte of blocks */
    ROUNDS = 3             /* of looks at a slot, until an unused block goes */
};

_Static_assert(sizeof(struct cached_block) == LINE_BYTES, "one slot, one cache line");

struct shard {
    struct atomic_u64 misses;
    struct atomic_u64 blocks; /* that are kept; changed under lock */
    struct atomic_u64 bytes;  /* of them; changed under lock */
    struct mutex lock;        /* taken under no other, takes no other */
    /* guarded by lock */
    uint64_t hand; /* the slot that is looked at next */
    uint64_t hits; /* of blocks evicted since */
    uint64_t inserts;
    uint64_t evictions;
    unsigned char unused[LINE_BYTES]; /* the next one's begin on another line */
};

struct block_cache {
    /* never changed: all that a hit reads but its slot */
    struct cached_block *slots; /* shard by shard; aligned to LINE_BYTES */
    unsigned slot_bits;         /* of the whole cache */
    uint64_t shard_slots;
    uint64_t shard_count;
    uint64_t capacity;
    void *slot_memory;
    unsigned char unused[LINE_BYTES];

    struct atomic_u64 charged;
    struct atomic_u64 loose_bytes; /* of blocks handed out without being kept */
    struct shard shards[];
};

/* ---- open, close ------------------------------------------------------------------- */

static unsigned slot_bits_for(uint64_t capacity) {
    unsigned bits = 4;
    while (bits < SLOT_BITS_MAX && (capacity >> bits) > BYTES_PER_SLOT) {
        bits++;
    }
    return bits;
}

_Static_assert(WINDOW == 1 << 4, "the smallest cache is one window");

static uint64_t shards_for(uint64_t slots) {
    uint64_t count = slots / SHARD_SLOTS_MIN;
    uint64_t most = UINT64_C(1) << SHARD_BITS_MAX;
    return count == 0 ? 1 : count < most ? count : most;
}

static void free_memory(struct block_cache *cache, uint64_t locks) {
    for (uint64_t i = 0; i < locks; i++) {
        mutex_free(&cache->shards[i].lock);
    }
    memory_give(cache->slot_memory);
    memory_give(cache);
}

enum status block_cache_open(uint64_t bytes, const struct threads *threads,
                             struct block_cache **out, struct error *error) {
    unsigned slot_bits = slot_bits_for(bytes);
    size_t slots = (size_t)1 << slot_bits;
    size_t slot_bytes = slots * sizeof(struct cached_block) + LINE_BYTES;
    uint64_t shards = shards_for(slots);
    struct block_cache *cache =
        memory_take_zeroed(sizeof *cache + (size_t)shards * sizeof *cache->shards);
    if (cache == NULL) {
        return error_no_memory(error, "the block cache", sizeof *cache);
    }
    cache->slot_memory = memory_take_zeroed(slot_bytes);
    if (cache->slot_memory == NULL) {
        free_memory(cache, 0);
        return error_no_memory(error, "the block cache's slots", slot_bytes);
    }
    uintptr_t past_line = (uintptr_t)cache->slot_memory % LINE_BYTES;
    cache->slots = (struct cached_block *)((unsigned char *)cache->slot_memory +
                                           (LINE_BYTES - past_line) % LINE_BYTES);
    cache->slot_bits = slot_bits;
    cache->shard_slots = slots / shards;
    cache->shard_count = shards;
    cache->capacity = bytes;
    for (uint64_t i = 0; i < shards; i++) {
        if (mutex_init(&cache->shards[i].lock, threads) != STATUS_OK) {
            free_memory(cache, i);
            return error_no_memory(error, "a lock", sizeof(struct mutex));
        }
    }
    *out = cache;
    return STATUS_OK;
}

void block_cache_close(struct block_cache *cache) {
    if (cache == NULL) {
        return;
    }
    for (uint64_t i = 0; i < cache->shard_count * cache->shard_slots; i++) {
        struct cached_block *slot = &cache->slots[i];
        uint64_t state = atomic_u64_load(&slot->state, memory_order_acquire);
        assert((state & PINS) == 0);
        if ((state & KEPT) != 0) {
            memory_give(slot->data);
        }
    }
    assert(atomic_u64_load(&cache->loose_bytes, memory_order_relaxed) == 0);
    free_memory(cache, cache->shard_count);
}

/* ---- where a block may stand ------------------------------------------------------- */

/* Multiplying spreads offsets that lie a block apart (Knuth, volume 3, 6.4); the fold
 * between lets tables differ in all bits. */
static uint64_t home_of(const struct block_cache *cache, uint64_t table_number,
                        uint64_t offset) {
    uint64_t mixed = table_number * 0x9e3779b97f4a7c15u + offset;
    mixed = (mixed ^ (mixed >> 32)) * 0xbf58476d1ce4e5b9u;
    return mixed >> (64 - cache->slot_bits);
}

/* The i-th slot of the window that begins at home; windows end within their shard. */
static struct cached_block *slot_at(const struct block_cache *cache, uint64_t home,
                                    uint64_t i) {
    uint64_t within = cache->shard_slots - 1;
    return &cache->slots[(home & ~within) | ((home + i) & within)];
}

static struct shard *shard_of(struct block_cache *cache, uint64_t home) {
    return &cache->shards[home / cache->shard_slots];
}

static bool has_key(const struct cached_block *slot, uint64_t table_number,
                    uint64_t offset) {
    return atomic_u64_load(&slot->offset, memory_order_relaxed) == offset &&
           atomic_u64_load(&slot->table_number, memory_order_relaxed) == table_number;
}

/* ---- find, unpin ------------------------------------------------------------------- */

/* `with`: a pin, and a hit or none. */
static struct cached_block *find(struct block_cache *cache, uint64_t home,
                                 uint64_t table_number, uint64_t offset, uint64_t with) {
    for (uint64_t i = 0; i < WINDOW; i++) {
        struct cached_block *slot = slot_at(cache, home, i);
        if (!has_key(slot, table_number, offset)) {
            continue;
        }
        uint64_t before = atomic_u64_add(&slot->state, with, memory_order_acquire);
        if ((before & KEPT) != 0 && has_key(slot, table_number, offset)) {
            return slot;
        }
        atomic_u64_subtract(&slot->state, with, memory_order_relaxed);
    }
    return NULL;
}

struct cached_block *block_cache_find(struct block_cache *cache, uint64_t table_number,
                                      uint64_t offset) {
    uint64_t home = home_of(cache, table_number, offset);
    struct cached_block *found = find(cache, home, table_number, offset, HIT + PIN);
    if (found == NULL) {
        atomic_u64_add(&shard_of(cache, home)->misses, 1, memory_order_relaxed);
    }
    return found;
}

void block_cache_prefetch(const struct block_cache *cache, uint64_t table_number,
                          uint64_t offset) {
    __builtin_prefetch(slot_at(cache, home_of(cache, table_number, offset), 0));
}

struct cached_block *block_cache_peek(struct block_cache *cache, uint64_t table_number,
                                      uint64_t offset) {
    uint64_t home = home_of(cache, table_number, offset);
    return find(cache, home, table_number, offset, PIN);
}

/* A pinned block that is not kept is nobody's but the caller's. */
void block_cache_unpin(struct block_cache *cache, struct cached_block *block) {
    uint64_t before = atomic_u64_subtract(&block->state, PIN, memory_order_release);
    assert((before & PINS) != 0);
    if ((before & KEPT) == 0) {
        atomic_u64_subtract(&cache->loose_bytes, block->bytes, memory_order_relaxed);
        memory_give(block->data);
        memory_give(block);
    }
}

/* ---- eviction; all of it requires the shard's lock --------------------------------- */

static uint64_t kept_bytes(const struct shard *shard) {
    return atomic_u64_load(&shard->bytes, memory_order_relaxed);
}

/* False: the slot has no block, or one that is pinned or has hits that were not seen. One
 * hit is seen at this look; of more than one, one is left for the next. */
static bool evict(struct shard *shard, struct cached_block *slot) {
    uint64_t state = atomic_u64_load(&slot->state, memory_order_relaxed);
    if ((state & KEPT) == 0 || (state & PINS) != 0) {
        return false;
    }
    uint64_t hits = state / HIT;
    uint64_t unseen = hits - slot->seen;
    if (unseen > 0) {
        slot->seen = unseen > 1 ? hits - 1 : hits;
        return false;
    }
    if (!atomic_u64_exchange_if(&slot->state, state, 0, memory_order_acquire)) {
        return false; /* found this very moment */
    }
    atomic_u64_subtract(&shard->blocks, 1, memory_order_relaxed);
    atomic_u64_subtract(&shard->bytes, slot->bytes, memory_order_relaxed);
    shard->hits += hits;
    shard->evictions++;
    memory_give(slot->data);
    return true;
}

/* What a shard may keep. */
static uint64_t limit_of(const struct block_cache *cache) {
    uint64_t charged = atomic_u64_load(&cache->charged, memory_order_relaxed);
    return charged >= cache->capacity ? 0
                                      : (cache->capacity - charged) / cache->shard_count;
}

/* Full is what has no more than a sixteenth of its bytes or of its slots left: eviction
 * goes on only until the next block fits. */
static bool is_full(const struct block_cache *cache, const struct shard *shard) {
    uint64_t limit = limit_of(cache);
    uint64_t slots = cache->shard_slots;
    return kept_bytes(shard) >= limit - limit / 16 ||
           atomic_u64_load(&shard->blocks, memory_order_relaxed) >= slots - slots / 16;
}

bool block_cache_wants(struct block_cache *cache, uint64_t table_number,
                       uint64_t offset) {
    const struct shard *shard = shard_of(cache, home_of(cache, table_number, offset));
    return !is_full(cache, shard) ||
           atomic_u64_load(&shard->misses, memory_order_relaxed) %
                   BLOCK_CACHE_WANTS_ONE_IN ==
               0;
}

/* Evicts until the shard keeps no more than `bytes`. After two rounds all hits are seen,
 * in the third all goes that nobody uses. False: what is left is in use. */
static bool shrink(struct block_cache *cache, struct shard *shard, uint64_t bytes) {
    uint64_t first = (uint64_t)(shard - cache->shards) * cache->shard_slots;
    for (uint64_t step = 0; step < ROUNDS * cache->shard_slots; step++) {
        if (kept_bytes(shard) <= bytes) {
            return true;
        }
        evict(shard, &cache->slots[first + shard->hand]);
        shard->hand = (shard->hand + 1) % cache->shard_slots;
    }
    return kept_bytes(shard) <= bytes;
}

/* A slot of the window without a block, if need be after evicting one; or NULL. */
static struct cached_block *free_slot(struct block_cache *cache, struct shard *shard,
                                      uint64_t home) {
    for (uint64_t i = 0; i < WINDOW; i++) {
        struct cached_block *slot = slot_at(cache, home, i);
        if ((atomic_u64_load(&slot->state, memory_order_relaxed) & KEPT) == 0) {
            return slot;
        }
    }
    for (uint64_t i = 0; i < ROUNDS * WINDOW; i++) {
        struct cached_block *slot = slot_at(cache, home, i % WINDOW);
        if (evict(shard, slot)) {
            return slot;
        }
    }
    return NULL;
}

/* ---- insert ------------------------------------------------------------------------ */

/* Requires the shard's lock: under it nothing is evicted by others, so what is kept can
 * be pinned without a second look. */
static struct cached_block *pin_kept(struct block_cache *cache, uint64_t home,
                                     uint64_t table_number, uint64_t offset) {
    for (uint64_t i = 0; i < WINDOW; i++) {
        struct cached_block *slot = slot_at(cache, home, i);
        if (has_key(slot, table_number, offset) &&
            (atomic_u64_load(&slot->state, memory_order_relaxed) & KEPT) != 0) {
            atomic_u64_add(&slot->state, PIN, memory_order_acquire);
            return slot;
        }
    }
    return NULL;
}

/* Requires the shard's lock. NULL: there is no room. */
static struct cached_block *keep(struct block_cache *cache, uint64_t home,
                                 uint64_t table_number, uint64_t offset,
                                 unsigned char *data, size_t bytes) {
    struct shard *shard = shard_of(cache, home);
    uint64_t limit = limit_of(cache);
    bool fits = bytes <= limit;
    if (!shrink(cache, shard, fits ? limit - bytes : limit) || !fits) {
        return NULL;
    }
    struct cached_block *slot = free_slot(cache, shard, home);
    if (slot == NULL) {
        return NULL;
    }
    atomic_u64_store(&slot->table_number, table_number, memory_order_relaxed);
    atomic_u64_store(&slot->offset, offset, memory_order_relaxed);
    slot->data = data;
    slot->bytes = bytes;
    slot->seen = 0;
    atomic_u64_add(&shard->blocks, 1, memory_order_relaxed);
    atomic_u64_add(&shard->bytes, bytes, memory_order_relaxed);
    shard->inserts++;
    atomic_u64_add(&slot->state, KEPT + PIN, memory_order_release);
    return slot;
}

/* A block that is in no slot. NULL: no memory. */
static struct cached_block *hand_out(struct block_cache *cache, unsigned char *data,
                                     size_t bytes) {
    struct cached_block *block = memory_take_zeroed(sizeof *block);
    if (block == NULL) {
        memory_give(data);
        return NULL;
    }
    block->data = data;
    block->bytes = bytes;
    atomic_u64_store(&block->state, PIN, memory_order_relaxed);
    atomic_u64_add(&cache->loose_bytes, bytes, memory_order_relaxed);
    return block;
}

struct cached_block *block_cache_insert(struct block_cache *cache, uint64_t table_number,
                                        uint64_t offset, unsigned char *data,
                                        size_t bytes) {
    assert(bytes > 0);
    uint64_t home = home_of(cache, table_number, offset);
    struct shard *shard = shard_of(cache, home);
    mutex_lock(&shard->lock);
    struct cached_block *block = pin_kept(cache, home, table_number, offset);
    bool first = block == NULL;
    if (first) {
        block = keep(cache, home, table_number, offset, data, bytes);
    }
    mutex_unlock(&shard->lock);
    if (!first) {
        memory_give(data);
    }
    return block != NULL ? block : hand_out(cache, data, bytes);
}

/* ---- charges, statistics ----------------------------------------------------------- */

/* An insert that has not seen the charge holds the lock before this does, and is made
 * good for; one that holds it after this has seen it. */
void block_cache_charge(struct block_cache *cache, uint64_t bytes) {
    atomic_u64_add(&cache->charged, bytes, memory_order_relaxed);
    for (uint64_t i = 0; i < cache->shard_count; i++) {
        struct shard *shard = &cache->shards[i];
        mutex_lock(&shard->lock);
        (void)shrink(cache, shard, limit_of(cache)); /* what is in use stays */
        mutex_unlock(&shard->lock);
    }
}

void block_cache_release(struct block_cache *cache, uint64_t bytes) {
    uint64_t before = atomic_u64_subtract(&cache->charged, bytes, memory_order_relaxed);
    assert(before >= bytes);
    (void)before;
}

static void add_shard(struct block_cache *cache, uint64_t index,
                      struct block_cache_stats *stats) {
    struct shard *shard = &cache->shards[index];
    mutex_lock(&shard->lock);
    stats->hits += shard->hits;
    stats->misses += atomic_u64_load(&shard->misses, memory_order_relaxed);
    stats->inserts += shard->inserts;
    stats->evictions += shard->evictions;
    stats->bytes += kept_bytes(shard);
    for (uint64_t i = 0; i < cache->shard_slots; i++) {
        const struct cached_block *slot = &cache->slots[index * cache->shard_slots + i];
        uint64_t state = atomic_u64_load(&slot->state, memory_order_relaxed);
        if ((state & KEPT) != 0) {
            stats->hits += state / HIT;
            stats->pinned_bytes += (state & PINS) != 0 ? slot->bytes : 0;
        }
    }
    mutex_unlock(&shard->lock);
}

void block_cache_stats(struct block_cache *cache, struct block_cache_stats *stats) {
    uint64_t loose = atomic_u64_load(&cache->loose_bytes, memory_order_relaxed);
    *stats = (struct block_cache_stats){
        .bytes = loose,
        .pinned_bytes = loose,
        .charged_bytes = atomic_u64_load(&cache->charged, memory_order_relaxed),
    };
    for (uint64_t i = 0; i < cache->shard_count; i++) {
        add_shard(cache, i, stats);
    }
}
