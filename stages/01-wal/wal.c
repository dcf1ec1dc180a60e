/* The order of things, on which the durability of every change rests:
 *
 *   begin    file made → first mark written → directory synced → changes may follow
 *
 *   append   [mark of what is durable] change, one commit                          (W)
 *
 *   sync     W captured → older logs synced, oldest first → live log synced → D = that W
 *
 *   rotate   new log begun as above → it is the live one; the old one waits for its sync
 *
 *   close    sync → mark → sync → cut
 *
 * What can go wrong, and what then holds. A crash before the directory is synced loses a
 * log that holds no change. A crash after an append and before its sync may lose any part
 * of what was appended; recovery finds the damage and, because a mark rides on the first
 * append after each sync, knows that nothing durable stood there. D takes the W that was
 * captured before the sync began: what was appended while it ran may have missed it.
 * Older logs are synced first, because sequences are a chain: a durable change behind a
 * lost one would be unreachable.
 *
 * tidy: long because append, sync and rotation share one state, under two locks. */
#include "wal.h"

#include <string.h>

#include "change.h"
#include "coding.h"
#include "failpoint.h"
#include "log_file.h"
#include "log_writer.h"
#include "memory.h"

/* Live log and older ones not yet synced. At the bound a rotation waits for a sync. */
enum { WAL_LOGS_MAX = 8 };

struct wal {
    const char *dir;
    struct kv_options options;
    struct wal_start start;

    struct mutex
        append_lock; /* the writer's own: held across its I/O, taken before lock */
    /* guarded by append_lock */
    struct log_file *live; /* also the last of logs; NULL: not begun */
    uint64_t rotate_to;    /* number of the log that the next append begins; 0: none */
    uint64_t marked; /* sequence of the newest mark (D+1 at that time); 0: none yet */

    struct mutex lock;
    struct condition sync_done;
    /* guarded by lock; an append that goes well reads them without it */
    struct atomic_u64 durable; /* D */
    struct atomic_u64 failed;  /* whether there is a failure */
    /* guarded by both locks to be changed, by either to be read */
    uint64_t issued, written;
    /* guarded by lock */
    struct log_file *logs[WAL_LOGS_MAX]; /* oldest first; the last is the live one */
    size_t log_count;
    bool syncing;
    struct error failure;         /* status OK: none */
    struct wal_progress progress; /* but for its sequences */
    uint64_t synced_bytes;        /* of progress.appended_bytes */
};

/* ---- state ----------------------------------------------------------------------- */

/* Requires lock. The first failure stays. */
static void fail(struct wal *wal, enum status status, const struct error *error) {
    if (wal->failure.status == STATUS_OK) {
        error_set(&wal->failure, status,
                  "writes are refused until resume or reopen, since the log failed: %s",
                  error != NULL ? error->message : status_words(status));
        atomic_u64_store(&wal->failed, 1, memory_order_release);
    }
    condition_broadcast(&wal->sync_done);
}

static enum status fail_now(struct wal *wal, enum status status, struct error *error) {
    mutex_lock(&wal->lock);
    fail(wal, status, error);
    mutex_unlock(&wal->lock);
    return status;
}

/* Requires lock. */
static enum status state(const struct wal *wal, struct error *error) {
    if (wal->failure.status != STATUS_OK && error != NULL) {
        *error = wal->failure;
    }
    return wal->failure.status;
}

enum status wal_state(struct wal *wal, struct error *error) {
    if (atomic_u64_load(&wal->failed, memory_order_acquire) == 0) {
        return STATUS_OK;
    }
    mutex_lock(&wal->lock);
    enum status status = state(wal, error);
    mutex_unlock(&wal->lock);
    return status;
}

static uint64_t durable(const struct wal *wal) {
    return atomic_u64_load(&wal->durable, memory_order_acquire);
}

/* Requires lock. */
static void set_durable(struct wal *wal, uint64_t sequence) {
    atomic_u64_store(&wal->durable, sequence, memory_order_release);
}

void wal_progress(struct wal *wal, struct wal_progress *progress) {
    mutex_lock(&wal->lock);
    *progress = wal->progress;
    progress->issued = wal->issued;
    progress->written = wal->written;
    progress->durable = durable(wal);
    progress->unsynced_bytes = wal->progress.appended_bytes - wal->synced_bytes;
    mutex_unlock(&wal->lock);
}

/* ---- sync ------------------------------------------------------------------------ */

/* Syncs the logs, oldest first, and closes those before the last, which are complete.
 * Those it closed are counted in *closed, also on failure. */
static enum status sync_logs(struct log_file *const *logs, size_t count, size_t *closed,
                             struct error *error) {
    enum status status = STATUS_OK;
    *closed = 0;
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        if (failpoint(log_sync)) {
            return error_set(error, STATUS_IO, "%s: failpoint log_sync",
                             logs[i]->file->path);
        }
        status = append_sync(logs[i]->append, error);
        if (status == STATUS_OK && i + 1 < count) {
            failpoint_pass(log_old_synced_live_not);
            status = log_file_close(logs[i], true, error);
            ++*closed;
        }
    }
    return status;
}

/* Requires lock, which is given up while the disk works; nobody else is syncing. */
static void sync_once(struct wal *wal) {
    struct log_file *logs[WAL_LOGS_MAX];
    struct error error = {0};
    size_t count = wal->log_count;
    size_t closed = 0;
    uint64_t written = wal->written;
    uint64_t bytes = wal->progress.appended_bytes;
    const struct clock *clock = wal->options.world->clock;
    memcpy(logs, wal->logs, count * sizeof(struct log_file *));
    wal->syncing = true;
    mutex_unlock(&wal->lock);

    uint64_t begun = clock_monotonic_micros(clock);
    enum status status = sync_logs(logs, count, &closed, &error);
    uint64_t took = clock_monotonic_micros(clock) - begun;
    failpoint_pass(log_synced_not_told);

    mutex_lock(&wal->lock);
    wal->syncing = false;
    wal->log_count -= closed;
    memmove(wal->logs, wal->logs + closed, wal->log_count * sizeof(struct log_file *));
    wal->progress.syncs++;
    wal->progress.sync_micros += took;
    if (status != STATUS_OK) {
        fail(wal, status, &error);
        return;
    }
    set_durable(wal, written);
    wal->synced_bytes = bytes;
    condition_broadcast(&wal->sync_done);
}

/* Requires lock. */
static enum status sync_to(struct wal *wal, uint64_t sequence, struct error *error) {
    while (durable(wal) < sequence && wal->failure.status == STATUS_OK) {
        if (wal->syncing) {
            condition_wait(&wal->sync_done, &wal->lock);
        } else {
            sync_once(wal);
        }
    }
    return durable(wal) >= sequence ? STATUS_OK : state(wal, error);
}

enum status wal_sync(struct wal *wal, uint64_t sequence, struct error *error) {
    mutex_lock(&wal->lock);
    enum status status = sync_to(wal, sequence, error);
    mutex_unlock(&wal->lock);
    return status;
}

/* ---- append ---------------------------------------------------------------------- */

static uint64_t next_number(struct wal *wal) {
    return atomic_u64_add(wal->start.numbers, 1, memory_order_relaxed);
}

/* Requires append_lock. Opens the log that recovery left to be continued, or creates a
 * new one; when as many wait for a sync as may, syncs them first. */
static enum status open_or_create(struct wal *wal, bool continues, struct log_file **log,
                                  struct error *error) {
    enum status status = STATUS_OK;
    mutex_lock(&wal->lock);
    if (wal->log_count == WAL_LOGS_MAX) {
        status = sync_to(wal, wal->written, error);
    }
    uint64_t synced = durable(wal);
    mutex_unlock(&wal->lock);
    if (status != STATUS_OK) {
        return status;
    }
    if (continues) {
        return log_file_open(wal->dir, &wal->options, wal->start.number,
                             wal->start.offset, log, error);
    }
    uint64_t number = wal->rotate_to != 0 ? wal->rotate_to : next_number(wal);
    status = log_file_create(wal->dir, &wal->options, number, synced, log, error);
    if (status == STATUS_OK) {
        wal->marked = synced + 1;
        wal->rotate_to = 0;
    } else if (wal->rotate_to != 0) {
        wal->rotate_to = next_number(wal); /* a file of that number may be left */
    }
    return status;
}

/* Requires append_lock. Makes the next log the live one. */
static enum status next_log(struct wal *wal, struct error *error) {
    struct log_file *log = NULL;
    bool rotates = wal->live != NULL || wal->rotate_to != 0;
    bool continues = wal->live == NULL && wal->start.continues;
    enum status status = open_or_create(wal, continues, &log, error);
    if (status == STATUS_NO_SPACE || status == STATUS_NO_MEMORY) {
        return status; /* nothing has changed; the next append tries again */
    }
    if (status != STATUS_OK) {
        return fail_now(wal, status, error);
    }
    mutex_lock(&wal->lock);
    wal->logs[wal->log_count++] = log;
    wal->progress.log_number = log->number;
    wal->progress.log_end = append_end(log->append);
    wal->progress.appended_bytes += continues ? 0 : append_end(log->append);
    wal->progress.rotations += rotates;
    mutex_unlock(&wal->lock);
    wal->live = log;
    failpoint_pass(log_begun);
    return STATUS_OK;
}

/* Requires append_lock. Gets ready to append: a live log with room. */
static enum status begin(struct wal *wal, struct error *error) {
    enum status status = wal_state(wal, error);
    if (status == STATUS_OK &&
        (wal->live == NULL || wal->rotate_to != 0 ||
         append_end(wal->live->append) >= wal->options.log_bytes)) {
        status = next_log(wal, error);
        if (status == STATUS_OK) {
            status = wal_state(wal, error);
        }
    }
    return status;
}

/* Requires append_lock. The sequence of the mark that the next write takes along; 0: the
 * log has it already. */
static uint64_t mark_due(const struct wal *wal) {
    uint64_t mark = durable(wal) + 1;
    return mark > wal->marked ? mark : 0;
}

enum status wal_begin(struct wal *wal, struct error *error) {
    mutex_lock(&wal->append_lock);
    enum status status = begin(wal, error);
    mutex_unlock(&wal->append_lock);
    return status;
}

/* Requires append_lock. Commits the record that was begun and publishes it as written. */
static enum status finish(struct wal *wal, struct log_writer *writer, uint64_t last,
                          uint64_t *sequence, struct error *error) {
    uint64_t before = append_end(writer->append);
    bool begun;
    enum status status = log_writer_end(writer, &begun, error);
    failpoint_pass(log_appended_not_synced);
    *sequence = begun ? last : 0;
    mutex_lock(&wal->lock);
    if (begun) {
        wal->issued = last;
    }
    if (status == STATUS_OK) {
        wal->written = last;
        wal->progress.log_end = append_end(writer->append);
        wal->progress.appended_bytes += append_end(writer->append) - before;
    } else if (begun) {
        fail(wal, status, error);
    }
    mutex_unlock(&wal->lock);
    if (status == STATUS_OK && writer->mark_sequence != 0) {
        wal->marked = writer->mark_sequence;
    }
    return status;
}

/* What is appended: operations, or a change that is encoded already. */
struct content {
    const struct kv_op *ops;
    size_t count;
    struct slice encoded; /* absent: ops */
};

/* Requires append_lock. */
static enum status append(struct wal *wal, const struct content *content,
                          uint64_t *sequence, struct error *error) {
    unsigned char *payload;
    enum status status = begin(wal, error);
    if (status == STATUS_OK && failpoint(log_append)) {
        status = error_set(error, STATUS_IO, "%s: failpoint log_append",
                           wal->live->file->path);
        return fail_now(wal, status, error);
    }
    if (status != STATUS_OK) {
        return status;
    }
    uint64_t first = wal->written + 1;
    bool encoded = slice_present(content->encoded);
    size_t bytes =
        encoded ? content->encoded.length : change_bytes(content->ops, content->count);
    struct log_writer writer = {.append = wal->live->append};
    status = log_writer_begin(&writer, bytes, mark_due(wal), &payload, error);
    if (status != STATUS_OK) {
        return status;
    }
    if (encoded) {
        memcpy(payload, content->encoded.data, bytes);
        encode_fixed64(payload, first);
    } else {
        change_encode(payload, first, content->ops, content->count);
    }
    return finish(wal, &writer, first + content->count - 1, sequence, error);
}

enum status wal_append(struct wal *wal, const struct kv_op *ops, size_t count,
                       uint64_t *sequence, struct error *error) {
    struct content content = {.ops = ops, .count = count};
    *sequence = 0;
    mutex_lock(&wal->append_lock);
    enum status status = append(wal, &content, sequence, error);
    mutex_unlock(&wal->append_lock);
    return status;
}

enum status wal_append_encoded(struct wal *wal, struct slice change, uint64_t *sequence,
                               struct error *error) {
    struct change_reader reader;
    const char *why;
    *sequence = 0;
    if (!change_read(&reader, change, &why)) {
        return error_set(error, STATUS_INVALID, "%s", why);
    }
    struct content content = {.count = reader.count, .encoded = change};
    mutex_lock(&wal->append_lock);
    enum status status = append(wal, &content, sequence, error);
    mutex_unlock(&wal->append_lock);
    return status;
}

enum status wal_mark(struct wal *wal, struct error *error) {
    mutex_lock(&wal->append_lock);
    enum status status = begin(wal, error);
    uint64_t mark = mark_due(wal);
    if (status == STATUS_OK && mark != 0) {
        struct log_writer writer = {.append = wal->live->append};
        uint64_t before = append_end(writer.append);
        status = log_writer_mark(&writer, mark, error);
        if (status == STATUS_OK) {
            wal->marked = mark;
            mutex_lock(&wal->lock);
            wal->progress.log_end = append_end(writer.append);
            wal->progress.appended_bytes += append_end(writer.append) - before;
            mutex_unlock(&wal->lock);
        } else {
            status = fail_now(wal, status, error);
        }
    }
    mutex_unlock(&wal->append_lock);
    return status;
}

/* ---- one log for each write buffer ----------------------------------------------- */

uint64_t wal_rotate(struct wal *wal) {
    mutex_lock(&wal->append_lock);
    if (wal->rotate_to == 0) {
        wal->rotate_to = next_number(wal);
        wal->start.continues = false;
    }
    uint64_t number = wal->rotate_to;
    mutex_unlock(&wal->append_lock);
    return number;
}

/* Requires append_lock and lock; nobody is syncing. */
static enum status close_below(struct wal *wal, uint64_t number, struct error *error) {
    enum status status = STATUS_OK;
    size_t closed = 0;
    while (closed < wal->log_count && wal->logs[closed]->number < number) {
        struct log_file *log = wal->logs[closed++];
        if (log == wal->live) {
            wal->live = NULL;
        }
        enum status ended =
            log_file_close(log, false, status == STATUS_OK ? error : NULL);
        status = status != STATUS_OK ? status : ended;
    }
    wal->log_count -= closed;
    memmove(wal->logs, wal->logs + closed, wal->log_count * sizeof(struct log_file *));
    return status;
}

enum status wal_forget(struct wal *wal, uint64_t sequence, uint64_t number,
                       struct error *error) {
    mutex_lock(&wal->append_lock);
    mutex_lock(&wal->lock);
    while (wal->syncing) {
        condition_wait(&wal->sync_done, &wal->lock);
    }
    enum status status = close_below(wal, number, error);
    if (durable(wal) < sequence) {
        set_durable(wal, sequence);
    }
    if (durable(wal) == wal->written) {
        wal->synced_bytes = wal->progress.appended_bytes;
    }
    condition_broadcast(&wal->sync_done);
    mutex_unlock(&wal->lock);
    mutex_unlock(&wal->append_lock);
    return status;
}

/* ---- open and close -------------------------------------------------------------- */

static enum status init(struct wal *wal, struct error *error) {
    const struct threads *threads = wal->options.world->threads;
    enum status status = mutex_init(&wal->append_lock, threads);
    if (status == STATUS_OK) {
        status = mutex_init(&wal->lock, threads);
        if (status == STATUS_OK) {
            status = condition_init(&wal->sync_done, threads);
            if (status == STATUS_OK) {
                return STATUS_OK;
            }
            mutex_free(&wal->lock);
        }
        mutex_free(&wal->append_lock);
    }
    return error_no_memory(error, "a lock", sizeof wal->lock);
}

static enum status release(struct wal *wal, bool cut, struct error *error) {
    enum status status = STATUS_OK;
    for (size_t i = 0; i < wal->log_count; i++) {
        enum status closed =
            log_file_close(wal->logs[i], cut, status == STATUS_OK ? error : NULL);
        status = status != STATUS_OK ? status : closed;
    }
    condition_free(&wal->sync_done);
    mutex_free(&wal->lock);
    mutex_free(&wal->append_lock);
    memory_give(wal);
    return status;
}

/* Below it nothing is written any more. */
static uint64_t first_number(const struct wal_start *start) {
    return start->continues ? start->number
                            : atomic_u64_load(start->numbers, memory_order_relaxed);
}

enum status wal_open(const char *dir, const struct kv_options *options,
                     const struct wal_start *start, struct wal **out,
                     struct error *error) {
    struct wal *wal = memory_take_zeroed(sizeof *wal);
    if (wal == NULL) {
        return error_no_memory(error, "the log", sizeof *wal);
    }
    wal->dir = dir;
    wal->options = *options;
    wal->start = *start;
    wal->issued = wal->written = start->durable;
    set_durable(wal, start->durable);
    wal->progress = (struct wal_progress){.log_number = first_number(start),
                                          .log_end = start->offset};
    enum status status = init(wal, error);
    if (status != STATUS_OK) {
        memory_give(wal);
        return status;
    }
    *out = wal;
    return STATUS_OK;
}

/* The clean end up to the closing of files: two syncs, because a mark may only claim what
 * was synced before it was written. */
static enum status end_cleanly(struct wal *wal, struct error *error) {
    struct wal_progress progress;
    wal_progress(wal, &progress);
    if (wal->live == NULL) {
        return STATUS_OK;
    }
    enum status status = wal_sync(wal, progress.written, error);
    if (status != STATUS_OK ||
        (wal->marked == progress.written + 1 && progress.unsynced_bytes == 0)) {
        return status;
    }
    status = wal_mark(wal, error);
    if (status == STATUS_OK && failpoint(log_close)) {
        status = error_set(error, STATUS_IO, "%s: failpoint log_close", wal->dir);
    }
    return status == STATUS_OK ? append_sync(wal->live->append, error) : status;
}

enum status wal_close(struct wal *wal, struct error *error) {
    if (wal == NULL) {
        return STATUS_OK;
    }
    enum status status = wal_state(wal, error);
    if (status == STATUS_OK) {
        status = end_cleanly(wal, error);
    }
    /* After a failure the log is left as it is, so that recovery sees that it is damaged.
     */
    bool cut = status == STATUS_OK;
    enum status released = release(wal, cut, cut ? error : NULL);
    return cut ? released : status;
}

void wal_abandon(struct wal *wal) {
    if (wal != NULL) {
        enum status status = release(wal, false, NULL);
        (void)status; /* whatever is lost here, recovery expects */
    }
}
