/* Snapshots: moments of a store that can be read for as long as they are held, whatever
 * is written, flushed and compacted meanwhile (from stage 07).
 *
 *     struct kv_snapshot *snapshot;
 *     status = kv_snapshot_take(kv, &snapshot, &error);
 *     const struct kv_read_options past = {.snapshot = snapshot};
 *     status = kv_get(kv, key, &value, &past, &error);
 *     kv_snapshot_release(snapshot);
 *
 * A snapshot is a sequence number: everything up to it is there, nothing after it. To
 * take one, or to release it, costs an allocation and a lock for a moment; any number can
 * be held. What it costs is room: of each key that is overwritten or deleted, compactions
 * keep the version that it sees. After its release they drop that version when they come
 * by; kv_compact makes them come.
 *
 * A snapshot lasts until it is released or the store is closed, across kv_resume too; it
 * is not written down. Closing the store lets go of its snapshots, and reading at one of
 * them is INVALID from then on, like reading at a snapshot of another store; its memory
 * stays the caller's until the release, which may come before or after the close.
 *
 * Threads: any may take, use and release one; nobody uses one that is being released. */
#ifndef STRATA_KV_SNAPSHOT_H
#define STRATA_KV_SNAPSHOT_H

#include "kv.h"

/* Of this moment: what was acknowledged before the call is in it. UNSUPPORTED before
 * stage 07, NO_MEMORY. */
MUST_CHECK enum status kv_snapshot_take(struct kv *kv, struct kv_snapshot **snapshot,
                                        struct error *error);

/* The last change that is in it, 0 if there is none: what reads at it observe. */
uint64_t kv_snapshot_sequence(const struct kv_snapshot *snapshot);

/* NULL is allowed. */
void kv_snapshot_release(struct kv_snapshot *snapshot);

#endif
