#include "guest.h"

#include <inttypes.h>
#include <stdio.h>

#include "failpoint.h"
#include "kv_async.h"
#include "memory.h"
#include "password.h"

struct guest {
    struct io_thread *io;
    struct connection *connection;
    struct session session;
    struct client_entry entry;
    struct promise promise;
    struct link monitoring;

    /* The present request. */
    uint64_t begun_micros;
    uint64_t ended_micros;       /* of the one before */
    struct resp_request request; /* while it is PENDING */
    struct executor_job job;
    struct loop_task done;
    struct output output; /* the job's */
    enum command_outcome outcome;
    bool more;   /* its stream has more */
    bool busy;   /* a request is PENDING */
    bool drains; /* the stream waits for room */
    bool replied;

    size_t foreseen; /* requests to come that were looked ahead at */

    /* CLIENT KILL: a task that was posted is run before the guest is freed. */
    struct atomic_u64 killed;
    struct loop_task kill;
    bool kill_ran, gone;
};

static const char denied[] =
    "DENIED Strata is running in protected mode, and no password is set: only clients of "
    "this machine are served. Connect from the machine itself, or set a password "
    "(requirepass) there, or, if nobody else can reach this port, set protected-mode no.";

static uint64_t now_micros(const struct guest *guest) {
    return clock_monotonic_micros(guest->io->commons->world->clock);
}

static struct resp_writer *writer_of(const struct guest *guest) {
    return connection_writer(guest->connection);
}

/* ---- the end of a request -------------------------------------------------------- */

static void note_monitoring(struct guest *guest) {
    struct io_thread *io = guest->io;
    bool monitors = guest->session.monitors, before = !link_alone(&guest->monitoring);
    if (monitors == before) {
        return;
    }
    if (monitors) {
        link_add(&io->monitoring, &guest->monitoring);
        atomic_u64_add(&io->monitors, 1, memory_order_relaxed);
        atomic_u64_add(&io->commons->monitors, 1, memory_order_relaxed);
    } else {
        link_remove(&guest->monitoring);
        atomic_u64_subtract(&io->monitors, 1, memory_order_relaxed);
        atomic_u64_subtract(&io->commons->monitors, 1, memory_order_relaxed);
    }
}

static void note_promise(struct guest *guest, bool replied) {
    const struct session *session = &guest->session;
    bool wrote =
        !session->rejected && (session_command(session)->flags & COMMAND_WRITES) != 0;
    promises_note(&guest->io->promises, &guest->promise, session->access.sequence, wrote,
                  replied);
}

/* As Redis does, of commands that read, not of those that look before they write. */
static void count_lookups(struct guest *guest) {
    struct io_thread *io = guest->io;
    const struct session *session = &guest->session;
    const struct keyspace_access *access = &session->access;
    if (access->expired > 0) {
        atomic_u64_add(&io->expired, access->expired, memory_order_relaxed);
    }
    if (access->hits + access->misses > 0 && !session->rejected &&
        (session_command(session)->flags & COMMAND_READS) != 0) {
        atomic_u64_add(&io->hits, access->hits, memory_order_relaxed);
        atomic_u64_add(&io->misses, access->misses, memory_order_relaxed);
    }
}

static void end_request(struct guest *guest, const struct resp_request *request,
                        bool replied) {
    struct io_thread *io = guest->io;
    struct session *session = &guest->session;
    guest->ended_micros = now_micros(guest);
    server_note(io->commons->server, io->number, &guest->entry, session, request,
                guest->ended_micros, guest->ended_micros - guest->begun_micros);
    note_promise(guest, replied);
    count_lookups(guest);
    note_monitoring(guest);
    connection_trust(guest->connection, session->authenticated);
    if (session->closes) {
        connection_finish(guest->connection);
    }
}

/* ---- what may wait --------------------------------------------------------------- */

/* The parts of a streamed reply are not held: it waits here for what it has seen. */
static void make_durable(struct guest *guest) {
    struct session *session = &guest->session;
    const struct promise_rules *rules = &guest->io->commons->rules;
    struct kv *kv = guest->io->commons->kv;
    struct kv_progress progress;
    struct error error = {0};
    kv_progress(kv, &progress);
    if (atomic_u64_load(&rules->appendfsync, memory_order_relaxed) !=
            APPENDFSYNC_ALWAYS ||
        promise_rules_broken(rules) || session->access.sequence <= progress.durable) {
        return;
    }
    enum status status = kv_sync(kv, &error);
    if (status != STATUS_OK) {
        guest->more = false;
        output_free(&guest->output);
        guest->output = (struct output){0};
        (void)session_fail(session, status, &error);
    }
}

static void work(void *context) {
    struct guest *guest = context;
    struct session *session = &guest->session;
    struct resp_writer writer = *writer_of(guest);
    writer.output = &guest->output;
    session->writer = &writer;
    session->may_wait = true;
    if (guest->outcome == COMMAND_WOULD_WAIT) {
        guest->outcome = command_execute(session, &guest->request);
        guest->more = guest->outcome == COMMAND_STREAMS;
        if (guest->more) {
            make_durable(guest);
        }
    } else {
        guest->more = reply_stream_more(session->stream, session);
    }
    session->may_wait = false;
    session->writer = writer_of(guest);
    failpoint_pass(job_done_not_returned);
    loop_post(guest->io->loop, &guest->done);
}

/* More of the stream, or the end of the request. */
static void go_on(struct guest *guest, bool alive) {
    struct session *session = &guest->session;
    if (alive && guest->more && !session->closes) {
        if (connection_full(guest->connection)) {
            guest->drains = true;
        } else {
            executor_give(guest->io->commons->executor, &guest->job);
        }
        return;
    }
    if (session->stream != NULL) {
        session->access.sequence = 0; /* it has waited already (make_durable) */
        reply_stream_close(session->stream);
        session->stream = NULL;
    }
    guest->busy = false;
    end_request(guest, &guest->request, guest->replied);
    connection_resume(guest->connection);
}

/* On the loop again. A connection that is gone takes no output. Replies of this tick may
 * have to be held, and then become errors: a part of a stream, of which more follows, is
 * never among them. */
static void worked(void *context) {
    struct guest *guest = context;
    if (guest->more && promise_is_made(&guest->promise)) {
        loop_post(guest->io->loop, &guest->done); /* in the next tick */
        return;
    }
    bool alive = connection_has_room(guest->connection);
    guest->replied |= output_pending(&guest->output) > 0;
    if (alive) {
        output_join(writer_of(guest)->output, &guest->output);
        connection_written(guest->connection);
    } else {
        output_free(&guest->output);
        guest->output = (struct output){0};
    }
    go_on(guest, alive);
}

static void drained(void *session) {
    struct guest *guest = session;
    if (guest->drains) {
        guest->drains = false;
        go_on(guest, connection_has_room(guest->connection));
    }
}

/* ---- requests -------------------------------------------------------------------- */

/* A pipeline of lookups: the store looks ahead at the keys of those that have come. */
static void foresee(struct guest *guest, const struct resp_request *request) {
    const struct session_commons *commons = guest->session.commons;
    const struct command_index *index = commons->index;
    struct slice keys[KV_FORESEEN];
    if (guest->foreseen > 0) {
        guest->foreseen--;
        return;
    }
    guest->foreseen = connection_alike(guest->connection, keys + 1, KV_FORESEEN - 1);
    if (guest->foreseen == 0 || !guest->session.authenticated) {
        return;
    }
    size_t number = command_index_resolve(index, request);
    if (number < index->count && index->by_number[number]->first_key == 1 &&
        (index->by_number[number]->flags & COMMAND_READS) != 0) {
        keys[0] = request->arguments[1];
        kv_foresee(keyspace_kv(commons->keyspace), keys, guest->foreseen + 1);
    }
}

static enum connection_answer
take_request(void *session, const struct resp_request *request, bool follows) {
    struct guest *guest = session;
    const struct io_commons *commons = guest->io->commons;
    const struct output *output = writer_of(guest)->output;
    uint64_t before = output->appended;
    /* In a pipeline one begins as the one before ends: the clock is asked once. */
    guest->begun_micros = follows ? guest->ended_micros : now_micros(guest);
    server_feed(commons->server,
                atomic_u64_load(&commons->monitors, memory_order_relaxed) > 0,
                &guest->session, &guest->entry, request);
    foresee(guest, request);
    guest->outcome = command_execute(&guest->session, request);
    guest->replied = output->appended != before;
    if (guest->outcome == COMMAND_DONE) {
        end_request(guest, request, guest->replied);
        return CONNECTION_DONE;
    }
    client_entry_began(&guest->entry, &guest->session, guest->begun_micros);
    guest->request = *request;
    guest->output.most_bytes = output->most_bytes;
    guest->busy = true;
    executor_give(commons->executor, &guest->job);
    return CONNECTION_PENDING;
}

/* ---- coming and going ------------------------------------------------------------ */

static void kill_now(void *context);

static void fill_entry(struct guest *guest, const struct connection_facts *facts) {
    struct client_entry *entry = &guest->entry;
    entry->id = guest->session.id;
    entry->descriptor = facts->descriptor;
    entry->local_socket = facts->name[0] == '/';
    (void)snprintf(entry->peer, sizeof entry->peer, "%s", facts->name);
    (void)snprintf(entry->local, sizeof entry->local, "%s", facts->own_name);
    entry->meter = facts->meter;
    entry->own_bytes = sizeof *guest;
    entry->since_micros = now_micros(guest);
    entry->connection = guest;
}

static void *come(void *context, struct connection *connection) {
    struct io_thread *io = context;
    struct io_commons *commons = io->commons;
    struct connection_facts facts;
    struct guest *guest = memory_take_zeroed(sizeof *guest);
    if (guest == NULL) {
        return NULL;
    }
    guest->io = io;
    guest->connection = connection;
    guest->job = (struct executor_job){.run = work, .context = guest};
    guest->done = (struct loop_task){.run = worked, .context = guest};
    guest->kill = (struct loop_task){.run = kill_now, .context = guest};
    promise_init(&guest->promise, connection);
    link_init(&guest->monitoring, guest);
    session_init(&guest->session, commons->session, connection_writer(connection),
                 atomic_u64_add(&commons->last_id, 1, memory_order_relaxed) + 1);
    connection_facts(connection, &facts);
    fill_entry(guest, &facts);
    client_list_add(&commons->server->clients, &guest->entry);
    connection_trust(connection, guest->session.authenticated);
    if (!facts.local && !password_is_asked(commons->session->password) &&
        atomic_u64_load(&commons->protected_mode, memory_order_relaxed) != 0) {
        resp_write_error(connection_writer(connection), denied);
        connection_finish(connection);
        server_sent_away(commons->server, facts.name, "refused",
                         "protected-mode, and no password is set");
    }
    server_log(commons->server->parts.log, LOGLEVEL_VERBOSE,
               "client %" PRIu64 ": %s has come", guest->session.id, facts.name);
    return guest;
}

static void log_end(const struct guest *guest) {
    struct server *server = guest->io->commons->server;
    struct connection_facts facts;
    connection_facts(guest->connection, &facts);
    if (facts.why != NULL) {
        server_sent_away(server, facts.name, "closed", facts.why);
    }
    server_log(server->parts.log, LOGLEVEL_VERBOSE, "client %" PRIu64 ": %s is gone",
               guest->session.id, facts.name);
}

static void go(void *session) {
    struct guest *guest = session;
    struct io_thread *io = guest->io;
    log_end(guest);
    guest->session.monitors = false;
    note_monitoring(guest);
    promise_forget(&guest->promise);
    client_list_remove(&io->commons->server->clients, &guest->entry);
    session_free(&guest->session);
    guest->gone = true;
    if (atomic_u64_load(&guest->killed, memory_order_acquire) == 0 || guest->kill_ran) {
        memory_give(guest);
    }
    io_thread_check(io);
}

static void kill_now(void *context) {
    struct guest *guest = context;
    if (guest->gone) {
        memory_give(guest);
        return;
    }
    guest->kill_ran = true;
    connection_kill(guest->connection);
}

void guest_kill(struct client_entry *entry) {
    struct guest *guest = entry->connection;
    if (atomic_u64_exchange_if(&guest->killed, 0, 1, memory_order_acq_rel)) {
        loop_post(guest->io->loop, &guest->kill);
    }
}

const struct connection_handler guest_handler = {come, take_request, drained, go};

/* ---- MONITOR --------------------------------------------------------------------- */

/* Nothing comes between the parts of a reply. */
void guests_show_line(struct io_thread *io, struct slice line) {
    struct link *next;
    for (struct link *at = io->monitoring.next; at != &io->monitoring; at = next) {
        struct guest *guest = at->owner;
        next = at->next; /* having no room may close it */
        if (!guest->busy && connection_has_room(guest->connection)) {
            output_append(writer_of(guest)->output, line.data, line.length);
            connection_written(guest->connection);
        }
    }
}
