/* What a repair must achieve on a damaged store. */
#ifndef STRATA_REPAIRS_H
#define STRATA_REPAIRS_H

#include "damage.h"

/* Repairs the image of the damaged specimen, which must succeed, and uses what came out:
 * it opens; every key shows the newest of its changes, of which those may be missing that
 * the damage may lose, and nothing that was not written; it takes a write and keeps it; a
 * verify finds no fault. False, with run_fails, if not. */
bool repair_holds(const struct specimen *specimen, const struct damage *damage,
                  struct disk *image, const char *when);

#endif
