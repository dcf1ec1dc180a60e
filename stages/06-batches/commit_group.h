/* Many writers, one commit. Writers queue; the first of them leads. It takes those behind
 * it along as a group, writes all their changes to the log in one piece, inserts them
 * into the memtable, makes the next in the queue a leader, and only then syncs, if any of
 * its group asked for that, once for all. So the next group is written while this one is
 * being synced. The followers learn the outcome of the step that their durability asked
 * for.
 *
 * Each change keeps a record of its own in the log: a crash leaves any number of whole
 * changes of a group. A group takes no more than so many bytes, and fewer behind a small
 * leader, so that a small write need not wait for large ones to be copied.
 *
 * The idea is LevelDB's (google/leveldb, db/db_impl.cc, BuildBatchGroup), that a group's
 * sync runs beside the next group's writing is RocksDB's pipelined write. */
#ifndef STRATA_COMMIT_GROUP_H
#define STRATA_COMMIT_GROUP_H

#include "commit.h"
#include "kv_async.h"

extern const struct commit_ops commit_group;

/* As store_ops.submit, notify and stats, for engines with this commit and with upkeep by
 * threads. */
enum status engine_submit(void *engine, const struct kv_op *ops, size_t count,
                          const struct kv_write_options *how, kv_told *told,
                          void *context, uint64_t *sequence, struct error *error);
enum status engine_notify(void *engine, uint64_t sequence, enum durability durability,
                          kv_told *told, void *context, struct error *error);
void engine_stats_grouped(void *engine, struct kv_stats *stats);

#endif
