/* A store that has stopped at a failed write or sync (kv.h) is resumed by itself: once a
 * second somebody who may wait tries, until the disk has room again, or works. What was
 * told as an error may then be there or not; what was acknowledged is.
 *
 * The store is asked whether it has stopped, since errors of commands do not tell: a
 * value may be too long, a table unreadable, and the list of tables may fail where no
 * client writes. A resume keeps all others out, so it is not tried for less. */
#include "failpoint.h"
#include "host_state.h"

enum { EVERY_MICROS = 1000000 };

static void set_timer(struct host *host) {
    struct loop *loop = host->ios[0].loop;
    loop_timer_set(loop, &host->resume_timer, loop_now_micros(loop) + EVERY_MICROS);
}

/* A failure that is told late is of the time before the resume, by its number: it does
 * not make a sound store a broken one. */
static void resume(void *context) {
    struct host *host = context;
    struct error error = {0};
    atomic_u64_store(&host->server.writes_fail, 1, memory_order_relaxed);
    if (kv_resume(host->kv, &error) != STATUS_OK) {
        if (!host->broken_told) {
            server_log(&host->log, LOGLEVEL_WARNING,
                       "no writes are taken until this is better, reads are: %s",
                       error.message);
        }
        host->broken_told = true;
    } else {
        failpoint_pass(store_resumed_not_told);
        atomic_u64_add(&host->commons.rules.resumes, 1, memory_order_release);
        server_log(&host->log, LOGLEVEL_NOTICE,
                   "a write or sync had failed; the store takes writes again");
        atomic_u64_store(&host->server.writes_fail, 0, memory_order_relaxed);
        host->broken_told = false;
    }
    loop_post(host->ios[0].loop, &host->resumed_task);
}

static void resumed(void *context) {
    struct host *host = context;
    set_timer(host);
}

static void look(void *context) {
    struct host *host = context;
    struct kv_progress progress;
    host_watch(host);
    kv_progress(host->kv, &progress);
    if (progress.stopped) {
        executor_give(&host->executor, &host->resume_job);
    } else {
        set_timer(host);
    }
}

enum status host_resume_init(struct host *host) {
    host->resume_timer = (struct timer){.due = look, .context = host};
    host->resume_job = (struct executor_job){.run = resume, .context = host};
    host->resumed_task = (struct loop_task){.run = resumed, .context = host};
    if (loop_timer_add(host->ios[0].loop, &host->resume_timer) != STATUS_OK) {
        return STATUS_NO_MEMORY;
    }
    host->has_resume = true;
    set_timer(host);
    return STATUS_OK;
}

void host_resume_free(struct host *host) {
    loop_timer_remove(host->ios[0].loop, &host->resume_timer);
}
