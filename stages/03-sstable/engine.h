/* The engine: write buffers in front, tables behind, and what moves data from one to the
 * other. Its parts are chosen by a stage's store.c:
 *
 *     catalog    which tables are the database       (catalog.h)
 *     commit     how a change goes in                (commit.h)
 *     upkeep     who flushes, and when               (upkeep.h)
 *     horizon    which old versions somebody needs   (horizon.h)
 *     filter     which values are as good as deleted (value_filter.h)
 *
 * Threads: any number. Readers take no lock and wait for nobody.
 *
 * Locks, in the order in which they are taken: gate (entered), writing, what upkeep has,
 * flushing, editing, what the wal or the horizon has, placing. Upkeep is told of edits
 * under editing: there it takes none of those before. */
#ifndef STRATA_ENGINE_H
#define STRATA_ENGINE_H

#include "catalog.h"
#include "change.h"
#include "commit.h"
#include "horizon.h"
#include "stage.h"
#include "upkeep.h"
#include "value_filter.h"

struct engine;
struct write_buffer;

struct engine_parts {
    const struct catalog_ops *catalog;
    const struct commit_ops *commit;
    const struct upkeep_ops *upkeep;
    const struct horizon_ops *horizon;
    const struct value_filter_ops *filter;
};

/* As store_ops.open; a store's other functions are those of engine_store.h. */
MUST_CHECK enum status engine_open(const char *dir, const struct kv_options *options,
                                   const struct engine_parts *parts,
                                   struct engine **engine, struct error *error);

/* ---- for the tenants of commit --------------------------------------------------- */

/* Held by who puts changes into the active buffer, or freezes it: the writer's own lock,
 * held across its I/O. */
void engine_lock_writing(struct engine *engine);
void engine_unlock_writing(struct engine *engine);

/* Requires writing. Makes room, logs the changes, inserts them and makes them visible,
 * all of them or none. *sequence, the last one, as in wal_append_group. Unless it may
 * wait, STALLED where there is no room at once. LIMIT: one of them is too large. */
MUST_CHECK enum status engine_take_in(struct engine *engine,
                                      const struct change_group *group, bool may_wait,
                                      uint64_t *sequence, struct error *error);

/* Before a change of this durability is taken in. */
MUST_CHECK enum status engine_before(struct engine *engine, enum durability durability,
                                     struct error *error);

/* Waits until the change that ends with `sequence` is as durable as asked. */
MUST_CHECK enum status engine_await(struct engine *engine, uint64_t sequence,
                                    enum durability durability, struct error *error);

/* ---- for the tenants of upkeep --------------------------------------------------- */

/* Requires writing. Another buffer becomes the active one; does nothing if the active one
 * is empty. */
MUST_CHECK enum status engine_freeze(struct engine *engine, struct error *error);

/* Moves the oldest frozen buffer into a table, and fills *edit, which is empty, with what
 * is in force now; nothing, if none was frozen. After a failure the buffer stays, and the
 * next call begins with it again. Any thread; one at a time gets on. */
MUST_CHECK enum status engine_flush_oldest(struct engine *engine, struct edit *edit,
                                           struct error *error);

/* Puts an edit in force, durably, and before readers' eyes: its tables come and go in one
 * step, and `flushed`, a frozen buffer that they hold, goes with it (NULL: none). After
 * an error nothing has changed, and its new tables are removed; or the engine is broken,
 * and nobody knows. Any thread. */
MUST_CHECK enum status engine_install(struct engine *engine, const struct edit *edit,
                                      const struct write_buffer *flushed,
                                      struct error *error);

/* The tables of this moment; the caller's reference. */
struct version *engine_version(struct engine *engine);

/* The buffers of this moment. */
struct engine_buffers {
    size_t frozen;
    uint64_t flushed;   /* last sequence of what tables hold */
    uint64_t frozen_to; /* last sequence of what tables and frozen buffers hold */
};
struct engine_buffers engine_buffers(struct engine *engine);

/* Whether each change asks upkeep to make room, also where the active buffer has some. */
void engine_attend(struct engine *engine, bool always);

/* Requires writing. Whether the active buffer is full. */
bool engine_active_full(const struct engine *engine);

/* ---- for the tenants of horizon -------------------------------------------------- */

/* The last change that a reader sees who begins now. Any thread. */
uint64_t engine_visible(struct engine *engine);

#endif
