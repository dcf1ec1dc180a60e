/* Named points of the engine's own story, at which the harness can make a call fail or
 * take note. The registry is faults/failpoints.h; a point that is not listed there does
 * not compile.
 *
 *     if (failpoint(log_sync)) { return error_set(error, STATUS_IO, …); }
 *     failpoint_pass(log_appended_not_synced);
 *
 * In builds with -DFIU_ENABLE they are libfiu's (fiu_fail); in release builds nothing
 * remains. failpoint() may answer true; failpoint_pass() is a moment only: it cannot
 * fail, crashes are aimed at it. */
#ifndef STRATA_FAILPOINT_H
#define STRATA_FAILPOINT_H

#include <fiu-local.h>

#include "../faults/failpoints.h"
#include "atomic.h"

#ifdef FIU_ENABLE
#define failpoint(point)                                                                 \
    (scheduler_switch_point(), (void)FAILPOINT_##point, fiu_fail(#point) != 0)
#else
#define failpoint(point) ((void)FAILPOINT_##point, 0)
#endif

#define failpoint_pass(point) ((void)failpoint(point))

#endif
