/* A filter says of a key that a table does not hold it, without reading any block of the
 * table. It is a Bloom filter over the user keys of the whole table: it may say "perhaps"
 * of a key that is not there (under 1 % of them at 10 bits per key), and never says "no"
 * of one that is.
 *
 * Blocked: all bits of one key lie in one line of 64 bytes, so an answer costs one miss
 * of the processor's cache instead of one per bit (Putze, Sanders, Singler, "Cache-,
 * Hash- and Space-Efficient Bloom Filters", 2007). Its bytes are described in filter.c.
 *
 * Any thread may ask a filter; a builder is one thread's. */
#ifndef STRATA_FILTER_H
#define STRATA_FILTER_H

#include "buf.h"

enum { FILTER_LINE_BYTES = 64, FILTER_BITS_MAX = 40 /* per key; more would not help */ };

/* XXH3 with 64 bits and without a seed. It is part of the format. */
uint64_t filter_hash(struct slice user_key);

/* Collects hashes; the size of a filter depends on how many there are. */
struct filter_builder {
    uint64_t *hashes;
    size_t count;
    size_t room;
    unsigned bits_per_key;
};

/* 1 to FILTER_BITS_MAX bits per key. */
void filter_builder_init(struct filter_builder *builder, unsigned bits_per_key);
void filter_builder_free(struct filter_builder *builder);

/* A hash that equals the one before it counts once: the versions of a key follow one
 * another. NO_MEMORY; the hash is then not in. */
MUST_CHECK enum status filter_builder_add(struct filter_builder *builder, uint64_t hash);

/* Appends the filter to *out and forgets the hashes. NO_MEMORY. */
MUST_CHECK enum status filter_builder_finish(struct filter_builder *builder,
                                             struct buf *out);

/* A filter to be asked, a value; it borrows the bytes that it was read from. */
struct filter {
    const unsigned char *lines;
    size_t line_count;
    unsigned probes; /* 0: of a version that this program does not know */
};

/* False for a damaged one, with the reason in *why. It is fastest where the bytes are
 * aligned to FILTER_LINE_BYTES. */
bool filter_read(struct filter *filter, struct slice bytes, const char **why);

/* False: no key with this hash was added. One of an unknown version answers true to all.
 */
bool filter_may_contain(const struct filter *filter, uint64_t hash);

/* Asks the processor for what the answer will need, and does not wait for it. */
void filter_prefetch(const struct filter *filter, uint64_t hash);

#endif
