/* A change goes in by the steps of a write buffer (write_buffer.h). What moves it on:
 *
 *   freeze    a new buffer is the active one; the log goes on in a new file
 *   flush     the oldest frozen buffer is written to a table, which is synced
 *             → the catalog names it, durably                          COMMIT POINT
 *             → the view changes: the table is in, the buffer is out
 *             → the log knows that those changes are durable
 *             → log files below those of the next buffer are removed
 *
 * A crash before the commit point leaves a temporary file and all the logs; one after it
 * leaves logs that hold nothing new. A flush that fails before the commit point has
 * changed nothing: the buffer stays frozen and is flushed again later. If the catalog
 * itself fails, nobody knows which of the two is the case; then writes are refused until
 * resume, or the next open, has found out.
 *
 * The table's sequences join those of the tables before it, since buffers are flushed in
 * the order in which they were filled, one at a time. */
#include "engine.h"

#include <assert.h>
#include <inttypes.h>

#include "engine_state.h"
#include "engine_store.h"
#include "failpoint.h"
#include "flush.h"
#include "memory.h"

/* ---- state ----------------------------------------------------------------------- */

struct view *engine_place_begin(struct engine *engine) {
    mutex_lock(&engine->placing);
    return atomic_pointer_load(&engine->view, memory_order_relaxed);
}

void engine_place_end(struct engine *engine, struct view *view) {
    struct view *old = atomic_pointer_load(&engine->view, memory_order_relaxed);
    atomic_pointer_store(&engine->view, view, memory_order_seq_cst);
    if (old != NULL) {
        retire(&engine->retired, &engine->readers, &old->retired, view_end);
    }
    failpoint_pass(view_placed);
    retired_free(&engine->retired, &engine->readers);
    mutex_unlock(&engine->placing);
}

void engine_free_retired(struct engine *engine) {
    mutex_lock(&engine->placing);
    retired_free(&engine->retired, &engine->readers);
    mutex_unlock(&engine->placing);
}

enum status engine_break(struct engine *engine, enum status status, struct error *error) {
    mutex_lock(&engine->placing);
    if (atomic_u64_load(&engine->broken, memory_order_relaxed) == 0) {
        error_set(&engine->failure, status,
                  "writes are refused until resume or reopen, since the list of tables "
                  "could not be written: %s",
                  error != NULL ? error->message : status_words(status));
        atomic_u64_store(&engine->broken, 1, memory_order_release);
    }
    mutex_unlock(&engine->placing);
    return status;
}

enum status engine_usable(struct engine *engine, struct error *error) {
    enum status status = engine_usable_catalog(engine, error);
    return status == STATUS_OK ? wal_state(engine->wal, error) : status;
}

enum status engine_usable_catalog(struct engine *engine, struct error *error) {
    if (atomic_u64_load(&engine->broken, memory_order_acquire) == 0) {
        return STATUS_OK;
    }
    mutex_lock(&engine->placing);
    enum status status = engine->failure.status;
    if (error != NULL) {
        *error = engine->failure;
    }
    mutex_unlock(&engine->placing);
    return status;
}

/* ---- freeze ---------------------------------------------------------------------- */

void engine_lock_writing(struct engine *engine) {
    mutex_lock(&engine->writing);
}

void engine_unlock_writing(struct engine *engine) {
    mutex_unlock(&engine->writing);
}

bool engine_active_full(const struct engine *engine) {
    return memtable_used(engine->active->memtable) >= engine->options.write_buffer_bytes;
}

enum status engine_freeze(struct engine *engine, struct error *error) {
    struct write_buffer *old = engine->active;
    struct write_buffer *buffer = NULL;
    uint64_t last = write_buffer_visible(old);
    if (last == old->behind) {
        return STATUS_OK;
    }
    struct view *view = view_open();
    enum status status =
        view == NULL ? error_no_memory(error, "a view", sizeof *view)
                     : write_buffer_open(UINT64_MAX, engine->options.write_buffer_bytes,
                                         last, &buffer, error);
    if (status != STATUS_OK) {
        view_close(view);
        return status;
    }
    uint64_t first_log = wal_rotate(engine->wal);
    write_buffer_start(buffer, write_buffer_freeze(old), last);
    const struct view *now = engine_place_begin(engine);
    view_add(view, buffer, first_log);
    for (size_t i = 0; i < now->buffer_count; i++) {
        view_add(view, now->buffers[i].buffer, now->buffers[i].first_log);
    }
    view_set_version(view, now->version);
    engine->active = buffer;
    engine_place_end(engine, view);
    write_buffer_unref(buffer);
    failpoint_pass(buffer_frozen);
    return STATUS_OK;
}

/* ---- flush ----------------------------------------------------------------------- */

void engine_remove_logs(struct engine *engine, uint64_t first_log) {
    struct listing listing = {0};
    const char *path = engine->directory.path;
    const struct world *world = engine->options.world;
    enum status status = listing_read(&listing, path, world, NULL);
    for (size_t i = 0; i < listing.log_count && status == STATUS_OK; i++) {
        if (listing.logs[i] < first_log) {
            status = directory_remove(path, world, NAME_LOG, listing.logs[i], NULL);
            failpoint_pass(log_removed);
        }
    }
    listing_free(&listing);
}

/* Tables of an edit that is certainly not in force: what stays would take room, perhaps
 * the very room that is missing, with each try. */
static void remove_added(struct engine *engine, const struct edit *edit) {
    static const enum name_kind kinds[] = {NAME_TEMPORARY, NAME_TABLE};
    const struct directory *directory = &engine->directory;
    for (size_t i = 0; i < 2 * edit->added_count; i++) {
        uint64_t number = edit->added[i / 2].file->meta.number;
        if (!edit_removes(edit, number)) { /* else it moves, and is in force as it was */
            enum status status = directory_remove(directory->path, directory->world,
                                                  kinds[i % 2], number, NULL);
            (void)status; /* it has one of the names; the next open removes what stays */
        }
    }
}

enum status engine_record(struct engine *engine, const struct edit *edit,
                          struct version **after, struct error *error) {
    struct version *version = NULL;
    bool begun = false;
    enum status status = engine_usable_catalog(engine, error);
    if (status == STATUS_OK) {
        status = version_apply(engine->version, edit, &version, error);
    }
    if (status == STATUS_OK) {
        status =
            engine->parts->catalog->apply(engine->catalog, edit, version, &begun, error);
    }
    if (status == STATUS_OK) {
        *after = version;
        return STATUS_OK;
    }
    version_unref(version);
    if (begun) {
        return engine_break(engine, status, error);
    }
    remove_added(engine, edit);
    return status;
}

enum status engine_install(struct engine *engine, const struct edit *edit,
                           const struct write_buffer *flushed, struct error *error) {
    struct version *version = NULL;
    struct view *view = view_open();
    if (view == NULL) {
        remove_added(engine, edit);
        return error_no_memory(error, "a view", sizeof *view);
    }
    mutex_lock(&engine->editing);
    enum status status = engine_record(engine, edit, &version, error);
    if (status != STATUS_OK) {
        mutex_unlock(&engine->editing);
        view_close(view);
        return status;
    }
    failpoint_pass(edit_recorded_not_placed);
    if (engine->parts->upkeep->installed != NULL) {
        engine->parts->upkeep->installed(engine->upkeep, edit, version);
    }
    const struct view *now = engine_place_begin(engine);
    for (size_t i = 0; i < now->buffer_count; i++) {
        if (now->buffers[i].buffer != flushed) {
            view_add(view, now->buffers[i].buffer, now->buffers[i].first_log);
        }
    }
    view_set_version(view, version);
    engine_place_end(engine, view);
    version_unref(engine->version);
    engine->version = version;
    mutex_unlock(&engine->editing);
    return STATUS_OK;
}

/* Requires flushing. */
static enum status flush(struct engine *engine, struct write_buffer *buffer,
                         uint64_t first_log, struct edit *edit, struct error *error) {
    struct table_file *file = NULL;
    const struct clock *clock = engine->options.world->clock;
    uint64_t begun = clock_monotonic_micros(clock);
    edit->log_number = first_log;
    edit->last_sequence = write_buffer_visible(buffer);
    enum status status =
        flush_memtable(&engine->directory, &engine->options, buffer->memtable,
                       buffer->behind, edit->last_sequence, &file, error);
    if (status == STATUS_OK) {
        status = edit_add(edit, 0, file) == STATUS_OK
                     ? engine_install(engine, edit, buffer, error)
                     : error_no_memory(error, "an edit", sizeof *edit);
    }
    if (status == STATUS_OK) {
        engine_count(&engine->flushes, 1);
        engine_count(&engine->flush_bytes, file->meta.bytes);
        engine_count(&engine->flush_micros, clock_monotonic_micros(clock) - begun);
        enum status closed =
            wal_forget(engine->wal, edit->last_sequence, first_log, NULL);
        (void)closed; /* nothing is left in those logs that could be lost */
        engine_remove_logs(engine, first_log);
    }
    table_file_unref(file);
    return status;
}

/* Requires flushing, which keeps it where it is; NULL if none is frozen. *first_log is
 * that of the buffer after it. */
static struct write_buffer *oldest_frozen(struct engine *engine, uint64_t *first_log) {
    struct write_buffer *oldest = NULL;
    const struct view *view = engine_place_begin(engine);
    size_t count = view->buffer_count;
    if (count > 1) {
        oldest = view->buffers[count - 1].buffer;
        *first_log = view->buffers[count - 2].first_log;
    }
    mutex_unlock(&engine->placing);
    return oldest;
}

enum status engine_flush_oldest(struct engine *engine, struct edit *edit,
                                struct error *error) {
    uint64_t first_log;
    mutex_lock(&engine->flushing);
    struct write_buffer *oldest = oldest_frozen(engine, &first_log);
    enum status status =
        oldest == NULL ? STATUS_OK : flush(engine, oldest, first_log, edit, error);
    mutex_unlock(&engine->flushing);
    if (status != STATUS_OK) {
        edit_free(edit);
    }
    return status;
}

struct engine_buffers engine_buffers(struct engine *engine) {
    const struct view *view = engine_place_begin(engine);
    const struct write_buffer *oldest = view->buffers[view->buffer_count - 1].buffer;
    struct engine_buffers buffers = {.frozen = view->buffer_count - 1,
                                     .flushed = oldest->behind,
                                     .frozen_to = view->buffers[0].buffer->behind};
    mutex_unlock(&engine->placing);
    return buffers;
}

struct version *engine_version(struct engine *engine) {
    struct version *version = engine_place_begin(engine)->version;
    version_ref(version);
    mutex_unlock(&engine->placing);
    return version;
}

uint64_t engine_visible(struct engine *engine) {
    uint64_t visible =
        write_buffer_visible(engine_place_begin(engine)->buffers[0].buffer);
    mutex_unlock(&engine->placing);
    return visible;
}

void engine_attend(struct engine *engine, bool always) {
    atomic_u64_store(&engine->attended, always, memory_order_relaxed);
}

/* ---- write ----------------------------------------------------------------------- */

/* Of each change in the group: what it takes is its own, and not that of its company. */
static enum status check_costs(struct engine *engine, const struct change_group *group,
                               struct error *error) {
    const struct kv_op *ops = group->ops;
    for (size_t i = 0; i < group->changes; ops += group->op_counts[i++]) {
        uint64_t cost = memtable_cost(engine->active->memtable, ops, group->op_counts[i]);
        if (cost > engine->options.memory_bytes) {
            return error_set(error, STATUS_LIMIT,
                             "the change takes %" PRIu64
                             " bytes of memory, more than memory-bytes, %" PRIu64,
                             cost, engine->options.memory_bytes);
        }
    }
    return STATUS_OK;
}

static enum status make_room(struct engine *engine, const struct change_group *group,
                             bool may_wait, struct error *error) {
    enum status status = check_costs(engine, group, error);
    if (status == STATUS_OK &&
        (atomic_u64_load(&engine->attended, memory_order_relaxed) != 0 ||
         engine_active_full(engine))) {
        uint64_t bytes = change_user_bytes(group->ops, group->op_count);
        status = engine->parts->upkeep->make_room(engine->upkeep, bytes, may_wait, error);
    }
    return status;
}

enum status engine_take_in(struct engine *engine, const struct change_group *group,
                           bool may_wait, uint64_t *sequence, struct error *error) {
    struct memtable_room room;
    const struct kv_op *ops = group->ops;
    *sequence = 0;
    enum status status = engine_usable(engine, error);
    if (status == STATUS_OK) {
        status = make_room(engine, group, may_wait, error);
    }
    if (status != STATUS_OK) {
        return status;
    }
    struct write_buffer *buffer = engine->active; /* another one, perhaps */
    status = write_buffer_reserve(buffer, ops, group->op_count, &room, error);
    if (status != STATUS_OK) {
        return status;
    }
    status = write_buffer_append(buffer, group, sequence, error);
    if (status != STATUS_OK) {
        memtable_give_back(buffer->memtable, &room);
        return status;
    }
    write_buffer_insert(buffer, &room, ops, group->op_count, *sequence);
    write_buffer_publish(buffer, *sequence);
    engine_count(&engine->writes, group->changes);
    engine_count(&engine->write_ops, group->op_count);
    engine_count(&engine->write_bytes, change_user_bytes(ops, group->op_count));
    failpoint_pass(buffer_visible_not_synced);
    return STATUS_OK;
}

enum status engine_before(struct engine *engine, enum durability durability,
                          struct error *error) {
    enum status status = engine_usable(engine, error);
    if (status == STATUS_OK && durability == DURABILITY_INTERVAL) {
        status = syncer_start(engine->syncer, error);
    }
    return status;
}

enum status engine_await(struct engine *engine, uint64_t sequence,
                         enum durability durability, struct error *error) {
    switch (durability) {
    case DURABILITY_ALWAYS:
        return wal_sync(engine->wal, sequence, error);
    case DURABILITY_INTERVAL:
        return syncer_admit(engine->syncer, sequence, error);
    case DURABILITY_DEFAULT:
    case DURABILITY_NONE:
        break;
    }
    return STATUS_OK;
}

enum status engine_write(void *opened, const struct kv_op *ops, size_t count,
                         const struct kv_write_options *how, uint64_t *sequence,
                         struct error *error) {
    struct engine *engine = opened;
    gate_enter(&engine->gate);
    enum status status =
        engine->parts->commit->write(engine->commit, ops, count, how, sequence, error);
    gate_leave(&engine->gate);
    return status;
}

enum status engine_sync(void *opened, struct error *error) {
    struct engine *engine = opened;
    gate_enter(&engine->gate);
    enum status status = engine_usable(engine, error);
    if (status == STATUS_OK) {
        struct wal_progress now;
        wal_progress(engine->wal, &now);
        status = wal_sync(engine->wal, now.written, error);
        if (status == STATUS_OK) {
            status = wal_state(engine->wal, error);
        }
    }
    gate_leave(&engine->gate);
    return status;
}

enum status engine_flush(void *opened, struct error *error) {
    struct engine *engine = opened;
    gate_enter(&engine->gate);
    engine_lock_writing(engine);
    const struct upkeep_ops *upkeep = engine->parts->upkeep;
    enum status status = engine_usable(engine, error);
    /* Where flushes fail, or many ask for one, each would add a buffer. */
    if (status == STATUS_OK &&
        engine_buffers(engine).frozen + 1 >= engine->options.write_buffers) {
        status = upkeep->flush(engine->upkeep, error);
    }
    if (status == STATUS_OK) {
        status = engine_freeze(engine, error);
    }
    engine_unlock_writing(engine);
    if (status == STATUS_OK) {
        status = upkeep->flush(engine->upkeep, error);
    }
    gate_leave(&engine->gate);
    return status;
}
