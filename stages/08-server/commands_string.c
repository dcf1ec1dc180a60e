/* Strings, as bytes. Each command reads first, writes in one change then, and replies
 * last: so one that would have to wait has done nothing. Those that write have the locks
 * of their keys (command_execute.c). Replies are those of Redis 7.0 (its t_string.c). */
#include "arguments.h"
#include "commands.h"
#include "memory.h"
#include "set_options.h"

/* The value, or nothing: OK, with *found. */
static enum status look_up(struct session *session, struct slice key,
                           struct stored_value *value, bool *found, struct error *error) {
    enum status status = keyspace_get(&session->access, key, value, error);
    *found = status == STATUS_OK;
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static void write_value(struct session *session, struct stored_value *value, bool found) {
    if (found) {
        resp_write_bulk_buf(session->writer, &value->payload);
    } else {
        resp_write_null(session->writer);
    }
}

/* ---- GET, and what changes what it has read -------------------------------------- */

static enum command_outcome run_get(struct session *session,
                                    const struct resp_request *request) {
    struct error error = {0};
    struct stored_value value = {0};
    bool found;
    enum command_outcome outcome = COMMAND_DONE;
    enum status status = look_up(session, request->arguments[1], &value, &found, &error);
    if (status == STATUS_OK) {
        write_value(session, &value, found);
    } else {
        outcome = session_fail(session, status, &error);
    }
    buf_free(&value.payload);
    return outcome;
}

static enum command_outcome run_getdel(struct session *session,
                                       const struct resp_request *request) {
    struct error error = {0};
    struct stored_value value = {0};
    bool found;
    enum command_outcome outcome = COMMAND_DONE;
    struct slice key = request->arguments[1];
    enum status status = look_up(session, key, &value, &found, &error);
    if (status == STATUS_OK && found) {
        status = keyspace_delete(&session->access, key, &error);
    }
    if (status == STATUS_OK) {
        write_value(session, &value, found);
    } else {
        outcome = session_fail(session, status, &error);
    }
    buf_free(&value.payload);
    return outcome;
}

/* Gives a key that is there its new end. One that has come already is no end, but the
 * end. */
static enum status set_end(struct session *session, struct slice key,
                           const struct stored_value *value, uint64_t expires_at_millis,
                           struct error *error) {
    if (keyspace_is_over(&session->access, expires_at_millis)) {
        return keyspace_delete(&session->access, key, error);
    }
    if (expires_at_millis == value->expires_at_millis) {
        return STATUS_OK;
    }
    return keyspace_put(&session->access, key, buf_slice(&value->payload),
                        expires_at_millis, error);
}

static enum command_outcome run_getex(struct session *session,
                                      const struct resp_request *request) {
    struct error error = {0};
    struct set_options options;
    struct stored_value value = {0};
    bool found;
    enum command_outcome outcome = COMMAND_DONE;
    struct slice key = request->arguments[1];
    if (!set_options_parse(session, request, 2, OPTIONS_OF_GETEX, &options)) {
        return COMMAND_DONE;
    }
    enum status status = look_up(session, key, &value, &found, &error);
    if (status == STATUS_OK && found && (options.end != NULL || options.persist)) {
        uint64_t expires_at_millis = EXPIRY_NEVER;
        if (options.end != NULL &&
            !set_options_end(session, &options, &expires_at_millis)) {
            goto out;
        }
        status = set_end(session, key, &value, expires_at_millis, &error);
    }
    if (status == STATUS_OK) {
        write_value(session, &value, found);
    } else {
        outcome = session_fail(session, status, &error);
    }
out:
    buf_free(&value.payload);
    return outcome;
}

/* ---- SET and its kin ------------------------------------------------------------- */

enum set_reply { REPLY_OK_OR_NULL, REPLY_COUNT };

struct set_request {
    struct slice key;
    struct slice value;
    struct set_options options;
    uint64_t expires_at_millis; /* if the options do not keep what is there */
    enum set_reply reply;
};

static void reply_to_set(struct session *session, const struct set_request *set,
                         struct stored_value *old, bool found, bool done) {
    if (set->options.get) {
        write_value(session, old, found);
    } else if (set->reply == REPLY_COUNT) {
        resp_write_integer(session->writer, done);
    } else if (done) {
        resp_write_simple(session->writer, "OK");
    } else {
        resp_write_null(session->writer);
    }
}

static enum command_outcome carry_out_set(struct session *session,
                                          const struct set_request *set) {
    const struct set_options *options = &set->options;
    struct error error = {0};
    struct stored_value old = {0};
    bool found = false;
    bool done = true;
    enum command_outcome outcome = COMMAND_DONE;
    enum status status = STATUS_OK;
    if (options->nx || options->xx || options->get || options->keep_ttl) {
        status = look_up(session, set->key, &old, &found, &error);
        done = !(options->nx && found) && !(options->xx && !found);
    }
    if (status == STATUS_OK && done) {
        uint64_t end =
            options->keep_ttl && found ? old.expires_at_millis : set->expires_at_millis;
        status = keyspace_put(&session->access, set->key, set->value, end, &error);
    }
    if (status == STATUS_OK) {
        reply_to_set(session, set, &old, found, done);
    } else {
        outcome = session_fail(session, status, &error);
    }
    buf_free(&old.payload);
    return outcome;
}

static enum command_outcome run_set(struct session *session,
                                    const struct resp_request *request) {
    struct set_request set = {.key = request->arguments[1],
                              .value = request->arguments[2]};
    if (!set_options_parse(session, request, 3, OPTIONS_OF_SET, &set.options) ||
        (set.options.end != NULL &&
         !set_options_end(session, &set.options, &set.expires_at_millis))) {
        return COMMAND_DONE;
    }
    return carry_out_set(session, &set);
}

static enum command_outcome run_setnx(struct session *session,
                                      const struct resp_request *request) {
    const struct set_request set = {.key = request->arguments[1],
                                    .value = request->arguments[2],
                                    .options.nx = true,
                                    .reply = REPLY_COUNT};
    return carry_out_set(session, &set);
}

static enum command_outcome set_with_end(struct session *session,
                                         const struct resp_request *request,
                                         enum time_unit unit) {
    struct set_request set = {.key = request->arguments[1],
                              .value = request->arguments[3]};
    if (!argument_end(session, request->arguments[2], unit, true,
                      &set.expires_at_millis)) {
        return COMMAND_DONE;
    }
    return carry_out_set(session, &set);
}

static enum command_outcome run_setex(struct session *session,
                                      const struct resp_request *request) {
    return set_with_end(session, request, UNIT_SECONDS);
}

static enum command_outcome run_psetex(struct session *session,
                                       const struct resp_request *request) {
    return set_with_end(session, request, UNIT_MILLIS);
}

static enum command_outcome run_getset(struct session *session,
                                       const struct resp_request *request) {
    const struct set_request set = {.key = request->arguments[1],
                                    .value = request->arguments[2],
                                    .options.get = true};
    return carry_out_set(session, &set);
}

/* ---- several keys ---------------------------------------------------------------- */

static enum command_outcome run_mget(struct session *session,
                                     const struct resp_request *request) {
    struct error error = {0};
    enum command_outcome outcome = COMMAND_DONE;
    size_t count = request->count - 1;
    struct buf *values = memory_take_zeroed(count * sizeof *values);
    enum status *statuses = memory_take(count * sizeof *statuses);
    enum status status = STATUS_NO_MEMORY;
    if (values != NULL && statuses != NULL) {
        status = keyspace_get_many(&session->access, request->arguments + 1, count,
                                   session->writer->output->most_bytes, values, statuses,
                                   &error);
    }
    if (status == STATUS_OK) {
        resp_write_aggregate(session->writer, RESP_ARRAY, count);
        for (size_t i = 0; i < count; i++) {
            struct stored_value value = {.payload = values[i]};
            write_value(session, &value, statuses[i] == STATUS_OK);
            values[i] = value.payload;
        }
    } else {
        outcome = session_fail(session, status, &error);
    }
    for (size_t i = 0; values != NULL && i < count; i++) {
        buf_free(&values[i]);
    }
    memory_give(values);
    memory_give(statuses);
    return outcome;
}

/* All of key, value, key, value, … as one change. */
static enum status put_pairs(struct session *session, const struct slice *pairs,
                             size_t count, struct error *error) {
    struct key_change *changes = memory_take(count * sizeof *changes);
    if (changes == NULL) {
        return STATUS_NO_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        changes[i] = (struct key_change){pairs[2 * i], true, pairs[2 * i + 1], 0};
    }
    enum status status = keyspace_write(&session->access, changes, count, error);
    memory_give(changes);
    return status;
}

static bool are_pairs(struct session *session, const struct resp_request *request) {
    if (request->count % 2 == 0) {
        session_errorf(session, "ERR wrong number of arguments for '%s' command",
                       session_command(session)->name);
        return false;
    }
    return true;
}

static enum command_outcome run_mset(struct session *session,
                                     const struct resp_request *request) {
    struct error error = {0};
    if (!are_pairs(session, request)) {
        return COMMAND_DONE;
    }
    enum status status =
        put_pairs(session, request->arguments + 1, request->count / 2, &error);
    return status == STATUS_OK ? session_ok(session)
                               : session_fail(session, status, &error);
}

static enum command_outcome run_msetnx(struct session *session,
                                       const struct resp_request *request) {
    struct error error = {0};
    struct stored_value value = {0};
    enum status status = STATUS_NOT_FOUND;
    if (!are_pairs(session, request)) {
        return COMMAND_DONE;
    }
    for (size_t i = 1; i < request->count && status == STATUS_NOT_FOUND; i += 2) {
        status = keyspace_get(&session->access, request->arguments[i], &value, &error);
    }
    buf_free(&value.payload);
    if (status == STATUS_OK) {
        return session_integer(session, 0);
    }
    if (status == STATUS_NOT_FOUND) {
        status = put_pairs(session, request->arguments + 1, request->count / 2, &error);
    }
    return status == STATUS_OK ? session_integer(session, 1)
                               : session_fail(session, status, &error);
}

/* ---- the table ------------------------------------------------------------------- */

#define READS (COMMAND_READS | COMMAND_FAST)
#define WRITES (COMMAND_WRITES | COMMAND_DENIES_OOM)
#define WRITES_FAST (WRITES | COMMAND_FAST)
#define END_OPTIONS                                                                      \
    "EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT "                      \
    "unix-time-milliseconds"

static const struct redis_command rows[] = {
    {"get", "The value of a key.", "1.0.0", "key", GROUP_STRING, 2, READS, 1, 1, 1,
     run_get, NULL, 0},
    {"getdel", "The value of a key, which is deleted.", "6.2.0", "key", GROUP_STRING, 2,
     COMMAND_WRITES | COMMAND_FAST, 1, 1, 1, run_getdel, NULL, 0},
    {"getex", "The value of a key, which gets another end.", "6.2.0",
     "key [" END_OPTIONS " | PERSIST]", GROUP_STRING, -2, COMMAND_WRITES | COMMAND_FAST,
     1, 1, 1, run_getex, NULL, 0},
    {"getset", "Sets a key, and tells what it was.", "1.0.0", "key value", GROUP_STRING,
     3, WRITES_FAST, 1, 1, 1, run_getset, NULL, 0},
    {"mget", "The values of keys, all of one moment.", "1.0.0", "key...", GROUP_STRING,
     -2, READS, 1, -1, 1, run_mget, NULL, 0},
    {"mset", "Sets keys, all at once.", "1.0.1", "{key value}...", GROUP_STRING, -3,
     WRITES, 1, -1, 2, run_mset, NULL, 0},
    {"msetnx", "Sets keys, all at once, if none of them is there.", "1.0.1",
     "{key value}...", GROUP_STRING, -3, WRITES, 1, -1, 2, run_msetnx, NULL, 0},
    {"psetex", "Sets a key that ends after some milliseconds.", "2.6.0",
     "key milliseconds value", GROUP_STRING, 4, WRITES, 1, 1, 1, run_psetex, NULL, 0},
    {"set", "Sets a key.", "1.0.0",
     "key value [NX | XX] [GET] [" END_OPTIONS " | KEEPTTL]", GROUP_STRING, -3, WRITES, 1,
     1, 1, run_set, NULL, 0},
    {"setex", "Sets a key that ends after some seconds.", "2.0.0", "key seconds value",
     GROUP_STRING, 4, WRITES, 1, 1, 1, run_setex, NULL, 0},
    {"setnx", "Sets a key if it is not there.", "1.0.0", "key value", GROUP_STRING, 3,
     WRITES_FAST, 1, 1, 1, run_setnx, NULL, 0},
};

const struct command_rows commands_string = {rows, sizeof rows / sizeof rows[0]};
