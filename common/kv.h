/* The database, as its users see it: an ordered map from byte strings to byte strings
 * that survives the death of the process and the loss of power as far as each write asked
 * for. Every stage implements this header; what a stage lacks answers UNSUPPORTED and
 * says which stage brings it.
 *
 *     struct kv_options options = kv_options_default();
 *     struct error error = {0};
 *     struct kv *kv;
 *     if (kv_open("data", &options, &kv, &error) != STATUS_OK) { puts(error.message); … }
 *
 * A change is one or more puts and deletes that take effect together. Each put or delete
 * takes the next sequence number (from 1). Three sequences describe the state
 * (notes/contract.md): issued ≥ W (handed to the operating system: survives the death of
 * the process) ≥ D (durable: survives the loss of power).
 *
 * Threads: one struct kv serves any number of threads, apart from kv_close, which must be
 * the last call. One directory is open at most once at a time, in this process or any
 * other.
 *
 * After a failed write or sync of the log the store is fail-stop: writes answer the first
 * failure again, reads go on serving what was acknowledged, and the failed change is
 * unknown (it will be whole or absent) until kv_resume or the next open.
 *
 * With log_region APPEND_MAPPED the process has a handler of SIGBUS from the first open
 * on, which makes a page of the log that cannot be had such a failure; a program that
 * replaces it later, or blocks the signal in a thread that writes, dies there instead
 * (guarded_copy.h).
 *
 * tidy: long because it is the whole of what a user of the library reads. */
#ifndef STRATA_KV_H
#define STRATA_KV_H

#include "append.h"
#include "buf.h"
#include "iter.h"
#include "world.h"

enum {
    KV_KEY_BYTES_MAX = 65536,               /* the empty key is legal */
    KV_VALUE_BYTES_MAX = 512 * 1024 * 1024, /* the empty value too */
    KV_CHANGE_BYTES_MAX = 1024 * 1024 * 1024,

    KV_WRITE_BUFFERS_MIN = 2,
    KV_WRITE_BUFFERS_MAX = 8,
    KV_COMPACTION_THREADS_MAX = 8
};

/* What an acknowledgement of a write promises; always at least W. */
enum durability {
    DURABILITY_DEFAULT,  /* in write options: the store's */
    DURABILITY_NONE,     /* the system writes it when it likes */
    DURABILITY_INTERVAL, /* synced within interval_millis, at most interval_bytes at risk
                          */
    DURABILITY_ALWAYS    /* synced before it is acknowledged */
};

enum table_compression {
    TABLE_COMPRESSION_NONE,
    TABLE_COMPRESSION_SNAPPY,
    TABLE_COMPRESSION_ZSTD,
    TABLE_COMPRESSION_LZ4 /* LevelDB cannot read it */
};

struct kv_options {
    enum durability durability;
    uint32_t interval_millis; /* for DURABILITY_INTERVAL */
    uint64_t interval_bytes;
    enum append_kind
        log_region;     /* APPEND_AUTO: written under durability ALWAYS, else mapped */
    uint64_t log_bytes; /* a log longer than this is followed by a new one */
    uint32_t log_step_bytes; /* space allocated ahead */
    uint64_t memory_bytes;   /* from stage 02: what the entries in memory may take; from
                                stage 03: what those of one change may take */
    /* from stage 03 */
    uint64_t write_buffer_bytes; /* entries in memory before they become a table */
    uint64_t block_cache_bytes;  /* of blocks, filters and indexes kept in memory */
    uint32_t max_open_files;     /* tables kept open */
    uint32_t block_bytes;        /* of entries in a block, before compression */
    uint32_t
        restart_interval; /* keys of a block from one that stands whole to the next */
    uint32_t
        filter_bits; /* of a table's filter, for each key, 40 at most; 0: no filter */
    enum table_compression compression; /* of blocks */
    /* from stage 05 */
    uint32_t write_buffers;      /* in memory at once: the active one, and frozen ones */
    uint64_t table_bytes;        /* a compaction's output of this size is ended */
    uint32_t level0_tables;      /* so many are compacted */
    uint32_t level0_slow_tables; /* with so many, writes are slowed down */
    uint32_t level0_stop_tables; /* with so many, writes wait */
    uint32_t stall_millis;       /* how long a write may wait; then it is STALLED */
    uint32_t compaction_threads;
    uint64_t compaction_bytes_per_second; /* that compactions write; 0: no limit */
    uint64_t event_log_bytes; /* an event log longer than this is begun anew; 0: none */
    /* from stage 06 */
    uint32_t awake_sync_micros; /* writers wait awake for syncs that are no longer */
    bool create;                /* make the directory where missing */
    bool exclusive;             /* refuse a directory that holds a database */
    const struct world *world;
};

/* The defaults of the settings table (settings.h), create, not exclusive, the real world.
 */
struct kv_options kv_options_default(void);

enum kv_op_type { KV_DELETE = 0, KV_PUT = 1 }; /* LevelDB's kTypeDeletion, kTypeValue */

struct kv_op {
    enum kv_op_type type;
    struct slice key;
    struct slice value; /* puts only */
};

struct kv_write_options {
    enum durability durability;
    uint64_t
        *sequence; /* if not NULL: receives the last sequence of the change; 0 if none was
                      issued. Written on failure too: the change may have been issued */
    bool no_wait; /* STALLED where it would have to wait for a flush or a compaction; from
                     stage 06 */
};

struct kv_snapshot; /* kv_snapshot.h */

/* At a snapshot a read sees what was there when it was taken. INVALID: it is another
 * store's, or one of a store that was closed. */
struct kv_read_options {
    uint64_t *observed; /* if not NULL: receives the sequence that the read saw all of */
    const struct kv_snapshot *snapshot; /* NULL: of now */
    bool no_wait; /* STALLED where it would have to wait for a disk: what is in memory,
                     with the block cache, open tables, and the blocks of these that the
                     system keeps in memory, does not answer it; from stage 03 */
    size_t most_bytes; /* of kv_get_many: LIMIT if the values are more than that before
                          all have been looked up; 0: as many as there are */
};

struct kv_iter_options {
    struct slice from; /* inclusive; absent: no bound */
    struct slice to;   /* exclusive; absent: no bound. Both are copied */
    uint64_t *observed;
    const struct kv_snapshot *snapshot;
};

struct kv_progress {
    uint64_t issued;
    uint64_t written; /* W */
    uint64_t durable; /* D */
    bool stopped;     /* by a failure: writes are refused until kv_resume */
};

/* name, words, unit. Counters count since open. A stage leaves at 0 what it does not
 * have. */
#define KV_STATS_TABLE(X)                                                                \
    X(sequence_issued, "last sequence issued", "")                                       \
    X(sequence_written, "last sequence handed to the system (W)", "")                    \
    X(sequence_durable, "last sequence durable (D)", "")                                 \
    X(writes, "changes written", "")                                                     \
    X(write_groups, "groups that writers joined to write them", "")                      \
    X(largest_write_group, "changes of the largest one", "")                             \
    X(write_ops, "puts and deletes written", "")                                         \
    X(write_bytes, "bytes of their keys and values", "bytes")                            \
    X(reads, "lookups", "")                                                              \
    X(scans, "iterators opened", "")                                                     \
    X(syncs, "log syncs", "")                                                            \
    X(sync_micros, "time in log syncs", "us")                                            \
    X(write_stalls, "writes that waited for the interval syncer", "")                    \
    X(log_files, "log files", "")                                                        \
    X(log_bytes, "bytes of log", "bytes")                                                \
    X(log_rotations, "logs begun since open", "")                                        \
    X(replayed_bytes, "bytes read by replays since open", "bytes")                       \
    X(recovered_changes, "changes found by the last recovery", "")                       \
    X(recovered_rewritten, "of them written again, since not known durable", "")         \
    X(recovered_dropped_bytes, "bytes of unsynced tail dropped by the last recovery",    \
      "bytes")                                                                           \
    X(memtable_entries, "puts and deletes in the memtable", "")                          \
    X(memtable_bytes, "bytes of the memtable's entries", "bytes")                        \
    X(memtable_charged_bytes, "bytes of memory that the memtable took for them",         \
      "bytes")                                                                           \
    X(flushes, "write buffers moved into tables", "")                                    \
    X(flush_bytes, "bytes of tables written by flushes", "bytes")                        \
    X(flush_micros, "time in flushes", "us")                                             \
    X(tables, "tables", "")                                                              \
    X(table_bytes, "bytes of tables", "bytes")                                           \
    X(filter_checks, "lookups that asked a filter of a table", "")                       \
    X(filter_saves, "of them, told that the key is not there", "")                       \
    X(blocks_searched, "blocks that lookups searched", "")                               \
    X(block_cache_hits, "blocks found in the block cache", "")                           \
    X(block_cache_misses, "blocks read and unpacked", "")                                \
    X(block_cache_bytes, "bytes of blocks in the block cache", "bytes")                  \
    X(compactions, "compactions", "")                                                    \
    X(compaction_failures, "compactions that failed, to be tried again", "")             \
    X(compaction_read_bytes, "bytes of tables read by compactions", "bytes")             \
    X(compaction_written_bytes, "bytes of tables written by compactions", "bytes")       \
    X(compaction_micros, "time in compactions", "us")                                    \
    X(tables_moved, "tables moved a level down as they were", "")                        \
    X(tombstones_dropped, "tombstones dropped, with nothing left below them", "")        \
    X(values_dead, "values whose time was over, and that became tombstones", "")         \
    X(obsolete_tables, "tables that wait for their last reader", "")                     \
    X(snapshots, "snapshots held", "")                                                   \
    X(snapshot_oldest_sequence, "sequence of the oldest of them", "")                    \
    X(snapshot_oldest_micros, "age of the oldest of them", "us")                         \
    X(stall_slowdowns, "writes slowed down by compactions that lag", "")                 \
    X(stall_stops, "writes that waited for a flush or compaction", "")                   \
    X(stall_micros, "time of writes in both", "us")                                      \
    X(event_log_lost, "lines of the event log that could not be written", "")

/* Of one level. Its compactions are those that wrote into it: they read it and the level
 * above. Into level 0 it is flushes that write. name, words. */
#define KV_LEVEL_STATS_TABLE(X)                                                          \
    X(tables, "tables")                                                                  \
    X(bytes, "bytes")                                                                    \
    X(read_bytes, "bytes read")                                                          \
    X(written_bytes, "bytes written")                                                    \
    X(compactions, "compactions")                                                        \
    X(micros, "micros")

enum { KV_LEVELS = 7 };

#define KV_STATS_FIELD(name, ...) uint64_t name;
struct kv_level_stats {
    KV_LEVEL_STATS_TABLE(KV_STATS_FIELD)
};

struct kv_stats {
    KV_STATS_TABLE(KV_STATS_FIELD)
    struct kv_level_stats levels[KV_LEVELS];
};
#undef KV_STATS_FIELD

struct kv;

/* Opens, and recovers what a crash left. dir is copied. INVALID: not a database of this
 * stage (nothing was touched); BUSY: open elsewhere; CORRUPT: durable data is damaged,
 * see kv_repair. */
MUST_CHECK enum status kv_open(const char *dir, const struct kv_options *options,
                               struct kv **kv, struct error *error);

/* Ends the store; it is freed whatever comes back. An error means that what was
 * acknowledged short of "durable" may not have reached the disk. NULL is allowed. */
MUST_CHECK enum status kv_close(struct kv *kv, struct error *error);

/* options may be NULL in all of these. LIMIT: key, value or change too long. */
MUST_CHECK enum status kv_put(struct kv *kv, struct slice key, struct slice value,
                              const struct kv_write_options *options,
                              struct error *error);
MUST_CHECK enum status kv_delete(struct kv *kv, struct slice key,
                                 const struct kv_write_options *options,
                                 struct error *error);

/* All of the operations or none, in order; a later one on the same key wins. An empty
 * change is legal and issues nothing. */
MUST_CHECK enum status kv_write(struct kv *kv, const struct kv_op *ops, size_t count,
                                const struct kv_write_options *options,
                                struct error *error);

/* Replaces the contents of *value. NOT_FOUND is a status, not an error: no message. */
MUST_CHECK enum status kv_get(struct kv *kv, struct slice key, struct buf *value,
                              const struct kv_read_options *options, struct error *error);

/* The same for many keys, as they are at one moment; they may repeat. Replaces the
 * contents of values[i], where statuses[i] is OK and not NOT_FOUND. After an error both
 * are of no use. Tables that a compaction replaces meanwhile are kept until it returns
 * (from stage 06). */
MUST_CHECK enum status kv_get_many(struct kv *kv, const struct slice *keys, size_t count,
                                   struct buf *values, enum status *statuses,
                                   const struct kv_read_options *options,
                                   struct error *error);

/* For calls of kv_get that will follow: looks at where these keys are, at all of them side
 * by side, so that each waits less for memory. Nothing else changes, and a stage that has
 * no kv_get_many does nothing. */
enum { KV_FORESEEN = 16 /* keys at most */ };
void kv_foresee(struct kv *kv, const struct slice *keys, size_t count);

/* An iterator over one moment's contents: nothing that happens later changes what it
 * shows. It must be closed before the store. */
MUST_CHECK enum status kv_iter(struct kv *kv, const struct kv_iter_options *options,
                               struct iter **iter, struct error *error);

/* Returns when all that was written before the call is durable. */
MUST_CHECK enum status kv_sync(struct kv *kv, struct error *error);

/* Moves the write buffer into tables (from stage 03). */
MUST_CHECK enum status kv_flush(struct kv *kv, struct error *error);

/* Merges all tables that hold keys from `from` on (absent: from the first) and before `to`
 * (absent: to the last), after a flush: what was overwritten or deleted gives its room
 * back (from stage 05). */
MUST_CHECK enum status kv_compact(struct kv *kv, struct slice from, struct slice to,
                                  struct error *error);

/* Everything that was written goes, at once: what readers begin to read afterwards is
 * empty, whatever is written then stays. Sequences go on. Snapshots and iterators from
 * before still see what they saw. Durable when OK comes back, and a crash leaves all or
 * nothing, whatever the durability of what goes. After an error all is there; or, where
 * writes are refused from then on, a resume shows which of the two it is. It waits for a
 * flush that is under way, and for stalled writers; writers wait for it, those with
 * no_wait too. What it costs goes with the number of files, and not with what is in them.
 * From stage 08. */
MUST_CHECK enum status kv_erase_all(struct kv *kv, struct error *error);

/* After a fail-stop: recovers as an open does, and takes writes again. OK if nothing was
 * wrong. If it fails the store stays fail-stop and it may be called again. */
MUST_CHECK enum status kv_resume(struct kv *kv, struct error *error);

void kv_progress(struct kv *kv, struct kv_progress *progress);
void kv_stats(struct kv *kv, struct kv_stats *stats);

/* The statistics as lines "name value unit  words" and, where a level has something to
 * say, a table of levels; or as one JSON object on a line, with an array `levels`. Three
 * figures follow from the counters; where they cannot be told they are - or null:
 *
 *     write_amplification   bytes that flushes and compactions wrote, for each byte of
 *                           keys and values that users wrote, since open
 *     space_amplification   bytes of tables over those of the deepest level
 *     read_amplification    runs that a lookup may have to ask: the tables of level 0,
 *                           and the other levels that have any */
MUST_CHECK enum status kv_stats_print(const struct kv_stats *stats, bool json,
                                      struct buf *out);

/* ---- offline: on a directory that nobody has open -------------------------------- */

/* Receives one line of words without its newline; context is the caller's. */
typedef void kv_report(void *context, const char *line);

/* Reads everything and reports every fault with file and offset; changes nothing. CORRUPT
 * if there was one, with the first fault as the message. */
MUST_CHECK enum status kv_verify(const char *dir, const struct kv_options *options,
                                 kv_report *report, void *context, struct error *error);

/* Saves what can be read of a damaged database, in its order, into fresh logs, from stage
 * 03 on into fresh tables, durably; the old files are set aside in DIR/lost. Reports what was saved and what could not be.
 * A repair that is cut off leaves a directory that open refuses and that repair finishes.
 */
MUST_CHECK enum status kv_repair(const char *dir, const struct kv_options *options,
                                 kv_report *report, void *context, struct error *error);

/* Decodes one file of a database, whatever its kind, line by line; needs no lock. CORRUPT
 * if the file is damaged, after all that could be decoded. */
MUST_CHECK enum status kv_dump(const char *path, const struct kv_options *options,
                               kv_report *report, void *context, struct error *error);

#endif
