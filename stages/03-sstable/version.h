/* A version: which tables the database consists of, as runs, newest first. It is
 * immutable once built; an edit makes the next one of it.
 *
 * Each table of level 0 is a run of its own, as flushes leave them, one behind the other.
 * Each of the levels 1 to 6 that has tables is one run. Of two versions of a user key the
 * newer one is in the run that comes first.
 *
 * Counted references, dropped by any thread; a version holds one of each of its tables.
 * The layout is LevelDB's (google/leveldb, doc/impl.md). */
#ifndef STRATA_VERSION_H
#define STRATA_VERSION_H

#include "atomic.h"
#include "edit.h"
#include "sorted_run.h"

enum { LEVELS = 7 };

struct version {
    struct atomic_u64 references;
    struct sorted_run *runs;
    size_t run_count;
};

/* One without tables. NO_MEMORY. */
MUST_CHECK enum status version_empty(struct version **version, struct error *error);
void version_ref(struct version *version);
void version_unref(struct version *version); /* NULL is allowed */

/* A new version: that of `base` without the tables that go, and with those that come. In
 * level 0 these are newer than all that are there, the last one the newest. CORRUPT if
 * that cannot be: a table goes that is not there, or comes while it is there; there is
 * no such level; a table's bounds are no internal keys in order; tables of a level from 1
 * on overlap. NO_MEMORY. */
MUST_CHECK enum status version_apply(const struct version *base, const struct edit *edit,
                                     struct version **version, struct error *error);

/* For a version that nobody else has yet: of a table that `other` lists too it takes that
 * one's file, so that who holds both holds the table once. NO_MEMORY. */
MUST_CHECK enum status version_share(struct version *version, const struct version *other,
                                     struct error *error);

/* The newest version of the key that the reader may see, in all tables: FOUND replaces
 * *value, DELETED and ABSENT mean that there is none. The caller is between readers_enter
 * and readers_leave, and holds a reference. CORRUPT, IO, NO_MEMORY. */
MUST_CHECK enum status version_get(const struct version *version,
                                   struct table_cache *cache,
                                   const struct search_key *key, struct buf *value,
                                   enum lookup *answer, struct error *error);

/* Puts an iterator for each run, newest first, behind the *count that are in children,
 * which has room for run_count more, and counts them. Each holds a reference to the
 * version. NO_MEMORY: none is left open. */
MUST_CHECK enum status version_iters(struct version *version, struct table_cache *cache,
                                     struct iter **children, size_t *count,
                                     struct error *error);

#endif
