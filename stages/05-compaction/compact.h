/* Carries a compaction out: reads its tables merged, writes what stays to new tables, and
 * says what changes in an edit, which is not yet in force.
 *
 * What stays of a user key, of its versions newest first: the newest, and for each
 * snapshot the newest at or below it. A tombstone that would stay goes too where no level
 * below the output can hold the key, and no snapshot is older than it: compact.c says why
 * it may, and what that rests on. A value that the filter calls dead becomes such a
 * tombstone, if it is the newest of its key and younger than all snapshots.
 *
 * Where the tables may move (picker.h) they are named in the output's level as they are.
 * Those whose tombstones can die are written anew all the same, so that they do.
 *
 * No output ends in the middle of a user key. Outputs end at table_bytes, or where they
 * would overlap more than ten times as much of the level below them. */
#ifndef STRATA_COMPACT_H
#define STRATA_COMPACT_H

#include "directory.h"
#include "edit.h"
#include "picker.h"
#include "rate_limit.h"
#include "table_cache.h"
#include "value_filter.h"

/* Tables that moved are in tables_moved alone. */
struct compact_counts {
    uint64_t read_bytes; /* of tables */
    uint64_t written_bytes;
    uint64_t entries_in, entries_out;
    uint64_t tombstones_dropped; /* since nothing is below them */
    uint64_t values_dead;        /* of which tombstones were made */
    uint64_t tables_moved;
    uint64_t micros;
};

/* Asked every 64 KiB of entries: true ends the compaction, with STALLED. It is not asked
 * while the compaction waits for its limit: who wants it to end, ends that first. */
typedef bool compact_stop(void *context);

struct compact_with {
    struct directory *directory;
    const struct kv_options *options;
    struct table_cache *tables;
    struct rate_limit *limit;  /* NULL: none */
    const uint64_t *snapshots; /* ascending, distinct */
    size_t snapshot_count;
    const struct value_filter_ops *filter;
    uint64_t now_millis; /* that it is asked with */
    compact_stop *stop;  /* NULL: never */
    void *context;
};

/* Fills the edit, which is empty, and *counts. New tables are written and synced under
 * temporary names (flush.h). After a failure there is none of them, as far as they can be
 * removed, and the edit is empty. CORRUPT with file and offset, IO, NO_SPACE, NO_MEMORY,
 * STALLED. */
MUST_CHECK enum status compact(const struct compact_with *with,
                               const struct compaction *compaction, struct edit *edit,
                               struct compact_counts *counts, struct error *error);

#endif
