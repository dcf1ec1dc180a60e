/* The flusher takes the oldest frozen buffer, a compactor what the picker chooses, and
 * both wait for more. Flushes come before compactions, since writers wait for them first:
 * they have a thread of their own.
 *
 * What one thread finishes another may wait for: every end of a flush or a compaction
 * wakes all. Nobody waits for a thing that could end before it looks, since all of it
 * changes under the lock, or before a broadcast that comes under the lock.
 *
 *     writers      engine.writing held, wait for `done`
 *     flusher      waits for `work`: a buffer was frozen, or a pause is over
 *     compactors   wait for `work`: the version changed, a level is no longer busy
 *
 * tidy: long because what threads do and what writers wait for is one argument. */
#include "upkeep_threads.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "engine.h"
#include "memory.h"
#include "table_cache.h"
#include "upkeep_state.h"

enum {
    PAUSE_FIRST_MICROS = 50 * 1000,
    PAUSE_LAST_MICROS = 5 * 1000 * 1000,
    SWEEP_MICROS =
        1000 * 1000, /* how often obsolete tables are looked at that are read */
};

static const uint64_t NEVER = UINT64_MAX;

static uint64_t now(const struct upkeep *upkeep) {
    return clock_monotonic_micros(upkeep->engine->options.world->clock);
}

static bool ended(const struct upkeep *upkeep) {
    return atomic_u64_load(&upkeep->told, memory_order_relaxed) == TOLD_END;
}

/* ---- attempts -------------------------------------------------------------------- */

void upkeep_note(struct upkeep *upkeep, struct attempts *attempts,
                 const struct error *error) {
    attempts->last = *error;
    if (error->status == STATUS_OK) {
        attempts->pause_micros = 0;
        attempts->again_micros = 0;
    } else {
        uint64_t pause = attempts->pause_micros * 2;
        attempts->failures++;
        attempts->pause_micros = pause < PAUSE_FIRST_MICROS  ? PAUSE_FIRST_MICROS
                                 : pause > PAUSE_LAST_MICROS ? PAUSE_LAST_MICROS
                                                             : pause;
        attempts->again_micros = now(upkeep) + attempts->pause_micros;
    }
    condition_broadcast(&upkeep->done);
    condition_broadcast(&upkeep->work);
}

/* Waits for work, until then at most; NEVER: for as long as it takes. */
static void wait_for_work(struct upkeep *upkeep, uint64_t until_micros) {
    if (until_micros == NEVER) {
        condition_wait(&upkeep->work, &upkeep->lock);
    } else {
        (void)condition_wait_until(&upkeep->work, &upkeep->lock, until_micros);
    }
}

/* When what has failed may be tried again; 0: now. NEVER once the catalog has failed:
 * nothing can be put in force any more, and a resume makes another upkeep. */
static uint64_t next_try(const struct upkeep *upkeep, const struct attempts *attempts) {
    if (engine_usable_catalog(upkeep->engine, NULL) != STATUS_OK) {
        return NEVER;
    }
    return attempts->again_micros > now(upkeep) ? attempts->again_micros : 0;
}

void upkeep_sweep(struct upkeep *upkeep) {
    struct table_file *file;
    engine_free_retired(upkeep->engine);
    while ((file = obsolete_take_unread(&upkeep->obsolete)) != NULL) {
        mutex_unlock(&upkeep->lock);
        obsolete_remove(file, &upkeep->engine->directory);
        mutex_lock(&upkeep->lock);
    }
}

/* ---- the flusher ----------------------------------------------------------------- */

/* Requires lock, which it gives up and takes again. */
static void flush_one(struct upkeep *upkeep) {
    struct engine *engine = upkeep->engine;
    struct error error = {0};
    struct telling telling = {.begun_micros = now(upkeep)};
    struct edit edit = {.context = &telling};
    upkeep->flushing = true;
    mutex_unlock(&upkeep->lock);
    telling.work = event_log_flush_begins(upkeep->events);
    error.status = engine_flush_oldest(engine, &edit, &error);
    if (error.status != STATUS_OK || edit.added_count == 0) {
        static const struct error erased = {.status = STATUS_STALLED,
                                            .message = "there was no buffer any more"};
        event_log_ends(upkeep->events, telling.work, NULL, NULL, NULL,
                       now(upkeep) - telling.begun_micros,
                       error.status != STATUS_OK ? &error : &erased);
    }
    edit_free(&edit);
    mutex_lock(&upkeep->lock);
    upkeep->flushing = false;
    upkeep_count_level0(upkeep);
    upkeep_note(upkeep, &upkeep->flushes, &error);
    upkeep_sweep(upkeep);
}

static void threads_installed(void *opened, const struct edit *edit,
                              const struct version *after) {
    struct upkeep *upkeep = opened;
    const struct telling *telling = edit->context;
    const struct compact_counts *counts = telling->counts;
    const struct error none = {0};
    event_log_ends(upkeep->events, telling->work, edit, after, counts,
                   counts != NULL ? counts->micros : now(upkeep) - telling->begun_micros,
                   &none);
}

static void flusher(void *argument) {
    struct upkeep *upkeep = argument;
    mutex_lock(&upkeep->lock);
    while (!ended(upkeep)) {
        bool waiting = engine_buffers(upkeep->engine).frozen > 0;
        uint64_t until = waiting ? next_try(upkeep, &upkeep->flushes) : NEVER;
        if (until == 0) {
            flush_one(upkeep);
        } else if (upkeep->obsolete.count > 0) {
            uint64_t due = now(upkeep) + SWEEP_MICROS;
            wait_for_work(upkeep, until < due ? until : due);
            upkeep_sweep(upkeep);
        } else {
            wait_for_work(upkeep, until);
        }
    }
    mutex_unlock(&upkeep->lock);
}

/* ---- compactors ------------------------------------------------------------------ */

static enum status pick(struct upkeep *upkeep, struct compaction **compaction,
                        struct error *error) {
    if (upkeep->claims > 0) { /* who is waiting goes first, and wakes the compactors */
        return STATUS_OK;
    }
    struct version *version = engine_version(upkeep->engine);
    enum status status = picker_pick(version, &upkeep->picker, upkeep->pointers,
                                     upkeep->busy, compaction, error);
    version_unref(version);
    return status;
}

/* Writers wait for a compaction later than for anything else: it lets them go first. */
static void compactor(void *argument) {
    struct upkeep *upkeep = argument;
    thread_give_way(upkeep->engine->options.world->threads);
    mutex_lock(&upkeep->lock);
    while (!ended(upkeep)) {
        struct compaction *compaction = NULL;
        struct error error = {0};
        uint64_t until = next_try(upkeep, &upkeep->compactions);
        if (until == 0) {
            error.status = pick(upkeep, &compaction, &error);
            until = NEVER;
        }
        if (compaction != NULL) {
            error.status = upkeep_compact(upkeep, compaction, &error);
            upkeep_sweep(upkeep);
        } else if (error.status != STATUS_OK) {
            upkeep_note(upkeep, &upkeep->compactions, &error);
        } else {
            wait_for_work(upkeep, until);
        }
    }
    mutex_unlock(&upkeep->lock);
}

enum status upkeep_start(struct upkeep *upkeep, struct error *error) {
    const struct kv_options *options = &upkeep->engine->options;
    const struct threads *threads = options->world->threads;
    enum status status = STATUS_OK;
    if (!upkeep->flusher_runs) {
        status = thread_create(&upkeep->flusher, threads, flusher, upkeep);
        upkeep->flusher_runs = status == STATUS_OK;
    }
    while (status == STATUS_OK &&
           upkeep->compactors_running < options->compaction_threads) {
        status = thread_create(&upkeep->compactors[upkeep->compactors_running], threads,
                               compactor, upkeep);
        upkeep->compactors_running += status == STATUS_OK;
    }
    if (status != STATUS_OK) {
        return error_no_memory(error, "a thread for flushes and compactions", 0);
    }
    upkeep_count_level0(upkeep);
    return STATUS_OK;
}

/* ---- writers --------------------------------------------------------------------- */

static size_t stop_tables(const struct upkeep *upkeep) {
    const struct kv_options *options = &upkeep->engine->options;
    return options->level0_stop_tables > options->level0_tables
               ? options->level0_stop_tables
               : options->level0_tables;
}

void upkeep_count_level0(struct upkeep *upkeep) {
    struct version *version = engine_version(upkeep->engine);
    size_t count = 0;
    while (count < version->run_count && version->runs[count].level == 0) {
        count++;
    }
    version_unref(version);
    upkeep->level0 = count;
    engine_attend(upkeep->engine, count >= upkeep->engine->options.level0_slow_tables ||
                                      count >= stop_tables(upkeep));
}

/* What a writer waits for; NULL: nothing. *attempts is the work that would end it. */
static const char *obstacle(struct upkeep *upkeep, bool full,
                            const struct attempts **attempts) {
    *attempts = &upkeep->compactions;
    if (upkeep->level0 >= stop_tables(upkeep)) {
        return "level 0 to be compacted";
    }
    *attempts = &upkeep->flushes;
    return full && engine_buffers(upkeep->engine).frozen + 1 >=
                       upkeep->engine->options.write_buffers
               ? "a write buffer to be flushed"
               : NULL;
}

/* Whether to go on waiting. */
static enum status be_patient(struct upkeep *upkeep, const char *what,
                              const struct attempts *attempts, uint64_t deadline,
                              struct error *error) {
    enum status status = engine_usable(upkeep->engine, error);
    bool late = now(upkeep) >= deadline;
    const struct error *last = &attempts->last;
    if (status != STATUS_OK || (!late && last->status != STATUS_NO_SPACE)) {
        return status;
    }
    if (last->status != STATUS_OK) {
        return error_set(error, last->status, "the write waits for %s, which failed: %s",
                         what, last->message);
    }
    return error_set(error, STATUS_STALLED,
                     "the write waited %" PRIu32 " ms for %s (stall-millis)",
                     upkeep->engine->options.stall_millis, what);
}

/* Requires lock. *waited_for and *micros tell of a wait. */
static enum status wait_for_room(struct upkeep *upkeep, bool full,
                                 const char **waited_for, uint64_t *micros,
                                 struct error *error) {
    const struct attempts *attempts;
    enum status status = STATUS_OK;
    uint64_t begun = now(upkeep);
    uint64_t deadline = begun + (uint64_t)upkeep->engine->options.stall_millis * 1000;
    const char *what = obstacle(upkeep, full, &attempts);
    if (what == NULL) {
        return STATUS_OK;
    }
    *waited_for = what;
    upkeep->stops++;
    while (what != NULL) {
        status = be_patient(upkeep, what, attempts, deadline, error);
        if (status != STATUS_OK) {
            break;
        }
        (void)condition_wait_until(&upkeep->done, &upkeep->lock, deadline);
        what = obstacle(upkeep, full, &attempts);
    }
    *micros = now(upkeep) - begun;
    upkeep->stall_micros += *micros;
    return status;
}

static enum status must_wait(const char *what, struct error *error) {
    return error_set(error, STATUS_STALLED, "the write would have to wait for %s", what);
}

/* Requires lock. */
static enum status need_no_wait(struct upkeep *upkeep, bool full, struct error *error) {
    const struct attempts *attempts;
    const char *what = obstacle(upkeep, full, &attempts);
    return what == NULL ? STATUS_OK : must_wait(what, error);
}

/* Writers get on at this rate at level0_slow_tables, and at a sixteenth of it just before
 * they are stopped. They wait in pieces that a clock can measure, and even a change of
 * any size for no longer than a writer who is stopped. */
enum { SLOW_BYTES_PER_SECOND = 16 << 20, SLOW_WAIT_MICROS = 1000 };

static enum status slow_down(struct upkeep *upkeep, uint64_t bytes, bool may_wait,
                             struct error *error) {
    size_t slow = upkeep->engine->options.level0_slow_tables;
    size_t stop = stop_tables(upkeep);
    if (upkeep->level0 < slow || slow >= stop) {
        upkeep->owed_micros = 0;
        return STATUS_OK;
    }
    if (!may_wait && upkeep->owed_micros >= SLOW_WAIT_MICROS) {
        return must_wait("level 0 to be compacted", error);
    }
    double part = (double)(stop - upkeep->level0) / (double)(stop - slow);
    double rate = SLOW_BYTES_PER_SECOND * (part * 15 + 1) / 16;
    upkeep->owed_micros += (double)bytes / rate * 1e6;
    if (upkeep->owed_micros < SLOW_WAIT_MICROS || !may_wait) {
        return STATUS_OK; /* the next one who may waits for both */
    }
    double most = (double)upkeep->engine->options.stall_millis * 1000;
    double owed = upkeep->owed_micros < most ? upkeep->owed_micros : most;
    uint64_t begun = now(upkeep);
    uint64_t until = begun + (uint64_t)owed;
    upkeep->slowdowns++;
    upkeep->owed_micros = 0;
    while (upkeep->level0 >= slow && now(upkeep) < until) {
        (void)condition_wait_until(&upkeep->done, &upkeep->lock, until);
    }
    upkeep->stall_micros += now(upkeep) - begun;
    return STATUS_OK;
}

/* Requires the engine's writing. */
static enum status freeze(struct upkeep *upkeep, struct error *error) {
    struct engine *engine = upkeep->engine;
    uint64_t entries = memtable_count(engine->active->memtable);
    uint64_t bytes = memtable_used(engine->active->memtable);
    enum status status = engine_freeze(engine, error);
    if (status == STATUS_OK) {
        event_log_frozen(upkeep->events, entries, bytes, engine_buffers(engine).frozen);
        mutex_lock(&upkeep->lock);
        condition_broadcast(&upkeep->work);
        mutex_unlock(&upkeep->lock);
    }
    return status;
}

static enum status threads_make_room(void *opened, uint64_t bytes, bool may_wait,
                                     struct error *error) {
    struct upkeep *upkeep = opened;
    const char *waited_for = NULL;
    uint64_t micros = 0;
    bool full = engine_active_full(upkeep->engine);
    mutex_lock(&upkeep->lock);
    enum status status = upkeep_start(upkeep, error);
    if (status == STATUS_OK) {
        status = may_wait ? wait_for_room(upkeep, full, &waited_for, &micros, error)
                          : need_no_wait(upkeep, full, error);
    }
    if (status == STATUS_OK) {
        status = slow_down(upkeep, bytes, may_wait, error);
    }
    mutex_unlock(&upkeep->lock);
    if (waited_for != NULL) {
        event_log_stalled(upkeep->events, waited_for, micros);
    }
    return status == STATUS_OK && full ? freeze(upkeep, error) : status;
}

/* The flush that is asked for comes at once, whatever the pause; its failure is told. */
static enum status threads_flush(void *opened, struct error *error) {
    struct upkeep *upkeep = opened;
    struct engine *engine = upkeep->engine;
    mutex_lock(&upkeep->lock);
    uint64_t last = engine_buffers(engine).frozen_to;
    uint64_t failures = upkeep->flushes.failures;
    enum status status = STATUS_OK;
    if (engine_buffers(engine).flushed < last) {
        status = upkeep_start(upkeep, error);
        upkeep->flushes.again_micros = 0;
        condition_broadcast(&upkeep->work);
    }
    /* A flush is over when the log knows of it, too, not when readers find the table. */
    while (status == STATUS_OK &&
           (upkeep->flushing || engine_buffers(engine).flushed < last)) {
        status = engine_usable_catalog(engine, error);
        if (status == STATUS_OK && upkeep->flushes.failures > failures &&
            upkeep->flushes.last.status != STATUS_OK) { /* else it was made good */
            status = error_set(error, upkeep->flushes.last.status, "%s",
                               upkeep->flushes.last.message);
        } else if (status == STATUS_OK) {
            condition_wait(&upkeep->done, &upkeep->lock);
        }
    }
    mutex_unlock(&upkeep->lock);
    return status;
}

/* ---- open and close -------------------------------------------------------------- */

static enum status init_locks(struct upkeep *upkeep, struct error *error) {
    const struct threads *threads = upkeep->engine->options.world->threads;
    if (mutex_init(&upkeep->lock, threads) == STATUS_OK) {
        if (condition_init(&upkeep->work, threads) == STATUS_OK) {
            if (condition_init(&upkeep->done, threads) == STATUS_OK) {
                return STATUS_OK;
            }
            condition_free(&upkeep->work);
        }
        mutex_free(&upkeep->lock);
    }
    return error_no_memory(error, "a lock", sizeof upkeep->lock);
}

/* Takes no thread along that still runs. */
static void free_upkeep(struct upkeep *upkeep) {
    event_log_close(upkeep->events);
    rate_limit_close(upkeep->limit);
    for (unsigned level = 0; level < LEVELS; level++) {
        buf_free(&upkeep->pointers[level]);
    }
    obsolete_free(&upkeep->obsolete);
    condition_free(&upkeep->done);
    condition_free(&upkeep->work);
    mutex_free(&upkeep->lock);
    memory_give(upkeep);
}

/* What there is to compact, the first write sets going. */
static void attend_first(struct upkeep *upkeep, const struct version *version) {
    for (unsigned level = 0; level + 1 < LEVELS; level++) {
        if (picker_score(version, &upkeep->picker, level) >= 1) {
            engine_attend(upkeep->engine, true);
            return;
        }
    }
    engine_attend(upkeep->engine, false);
}

static enum status threads_open(struct engine *engine, struct version *version,
                                void **out, struct error *error) {
    const struct kv_options *options = &engine->options;
    struct upkeep *upkeep = memory_take_zeroed(sizeof *upkeep);
    if (upkeep == NULL) {
        return error_no_memory(error, "the upkeep", sizeof *upkeep);
    }
    upkeep->engine = engine;
    upkeep->picker = (struct picker_options){
        options->level0_tables, options->level0_tables * options->write_buffer_bytes,
        options->table_bytes};
    enum status status = init_locks(upkeep, error);
    if (status != STATUS_OK) {
        memory_give(upkeep);
        return status;
    }
    if (options->compaction_bytes_per_second > 0) {
        status = rate_limit_open(options->compaction_bytes_per_second, options->world,
                                 &upkeep->limit, error);
    }
    if (status == STATUS_OK) {
        status =
            event_log_open(&engine->directory, options, version, &upkeep->events, error);
    }
    if (status != STATUS_OK) {
        free_upkeep(upkeep);
        return status;
    }
    attend_first(upkeep, version);
    *out = upkeep;
    return STATUS_OK;
}

/* A resume removes the files of tables that nothing names, and iterators go on. Who reads
 * one that cannot be opened now is told that it is missing. */
static void keep_what_is_read(struct upkeep *upkeep) {
    for (size_t i = 0; i < upkeep->obsolete.count; i++) {
        enum status status =
            table_cache_keep(upkeep->engine->tables, upkeep->obsolete.files[i], NULL);
        (void)status;
    }
}

/* Compactions are cut off; what they wrote is removed. Frozen buffers are in the logs. */
static void threads_close(void *opened) {
    struct upkeep *upkeep = opened;
    if (upkeep == NULL) {
        return;
    }
    mutex_lock(&upkeep->lock);
    atomic_u64_store(&upkeep->told, TOLD_END, memory_order_relaxed);
    condition_broadcast(&upkeep->work);
    mutex_unlock(&upkeep->lock);
    if (upkeep->limit != NULL) {
        rate_limit_end(upkeep->limit);
    }
    if (upkeep->flusher_runs) {
        thread_join(&upkeep->flusher);
    }
    for (unsigned i = 0; i < upkeep->compactors_running; i++) {
        thread_join(&upkeep->compactors[i]);
    }
    mutex_lock(&upkeep->lock);
    upkeep_sweep(upkeep);
    mutex_unlock(&upkeep->lock);
    keep_what_is_read(upkeep);
    free_upkeep(upkeep);
}

const struct upkeep_ops upkeep_threads = {threads_open, threads_make_room, threads_flush,
                                          threads_installed, threads_close};
