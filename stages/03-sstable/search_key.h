/* What a lookup looks for, built once for all the places that are searched: the user key
 * with the tag of the sequence that the reader sees, and the hash that filters ask for.
 * And how far to go: where no_wait is set the search is STALLED as soon as it would have
 * to open a table, or to read a block that the system does not have in memory.
 *
 * It lives in the caller's storage, points into itself and is not moved or copied. Keys
 * of up to SEARCH_KEY_SMALL_BYTES take no memory elsewhere. */
#ifndef STRATA_SEARCH_KEY_H
#define STRATA_SEARCH_KEY_H

#include "internal_key.h"

enum { SEARCH_KEY_SMALL_BYTES = 248 }; /* of the user key */

/* What a lookup met on its way through the tables, for statistics. */
struct search_counts {
    uint64_t filters_asked;
    uint64_t filters_denied; /* each saved the search of a block */
    uint64_t blocks_searched;
};

struct search_key {
    struct slice internal;        /* at or before all versions that the reader may see */
    uint64_t hash;                /* filter_hash() of the user key */
    bool no_wait;                 /* false; for the caller to set */
    struct search_counts *counts; /* its own, below: so whoever searches can count */
    struct search_counts met;
    struct buf large;
    unsigned char small[SEARCH_KEY_SMALL_BYTES + TAG_BYTES];
};

/* STALLED, in words. */
enum status search_key_must_wait(struct error *error);

/* user is copied. NO_MEMORY; there is then nothing to free. */
MUST_CHECK enum status search_key_init(struct search_key *key, struct slice user,
                                       uint64_t sequence, struct error *error);
void search_key_free(struct search_key *key);

static inline struct slice search_key_user(const struct search_key *key) {
    return internal_key_user(key->internal);
}

#endif
