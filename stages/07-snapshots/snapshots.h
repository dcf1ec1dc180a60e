/* The snapshots of an engine: moments that are held, and the horizon that follows from
 * them (horizon.h). A snapshot is a sequence in a list; it holds no view, no table and no
 * buffer. */
#ifndef STRATA_SNAPSHOTS_H
#define STRATA_SNAPSHOTS_H

#include "horizon.h"
#include "stage.h"

extern const struct horizon_ops horizon_snapshots;

/* The view of before an erasure, for the snapshots that see it. */
struct past;

/* Copies the present view, which stays as it is until the snapshots have parted.
 * NO_MEMORY. */
MUST_CHECK enum status past_open(struct engine *engine, struct past **past,
                                 struct error *error);
void past_close(struct past *past); /* for one that nobody parted with; NULL is allowed */

/* Every snapshot that is held, and has no past yet, looks at this one from now on, and
 * horizons take no account of it. From begin to end, which are for moments only, none is
 * taken, so that in between the engine's view can be replaced. */
void snapshots_part_begin(struct engine *engine, struct past *past);
void snapshots_part_end(struct engine *engine, struct past *past);

/* The same where nobody knows whether the erasure is in force: the view stays, and a
 * resume finds which of the two it is. Until then nothing is written, and snapshots that
 * are taken look at this past, too, of which `sequence` is the last. */
void snapshots_part_in_doubt(struct engine *engine, struct past *past, uint64_t sequence);

/* As store_ops has them, for engines with this horizon. */
enum status engine_snapshot_take(void *engine, struct kv_snapshot **snapshot,
                                 struct error *error);
void engine_snapshot_release(struct kv_snapshot *snapshot);
void engine_stats_snapshots(void *engine, struct kv_stats *stats);

#endif
