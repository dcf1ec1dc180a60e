/* Random requests that both Strata and Redis 7.0 can answer, right and wrong ones. */
#ifndef STRATA_TESTS_REQUESTS_H
#define STRATA_TESTS_REQUESTS_H

#include "stream.h"

/* Fills a stream that is empty but for its seed and what is said of the password. */
void requests_make(struct stream *stream);

#endif
