/* What a search for a key in one place answers. A tombstone is not absence: DELETED ends
 * the search, ABSENT sends it on to older places. */
#ifndef STRATA_LOOKUP_H
#define STRATA_LOOKUP_H

enum lookup { LOOKUP_ABSENT, LOOKUP_FOUND, LOOKUP_DELETED };

#endif
