#include "syncer.h"

#include "memory.h"

struct syncer {
    struct wal *wal;
    uint64_t interval_micros;
    uint64_t interval_bytes;
    const struct world *world;

    struct mutex lock; /* never held while the wal works */
    struct condition work;
    struct condition progress;
    /* guarded by lock */
    struct thread thread;
    bool running;
    bool stopping;
    uint64_t last; /* the last sequence at risk; 0: none yet */
    uint64_t
        oldest_micros; /* when the oldest change at risk was written, while at_risk() */
    uint64_t stalls;
};

static bool at_risk(const struct syncer *syncer, const struct wal_progress *now) {
    return now->durable < syncer->last;
}

/* Whether the thread should sync now; else *deadline is when it should. Requires lock. */
static bool due(struct syncer *syncer, const struct wal_progress *now,
                uint64_t *deadline) {
    *deadline = syncer->oldest_micros + syncer->interval_micros;
    return now->unsynced_bytes >= syncer->interval_bytes / 2 ||
           clock_monotonic_micros(syncer->world->clock) >= *deadline;
}

/* Syncs all that is written, the live log included. Requires lock, which it gives up.
 * What was written after the sync began is at risk since then, at the earliest. */
static void sync_all(struct syncer *syncer) {
    struct wal_progress before;
    uint64_t begun = clock_monotonic_micros(syncer->world->clock);
    wal_progress(syncer->wal, &before);
    mutex_unlock(&syncer->lock);
    /* A failure stays with the wal, where every writer meets it. */
    enum status status = wal_sync(syncer->wal, before.written, NULL);
    (void)status;
    mutex_lock(&syncer->lock);
    syncer->oldest_micros = begun;
    condition_broadcast(&syncer->progress);
}

static void body(void *argument) {
    struct syncer *syncer = argument;
    mutex_lock(&syncer->lock);
    while (!syncer->stopping) {
        struct wal_progress now;
        uint64_t deadline;
        wal_progress(syncer->wal, &now);
        if (!at_risk(syncer, &now) || wal_state(syncer->wal, NULL) != STATUS_OK) {
            /* Somebody else's sync, or failure, may have ended what a writer waits for.
             */
            condition_broadcast(&syncer->progress);
            condition_wait(&syncer->work, &syncer->lock);
        } else if (due(syncer, &now, &deadline)) {
            sync_all(syncer);
        } else {
            condition_wait_until(&syncer->work, &syncer->lock, deadline);
        }
    }
    mutex_unlock(&syncer->lock);
}

enum status syncer_open(struct wal *wal, const struct kv_options *options,
                        struct syncer **out, struct error *error) {
    struct syncer *syncer = memory_take_zeroed(sizeof *syncer);
    if (syncer == NULL) {
        return error_no_memory(error, "the syncer", sizeof *syncer);
    }
    const struct threads *threads = options->world->threads;
    syncer->wal = wal;
    syncer->interval_micros = (uint64_t)options->interval_millis * 1000;
    syncer->interval_bytes = options->interval_bytes;
    syncer->world = options->world;
    if (mutex_init(&syncer->lock, threads) == STATUS_OK) {
        if (condition_init(&syncer->work, threads) == STATUS_OK) {
            if (condition_init(&syncer->progress, threads) == STATUS_OK) {
                *out = syncer;
                return STATUS_OK;
            }
            condition_free(&syncer->work);
        }
        mutex_free(&syncer->lock);
    }
    memory_give(syncer);
    return error_no_memory(error, "a lock", sizeof(struct mutex));
}

enum status syncer_start(struct syncer *syncer, struct error *error) {
    enum status status = STATUS_OK;
    mutex_lock(&syncer->lock);
    if (!syncer->running) {
        status = thread_create(&syncer->thread, syncer->world->threads, body, syncer);
        syncer->running = status == STATUS_OK;
    }
    mutex_unlock(&syncer->lock);
    return status == STATUS_OK ? status
                               : error_no_memory(error, "the syncer's thread", 0);
}

/* Requires lock. */
static bool too_much(struct syncer *syncer, uint64_t sequence) {
    struct wal_progress now;
    wal_progress(syncer->wal, &now);
    if (now.durable >= sequence) {
        return false;
    }
    uint64_t age = clock_monotonic_micros(syncer->world->clock) - syncer->oldest_micros;
    return now.unsynced_bytes > syncer->interval_bytes ||
           age >= 2 * syncer->interval_micros;
}

enum status syncer_admit(struct syncer *syncer, uint64_t sequence, struct error *error) {
    enum status status = STATUS_OK;
    struct wal_progress now;
    mutex_lock(&syncer->lock);
    wal_progress(syncer->wal, &now);
    bool first = !at_risk(syncer, &now);
    if (first) {
        syncer->oldest_micros = clock_monotonic_micros(syncer->world->clock);
    }
    if (sequence > syncer->last) {
        syncer->last = sequence;
    }
    if (first || now.unsynced_bytes >= syncer->interval_bytes / 2) {
        condition_signal(&syncer->work); /* otherwise it knows its deadline */
    }
    if (too_much(syncer, sequence)) {
        syncer->stalls++;
        /* After a failure the thread has no deadline, and perhaps has woken all already.
         */
        while ((status = wal_state(syncer->wal, error)) == STATUS_OK &&
               too_much(syncer, sequence)) {
            condition_wait(&syncer->progress, &syncer->lock);
        }
    }
    mutex_unlock(&syncer->lock);
    return status;
}

uint64_t syncer_stalls(struct syncer *syncer) {
    mutex_lock(&syncer->lock);
    uint64_t stalls = syncer->stalls;
    mutex_unlock(&syncer->lock);
    return stalls;
}

void syncer_close(struct syncer *syncer) {
    if (syncer == NULL) {
        return;
    }
    mutex_lock(&syncer->lock);
    syncer->stopping = true;
    condition_signal(&syncer->work);
    bool running = syncer->running;
    mutex_unlock(&syncer->lock);
    if (running) {
        thread_join(&syncer->thread);
    }
    condition_free(&syncer->progress);
    condition_free(&syncer->work);
    mutex_free(&syncer->lock);
    memory_give(syncer);
}
