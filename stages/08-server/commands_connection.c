/* What concerns the connection itself, and small things besides. Replies are those of
 * Redis 7.0 (its networking.c, acl.c, server.c). */
#include "arguments.h"
#include "commands.h"
#include "password.h"
#include "resp_number.h"

static enum command_outcome tell_arity(struct session *session) {
    return session_errorf(session, "ERR wrong number of arguments for '%s' command",
                          session_command(session)->name);
}

static enum command_outcome run_ping(struct session *session,
                                     const struct resp_request *request) {
    if (request->count > 2) {
        return tell_arity(session);
    }
    if (request->count == 2) {
        resp_write_bulk(session->writer, request->arguments[1]);
    } else {
        resp_write_simple(session->writer, "PONG");
    }
    return COMMAND_DONE;
}

static enum command_outcome run_echo(struct session *session,
                                     const struct resp_request *request) {
    resp_write_bulk(session->writer, request->arguments[1]);
    return COMMAND_DONE;
}

static enum command_outcome run_quit(struct session *session,
                                     const struct resp_request *request) {
    (void)request;
    session->closes = true;
    return session_ok(session);
}

static enum command_outcome run_reset(struct session *session,
                                      const struct resp_request *request) {
    (void)request;
    session_reset(session);
    resp_write_simple(session->writer, "RESET");
    return COMMAND_DONE;
}

static enum command_outcome run_select(struct session *session,
                                       const struct resp_request *request) {
    int database;
    if (!argument_int(session, request->arguments[1], &database)) {
        return COMMAND_DONE;
    }
    return database == 0 ? session_ok(session)
                         : session_error(session, "ERR DB index is out of range");
}

/* ---- AUTH, HELLO ----------------------------------------------------------------- */

static bool authenticate(struct session *session, struct slice user, struct slice text) {
    bool right = slice_equal(user, slice_of("default")) &&
                 password_check(session->commons->password, text);
    if (right) {
        session->authenticated = true;
    } else {
        session_error(session,
                      "WRONGPASS invalid username-password pair or user is disabled.");
    }
    return right;
}

static enum command_outcome run_auth(struct session *session,
                                     const struct resp_request *request) {
    bool has_user = request->count == 3;
    if (request->count > 3) {
        return session_error(session, syntax_error);
    }
    if (!has_user && !password_is_asked(session->commons->password)) {
        return session_error(session,
                             "ERR AUTH <password> called without any password configured "
                             "for the default user. Are you sure your configuration is "
                             "correct?");
    }
    struct slice user = has_user ? request->arguments[1] : slice_of("default");
    return authenticate(session, user, request->arguments[request->count - 1])
               ? session_ok(session)
               : COMMAND_DONE;
}

static bool take_name(struct session *session, struct slice name) {
    if (!session_name_is_valid(name)) {
        session_error(session, session_name_error);
        return false;
    }
    enum status status = session_set_name(session, name);
    if (status != STATUS_OK) {
        session_fail(session, status, NULL);
    }
    return status == STATUS_OK;
}

/* Each option takes effect where it stands: those before a wrong one have done so. */
static bool take_hello_options(struct session *session,
                               const struct resp_request *request) {
    for (size_t i = 2; i < request->count; i++) {
        struct slice option = request->arguments[i];
        size_t more = request->count - 1 - i;
        if (argument_is(option, "AUTH") && more >= 2) {
            if (!authenticate(session, request->arguments[i + 1],
                              request->arguments[i + 2])) {
                return false;
            }
            i += 2;
        } else if (argument_is(option, "SETNAME") && more >= 1) {
            if (!take_name(session, request->arguments[++i])) {
                return false;
            }
        } else {
            session_errorf(session, "ERR Syntax error in HELLO option '%.*s'",
                           argument_text_bytes(option), (const char *)option.data);
            return false;
        }
    }
    return true;
}

static void tell_hello(struct session *session) {
    struct resp_writer *writer = session->writer;
    resp_write_aggregate(writer, RESP_MAP, 7);
    resp_write_bulk(writer, slice_of("server"));
    resp_write_bulk(writer, slice_of("redis"));
    resp_write_bulk(writer, slice_of("version"));
    resp_write_bulk(writer, slice_of(REDIS_VERSION_TOLD));
    resp_write_bulk(writer, slice_of("proto"));
    resp_write_integer(writer, writer->protocol);
    resp_write_bulk(writer, slice_of("id"));
    resp_write_integer(writer, (int64_t)session->id);
    resp_write_bulk(writer, slice_of("mode"));
    resp_write_bulk(writer, slice_of("standalone"));
    resp_write_bulk(writer, slice_of("role"));
    resp_write_bulk(writer, slice_of("master"));
    resp_write_bulk(writer, slice_of("modules"));
    resp_write_aggregate(writer, RESP_ARRAY, 0);
}

static enum command_outcome run_hello(struct session *session,
                                      const struct resp_request *request) {
    int64_t protocol = session->writer->protocol;
    if (request->count > 1 && !resp_integer_parse(request->arguments[1], &protocol)) {
        return session_error(session,
                             "ERR Protocol version is not an integer or out of range");
    }
    if (protocol != 2 && protocol != 3) {
        return session_error(session, "NOPROTO unsupported protocol version");
    }
    if (!take_hello_options(session, request)) {
        return COMMAND_DONE;
    }
    if (!session->authenticated) {
        return session_error(
            session,
            "NOAUTH HELLO must be called with the client already authenticated, "
            "otherwise "
            "the HELLO AUTH <user> <pass> option can be used to authenticate the client "
            "and select the RESP protocol version at the same time");
    }
    session->writer->protocol = (int)protocol;
    tell_hello(session);
    return COMMAND_DONE;
}

/* ---- small things ---------------------------------------------------------------- */

static enum command_outcome run_time(struct session *session,
                                     const struct resp_request *request) {
    char text[RESP_INTEGER_BYTES];
    uint64_t micros = keyspace_now_micros(session->commons->keyspace);
    (void)request;
    resp_write_aggregate(session->writer, RESP_ARRAY, 2);
    size_t length = resp_integer_print((int64_t)(micros / 1000000), text);
    resp_write_bulk(session->writer, slice_make(text, length));
    length = resp_integer_print((int64_t)(micros % 1000000), text);
    resp_write_bulk(session->writer, slice_make(text, length));
    return COMMAND_DONE;
}

/* There are no replicas, so none has what was written, and none ever will. */
static enum command_outcome run_wait(struct session *session,
                                     const struct resp_request *request) {
    int64_t replicas;
    int64_t millis;
    if (!argument_integer(session, request->arguments[1], &replicas)) {
        return COMMAND_DONE;
    }
    if (!resp_integer_parse(request->arguments[2], &millis)) {
        return session_error(session, "ERR timeout is not an integer or out of range");
    }
    return millis < 0 ? session_error(session, "ERR timeout is negative")
                      : session_integer(session, 0);
}

/* There are no functions: scripts that load their own begin with this. */
static enum command_outcome run_function_flush(struct session *session,
                                               const struct resp_request *request) {
    if (request->count > 3) {
        return argument_count_error(session, request);
    }
    if (request->count == 3 && !argument_is(request->arguments[2], "SYNC") &&
        !argument_is(request->arguments[2], "ASYNC")) {
        return session_error(session,
                             "ERR FUNCTION FLUSH only supports SYNC|ASYNC option");
    }
    return session_ok(session);
}

static const struct redis_command function_rows[] = {
    {"function|flush", "Nothing: there are no functions.", "7.0.0", "[ASYNC | SYNC]",
     GROUP_SERVER, -2, COMMAND_NO_SCRIPT, 0, 0, 0, run_function_flush, NULL, 0},
    {"function|help", "The subcommands.", "7.0.0", "", GROUP_SERVER, 2,
     COMMAND_LOADING | COMMAND_STALE, 0, 0, 0, command_help, NULL, 0},
};

/* ---- the table ------------------------------------------------------------------- */

#define ALWAYS (COMMAND_LOADING | COMMAND_STALE | COMMAND_FAST)
#define UNASKED (ALWAYS | COMMAND_NO_AUTH | COMMAND_NO_SCRIPT)

static const struct redis_command rows[] = {
    {"auth", "Tells the password.", "1.0.0", "[username] password", GROUP_CONNECTION, -2,
     UNASKED, 0, 0, 0, run_auth, NULL, 0},
    {"echo", "The same back.", "1.0.0", "message", GROUP_CONNECTION, 2, ALWAYS, 0, 0, 0,
     run_echo, NULL, 0},
    {"function", "Functions, of which there are none.", "7.0.0", "", GROUP_SERVER, -2, 0,
     0, 0, 0, NULL, function_rows, sizeof function_rows / sizeof function_rows[0]},
    {"hello", "Chooses the protocol; what the server is.", "6.0.0",
     "[protover [AUTH {username password}] [SETNAME clientname]]", GROUP_CONNECTION, -1,
     UNASKED, 0, 0, 0, run_hello, NULL, 0},
    {"ping", "PONG, or the same back.", "1.0.0", "[message]", GROUP_CONNECTION, -1,
     COMMAND_FAST, 0, 0, 0, run_ping, NULL, 0},
    {"quit", "Ends the connection.", "1.0.0", "", GROUP_CONNECTION, -1, UNASKED, 0, 0, 0,
     run_quit, NULL, 0},
    {"reset", "Makes the connection a new one.", "6.2.0", "", GROUP_CONNECTION, 1,
     UNASKED, 0, 0, 0, run_reset, NULL, 0},
    {"select", "Chooses a database: there is 0.", "1.0.0", "index", GROUP_CONNECTION, 2,
     ALWAYS, 0, 0, 0, run_select, NULL, 0},
    {"time", "The server's clock: seconds and microseconds.", "2.6.0", "", GROUP_SERVER,
     1, ALWAYS, 0, 0, 0, run_time, NULL, 0},
    {"wait", "How many replicas have what was written: none, at once.", "3.0.0",
     "numreplicas timeout", GROUP_GENERIC, 3, COMMAND_NO_SCRIPT | COMMAND_OF_CONNECTION,
     0, 0, 0, run_wait, NULL, 0},
};

const struct command_rows commands_connection = {rows, sizeof rows / sizeof rows[0]};
