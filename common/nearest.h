/* The name that somebody may have meant, for messages. */
#ifndef STRATA_NEAREST_H
#define STRATA_NEAREST_H

#include <stddef.h>

/* Of the `count` names (one at least) the one that takes the fewest changes of letters to
 * make `name` of; the first of several. */
const char *nearest_name(const char *name, const char *(*at)(size_t index), size_t count);

#endif
