/* A list of the snapshots that are held, oldest first. What it rests on:
 *
 *   take      lock · the last visible sequence is read, and listed · unlock
 *   compact   a version is chosen from · lock · the list is copied · unlock · old
 *             versions are dropped that no sequence of the copy needs
 *
 * A snapshot that the copy does not have was listed after it, so its sequence was read
 * after it too, since both happen under one lock; and so after the version was there. All
 * that a version's tables hold was visible before it got there. So the snapshot is no
 * older than anything that is being merged: of each key it needs the newest, which stays.
 * If the sequence were read before the lock, a write, a flush and the copy could come in
 * between, and the compaction would drop what the snapshot then looks for.
 *
 * What a snapshot needs is in every view from its taking on: buffers keep all versions,
 * a flush writes all of them down, compactions keep the list's. So a read at a snapshot
 * looks at the view of its own time, whichever that is, and takes versions up to the
 * sequence.
 *
 * An erasure (stage 08) takes all out of the view. The snapshots that are held then part
 * with it: each gets the view of before, its past, which holds buffers and tables. That
 * and the placing of the empty view are one step under the lock: a snapshot that is taken
 * before it parts, too, and one that is taken after it sees nothing of before. From then
 * on it wants nothing of what others read, and compactions need not know of it.
 *
 * Sequences come in order, as long as the engine's do; all the same each is put behind
 * those that are no greater. */
#include "snapshots.h"

#include "commit_group.h"
#include "engine_state.h"
#include "memory.h"

struct snapshots;

struct past {
    struct view *view;
    size_t snapshots; /* guarded by the list's lock */
};

struct snapshot {
    struct kv_snapshot shared; /* first: a kv_snapshot is converted to its snapshot */
    struct snapshots *list;    /* whose lock guards what follows */
    struct snapshot *older, *newer; /* NULL: there is none */
    struct past *past;              /* NULL: it looks at the present */
    uint64_t taken_micros;          /* monotonic */
};

struct snapshots {
    struct engine *engine;
    struct mutex lock; /* for moments; engine.placing is taken within it */
    /* guarded by lock */
    struct snapshot *oldest, *newest; /* NULL: there is none */
    size_t count;
    struct past *doubt; /* of an erasure that may come to light; NULL: there is none */
    uint64_t doubt_sequence; /* the last one that it shows */
};

/* ---- the list -------------------------------------------------------------------- */

/* Requires lock. */
static void insert(struct snapshots *list, struct snapshot *snapshot) {
    struct snapshot *older = list->newest;
    while (older != NULL && older->shared.sequence > snapshot->shared.sequence) {
        older = older->older;
    }
    snapshot->older = older;
    snapshot->newer = older == NULL ? list->oldest : older->newer;
    *(older == NULL ? &list->oldest : &older->newer) = snapshot;
    *(snapshot->newer == NULL ? &list->newest : &snapshot->newer->older) = snapshot;
    list->count++;
}

/* Requires lock. */
static void unlink_snapshot(struct snapshots *list, struct snapshot *snapshot) {
    struct snapshot *older = snapshot->older;
    struct snapshot *newer = snapshot->newer;
    *(older == NULL ? &list->oldest : &older->newer) = newer;
    *(newer == NULL ? &list->newest : &newer->older) = older;
    list->count--;
}

/* Requires lock. */
static void look_back(struct snapshot *snapshot, struct past *past) {
    snapshot->past = past;
    past->snapshots++;
    atomic_pointer_store(&snapshot->shared.view, past->view, memory_order_release);
}

/* Requires lock. Answers the past, for past_close, if nobody else has it. */
static struct past *end_doubt(struct snapshots *list) {
    struct past *past = list->doubt;
    list->doubt = NULL;
    return past != NULL && --past->snapshots == 0 ? past : NULL;
}

enum status engine_snapshot_take(void *opened, struct kv_snapshot **out,
                                 struct error *error) {
    struct engine *engine = opened;
    struct snapshots *list = engine->horizon;
    struct snapshot *snapshot = memory_take_zeroed(sizeof *snapshot);
    if (snapshot == NULL) {
        return error_no_memory(error, "a snapshot", sizeof *snapshot);
    }
    snapshot->shared.store = engine;
    snapshot->list = list;
    mutex_lock(&list->lock);
    struct past *over = engine_usable_catalog(engine, NULL) == STATUS_OK
                            ? end_doubt(list) /* a resume has shown what is there */
                            : NULL;
    if (list->doubt != NULL) { /* and goes by that, should a resume end just now */
        look_back(snapshot, list->doubt);
        snapshot->shared.sequence = list->doubt_sequence;
    } else {
        snapshot->shared.sequence = engine_visible(engine);
    }
    snapshot->taken_micros = clock_monotonic_micros(engine->options.world->clock);
    insert(list, snapshot);
    mutex_unlock(&list->lock);
    past_close(over);
    *out = &snapshot->shared;
    return STATUS_OK;
}

/* Requires lock. Answers the past, for past_close, if nobody else has it. */
static struct past *let_go_of_past(struct snapshot *snapshot) {
    struct past *past = snapshot->past;
    snapshot->past = NULL;
    return past != NULL && --past->snapshots == 0 ? past : NULL;
}

void engine_snapshot_release(struct kv_snapshot *shared) {
    struct snapshot *snapshot = (struct snapshot *)shared;
    if (shared->store != NULL) {
        mutex_lock(&snapshot->list->lock);
        unlink_snapshot(snapshot->list, snapshot);
        struct past *past = let_go_of_past(snapshot);
        mutex_unlock(&snapshot->list->lock);
        past_close(past);
    }
    memory_give(snapshot);
}

/* ---- the past -------------------------------------------------------------------- */

enum status past_open(struct engine *engine, struct past **out, struct error *error) {
    struct past *past = memory_take_zeroed(sizeof *past);
    struct view *view = view_open();
    if (past == NULL || view == NULL) {
        memory_give(past);
        view_close(view);
        return error_no_memory(error, "a view", sizeof *view);
    }
    const struct view *now = engine_place_begin(engine);
    for (size_t i = 0; i < now->buffer_count; i++) {
        view_add(view, now->buffers[i].buffer, now->buffers[i].first_log);
    }
    view_set_version(view, now->version);
    mutex_unlock(&engine->placing);
    past->view = view;
    *out = past;
    return STATUS_OK;
}

void past_close(struct past *past) {
    if (past != NULL) {
        view_close(past->view);
        memory_give(past);
    }
}

void snapshots_part_begin(struct engine *engine, struct past *past) {
    struct snapshots *list = engine->horizon;
    mutex_lock(&list->lock);
    for (struct snapshot *at = list->oldest; at != NULL; at = at->newer) {
        if (at->past == NULL) {
            look_back(at, past);
        }
    }
}

void snapshots_part_end(struct engine *engine, struct past *past) {
    struct snapshots *list = engine->horizon;
    bool wanted = past->snapshots > 0;
    mutex_unlock(&list->lock);
    if (!wanted) {
        past_close(past);
    }
}

void snapshots_part_in_doubt(struct engine *engine, struct past *past,
                             uint64_t sequence) {
    struct snapshots *list = engine->horizon;
    snapshots_part_begin(engine, past);
    struct past *over = end_doubt(list);
    past->snapshots++;
    list->doubt = past;
    list->doubt_sequence = sequence;
    mutex_unlock(&list->lock);
    past_close(over);
}

/* ---- the horizon ----------------------------------------------------------------- */

static enum status snapshots_open(struct engine *engine, void **horizon,
                                  struct error *error) {
    struct snapshots *list = memory_take_zeroed(sizeof *list);
    if (list == NULL ||
        mutex_init(&list->lock, engine->options.world->threads) != STATUS_OK) {
        memory_give(list);
        return error_no_memory(error, "the list of snapshots", sizeof *list);
    }
    list->engine = engine;
    *horizon = list;
    return STATUS_OK;
}

/* Requires lock. */
static void copy_distinct(const struct snapshots *list, uint64_t *sequences,
                          size_t *count) {
    *count = 0;
    for (const struct snapshot *at = list->oldest; at != NULL; at = at->newer) {
        if (at->past == NULL &&
            (*count == 0 || sequences[*count - 1] != at->shared.sequence)) {
            sequences[(*count)++] = at->shared.sequence;
        }
    }
}

static enum status snapshots_sequences(void *horizon, uint64_t **sequences, size_t *count,
                                       struct error *error) {
    struct snapshots *list = horizon;
    uint64_t *copy = NULL;
    mutex_lock(&list->lock);
    size_t bytes = list->count * sizeof *copy;
    *count = 0;
    if (bytes > 0) {
        copy = memory_take(bytes);
    }
    if (copy != NULL) {
        copy_distinct(list, copy, count);
    }
    mutex_unlock(&list->lock);
    if (copy == NULL && bytes > 0) {
        return error_no_memory(error, "a copy of the list of snapshots", bytes);
    }
    *sequences = copy;
    return STATUS_OK;
}

/* Those that are still held say so when they are read at. */
static void snapshots_let_go(void *horizon) {
    struct snapshots *list = horizon;
    if (list == NULL) {
        return;
    }
    mutex_lock(&list->lock);
    for (struct snapshot *at = list->oldest; at != NULL; at = at->newer) {
        at->shared.store = NULL;
        past_close(let_go_of_past(at));
    }
    list->oldest = list->newest = NULL;
    list->count = 0;
    struct past *over = end_doubt(list);
    mutex_unlock(&list->lock);
    past_close(over);
}

static void snapshots_close(void *horizon) {
    struct snapshots *list = horizon;
    if (list != NULL) {
        mutex_free(&list->lock);
        memory_give(list);
    }
}

const struct horizon_ops horizon_snapshots = {snapshots_open, snapshots_sequences,
                                              snapshots_let_go, snapshots_close};

/* ---- statistics ------------------------------------------------------------------ */

void engine_stats_snapshots(void *opened, struct kv_stats *stats) {
    struct engine *engine = opened;
    struct snapshots *list = engine->horizon;
    engine_stats_grouped(engine, stats);
    uint64_t now = clock_monotonic_micros(engine->options.world->clock);
    mutex_lock(&list->lock);
    stats->snapshots = list->count;
    if (list->oldest != NULL) {
        uint64_t taken = list->oldest->taken_micros;
        stats->snapshot_oldest_sequence = list->oldest->shared.sequence;
        stats->snapshot_oldest_micros = now > taken ? now - taken : 0;
    }
    mutex_unlock(&list->lock);
}
