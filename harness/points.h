/* The failpoints of the engine (faults/failpoints.h), watched: every pass is counted, and
 * one at a time can be armed. All points are enabled in libfiu from points_watch on and
 * stay so, with a callback that counts and decides; nothing else may call fiu_enable or
 * fiu_disable. Passes are counted atomically; arming is for one thread at a time. */
#ifndef STRATA_POINTS_H
#define STRATA_POINTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../faults/failpoints.h"

void points_watch(void);
void points_unwatch(void);

const char *points_name(enum failpoint point);
const char *points_story(enum failpoint point);

/* Whether a store of stage `number` passes the point (no SOCKET and no SERVER is one). */
bool points_listed(enum failpoint point, int number);

/* Whether the point is for a store to pass and can be made to fail (kind ERROR). */
bool points_can_fail(enum failpoint point);

/* Whether the point is a server's (kind SOCKET). */
bool points_of_sockets(enum failpoint point);

/* Whether it is a moment of a server's (kind SERVER). */
bool points_of_servers(enum failpoint point);

/* Called at every pass of a MOMENT or of a SERVER's, under libfiu's read lock: it may
 * take notes, and neither yield nor touch libfiu. NULL: nobody is told. */
typedef void points_observer(void *context);
void points_observe(points_observer *observer, void *context);

/* Passes since points_watch. */
uint64_t points_hits(enum failpoint point);

/* The countdown-th pass from now fails (1 is the next, 0: none); if `persistently`, every
 * one after it too. */
void points_arm(enum failpoint point, size_t countdown, bool persistently);

/* Whether the armed point has failed. */
bool points_struck(void);

#endif
