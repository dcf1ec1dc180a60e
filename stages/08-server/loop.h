/* The event loop of one thread: sockets, timers, and tasks that other threads send.
 *
 * It goes in ticks. A tick waits until there is something to do, then
 *
 *     1. calls the watches whose descriptors are ready: all is read, all commands run
 *     2. runs the tasks that were posted
 *     3. calls the timers that are due
 *     4. calls the hook: the tick's work is done, one sync can be asked for all of it
 *     5. calls the writers that were asked for: each client gets one writev
 *
 * so that whatever a tick brought shares one sync, and one write per client.
 *
 * Descriptors are watched edge-triggered (epoll(7)): each is given to the kernel once,
 * for reading. So stopping to read from a client is a word in memory and no system call;
 * who is called must read until there is nothing more, or remember that there is, or ask
 * to be called again. For writing too they are watched only while something waits to be
 * written: a peer that takes a reply makes room, and would wake the loop each time.
 *
 * All functions are for the loop's thread, but loop_post and loop_stop. What is called
 * may call everything here, and end any watch, timer or writer, its own too. */
#ifndef STRATA_LOOP_H
#define STRATA_LOOP_H

#include "links.h"
#include "status.h"
#include "timers.h"
#include "world.h"

struct loop;

enum loop_event {
    LOOP_READABLE = 1, /* bytes, a client, the end, or an error can be read */
    LOOP_WRITABLE = 2, /* only of one that is watched for it */
    LOOP_ENDED = 4, /* the peer sends no more, or all is over: read until that is seen */
};

/* Events is what became so since the last call; 0 when it was asked for by loop_again. */
typedef void loop_ready(void *context, unsigned events);

/* These are in the caller's storage and stay there while the loop has them. */
struct loop_watch {
    loop_ready *ready;
    void *context;
    int descriptor;   /* the caller's, who closes it after loop_unwatch */
    bool writing;     /* it is watched for writing, too */
    struct link link; /* of those to be called again */
};

struct loop_writer {
    void (*write)(void *context);
    void *context;
    struct link link; /* of those to be called */
};

/* What another thread has to say. It is the poster's again when it runs. */
struct loop_task {
    void (*run)(void *context);
    void *context;
    struct loop_task *next;
};

/* In the world: clock and threads. The epoll instance itself waits for as long as that
 * clock says that it should, in real time. */
MUST_CHECK enum status loop_open(const struct world *world, struct loop **loop,
                                 struct error *error);

/* Nothing is watched, added or posted any more. NULL is allowed. */
void loop_close(struct loop *loop);

/* Called at the end of each tick, before the writers. */
void loop_set_hook(struct loop *loop, void (*tick_ends)(void *context), void *context);

/* One tick; if there is nothing to do, and it may, it waits. */
void loop_tick(struct loop *loop, bool may_wait);

/* Ticks until it is stopped; then once more without waiting, for what was posted. */
void loop_run(struct loop *loop);

/* Any thread, and a signal's handler. */
void loop_stop(struct loop *loop);

/* Any thread: the task is run by the loop's thread, after those that were posted before.
 * Never fails. */
void loop_post(struct loop *loop, struct loop_task *task);

/* The monotonic clock as this tick began. */
uint64_t loop_now_micros(const struct loop *loop);

/* Set ready, context and descriptor before. Ready is called for what is so already, too.
 * IO, NO_MEMORY. */
MUST_CHECK enum status loop_watch(struct loop *loop, struct loop_watch *watch,
                                  struct error *error);
void loop_unwatch(struct loop *loop, struct loop_watch *watch);

/* Whether it is watched for writing, too. Ready is called if it can be written to
 * already: so room that came after a write was cut short, and before this, is not missed.
 */
void loop_watch_writing(struct loop *loop, struct loop_watch *watch, bool writing);

/* Calls ready in the next tick, which does not wait. */
void loop_again(struct loop *loop, struct loop_watch *watch);

/* Calls write at the end of this tick; asked by a writer, of the next. */
void loop_writer_init(struct loop_writer *writer, void (*write)(void *context),
                      void *context);
void loop_write(struct loop *loop, struct loop_writer *writer);
void loop_unwrite(struct loop_writer *writer);

/* As timers.h has them. */
MUST_CHECK enum status loop_timer_add(struct loop *loop, struct timer *timer);
void loop_timer_set(struct loop *loop, struct timer *timer, uint64_t micros);
void loop_timer_remove(struct loop *loop, struct timer *timer);

#endif
