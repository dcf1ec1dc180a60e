/* A merge that drops what nobody can see any more.
 *
 * The versions of a user key come newest first, one behind the other, from all inputs.
 * Snapshots part time into stripes: a version is in the stripe of the snapshots that are
 * older than it, counted. With snapshots at 20 and 40:
 *
 *     sequence    … 20 | 21 … 40 | 41 …
 *     stripe        0  |    1    |  2
 *
 * A reader is at a snapshot, the last moment of its stripe, or at the end of time, the
 * last moment of the last. Of the versions of one stripe he meets the newest first, and
 * so sees no other: only the newest of each stripe stays. In the order of the merge that
 * is the one whose predecessor is of another key or of another stripe. (Readers who began
 * before this hold a view in which the inputs are. Snapshots to come are no older than
 * the newest version here: they are at the end of time for all that is merged.)
 *
 * A tombstone in stripe 0 may die too, if no level below the output holds its key.
 * Nothing is below it then that it could hide: the older versions of its key that the
 * inputs hold are in stripe 0 like it, and die of it, here, whether it is written or not.
 * The two levels have no older ones besides (picker.h), there are none further down, and
 * what is above is newer: buffers and tables get there in the order of their changes.
 * A reader who met it finds nothing, which is what it says; who is older than it, in
 * stripe 0, does not exist. In a higher stripe it stays: below it may come a version that
 * a snapshot sees, and that would appear to later readers, too.
 *
 * A value that the filter calls dead is written as a tombstone of the same sequence, if
 * it is the newest version here of its key, and in the last stripe: then no snapshot sees
 * it, and those to come see a newer one or it. As a tombstone it hides what it hid as a
 * value; to drop it would uncover that. Readers by the filter's own rule find nothing
 * before and after, and so they do after a crash, whichever of the two the manifest names
 * then. In a lower stripe a snapshot sees the value, and finds it for as long as it is
 * held, by a rule of its own time perhaps; behind a newer version it goes anyway.
 *
 * Outputs end only where a user key begins. */
#include "compact.h"

#include "failpoint.h"
#include "flush.h"
#include "internal_key.h"
#include "memory.h"
#include "merge_iter.h"
#include "table.h"
#include "table_sweep.h"

enum {
    PACE_BYTES = 64 * 1024, /* of entries, from one look at the world to the next */
    ENTRY_COST = 64,        /* so many of them an entry counts besides its own */
    OVERLAP_TABLES = 10     /* of the level below the output's */
};

struct job {
    const struct compact_with *with;
    const struct compaction *compaction;
    struct edit *edit;
    struct compact_counts counts;

    struct iter *iter; /* over the inputs, merged */
    size_t unpaced;    /* bytes */

    /* the entry that the iterator stands on, once it was judged */
    struct buf user;      /* key */
    bool any;             /* has been judged: `user` is one */
    bool first;           /* of its user key */
    bool dead;            /* it is written as a tombstone */
    struct buf tombstone; /* its internal key then */
    size_t stripe;

    /* the output */
    struct table_writer *writer; /* NULL: none is being written */
    uint64_t limited_bytes;      /* of it, that were taken from the limit */
    size_t below;                /* grandparents that begin at or before its last key */
    uint64_t overlap_bytes;      /* of those that it overlaps */
};

/* ---- what stays ------------------------------------------------------------------ */

/* Snapshots that are older. */
static size_t stripe_of(const struct compact_with *with, uint64_t sequence) {
    size_t low = 0;
    size_t high = with->snapshot_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (with->snapshots[middle] < sequence) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Whether the entry that the iterator stands on, which was judged, is a dead value. */
static bool is_dead(const struct job *job, uint64_t tag) {
    const struct compact_with *with = job->with;
    return with->filter->finds && job->first && job->stripe == with->snapshot_count &&
           tag_type(tag) == KV_PUT &&
           with->filter->is_dead(job->iter->value, with->now_millis);
}

/* Whether the entry that the iterator stands on stays. NO_MEMORY. */
static enum status judge(struct job *job, bool *stays, struct error *error) {
    const struct slice user = internal_key_user(job->iter->key);
    const uint64_t tag = internal_key_tag(job->iter->key);
    const size_t stripe = stripe_of(job->with, tag_sequence(tag));
    job->first = !job->any || !slice_equal(user, buf_slice(&job->user));
    *stays = job->first || stripe != job->stripe;
    job->stripe = stripe;
    if (job->first) {
        job->any = true;
        if (buf_assign(&job->user, user) != STATUS_OK) {
            return error_no_memory(error, "a key", user.length);
        }
    }
    job->dead = is_dead(job, tag);
    job->counts.values_dead += job->dead;
    if (*stays && stripe == 0 && (job->dead || tag_type(tag) == KV_DELETE) &&
        !compaction_key_is_deeper(job->compaction, user)) {
        *stays = false;
        job->counts.tombstones_dropped++;
    }
    return STATUS_OK;
}

/* Asks now and then whether to go on, and how fast. */
static enum status pace(struct job *job, struct error *error) {
    const struct compact_with *with = job->with;
    job->unpaced += job->iter->key.length + job->iter->value.length + ENTRY_COST;
    if (job->unpaced < PACE_BYTES) {
        return STATUS_OK;
    }
    job->unpaced = 0;
    if (with->stop != NULL && with->stop(with->context)) {
        return error_set(error, STATUS_STALLED, "a compaction was told to stop");
    }
    if (with->limit != NULL && job->writer != NULL) {
        uint64_t bytes = table_writer_bytes(job->writer);
        rate_limit_take(with->limit, bytes - job->limited_bytes);
        job->limited_bytes = bytes;
    }
    return STATUS_OK;
}

/* Goes on to the first entry that stays, this one or a later one, if there is one. */
static enum status settle(struct job *job, struct error *error) {
    while (job->iter->valid) {
        bool stays = false;
        enum status status = judge(job, &stays, error);
        job->counts.entries_in++;
        if (status == STATUS_OK) {
            status = pace(job, error);
        }
        if (status != STATUS_OK || stays) {
            return status;
        }
        iter_next(job->iter);
    }
    const struct error *failure = &job->iter->error;
    return failure->status == STATUS_OK
               ? STATUS_OK
               : error_set(error, failure->status, "%s", failure->message);
}

/* ---- outputs --------------------------------------------------------------------- */

/* Counts the grandparents that the output overlaps with this key in it. */
static void overlap_with(struct job *job, struct slice user) {
    const struct compaction *compaction = job->compaction;
    while (job->below < compaction->grandparent_count) {
        const struct table_meta *meta = &compaction->grandparents[job->below]->meta;
        if (slice_compare(internal_key_user(buf_slice(&meta->smallest)), user) > 0) {
            return;
        }
        job->overlap_bytes += meta->bytes;
        job->below++;
    }
}

/* An output begins with this key: of the grandparents that begin at or before it, those
 * at the end overlap it that do not end before it. */
static void overlap_from(struct job *job, struct slice user) {
    overlap_with(job, user);
    job->overlap_bytes = 0;
    for (size_t i = job->below; i-- > 0;) {
        const struct table_meta *meta = &job->compaction->grandparents[i]->meta;
        if (slice_compare(internal_key_user(buf_slice(&meta->largest)), user) < 0) {
            return;
        }
        job->overlap_bytes += meta->bytes;
    }
}

/* Whether the entry that comes, the first of its key, is better the first of an output.
 */
static bool ends_before(struct job *job, const struct table_writer *writer) {
    const uint64_t table_bytes = job->with->options->table_bytes;
    uint64_t overlap = job->overlap_bytes;
    overlap_with(job, buf_slice(&job->user));
    return table_writer_bytes(writer) >= table_bytes ||
           (job->overlap_bytes > overlap &&
            job->overlap_bytes > OVERLAP_TABLES * table_bytes);
}

/* Writes the entry that stays down. */
static enum status write_down(struct job *job, struct table_writer *writer,
                              struct error *error) {
    const struct slice key = job->iter->key;
    const uint64_t sequence = tag_sequence(internal_key_tag(key));
    if (!job->dead) {
        return table_writer_add(writer, key, job->iter->value, error);
    }
    return internal_key_build(&job->tombstone, buf_slice(&job->user),
                              tag_make(sequence, KV_DELETE)) == STATUS_OK
               ? table_writer_add(writer, buf_slice(&job->tombstone), slice_of(""), error)
               : error_no_memory(error, "a key", key.length);
}

/* Fills an output, from an entry that stays on. */
static enum status fill(void *context, struct table_writer *writer, struct error *error) {
    struct job *job = context;
    struct iter *iter = job->iter;
    enum status status;
    job->writer = writer;
    job->limited_bytes = 0;
    overlap_from(job, buf_slice(&job->user));
    do {
        job->counts.entries_out++;
        status = write_down(job, writer, error);
        if (status == STATUS_OK) {
            iter_next(iter);
            status = settle(job, error);
        }
    } while (status == STATUS_OK && iter->valid &&
             !(job->first && ends_before(job, writer)));
    job->writer = NULL;
    return status;
}

static enum status write_output(struct job *job, struct error *error) {
    const struct compact_with *with = job->with;
    struct table_file *file = NULL;
    enum status status =
        flush_table(with->directory, with->options, fill, job, 0, 0, &file, error);
    if (status != STATUS_OK) {
        return status;
    }
    failpoint_pass(compaction_output_synced);
    if (with->limit != NULL) {
        rate_limit_take(with->limit, file->meta.bytes - job->limited_bytes);
    }
    job->counts.written_bytes += file->meta.bytes;
    if (edit_add(job->edit, job->compaction->output_level, file) != STATUS_OK) {
        flush_take_back(with->directory, file->meta.number);
        status = error_no_memory(error, "an edit", sizeof *job->edit);
    }
    table_file_unref(file);
    return status;
}

/* ---- inputs ---------------------------------------------------------------------- */

static enum status remove_inputs(struct job *job, unsigned level,
                                 struct table_file *const *files, size_t count,
                                 struct error *error) {
    for (size_t i = 0; i < count; i++) {
        if (edit_remove(job->edit, level, files[i]->meta.number) != STATUS_OK) {
            return error_no_memory(error, "an edit", sizeof *job->edit);
        }
        job->counts.read_bytes += files[i]->meta.bytes;
    }
    return STATUS_OK;
}

/* Adds children over the tables: over all together, or over each. */
static enum status sweep(const struct job *job, struct table_file *const *files,
                         size_t count, bool together, struct iter **children,
                         size_t *child_count, struct error *error) {
    const size_t step = together ? count : 1;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < count && status == STATUS_OK; i += step) {
        status = table_sweep(files + i, step, job->with->tables, &children[*child_count],
                             error);
        *child_count += status == STATUS_OK;
    }
    return status;
}

static enum status open_inputs(struct job *job, struct table_file *const *upper,
                               size_t upper_count, struct error *error) {
    const struct compaction *compaction = job->compaction;
    const size_t room = (upper_count + 1) * sizeof(struct iter *);
    struct iter **children = memory_take(room);
    size_t count = 0;
    if (children == NULL) {
        return error_no_memory(error, "an array of iterators", room);
    }
    enum status status =
        sweep(job, upper, upper_count, compaction->level > 0, children, &count, error);
    if (status == STATUS_OK) {
        status = sweep(job, compaction->lower, compaction->lower_count, true, children,
                       &count, error);
    }
    if (status == STATUS_OK) {
        status = merge_iter_open(children, count, &job->iter, error);
    } else {
        while (count > 0) {
            iter_close(children[--count]);
        }
    }
    memory_give(children);
    return status;
}

/* Merges some of the upper tables with all of the lower ones. */
static enum status merge(struct job *job, struct table_file *const *upper,
                         size_t upper_count, struct error *error) {
    const struct compaction *compaction = job->compaction;
    enum status status = open_inputs(job, upper, upper_count, error);
    if (status != STATUS_OK) {
        return status;
    }
    job->any = false;
    job->below = 0;
    iter_first(job->iter);
    status = settle(job, error);
    while (status == STATUS_OK && job->iter->valid) {
        status = write_output(job, error);
    }
    iter_close(job->iter);
    if (status == STATUS_OK) {
        status = remove_inputs(job, compaction->level, upper, upper_count, error);
    }
    return status == STATUS_OK
               ? remove_inputs(job, compaction->output_level, compaction->lower,
                               compaction->lower_count, error)
               : status;
}

/* ---- moves ----------------------------------------------------------------------- */

static bool is_alone(const struct compaction *compaction, const struct table_meta *meta) {
    const struct version *version = compaction->version;
    const struct slice smallest = internal_key_user(buf_slice(&meta->smallest));
    const struct slice largest = internal_key_user(buf_slice(&meta->largest));
    for (size_t i = 0; i < version->run_count; i++) {
        const struct sorted_run *run = &version->runs[i];
        for (size_t f = 0; f < run->count && run->level > compaction->output_level; f++) {
            const struct table_meta *other = &run->files[f]->meta;
            if (slice_compare(internal_key_user(buf_slice(&other->smallest)), largest) <=
                    0 &&
                slice_compare(internal_key_user(buf_slice(&other->largest)), smallest) >=
                    0) {
                return false;
            }
        }
    }
    return true;
}

/* Whether the table holds tombstones that would die if it were merged: no deeper table
 * overlaps it, and not all of them are younger than some snapshot. */
static enum status has_dying(const struct job *job, struct table_file *file, bool *dying,
                             struct error *error) {
    const struct compact_with *with = job->with;
    struct table *table;
    enum status status = table_cache_pin(with->tables, file, &table, error);
    if (status != STATUS_OK) {
        return status;
    }
    const struct properties *properties = table_properties(table);
    *dying = properties != NULL && properties->tombstones > 0 &&
             (with->snapshot_count == 0 ||
              with->snapshots[0] >= properties->smallest_sequence) &&
             is_alone(job->compaction, &file->meta);
    table_unref(table);
    return STATUS_OK;
}

static enum status move(struct job *job, struct table_file *file, struct error *error) {
    const struct compaction *compaction = job->compaction;
    enum status status = edit_remove(job->edit, compaction->level, file->meta.number);
    if (status == STATUS_OK) {
        status = edit_add(job->edit, compaction->output_level, file);
    }
    job->counts.tables_moved++;
    return status == STATUS_OK ? status
                               : error_no_memory(error, "an edit", sizeof *job->edit);
}

static bool share_key(const struct table_file *a, const struct table_file *b) {
    return slice_equal(internal_key_user(buf_slice(&a->meta.largest)),
                       internal_key_user(buf_slice(&b->meta.smallest)));
}

/* Moves the tables, but for those whose tombstones can die: they are merged. Tables that
 * share a user key stay together, or a tombstone at the end of one would die without what
 * it hides at the beginning of the next. */
static enum status move_all(struct job *job, struct error *error) {
    const struct compaction *compaction = job->compaction;
    struct table_file **upper = compaction->upper;
    enum status status = STATUS_OK;
    for (size_t i = 0, end; i < compaction->upper_count && status == STATUS_OK; i = end) {
        bool dying = false;
        end = i;
        do {
            if (!dying) {
                status = has_dying(job, upper[end], &dying, error);
            }
            end++;
        } while (status == STATUS_OK && end < compaction->upper_count &&
                 share_key(upper[end - 1], upper[end]));
        if (status == STATUS_OK && dying) {
            status = merge(job, upper + i, end - i, error);
        }
        for (size_t j = i; j < end && status == STATUS_OK && !dying; j++) {
            status = move(job, upper[j], error);
        }
    }
    return status;
}

/* ---- the whole ------------------------------------------------------------------- */

static bool is_moved(const struct compaction *compaction, const struct table_file *file) {
    for (size_t i = 0; i < compaction->upper_count; i++) {
        if (compaction->upper[i] == file) {
            return true;
        }
    }
    return false;
}

static void take_back(const struct job *job) {
    for (size_t i = 0; i < job->edit->added_count; i++) {
        const struct table_file *file = job->edit->added[i].file;
        if (!is_moved(job->compaction, file)) {
            flush_take_back(job->with->directory, file->meta.number);
        }
    }
    edit_free(job->edit);
}

enum status compact(const struct compact_with *with, const struct compaction *compaction,
                    struct edit *edit, struct compact_counts *counts,
                    struct error *error) {
    const struct directory *directory = with->directory;
    struct job job = {.with = with, .compaction = compaction, .edit = edit};
    enum status status;
    uint64_t began = clock_monotonic_micros(directory->world->clock);
    if (failpoint(compaction_begin)) {
        return error_set(error, STATUS_IO, "%s: failpoint compaction_begin",
                         directory->path);
    }
    status = compaction->may_move
                 ? move_all(&job, error)
                 : merge(&job, compaction->upper, compaction->upper_count, error);
    buf_free(&job.user);
    buf_free(&job.tombstone);
    if (status != STATUS_OK) {
        take_back(&job);
        return status;
    }
    failpoint_pass(compaction_written_not_in_force);
    job.counts.micros = clock_monotonic_micros(directory->world->clock) - began;
    *counts = job.counts;
    return STATUS_OK;
}
