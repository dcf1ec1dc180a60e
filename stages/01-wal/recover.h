/* Recovery: from whatever a crash left to a log that takes writes, in such an order that
 * a crash at any moment of it, repeatedly, changes nothing of what is recovered.
 *
 *   1. replay    k = the last change of the unbroken chain, D = the highest mark;
 *                nothing is written. D > k is CORRUPT, and ends here
 *   2. rewrite   a new log; changes D+1 … k are written to it again; it is synced
 *   3. trim      from the old logs goes all that is now in the new one, and what was
 *                damaged: erased, then cut or removed with its log, durably
 *
 * Why rewrite what can be read? Because it may be readable and not on the disk: after a
 * failed sync the kernel keeps pages that it could not write and calls them clean, so
 * another sync of the old log would write nothing and succeed. Only bytes that are
 * written anew are written at all. They go to a new file, not over the old ones, so that
 * the old stay whole until the new are safe.
 *
 * A crash in 2 leaves the old logs as they were, and a new one that repeats some of their
 * changes: the chain rule passes over them. A crash in 3 leaves old logs with or without
 * their tails; the new log holds every change that they may have lost. Nothing new can be
 * mistaken for old: a log that was damaged is never written again, even if the cut looks
 * done.
 *
 * Where every log is clean and every change in them known to be durable, as after a clean
 * close, nothing is written, and the last log is continued behind its last change. Only
 * the directory is synced: that log may have been left by a crash between its creation
 * and the sync of its name. */
#ifndef STRATA_RECOVER_H
#define STRATA_RECOVER_H

#include "replay.h"
#include "wal.h"

struct recovery {
    uint64_t last;           /* k */
    uint64_t changes;        /* replayed */
    uint64_t rewritten;      /* of them, written again */
    uint64_t dropped_bytes;  /* cut or removed without being kept anywhere */
    uint64_t replayed_bytes; /* read by its replays, also where it failed */
};

/* Before a directory without LOCK is touched at all, since nobody says that its logs are
 * logs. INVALID: one holds no record. CORRUPT: logs that LevelDB wrote have to be a whole
 * database by themselves, from sequence 1 on, undamaged but for a last record cut short;
 * what these continue is elsewhere, or they could not be told from a damaged tail once
 * Strata has opened them. OK for every other directory, and for none. */
MUST_CHECK enum status recover_may_adopt(const char *dir, const struct world *world,
                                         struct error *error);

/* Recovers the logs of the held directory and opens the wal that continues them. `visit`
 * (may be NULL) is called for every change as in replay_run, before it is known whether
 * recovery will succeed. Returns only when what it recovered is durable. The directory
 * must outlive the wal. */
MUST_CHECK enum status recover(struct directory *directory,
                               const struct kv_options *options, replay_visit *visit,
                               void *context, struct wal **wal, struct recovery *recovery,
                               struct error *error);

#endif
