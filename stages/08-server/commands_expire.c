/* The ends of keys. Replies are those of Redis 7.0 (its expire.c). */
#include "arguments.h"
#include "commands.h"

/* ---- EXPIRE and its kin ---------------------------------------------------------- */

struct conditions {
    bool nx, xx, gt, lt;
};

static bool parse_conditions(struct session *session, const struct resp_request *request,
                             struct conditions *conditions) {
    *conditions = (struct conditions){0};
    for (size_t i = 3; i < request->count; i++) {
        struct slice argument = request->arguments[i];
        bool nx = argument_is(argument, "NX");
        bool xx = argument_is(argument, "XX");
        bool gt = argument_is(argument, "GT");
        bool lt = argument_is(argument, "LT");
        if (!nx && !xx && !gt && !lt) {
            session_errorf(session, "ERR Unsupported option %.*s",
                           argument_text_bytes(argument), (const char *)argument.data);
            return false;
        }
        conditions->nx = conditions->nx || nx;
        conditions->xx = conditions->xx || xx;
        conditions->gt = conditions->gt || gt;
        conditions->lt = conditions->lt || lt;
    }
    if (conditions->nx && (conditions->xx || conditions->gt || conditions->lt)) {
        session_error(session, "ERR NX and XX, GT or LT options at the same time are not "
                               "compatible");
        return false;
    }
    if (conditions->gt && conditions->lt) {
        session_error(session,
                      "ERR GT and LT options at the same time are not compatible");
        return false;
    }
    return true;
}

/* What has no end ends later than anything. */
static bool hold(const struct conditions *conditions, uint64_t present, int64_t when) {
    bool has_end = present != EXPIRY_NEVER;
    int64_t end = (int64_t)present;
    return !(conditions->nx && has_end) && !(conditions->xx && !has_end) &&
           !(conditions->gt && (!has_end || when <= end)) &&
           !(conditions->lt && has_end && when >= end);
}

/* Times in the past are times, too: the key ends now. */
static bool parse_when(struct session *session, struct slice argument,
                       enum time_unit unit, bool from_now, int64_t *when) {
    int64_t value;
    int64_t base = from_now ? (int64_t)keyspace_access_millis(&session->access) : 0;
    int64_t millis = unit == UNIT_SECONDS ? 1000 : 1;
    if (!argument_integer(session, argument, &value)) {
        return false;
    }
    if (__builtin_mul_overflow(value, millis, &value) ||
        __builtin_add_overflow(value, base, &value)) {
        argument_end_error(session);
        return false;
    }
    *when = value;
    return true;
}

static enum status change_end(struct session *session, struct slice key,
                              const struct stored_value *value, int64_t when,
                              struct error *error) {
    return when <= (int64_t)keyspace_access_millis(&session->access)
               ? keyspace_delete(&session->access, key, error)
               : keyspace_put(&session->access, key, buf_slice(&value->payload),
                              (uint64_t)when, error);
}

static enum command_outcome expire(struct session *session,
                                   const struct resp_request *request,
                                   enum time_unit unit, bool from_now) {
    struct error error = {0};
    struct conditions conditions;
    struct stored_value value = {0};
    int64_t when;
    bool changed = false;
    struct slice key = request->arguments[1];
    if (!parse_conditions(session, request, &conditions) ||
        !parse_when(session, request->arguments[2], unit, from_now, &when)) {
        return COMMAND_DONE;
    }
    enum status status = keyspace_get(&session->access, key, &value, &error);
    if (status == STATUS_OK && hold(&conditions, value.expires_at_millis, when)) {
        status = change_end(session, key, &value, when, &error);
        changed = true;
    }
    buf_free(&value.payload);
    return status == STATUS_OK || status == STATUS_NOT_FOUND
               ? session_integer(session, changed)
               : session_fail(session, status, &error);
}

static enum command_outcome run_expire(struct session *session,
                                       const struct resp_request *request) {
    return expire(session, request, UNIT_SECONDS, true);
}

static enum command_outcome run_pexpire(struct session *session,
                                        const struct resp_request *request) {
    return expire(session, request, UNIT_MILLIS, true);
}

static enum command_outcome run_expireat(struct session *session,
                                         const struct resp_request *request) {
    return expire(session, request, UNIT_SECONDS, false);
}

static enum command_outcome run_pexpireat(struct session *session,
                                          const struct resp_request *request) {
    return expire(session, request, UNIT_MILLIS, false);
}

static enum command_outcome run_persist(struct session *session,
                                        const struct resp_request *request) {
    struct error error = {0};
    struct stored_value value = {0};
    bool changed = false;
    struct slice key = request->arguments[1];
    enum status status = keyspace_get(&session->access, key, &value, &error);
    if (status == STATUS_OK && value.expires_at_millis != EXPIRY_NEVER) {
        status = keyspace_put(&session->access, key, buf_slice(&value.payload),
                              EXPIRY_NEVER, &error);
        changed = true;
    }
    buf_free(&value.payload);
    return status == STATUS_OK || status == STATUS_NOT_FOUND
               ? session_integer(session, changed)
               : session_fail(session, status, &error);
}

/* ---- TTL and its kin ------------------------------------------------------------- */

/* -2: there is no such key; -1: it has no end. */
static enum command_outcome tell_end(struct session *session,
                                     const struct resp_request *request,
                                     enum time_unit unit, bool from_now) {
    struct error error = {0};
    struct stored_value value = {0};
    enum status status =
        keyspace_get(&session->access, request->arguments[1], &value, &error);
    buf_free(&value.payload);
    if (status == STATUS_NOT_FOUND) {
        return session_integer(session, -2);
    }
    if (status != STATUS_OK) {
        return session_fail(session, status, &error);
    }
    if (value.expires_at_millis == EXPIRY_NEVER) {
        return session_integer(session, -1);
    }
    uint64_t millis = value.expires_at_millis -
                      (from_now ? keyspace_access_millis(&session->access) : 0);
    return session_integer(
        session, (int64_t)(unit == UNIT_SECONDS ? (millis + 500) / 1000 : millis));
}

static enum command_outcome run_ttl(struct session *session,
                                    const struct resp_request *request) {
    return tell_end(session, request, UNIT_SECONDS, true);
}

static enum command_outcome run_pttl(struct session *session,
                                     const struct resp_request *request) {
    return tell_end(session, request, UNIT_MILLIS, true);
}

static enum command_outcome run_expiretime(struct session *session,
                                           const struct resp_request *request) {
    return tell_end(session, request, UNIT_SECONDS, false);
}

static enum command_outcome run_pexpiretime(struct session *session,
                                            const struct resp_request *request) {
    return tell_end(session, request, UNIT_MILLIS, false);
}

/* ---- the table ------------------------------------------------------------------- */

#define READS (COMMAND_READS | COMMAND_FAST)
#define WRITES (COMMAND_WRITES | COMMAND_FAST)
#define CONDITIONS " [NX | XX | GT | LT]"

static const struct redis_command rows[] = {
    {"expire", "Lets a key end after some seconds.", "1.0.0", "key seconds" CONDITIONS,
     GROUP_GENERIC, -3, WRITES, 1, 1, 1, run_expire, NULL, 0},
    {"expireat", "Lets a key end at a second.", "1.2.0",
     "key unix-time-seconds" CONDITIONS, GROUP_GENERIC, -3, WRITES, 1, 1, 1, run_expireat,
     NULL, 0},
    {"expiretime", "The second at which a key ends.", "7.0.0", "key", GROUP_GENERIC, 2,
     READS, 1, 1, 1, run_expiretime, NULL, 0},
    {"persist", "Takes a key's end away.", "2.2.0", "key", GROUP_GENERIC, 2, WRITES, 1, 1,
     1, run_persist, NULL, 0},
    {"pexpire", "Lets a key end after some milliseconds.", "2.6.0",
     "key milliseconds" CONDITIONS, GROUP_GENERIC, -3, WRITES, 1, 1, 1, run_pexpire, NULL,
     0},
    {"pexpireat", "Lets a key end at a millisecond.", "2.6.0",
     "key unix-time-milliseconds" CONDITIONS, GROUP_GENERIC, -3, WRITES, 1, 1, 1,
     run_pexpireat, NULL, 0},
    {"pexpiretime", "The millisecond at which a key ends.", "7.0.0", "key", GROUP_GENERIC,
     2, READS, 1, 1, 1, run_pexpiretime, NULL, 0},
    {"pttl", "How many milliseconds a key has left.", "2.6.0", "key", GROUP_GENERIC, 2,
     READS, 1, 1, 1, run_pttl, NULL, 0},
    {"ttl", "How many seconds a key has left.", "1.0.0", "key", GROUP_GENERIC, 2, READS,
     1, 1, 1, run_ttl, NULL, 0},
};

const struct command_rows commands_expire = {rows, sizeof rows / sizeof rows[0]};
