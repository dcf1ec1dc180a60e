/* A sorted run: tables that do not overlap, read as one sequence. A value that owns
 * nothing: whoever lists the run (version.h) keeps its files alive.
 *
 * Files ascend by internal keys. The versions of one user key may begin in one file and
 * continue in the next: LevelDB may write them so. */
#ifndef STRATA_SORTED_RUN_H
#define STRATA_SORTED_RUN_H

#include "buf.h"
#include "iter.h"
#include "lookup.h"
#include "search_key.h"

struct table_cache;
struct version;
struct table_file;

struct sorted_run {
    unsigned level;
    struct table_file **files;
    size_t count; /* at least 1 */
};

/* The file that a lookup of the key asks; NULL: none can hold it. */
struct table_file *sorted_run_file(const struct sorted_run *run,
                                   const struct search_key *key);

/* The newest version of the key that the reader may see, in this run: FOUND replaces
 * *value. The caller is between readers_enter and readers_leave. CORRUPT, IO, NO_MEMORY.
 */
MUST_CHECK enum status sorted_run_get(const struct sorted_run *run,
                                      struct table_cache *cache,
                                      const struct search_key *key, struct buf *value,
                                      enum lookup *answer, struct error *error);

/* An iterator over internal keys; it opens a table when it comes to it, and keeps one
 * open at a time. It holds a reference to `version`, whose run it is; NULL: the run's
 * files live as long as it does by other means. NO_MEMORY; the moves can fail with what
 * opening a table can. */
MUST_CHECK enum status sorted_run_iter(const struct sorted_run *run,
                                       struct version *version, struct table_cache *cache,
                                       struct iter **iter, struct error *error);

#endif
