/* The filter block "filter.leveldb.BuiltinBloomFilter2" (google/leveldb,
 * doc/table_format.md, util/bloom.cc, util/hash.cc):
 *
 *     filter block := filter*, start fixed32 * number of filters,
 *                     where the starts begin fixed32, base u8
 *     filter       := bits, probes u8
 *
 * Filter i is for the data blocks that begin at file offsets in [i << base, i+1 << base);
 * it ends where the next one starts, the last where the starts begin. Where no block
 * begins the filter is empty.
 *
 * A key with hash h is in a filter of n bits, n a multiple of 8, if the bits (h + i * d)
 * mod n are set for all i < probes, in 32 bits, d being h rotated right by 17. More than
 * 30 probes stand for an encoding that is not known yet. */
#include "leveldb_filter.h"

#include "coding.h"

enum { TAIL_BYTES = 5, START_BYTES = 4, PROBES_MAX = 30 };

struct layout {
    size_t starts; /* where they begin: the end of the filters, too */
    size_t count;
    unsigned base;
};

static bool take_layout(struct slice filter, struct layout *layout, const char **why) {
    if (filter.length < TAIL_BYTES) {
        *why = "a filter block that is too short";
        return false;
    }
    size_t end = filter.length - TAIL_BYTES;
    layout->starts = decode_fixed32(filter.data + end);
    layout->base = filter.data[filter.length - 1];
    if (layout->starts > end || (end - layout->starts) % START_BYTES != 0 ||
        layout->base >= 64) {
        *why = "a filter block whose end makes no sense";
        return false;
    }
    layout->count = (end - layout->starts) / START_BYTES;
    return true;
}

/* The bytes of filter i; of the last one the word behind the starts is the end. */
static bool take_filter(struct slice filter, const struct layout *layout, uint64_t index,
                        struct slice *found) {
    const unsigned char *word = filter.data + layout->starts + index * START_BYTES;
    size_t start = decode_fixed32(word);
    size_t end = decode_fixed32(word + START_BYTES);
    if (start > end || end > layout->starts) {
        return false;
    }
    *found = slice_make(filter.data + start, end - start);
    return true;
}

bool leveldb_filter_check(struct slice filter, const char **why) {
    struct layout layout;
    struct slice one;
    if (!take_layout(filter, &layout, why)) {
        return false;
    }
    for (size_t i = 0; i < layout.count; i++) {
        if (!take_filter(filter, &layout, i, &one)) {
            *why = "a filter block whose filters are out of place";
            return false;
        }
    }
    return true;
}

static uint32_t hash_of(struct slice key) {
    const uint32_t factor = 0xc6a4a793u;
    uint32_t hash = 0xbc9f1d34u ^ (uint32_t)key.length * factor;
    for (; key.length >= 4; slice_advance(&key, 4)) {
        hash = (hash + decode_fixed32(key.data)) * factor;
        hash ^= hash >> 16;
    }
    if (key.length > 0) {
        for (size_t i = 0; i < key.length; i++) {
            hash += (uint32_t)key.data[i] << (8 * i);
        }
        hash *= factor;
        hash ^= hash >> 24;
    }
    return hash;
}

bool leveldb_filter_may_contain(struct slice filter, uint64_t data_block_offset,
                                struct slice user_key) {
    struct layout layout;
    struct slice one;
    const char *why;
    if (!take_layout(filter, &layout, &why)) {
        return true;
    }
    uint64_t index = data_block_offset >> layout.base;
    /* A block holds a key at least, so its filter has bits. */
    if (index >= layout.count || !take_filter(filter, &layout, index, &one) ||
        one.length < 2 || one.data[one.length - 1] > PROBES_MAX) {
        return true;
    }
    uint64_t bits = (one.length - 1) * UINT64_C(8);
    uint32_t hash = hash_of(user_key);
    uint32_t step = hash >> 17 | hash << 15;
    for (unsigned probes = one.data[one.length - 1]; probes > 0; probes--) {
        uint64_t bit = hash % bits;
        if ((one.data[bit / 8] >> bit % 8 & 1) == 0) {
            return false;
        }
        hash += step;
    }
    return true;
}
