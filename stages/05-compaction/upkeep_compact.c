/* One compaction from choice to force, those that a person asks for, and what is told of
 * all of them.
 *
 * While a compaction is at work its levels are busy: no other one touches them, so what
 * the picker saw there stays true until the edit is in force. Flushes go on; what they
 * add to level 0 is newer than all that was chosen.
 *
 *   new tables written and synced, under temporary names
 *   → engine_install: named, recorded                          COMMIT POINT
 *   → readers find the version without the old tables
 *   → the old tables' files are removed, once nobody reads them
 *
 * A crash before the commit point leaves the old tables, and new ones that no manifest
 * names; one after it leaves old ones that none names. The next open removes either. */
#include <inttypes.h>

#include "engine.h"
#include "engine_store.h"
#include "internal_key.h"
#include "memory.h"
#include "table.h"
#include "upkeep_state.h"
#include "upkeep_threads.h"

static uint64_t told(const struct upkeep *upkeep) {
    return atomic_u64_load(&upkeep->told, memory_order_relaxed);
}

static bool asked_to_end(void *context) {
    const struct upkeep *upkeep = context;
    return told(upkeep) != TOLD_GO_ON;
}

/* ---- one compaction -------------------------------------------------------------- */

/* *edit, which is empty, is what came of it. */
static enum status carry_out(struct upkeep *upkeep, const struct compaction *compaction,
                             struct edit *edit, struct compact_counts *counts,
                             struct error *error) {
    struct engine *engine = upkeep->engine;
    const struct clock *clock = engine->options.world->clock;
    struct compact_with with = {.directory = &engine->directory,
                                .options = &engine->options,
                                .tables = engine->tables,
                                .limit = upkeep->limit,
                                .filter = engine->parts->filter,
                                .now_millis = clock_wall_micros(clock) / 1000,
                                .stop = asked_to_end,
                                .context = upkeep};
    const struct telling telling = {
        .work = event_log_compaction_begins(upkeep->events, compaction),
        .counts = counts};
    uint64_t *snapshots = NULL;
    /* After the compaction's version was there: horizon.h. And after `now`: a snapshot
     * that is not listed yet is no older than that, and what is dead then is so for it.
     */
    error->status = engine->parts->horizon->sequences(engine->horizon, &snapshots,
                                                      &with.snapshot_count, error);
    if (error->status == STATUS_OK) {
        with.snapshots = snapshots;
        error->status = compact(&with, compaction, edit, counts, error);
    }
    memory_give(snapshots);
    if (error->status == STATUS_OK) {
        edit->context = &telling;
        error->status = engine_install(engine, edit, NULL, error);
        edit->context = NULL;
    }
    if (error->status != STATUS_OK) {
        event_log_ends(upkeep->events, telling.work, NULL, NULL, counts, counts->micros,
                       error);
    }
    return error->status;
}

static void add_counts(struct upkeep *upkeep, const struct compaction *compaction,
                       const struct compact_counts *counts) {
    struct compact_counts *total = &upkeep->total;
    struct kv_level_stats *level = &upkeep->levels[compaction->output_level];
    total->read_bytes += counts->read_bytes;
    total->written_bytes += counts->written_bytes;
    total->entries_in += counts->entries_in;
    total->entries_out += counts->entries_out;
    total->tombstones_dropped += counts->tombstones_dropped;
    total->values_dead += counts->values_dead;
    total->tables_moved += counts->tables_moved;
    total->micros += counts->micros;
    upkeep->compacted++;
    level->read_bytes += counts->read_bytes;
    level->written_bytes += counts->written_bytes;
    level->compactions++;
    level->micros += counts->micros;
}

/* Requires lock. A table that was moved is in force, in another level. */
static void retire_input(struct upkeep *upkeep, const struct edit *edit,
                         struct table_file *file) {
    for (size_t i = 0; i < edit->added_count; i++) {
        if (edit->added[i].file == file) {
            obsolete_cancel(&upkeep->obsolete, 1);
            return;
        }
    }
    obsolete_add(&upkeep->obsolete, file);
}

/* Requires lock. */
static void retire_inputs(struct upkeep *upkeep, const struct compaction *compaction,
                          const struct edit *edit) {
    for (size_t i = 0; i < compaction->upper_count; i++) {
        retire_input(upkeep, edit, compaction->upper[i]);
    }
    for (size_t i = 0; i < compaction->lower_count; i++) {
        retire_input(upkeep, edit, compaction->lower[i]);
    }
}

/* Requires lock. The next compaction of the level begins behind this one. */
static void move_pointer(struct upkeep *upkeep, const struct compaction *compaction) {
    struct buf *pointer = &upkeep->pointers[compaction->level];
    if (buf_assign(pointer, buf_slice(&compaction->next_pointer)) != STATUS_OK) {
        buf_clear(pointer); /* it begins with the first table then */
    }
}

/* Requires lock. */
static void take_over(struct upkeep *upkeep, const struct compaction *compaction,
                      const struct edit *edit, const struct compact_counts *counts) {
    retire_inputs(upkeep, compaction, edit);
    move_pointer(upkeep, compaction);
    add_counts(upkeep, compaction, counts);
    upkeep_count_level0(upkeep);
}

enum status upkeep_compact(struct upkeep *upkeep, struct compaction *compaction,
                           struct error *error) {
    struct compact_counts counts = {0};
    struct edit edit = {0};
    struct error failure = {0};
    unsigned levels = 1U << compaction->level | 1U << compaction->output_level;
    size_t inputs = compaction->upper_count + compaction->lower_count;
    upkeep->busy |= levels;
    failure.status = obsolete_reserve(&upkeep->obsolete, inputs);
    if (failure.status != STATUS_OK) {
        failure.status = error_no_memory(&failure, "a list of tables", inputs);
    } else {
        mutex_unlock(&upkeep->lock);
        failure.status = carry_out(upkeep, compaction, &edit, &counts, &failure);
        mutex_lock(&upkeep->lock);
        if (failure.status == STATUS_OK) {
            take_over(upkeep, compaction, &edit, &counts);
        } else if (engine_usable_catalog(upkeep->engine, NULL) != STATUS_OK) {
            /* Perhaps it is in force, and a resume removes the inputs. The version has
             * them: until then nobody else does. */
            retire_inputs(upkeep, compaction, &edit);
        } else {
            obsolete_cancel(&upkeep->obsolete, inputs);
        }
        if (failure.status == STATUS_STALLED && told(upkeep) == TOLD_ABANDON) {
            failure = (struct error){0};
        }
    }
    upkeep->busy &= ~levels;
    upkeep_note(upkeep, &upkeep->compactions, &failure);
    edit_free(&edit);
    compaction_free(compaction);
    if (failure.status != STATUS_OK && error != NULL) {
        *error = failure;
    }
    return failure.status;
}

/* ---- when a person asks ---------------------------------------------------------- */

/* A stretch of user keys, from `at` on, that moves on as it is worked through. */
struct stretch {
    struct buf at;
    struct slice to;   /* absent: there are no tables */
    struct buf last;   /* what `to` points to where the person gave no end */
    struct buf behind; /* the key after the last one of a table */
    uint64_t filtered; /* tables of this number or above are new, and were filtered */
};

/* The first table of a level, from 1 on, with keys in the stretch; NULL: none. */
static struct table_file *first_in(const struct version *version, unsigned level,
                                   const struct stretch *stretch) {
    for (size_t i = 0; i < version->run_count; i++) {
        const struct sorted_run *run = &version->runs[i];
        for (size_t j = 0; run->level == level && j < run->count; j++) {
            const struct table_meta *meta = &run->files[j]->meta;
            struct slice smallest = internal_key_user(buf_slice(&meta->smallest));
            struct slice largest = internal_key_user(buf_slice(&meta->largest));
            if (slice_compare(largest, buf_slice(&stretch->at)) >= 0) {
                return slice_present(stretch->to) &&
                               slice_compare(smallest, stretch->to) >= 0
                           ? NULL
                           : run->files[j];
            }
        }
    }
    return NULL;
}

/* The stretch goes on behind this internal key's user key. */
static enum status pass_over(struct buf *at, struct slice internal_key) {
    enum status status = buf_assign(at, internal_key_user(internal_key));
    return status == STATUS_OK ? buf_append(at, "", 1) : status;
}

static enum status pick_first(struct upkeep *upkeep, struct version *version,
                              unsigned level, unsigned output_level,
                              struct stretch *stretch, struct compaction **compaction,
                              struct error *error) {
    struct slice to = stretch->to;
    if (level > 0) {
        const struct table_file *first = first_in(version, level, stretch);
        if (first == NULL) {
            return STATUS_OK;
        }
        if (pass_over(&stretch->behind, buf_slice(&first->meta.largest)) != STATUS_OK) {
            return error_no_memory(error, "a key", 0);
        }
        to = buf_slice(&stretch->behind);
    }
    return picker_pick_range(version, &upkeep->picker, level, output_level,
                             buf_slice(&stretch->at), to, compaction, error);
}

/* Requires lock, which it gives up and takes again. Waits until nobody else is at these
 * levels. */
static struct version *claim(struct upkeep *upkeep, unsigned level, unsigned output) {
    upkeep->claims++;
    while ((upkeep->busy & (1U << level | 1U << output)) != 0) {
        condition_wait(&upkeep->done, &upkeep->lock);
    }
    upkeep->claims--;
    condition_broadcast(&upkeep->work); /* compactors have let it go first */
    return engine_version(upkeep->engine);
}

/* Who else wants them all, or some, waits in claim, or here. */
void upkeep_take_levels(struct upkeep *upkeep) {
    upkeep->claims++;
    while (upkeep->busy != 0) {
        atomic_u64_store(&upkeep->told, TOLD_ABANDON, memory_order_relaxed);
        if (upkeep->limit != NULL) {
            rate_limit_end(upkeep->limit);
        }
        condition_wait(&upkeep->done, &upkeep->lock);
    }
    if (upkeep->limit != NULL) {
        rate_limit_begin(upkeep->limit);
    }
    upkeep->claims--;
    upkeep->busy = (1U << LEVELS) - 1;
    atomic_u64_store(&upkeep->told, TOLD_GO_ON, memory_order_relaxed);
}

void upkeep_give_levels(struct upkeep *upkeep) {
    upkeep->busy = 0;
    upkeep_count_level0(upkeep);
    condition_broadcast(&upkeep->done);
    condition_broadcast(&upkeep->work);
}

/* Whether the table has what a compaction in place would drop, but for snapshots; or may
 * have, where only its values could tell. */
static enum status has_droppable(struct upkeep *upkeep, struct table_file *file,
                                 uint64_t filtered, bool *has, struct error *error) {
    struct table *table;
    if (file->meta.number < filtered) {
        *has = true;
        return STATUS_OK;
    }
    enum status status = table_cache_pin(upkeep->engine->tables, file, &table, error);
    if (status == STATUS_OK) {
        const struct properties *properties = table_properties(table);
        *has =
            properties == NULL || properties->tombstones > 0 || properties->shadowed > 0;
        table_unref(table);
    }
    return status;
}

/* One step through a level: merges its first tables of the stretch into the output level,
 * and moves the stretch behind them. *over: there was none. */
static enum status step(struct upkeep *upkeep, unsigned level, unsigned output,
                        struct stretch *stretch, bool *over, struct error *error) {
    struct compaction *compaction = NULL;
    struct version *version = claim(upkeep, level, output);
    enum status status =
        pick_first(upkeep, version, level, output, stretch, &compaction, error);
    version_unref(version);
    *over = compaction == NULL;
    if (status != STATUS_OK || *over) {
        return status;
    }
    *over = level == 0; /* all at once */
    if (pass_over(&stretch->at, buf_slice(&compaction->next_pointer)) != STATUS_OK) {
        compaction_free(compaction);
        return error_no_memory(error, "a key", 0);
    }
    return upkeep_compact(upkeep, compaction, error);
}

/* What lies in the stretch of one level goes down to the next. */
static enum status push_down(struct upkeep *upkeep, unsigned level,
                             struct stretch *stretch, struct error *error) {
    bool over = false;
    enum status status = STATUS_OK;
    while (status == STATUS_OK && !over) {
        status = step(upkeep, level, level + 1, stretch, &over, error);
    }
    return status;
}

/* Tombstones at the bottom hide nothing, and versions behind newer ones are for snapshots
 * only: tables that came there unmerged, or in which snapshots had kept such entries, are
 * written anew; and all that were there before, where there are values that die. Requires
 * lock, which it gives up and takes again. */
static enum status clean(struct upkeep *upkeep, unsigned level, struct stretch *stretch,
                         struct error *error) {
    enum status status = STATUS_OK;
    bool over = false;
    while (status == STATUS_OK && !over) {
        bool wanted = false;
        struct version *version = claim(upkeep, level, level);
        struct table_file *first = first_in(version, level, stretch);
        over = first == NULL;
        if (!over) {
            mutex_unlock(&upkeep->lock);
            status = has_droppable(upkeep, first, stretch->filtered, &wanted, error);
            mutex_lock(&upkeep->lock);
        }
        if (status == STATUS_OK && wanted) {
            status = step(upkeep, level, level, stretch, &over, error);
        } else if (status == STATUS_OK && !over &&
                   pass_over(&stretch->at, buf_slice(&first->meta.largest)) !=
                       STATUS_OK) {
            status = error_no_memory(error, "a key", 0);
        }
        version_unref(version);
    }
    return status;
}

static unsigned deepest_level(struct engine *engine) {
    struct version *version = engine_version(engine);
    unsigned deepest = 0;
    for (size_t i = 0; i < version->run_count; i++) {
        deepest = version->runs[i].level;
    }
    version_unref(version);
    return deepest;
}

/* Without an end the stretch ends behind the last key that there is now: or writers who
 * go on adding keys at the end would be followed for ever. */
static enum status end_somewhere(struct stretch *stretch, struct engine *engine,
                                 struct error *error) {
    struct version *version = engine_version(engine);
    const struct buf *largest = NULL;
    for (size_t i = 0; i < version->run_count; i++) {
        const struct sorted_run *run = &version->runs[i];
        const struct buf *last = &run->files[run->count - 1]->meta.largest;
        if (largest == NULL ||
            internal_key_compare(buf_slice(last), buf_slice(largest)) > 0) {
            largest = last;
        }
    }
    enum status status = STATUS_OK;
    if (largest != NULL) {
        status = pass_over(&stretch->last, buf_slice(largest));
        stretch->to = buf_slice(&stretch->last);
    }
    version_unref(version);
    return status == STATUS_OK ? status : error_no_memory(error, "a key", 0);
}

static enum status begin_at(struct stretch *stretch, struct slice from,
                            struct error *error) {
    return buf_assign(&stretch->at, from) == STATUS_OK
               ? STATUS_OK
               : error_no_memory(error, "a key", from.length);
}

/* Requires lock, which it gives up and takes again. */
static enum status compact_all(struct upkeep *upkeep, struct slice from, struct slice to,
                               struct error *error) {
    struct stretch stretch = {.to = to};
    struct engine *engine = upkeep->engine;
    if (engine->parts->filter->finds) {
        stretch.filtered =
            atomic_u64_load(&engine->directory.next_number, memory_order_relaxed);
    }
    unsigned deepest = deepest_level(engine);
    unsigned bottom = deepest > 0 ? deepest : 1;
    enum status status =
        slice_present(to) ? STATUS_OK : end_somewhere(&stretch, engine, error);
    for (unsigned level = 0; level < bottom && status == STATUS_OK; level++) {
        status = begin_at(&stretch, from, error);
        if (status == STATUS_OK) {
            status = push_down(upkeep, level, &stretch, error);
        }
    }
    if (status == STATUS_OK) {
        status = begin_at(&stretch, from, error);
    }
    if (status == STATUS_OK) {
        status = clean(upkeep, bottom, &stretch, error);
    }
    buf_free(&stretch.at);
    buf_free(&stretch.behind);
    buf_free(&stretch.last);
    return status;
}

enum status engine_compact(void *opened, struct slice from, struct slice to,
                           struct error *error) {
    struct engine *engine = opened;
    enum status status = engine_flush(engine, error);
    gate_enter(&engine->gate);
    if (status == STATUS_OK) {
        status = engine_usable(engine, error);
    }
    if (status == STATUS_OK) {
        struct upkeep *upkeep = engine->upkeep;
        mutex_lock(&upkeep->lock);
        status = compact_all(upkeep, from, to, error);
        upkeep_sweep(upkeep);
        mutex_unlock(&upkeep->lock);
    }
    gate_leave(&engine->gate);
    return status;
}

/* ---- statistics ------------------------------------------------------------------ */

void engine_stats_compacted(void *opened, struct kv_stats *stats) {
    struct engine *engine = opened;
    engine_stats(engine, stats);
    gate_enter(&engine->gate);
    struct upkeep *upkeep = engine->upkeep;
    if (upkeep != NULL) {
        mutex_lock(&upkeep->lock);
        stats->compactions = upkeep->compacted;
        stats->compaction_read_bytes = upkeep->total.read_bytes;
        stats->compaction_written_bytes = upkeep->total.written_bytes;
        stats->compaction_micros = upkeep->total.micros;
        stats->compaction_failures = upkeep->compactions.failures;
        stats->tables_moved = upkeep->total.tables_moved;
        stats->tombstones_dropped = upkeep->total.tombstones_dropped;
        stats->values_dead = upkeep->total.values_dead;
        stats->obsolete_tables = upkeep->obsolete.count;
        stats->stall_slowdowns = upkeep->slowdowns;
        stats->stall_stops = upkeep->stops;
        stats->stall_micros = upkeep->stall_micros;
        stats->event_log_lost = event_log_lost(upkeep->events);
        for (unsigned level = 0; level < LEVELS; level++) {
            stats->levels[level].read_bytes = upkeep->levels[level].read_bytes;
            stats->levels[level].written_bytes = upkeep->levels[level].written_bytes;
            stats->levels[level].compactions = upkeep->levels[level].compactions;
            stats->levels[level].micros = upkeep->levels[level].micros;
        }
        mutex_unlock(&upkeep->lock);
    }
    gate_leave(&engine->gate);
}
