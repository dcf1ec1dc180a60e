#include "io_thread.h"

#include "guest.h"
#include "memory.h"

/* ---- the end --------------------------------------------------------------------- */

/* Nothing of a client's is left: no connection, and no notice that a thread of the store
 * would tell. A job of a worker keeps its connection. */
static void check(void *context) {
    struct io_thread *io = context;
    io->checking = false;
    if (io->finishing && !io->is_over && connections_over(&io->connections) &&
        promises_idle(&io->promises)) {
        io->is_over = true;
        promises_end(&io->promises);
        io->commons->over(io->commons->context);
    }
}

void io_thread_check(struct io_thread *io) {
    if (io->finishing && !io->checking && !io->is_over) {
        io->checking = true;
        loop_post(io->loop, &io->check_task);
    }
}

static void note_told(void *context) {
    io_thread_check(context);
}

static void finish(void *context) {
    struct io_thread *io = context;
    io->finishing = true;
    connections_finish(&io->connections);
    io_thread_check(io);
}

static void kill_all(void *context) {
    struct io_thread *io = context;
    connections_kill(&io->connections);
    io_thread_check(io);
}

void io_thread_finish(struct io_thread *io) {
    loop_post(io->loop, &io->finish_task);
}

void io_thread_kill(struct io_thread *io) {
    loop_post(io->loop, &io->kill_task);
}

/* ---- limits ---------------------------------------------------------------------- */

static void limit(void *context) {
    struct io_thread *io = context;
    mutex_lock(&io->mutex);
    struct connection_limits limits = io->limits;
    io->limiting = false;
    mutex_unlock(&io->mutex);
    connections_limit(&io->connections, &limits);
}

void io_thread_limit(struct io_thread *io, const struct connection_limits *limits) {
    mutex_lock(&io->mutex);
    bool post = !io->limiting;
    io->limits = *limits;
    io->limiting = true;
    mutex_unlock(&io->mutex);
    if (post) {
        loop_post(io->loop, &io->limit_task);
    }
}

/* ---- MONITOR --------------------------------------------------------------------- */

enum { LINES_MOST = 4096 }; /* on their way to one loop */

struct monitor_task {
    struct loop_task task;
    struct io_thread *io;
    size_t length;
    unsigned char line[];
};

static void show_line(void *context) {
    struct monitor_task *shown = context;
    guests_show_line(shown->io, slice_make(shown->line, shown->length));
    atomic_u64_subtract(&shown->io->lines, 1, memory_order_relaxed);
    memory_give(shown);
}

void io_thread_monitored(struct io_thread *io, struct slice line) {
    if (atomic_u64_load(&io->monitors, memory_order_relaxed) == 0 ||
        atomic_u64_load(&io->lines, memory_order_relaxed) >= LINES_MOST) {
        return;
    }
    struct monitor_task *shown = memory_take(sizeof *shown + line.length);
    if (shown == NULL) {
        return;
    }
    shown->task = (struct loop_task){.run = show_line, .context = shown};
    shown->io = io;
    shown->length = line.length;
    memcpy(shown->line, line.data, line.length);
    atomic_u64_add(&io->lines, 1, memory_order_relaxed);
    loop_post(io->loop, &shown->task);
}

/* ---- open and close -------------------------------------------------------------- */

static void tick_ends(void *context) {
    struct io_thread *io = context;
    promises_tick_ends(&io->promises);
}

static void run(void *argument) {
    struct io_thread *io = argument;
    loop_run(io->loop);
}

enum status io_thread_start(struct io_thread *io) {
    enum status status = thread_create(&io->thread, io->commons->world->threads, run, io);
    io->has_thread = status == STATUS_OK;
    return status;
}

static void set_tasks(struct io_thread *io) {
    io->finish_task = (struct loop_task){.run = finish, .context = io};
    io->kill_task = (struct loop_task){.run = kill_all, .context = io};
    io->limit_task = (struct loop_task){.run = limit, .context = io};
    io->check_task = (struct loop_task){.run = check, .context = io};
    link_init(&io->monitoring, NULL);
}

enum status io_thread_open(struct io_thread *io, struct io_commons *commons,
                           size_t number, const struct connection_limits *limits,
                           struct error *error) {
    *io = (struct io_thread){.commons = commons, .number = number, .limits = *limits};
    set_tasks(io);
    if (mutex_init(&io->mutex, commons->world->threads) != STATUS_OK) {
        return error_no_memory(error, "a lock", sizeof io->mutex);
    }
    enum status status = loop_open(commons->world, &io->loop, error);
    if (status != STATUS_OK) {
        goto free_mutex;
    }
    connections_init(&io->connections, io->loop, &commons->clients, limits,
                     &guest_handler, io);
    if (promises_init(&io->promises, commons->kv, &io->connections, &commons->rules,
                      note_told, io) != STATUS_OK) {
        status = error_no_memory(error, "a timer", sizeof(struct timer *));
        goto close_loop;
    }
    loop_set_hook(io->loop, tick_ends, io);
    return STATUS_OK;

close_loop:
    loop_close(io->loop);
free_mutex:
    mutex_free(&io->mutex);
    return status;
}

void io_thread_close(struct io_thread *io) {
    promises_free(&io->promises);
    loop_close(io->loop);
    mutex_free(&io->mutex);
}
