/* Those in a program who ask to be told when what they have seen is durable: each is told
 * exactly once, and not before. A part of run.h. */
#ifndef STRATA_NOTICES_H
#define STRATA_NOTICES_H

#include "run.h"

/* The operation NOTIFY. */
bool run_notify(struct run *run, const struct step *step);

/* To be called after a close: nobody waits any more. */
bool notices_are_told(struct run *run);

#endif
