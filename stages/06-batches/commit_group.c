/* The life of a writer in the queue:
 *
 *     WAITS ──is first, or the last one waited for──▶ LEADS
 *       ├──will not wait for more──▶ DONE
 *       ├──was taken along, and its outcome is known──▶ DONE
 *       └──was taken along by a leader that needs no sync──▶ SYNCS
 *     LEADS ──has company to wait for──▶ HOLDS ──it has come, or the time is up──▶ LEADS
 *     HOLDS ──another one is the last waited for──▶ WAITS
 *
 * There is one leader at a time, from its promotion until its group has left the queue;
 * only it takes the engine's `writing`. Of those in the group that wait for the disk one
 * syncs for all: the leader, or, if that has no need to, the first that has. Whoever
 * syncs has left the queue, so that the next leader writes meanwhile.
 *
 * A group that has no memory, or holds a change that is too large, is taken apart before
 * anything of it is logged: its leader goes in alone, and so do the next ones.
 *
 * A leader that has to wait for a flush or a compaction first sends away those in the
 * queue who will not wait, and so are those that come while it does.
 *
 * Locks: the engine's `writing` before the queue's. */
#include "commit_group.h"

#include <inttypes.h>

#include "engine_state.h"
#include "engine_store.h"
#include "failpoint.h"
#include "memory.h"
#include "upkeep_threads.h"
#include "writer_queue.h"

struct commit {
    struct engine *engine;
    struct acknowledger *acknowledger;
    struct writer_queue queue;
    uint64_t groups, largest; /* guarded by the queue's lock */

    /* the leader's, while it leads */
    struct kv_op *ops;
    size_t ops_room;
    size_t op_counts[GROUP_CHANGES_MAX];
};

/* ---- a group --------------------------------------------------------------------- */

/* Of the last in a group `next` is the queue's, and not looked at. */
static size_t count_ops(const struct writer *writer, size_t changes) {
    size_t count = writer->count;
    for (size_t i = 1; i < changes; i++) {
        writer = writer->next;
        count += writer->count;
    }
    return count;
}

/* Puts the operations of all one behind the other; a group without memory for that is its
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
    for (size_t i = 0; i < changes; i++) {
        leader = i == 0 ? leader : leader->next;
        memcpy(to, leader->ops, leader->count * sizeof *to);
        to += leader->count;
        commit->op_counts[i] = leader->count;
    }
    return (struct change_group){commit->ops, count, commit->op_counts, changes};
}

/* Requires the queue's lock, and so the order of groups: submissions go on in that of
 * sequences. */
static void hand_over(struct commit *commit, const struct writer *writer) {
    writer->submission->sequence = writer->sequence;
    writer->submission->durability = writer->durability;
    acknowledger_add(commit->acknowledger, writer->submission);
}

/* Requires the queue's lock. Gives each of the group its sequence, and parts those that
 * wait for a sync from those that are done. `last` is the group's last sequence; 0: it
 * was issued none. */
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
    uint64_t begun = writer_queue_sync_begins(&commit->queue);
    enum status status =
        engine_await(commit->engine, sequence, DURABILITY_ALWAYS, &error);
    mutex_lock(&commit->queue.lock);
    writer_queue_sync_ended(&commit->queue, begun, count);
    unsigned beds = writers_done(writer, writer, status, &error);
    mutex_unlock(&commit->queue.lock);
    writers_wake(&commit->queue, beds);
}

/* Requires to lead. */
static enum status take_in(struct commit *commit, const struct change_group *group,
                           bool may_wait, uint64_t *last, struct error *error) {
    struct engine *engine = commit->engine;
    engine_lock_writing(engine);
    enum status status = engine_take_in(engine, group, false, last, error);
    if (status == STATUS_STALLED && may_wait) {
        writer_queue_begin_stall(&commit->queue, error);
        status = engine_take_in(engine, group, true, last, error);
        writer_queue_end_stall(&commit->queue);
    }
    engine_unlock_writing(engine);
    return status;
}

/* Requires to lead. */
static void lead(struct commit *commit, struct writer *leader, size_t changes) {
    struct error error = {0};
    struct writer *waiting, *done;
    uint64_t last;
    struct change_group group = gather(commit, leader, changes);
    enum status status = take_in(commit, &group, !leader->no_wait, &last, &error);
    if (group.changes > 1 && last == 0 &&
        (status == STATUS_LIMIT || status == STATUS_NO_MEMORY)) {
        group = gather(commit, leader, 1);
        status = take_in(commit, &group, !leader->no_wait, &last, &error);
    }
    failpoint_pass(group_taken_in_not_told);
    mutex_lock(&commit->queue.lock);
    commit->groups++;
    commit->largest = group.changes > commit->largest ? group.changes : commit->largest;
    writer_queue_leave(&commit->queue, group.changes);
    deal(commit, leader, &group, last, status, &waiting, &done);
    unsigned beds = writers_done(done, leader, status, &error);
    if (waiting != NULL && waiting != leader) {
        writer_move(waiting, SYNCS);
        beds |= 1U << waiting->bed;
    }
    mutex_unlock(&commit->queue.lock);
    writers_wake(&commit->queue, beds);
    if (waiting == leader) {
        sync_for_all(commit, leader);
    }
}

/* ---- the tenant ------------------------------------------------------------------ */

static enum status write_in_group(struct commit *commit, struct writer *writer) {
    enum place place;
    size_t changes;
    enum status status = writer_queue_enter(&commit->queue, writer, &place, &changes);
    if (status != STATUS_OK) {
        return status;
    }
    if (place == LEADS) {
        lead(commit, writer, changes);
    } else if (place == SYNCS) {
        sync_for_all(commit, writer);
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
        status = write_in_group(commit, &writer);
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
        status = write_in_group(commit, &writer);
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

/* What is written is visible, or about to be: a resume that comes in between waits for
 * that at the gate, and keeps it. */
enum status engine_notify(void *opened, uint64_t sequence, enum durability durability,
                          kv_told *told, void *context, struct error *error) {
    static const struct error none = {0};
    struct engine *engine = opened;
    struct commit *commit = engine->commit;
    struct submission *submission;
    struct kv_progress now;
    engine_progress(engine, &now);
    if (sequence > now.written) {
        return error_set(error, STATUS_INVALID,
                         "no change of sequence %" PRIu64 " was written", sequence);
    }
    if (durability == DURABILITY_NONE || sequence <= now.durable) {
        told(context, sequence, STATUS_OK, &none);
        return STATUS_OK;
    }
    enum status status =
        acknowledger_take(commit->acknowledger, told, context, false, &submission, error);
    if (status != STATUS_OK) {
        return status;
    }
    gate_enter(&engine->gate);
    status = engine_before(engine, durability, error);
    gate_leave(&engine->gate);
    if (status == STATUS_OK) {
        submission->sequence = sequence;
        submission->durability = durability;
        acknowledger_add(commit->acknowledger, submission);
    } else {
        acknowledger_give_back(commit->acknowledger, submission);
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
    enum status status =
        acknowledger_open(engine, world->threads, &commit->acknowledger, error);
    if (status == STATUS_OK) {
        status = writer_queue_init(&commit->queue, world,
                                   engine->options.awake_sync_micros, error);
        if (status == STATUS_OK) {
            *out = commit;
            return STATUS_OK;
        }
        acknowledger_close(commit->acknowledger);
    }
    memory_give(commit);
    return status;
}

static void group_close(void *opened) {
    struct commit *commit = opened;
    if (commit != NULL) {
        acknowledger_close(commit->acknowledger);
        writer_queue_free(&commit->queue);
        memory_give(commit->ops);
        memory_give(commit);
    }
}

void engine_stats_grouped(void *opened, struct kv_stats *stats) {
    struct engine *engine = opened;
    struct commit *commit = engine->commit;
    engine_stats_compacted(engine, stats);
    mutex_lock(&commit->queue.lock);
    stats->write_groups = commit->groups;
    stats->largest_write_group = commit->largest;
    mutex_unlock(&commit->queue.lock);
}

const struct commit_ops commit_group = {group_open, group_write, group_close};
