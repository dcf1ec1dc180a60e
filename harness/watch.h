/* Notices a case that hangs: an engine that loops for ever inside one call can neither be
 * stopped nor made simple, but it must not stop the harness in silence. If nothing has
 * been alive for WATCH_SECONDS of processor time, the case is printed with the line that
 * replays it, and the program ends with verdict=fail and code 1. The same is done when an
 * assertion fails or the scheduler finds a deadlock (abort), and when the engine touches
 * memory that is not there or overflows its stack.
 *
 * One thread; the state is the process's. */
#ifndef STRATA_WATCH_H
#define STRATA_WATCH_H

#include "check.h"

enum { WATCH_SECONDS = 6 };

void watch_start(void);

/* A step or a recovery has begun: cheap. */
void watch_alive(void);

/* Writes the tape of the case that is running. */
typedef void watch_writer(void *context, struct tape *out);

/* The case that runs from now on; NULL: none. All are borrowed. */
void watch_case(const struct check *check, watch_writer *write, void *context);

/* A writer for a case whose tape is `context`. */
void watch_write_tape(void *context, struct tape *out);

#endif
