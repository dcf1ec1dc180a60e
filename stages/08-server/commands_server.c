/* What an operator asks of the server: copies, compaction, its end; and how much memory a
 * key takes. */
#include "arguments.h"
#include "commands.h"
#include "resp_number.h"
#include "server.h"

static struct server *server_of(const struct session *session) {
    return session->commons->server;
}

/* ---- copies ---------------------------------------------------------------------- */

static enum command_outcome fail_save(struct session *session, enum status status,
                                      const struct error *error) {
    return status == STATUS_BUSY
               ? session_error(session, "ERR Background save already in progress")
               : session_fail(session, status, error);
}

static enum command_outcome run_save(struct session *session,
                                     const struct resp_request *request) {
    (void)request;
    struct error error = {0};
    enum status status = saver_save(&server_of(session)->saver, &error);
    return status == STATUS_OK ? session_ok(session) : fail_save(session, status, &error);
}

static enum command_outcome run_bgsave(struct session *session,
                                       const struct resp_request *request) {
    struct error error = {0};
    if (request->count > 2 ||
        (request->count == 2 && !argument_is(request->arguments[1], "SCHEDULE"))) {
        return session_error(session, syntax_error);
    }
    enum status status = saver_begin(&server_of(session)->saver, &error);
    if (status != STATUS_OK) {
        return fail_save(session, status, &error);
    }
    resp_write_simple(session->writer, "Background saving started");
    return COMMAND_DONE;
}

static enum command_outcome run_lastsave(struct session *session,
                                         const struct resp_request *request) {
    (void)request;
    struct saver_facts facts;
    saver_tell(&server_of(session)->saver, &facts);
    return session_integer(session, (int64_t)facts.last_seconds);
}

/* ---- SHUTDOWN -------------------------------------------------------------------- */

struct shutdown {
    bool save, no_save, abort, other;
};

/* False: that is no way to ask for it. */
static bool read_shutdown(const struct resp_request *request, struct shutdown *how) {
    for (size_t i = 1; i < request->count; i++) {
        struct slice word = request->arguments[i];
        if (argument_is(word, "SAVE")) {
            how->save = true;
        } else if (argument_is(word, "NOSAVE")) {
            how->no_save = true;
        } else if (argument_is(word, "ABORT")) {
            how->abort = true;
        } else if (argument_is(word, "NOW") || argument_is(word, "FORCE")) {
            how->other = true; /* it never waits for replicas, and never refuses */
        } else {
            return false;
        }
    }
    return !(how->save && how->no_save) &&
           !(how->abort && (how->save || how->no_save || how->other));
}

/* There is no reply: the client sees its connection end. */
static enum command_outcome run_shutdown(struct session *session,
                                         const struct resp_request *request) {
    struct server *server = server_of(session);
    struct shutdown how = {0};
    struct error error = {0};
    if (!read_shutdown(request, &how)) {
        return session_error(session, syntax_error);
    }
    if (how.abort) {
        return session_error(session, "ERR No shutdown in progress.");
    }
    if (how.save && !session->may_wait) {
        return COMMAND_WOULD_WAIT;
    }
    if (how.save && saver_save(&server->saver, &error) != STATUS_OK) {
        return session_error(session, "ERR Errors trying to SHUTDOWN. Check logs.");
    }
    server_log(server->parts.log, LOGLEVEL_NOTICE, "a client asks for a shutdown");
    session->closes = true;
    server->parts.ops->stop(server->parts.state);
    return COMMAND_DONE;
}

/* ---- the store ------------------------------------------------------------------- */

static enum command_outcome run_compact(struct session *session,
                                        const struct resp_request *request) {
    struct error error = {0};
    struct slice from = request->count > 1 ? request->arguments[1] : (struct slice){0};
    struct slice to = request->count > 2 ? request->arguments[2] : (struct slice){0};
    if (request->count > 3) {
        return session_error(session, syntax_error);
    }
    enum status status = kv_compact(server_of(session)->parts.kv, from, to, &error);
    return status == STATUS_OK ? session_ok(session)
                               : session_fail(session, status, &error);
}

/* An entry of a table, before compression: key, sequence and type, value. */
static enum command_outcome run_memory_usage(struct session *session,
                                             const struct resp_request *request) {
    enum { TAG_BYTES = 8 };
    struct stored_value value = {.payload = {0}};
    struct error error = {0};
    int64_t samples;
    if (request->count > 3) {
        if (request->count != 5 || !argument_is(request->arguments[3], "SAMPLES")) {
            return session_error(session, syntax_error);
        }
        if (!argument_integer(session, request->arguments[4], &samples)) {
            return COMMAND_DONE;
        }
        if (samples < 0) {
            return session_error(session, syntax_error);
        }
    }
    enum status status =
        keyspace_get(&session->access, request->arguments[2], &value, &error);
    size_t bytes = request->arguments[2].length + TAG_BYTES + value.payload.length +
                   (value.expires_at_millis != EXPIRY_NEVER ? EXPIRY_HEADER_BYTES : 0);
    buf_free(&value.payload);
    if (status == STATUS_NOT_FOUND) {
        resp_write_null(session->writer);
        return COMMAND_DONE;
    }
    return status == STATUS_OK ? session_integer(session, (int64_t)bytes)
                               : session_fail(session, status, &error);
}

/* ---- DEBUG SLEEP ----------------------------------------------------------------- */

static enum status sleep_micros(const struct world *world, uint64_t micros) {
    struct mutex mutex;
    struct condition condition;
    if (mutex_init(&mutex, world->threads) != STATUS_OK) {
        return STATUS_NO_MEMORY;
    }
    enum status status = condition_init(&condition, world->threads);
    if (status == STATUS_OK) {
        uint64_t deadline = clock_monotonic_micros(world->clock) + micros;
        mutex_lock(&mutex);
        while (condition_wait_until(&condition, &mutex, deadline)) {
        }
        mutex_unlock(&mutex);
        condition_free(&condition);
    }
    mutex_free(&mutex);
    return status;
}

/* On a worker: who asks is kept waiting, and all who come after him for that worker. What
 * is no number is no time (strtod(3)), as there. */
static enum command_outcome run_debug_sleep(struct session *session,
                                            const struct resp_request *request) {
    enum { SECONDS_MOST = 3600 };
    double seconds = 0;
    if (!resp_double_parse(request->arguments[2], &seconds) || seconds < 0) {
        seconds = 0;
    }
    seconds = seconds < SECONDS_MOST ? seconds : SECONDS_MOST;
    enum status status =
        sleep_micros(server_of(session)->parts.world, (uint64_t)(seconds * 1000000));
    return status == STATUS_OK ? session_ok(session)
                               : session_fail(session, status, NULL);
}

/* ---- the table ------------------------------------------------------------------- */

#define SUB(name, words, since, arguments, arity, flags, key, run)                       \
    {                                                                                    \
        name, words, since, arguments, GROUP_SERVER, arity, flags, key, key, (key) > 0,  \
            run, NULL, 0                                                                 \
    }
#define CONTAINER(name, words, since, rows)                                              \
    {                                                                                    \
        name, words, since, "", GROUP_SERVER, -2, 0, 0, 0, 0, NULL, (rows),              \
            sizeof(rows) / sizeof((rows)[0])                                             \
    }
#define ADMIN (COMMAND_ADMIN | COMMAND_NO_SCRIPT)
#define ALWAYS (COMMAND_LOADING | COMMAND_STALE)

static const struct redis_command debug_subcommands[] = {
    SUB("debug|help", "Describes the subcommands.", "1.0.0", "", 2, ALWAYS, 0,
        command_help),
    SUB("debug|sleep", "Keeps a worker busy for a time.", "1.0.0", "seconds", 3,
        ADMIN | ALWAYS | COMMAND_MAY_BLOCK, 0, run_debug_sleep),
};

static const struct redis_command memory_subcommands[] = {
    SUB("memory|help", "Describes the subcommands.", "4.0.0", "", 2, ALWAYS, 0,
        command_help),
    SUB("memory|usage", "The bytes that a key and its value take.", "4.0.0",
        "key [SAMPLES count]", -3, COMMAND_READS, 2, run_memory_usage),
};

static const struct redis_command rows[] = {
    SUB("bgsave", "Makes a checkpoint, and does not wait for it.", "1.0.0", "[SCHEDULE]",
        -1, ADMIN, 0, run_bgsave),
    {"compact", "Merges what was written over: all keys, or a range.", "1.0.0",
     "[from [to]]", GROUP_STRATA, -1, ADMIN | COMMAND_MAY_BLOCK, 0, 0, 0, run_compact,
     NULL, 0},
    CONTAINER("debug", "For those who test.", "1.0.0", debug_subcommands),
    SUB("lastsave", "When the last checkpoint was made.", "1.0.0", "", 1,
        COMMAND_FAST | COMMAND_DANGEROUS | ALWAYS, 0, run_lastsave),
    CONTAINER("memory", "How much memory is used.", "4.0.0", memory_subcommands),
    SUB("save", "Makes a checkpoint.", "1.0.0", "", 1, ADMIN | COMMAND_MAY_BLOCK, 0,
        run_save),
    SUB("shutdown", "Ends the server.", "1.0.0", "[NOSAVE | SAVE] [NOW] [FORCE] [ABORT]",
        -1, ADMIN | ALWAYS, 0, run_shutdown),
};

const struct command_rows commands_server = {rows, sizeof rows / sizeof rows[0]};
