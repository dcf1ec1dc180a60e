#include "scan_store.h"

#include "atomic.h"
#include "dump.h"
#include "gate.h"
#include "memory.h"
#include "recover.h"
#include "repair.h"
#include "sorted_copy.h"
#include "syncer.h"
#include "verify.h"

struct scan_store {
    struct directory directory;
    struct kv_options options;

    /* Changed by resume alone, when nobody else is in. */
    struct wal *wal;          /* NULL: a resume failed, and `failure` says why */
    struct wal_progress last; /* as it was before the resume that failed */
    struct syncer *syncer;
    struct recovery recovery;
    struct error failure;

    struct gate gate; /* calls pass it together, resume alone */
    struct atomic_u64 writes, write_ops, write_bytes, reads, scans, replayed_bytes;
};

/* ---- open and close -------------------------------------------------------------- */

/* Recovers and gets ready to write: the second half of open, and resume. */
static enum status start(struct scan_store *store, struct error *error) {
    enum status status = recover(&store->directory, &store->options, &replay_everything,
                                 NULL, NULL, &store->wal, &store->recovery, error);
    atomic_u64_add(&store->replayed_bytes, store->recovery.replayed_bytes,
                   memory_order_relaxed);
    if (status == STATUS_OK) {
        status = syncer_open(store->wal, &store->options, &store->syncer, error);
    }
    return status;
}

static enum status stop(struct scan_store *store, struct error *error) {
    syncer_close(store->syncer);
    enum status status = wal_close(store->wal, error);
    store->syncer = NULL;
    store->wal = NULL;
    return status;
}

static enum status scan_store_close(void *opened, struct error *error) {
    struct scan_store *store = opened;
    enum status status = store->wal == NULL ? store->failure.status : STATUS_OK;
    if (status != STATUS_OK && error != NULL) {
        *error = store->failure;
    }
    enum status stopped = stop(store, status == STATUS_OK ? error : NULL);
    directory_close(&store->directory);
    gate_free(&store->gate);
    memory_give(store);
    return status != STATUS_OK ? status : stopped;
}

static enum status scan_store_open(const char *dir, const struct kv_options *options,
                                   void **opened, struct error *error) {
    struct scan_store *store = memory_take_zeroed(sizeof *store);
    if (store == NULL) {
        return error_no_memory(error, "the store", sizeof *store);
    }
    store->options = *options;
    if (gate_init(&store->gate, options->world->threads) != STATUS_OK) {
        memory_give(store);
        return error_no_memory(error, "a lock", sizeof store->gate);
    }
    enum status status = recover_may_adopt(dir, options->world, error);
    if (status == STATUS_OK) {
        status = directory_open(&store->directory, dir, options, error);
    }
    if (status == STATUS_OK) {
        status = listing_must_be_logs(&store->directory.listing, dir, error);
    }
    if (status == STATUS_OK) {
        status = listing_must_be_whole(&store->directory.listing, dir, error);
    }
    if (status == STATUS_OK) {
        status = start(store, error);
    }
    if (status == STATUS_OK) {
        *opened = store;
        return STATUS_OK;
    }
    enum status closed = scan_store_close(store, NULL);
    (void)closed; /* the first failure is told */
    return status;
}

/* The wal's files are let go of as a killed process would, and read again as after one.
 */
static enum status scan_store_resume(void *opened, struct error *error) {
    struct scan_store *store = opened;
    enum status status = STATUS_OK;
    gate_enter_alone(&store->gate);
    if (store->wal == NULL || wal_state(store->wal, NULL) != STATUS_OK) {
        if (store->wal != NULL) {
            wal_progress(store->wal, &store->last);
        }
        enum status stopped = stop(store, NULL);
        (void)stopped; /* the failure that is being left behind */
        store->failure = (struct error){0};
        status = directory_relist(&store->directory, &store->failure);
        if (status == STATUS_OK) {
            status = start(store, &store->failure);
        }
        if (status != STATUS_OK) {
            stopped = stop(store, NULL);
            store->failure.status = status;
            if (error != NULL) {
                *error = store->failure;
            }
        }
    }
    gate_leave_alone(&store->gate);
    return status;
}

/* ---- write ----------------------------------------------------------------------- */

/* Requires to be inside. */
static enum status usable(const struct scan_store *store, struct error *error) {
    if (store->wal == NULL) {
        return error_set(error, store->failure.status, "the last resume failed: %s",
                         store->failure.message);
    }
    return STATUS_OK;
}

static enum status write_inside(struct scan_store *store, const struct kv_op *ops,
                                size_t count, enum durability durability,
                                uint64_t *sequence, struct error *error) {
    enum status status = usable(store, error);
    if (status == STATUS_OK && durability == DURABILITY_INTERVAL) {
        status = syncer_start(store->syncer, error);
    }
    if (status == STATUS_OK) {
        status = wal_append(store->wal, ops, count, sequence, error);
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (durability == DURABILITY_ALWAYS) {
        status = wal_sync(store->wal, *sequence, error);
    } else if (durability == DURABILITY_INTERVAL) {
        status = syncer_admit(store->syncer, *sequence, error);
    }
    return status;
}

static enum status scan_store_write(void *opened, const struct kv_op *ops, size_t count,
                                    const struct kv_write_options *how,
                                    uint64_t *sequence, struct error *error) {
    struct scan_store *store = opened;
    gate_enter(&store->gate);
    enum status status =
        write_inside(store, ops, count, how->durability, sequence, error);
    gate_leave(&store->gate);
    atomic_u64_add(&store->writes, 1, memory_order_relaxed);
    atomic_u64_add(&store->write_ops, count, memory_order_relaxed);
    atomic_u64_add(&store->write_bytes, change_user_bytes(ops, count),
                   memory_order_relaxed);
    return status;
}

static enum status scan_store_sync(void *opened, struct error *error) {
    struct scan_store *store = opened;
    gate_enter(&store->gate);
    enum status status = usable(store, error);
    if (status == STATUS_OK) {
        struct wal_progress now;
        wal_progress(store->wal, &now);
        status = wal_sync(store->wal, now.written, error);
    }
    if (status == STATUS_OK) {
        status = wal_state(store->wal, error);
    }
    gate_leave(&store->gate);
    return status;
}

static enum status scan_store_flush(void *opened, struct error *error) {
    (void)opened;
    return stage_lacks(FEATURE_FLUSH, error);
}

/* ---- read ------------------------------------------------------------------------ */

/* A reader that passes over what had not been written when the log failed. */
struct acknowledged {
    replay_visit *visit;
    void *context;
    uint64_t last;
};

static enum status visit_acknowledged(void *context, const struct change_reader *change,
                                      struct slice payload, struct error *error) {
    const struct acknowledged *acknowledged = context;
    return change->sequence > acknowledged->last
               ? STATUS_OK
               : acknowledged->visit(acknowledged->context, change, payload, error);
}

/* Replays what is written at this moment, and no more. After a resume that failed there
 * is no log with an end, and what stands where in the files has perhaps changed: then
 * what was written before it is told by its sequence. */
static enum status replay_now(struct scan_store *store, replay_visit *visit,
                              void *context, uint64_t *observed, struct error *error) {
    struct listing listing = {0};
    struct replay replay = {0};
    struct wal_progress now = store->last;
    struct replay_options options = replay_everything;
    if (store->wal != NULL) {
        wal_progress(store->wal, &now);
        options.last_log = now.log_number;
        options.last_end = now.log_end;
    }
    struct acknowledged acknowledged = {visit, context, now.written};
    enum status status =
        listing_read(&listing, store->directory.path, store->options.world, error);
    if (status == STATUS_OK) {
        status = replay_run(&replay, store->directory.path, store->options.world,
                            &listing, &options, visit_acknowledged, &acknowledged, error);
    }
    if (status == STATUS_OK && replay.last < now.written) {
        status = error_set(error, STATUS_CORRUPT,
                           "%s: the log can no longer be read to its end",
                           store->directory.path);
    }
    atomic_u64_add(&store->replayed_bytes, replay.bytes, memory_order_relaxed);
    replay_free(&replay);
    listing_free(&listing);
    if (status == STATUS_OK && observed != NULL) {
        *observed = now.written;
    }
    return status;
}

struct lookup {
    struct slice key;
    struct buf *value;
    bool found;
};

static enum status look(void *context, const struct change_reader *change,
                        struct slice payload, struct error *error) {
    struct lookup *lookup = context;
    struct change_reader reader = *change;
    struct kv_op op;
    (void)payload;
    while (change_next(&reader, &op)) {
        if (!slice_equal(op.key, lookup->key)) {
            continue;
        }
        lookup->found = op.type == KV_PUT;
        if (lookup->found && buf_assign(lookup->value, op.value) != STATUS_OK) {
            return error_no_memory(error, "a value", op.value.length);
        }
    }
    return STATUS_OK;
}

static enum status scan_store_get(void *opened, struct slice key, struct buf *value,
                                  const struct kv_read_options *options,
                                  struct error *error) {
    struct scan_store *store = opened;
    struct buf newest = {0};
    struct lookup lookup = {key, &newest, false};
    gate_enter(&store->gate);
    enum status status = replay_now(store, look, &lookup, options->observed, error);
    gate_leave(&store->gate);
    atomic_u64_add(&store->reads, 1, memory_order_relaxed);
    if (status == STATUS_OK && lookup.found) {
        buf_free(value);
        *value = newest;
        return STATUS_OK;
    }
    buf_free(&newest);
    return status == STATUS_OK ? STATUS_NOT_FOUND : status;
}

static enum status copy_change(void *context, const struct change_reader *change,
                               struct slice payload, struct error *error) {
    struct change_reader reader = *change;
    struct kv_op op;
    (void)payload;
    while (change_next(&reader, &op)) {
        if (sorted_copy_add(context, &op) != STATUS_OK) {
            return error_no_memory(error, "a copy of the database", 0);
        }
    }
    return STATUS_OK;
}

static enum status scan_store_iter(void *opened, const struct kv_iter_options *options,
                                   struct iter **iter, struct error *error) {
    struct scan_store *store = opened;
    struct sorted_copy *copy = sorted_copy_open(options);
    if (copy == NULL) {
        return error_no_memory(error, "an iterator", 0);
    }
    uint64_t *observed = options == NULL ? NULL : options->observed;
    gate_enter(&store->gate);
    enum status status = replay_now(store, copy_change, copy, observed, error);
    gate_leave(&store->gate);
    atomic_u64_add(&store->scans, 1, memory_order_relaxed);
    if (status == STATUS_OK) {
        *iter = sorted_copy_iter(copy);
    } else {
        sorted_copy_close(copy);
    }
    return status;
}

/* ---- progress and statistics ----------------------------------------------------- */

static void scan_store_progress(void *opened, struct kv_progress *progress) {
    struct scan_store *store = opened;
    gate_enter(&store->gate);
    struct wal_progress now = store->last;
    bool stopped = store->wal == NULL;
    if (!stopped) {
        wal_progress(store->wal, &now);
        stopped = wal_state(store->wal, NULL) != STATUS_OK;
    }
    gate_leave(&store->gate);
    *progress = (struct kv_progress){now.issued, now.written, now.durable, stopped};
}

static uint64_t counted(const struct atomic_u64 *counter) {
    return atomic_u64_load(counter, memory_order_relaxed);
}

static void scan_store_stats(void *opened, struct kv_stats *stats) {
    struct scan_store *store = opened;
    gate_enter(&store->gate);
    struct wal_progress now = store->last;
    if (store->wal != NULL) {
        wal_progress(store->wal, &now);
        stats->write_stalls = syncer_stalls(store->syncer);
    }
    directory_count_logs(&store->directory, &stats->log_files, &stats->log_bytes);
    stats->recovered_changes = store->recovery.changes;
    stats->recovered_rewritten = store->recovery.rewritten;
    stats->recovered_dropped_bytes = store->recovery.dropped_bytes;
    gate_leave(&store->gate);
    stats->sequence_issued = now.issued;
    stats->sequence_written = now.written;
    stats->sequence_durable = now.durable;
    stats->syncs = now.syncs;
    stats->sync_micros = now.sync_micros;
    stats->log_rotations = now.rotations;
    stats->writes = counted(&store->writes);
    stats->write_ops = counted(&store->write_ops);
    stats->write_bytes = counted(&store->write_bytes);
    stats->reads = counted(&store->reads);
    stats->scans = counted(&store->scans);
    stats->replayed_bytes = counted(&store->replayed_bytes);
}

const struct store_ops scan_store_ops = {
    .open = scan_store_open,
    .close = scan_store_close,
    .write = scan_store_write,
    .get = scan_store_get,
    .iter = scan_store_iter,
    .sync = scan_store_sync,
    .flush = scan_store_flush,
    .resume = scan_store_resume,
    .progress = scan_store_progress,
    .stats = scan_store_stats,
    .verify = log_verify,
    .repair = log_repair,
    .dump = log_dump,
};
