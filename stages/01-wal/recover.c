#include "recover.h"

#include <inttypes.h>

#include "failpoint.h"
#include "memory.h"

/* What the steps share. */
struct recovering {
    struct directory *directory;
    const struct kv_options *options;
    const struct replay_options *which;
    struct replay *replay; /* step 1's */
    struct wal *wal;
    struct recovery *recovery;
};

/* Every change is known to be durable and nothing is damaged: nothing needs to be
 * written. */
static bool all_is_well(const struct replay *replay) {
    for (size_t i = 0; i < replay->log_count; i++) {
        if (!replay->logs[i].clean || replay->logs[i].foreign) {
            return false;
        }
    }
    return replay->last == replay->durable;
}

static enum status open_wal(struct recovering *r, bool continues, struct error *error) {
    const struct replay *replay = r->replay;
    struct wal_start start = {.durable = replay->durable,
                              .numbers = &r->directory->next_number};
    /* What is durable by being in tables may yet be missing from the log, and what is
     * written behind a hole is lost: only marks speak for the log itself. */
    if (continues && replay->log_count > 0 && replay->marked >= replay->last) {
        const struct replay_log *last = &replay->logs[replay->log_count - 1];
        start.continues = true;
        start.number = last->number;
        start.offset = last->changes_end;
    }
    return wal_open(r->directory->path, r->options, &start, &r->wal, error);
}

/* ---- step 2 ---------------------------------------------------------------------- */

static enum status rewrite_change(void *context, const struct change_reader *change,
                                  struct slice payload, struct error *error) {
    struct recovering *r = context;
    uint64_t sequence;
    if (change->sequence <= r->replay->durable) {
        return STATUS_OK;
    }
    r->recovery->rewritten++;
    return wal_append_encoded(r->wal, payload, &sequence, error);
}

/* Reads the logs again and writes what no mark claims; *again receives where to cut. */
static enum status rewrite(struct recovering *r, struct replay *again,
                           struct error *error) {
    struct replay_options options = *r->which;
    options.cut_above = r->replay->durable;
    enum status status = wal_begin(r->wal, error);
    if (status == STATUS_OK) {
        status = replay_run(again, r->directory->path, r->directory->world,
                            &r->directory->listing, &options, rewrite_change, r, error);
    }
    if (status == STATUS_OK && again->last != r->replay->last) {
        /* A clean page may have been dropped and read anew from the disk, without the
         * bytes that never reached it. */
        status = error_set(error, STATUS_IO,
                           "%s: the log changed while it was read: changes up to %" PRIu64
                           ", then up to %" PRIu64,
                           r->directory->path, r->replay->last, again->last);
    }
    failpoint_pass(recovery_rewritten_not_synced);
    if (status == STATUS_OK) {
        status = wal_sync(r->wal, r->replay->last, error);
    }
    if (status == STATUS_OK) {
        status = wal_mark(r->wal, error); /* so that this need not be done again */
    }
    failpoint_pass(recovery_synced_not_trimmed);
    return status;
}

/* ---- step 3 ---------------------------------------------------------------------- */

/* Zeros over what is dropped. Its sequences are given out again, and its blocks may
 * come to lie under a new log: a file system that shows old blocks where a write was
 * lost would show records there that fit the chain and were never promised. */
static enum status erase(struct file *file, uint64_t offset, uint64_t end,
                         struct error *error) {
    enum { CHUNK_BYTES = 32768 };
    enum status status = STATUS_OK;
    unsigned char *zeros = memory_take_zeroed(CHUNK_BYTES);
    if (zeros == NULL) {
        return error_no_memory(error, "a block of zeros", CHUNK_BYTES);
    }
    while (offset < end && status == STATUS_OK) {
        size_t bytes = end - offset < CHUNK_BYTES ? (size_t)(end - offset) : CHUNK_BYTES;
        status = file_write(file, offset, zeros, bytes, error);
        offset += bytes;
    }
    memory_give(zeros);
    return status == STATUS_OK ? file_sync(file, error) : status;
}

/* Erases what is dropped of an old log, and cuts the log if it stays. */
static enum status cut(struct recovering *r, const struct replay_log *log, bool stays,
                       struct error *error) {
    struct file *file = NULL;
    enum status status = directory_file(r->directory->path, r->directory->world, NAME_LOG,
                                        log->number, FILE_WRITE, &file, error);
    if (status == STATUS_OK && !log->clean) {
        status = erase(file, log->end, log->bytes, error);
    }
    if (status == STATUS_OK && stays) {
        status = file_truncate(file, log->cut, error);
    }
    if (status == STATUS_OK && stays) {
        status = file_sync(file, error);
    }
    enum status closed = file_close(file, status == STATUS_OK ? error : NULL);
    return status != STATUS_OK ? status : closed;
}

static enum status trim_log(struct recovering *r, const struct replay_log *log,
                            bool *removed, struct error *error) {
    if (failpoint(recovery_trim)) {
        return error_set(error, STATUS_IO, "%s: failpoint recovery_trim",
                         r->directory->path);
    }
    if (!log->clean) {
        r->recovery->dropped_bytes += log->bytes - log->end;
    }
    /* No change in turn, or none that the new log does not hold. */
    bool stays = log->first != 0 && log->first <= r->replay->durable;
    enum status status = STATUS_OK;
    if (!log->clean || (stays && log->cut < log->bytes)) {
        status = cut(r, log, stays, error);
    }
    if (status == STATUS_OK && !stays) {
        *removed = true;
        status = directory_remove(r->directory->path, r->directory->world, NAME_LOG,
                                  log->number, error);
    }
    return status;
}

/* The newest first. Where the chain begins with the first change that there is, no later
 * log may be taken for its beginning: there a log is durably gone before an older one
 * goes. */
static enum status trim(struct recovering *r, const struct replay *again,
                        struct error *error) {
    bool removed = false;
    enum status status = STATUS_OK;
    for (size_t i = again->log_count; i-- > 0 && status == STATUS_OK;) {
        status = trim_log(r, &again->logs[i], &removed, error);
        if (status == STATUS_OK && removed && (i == 0 || r->which->begins_before)) {
            status =
                directory_sync(r->directory->world->files, r->directory->path, error);
            removed = false;
        }
    }
    return status;
}

/* ---------------------------------------------------------------------------------- */

static enum status repair_chain(struct recovering *r, struct error *error) {
    struct replay again = {0};
    enum status status = rewrite(r, &again, error);
    if (status == STATUS_OK) {
        status = trim(r, &again, error);
    }
    r->recovery->replayed_bytes += again.bytes;
    replay_free(&again);
    return status;
}

/* ---- logs of others -------------------------------------------------------------- */

static enum status judge_stranger(const struct replay *replay, const char *dir,
                                  struct error *error) {
    for (size_t i = 0; i < replay->log_count; i++) {
        const struct replay_log *log = &replay->logs[i];
        bool last = i + 1 == replay->log_count;
        char name[NAME_BYTES];
        name_print(name, NAME_LOG, log->number);
        if (!log->clean && log->end == 0 && !log->foreign) {
            return error_set(error, STATUS_INVALID,
                             "%s/%s: not a log of Strata or LevelDB: %s at its beginning",
                             dir, name, log->why);
        }
        if (log->foreign && !log->clean && !(log->cut_short && last)) {
            return error_set(error, STATUS_CORRUPT,
                             "%s/%s: offset %" PRIu64
                             ": %s; as a log of LevelDB it is not "
                             "whole, and repair would take what there is",
                             dir, name, log->end, log->why);
        }
    }
    return STATUS_OK;
}

enum status recover_may_adopt(const char *dir, const struct world *world,
                              struct error *error) {
    struct listing listing = {0};
    struct replay replay = {0};
    enum status status = listing_read(&listing, dir, world, error);
    if (status == STATUS_NOT_FOUND) {
        status = STATUS_OK;
    } else if (status == STATUS_OK && !listing.lock && !listing.current &&
               listing.log_count > 0) {
        status = replay_run(&replay, dir, world, &listing, &replay_everything, NULL, NULL,
                            error);
        if (status == STATUS_OK) {
            status = judge_stranger(&replay, dir, error);
        }
    }
    replay_free(&replay);
    listing_free(&listing);
    return status;
}

/* ---------------------------------------------------------------------------------- */

enum status recover(struct directory *directory, const struct kv_options *options,
                    const struct replay_options *which, replay_visit *visit,
                    void *context, struct wal **wal, struct recovery *recovery,
                    struct error *error) {
    struct replay replay = {0};
    struct recovering r = {directory, options, which, &replay, NULL, recovery};
    *recovery = (struct recovery){0};
    enum status status = replay_run(&replay, directory->path, directory->world,
                                    &directory->listing, which, visit, context, error);
    bool well = status == STATUS_OK && all_is_well(&replay);
    if (status == STATUS_OK) {
        status = open_wal(&r, well, error);
    }
    if (status == STATUS_OK && !well) {
        status = repair_chain(&r, error);
    }
    if (status == STATUS_OK) {
        recovery->base = replay.base;
        recovery->last = replay.last;
        recovery->changes = replay.changes;
        *wal = r.wal;
    } else {
        wal_abandon(r.wal);
    }
    recovery->replayed_bytes += replay.bytes;
    replay_free(&replay);
    return status;
}
