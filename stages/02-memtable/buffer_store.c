/* What readers rest on.
 *
 * `buffer` is the one address that they load. They enter (readers.h), load it, load its
 * visible sequence, in this order, read, and leave; an iterator holds the memtable by a
 * reference that it took in between. Resume puts another buffer in its place: its
 * memtable equals what the log holds, so a change that had failed is there whole or not
 * at all. The old one is retired: freed when every reader that may have loaded it has
 * left.
 *
 * A failed log takes nothing from readers: the memtable stays, and holds what was
 * acknowledged, until a resume has succeeded.
 *
 * Locks, in the order in which they are taken: gate (entered), writing, what the wal has.
 */
#include "buffer_store.h"

#include "atomic.h"
#include "dump.h"
#include "failpoint.h"
#include "gate.h"
#include "memory.h"
#include "recover.h"
#include "repair.h"
#include "retired.h"
#include "syncer.h"
#include "user_iter.h"
#include "verify.h"
#include "write_buffer.h"

/* A buffer that readers can no longer find. */
struct old_buffer {
    struct retired retired; /* first */
    struct write_buffer *buffer;
};

struct buffer_store {
    struct readers readers;
    struct atomic_pointer buffer;
    struct atomic_u64 scans;

    struct directory directory;
    struct kv_options options;
    struct gate gate;

    /* Changed alone in the gate, or by open and close; read by those who entered. */
    struct syncer *syncer;
    struct recovery recovery;
    struct error failure;     /* why the last resume failed; the buffer has no log then */
    struct wal_progress last; /* as it was before the last resume */
    uint64_t replayed_bytes;

    struct mutex writing; /* the writer's own: held across the log's I/O */
    /* guarded by writing */
    struct retired *retired;
    uint64_t writes, write_ops, write_bytes;
};

/* The present buffer, for those who entered the gate, or are alone. */
static struct write_buffer *buffer_of(const struct buffer_store *store) {
    return atomic_pointer_load(&store->buffer, memory_order_relaxed);
}

/* ---- the memtables that were --------------------------------------------------------
 */

static void end_old(struct retired *retired) {
    struct old_buffer *old = (struct old_buffer *)retired;
    write_buffer_unref(old->buffer);
    memory_give(old);
}

/* Requires to be alone. */
static void swap(struct buffer_store *store, struct write_buffer *buffer,
                 struct old_buffer *old) {
    old->buffer = buffer_of(store);
    atomic_pointer_store(&store->buffer, buffer, memory_order_seq_cst);
    retire(&store->retired, &store->readers, &old->retired, end_old);
    failpoint_pass(buffer_swapped);
    retired_free(&store->retired, &store->readers);
}

/* ---- open, close, resume ------------------------------------------------------------
 */

static enum status replay_change(void *context, const struct change_reader *change,
                                 struct slice payload, struct error *error) {
    (void)payload;
    return write_buffer_replay(context, change, error);
}

/* Recovers into a new buffer that is ready to write: the second half of open, and resume.
 */
static enum status recover_buffer(struct buffer_store *store, struct write_buffer **out,
                                  struct error *error) {
    struct write_buffer *buffer = NULL;
    struct wal *wal = NULL;
    struct recovery recovery;
    enum status status =
        write_buffer_open(store->options.memory_bytes, 0, 0, &buffer, error);
    if (status == STATUS_OK) {
        status = recover(&store->directory, &store->options, &replay_everything,
                         replay_change, buffer, &wal, &recovery, error);
        store->replayed_bytes += recovery.replayed_bytes;
    }
    if (status == STATUS_OK) {
        status = syncer_open(wal, &store->options, &store->syncer, error);
    }
    if (status != STATUS_OK) {
        enum status closed = wal_close(wal, NULL);
        (void)closed; /* the first failure is told */
        write_buffer_unref(buffer);
        return status;
    }
    write_buffer_start(buffer, wal, recovery.last);
    store->recovery = recovery;
    *out = buffer;
    return STATUS_OK;
}

/* Ends the log side; the memtable goes on serving. */
static enum status stop(struct buffer_store *store, struct error *error) {
    syncer_close(store->syncer);
    store->syncer = NULL;
    struct write_buffer *buffer = buffer_of(store);
    return buffer == NULL ? STATUS_OK : write_buffer_stop(buffer, error);
}

static enum status init(struct buffer_store *store, struct error *error) {
    const struct threads *threads = store->options.world->threads;
    if (gate_init(&store->gate, threads) == STATUS_OK) {
        if (mutex_init(&store->writing, threads) == STATUS_OK) {
            return STATUS_OK;
        }
        gate_free(&store->gate);
    }
    return error_no_memory(error, "a lock", sizeof store->gate);
}

static enum status buffer_store_close(void *opened, struct error *error) {
    struct buffer_store *store = opened;
    enum status status = store->failure.status;
    if (status != STATUS_OK && error != NULL) {
        *error = store->failure;
    }
    enum status stopped = stop(store, status == STATUS_OK ? error : NULL);
    write_buffer_unref(buffer_of(store));
    retired_free(&store->retired, &store->readers); /* there are no readers */
    directory_close(&store->directory);
    mutex_free(&store->writing);
    gate_free(&store->gate);
    memory_give(store);
    return status != STATUS_OK ? status : stopped;
}

static enum status open_directory(struct buffer_store *store, const char *dir,
                                  struct error *error) {
    enum status status = recover_may_adopt(dir, store->options.world, error);
    if (status == STATUS_OK) {
        status = directory_open(&store->directory, dir, &store->options, error);
    }
    if (status == STATUS_OK) {
        status = listing_must_be_logs(&store->directory.listing, dir, error);
    }
    if (status == STATUS_OK) {
        status = listing_must_be_whole(&store->directory.listing, dir, error);
    }
    return status;
}

static enum status buffer_store_open(const char *dir, const struct kv_options *options,
                                     void **opened, struct error *error) {
    struct buffer_store *store = memory_take_zeroed(sizeof *store);
    if (store == NULL) {
        return error_no_memory(error, "the store", sizeof *store);
    }
    store->options = *options;
    enum status status = init(store, error);
    if (status != STATUS_OK) {
        memory_give(store);
        return status;
    }
    struct write_buffer *buffer;
    status = open_directory(store, dir, error);
    if (status == STATUS_OK) {
        status = recover_buffer(store, &buffer, error);
    }
    if (status == STATUS_OK) {
        atomic_pointer_store(&store->buffer, buffer, memory_order_seq_cst);
        *opened = store;
        return STATUS_OK;
    }
    enum status closed = buffer_store_close(store, NULL);
    (void)closed; /* the first failure is told */
    return status;
}

/* Requires to be alone. The wal's files are let go of as a killed process would, and read
 * again as after one, into a memtable of their own. */
static enum status start_anew(struct buffer_store *store, struct error *error) {
    struct write_buffer *buffer;
    struct old_buffer *retired = memory_take(sizeof *retired);
    if (retired == NULL) {
        return error_no_memory(error, "the old memtable's retirement", sizeof *retired);
    }
    enum status status = directory_relist(&store->directory, error);
    if (status == STATUS_OK) {
        status = recover_buffer(store, &buffer, error);
    }
    if (status != STATUS_OK) {
        memory_give(retired);
        return status;
    }
    swap(store, buffer, retired);
    return STATUS_OK;
}

static enum status buffer_store_resume(void *opened, struct error *error) {
    struct buffer_store *store = opened;
    enum status status = STATUS_OK;
    gate_enter_alone(&store->gate);
    struct write_buffer *buffer = buffer_of(store);
    if (buffer->wal == NULL || wal_state(buffer->wal, NULL) != STATUS_OK) {
        if (buffer->wal != NULL) {
            wal_progress(buffer->wal, &store->last);
        }
        enum status stopped = stop(store, NULL);
        (void)stopped; /* the failure that is being left behind */
        store->failure = (struct error){0};
        status = start_anew(store, &store->failure);
        store->failure.status = status;
        if (status != STATUS_OK && error != NULL) {
            *error = store->failure;
        }
    }
    gate_leave_alone(&store->gate);
    return status;
}

/* ---- write --------------------------------------------------------------------------
 */

/* Requires to be inside. */
static enum status usable(const struct buffer_store *store, struct error *error) {
    if (buffer_of(store)->wal == NULL) {
        return error_set(error, store->failure.status, "the last resume failed: %s",
                         store->failure.message);
    }
    return STATUS_OK;
}

/* Requires writing. */
static enum status take_in(struct buffer_store *store, const struct kv_op *ops,
                           size_t count, uint64_t *sequence, struct error *error) {
    struct write_buffer *buffer = buffer_of(store);
    struct memtable_room room;
    retired_free(&store->retired, &store->readers);
    store->writes++;
    store->write_ops += count;
    store->write_bytes += change_user_bytes(ops, count);
    enum status status = write_buffer_reserve(buffer, ops, count, &room, error);
    if (status != STATUS_OK) {
        return status;
    }
    const struct change_group one = {ops, count, &count, 1};
    status = write_buffer_append(buffer, &one, sequence, error);
    if (status != STATUS_OK) {
        memtable_give_back(buffer->memtable, &room);
        return status;
    }
    write_buffer_insert(buffer, &room, ops, count, *sequence);
    write_buffer_publish(buffer, *sequence);
    failpoint_pass(buffer_visible_not_synced);
    return STATUS_OK;
}

static enum status write_inside(struct buffer_store *store, const struct kv_op *ops,
                                size_t count, enum durability durability,
                                uint64_t *sequence, struct error *error) {
    enum status status = usable(store, error);
    if (status == STATUS_OK && durability == DURABILITY_INTERVAL) {
        status = syncer_start(store->syncer, error);
    }
    if (status != STATUS_OK) {
        return status;
    }
    mutex_lock(&store->writing);
    status = take_in(store, ops, count, sequence, error);
    mutex_unlock(&store->writing);
    if (status == STATUS_OK && durability == DURABILITY_ALWAYS) {
        status = write_buffer_sync(buffer_of(store), *sequence, error);
    } else if (status == STATUS_OK && durability == DURABILITY_INTERVAL) {
        status = syncer_admit(store->syncer, *sequence, error);
    }
    return status;
}

static enum status buffer_store_write(void *opened, const struct kv_op *ops, size_t count,
                                      const struct kv_write_options *how,
                                      uint64_t *sequence, struct error *error) {
    struct buffer_store *store = opened;
    gate_enter(&store->gate);
    enum status status =
        write_inside(store, ops, count, how->durability, sequence, error);
    gate_leave(&store->gate);
    return status;
}

static enum status buffer_store_sync(void *opened, struct error *error) {
    struct buffer_store *store = opened;
    gate_enter(&store->gate);
    enum status status = usable(store, error);
    if (status == STATUS_OK) {
        struct write_buffer *buffer = buffer_of(store);
        struct wal_progress now;
        wal_progress(buffer->wal, &now);
        status = write_buffer_sync(buffer, now.written, error);
        if (status == STATUS_OK) {
            status = wal_state(buffer->wal, error);
        }
    }
    gate_leave(&store->gate);
    return status;
}

static enum status buffer_store_flush(void *opened, struct error *error) {
    (void)opened;
    return stage_lacks(FEATURE_FLUSH, error);
}

/* ---- read ---------------------------------------------------------------------------
 */

static enum status buffer_store_get(void *opened, struct slice key, struct buf *value,
                                    const struct kv_read_options *options,
                                    struct error *error) {
    struct buffer_store *store = opened;
    struct slice found;
    enum status status = STATUS_NOT_FOUND;
    struct reader_slot *slot = readers_enter(&store->readers);
    const struct write_buffer *buffer =
        atomic_pointer_load(&store->buffer, memory_order_seq_cst);
    uint64_t visible = write_buffer_visible(buffer);
    if (memtable_get(buffer->memtable, key, visible, &found) == LOOKUP_FOUND) {
        status = buf_assign(value, found);
        if (status != STATUS_OK) {
            status = error_no_memory(error, "a value", found.length);
        }
    }
    readers_leave(slot);
    *options->observed = visible;
    return status;
}

static enum status buffer_store_iter(void *opened, const struct kv_iter_options *options,
                                     struct iter **iter, struct error *error) {
    struct buffer_store *store = opened;
    struct reader_slot *slot = readers_enter(&store->readers);
    const struct write_buffer *buffer =
        atomic_pointer_load(&store->buffer, memory_order_seq_cst);
    uint64_t visible = write_buffer_visible(buffer);
    struct iter *entries = memtable_iter(buffer->memtable);
    readers_leave(slot);
    atomic_u64_add(&store->scans, 1, memory_order_relaxed);
    if (entries == NULL) {
        return error_no_memory(error, "an iterator", 0);
    }
    const struct user_iter_options passed = {options->from, options->to, visible};
    enum status status = user_iter_open(entries, &passed, iter, error);
    if (status == STATUS_OK && options->observed != NULL) {
        *options->observed = visible;
    }
    return status;
}

/* ---- progress and statistics --------------------------------------------------------
 */

static void buffer_store_progress(void *opened, struct kv_progress *progress) {
    struct buffer_store *store = opened;
    gate_enter(&store->gate);
    struct wal_progress now = store->last;
    bool stopped = buffer_of(store)->wal == NULL;
    if (!stopped) {
        wal_progress(buffer_of(store)->wal, &now);
        stopped = wal_state(buffer_of(store)->wal, NULL) != STATUS_OK;
    }
    gate_leave(&store->gate);
    *progress = (struct kv_progress){now.issued, now.written, now.durable, stopped};
}

static void count_writes(struct buffer_store *store, struct kv_stats *stats) {
    mutex_lock(&store->writing);
    stats->writes = store->writes;
    stats->write_ops = store->write_ops;
    stats->write_bytes = store->write_bytes;
    mutex_unlock(&store->writing);
}

static void buffer_store_stats(void *opened, struct kv_stats *stats) {
    struct buffer_store *store = opened;
    gate_enter(&store->gate);
    const struct write_buffer *buffer = buffer_of(store);
    struct wal_progress now = store->last;
    if (buffer->wal != NULL) {
        wal_progress(buffer->wal, &now);
        stats->write_stalls = syncer_stalls(store->syncer);
    }
    directory_count_logs(&store->directory, &stats->log_files, &stats->log_bytes);
    count_writes(store, stats);
    stats->replayed_bytes = store->replayed_bytes;
    stats->recovered_changes = store->recovery.changes;
    stats->recovered_rewritten = store->recovery.rewritten;
    stats->recovered_dropped_bytes = store->recovery.dropped_bytes;
    stats->memtable_entries = memtable_count(buffer->memtable);
    stats->memtable_bytes = memtable_used(buffer->memtable);
    stats->memtable_charged_bytes = memtable_charged(buffer->memtable);
    gate_leave(&store->gate);
    stats->sequence_issued = now.issued;
    stats->sequence_written = now.written;
    stats->sequence_durable = now.durable;
    stats->syncs = now.syncs;
    stats->sync_micros = now.sync_micros;
    stats->log_rotations = now.rotations;
    stats->scans = atomic_u64_load(&store->scans, memory_order_relaxed);
    stats->reads = readers_total(&store->readers) - stats->scans;
}

const struct store_ops buffer_store_ops = {
    .open = buffer_store_open,
    .close = buffer_store_close,
    .write = buffer_store_write,
    .get = buffer_store_get,
    .iter = buffer_store_iter,
    .sync = buffer_store_sync,
    .flush = buffer_store_flush,
    .resume = buffer_store_resume,
    .progress = buffer_store_progress,
    .stats = buffer_store_stats,
    .verify = log_verify,
    .repair = log_repair,
    .dump = log_dump,
};
