/* The pool is pieces of 50 random bytes, each written twice; a value is one such pair, a
 * big value a thousand. In a value the first 8 bytes of each half are the mark. */
#include "entries.h"

#include "memory.h"

enum {
    HALF_BYTES = ENTRIES_VALUE_BYTES / 2,
    POOL_BYTES = 10 * 1000 * ENTRIES_VALUE_BYTES,
    MARK_BYTES = 8
};

/* splitmix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators",
 * 2014). */
static uint64_t scattered(uint64_t i) {
    uint64_t mixed = (i + 1) * 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return mixed ^ (mixed >> 31);
}

enum status entries_init(struct entries *entries, uint64_t count, uint64_t seed) {
    *entries = (struct entries){.count = count, .seed = seed, .bits = 1};
    while (entries->bits < 63 && UINT64_C(1) << entries->bits < count) {
        entries->bits++;
    }
    entries->pool = memory_take(POOL_BYTES);
    if (entries->pool == NULL) {
        return STATUS_NO_MEMORY;
    }
    for (size_t at = 0; at < POOL_BYTES; at += ENTRIES_VALUE_BYTES) {
        for (size_t i = 0; i < HALF_BYTES; i++) {
            unsigned char byte = (unsigned char)scattered(seed ^ (at + i));
            entries->pool[at + i] = entries->pool[at + HALF_BYTES + i] = byte;
        }
    }
    return STATUS_OK;
}

void entries_free(struct entries *entries) {
    memory_give(entries->pool);
    entries->pool = NULL;
}

struct slice entries_key(struct entries *entries, uint64_t number, bool missing) {
    number = 2 * number + missing;
    for (size_t digit = ENTRIES_KEY_BYTES; digit > 0; digit--, number /= 10) {
        entries->key[digit - 1] = (unsigned char)('0' + number % 10);
    }
    return slice_make(entries->key, ENTRIES_KEY_BYTES);
}

static const unsigned char *next_piece(struct entries *entries, size_t bytes) {
    size_t at = entries->pool_at + bytes > POOL_BYTES ? 0 : entries->pool_at;
    entries->pool_at = at + ENTRIES_VALUE_BYTES;
    return entries->pool + at;
}

struct slice entries_value(struct entries *entries, uint64_t number) {
    uint64_t mark = scattered(entries->seed ^ number);
    memcpy(entries->value, next_piece(entries, ENTRIES_VALUE_BYTES), ENTRIES_VALUE_BYTES);
    memcpy(entries->value, &mark, MARK_BYTES);
    memcpy(entries->value + HALF_BYTES, &mark, MARK_BYTES);
    return slice_make(entries->value, ENTRIES_VALUE_BYTES);
}

struct slice entries_big_value(struct entries *entries) {
    return slice_make(next_piece(entries, ENTRIES_BIG_BYTES), ENTRIES_BIG_BYTES);
}

bool entries_check(const struct entries *entries, uint64_t number, struct slice value) {
    uint64_t mark = scattered(entries->seed ^ number);
    return value.length == ENTRIES_VALUE_BYTES &&
           memcmp(value.data, &mark, MARK_BYTES) == 0 &&
           memcmp(value.data + HALF_BYTES, &mark, MARK_BYTES) == 0;
}

/* Multiplying by an odd number and xor with the own upper half are both one to one on
 * numbers of so many bits. What falls behind the last entry is shuffled again, until it
 * does not: that too is one to one, on the entries. */
uint64_t entries_shuffled(const struct entries *entries, uint64_t i) {
    uint64_t mask = (UINT64_C(1) << entries->bits) - 1;
    unsigned int half = (entries->bits + 1) / 2;
    do {
        i = ((i ^ entries->seed) * 0x9e3779b97f4a7c15u) & mask;
        i ^= i >> half;
        i = (i * 0xbf58476d1ce4e5b9u) & mask;
        i ^= i >> half;
        i = (i * 0x94d049bb133111ebu) & mask;
        i ^= i >> half;
    } while (i >= entries->count);
    return i;
}

uint64_t entries_any(struct entries *entries, uint64_t range) {
    return scattered(entries->seed + entries->random++) % range;
}
