/* A session of one contender (workload.h) in a process of its own: forked, reported
 * through a pipe, and ended with all that it had in memory. */
#ifndef STRATA_SESSION_H
#define STRATA_SESSION_H

#include "workload.h"

struct session_plan {
    enum session session;
    const struct contender *contender;
    const char *dir; /* of the contender's database; removed first where fresh */
    const struct kv_options *options;
    uint64_t count;
    uint64_t seed;
    bool wanted[ROWS]; /* of the session's rows, those that are run */
};

/* Whether the session begins with a fresh database. */
bool session_fresh(enum session session);

/* Called as each row of the session begins. */
typedef void session_progress(void *context, enum row row);

/* Fills the samples of the rows that ran, and *cpu_seconds with what the process took
 * from begin to end. Errors name the contender and the row. *interrupted: a signal asked
 * to stop; the process was ended. */
MUST_CHECK enum status session_run(const struct session_plan *plan,
                                   struct sample samples[ROWS], double *cpu_seconds,
                                   session_progress *progress, void *context,
                                   bool *interrupted, struct error *error);

/* Removes a directory and what is in it; nothing if there is none. */
MUST_CHECK enum status session_remove(const char *dir, struct error *error);

#endif
