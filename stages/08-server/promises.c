/* Why no reply goes out too early (always): a reply is written in some tick, into the
 * output of its connection, and flushed by that tick's writers at the soonest. The hook
 * runs before them, and holds the output if the request's sequence is beyond D. So what
 * is flushed unheld was durable when the hook looked, and D does not go back.
 *
 * Why each held reply is released: `wanted` is at least its sequence. While wanted is
 * beyond what a sync was asked for, either a notice is asked for at once, or all are
 * under way and the next one that is told asks again, or the store had no room or memory
 * for it and a timer does. That is no failure: nothing was lost, and reads must go on to
 * wait. */
#include "promises.h"

#include <stdio.h>

#include "failpoint.h"
#include "kv_async.h"

enum { RETRY_MICROS = 1000, PAUSE_MICROS = 100000 };

static void ask(struct promises *promises);

/* Nothing is held any more beyond D, and nothing wanted: sequences beyond it may be given
 * to other changes after a resume, and have to be asked for again. Of a store that was
 * resumed meanwhile a failure says nothing: then `broken` is of the past. */
static void note_failure(struct promises *promises, const struct promise_notice *notice) {
    struct kv_progress progress;
    kv_progress(promises->kv, &progress);
    if (progress.stopped) {
        atomic_u64_store(&promises->rules->broken, notice->resumes + 1,
                         memory_order_release);
    }
    promises->wanted = promises->asked[0] = promises->asked[1] = progress.durable;
    connections_fail(promises->connections, progress.durable, notice->message);
}

/* On the loop. */
static void notice_told(void *context) {
    struct promise_notice *notice = context;
    struct promises *promises = notice->promises;
    notice->asked = false;
    promises->under_way--;
    failpoint_pass(notice_told_not_released);
    if (notice->status != STATUS_OK) {
        note_failure(promises, notice);
    } else if (notice->always) {
        connections_release(promises->connections, notice->sequence);
    }
    ask(promises);
    promises->told(promises->context);
}

static void note_outcome(struct promise_notice *notice, enum status status,
                         const struct error *error) {
    notice->status = status;
    if (status != STATUS_OK) {
        (void)snprintf(notice->message, sizeof notice->message, "IOERR %s",
                       error != NULL && error->message[0] != '\0' ? error->message
                                                                  : status_words(status));
    }
}

/* By a thread of the store, or by the loop's own within kv_notify. */
static void tell(void *context, uint64_t sequence, enum status status,
                 const struct error *error) {
    struct promise_notice *notice = context;
    (void)sequence;
    note_outcome(notice, status, error);
    loop_post(notice->promises->loop, &notice->task);
}

static struct promise_notice *free_notice(struct promises *promises) {
    for (size_t i = 0; i < PROMISE_NOTICES; i++) {
        if (!promises->notices[i].asked) {
            return &promises->notices[i];
        }
    }
    return NULL;
}

static enum config_appendfsync mode_of(const struct promises *promises) {
    return (enum config_appendfsync)atomic_u64_load(&promises->rules->appendfsync,
                                                    memory_order_relaxed);
}

/* everysec: nobody waits for the notice, and each wakes a thread and then the loop. So
 * after one there is a pause, a small part of the interval; the timer ends it. */
static bool pauses(struct promises *promises) {
    uint64_t until = promises->asked_micros + PAUSE_MICROS;
    if (promises->asked_micros == 0 || until <= loop_now_micros(promises->loop)) {
        return false;
    }
    loop_timer_set(promises->loop, &promises->retry, until);
    return true;
}

static void ask(struct promises *promises) {
    struct promise_notice *notice = free_notice(promises);
    bool always = mode_of(promises) == APPENDFSYNC_ALWAYS;
    uint64_t *asked = &promises->asked[always], before = *asked;
    struct error error = {0};
    if (!always) {
        connections_release(promises->connections, UINT64_MAX);
    }
    if (promises->over || promises->wanted <= before || notice == NULL ||
        (!always && (promises->under_way > 0 || pauses(promises)))) {
        return;
    }
    notice->asked = true;
    notice->always = always;
    notice->sequence = *asked = promises->wanted;
    notice->resumes = atomic_u64_load(&promises->rules->resumes, memory_order_acquire);
    promises->asked_micros = loop_now_micros(promises->loop);
    promises->under_way++;
    enum status status =
        kv_notify(promises->kv, notice->sequence,
                  always ? DURABILITY_ALWAYS : DURABILITY_INTERVAL, tell, notice, &error);
    if (status == STATUS_STALLED || status == STATUS_NO_MEMORY) {
        notice->asked = false;
        promises->under_way--;
        *asked = before;
        promises->asked_micros = 0;
        loop_timer_set(promises->loop, &promises->retry,
                       loop_now_micros(promises->loop) + RETRY_MICROS);
    } else if (status != STATUS_OK) {
        tell(notice, notice->sequence, status, &error);
    }
    failpoint_pass(notice_asked_not_told);
}

static void ask_again(void *context) {
    ask(context);
}

enum status promises_init(struct promises *promises, struct kv *kv,
                          struct connections *connections, struct promise_rules *rules,
                          void (*told)(void *context), void *context) {
    *promises = (struct promises){.kv = kv,
                                  .loop = connections->loop,
                                  .connections = connections,
                                  .rules = rules,
                                  .told = told,
                                  .context = context,
                                  .tick = 1,
                                  .retry = {.due = ask_again, .context = promises}};
    link_init(&promises->touched, NULL);
    for (size_t i = 0; i < PROMISE_NOTICES; i++) {
        struct promise_notice *notice = &promises->notices[i];
        notice->promises = promises;
        notice->task = (struct loop_task){.run = notice_told, .context = notice};
    }
    return loop_timer_add(promises->loop, &promises->retry);
}

void promises_free(struct promises *promises) {
    loop_timer_remove(promises->loop, &promises->retry);
}

void promise_init(struct promise *promise, struct connection *connection) {
    *promise = (struct promise){.connection = connection};
    link_init(&promise->link, promise);
}

void promise_forget(struct promise *promise) {
    link_remove(&promise->link);
}

void promises_note(struct promises *promises, struct promise *promise, uint64_t sequence,
                   bool wrote, bool replied) {
    if (promise->tick != promises->tick) {
        promise->tick = promises->tick;
        promise->sequence = promise->written = promise->replies = 0;
    }
    promise->replies += replied;
    if (sequence <= promises->durable) {
        return;
    }
    promise->sequence = sequence > promise->sequence ? sequence : promise->sequence;
    if (wrote && sequence > promise->written) {
        promise->written = sequence;
    }
    if (wrote && sequence > promises->written) {
        promises->written = sequence;
    }
    link_add(&promises->touched, &promise->link);
}

static void look_at_durable(struct promises *promises) {
    struct kv_progress progress;
    kv_progress(promises->kv, &progress);
    promises->durable = progress.durable;
}

static void want(struct promises *promises, uint64_t sequence) {
    promises->wanted = sequence > promises->wanted ? sequence : promises->wanted;
}

void promises_tick_ends(struct promises *promises) {
    enum config_appendfsync mode = mode_of(promises);
    bool broken = promise_rules_broken(promises->rules);
    uint64_t written = promises->written;
    struct promise *promise;
    promises->tick++;
    promises->written = 0;
    if (link_alone(&promises->touched) && written == 0) {
        return;
    }
    failpoint_pass(replied_not_held);
    look_at_durable(promises);
    while ((promise = link_take_first(&promises->touched)) != NULL) {
        uint64_t sequence = broken ? promise->written : promise->sequence;
        if (mode == APPENDFSYNC_ALWAYS && sequence > promises->durable) {
            connection_hold(promise->connection, sequence, promise->replies);
            want(promises, sequence);
        }
    }
    if (mode == APPENDFSYNC_EVERYSEC && written > promises->durable) {
        want(promises, written);
    }
    ask(promises);
}
