/* What an engine consists of, for engine*.c. */
#ifndef STRATA_ENGINE_STATE_H
#define STRATA_ENGINE_STATE_H

#include "block_cache.h"
#include "engine.h"
#include "gate.h"
#include "recover.h"
#include "syncer.h"
#include "table_cache.h"
#include "view.h"

/* What lookups met in tables (search_key.h), counted apart for each slot of readers, so
 * that readers on different cores do not slow each other. */
struct read_counts {
    struct atomic_u64 filters_asked;
    struct atomic_u64 filters_denied;
    struct atomic_u64 blocks_searched;
    unsigned char unused[READER_SLOT_BYTES - 3 * sizeof(struct atomic_u64)];
};

struct engine {
    struct readers readers;
    struct read_counts read_counts[READER_SLOTS];
    struct atomic_pointer view; /* read between readers_enter and readers_leave, or
                                   under placing; replaced by engine_place_end only */
    struct atomic_u64 scans;
    struct atomic_u64 foresights; /* readers who looked up nothing */
    struct atomic_u64 attended;   /* 1: each change asks upkeep to make room */
    struct atomic_u64 broken;     /* 1: the catalog failed; `failure` says how */

    const struct engine_parts *parts;
    struct directory directory;
    struct kv_options options;
    struct block_cache *blocks;
    struct table_cache *tables;
    void *horizon;
    struct gate gate;

    /* Changed alone in the gate, or by open and close; read by those who entered. */
    void *catalog, *commit, *upkeep;
    struct wal *wal; /* the active buffer's; NULL: the last resume failed */
    struct syncer *syncer;
    struct recovery recovery;
    struct wal_progress last; /* as it was before the last resume */

    struct mutex writing;
    /* guarded by writing; counts are read by anyone, as a stalled writer holds it */
    struct write_buffer *active; /* the view's first */
    struct atomic_u64 writes, write_ops, write_bytes;

    struct mutex flushing; /* held across a flush: buffers leave in their order */
    /* guarded by flushing; counts are read by anyone */
    struct atomic_u64 flushes, flush_bytes, flush_micros;

    struct mutex editing; /* held while an edit is put in force: one after the other */
    /* guarded by editing */
    struct version *version; /* the view's; a reference of the engine's own */

    struct mutex placing; /* for moments only */
    /* guarded by placing */
    struct retired *retired;
    struct error failure;
};

/* Requires the lock that guards the count: nobody else adds to it. */
static inline void engine_count(struct atomic_u64 *count, uint64_t more) {
    uint64_t before = atomic_u64_load(count, memory_order_relaxed);
    atomic_u64_store(count, before + more, memory_order_relaxed);
}

/* Replaces the present view: begin answers it, and nobody else replaces it until end,
 * which puts the view that was made of it in its place and retires it. */
struct view *engine_place_begin(struct engine *engine);
void engine_place_end(struct engine *engine, struct view *view);

/* Frees views that were replaced and that no reader is on any more. */
void engine_free_retired(struct engine *engine);

/* What a reader looks at who has entered: the present view, or that which his snapshot
 * has. In this order: a snapshot gets its view before another one is placed that has not
 * got what it sees. */
static inline const struct view *engine_view(struct engine *engine,
                                             const struct kv_snapshot *snapshot) {
    const struct view *view = atomic_pointer_load(&engine->view, memory_order_seq_cst);
    const struct view *own = NULL;
    if (snapshot != NULL) {
        own = atomic_pointer_load(&snapshot->view, memory_order_acquire);
    }
    return own != NULL ? own : view;
}

/* What a reader on this view sees: all, or what the snapshot does. */
uint64_t engine_sequence(const struct view *view, const struct kv_snapshot *snapshot);

/* The newest version of the key that a reader of that sequence sees in the view. The
 * caller has entered by the slot. With no_wait STALLED rather than reading a file. */
MUST_CHECK enum status engine_get_from_view(struct engine *engine,
                                            const struct reader_slot *slot,
                                            const struct view *view, struct slice key,
                                            uint64_t sequence, bool no_wait,
                                            struct buf *value, enum lookup *answer,
                                            struct error *error);

/* Requires editing. Makes *after of the present version and the edit, and records it:
 * from then on it is durably in force. After an error as engine_install. */
MUST_CHECK enum status engine_record(struct engine *engine, const struct edit *edit,
                                     struct version **after, struct error *error);

/* Remembers why writes are refused from now on, until a resume. */
enum status engine_break(struct engine *engine, enum status status, struct error *error);

/* OK, or what writes are refused with. */
MUST_CHECK enum status engine_usable(struct engine *engine, struct error *error);

/* The same for the catalog alone, without which no edit can be put in force. */
MUST_CHECK enum status engine_usable_catalog(struct engine *engine, struct error *error);

/* Everything from the directory to a view that takes writes: the second half of open and
 * of resume (engine_recover.c). `kept`, if not NULL, is a view whose buffers hold what
 * was acknowledged: it is moved into tables first. */
MUST_CHECK enum status engine_start(struct engine *engine, const struct view *kept,
                                    struct error *error);

/* Lets go of the log, the catalog and their threads. */
MUST_CHECK enum status engine_stop(struct engine *engine, struct error *error);

/* Removes logs below `first_log`. What cannot be removed is left for the next time. */
void engine_remove_logs(struct engine *engine, uint64_t first_log);

#endif
