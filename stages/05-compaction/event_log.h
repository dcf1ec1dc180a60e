/* What the engine did, as it did it: one JSON object on a line, in the file LOG, from
 * which levels can be drawn as they were at any moment (tree.h), live or later. The lines
 * are described in notes/formats.md.
 *
 * Whoever begins to write adds the tree as it then is; so does a new file. A file longer
 * than event_log_bytes becomes LOG.old, in place of the one before. LevelDB keeps its own
 * words in a file of this name: lines that are none of ours are passed over.
 *
 * Nothing rests on it: it is never synced, and a failure to write it is counted and
 * otherwise without effect. An open that does nothing but read leaves no trace in it.
 *
 * Any thread may call. A mutex is held while a line is written: it is a short one, into
 * the system's cache, and it is asked for by work that writes whole tables. Nothing else
 * is called with it held. */
#ifndef STRATA_EVENT_LOG_H
#define STRATA_EVENT_LOG_H

#include "compact.h"
#include "directory.h"
#include "kv.h"
#include "version.h"

struct event_log;

/* The directory outlives it. The version is the tree as it begins; it is held until the
 * first line is written. NO_MEMORY. With event_log_bytes 0 nothing is ever written. */
MUST_CHECK enum status event_log_open(const struct directory *directory,
                                      const struct kv_options *options,
                                      struct version *version, struct event_log **log,
                                      struct error *error);
void event_log_close(struct event_log *log); /* NULL is allowed */

/* A write buffer was frozen: so many changes, so many bytes; `frozen` wait now. */
void event_log_frozen(struct event_log *log, uint64_t entries, uint64_t bytes,
                      uint64_t frozen);

/* Work begins; the answer is its number, by which it ends. */
uint64_t event_log_flush_begins(struct event_log *log);
uint64_t event_log_compaction_begins(struct event_log *log,
                                     const struct compaction *compaction);

/* It ended: with the edit that is now in force and `after`, the version that came of it;
 * or, if error->status is not OK, without effect (STALLED: it was told to stop): then
 * both may be NULL. counts is NULL for a flush. Calls come in the order in which their
 * edits came into force, and before anybody finds their tables: whatever orders those is
 * held. */
void event_log_ends(struct event_log *log, uint64_t work, const struct edit *edit,
                    const struct version *after, const struct compact_counts *counts,
                    uint64_t micros, const struct error *error);

/* All went at once: the tree is `after` now, and no buffer waits. Called as ends. */
void event_log_erased(struct event_log *log, const struct version *after);

/* A writer waited. */
void event_log_stalled(struct event_log *log, const char *why, uint64_t micros);

/* Lines that could not be written. */
uint64_t event_log_lost(struct event_log *log);

#endif
