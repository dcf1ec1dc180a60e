/* All rounds of all sessions of all contenders, and what they found. */
#ifndef STRATA_CAMPAIGN_H
#define STRATA_CAMPAIGN_H

#include "workload.h"

enum { ROUNDS_MAX = 25 };

/* What was asked for. */
struct campaign {
    uint64_t count;
    uint64_t rounds;
    uint64_t seed;
    bool contenders[CONTENDERS];
    bool rows[ROWS];
    const char *dir; /* a fresh directory is made in it, and removed */
    bool json;
    struct kv_options options;
};

struct findings {
    struct sample samples[ROWS][CONTENDERS][ROUNDS_MAX];
    double cpu_seconds[CONTENDERS][ROUNDS_MAX]; /* all processes of a round */
    double load; /* of the machine in the minute before (getloadavg(3)); 0: not known */
};

MUST_CHECK enum status campaign_run(const struct campaign *campaign,
                                    struct findings *findings, bool *interrupted,
                                    struct error *error);

#endif
