/* What is written and asked for: keys of 16 decimal digits and values of 100 bytes, half
 * of which repeat the other half, so that they compress as those of LevelDB's db_bench
 * do. The same for every contender, round and run with the same seed. For one thread. */
#ifndef STRATA_ENTRIES_H
#define STRATA_ENTRIES_H

#include <stdbool.h>
#include <stdint.h>

#include "slice.h"
#include "status.h"

enum {
    ENTRIES_KEY_BYTES = 16,
    ENTRIES_VALUE_BYTES = 100,
    ENTRIES_BIG_BYTES = 100 * 1000,
};

struct entries {
    uint64_t count; /* entries are numbered from 0 */
    uint64_t seed;
    unsigned int bits; /* of the numbers that are shuffled */
    uint64_t random;
    unsigned char *pool; /* values are cut out of it */
    size_t pool_at;
    unsigned char key[ENTRIES_KEY_BYTES];
    unsigned char value[ENTRIES_VALUE_BYTES];
};

/* count is not 0. NO_MEMORY. */
MUST_CHECK enum status entries_init(struct entries *entries, uint64_t count,
                                    uint64_t seed);
void entries_free(struct entries *entries);

/* The key of an entry; `missing`: one right behind it, which nobody writes. Lives until
 * the next call, as the values do. */
struct slice entries_key(struct entries *entries, uint64_t number, bool missing);

/* Another one at each call, but for a mark that tells the entry's number. */
struct slice entries_value(struct entries *entries, uint64_t number);
struct slice entries_big_value(struct entries *entries);

/* Whether this is a value of that entry: its length and its mark. */
bool entries_check(const struct entries *entries, uint64_t number, struct slice value);

/* Each number below count once, for i below count, in no order. */
uint64_t entries_shuffled(const struct entries *entries, uint64_t i);

/* Any number below `range`. */
uint64_t entries_any(struct entries *entries, uint64_t range);

#endif
