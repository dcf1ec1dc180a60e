#include "failpoint.h"
#include "host_state.h"
#include "process.h"
#include "stop_signal.h"

enum { GRACE_MICROS = 2000000, LOOK_MICROS = 10000 };

static struct loop *loop_of(struct host *host) {
    return host->ios[0].loop;
}

static void stop_loops(struct host *host) {
    for (size_t i = 0; i < host->io_count; i++) {
        loop_stop(host->ios[i].loop);
    }
}

static void kill_all(struct host *host, const char *why) {
    if (host->killed) {
        return;
    }
    host->killed = true;
    server_log(&host->log, LOGLEVEL_WARNING, "%s: connections are closed", why);
    for (size_t i = 0; i < host->io_count; i++) {
        io_thread_kill(&host->ios[i]);
    }
    loop_timer_set(loop_of(host), &host->deadline,
                   loop_now_micros(loop_of(host)) + GRACE_MICROS);
}

static bool clients_are_gone(const struct host *host) {
    return atomic_u64_load(&host->over, memory_order_acquire) == host->io_count;
}

static void deadline_is_over(void *context) {
    struct host *host = context;
    bool gone = clients_are_gone(host);
    if (!gone && !host->killed) {
        kill_all(host, "clients take too long");
        return;
    }
    host->cut_short = true;
    server_log(&host->log, LOGLEVEL_WARNING, "%s too long: not waited for",
               gone ? "a checkpoint takes" : "commands take");
    stop_loops(host);
}

static void close_listener(struct host *host) {
    mutex_lock(&host->mutex);
    struct listener *listener = host->listener;
    host->accepted = listener_accepted(listener);
    host->refused = listener_refused(listener);
    host->listener = NULL;
    mutex_unlock(&host->mutex);
    listener_close(listener);
}

/* Clients that were let in are posted to their loops before this finish is, so it finds
 * them all. */
void host_stop(struct host *host, const char *why) {
    struct error error = {0};
    uint64_t seconds = atomic_u64_load(&host->shutdown_seconds, memory_order_relaxed);
    if (host->stopping) {
        return;
    }
    host->stopping = true;
    server_log(&host->log, LOGLEVEL_NOTICE, "%s: shutting down", why);
    if (process_notify(process_environment(), "STOPPING=1", &error) != STATUS_OK) {
        server_log(&host->log, LOGLEVEL_WARNING, "%s", error.message);
    }
    close_listener(host);
    failpoint_pass(stop_begun);
    loop_timer_set(loop_of(host), &host->deadline,
                   loop_now_micros(loop_of(host)) + seconds * 1000000);
    for (size_t i = 0; i < host->io_count; i++) {
        io_thread_finish(&host->ios[i]);
    }
}

static void signal_came(void *context, unsigned events) {
    struct host *host = context;
    const char *name;
    (void)events;
    while ((name = stop_signal_take(host->signals)) != NULL) {
        if (host->stopping) {
            kill_all(host, name);
        } else {
            host_stop(host, name);
        }
    }
}

static void stop_asked(void *context) {
    host_stop(context, "SHUTDOWN");
}

/* An attempt to resume the store has a task to come, for the loop to run. A BGSAVE is of
 * no client, and ends without a word: it is looked at again and again. */
static void look_whether_over(void *context) {
    struct host *host = context;
    struct saver_facts facts;
    saver_tell(&host->server.saver, &facts);
    if (!clients_are_gone(host)) {
        return;
    }
    if (facts.running) {
        loop_timer_set(loop_of(host), &host->look_again,
                       loop_now_micros(loop_of(host)) + LOOK_MICROS);
    } else {
        loop_timer_set(loop_of(host), &host->deadline, TIMER_NEVER);
        stop_loops(host);
    }
}

/* Of each thread once, so the last one posts the task once. */
static void thread_over(void *context) {
    struct host *host = context;
    if (atomic_u64_add(&host->over, 1, memory_order_acq_rel) + 1 == host->io_count) {
        loop_post(loop_of(host), &host->over_task);
    }
}

enum status host_stop_init(struct host *host, struct error *error) {
    host->commons.over = thread_over;
    host->commons.context = host;
    host->stop_task = (struct loop_task){.run = stop_asked, .context = host};
    host->over_task = (struct loop_task){.run = look_whether_over, .context = host};
    host->deadline = (struct timer){.due = deadline_is_over, .context = host};
    host->look_again = (struct timer){.due = look_whether_over, .context = host};
    enum status status = loop_timer_add(loop_of(host), &host->deadline);
    if (status != STATUS_OK) {
        return error_no_memory(error, "a timer", sizeof(struct timer *));
    }
    status = loop_timer_add(loop_of(host), &host->look_again);
    if (status != STATUS_OK) {
        (void)error_no_memory(error, "a timer", sizeof(struct timer *));
        goto remove_deadline;
    }
    status = stop_signal_open(&host->signals, error);
    if (status != STATUS_OK) {
        goto remove_timers;
    }
    host->signal_watch = (struct loop_watch){
        .ready = signal_came, .context = host, .descriptor = host->signals};
    status = loop_watch(loop_of(host), &host->signal_watch, error);
    if (status == STATUS_OK) {
        host->has_signals = true;
        return STATUS_OK;
    }
    stop_signal_close(host->signals);
remove_timers:
    loop_timer_remove(loop_of(host), &host->look_again);
remove_deadline:
    loop_timer_remove(loop_of(host), &host->deadline);
    return status;
}

void host_stop_free(struct host *host) {
    loop_unwatch(loop_of(host), &host->signal_watch);
    loop_timer_remove(loop_of(host), &host->look_again);
    loop_timer_remove(loop_of(host), &host->deadline);
    stop_signal_close(host->signals);
}
