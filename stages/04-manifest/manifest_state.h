/* What the edits of a manifest add up to: which tables live, at which level, and the
 * numbers. A value: `struct manifest_state state = {0}` is one without tables,
 * manifest_state_free ends it. It owns all that it holds. */
#ifndef STRATA_MANIFEST_STATE_H
#define STRATA_MANIFEST_STATE_H

#include "table_meta.h"
#include "version_edit.h"

struct manifest_table {
    unsigned level;
    struct table_meta meta; /* sequences and entries are not known: the table has them */
};

struct manifest_state {
    struct manifest_table **tables; /* by number, ascending: each number is there once */
    size_t table_count;
    struct buf pointers[MANIFEST_LEVELS]; /* compaction pointers; empty: none */
    uint64_t log_number;                  /* these as in struct manifest_edit */
    uint64_t previous_log_number;
    uint64_t next_number;
    uint64_t last_sequence;
    bool foreign; /* LevelDB wrote the last edit: the number of a previous log is in it */
};

void manifest_state_free(struct manifest_state *state);

/* Whether the edit's numbers may come after the state: none of them ever goes back. */
bool manifest_state_precedes(const struct manifest_state *state,
                             const struct manifest_edit *edit);

/* One edit on. CORRUPT: it cannot follow this state, *why says it in words; NO_MEMORY.
 * Whatever the failure, nothing has changed. The comparator is the caller's business. */
MUST_CHECK enum status manifest_state_apply(struct manifest_state *state,
                                            const struct manifest_edit *edit,
                                            const char **why);

/* What must hold of a state that is complete: all files have numbers below the next one,
 * and the tables of a level above 0 do not overlap. CORRUPT, with *why; NO_MEMORY. */
MUST_CHECK enum status manifest_state_check(const struct manifest_state *state,
                                            const char **why);

/* Fills *edit, which is empty, with the one edit that makes this state, comparator
 * included. It borrows from the state. NO_MEMORY leaves it empty. */
MUST_CHECK enum status manifest_state_snapshot(const struct manifest_state *state,
                                               struct manifest_edit *edit);

/* The index of the table with this number; table_count if there is none. */
size_t manifest_state_find(const struct manifest_state *state, uint64_t number);

#endif
