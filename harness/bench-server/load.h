/* An open-loop load: requests come at a constant rate, as those of many independent users
 * do, and not when an earlier one was answered. Request i (from 0) is due i/rate seconds
 * after the beginning, whatever the server does; its latency is counted from then until
 * its reply is here. So what waits behind a pause of the server counts as long as a user
 * would have waited. A generator that sends the next request when the reply to the last
 * one has come sees a pause once for each connection, and what it would have asked
 * meanwhile not at all ("coordinated omission", Gil Tene).
 *
 * Request i goes over connection i % connections, behind those that wait there.
 *
 * One thread. */
#ifndef STRATA_LOAD_H
#define STRATA_LOAD_H

#include <stdbool.h>

#include "histogram.h"
#include "status.h"

enum { LOAD_CONNECTIONS_MAX = 10000, LOAD_VALUE_BYTES_MAX = 1024 * 1024 };

struct load_plan {
    const char *host; /* an address in digits */
    uint16_t port;
    uint64_t connections;
    uint64_t rate;           /* requests a second */
    uint64_t warmup_seconds; /* not measured */
    uint64_t seconds;        /* measured, after them */
    uint64_t keys;
    uint64_t value_bytes;
    uint64_t set_percent; /* of requests, at random; the others are GET */
    bool fill;            /* every key is set before */
    uint64_t seed;
    uint64_t patience_seconds; /* how long the last replies are waited for */
};

enum load_kind { LOAD_SET, LOAD_GET, LOAD_KINDS };

struct load_result {                     /* of the measured requests */
    struct histogram micros[LOAD_KINDS]; /* from due to answered */
    struct histogram late_micros;        /* from due to sent: the generator's own part */
    uint64_t sent, errors;               /* errors are answers, too */
    double answered_per_second;
    char first_error[128]; /* if there are any */
};

/* IO: a connection could not be made, ended, or has what is no reply. */
MUST_CHECK enum status load_run(const struct load_plan *plan, struct load_result *result,
                                struct error *error);

static inline uint64_t load_answered(const struct load_result *result) {
    return result->micros[LOAD_SET].count + result->micros[LOAD_GET].count;
}

#endif
