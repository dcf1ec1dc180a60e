/* The thread takes all that wait for one durability, waits until the last of them has
 * reached it, and tells of each, in order. A resume takes the log apart and brings another
 * one, so the thread waits inside the engine's gate, and tells outside of it: who is told
 * may take time, or call the store.
 *
 * What was submitted is visible. So a resume, which moves all that is visible into tables,
 * makes it durable: a wait that begins after the resume finds that the new log's D is at
 * or above it. A wait that the failure itself ends answers the failure. */
#include "acknowledger.h"

#include "engine_state.h"
#include "engine_store.h"
#include "memory.h"

struct queue {
    struct submission *first, *last; /* with changes, in the order of their sequences */
    uint64_t greatest;               /* sequence; of a notice, perhaps, within the row */
};

struct acknowledger {
    struct engine *engine;
    const struct threads *threads;
    struct mutex lock; /* for moments */
    struct condition work;
    struct condition room;
    /* guarded by lock */
    struct queue always, interval;
    size_t taken; /* and not yet told of */
    struct thread thread;
    bool running;
    bool stopping;
};

/* ---- the thread ------------------------------------------------------------------ */

/* Returns when changes up to there are as durable as asked. */
static enum status reach(struct engine *engine, uint64_t sequence,
                         enum durability durability, struct error *error) {
    gate_enter(&engine->gate);
    enum status status = engine->wal == NULL /* the last resume failed */
                             ? engine_usable(engine, error)
                             : engine_await(engine, sequence, durability, error);
    gate_leave(&engine->gate);
    return status;
}

/* Requires lock, which it gives up and takes again. */
static void tell_all(struct acknowledger *acknowledger, struct queue *queue) {
    static const struct error none = {0};
    struct error error = {0};
    struct kv_progress now;
    struct submission *submission = queue->first;
    uint64_t greatest = queue->greatest;
    *queue = (struct queue){0};
    mutex_unlock(&acknowledger->lock);
    enum status status =
        reach(acknowledger->engine, greatest, submission->durability, &error);
    engine_progress(acknowledger->engine, &now);
    while (submission != NULL) {
        struct submission *next = submission->next;
        /* Where the greatest failed, those before it may have been synced earlier. */
        bool well = status == STATUS_OK || submission->sequence <= now.durable;
        submission->told(submission->context, submission->sequence,
                         well ? STATUS_OK : status, well ? &none : &error);
        acknowledger_give_back(acknowledger, submission);
        submission = next;
    }
    mutex_lock(&acknowledger->lock);
}

/* Those who wait for each sync come first: it is one for the others, too. */
static void body(void *argument) {
    struct acknowledger *acknowledger = argument;
    mutex_lock(&acknowledger->lock);
    for (;;) {
        if (acknowledger->always.first != NULL) {
            tell_all(acknowledger, &acknowledger->always);
        } else if (acknowledger->interval.first != NULL) {
            tell_all(acknowledger, &acknowledger->interval);
        } else if (acknowledger->stopping) {
            break;
        } else {
            condition_wait(&acknowledger->work, &acknowledger->lock);
        }
    }
    mutex_unlock(&acknowledger->lock);
}

/* ---- submissions ----------------------------------------------------------------- */

/* Requires lock. */
static enum status start(struct acknowledger *acknowledger, struct error *error) {
    if (!acknowledger->running) {
        if (thread_create(&acknowledger->thread, acknowledger->threads, body,
                          acknowledger) != STATUS_OK) {
            return error_no_memory(error, "the acknowledger's thread", 0);
        }
        acknowledger->running = true;
    }
    return STATUS_OK;
}

/* Requires lock. */
static enum status wait_for_room(struct acknowledger *acknowledger, bool may_wait,
                                 struct error *error) {
    while (acknowledger->taken >= KV_SUBMITTED_MAX) {
        if (!may_wait) {
            return error_set(error, STATUS_STALLED,
                             "%d changes are submitted and not yet told of",
                             KV_SUBMITTED_MAX);
        }
        condition_wait(&acknowledger->room, &acknowledger->lock);
    }
    return STATUS_OK;
}

enum status acknowledger_take(struct acknowledger *acknowledger, kv_told *told,
                              void *context, bool may_wait, struct submission **out,
                              struct error *error) {
    struct submission *submission = memory_take_zeroed(sizeof *submission);
    if (submission == NULL) {
        return error_no_memory(error, "a submission", sizeof *submission);
    }
    submission->told = told;
    submission->context = context;
    mutex_lock(&acknowledger->lock);
    enum status status = start(acknowledger, error);
    if (status == STATUS_OK) {
        status = wait_for_room(acknowledger, may_wait, error);
    }
    acknowledger->taken += status == STATUS_OK;
    mutex_unlock(&acknowledger->lock);
    if (status != STATUS_OK) {
        memory_give(submission);
        return status;
    }
    *out = submission;
    return STATUS_OK;
}

void acknowledger_give_back(struct acknowledger *acknowledger,
                            struct submission *submission) {
    memory_give(submission);
    mutex_lock(&acknowledger->lock);
    acknowledger->taken--;
    condition_signal(&acknowledger->room);
    mutex_unlock(&acknowledger->lock);
}

void acknowledger_add(struct acknowledger *acknowledger, struct submission *submission) {
    mutex_lock(&acknowledger->lock);
    struct queue *queue = submission->durability == DURABILITY_ALWAYS
                              ? &acknowledger->always
                              : &acknowledger->interval;
    if (queue->first == NULL) {
        queue->first = submission;
        condition_signal(&acknowledger->work);
    } else {
        queue->last->next = submission;
    }
    queue->last = submission;
    if (submission->sequence > queue->greatest) {
        queue->greatest = submission->sequence;
    }
    mutex_unlock(&acknowledger->lock);
}

/* ---- open and close -------------------------------------------------------------- */

enum status acknowledger_open(struct engine *engine, const struct threads *threads,
                              struct acknowledger **out, struct error *error) {
    struct acknowledger *acknowledger = memory_take_zeroed(sizeof *acknowledger);
    if (acknowledger == NULL) {
        return error_no_memory(error, "the acknowledger", sizeof *acknowledger);
    }
    acknowledger->engine = engine;
    acknowledger->threads = threads;
    if (mutex_init(&acknowledger->lock, threads) == STATUS_OK) {
        if (condition_init(&acknowledger->work, threads) == STATUS_OK) {
            if (condition_init(&acknowledger->room, threads) == STATUS_OK) {
                *out = acknowledger;
                return STATUS_OK;
            }
            condition_free(&acknowledger->work);
        }
        mutex_free(&acknowledger->lock);
    }
    memory_give(acknowledger);
    return error_no_memory(error, "a lock", sizeof(struct mutex));
}

void acknowledger_close(struct acknowledger *acknowledger) {
    if (acknowledger == NULL) {
        return;
    }
    mutex_lock(&acknowledger->lock);
    acknowledger->stopping = true;
    condition_signal(&acknowledger->work);
    bool running = acknowledger->running;
    mutex_unlock(&acknowledger->lock);
    if (running) {
        thread_join(&acknowledger->thread);
    }
    condition_free(&acknowledger->room);
    condition_free(&acknowledger->work);
    mutex_free(&acknowledger->lock);
    memory_give(acknowledger);
}
