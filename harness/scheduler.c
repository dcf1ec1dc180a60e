/* Each simulated thread is a fiber. Control passes in one function, pass_on(), and who
 * receives it is decided in one function, choose().
 *
 * A mutex has no queue: whoever wants one that is held waits, and all who want it may run
 * once it is free; the one that is chosen takes it. So every order of acquisition is
 * among the choices, barging too. A condition has no queue either: its waiters are the
 * threads that say so.
 *
 * tidy: long because it is two tenants, of thread.h and clock.h, over one state. */
#include "scheduler.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "fiber.h"
#include "memory.h"

enum { DECISIONS_MAX = 100 * 1000 * 1000 }; /* between two settlings: a hang */

#define NO_DEADLINE UINT64_MAX
#define CLOCK_START 1000000u         /* so that a deadline of 0 is in the past */
#define WALL_START 1767225600000000u /* 2026-01-01 00:00 UTC */

enum thread_state {
    THREAD_READY,
    THREAD_YIELDS,          /* ready, but only when nobody else is */
    THREAD_WANTS_MUTEX,     /* mutex; ready once it is free */
    THREAD_WANTS_CONDITION, /* condition, mutex (to take again), deadline */
    THREAD_JOINS,           /* target; ready once it has ended */
    THREAD_ENDED
};

struct simulated_mutex {
    struct simulated_thread *owner; /* NULL: free */
    uint64_t number;
};

struct simulated_condition {
    uint64_t number;
};

/* Life: made READY by create, then between READY and the waiting states, ENDED when its
 * body has returned, gone when it was joined or the process killed. */
struct simulated_thread {
    struct fiber *fiber;
    struct scheduler *scheduler;
    struct simulated_thread *next; /* the ring of all threads, by age */
    thread_body *body;
    void *argument;
    uint64_t number;
    enum thread_state state;
    struct simulated_mutex *mutex;
    struct simulated_condition *condition;
    struct simulated_thread *target;
    uint64_t deadline;
    bool timed_out;
};

struct scheduler {
    struct threads threads;
    struct clock clock;
    scheduler_chooser *chooser;
    void *context;
    struct fiber home_fiber;
    struct simulated_thread home; /* the harness's thread: begins the ring */
    struct simulated_thread *current;
    uint64_t now;
    uint64_t spurious_one_in;
    uint64_t last_number; /* of mutexes, conditions and threads */
    uint64_t decisions;
    bool choosing;       /* the chooser is being asked for a thread */
    size_t threads_made; /* and not yet joined; home is not among them */
    size_t objects;
};

/* The scheduler whose threads run on this real one, for the switch points that name none.
 */
static _Thread_local struct scheduler *running;

/* ---- who goes on ------------------------------------------------------------------- */

static void print_thread(const struct simulated_thread *thread) {
    fprintf(stderr, "  thread %" PRIu64 " ", thread->number);
    switch (thread->state) {
    case THREAD_READY:
    case THREAD_YIELDS:
        fprintf(stderr, "can run\n");
        break;
    case THREAD_WANTS_MUTEX:
        if (thread->mutex->owner == NULL) {
            fprintf(stderr, "can take mutex %" PRIu64 "\n", thread->mutex->number);
        } else {
            fprintf(stderr, "waits for mutex %" PRIu64 ", held by thread %" PRIu64 "\n",
                    thread->mutex->number, thread->mutex->owner->number);
        }
        break;
    case THREAD_WANTS_CONDITION:
        fprintf(stderr, "waits on condition %" PRIu64 " of mutex %" PRIu64,
                thread->condition->number, thread->mutex->number);
        if (thread->deadline != NO_DEADLINE) {
            fprintf(stderr, " until %" PRIu64 " us", thread->deadline);
        }
        fprintf(stderr, "\n");
        break;
    case THREAD_JOINS:
        fprintf(stderr, "waits for the end of thread %" PRIu64 "\n",
                thread->target->number);
        break;
    case THREAD_ENDED:
        fprintf(stderr, "has ended\n");
        break;
    }
}

/* The simulation cannot go on: says why, and where each thread stands. */
__attribute__((noreturn)) static void give_up(const struct scheduler *scheduler,
                                              const char *why) {
    const struct simulated_thread *thread = &scheduler->home;
    fprintf(stderr, "scheduler: %s at %" PRIu64 " us, running thread %" PRIu64 "\n", why,
            scheduler->now, scheduler->current->number);
    do {
        print_thread(thread);
        thread = thread->next;
    } while (thread != &scheduler->home);
    fflush(NULL);
    abort();
}

static void must(const struct scheduler *scheduler, bool holds, const char *rule) {
    if (!holds) {
        give_up(scheduler, rule);
    }
}

static bool can_run(const struct simulated_thread *thread) {
    switch (thread->state) {
    case THREAD_READY:
        return true;
    case THREAD_WANTS_MUTEX:
        return thread->mutex->owner == NULL;
    case THREAD_JOINS:
        return thread->target->state == THREAD_ENDED;
    case THREAD_YIELDS:
    case THREAD_WANTS_CONDITION:
    case THREAD_ENDED:
        return false;
    }
    return false;
}

static uint64_t draw(struct scheduler *scheduler, uint64_t bound) {
    if (bound < 2 || scheduler->chooser == NULL) {
        return 0;
    }
    uint64_t choice = scheduler->chooser(scheduler->context, bound);
    must(scheduler, choice < bound, "the chooser broke its bound");
    return choice;
}

/* Moves every wait whose deadline has come on to wanting its mutex. */
static void expire(struct scheduler *scheduler) {
    struct simulated_thread *thread = &scheduler->home;
    do {
        if (thread->state == THREAD_WANTS_CONDITION &&
            thread->deadline <= scheduler->now) {
            thread->state = THREAD_WANTS_MUTEX;
            thread->timed_out = true;
        }
        thread = thread->next;
    } while (thread != &scheduler->home);
}

static uint64_t earliest_deadline(const struct scheduler *scheduler) {
    uint64_t earliest = NO_DEADLINE;
    const struct simulated_thread *thread = &scheduler->home;
    do {
        if (thread->state == THREAD_WANTS_CONDITION && thread->deadline < earliest) {
            earliest = thread->deadline;
        }
        thread = thread->next;
    } while (thread != &scheduler->home);
    return earliest;
}

/* THE decision: the thread that goes on, among those that can, counted from the running
 * one by age; NULL if none can. */
static struct simulated_thread *choose(struct scheduler *scheduler) {
    struct simulated_thread *first = scheduler->current, *thread = first, *yields = NULL;
    uint64_t count = 0;
    do {
        count += can_run(thread);
        if (thread->state == THREAD_YIELDS) {
            yields = thread;
        }
        thread = thread->next;
    } while (thread != first);
    if (count == 0) {
        return yields;
    }
    scheduler->choosing = true;
    uint64_t choice = draw(scheduler, count);
    scheduler->choosing = false;
    for (;; thread = thread->next) {
        if (can_run(thread) && choice-- == 0) {
            return thread;
        }
    }
}

uint64_t scheduler_candidate(const struct scheduler *scheduler, uint64_t choice) {
    const struct simulated_thread *thread = scheduler->current;
    for (; scheduler->choosing; thread = thread->next) {
        if (can_run(thread) && choice-- == 0) {
            return thread->number;
        }
    }
    return 0;
}

/* Lets the chosen thread go on, and returns when this one is chosen again. */
static void pass_on(struct scheduler *scheduler) {
    struct simulated_thread *me = scheduler->current, *chosen;
    running = scheduler;
    if (++scheduler->decisions > DECISIONS_MAX) {
        give_up(scheduler, "no progress");
    }
    while ((chosen = choose(scheduler)) == NULL) {
        uint64_t deadline = earliest_deadline(scheduler);
        must(scheduler, deadline != NO_DEADLINE, "deadlock");
        scheduler->now = deadline;
        expire(scheduler);
    }
    chosen->state = THREAD_READY;
    scheduler->current = chosen;
    if (me->state == THREAD_ENDED) {
        fiber_leave(me->fiber, chosen->fiber);
    }
    if (chosen != me) {
        fiber_switch(me->fiber, chosen->fiber);
    }
}

/* A point where another thread may go on. */
static void offer(struct scheduler *scheduler) {
    if (scheduler->threads_made != 0) {
        pass_on(scheduler);
    }
}

static struct simulated_thread *before(struct scheduler *scheduler,
                                       const struct simulated_thread *thread) {
    struct simulated_thread *other = &scheduler->home;
    while (other->next != thread) {
        other = other->next;
    }
    return other;
}

#ifdef STRATA_SIM
void scheduler_switch_point(void); /* common/atomic.h */

void scheduler_switch_point(void) {
    if (running != NULL) {
        offer(running);
    }
}
#endif

/* ---- thread.h: mutexes and conditions ---------------------------------------------- */

static enum status simulated_mutex_init(void *state, struct mutex *mutex) {
    struct scheduler *scheduler = state;
    struct simulated_mutex *made = memory_take_zeroed(sizeof *made);
    if (made == NULL) {
        return STATUS_NO_MEMORY;
    }
    made->number = ++scheduler->last_number;
    mutex->as.simulated = made;
    scheduler->objects++;
    return STATUS_OK;
}

static void simulated_mutex_free(void *state, struct mutex *mutex) {
    struct scheduler *scheduler = state;
    struct simulated_mutex *gone = mutex->as.simulated;
    must(scheduler, gone->owner == NULL, "a mutex was freed while held");
    memory_give(gone);
    scheduler->objects--;
}

static void acquire(struct scheduler *scheduler, struct simulated_mutex *mutex) {
    struct simulated_thread *me = scheduler->current;
    must(scheduler, mutex->owner != me, "a mutex was locked twice by one thread");
    while (mutex->owner != NULL) {
        me->state = THREAD_WANTS_MUTEX;
        me->mutex = mutex;
        pass_on(scheduler);
    }
    mutex->owner = me;
}

static void simulated_mutex_lock(void *state, struct mutex *mutex) {
    struct scheduler *scheduler = state;
    offer(scheduler);
    acquire(scheduler, mutex->as.simulated);
}

static void release(struct scheduler *scheduler, struct simulated_mutex *mutex) {
    must(scheduler, mutex->owner == scheduler->current,
         "a mutex was unlocked by a thread that does not hold it");
    mutex->owner = NULL;
}

static void simulated_mutex_unlock(void *state, struct mutex *mutex) {
    release(state, mutex->as.simulated);
    offer(state);
}

static enum status simulated_condition_init(void *state, struct condition *condition) {
    struct scheduler *scheduler = state;
    struct simulated_condition *made = memory_take_zeroed(sizeof *made);
    if (made == NULL) {
        return STATUS_NO_MEMORY;
    }
    made->number = ++scheduler->last_number;
    condition->as.simulated = made;
    scheduler->objects++;
    return STATUS_OK;
}

/* The waiter of a condition that `skip` older threads wait before; NULL if there is none.
 */
static struct simulated_thread *waiter(struct scheduler *scheduler,
                                       const struct simulated_condition *condition,
                                       uint64_t skip) {
    struct simulated_thread *thread = &scheduler->home;
    do {
        if (thread->state == THREAD_WANTS_CONDITION && thread->condition == condition &&
            skip-- == 0) {
            return thread;
        }
        thread = thread->next;
    } while (thread != &scheduler->home);
    return NULL;
}

static void simulated_condition_free(void *state, struct condition *condition) {
    struct scheduler *scheduler = state;
    must(scheduler, waiter(scheduler, condition->as.simulated, 0) == NULL,
         "a condition was freed while waited for");
    memory_give(condition->as.simulated);
    scheduler->objects--;
}

static bool simulated_condition_wait_until(void *state, struct condition *condition,
                                           struct mutex *mutex,
                                           uint64_t deadline_micros) {
    struct scheduler *scheduler = state;
    struct simulated_thread *me = scheduler->current;
    uint64_t one_in = scheduler->spurious_one_in;
    bool spurious = one_in > 1 && draw(scheduler, one_in) == one_in - 1;
    release(scheduler, mutex->as.simulated);
    me->mutex = mutex->as.simulated;
    me->condition = condition->as.simulated;
    me->deadline = deadline_micros;
    me->timed_out = deadline_micros <= scheduler->now;
    me->state = spurious || me->timed_out ? THREAD_WANTS_MUTEX : THREAD_WANTS_CONDITION;
    pass_on(scheduler);
    acquire(scheduler, mutex->as.simulated);
    return !me->timed_out;
}

static void simulated_condition_wait(void *state, struct condition *condition,
                                     struct mutex *mutex) {
    (void)simulated_condition_wait_until(state, condition, mutex, NO_DEADLINE);
}

static void simulated_condition_signal(void *state, struct condition *condition) {
    struct scheduler *scheduler = state;
    uint64_t count = 0;
    while (waiter(scheduler, condition->as.simulated, count) != NULL) {
        count++;
    }
    if (count != 0) {
        uint64_t skip = draw(scheduler, count);
        waiter(scheduler, condition->as.simulated, skip)->state = THREAD_WANTS_MUTEX;
    }
    offer(scheduler);
}

static void simulated_condition_broadcast(void *state, struct condition *condition) {
    struct scheduler *scheduler = state;
    struct simulated_thread *woken;
    while ((woken = waiter(scheduler, condition->as.simulated, 0)) != NULL) {
        woken->state = THREAD_WANTS_MUTEX;
    }
    offer(scheduler);
}

/* ---- thread.h: threads ------------------------------------------------------------- */

/* What the fiber of a created thread runs. */
static void thread_run(void *argument) {
    struct simulated_thread *me = argument;
    me->body(me->argument);
    me->state = THREAD_ENDED;
    pass_on(me->scheduler);
}

static enum status simulated_create(void *state, struct thread *thread, thread_body *body,
                                    void *argument) {
    struct scheduler *scheduler = state;
    struct simulated_thread *made = memory_take_zeroed(sizeof *made);
    if (made == NULL) {
        return STATUS_NO_MEMORY;
    }
    made->fiber = fiber_take(thread_run, made);
    made->scheduler = scheduler;
    made->body = body;
    made->argument = argument;
    made->number = ++scheduler->last_number;
    made->state = THREAD_READY;
    made->next = &scheduler->home;
    before(scheduler, &scheduler->home)->next = made;
    scheduler->threads_made++;
    thread->as.simulated = made;
    offer(scheduler);
    return STATUS_OK;
}

/* Its record is memory of the engine's: the joiner's to give, or the harness's to
 * reclaim. */
static void forget(struct scheduler *scheduler, struct simulated_thread *thread) {
    before(scheduler, thread)->next = thread->next;
    scheduler->threads_made--;
    fiber_give(thread->fiber);
}

static void simulated_join(void *state, struct thread *thread) {
    struct scheduler *scheduler = state;
    struct simulated_thread *me = scheduler->current, *target = thread->as.simulated;
    me->state = THREAD_JOINS;
    me->target = target;
    pass_on(scheduler);
    forget(scheduler, target);
    memory_give(target);
}

/* Takes a microsecond, so that who yields for a time comes to its end. */
static void simulated_yield(void *state) {
    struct scheduler *scheduler = state;
    scheduler->now++;
    expire(scheduler);
    offer(scheduler);
}

/* Who goes first is the schedule's choice. */
static void simulated_give_way(void *state) {
    (void)state;
}

static const struct thread_ops simulated_thread_ops = {
    .mutex_init = simulated_mutex_init,
    .mutex_free = simulated_mutex_free,
    .mutex_lock = simulated_mutex_lock,
    .mutex_unlock = simulated_mutex_unlock,
    .condition_init = simulated_condition_init,
    .condition_free = simulated_condition_free,
    .condition_wait = simulated_condition_wait,
    .condition_wait_until = simulated_condition_wait_until,
    .condition_signal = simulated_condition_signal,
    .condition_broadcast = simulated_condition_broadcast,
    .create = simulated_create,
    .join = simulated_join,
    .yield = simulated_yield,
    .give_way = simulated_give_way,
};

/* ---- clock.h ----------------------------------------------------------------------- */

static uint64_t simulated_monotonic(void *state) {
    const struct scheduler *scheduler = state;
    return scheduler->now;
}

static uint64_t simulated_wall(void *state) {
    const struct scheduler *scheduler = state;
    return WALL_START + scheduler->now;
}

static const struct clock_ops simulated_clock_ops = {simulated_monotonic, simulated_wall};

/* ---- the harness's side ------------------------------------------------------------ */

struct scheduler *scheduler_new(scheduler_chooser *chooser, void *context) {
    struct scheduler *scheduler = calloc(1, sizeof *scheduler);
    if (scheduler == NULL) {
        perror("scheduler");
        exit(EXIT_FAILURE);
    }
    scheduler->threads = (struct threads){&simulated_thread_ops, scheduler};
    scheduler->clock = (struct clock){&simulated_clock_ops, scheduler};
    scheduler->chooser = chooser;
    scheduler->context = context;
    scheduler->now = CLOCK_START;
    fiber_home(&scheduler->home_fiber);
    scheduler->home.fiber = &scheduler->home_fiber;
    scheduler->home.scheduler = scheduler;
    scheduler->home.next = &scheduler->home;
    scheduler->current = &scheduler->home;
    return scheduler;
}

void scheduler_free(struct scheduler *scheduler) {
    if (scheduler == NULL) {
        return;
    }
    must(scheduler, scheduler->threads_made == 0, "freed while threads are not joined");
    if (running == scheduler) {
        running = NULL;
    }
    free(scheduler);
}

const struct threads *scheduler_threads(struct scheduler *scheduler) {
    return &scheduler->threads;
}

const struct clock *scheduler_clock(struct scheduler *scheduler) {
    return &scheduler->clock;
}

void scheduler_wake_spuriously(struct scheduler *scheduler, uint64_t one_in) {
    scheduler->spurious_one_in = one_in;
}

void scheduler_settle(struct scheduler *scheduler) {
    scheduler->decisions = 0;
    if (scheduler->threads_made != 0) {
        scheduler->current->state = THREAD_YIELDS;
        pass_on(scheduler);
    }
}

uint64_t scheduler_start_millis(void) {
    return (WALL_START + CLOCK_START) / 1000;
}

void scheduler_rewind(struct scheduler *scheduler) {
    scheduler->now = CLOCK_START;
}

void scheduler_advance(struct scheduler *scheduler, uint64_t micros) {
    uint64_t end = scheduler->now + micros, deadline;
    scheduler_settle(scheduler);
    while ((deadline = earliest_deadline(scheduler)) <= end && deadline != NO_DEADLINE) {
        scheduler->now = deadline;
        expire(scheduler);
        scheduler_settle(scheduler);
    }
    scheduler->now = scheduler->now < end ? end : scheduler->now;
}

void scheduler_kill(struct scheduler *scheduler) {
    must(scheduler, scheduler->current == &scheduler->home,
         "killed by a thread of its own");
    while (scheduler->threads_made != 0) {
        forget(scheduler, scheduler->home.next);
    }
    scheduler->objects = 0;
}

size_t scheduler_objects(const struct scheduler *scheduler) {
    return scheduler->objects + scheduler->threads_made;
}
