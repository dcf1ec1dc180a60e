/* Values with an end. A key's value is stored as it is, or, if it is to end, behind a
 * header:
 *
 *     stored  := payload                                     (no end)
 *              | magic, fixed64 expires_at_millis, payload
 *     magic   := fe 'X' 'T' 'L'
 *
 * expires_at_millis is Unix time, little-endian; 0: no end. A payload that begins with
 * the magic gets a header in any case, with 0, and so any bytes come back as they were. A
 * directory of an earlier stage, or of LevelDB, serves unchanged, but for values that
 * begin with the magic by chance and have 12 bytes or more. Those with the magic and less
 * than a header are payload.
 *
 * A value is there before the millisecond of its end, and not from then on, whatever
 * still holds it: who reads asks, and compaction makes a tombstone of it in its time. Who
 * reads at a snapshot goes by one time for all he does there, and reads the clock for it
 * after he has taken the snapshot: what a compaction buries that did not know of him was
 * over by then.
 *
 * Pure functions; any thread. */
#ifndef STRATA_EXPIRY_H
#define STRATA_EXPIRY_H

#include "buf.h"
#include "value_filter.h"

enum { EXPIRY_MAGIC_BYTES = 4, EXPIRY_HEADER_BYTES = 12 };

#define EXPIRY_NEVER UINT64_C(0)

struct expiry_value {
    struct slice payload; /* borrowed from the stored bytes */
    uint64_t expires_at_millis;
};

/* What the stored bytes say. */
struct expiry_value expiry_decode(struct slice stored);

/* Fills `header` with what comes before the payload, and answers how many bytes that are:
 * 0 or EXPIRY_HEADER_BYTES. For who has room in front of the payload, or writes both in
 * pieces. */
size_t expiry_header(unsigned char header[EXPIRY_HEADER_BYTES], struct slice payload,
                     uint64_t expires_at_millis);

/* Replaces the contents of *stored. NO_MEMORY. */
MUST_CHECK enum status expiry_encode(struct buf *stored, struct slice payload,
                                     uint64_t expires_at_millis);

/* Whether a value with this end is over at that time. */
static inline bool expiry_is_over(uint64_t expires_at_millis, uint64_t now_millis) {
    return expires_at_millis != EXPIRY_NEVER && expires_at_millis <= now_millis;
}

/* Dead is what is over. */
extern const struct value_filter_ops value_filter_expiry;

#endif
