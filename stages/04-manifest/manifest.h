/* The manifest: the log of edits that says which tables live. The file MANIFEST-NNNNNN is
 * a log (stages/01-wal/log_format.h) of version edits (version_edit.h), as in LevelDB.
 * The first edit is a snapshot and has the comparator; each later one is a step. CURRENT
 * names the manifest that is in force (current.h).
 *
 * A manifest that was loaded is never written on: whoever opens a database writes a new
 * one. For what load returns need not be durable. After a failed sync, an edit that could
 * be read may be gone with the power. So before the new manifest is durably named by
 * CURRENT, no file may be removed that the old one names in any of its states, and no
 * open may return.
 *
 * One thread at a time uses a manifest. */
#ifndef STRATA_MANIFEST_H
#define STRATA_MANIFEST_H

#include "manifest_state.h"
#include "world.h"

/* What stood behind the last good edit and was not taken. */
struct manifest_tail {
    bool dropped;
    uint64_t offset;
    uint64_t bytes;  /* to the end of the file */
    const char *why; /* in words; a constant */
};

/* Reads MANIFEST-number and applies its edits in order. *state is an empty one.
 *
 * A tail that is damaged is dropped only if no whole edit of this manifest follows it and
 * every table that the shorter manifest names exists, and under a manifest of LevelDB a
 * log: then it is an edit that a loss of power cut off, or one without which the contents
 * are the same, or one of a flush, whose table is there. *tail tells; the caller must see
 * to the tables that nobody names (unnamed.h).
 *
 * INVALID: another comparator orders the keys. CORRUPT: any other damage, with file and
 * offset; or there is no such manifest; or it does not say what it must. */
MUST_CHECK enum status manifest_load(const char *dir, const struct world *world,
                                     uint64_t number, struct manifest_state *state,
                                     struct manifest_tail *tail, struct error *error);

struct manifest;

/* Writes MANIFEST-number, which must be a new name and below state->next_number: one
 * edit, a snapshot of the state, synced, and its name too. It is not in force before
 * CURRENT names it. After an error nothing names it, and it is removed as well as can be.
 * dir and state are not kept. */
MUST_CHECK enum status manifest_create(const char *dir, const struct world *world,
                                       uint64_t number,
                                       const struct manifest_state *state,
                                       struct manifest **manifest, struct error *error);

/* Writes one edit and syncs it. The edit has a next_number, not below that of the edit
 * before, and no comparator. All files that it adds and the log that it names must be
 * durable before, with their names; what it removes may be removed once OK is returned.
 *
 * After an error without *begun the edit is not in the manifest, and the call may be made
 * again (no space, no memory: nothing was written). An error with *begun is final: the
 * edit may be in the manifest, now or after a loss of power, so that no file may be
 * removed that the manifest names with it or without it. Every later call answers the
 * first failure, without *begun: that later edit is not there. */
MUST_CHECK enum status manifest_append(struct manifest *manifest,
                                       const struct manifest_edit *edit, bool *begun,
                                       struct error *error);

/* Of edits, with their framing. */
uint64_t manifest_bytes(const struct manifest *manifest);

/* Frees it whatever happens. After a failure of the manifest the file is left as it is,
 * and the first failure is the answer. NULL is allowed. */
MUST_CHECK enum status manifest_close(struct manifest *manifest, struct error *error);

#endif
