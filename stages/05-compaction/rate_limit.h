/* No more than so many bytes a second, over all who ask, by the world's clock. What was
 * not used is saved for a tenth of a second and no longer: so much may come at once. Any
 * thread. */
#ifndef STRATA_RATE_LIMIT_H
#define STRATA_RATE_LIMIT_H

#include "status.h"
#include "world.h"

struct rate_limit;

/* From 1 to UINT64_MAX / 2 bytes. The world is borrowed. NO_MEMORY. */
MUST_CHECK enum status rate_limit_open(uint64_t bytes_per_second,
                                       const struct world *world,
                                       struct rate_limit **limit, struct error *error);
void rate_limit_close(struct rate_limit *limit); /* nobody asks; NULL is allowed */

/* Waits until so many bytes may be written, or somebody calls rate_limit_end. All are
 * served in the order in which they came; one that asks for more than a tenth of a second
 * brings goes when nothing was taken for so long, and those behind it pay. */
void rate_limit_take(struct rate_limit *limit, uint64_t bytes);

/* Nobody waits any more, now or later; or until it begins again. */
void rate_limit_end(struct rate_limit *limit);
void rate_limit_begin(struct rate_limit *limit);

#endif
