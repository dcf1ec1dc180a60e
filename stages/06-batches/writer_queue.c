/* Why a leader holds off. Its sync could not begin before the one that is under way has
 * ended, so until then it may as well let others join; and those who are told by that
 * one often come back at once: if it did not wait for them, each sync would be for half
 * of them. So it waits, until as many as were told have come besides those who were
 * there when they were; no longer than twice what their sync took, since to wake so many
 * takes about as long, or a millisecond; and not at all once there is somebody who does
 * not wait for the disk, or as much as a group may take. One writer alone never waits:
 * with it, the one who was told is there. Who comes last of those that a leader waits
 * for leads in its stead: it is awake, and the other one sleeps on until all are told.
 *
 * Where they sleep. To wake threads is most of what a group costs beside its sync, and
 * one call of the system that wakes all is cheaper than one for each. So those who come
 * for the same group share a bed, a condition, and are told there by one broadcast, when
 * the lock is free again. Whoever leads next, or holds off, is woken alone: its bed is
 * the FRONT. With four beds besides, groups that wait for a sync, are written and gather
 * at the same time do not disturb each other. A group that is too large for one turn
 * leaves its rest in a bed that is woken as a whole, for one; they look, and sleep on.
 *
 * Who stays awake. Where a sync takes a tenth of a millisecond, to wake all who wait for
 * it takes as long. So where the last sync was short, and there are at least three, who
 * comes does not sleep at once: it gives way to others again and again (sched_yield) and
 * looks whether it has been told, for up to three times what that sync took: the rest of
 * the one under way, its own, and the way back of the others. Only processors that are
 * idle pay for it: a yield that comes back late says that somebody else wants them, and
 * then all sleep at once, for sixteen times as long as it took. (RocksDB's writers do
 * alike: "adaptive yield" in its write_thread.cc.) Of two, one is at the disk: to wake
 * the other costs little, and awake it is in the way of what the disk has to tell. */
#include "writer_queue.h"

enum {
    HOLD_MICROS_MAX = 1000,
    AWAKE_SYNCS = 3,
    AWAKE_WRITERS_MIN = 3,
    SLOW_YIELD_MICROS = 1000, /* what a scheduler gives to others is more, what a leader
                                 does at a stretch is less */
    QUIET_YIELDS = 16
};

#define FOREVER UINT64_MAX

enum status writer_queue_init(struct writer_queue *queue, const struct world *world,
                              uint64_t awake_sync_micros, struct error *error) {
    *queue =
        (struct writer_queue){.world = world, .awake_sync_micros = awake_sync_micros};
    if (mutex_init(&queue->lock, world->threads) != STATUS_OK) {
        return error_no_memory(error, "a lock", sizeof queue->lock);
    }
    for (size_t i = 0; i < BEDS; i++) {
        if (condition_init(&queue->beds[i], world->threads) != STATUS_OK) {
            while (i-- > 0) {
                condition_free(&queue->beds[i]);
            }
            mutex_free(&queue->lock);
            return error_no_memory(error, "a condition", sizeof queue->beds[i]);
        }
    }
    return STATUS_OK;
}

void writer_queue_free(struct writer_queue *queue) {
    for (size_t i = 0; i < BEDS; i++) {
        condition_free(&queue->beds[i]);
    }
    mutex_free(&queue->lock);
}

/* ---- who waits ------------------------------------------------------------------- */

static bool is_impatient(const struct writer *writer) {
    return writer->durability != DURABILITY_ALWAYS || writer->submission != NULL ||
           writer->no_wait;
}

/* Requires lock. Whether a leader waits for more. */
static bool may_hold(const struct writer_queue *queue) {
    return (queue->syncing > 0 || queue->queued < queue->expected) &&
           queue->impatient == 0 && queue->queued < GROUP_CHANGES_MAX &&
           queue->queued_bytes <= SMALL_BYTES;
}

/* Requires lock. */
static void count_in(struct writer_queue *queue, const struct writer *writer) {
    queue->queued++;
    queue->queued_bytes += writer->bytes;
    queue->impatient += is_impatient(writer);
}

/* Requires lock. Of one who has been taken out. */
static void uncount(struct writer_queue *queue, const struct writer *writer) {
    queue->queued--;
    queue->queued_bytes -= writer->bytes;
    queue->impatient -= is_impatient(writer);
}

/* Requires lock. At the head, to lead. */
static void push_first(struct writer_queue *queue, struct writer *writer) {
    writer_move(writer, LEADS);
    writer->next = queue->first;
    queue->first = writer;
    queue->last = writer->next == NULL ? writer : queue->last;
}

/* Requires lock. */
static void push_last(struct writer_queue *queue, struct writer *writer) {
    writer_move(writer, WAITS);
    queue->last->next = writer;
    queue->last = writer;
}

/* Requires lock. Whether one group can take all who are there, whoever is its first. */
static bool all_fit(const struct writer_queue *queue) {
    return queue->impatient == 0 && queue->queued <= GROUP_CHANGES_MAX &&
           queue->queued_bytes <= SMALL_BYTES;
}

/* Requires lock. Who holds off, if anybody does, looks whether it may still. */
static void rouse_holder(struct writer_queue *queue) {
    if (queue->holder == NULL) {
        return;
    }
    if (!may_hold(queue)) {
        writer_move(queue->holder, LEADS);
        queue->holder = NULL;
    }
    condition_broadcast(&queue->beds[FRONT]);
}

/* Requires lock. */
static void join(struct writer_queue *queue, struct writer *writer) {
    writer->bed =
        queue->first == NULL || queue->taken ? FRONT : TURN + queue->turn % TURNS;
    queue->taken = false;
    count_in(queue, writer);
    if (queue->first == NULL) {
        push_first(queue, writer);
    } else if (queue->holder != NULL && !may_hold(queue) && all_fit(queue)) {
        writer_move(queue->holder, WAITS);
        queue->holder = NULL;
        push_first(queue, writer);
    } else {
        push_last(queue, writer);
        if (!may_hold(queue)) {
            rouse_holder(queue);
        }
    }
}

/* Requires lock, which it gives up meanwhile. Until the writer's place is another one, or
 * it has been awake for long enough; false if it had been before. */
static bool stay_awake(struct writer_queue *queue, const struct writer *writer,
                       uint64_t deadline) {
    enum place place = writer_place(writer);
    uint64_t end = writer->awake_until < deadline ? writer->awake_until : deadline;
    uint64_t begun, now = clock_monotonic_micros(queue->world->clock);
    if (now >= end || now < queue->quiet_until) {
        return false;
    }
    mutex_unlock(&queue->lock);
    do {
        begun = now;
        thread_yield(queue->world->threads);
        now = clock_monotonic_micros(queue->world->clock);
    } while (writer_place(writer) == place && now < end &&
             now - begun < SLOW_YIELD_MICROS);
    mutex_lock(&queue->lock);
    if (now - begun >= SLOW_YIELD_MICROS) {
        queue->quiet_until = now + QUIET_YIELDS * (now - begun);
    }
    return true;
}

/* Requires lock, which it gives up meanwhile, and to lead: that may be taken from it.
 * False once the time is up. */
static bool hold_off(struct writer_queue *queue, struct writer *writer) {
    bool in_time = true;
    uint64_t deadline =
        queue->syncing > 0 ? FOREVER : queue->synced_micros + queue->hold_micros;
    queue->holder = writer;
    writer_move(writer, HOLDS);
    writer->bed = FRONT;
    if (!stay_awake(queue, writer, deadline)) {
        if (deadline == FOREVER) {
            condition_wait(&queue->beds[FRONT], &queue->lock);
        } else {
            in_time = condition_wait_until(&queue->beds[FRONT], &queue->lock, deadline);
        }
    }
    if (queue->holder == writer) {
        queue->holder = NULL;
        writer_move(writer, LEADS);
    }
    return in_time;
}

/* Requires lock, which it gives up meanwhile. Until there is something to do, or it is
 * done. */
static void wait_for_place(struct writer_queue *queue, struct writer *writer) {
    bool in_time = true;
    for (;;) {
        enum place place = writer_place(writer);
        if (place == WAITS) {
            if (!stay_awake(queue, writer, FOREVER)) {
                condition_wait(&queue->beds[writer->bed], &queue->lock);
            }
        } else if (place == LEADS && in_time && may_hold(queue)) {
            in_time = hold_off(queue, writer);
        } else {
            return;
        }
    }
}

/* Requires lock. How many go with the first. */
static size_t size_up(const struct writer_queue *queue) {
    const struct writer *writer = queue->first;
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

enum status writer_queue_enter(struct writer_queue *queue, struct writer *writer,
                               enum place *place, size_t *changes) {
    enum status status = STATUS_OK;
    mutex_lock(&queue->lock);
    if (queue->stalled && writer->no_wait) {
        status = queue->stall.status;
        if (writer->error != NULL) {
            *writer->error = queue->stall;
        }
    } else {
        if (queue->awake_micros > 0) {
            writer->awake_until =
                clock_monotonic_micros(queue->world->clock) + queue->awake_micros;
        }
        join(queue, writer);
        wait_for_place(queue, writer);
        *place = writer_place(writer);
        if (*place == LEADS) {
            queue->turn++;
            queue->taken = true;
            *changes = size_up(queue);
        }
    }
    mutex_unlock(&queue->lock);
    return status;
}

unsigned writers_done(struct writer *writer, const struct writer *self,
                      enum status status, const struct error *error) {
    unsigned beds = 0;
    for (; writer != NULL; writer = writer->next) {
        writer->status = status;
        if (status != STATUS_OK && writer->error != NULL) {
            *writer->error = *error;
        }
        if (writer != self) {
            writer_move(writer, DONE);
            beds |= 1U << writer->bed;
        }
    }
    return beds;
}

void writers_wake(struct writer_queue *queue, unsigned beds) {
    for (size_t i = 0; i < BEDS; i++) {
        if (beds & 1U << i) {
            condition_broadcast(&queue->beds[i]);
        }
    }
}

/* ---- a group --------------------------------------------------------------------- */

void writer_queue_leave(struct writer_queue *queue, size_t changes) {
    struct writer *last = queue->first;
    uncount(queue, last);
    for (size_t i = 1; i < changes; i++) {
        last = last->next;
        uncount(queue, last);
    }
    queue->first = last->next;
    queue->taken = false;
    last->next = NULL;
    if (queue->first != NULL) {
        writer_move(queue->first, LEADS);
        condition_broadcast(&queue->beds[queue->first->bed]);
    }
}

/* ---- stalls and syncs ------------------------------------------------------------ */

/* Requires lock. Takes those who will not wait out of the queue, behind the leader. */
static struct writer *unlink_hurried(struct writer_queue *queue) {
    struct writer *hurried = NULL;
    struct writer **end = &hurried;
    struct writer *kept = queue->first;
    while (kept->next != NULL) {
        struct writer *next = kept->next;
        if (next->no_wait) {
            kept->next = next->next;
            uncount(queue, next);
            *end = next;
            end = &next->next;
        } else {
            kept = next;
        }
    }
    queue->last = kept;
    *end = NULL;
    return hurried;
}

void writer_queue_begin_stall(struct writer_queue *queue, const struct error *error) {
    mutex_lock(&queue->lock);
    unsigned beds = writers_done(unlink_hurried(queue), NULL, error->status, error);
    queue->stalled = true;
    queue->stall = *error;
    mutex_unlock(&queue->lock);
    writers_wake(queue, beds);
}

void writer_queue_end_stall(struct writer_queue *queue) {
    mutex_lock(&queue->lock);
    queue->stalled = false;
    mutex_unlock(&queue->lock);
}

uint64_t writer_queue_sync_begins(struct writer_queue *queue) {
    mutex_lock(&queue->lock);
    queue->syncing++;
    mutex_unlock(&queue->lock);
    return clock_monotonic_micros(queue->world->clock);
}

void writer_queue_sync_ended(struct writer_queue *queue, uint64_t begun, size_t count) {
    uint64_t now = clock_monotonic_micros(queue->world->clock);
    queue->syncing--;
    queue->expected = queue->queued + count;
    queue->synced_micros = now;
    uint64_t took = now - begun + 1; /* at most, as clocks count */
    queue->hold_micros = 2 * took < HOLD_MICROS_MAX ? 2 * took : HOLD_MICROS_MAX;
    bool awake = took <= queue->awake_sync_micros && queue->expected >= AWAKE_WRITERS_MIN;
    queue->awake_micros = awake ? AWAKE_SYNCS * took : 0;
    rouse_holder(queue);
}
