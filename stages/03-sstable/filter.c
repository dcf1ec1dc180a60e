/* The bytes of a filter:
 *
 *     filter := line*, probes u8, version u8
 *     line   := 64 bytes; bit b is bit b % 8 of byte b / 8
 *     version = 1; 1 <= probes <= 30
 *
 * The lines stand first, so that they are aligned where the filter is. A key with hash h
 * has its bits in one of the n lines, n < 2^32:
 *
 *     line (h >> 32) * n >> 32
 *     probe i, from 0: bit (h * m^(i+1) mod 2^64) >> 55, m = 0x9e3779b97f4a7c15
 *
 * So the line is chosen by the upper half of the hash, and the nine bits of a probe are
 * the top of a product that depends on all of it (multiplicative hashing, Knuth, volume
 * 3, 6.4: m is 2^64 divided by the golden ratio). A filter without lines holds no key.
 *
 * How many probes: 0.6 per bit of a key, a little fewer than the 0.69 that suit a Bloom
 * filter without lines, since the fullest lines make most of the errors. */
#include "filter.h"

#include <assert.h>

#include <xxhash.h>

#include "memory.h"

enum {
    TAIL_BYTES = 2,
    VERSION = 1,
    PROBES_MAX = 30,
    PROBE_SHIFT = 55, /* leaves 9 bits: one of a line's 512 */
    LINE_BITS = FILTER_LINE_BYTES * 8,
    ROOM_LEAST = 256 /* hashes */
};

#define PROBE_FACTOR UINT64_C(0x9e3779b97f4a7c15)

uint64_t filter_hash(struct slice user_key) {
    return XXH3_64bits(user_key.data, user_key.length);
}

void filter_builder_init(struct filter_builder *builder, unsigned bits_per_key) {
    assert(bits_per_key >= 1 && bits_per_key <= FILTER_BITS_MAX);
    *builder = (struct filter_builder){.bits_per_key = bits_per_key};
}

void filter_builder_free(struct filter_builder *builder) {
    memory_give(builder->hashes);
    *builder = (struct filter_builder){.bits_per_key = builder->bits_per_key};
}

enum status filter_builder_add(struct filter_builder *builder, uint64_t hash) {
    if (builder->count > 0 && builder->hashes[builder->count - 1] == hash) {
        return STATUS_OK;
    }
    if (builder->count == builder->room) {
        size_t room = builder->room == 0 ? ROOM_LEAST : builder->room * 2;
        uint64_t *hashes = memory_resize(builder->hashes, room * sizeof hashes[0]);
        if (hashes == NULL) {
            return STATUS_NO_MEMORY;
        }
        builder->hashes = hashes;
        builder->room = room;
    }
    builder->hashes[builder->count++] = hash;
    return STATUS_OK;
}

/* Where the key's line begins. */
static size_t line_of(uint64_t hash, size_t lines) {
    return (size_t)((hash >> 32) * (uint64_t)lines >> 32) * FILTER_LINE_BYTES;
}

static unsigned probes_for(unsigned bits_per_key) {
    unsigned probes = bits_per_key * 6 / 10;
    return probes == 0 ? 1 : probes;
}

enum status filter_builder_finish(struct filter_builder *builder, struct buf *out) {
    size_t lines = (builder->count * builder->bits_per_key + LINE_BITS - 1) / LINE_BITS;
    lines = lines > UINT32_MAX ? UINT32_MAX : lines;
    size_t bytes = lines * FILTER_LINE_BYTES;
    if (buf_reserve(out, bytes + TAIL_BYTES) != STATUS_OK) {
        return STATUS_NO_MEMORY;
    }
    unsigned char *filter = out->data + out->length;
    unsigned probes = probes_for(builder->bits_per_key);
    memset(filter, 0, bytes);
    for (size_t i = 0; i < builder->count; i++) {
        uint64_t hash = builder->hashes[i];
        unsigned char *line = filter + line_of(hash, lines);
        for (unsigned probe = 0; probe < probes; probe++) {
            hash *= PROBE_FACTOR;
            unsigned bit = (unsigned)(hash >> PROBE_SHIFT);
            line[bit / 8] |= (unsigned char)(1u << bit % 8);
        }
    }
    filter[bytes] = (unsigned char)probes;
    filter[bytes + 1] = VERSION;
    out->length += bytes + TAIL_BYTES;
    builder->count = 0;
    return STATUS_OK;
}

bool filter_read(struct filter *filter, struct slice bytes, const char **why) {
    *filter = (struct filter){0};
    if (bytes.length < TAIL_BYTES) {
        *why = "a filter that is too short";
        return false;
    }
    if (bytes.data[bytes.length - 1] != VERSION) {
        return true; /* some later program's */
    }
    size_t lines = (bytes.length - TAIL_BYTES) / FILTER_LINE_BYTES;
    unsigned probes = bytes.data[bytes.length - 2];
    if ((bytes.length - TAIL_BYTES) % FILTER_LINE_BYTES != 0 || lines > UINT32_MAX) {
        *why = "a filter that is not a number of lines";
        return false;
    }
    if (probes == 0 || probes > PROBES_MAX) {
        *why = "a filter with an impossible number of probes";
        return false;
    }
    *filter = (struct filter){bytes.data, lines, probes};
    return true;
}

void filter_prefetch(const struct filter *filter, uint64_t hash) {
    if (filter->line_count > 0) {
        __builtin_prefetch(filter->lines + line_of(hash, filter->line_count));
    }
}

bool filter_may_contain(const struct filter *filter, uint64_t hash) {
    if (filter->line_count == 0) {
        return filter->probes == 0;
    }
    const unsigned char *line = filter->lines + line_of(hash, filter->line_count);
    for (unsigned probes = filter->probes; probes > 0; probes--) {
        hash *= PROBE_FACTOR;
        unsigned bit = (unsigned)(hash >> PROBE_SHIFT);
        if ((line[bit / 8] >> bit % 8 & 1) == 0) {
            return false;
        }
    }
    return true;
}
