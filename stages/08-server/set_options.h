/* The options of SET and GETEX. */
#ifndef STRATA_SET_OPTIONS_H
#define STRATA_SET_OPTIONS_H

#include "arguments.h"

struct end_option; /* one of EX, PX, EXAT and PXAT */

struct set_options {
    bool nx, xx, get, keep_ttl;   /* SET's */
    bool persist;                 /* GETEX's */
    const struct end_option *end; /* NULL: none of them */
    struct slice end_argument;
};

enum set_options_of { OPTIONS_OF_SET, OPTIONS_OF_GETEX };

/* From the argument at `first` on. False: it has replied. */
bool set_options_parse(struct session *session, const struct resp_request *request,
                       size_t first, enum set_options_of whose,
                       struct set_options *options);

/* When the key is to end; requires an `end`. False: it has replied. */
bool set_options_end(struct session *session, const struct set_options *options,
                     uint64_t *expires_at_millis);

#endif
