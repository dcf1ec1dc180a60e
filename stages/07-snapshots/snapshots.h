/* The snapshots of an engine: moments that are held, and the horizon that follows from
 * them (horizon.h). A snapshot is a sequence in a list; it holds no view, no table and no
 * buffer. */
#ifndef STRATA_SNAPSHOTS_H
#define STRATA_SNAPSHOTS_H

#include "horizon.h"
#include "stage.h"

extern const struct horizon_ops horizon_snapshots;

/* As store_ops has them, for engines with this horizon. */
enum status engine_snapshot_take(void *engine, struct kv_snapshot **snapshot,
                                 struct error *error);
void engine_snapshot_release(struct kv_snapshot *snapshot);
void engine_stats_snapshots(void *engine, struct kv_stats *stats);

#endif
