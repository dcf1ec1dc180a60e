/* The life of a writer in the queue:
 *
 *     WAITS ──is first in the queue──▶ LEADS
 *       ├──was taken along, and its outcome is known──▶ DONE
 *       └──was taken along by a leader that needs no sync──▶ SYNCS
 *
 * There is one leader at a time, from its promotion until its group has left the queue;
 * only it takes the engine's `writing`. Of those in the group that wait for the disk one
 * syncs for all: the leader, or, if that has no need to, the first that has. Whoever
 * syncs has left the queue, so that the next leader writes meanwhile.
 *
 * Why a leader holds off. Its sync could not begin before the one that is under way has
 * ended, so until then it may as well let others join; and those who are told by that one
 * often come back at once: if it did not wait for them, each sync would be for half of
 * them. So it waits, for as many as were told, no longer than their sync took, or a
 * millisecond; and not at all once there is somebody who does not wait for the disk, or as much
 * as a group may take. One writer alone never waits: with it, the one who was told is
 * there.
 *
 * Each writer sleeps on a lock of its own, and is told while the queue's lock is free: of
 * those who wake at the same time none stands in another's way. A writer is on its
 * caller's stack: once it is DONE, and its lock is free, nobody else touches it.
 *
 * tidy: long because the queue, its groups and who leads them are one argument. */
#include "commit_group.h"

#include <assert.h>

#include "acknowledger.h"
#include "engine_state.h"
#include "engine_store.h"
#include "failpoint.h"
#include "memory.h"
#include "upkeep_threads.h"

enum {
    GROUP_BYTES_MAX = 1024 * 1024,
    SMALL_BYTES = 128 * 1024, /* a leader with no more takes no more than this along */
    GROUP_CHANGES_MAX = 128,
    HOLD_MICROS_MAX = 1000
};

enum place { WAITS, LEADS, SYNCS, DONE };

struct writer {
    struct writer *next; /* in the queue; later among those who are told together */
    const struct kv_op *ops;
    size_t count;
    uint64_t bytes;
    enum durability durability;
    bool no_wait;
    struct submission *submission; /* NULL: the caller waits for what it asked for */

    /* its leader's, or of who syncs for it, until it is DONE */
    uint64_t sequence;
    enum status status;
    struct error *error; /* the caller's; may be NULL */

    bool waits;        /* in the queue, and so has a lock */
    struct mutex lock; /* taken last */
    struct condition woken;
    enum place place; /* guarded by lock */
};

struct commit {
    struct engine *engine;
    const struct world *world;
    struct acknowledger *acknowledger;
    struct mutex lock;        /* of the queue; for moments */
    struct condition company; /* the leader waits for it */
    /* guarded by lock */
    struct writer *first; /* NULL: nobody is there */
    struct writer *last;
    size_t queued;
    uint64_t queued_bytes;
    size_t impatient; /* of them, those who wait for no sync */
    bool holding;     /* the leader waits for company */
    bool stalled;     /* the leader waits for a flush or a compaction */
    size_t syncing;
    size_t synced;          /* so many were told by the last sync, … */
    uint64_t synced_micros; /* … at that time; */
    uint64_t hold_micros;   /* a leader waits so long for them to come back */
    uint64_t groups, largest;

    /* the leader's, while it leads */
    struct kv_op *ops;
    size_t ops_room;
    size_t op_counts[GROUP_CHANGES_MAX];
};

static enum status lock_init(struct mutex *lock, struct condition *condition,
                             const struct threads *threads) {
    enum status status = mutex_init(lock, threads);
    if (status == STATUS_OK) {
        status = condition_init(condition, threads);
        if (status != STATUS_OK) {
            mutex_free(lock);
        }
    }
    return status;
}

/* ---- the queue ------------------------------------------------------------------- */

static bool is_impatient(const struct writer *writer) {
    return writer->durability != DURABILITY_ALWAYS || writer->submission != NULL ||
           writer->no_wait;
}

/* Requires lock. Whether a leader waits for more. */
static bool may_hold(const struct commit *commit) {
    return (commit->syncing > 0 || commit->queued < commit->synced) &&
           commit->impatient == 0 && commit->queued < GROUP_CHANGES_MAX &&
           commit->queued_bytes <= SMALL_BYTES;
}

/* Requires lock. */
static void push(struct commit *commit, struct writer *writer) {
    commit->queued++;
    commit->queued_bytes += writer->bytes;
    commit->impatient += is_impatient(writer);
    if (commit->first == NULL) {
        commit->first = writer;
    } else {
        commit->last->next = writer;
    }
    commit->last = writer;
    if (commit->holding && !may_hold(commit)) {
        condition_signal(&commit->company);
    }
}

/* Requires lock, which it gives up while it waits, and to lead. */
static void hold_off(struct commit *commit) {
    commit->holding = true;
    bool in_time = true;
    while (in_time && may_hold(commit)) {
        if (commit->syncing > 0) {
            condition_wait(&commit->company, &commit->lock);
        } else {
            in_time = condition_wait_until(&commit->company, &commit->lock,
                                           commit->synced_micros + commit->hold_micros);
        }
    }
    commit->holding = false;
}

/* Requires that the writer waits. */
static void wake(struct writer *writer, enum place place) {
    mutex_lock(&writer->lock);
    writer->place = place;
    condition_signal(&writer->woken);
    mutex_unlock(&writer->lock);
}

/* ---- a group --------------------------------------------------------------------- */

/* Requires lock, and to lead. How many go together, the leader with them. */
static size_t size_up(const struct commit *commit) {
    const struct writer *writer = commit->first;
    bool waits = !writer->no_wait;
    uint64_t most =
        writer->bytes <= SMALL_BYTES ? writer->bytes + SMALL_BYTES : GROUP_BYTES_MAX;
    uint64_t bytes = writer->bytes;
    size_t count = 1;
    while (count < GROUP_CHANGES_MAX && writer->next != NULL &&
           !writer->next->no_wait == waits && bytes + writer->next->bytes <= most) {
        writer = writer->next;
        bytes += writer->bytes;
        count++;
    }
    return count;
}

static size_t count_ops(const struct writer *writer, size_t changes) {
    size_t count = 0;
    for (size_t i = 0; i < changes; i++, writer = writer->next) {
        count += writer->count;
    }
    return count;
}

/* Puts the operations of all one behind the other. A group without memory for that is its
 * leader alone. */
static struct change_group gather(struct commit *commit, const struct writer *leader,
                                  size_t changes) {
    size_t count = changes > 1 ? count_ops(leader, changes) : 0;
    if (count > commit->ops_room) {
        struct kv_op *ops = memory_resize(commit->ops, count * sizeof *ops);
        if (ops != NULL) {
            commit->ops = ops;
            commit->ops_room = count;
        }
    }
    if (changes == 1 || count > commit->ops_room) {
        commit->op_counts[0] = leader->count;
        return (struct change_group){leader->ops, leader->count, commit->op_counts, 1};
    }
    struct kv_op *to = commit->ops;
    for (size_t i = 0; i < changes; i++, leader = leader->next) {
        memcpy(to, leader->ops, leader->count * sizeof *to);
        to += leader->count;
        commit->op_counts[i] = leader->count;
    }
    return (struct change_group){commit->ops, count, commit->op_counts, changes};
}

/* Requires lock, and to lead. The group leaves the queue, and whoever is first in it then
 * leads from here on. */
static void leave(struct commit *commit, const struct change_group *group) {
    struct writer *last = commit->first;
    commit->queued -= group->changes;
    for (size_t i = 0; i < group->changes; i++) {
        last = i == 0 ? last : last->next;
        commit->queued_bytes -= last->bytes;
        commit->impatient -= is_impatient(last);
    }
    commit->first = last->next;
    last->next = NULL;
    if (commit->first != NULL) {
        wake(commit->first, LEADS);
    }
}

/* Tells all in the list how it ended; `self` is the one whose call this is. */
static void tell(struct writer *writer, const struct writer *self, enum status status,
                 const struct error *error) {
    while (writer != NULL) {
        struct writer *next = writer->next; /* it may be gone once it is told */
        writer->status = status;
        if (status != STATUS_OK && writer->error != NULL) {
            *writer->error = *error;
        }
        if (writer != self) {
            wake(writer, DONE);
        }
        writer = next;
    }
}

/* Requires lock, in the order of groups: so submissions go on in that of sequences. */
static void hand_over(struct commit *commit, struct writer *writer) {
    writer->submission->sequence = writer->sequence;
    writer->submission->durability = writer->durability;
    acknowledger_add(commit->acknowledger, writer->submission);
}

/* Requires lock. Gives each of the group its sequence, and parts those that wait for a
 * sync from those that are done. `last` is the group's last sequence; 0: it was issued
 * none. */
static void deal(struct commit *commit, struct writer *writer,
                 const struct change_group *group, uint64_t last, enum status status,
                 struct writer **waiting, struct writer **done) {
    uint64_t sequence = last == 0 ? 0 : last - group->op_count;
    for (; writer != NULL; writer = writer->next) {
        sequence += last == 0 ? 0 : writer->count;
        writer->sequence = sequence;
        bool submitted = writer->submission != NULL;
        if (status == STATUS_OK && submitted) {
            hand_over(commit, writer);
        }
        if (status == STATUS_OK && !submitted &&
            writer->durability == DURABILITY_ALWAYS) {
            *waiting = writer;
            waiting = &writer->next;
        } else {
            *done = writer;
            done = &writer->next;
        }
    }
    *waiting = NULL;
    *done = NULL;
}

/* `writer` is the first of those who wait, and syncs for them. */
static void sync_for_all(struct commit *commit, struct writer *writer) {
    struct error error = {0};
    const struct writer *last = writer;
    size_t count = 1;
    for (; last->next != NULL; last = last->next) {
        count++;
    }
    uint64_t sequence = last->sequence;
    mutex_lock(&commit->lock);
    commit->syncing++;
    mutex_unlock(&commit->lock);
    uint64_t begun = clock_monotonic_micros(commit->world->clock);
    enum status status =
        engine_await(commit->engine, sequence, DURABILITY_ALWAYS, &error);
    uint64_t now = clock_monotonic_micros(commit->world->clock);
    mutex_lock(&commit->lock);
    commit->syncing--;
    commit->synced = count;
    commit->synced_micros = now;
    commit->hold_micros = now - begun < HOLD_MICROS_MAX ? now - begun : HOLD_MICROS_MAX;
    if (commit->holding) {
        condition_signal(&commit->company);
    }
    mutex_unlock(&commit->lock);
    tell(writer, writer, status, &error);
}

/* Requires lock, and to lead. Takes those who may not wait out of the queue, behind the
 * leader, and answers their list. */
static struct writer *unlink_hurried(struct commit *commit) {
    struct writer *hurried = NULL;
    struct writer **end = &hurried;
    struct writer *kept = commit->first;
    while (kept->next != NULL) {
        struct writer *next = kept->next;
        if (next->no_wait) {
            kept->next = next->next;
            commit->queued--;
            commit->queued_bytes -= next->bytes;
            commit->impatient--;
            *end = next;
            end = &next->next;
        } else {
            kept = next;
        }
    }
    commit->last = kept;
    *end = NULL;
    return hurried;
}

/* Requires to lead. A leader that has to wait for room lets nobody wait with it who may
 * not. */
static enum status take_in(struct commit *commit, const struct change_group *group,
                           struct writer *leader, uint64_t *last, struct error *error) {
    struct engine *engine = commit->engine;
    engine_lock_writing(engine);
    enum status status = engine_take_in(engine, group, false, last, error);
    if (status == STATUS_STALLED && !leader->no_wait) {
        mutex_lock(&commit->lock);
        struct writer *hurried = unlink_hurried(commit);
        commit->stalled = true;
        mutex_unlock(&commit->lock);
        tell(hurried, leader, status, error);
        status = engine_take_in(engine, group, true, last, error);
        mutex_lock(&commit->lock);
        commit->stalled = false;
        mutex_unlock(&commit->lock);
    }
    engine_unlock_writing(engine);
    return status;
}

/* Requires to lead. */
static void lead(struct commit *commit, struct writer *leader) {
    struct error error = {0};
    struct writer *waiting, *done;
    uint64_t last;
    mutex_lock(&commit->lock);
    hold_off(commit);
    struct change_group group = gather(commit, leader, size_up(commit));
    mutex_unlock(&commit->lock);
    enum status status = take_in(commit, &group, leader, &last, &error);
    failpoint_pass(group_taken_in_not_told);
    mutex_lock(&commit->lock);
    commit->groups++;
    commit->largest = group.changes > commit->largest ? group.changes : commit->largest;
    leave(commit, &group);
    deal(commit, leader, &group, last, status, &waiting, &done);
    mutex_unlock(&commit->lock);
    tell(done, leader, status, &error);
    if (waiting == leader) {
        sync_for_all(commit, leader);
    } else if (waiting != NULL) {
        wake(waiting, SYNCS);
    }
}

/* ---- the tenant ------------------------------------------------------------------ */

/* Enters the queue, as its leader if nobody is there; otherwise a lock is made for it.
 * STALLED, NO_MEMORY. */
static enum status enter(struct commit *commit, struct writer *writer) {
    const struct threads *threads = commit->world->threads;
    enum status status = STATUS_OK;
    mutex_lock(&commit->lock);
    writer->waits = commit->first != NULL;
    if (commit->stalled && writer->no_wait) {
        status = error_set(writer->error, STATUS_STALLED,
                           "the write would have to wait for one that waits for a flush "
                           "or a compaction");
    } else if (writer->waits &&
               lock_init(&writer->lock, &writer->woken, threads) != STATUS_OK) {
        status = error_no_memory(writer->error, "a place in a queue", 0);
    }
    if (status == STATUS_OK) {
        push(commit, writer);
    }
    mutex_unlock(&commit->lock);
    return status;
}

/* Waits until it is told, or is to do something, and answers what. */
static enum place wait_in_queue(struct writer *writer) {
    mutex_lock(&writer->lock);
    while (writer->place == WAITS) {
        condition_wait(&writer->woken, &writer->lock);
    }
    enum place place = writer->place;
    mutex_unlock(&writer->lock);
    return place;
}

static enum status queue(struct commit *commit, struct writer *writer) {
    enum status status = enter(commit, writer);
    if (status != STATUS_OK) {
        return status;
    }
    enum place place = LEADS;
    if (writer->waits) {
        place = wait_in_queue(writer);
    }
    if (place == LEADS) {
        lead(commit, writer);
    } else if (place == SYNCS) {
        sync_for_all(commit, writer);
    }
    if (writer->waits) {
        condition_free(&writer->woken);
        mutex_free(&writer->lock);
    }
    return writer->status;
}

static enum status group_write(void *opened, const struct kv_op *ops, size_t count,
                               const struct kv_write_options *how, uint64_t *sequence,
                               struct error *error) {
    struct commit *commit = opened;
    struct writer writer = {.ops = ops,
                            .count = count,
                            .bytes = change_bytes(ops, count),
                            .durability = how->durability,
                            .no_wait = how->no_wait,
                            .error = error};
    enum status status = engine_before(commit->engine, how->durability, error);
    if (status == STATUS_OK) {
        status = queue(commit, &writer);
        *sequence = writer.sequence;
    }
    return status == STATUS_OK && how->durability == DURABILITY_INTERVAL
               ? engine_await(commit->engine, *sequence, how->durability, error)
               : status;
}

enum status engine_submit(void *opened, const struct kv_op *ops, size_t count,
                          const struct kv_write_options *how, kv_told *told,
                          void *context, uint64_t *sequence, struct error *error) {
    static const struct error none = {0};
    struct engine *engine = opened;
    struct commit *commit = engine->commit;
    struct writer writer = {.ops = ops,
                            .count = count,
                            .bytes = change_bytes(ops, count),
                            .durability = how->durability,
                            .no_wait = how->no_wait,
                            .error = error};
    bool later = how->durability != DURABILITY_NONE;
    enum status status = STATUS_OK;
    if (later) {
        status = acknowledger_take(commit->acknowledger, told, context, !how->no_wait,
                                   &writer.submission, error);
        if (status != STATUS_OK) {
            return status;
        }
    }
    gate_enter(&engine->gate);
    status = engine_before(engine, how->durability, error);
    if (status == STATUS_OK) {
        status = queue(commit, &writer);
        *sequence = writer.sequence;
    }
    gate_leave(&engine->gate);
    if (status == STATUS_OK && !later) {
        told(context, *sequence, status, &none);
    } else if (status != STATUS_OK && later) {
        acknowledger_give_back(commit->acknowledger, writer.submission);
    }
    return status;
}

static enum status group_open(struct engine *engine, const struct world *world,
                              void **out, struct error *error) {
    struct commit *commit = memory_take_zeroed(sizeof *commit);
    if (commit == NULL) {
        return error_no_memory(error, "the writers' queue", sizeof *commit);
    }
    commit->engine = engine;
    commit->world = world;
    enum status status =
        acknowledger_open(engine, world->threads, &commit->acknowledger, error);
    if (status == STATUS_OK) {
        if (lock_init(&commit->lock, &commit->company, world->threads) == STATUS_OK) {
            *out = commit;
            return STATUS_OK;
        }
        acknowledger_close(commit->acknowledger);
        status = error_no_memory(error, "a lock", sizeof commit->lock);
    }
    memory_give(commit);
    return status;
}

static void group_close(void *opened) {
    struct commit *commit = opened;
    if (commit != NULL) {
        acknowledger_close(commit->acknowledger);
        condition_free(&commit->company);
        mutex_free(&commit->lock);
        memory_give(commit->ops);
        memory_give(commit);
    }
}

void engine_stats_grouped(void *opened, struct kv_stats *stats) {
    struct engine *engine = opened;
    struct commit *commit = engine->commit;
    engine_stats_compacted(engine, stats);
    mutex_lock(&commit->lock);
    stats->write_groups = commit->groups;
    stats->largest_write_group = commit->largest;
    mutex_unlock(&commit->lock);
}

const struct commit_ops commit_group = {group_open, group_write, group_close};
