/* Lets any number of threads pass together, or one alone: the calls that use a store's
 * log pass; a resume, which takes a failed log apart under them, is alone. Whoever waits
 * to be alone lets nobody else in, so it waits for those inside and for no more. */
#ifndef STRATA_GATE_H
#define STRATA_GATE_H

#include "atomic.h"
#include "thread.h"

struct gate {
    struct atomic_u64 inside; /* threads; among them some that will find it closed */
    struct atomic_u64 closed; /* somebody is, or wants to be, alone; lock to change it */
    struct mutex lock;
    struct condition changed;
};

/* NO_MEMORY. */
MUST_CHECK enum status gate_init(struct gate *gate, const struct threads *threads);
void gate_free(struct gate *gate); /* nobody inside */

void gate_enter(struct gate *gate);
void gate_leave(struct gate *gate);
void gate_enter_alone(struct gate *gate);
void gate_leave_alone(struct gate *gate);

#endif
