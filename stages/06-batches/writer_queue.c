/* Why a leader holds off. Its sync could not begin before the one that is under way has
 * ended, so until then it may as well let others join; and those who are told by that one
 * often come back at once: if it did not wait for them, each sync would be for half of
 * them. So it waits, for as many as were told, no longer than their sync took, or a
 * millisecond; and not at all once there is somebody who does not wait for the disk, or
 * as much as a group may take. One writer alone never waits: with it, the one who was
 * told is there. */
#include "writer_queue.h"

enum { HOLD_MICROS_MAX = 1000 };

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

enum status writer_queue_init(struct writer_queue *queue, const struct world *world,
                              struct error *error) {
    *queue = (struct writer_queue){.world = world};
    return lock_init(&queue->lock, &queue->company, world->threads) == STATUS_OK
               ? STATUS_OK
               : error_no_memory(error, "a lock", sizeof queue->lock);
}

void writer_queue_free(struct writer_queue *queue) {
    condition_free(&queue->company);
    mutex_free(&queue->lock);
}

/* ---- who waits ------------------------------------------------------------------- */

static bool is_impatient(const struct writer *writer) {
    return writer->durability != DURABILITY_ALWAYS || writer->submission != NULL ||
           writer->no_wait;
}

/* Requires lock. Whether a leader waits for more. */
static bool may_hold(const struct writer_queue *queue) {
    return (queue->syncing > 0 || queue->queued < queue->synced) &&
           queue->impatient == 0 && queue->queued < GROUP_CHANGES_MAX &&
           queue->queued_bytes <= SMALL_BYTES;
}

/* Requires lock. */
static void push(struct writer_queue *queue, struct writer *writer) {
    queue->queued++;
    queue->queued_bytes += writer->bytes;
    queue->impatient += is_impatient(writer);
    if (queue->first == NULL) {
        queue->first = writer;
    } else {
        queue->last->next = writer;
    }
    queue->last = writer;
    if (queue->holding && !may_hold(queue)) {
        condition_signal(&queue->company);
    }
}

/* Requires lock. Of one who has been taken out. */
static void uncount(struct writer_queue *queue, const struct writer *writer) {
    queue->queued--;
    queue->queued_bytes -= writer->bytes;
    queue->impatient -= is_impatient(writer);
}

/* Requires lock. The first to come leads; for others a lock is made. */
static enum status admit(struct writer_queue *queue, struct writer *writer) {
    writer->waits = queue->first != NULL;
    if (queue->stalled && writer->no_wait) {
        if (writer->error != NULL) {
            *writer->error = queue->stall;
        }
        return queue->stall.status;
    }
    if (writer->waits &&
        lock_init(&writer->lock, &writer->woken, queue->world->threads) != STATUS_OK) {
        return error_no_memory(writer->error, "a place in a queue", 0);
    }
    push(queue, writer);
    return STATUS_OK;
}

enum status writer_queue_enter(struct writer_queue *queue, struct writer *writer,
                               enum place *place) {
    mutex_lock(&queue->lock);
    enum status status = admit(queue, writer);
    mutex_unlock(&queue->lock);
    if (status != STATUS_OK) {
        return status;
    }
    *place = LEADS;
    if (writer->waits) {
        mutex_lock(&writer->lock);
        while (writer->place == WAITS) {
            condition_wait(&writer->woken, &writer->lock);
        }
        *place = writer->place;
        mutex_unlock(&writer->lock);
    }
    return STATUS_OK;
}

void writer_queue_exit(struct writer *writer) {
    if (writer->waits) {
        condition_free(&writer->woken);
        mutex_free(&writer->lock);
    }
}

void writer_wake(struct writer *writer, enum place place) {
    mutex_lock(&writer->lock);
    writer->place = place;
    condition_signal(&writer->woken);
    mutex_unlock(&writer->lock);
}

void writers_tell(struct writer *writer, const struct writer *self, enum status status,
                  const struct error *error) {
    while (writer != NULL) {
        struct writer *next = writer->next; /* it may be gone once it is told */
        writer->status = status;
        if (status != STATUS_OK && writer->error != NULL) {
            *writer->error = *error;
        }
        if (writer != self) {
            writer_wake(writer, DONE);
        }
        writer = next;
    }
}

/* ---- a group --------------------------------------------------------------------- */

/* Requires lock, which it gives up while it waits, and to lead. */
static void hold_off(struct writer_queue *queue) {
    queue->holding = true;
    bool in_time = true;
    while (in_time && may_hold(queue)) {
        if (queue->syncing > 0) {
            condition_wait(&queue->company, &queue->lock);
        } else {
            in_time = condition_wait_until(&queue->company, &queue->lock,
                                           queue->synced_micros + queue->hold_micros);
        }
    }
    queue->holding = false;
}

/* Requires lock. */
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

size_t writer_queue_group(struct writer_queue *queue) {
    hold_off(queue);
    return size_up(queue);
}

void writer_queue_leave(struct writer_queue *queue, size_t changes) {
    struct writer *last = queue->first;
    uncount(queue, last);
    for (size_t i = 1; i < changes; i++) {
        last = last->next;
        uncount(queue, last);
    }
    queue->first = last->next;
    last->next = NULL;
    if (queue->first != NULL) {
        writer_wake(queue->first, LEADS);
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
    struct writer *hurried = unlink_hurried(queue);
    queue->stalled = true;
    queue->stall = *error;
    mutex_unlock(&queue->lock);
    writers_tell(hurried, NULL, error->status, error);
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
    mutex_lock(&queue->lock);
    queue->syncing--;
    queue->synced = count;
    queue->synced_micros = now;
    queue->hold_micros = now - begun < HOLD_MICROS_MAX ? now - begun : HOLD_MICROS_MAX;
    if (queue->holding) {
        condition_signal(&queue->company);
    }
    mutex_unlock(&queue->lock);
}
