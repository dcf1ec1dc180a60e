/* What is to be called stands in rings: a tick moves a ring's links into one of its own
 * and takes them out one by one. So a call may end any other, which is then in no ring,
 * and what asks to be called again comes in the next tick, not endlessly in this one.
 * Only the events that epoll has reported are an array; a watch that ends is wiped from
 * it.
 *
 * Other threads put their tasks in a list under a lock, and whoever finds that the loop
 * does not know yet (`woken`) writes to an eventfd that the loop watches. */
#include "loop.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "atomic.h"
#include "failpoint.h"
#include "memory.h"

enum { EVENTS_MAX = 256 };

struct loop {
    const struct world *world;
    int epoll;
    int wake; /* eventfd */
    uint64_t now_micros;
    void (*tick_ends)(void *context);
    void *hook_context;
    struct link again;   /* watches */
    struct link writers; /* who was asked for in this tick */
    struct timers timers;
    struct epoll_event events[EVENTS_MAX];
    int event_count; /* those not yet called */
    struct loop_watch wake_watch;
    struct atomic_u64 stopping;

    struct mutex lock; /* for moments */
    /* guarded by lock */
    struct loop_task *first, *last;
    bool woken;
};

/* ---- tasks ----------------------------------------------------------------------- */

static void wake(struct loop *loop) {
    /* It fails only when the counter is full, and then the loop is woken as well. */
    int failed = eventfd_write(loop->wake, 1);
    (void)failed;
}

/* It is woken with the lock held: once that is let go the task can run, and it may be the
 * one behind which the loop is closed. */
void loop_post(struct loop *loop, struct loop_task *task) {
    task->next = NULL;
    mutex_lock(&loop->lock);
    if (loop->first == NULL) {
        loop->first = task;
    } else {
        loop->last->next = task;
    }
    loop->last = task;
    if (!loop->woken) {
        loop->woken = true;
        wake(loop);
    }
    mutex_unlock(&loop->lock);
}

void loop_stop(struct loop *loop) {
    atomic_u64_store(&loop->stopping, 1, memory_order_release);
    wake(loop);
}

/* The eventfd is not read: edge-triggered, each write to it is an event of its own. */
static void woken(void *context, unsigned events) {
    (void)context;
    (void)events;
}

/* The event was taken before the tasks are. So one that is posted after they are taken is
 * told of by another. */
static void run_tasks(struct loop *loop) {
    mutex_lock(&loop->lock);
    struct loop_task *task = loop->first;
    loop->first = loop->last = NULL;
    loop->woken = false;
    mutex_unlock(&loop->lock);
    while (task != NULL) {
        struct loop_task *next = task->next;
        task->run(task->context);
        task = next;
    }
}

/* ---- watches, writers and timers ------------------------------------------------- */

static struct epoll_event events_of(struct loop_watch *watch) {
    uint32_t writing = watch->writing ? EPOLLOUT : 0;
    return (struct epoll_event){.events = EPOLLIN | EPOLLRDHUP | EPOLLET | writing,
                                .data.ptr = watch};
}

enum status loop_watch(struct loop *loop, struct loop_watch *watch, struct error *error) {
    watch->writing = false;
    struct epoll_event event = events_of(watch);
    link_init(&watch->link, watch);
    bool fails = failpoint(loop_watch);
    if (fails || epoll_ctl(loop->epoll, EPOLL_CTL_ADD, watch->descriptor, &event) != 0) {
        return error_set_errno(error, fails ? ENOMEM : errno, "epoll: watching %d",
                               watch->descriptor);
    }
    return STATUS_OK;
}

/* EPOLL_CTL_MOD looks at once whether what is watched for is so (ep_modify of Linux); it
 * takes no memory, and of a descriptor that is watched it cannot fail. */
void loop_watch_writing(struct loop *loop, struct loop_watch *watch, bool writing) {
    if (watch->writing == writing) {
        return;
    }
    watch->writing = writing;
    struct epoll_event event = events_of(watch);
    int failed = epoll_ctl(loop->epoll, EPOLL_CTL_MOD, watch->descriptor, &event);
    assert(failed == 0);
    (void)failed;
}

void loop_unwatch(struct loop *loop, struct loop_watch *watch) {
    int failed = epoll_ctl(loop->epoll, EPOLL_CTL_DEL, watch->descriptor, NULL);
    assert(failed == 0);
    (void)failed;
    link_remove(&watch->link);
    for (int i = 0; i < loop->event_count; i++) {
        if (loop->events[i].data.ptr == watch) {
            loop->events[i].data.ptr = NULL;
        }
    }
}

void loop_again(struct loop *loop, struct loop_watch *watch) {
    link_add(&loop->again, &watch->link);
}

void loop_writer_init(struct loop_writer *writer, void (*write)(void *context),
                      void *context) {
    *writer = (struct loop_writer){.write = write, .context = context};
    link_init(&writer->link, writer);
}

void loop_write(struct loop *loop, struct loop_writer *writer) {
    link_add(&loop->writers, &writer->link);
}

void loop_unwrite(struct loop_writer *writer) {
    link_remove(&writer->link);
}

enum status loop_timer_add(struct loop *loop, struct timer *timer) {
    return timers_add(&loop->timers, timer);
}

void loop_timer_set(struct loop *loop, struct timer *timer, uint64_t micros) {
    timers_set(&loop->timers, timer, micros);
}

void loop_timer_remove(struct loop *loop, struct timer *timer) {
    timers_remove(&loop->timers, timer);
}

/* ---- a tick ---------------------------------------------------------------------- */

/* For how long there is nothing to do, as epoll_wait takes it: in milliseconds, rounded
 * up, so that the loop does not turn in the last one before a timer. */
static int idle_millis(struct loop *loop, bool may_wait) {
    uint64_t next = timers_next(&loop->timers);
    uint64_t now = clock_monotonic_micros(loop->world->clock);
    if (!may_wait || next <= now || !link_alone(&loop->again) ||
        !link_alone(&loop->writers)) {
        return 0;
    }
    if (next == TIMER_NEVER) {
        return -1;
    }
    uint64_t millis = (next - now) / 1000 + ((next - now) % 1000 != 0);
    return millis < INT_MAX ? (int)millis : INT_MAX;
}

static void call_ready(const struct epoll_event *event) {
    struct loop_watch *watch = event->data.ptr;
    unsigned events = 0;
    if (watch == NULL) {
        return;
    }
    if ((event->events & EPOLLIN) != 0) {
        events |= LOOP_READABLE;
    }
    if ((event->events & EPOLLOUT) != 0) {
        events |= LOOP_WRITABLE;
    }
    if ((event->events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
        events |= LOOP_READABLE | LOOP_WRITABLE | LOOP_ENDED;
    }
    watch->ready(watch->context, events);
}

static void call_watches(struct loop *loop, struct link *again, int count) {
    struct loop_watch *watch;
    loop->event_count = count;
    for (int i = 0; i < count; i++) {
        call_ready(&loop->events[i]);
    }
    loop->event_count = 0;
    while ((watch = link_take_first(again)) != NULL) {
        watch->ready(watch->context, 0);
    }
}

/* One that is set anew is not called twice, though its time be over. */
static void call_timers(struct loop *loop) {
    struct timer *timer;
    for (size_t most = loop->timers.count; most > 0; most--) {
        timer = timers_take_due(&loop->timers, loop->now_micros);
        if (timer == NULL) {
            break;
        }
        timer->due(timer->context);
    }
}

static void call_writers(struct loop *loop) {
    struct link now;
    struct loop_writer *writer;
    link_init(&now, NULL);
    link_move_all(&now, &loop->writers);
    while ((writer = link_take_first(&now)) != NULL) {
        writer->write(writer->context);
    }
}

void loop_tick(struct loop *loop, bool may_wait) {
    struct link again;
    int count =
        epoll_wait(loop->epoll, loop->events, EVENTS_MAX, idle_millis(loop, may_wait));
    assert(count >= 0 || errno == EINTR);
    loop->now_micros = clock_monotonic_micros(loop->world->clock);
    link_init(&again, NULL);
    link_move_all(&again, &loop->again);
    call_watches(loop, &again, count < 0 ? 0 : count);
    run_tasks(loop);
    call_timers(loop);
    if (loop->tick_ends != NULL) {
        loop->tick_ends(loop->hook_context);
    }
    call_writers(loop);
}

void loop_run(struct loop *loop) {
    while (atomic_u64_load(&loop->stopping, memory_order_acquire) == 0) {
        loop_tick(loop, true);
    }
    loop_tick(loop, false);
}

uint64_t loop_now_micros(const struct loop *loop) {
    return loop->now_micros;
}

void loop_set_hook(struct loop *loop, void (*tick_ends)(void *context), void *context) {
    loop->tick_ends = tick_ends;
    loop->hook_context = context;
}

/* ---- open and close -------------------------------------------------------------- */

static enum status open_descriptors(struct loop *loop, struct error *error) {
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll < 0) {
        return error_set_errno(error, errno, "epoll");
    }
    loop->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->wake < 0) {
        return error_set_errno(error, errno, "eventfd");
    }
    loop->wake_watch =
        (struct loop_watch){.ready = woken, .context = loop, .descriptor = loop->wake};
    return loop_watch(loop, &loop->wake_watch, error);
}

static void close_descriptors(struct loop *loop) {
    if (loop->wake >= 0) {
        (void)close(loop->wake);
    }
    if (loop->epoll >= 0) {
        (void)close(loop->epoll);
    }
}

enum status loop_open(const struct world *world, struct loop **out, struct error *error) {
    struct loop *loop = memory_take_zeroed(sizeof *loop);
    if (loop == NULL) {
        return error_no_memory(error, "an event loop", sizeof *loop);
    }
    loop->world = world;
    loop->epoll = loop->wake = -1;
    link_init(&loop->again, NULL);
    link_init(&loop->writers, NULL);
    loop->now_micros = clock_monotonic_micros(world->clock);
    enum status status = open_descriptors(loop, error);
    if (status == STATUS_OK) {
        status = mutex_init(&loop->lock, world->threads);
        if (status == STATUS_OK) {
            *out = loop;
            return STATUS_OK;
        }
        status = error_no_memory(error, "a lock", sizeof loop->lock);
    }
    close_descriptors(loop);
    memory_give(loop);
    return status;
}

void loop_close(struct loop *loop) {
    if (loop == NULL) {
        return;
    }
    assert(loop->first == NULL && link_alone(&loop->again) && link_alone(&loop->writers));
    mutex_free(&loop->lock);
    timers_free(&loop->timers);
    close_descriptors(loop);
    memory_give(loop);
}
