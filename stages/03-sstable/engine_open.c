/* The life of an engine: open, resume after a failure, close. */
#include "engine_state.h"
#include "engine_store.h"
#include "memory.h"

/* ---- locks ----------------------------------------------------------------------- */

static enum status init_locks(struct engine *engine, struct error *error) {
    const struct threads *threads = engine->options.world->threads;
    struct mutex *const mutexes[] = {&engine->writing, &engine->flushing,
                                     &engine->editing, &engine->placing};
    enum { MUTEXES = sizeof mutexes / sizeof mutexes[0] };
    size_t made = 0;
    if (gate_init(&engine->gate, threads) == STATUS_OK) {
        while (made < MUTEXES && mutex_init(mutexes[made], threads) == STATUS_OK) {
            made++;
        }
        if (made == MUTEXES) {
            return STATUS_OK;
        }
        while (made > 0) {
            mutex_free(mutexes[--made]);
        }
        gate_free(&engine->gate);
    }
    return error_no_memory(error, "a lock", sizeof engine->gate);
}

static void free_engine(struct engine *engine) {
    mutex_free(&engine->placing);
    mutex_free(&engine->editing);
    mutex_free(&engine->flushing);
    mutex_free(&engine->writing);
    gate_free(&engine->gate);
    memory_give(engine);
}

/* ---- open and close -------------------------------------------------------------- */

static enum status open_caches(struct engine *engine, struct error *error) {
    const struct kv_options *options = &engine->options;
    enum status status = block_cache_open(
        options->block_cache_bytes, options->world->threads, &engine->blocks, error);
    if (status == STATUS_OK) {
        status = table_cache_open(engine->directory.path, options->world, engine->blocks,
                                  &engine->readers, options->max_open_files,
                                  &engine->tables, error);
    }
    return status;
}

static enum status open_directory(struct engine *engine, const char *dir,
                                  struct error *error) {
    enum status status = recover_may_adopt(dir, engine->options.world, error);
    if (status == STATUS_OK) {
        status = directory_open(&engine->directory, dir, &engine->options, error);
    }
    if (status == STATUS_OK) {
        status = listing_must_be_whole(&engine->directory.listing, dir, error);
    }
    return status;
}

enum status engine_close(void *opened, struct error *error) {
    struct engine *engine = opened;
    enum status status = STATUS_OK;
    if (atomic_u64_load(&engine->broken, memory_order_relaxed) != 0) {
        status = engine->failure.status;
        if (error != NULL) {
            *error = engine->failure;
        }
    }
    engine_free_retired(engine); /* there are no readers, but upkeep is still at work */
    engine->parts->commit->close(engine->commit);    /* it may still wait for the log */
    engine->parts->horizon->let_go(engine->horizon); /* of tables that upkeep removes */
    enum status stopped = engine_stop(engine, status == STATUS_OK ? error : NULL);
    engine->parts->horizon->close(engine->horizon);
    retired_free(&engine->retired, &engine->readers); /* of what was still going on */
    view_close(atomic_pointer_load(&engine->view, memory_order_relaxed));
    version_unref(engine->version);
    table_cache_close(engine->tables);
    block_cache_close(engine->blocks);
    directory_close(&engine->directory);
    free_engine(engine);
    return status != STATUS_OK ? status : stopped;
}

enum status engine_open(const char *dir, const struct kv_options *options,
                        const struct engine_parts *parts, struct engine **out,
                        struct error *error) {
    struct engine *engine = memory_take_zeroed(sizeof *engine);
    if (engine == NULL) {
        return error_no_memory(error, "the engine", sizeof *engine);
    }
    engine->options = *options;
    engine->parts = parts;
    enum status status = init_locks(engine, error);
    if (status != STATUS_OK) {
        memory_give(engine);
        return status;
    }
    status = open_directory(engine, dir, error);
    if (status == STATUS_OK) {
        status = open_caches(engine, error);
    }
    if (status == STATUS_OK) {
        status = parts->commit->open(engine, options->world, &engine->commit, error);
    }
    if (status == STATUS_OK) {
        status = parts->horizon->open(engine, &engine->horizon, error);
    }
    if (status == STATUS_OK) {
        status = engine_start(engine, NULL, error);
    }
    if (status == STATUS_OK) {
        *out = engine;
        return STATUS_OK;
    }
    enum status closed = engine_close(engine, NULL);
    (void)closed; /* the first failure is told */
    return status;
}

/* ---- resume ---------------------------------------------------------------------- */

/* Requires to be alone. Everything is let go of as the death of the process would, except
 * what is in memory, and taken up again as an open does. Readers stay on the old view
 * until the new one is complete. */
static enum status start_anew(struct engine *engine, struct error *error) {
    enum status status = engine_stop(engine, NULL);
    (void)status; /* the failure that is being left behind */
    /* Not before: until its threads have ended, upkeep may put another in its place. */
    const struct view *kept = atomic_pointer_load(&engine->view, memory_order_relaxed);
    atomic_u64_store(&engine->broken, 0, memory_order_relaxed);
    status = directory_relist(&engine->directory, error);
    if (status == STATUS_OK) {
        status = engine_start(engine, kept, error);
    }
    return status;
}

/* Whoever asks for a resume when nothing has failed passes the gate with all others: to
 * be alone he would wait for whole compactions, and everybody else for him. */
enum status engine_resume(void *opened, struct error *error) {
    struct engine *engine = opened;
    struct error failure = {0};
    gate_enter(&engine->gate);
    enum status status = engine_usable(engine, NULL);
    gate_leave(&engine->gate);
    if (status == STATUS_OK) {
        return STATUS_OK;
    }
    gate_enter_alone(&engine->gate);
    status = engine_usable(engine, NULL);
    if (status != STATUS_OK) {
        status = start_anew(engine, &failure);
        if (status != STATUS_OK) {
            status = engine_break(engine, status, &failure);
        }
    }
    if (status != STATUS_OK && error != NULL) {
        *error = failure;
    }
    gate_leave_alone(&engine->gate);
    return status;
}
