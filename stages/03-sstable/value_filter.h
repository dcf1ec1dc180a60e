/* Which values are as good as deleted, by what they say themselves. Compaction, from
 * stage 05 on, writes a tombstone in the place of each that nobody may want any more. A
 * seam; its tenants:
 *
 *     value_filter_none     stage 03: no value says such a thing
 *     value_filter_expiry   stage 08: those whose time is over
 *
 * A filter is pure: the value and the time decide, and what is dead stays dead. So who
 * reads by the same rule finds the same before a compaction and after it.
 *
 * A flush does not ask. It writes down what its buffer holds, all versions, so that what
 * is in tables is what was in the logs; the first compaction of its table asks. */
#ifndef STRATA_VALUE_FILTER_H
#define STRATA_VALUE_FILTER_H

#include <stdbool.h>
#include <stdint.h>

#include "slice.h"

struct value_filter_ops {
    bool finds; /* false: no value is ever dead, and nobody need ask */

    /* Any thread. Milliseconds since 1970-01-01 UTC. */
    bool (*is_dead)(struct slice value, uint64_t now_millis);
};

extern const struct value_filter_ops value_filter_none;

#endif
