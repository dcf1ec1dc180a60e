/* repair for a database with tables (kv_repair in kv.h): whatever is damaged or missing,
 * CURRENT, manifest, tables, logs, saves every entry that can be read, with the sequence
 * that it had, so that the newest version of a key is still its newest, and a tombstone
 * hides what it hid.
 *
 *   1. save     NNNNNN.dbtmp: what the logs hold, as tables; then all tables, merged, as
 *               the tables of the new database; and what names them (parts); all synced
 *   2. decide   RRRRRR.dbtmp, with what CURRENT is to say, is renamed to RRRRRR.repaired,
 *               and the directory synced                                   (COMMIT POINT)
 *   3. move     old tables, logs and manifests go to DIR/lost, both directories synced
 *   4. place    the new tables get their names, durably
 *   5. name     RRRRRR.repaired is renamed to CURRENT, the directory synced
 *
 * A crash before the commit point leaves the database as it was, and temporary files.
 * After it open refuses, for the sake of RRRRRR.repaired, until repair is run again and
 * goes on from step 3. What belongs to which side is told by the number R: all that was
 * there before is below it, all that the repair wrote is above it.
 *
 * Where the catalog can be read, the tables and logs that it names are what is saved:
 * others may hold what a compaction has long dropped. Where it cannot, all that are there
 * are saved.
 *
 * All is written anew, also what is whole: then there is one way, and every byte of the
 * result was read and compared. It takes as much room as the database, and time. Memory
 * is bounded: a write buffer for the logs' changes, and of the tables an index and a
 * block of a few at a time.
 *
 * Parts: a seam, what is saved differs with the catalog. Its tenants:
 *
 *     repair_listing     stage 03 (below)
 *     repair_manifest    stage 04 */
#ifndef STRATA_REPAIR_ENGINE_H
#define STRATA_REPAIR_ENGINE_H

#include "catalog.h"
#include "current.h"
#include "report.h"

/* A table that is read: one of the database, or one that the repair made of logs. */
struct repair_source {
    struct name name;
    uint64_t
        smallest_sequence; /* of the entries that can be read; there is one at least */
    uint64_t largest_sequence;
};

struct repair {
    struct directory directory;
    const struct kv_options *options;
    struct report report;
    struct repair_source *sources;
    size_t count;
    size_t room;
    uint64_t last;    /* the highest sequence that was ever seen */
    uint64_t entries; /* written to tables of the new database */
    struct edit edit; /* adds them; they have their temporary names */
};

struct repair_parts {
    const struct catalog_ops *catalog;

    /* Step 1 from the sources on: writes all of them (repair_write), and what names the
     * tables, under temporary names or such that nothing else names. *current is what
     * CURRENT is to say. */
    enum status (*save)(struct repair *repair, struct current *current,
                        struct error *error);
};

/* Step 1 up to the sources: what the logs hold goes into tables of its own, all tables
 * are read once. What cannot be read is reported. */
MUST_CHECK enum status repair_find(struct repair *repair,
                                   const struct catalog_ops *catalog,
                                   struct error *error);

/* Merges the `count` sources from `first` on into tables of that level, which stand for
 * the changes after `behind` up to `last`. A table ends with the user key with which it
 * has table_bytes. The sources are used up. */
MUST_CHECK enum status repair_write(struct repair *repair, size_t first, size_t count,
                                    uint64_t behind, uint64_t last, unsigned level,
                                    uint64_t table_bytes, struct error *error);

/* Tables for a listing, one behind the other in the order of their changes: a table of
 * the database is a table again, and says to stand for what was lost before it, too. Only
 * tables whose changes overlap, which stage 03 does not write, are merged. */
extern const struct repair_parts repair_listing;

MUST_CHECK enum status engine_repair(const char *dir, const struct kv_options *options,
                                     const struct repair_parts *parts, kv_report *report,
                                     void *context, struct error *error);

#endif
