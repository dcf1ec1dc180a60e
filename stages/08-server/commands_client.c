/* CLIENT: who is connected, and what this connection chooses. Words and checks are those
 * of Redis 7.0 (its networking.c: clientCommand); SETINFO is of 7.2. */
#include "arguments.h"
#include "commands.h"
#include "resp_number.h"
#include "server.h"

static struct server *server_of(const struct session *session) {
    return session->commons->server;
}

static uint64_t now_micros(const struct session *session) {
    return clock_monotonic_micros(server_of(session)->parts.world->clock);
}

/* ---- this connection ------------------------------------------------------------- */

static enum command_outcome run_id(struct session *session,
                                   const struct resp_request *request) {
    (void)request;
    return session_integer(session, (int64_t)session->id);
}

static enum command_outcome run_getname(struct session *session,
                                        const struct resp_request *request) {
    (void)request;
    if (session->name.length == 0) {
        resp_write_null(session->writer);
    } else {
        resp_write_bulk(session->writer, buf_slice(&session->name));
    }
    return COMMAND_DONE;
}

static enum command_outcome run_setname(struct session *session,
                                        const struct resp_request *request) {
    if (!session_name_is_valid(request->arguments[2])) {
        return session_error(session, session_name_error);
    }
    enum status status = session_set_name(session, request->arguments[2]);
    return status == STATUS_OK ? session_ok(session)
                               : session_fail(session, status, NULL);
}

static enum command_outcome run_setinfo(struct session *session,
                                        const struct resp_request *request) {
    struct slice attribute = request->arguments[2], value = request->arguments[3];
    struct buf *to = argument_is(attribute, "LIB-NAME")  ? &session->library_name
                     : argument_is(attribute, "LIB-VER") ? &session->library_version
                                                         : NULL;
    if (to == NULL) {
        return session_errorf(session, "ERR Unrecognized option '%.*s'",
                              argument_text_bytes(attribute),
                              (const char *)attribute.data);
    }
    if (!session_name_is_valid(value)) {
        return session_errorf(
            session, "ERR %s cannot contain spaces, newlines or special characters.",
            to == &session->library_name ? "lib-name" : "lib-ver");
    }
    enum status status = buf_assign(to, value);
    return status == STATUS_OK ? session_ok(session)
                               : session_fail(session, status, NULL);
}

static enum command_outcome run_no_evict(struct session *session,
                                         const struct resp_request *request) {
    bool on = argument_is(request->arguments[2], "ON");
    if (!on && !argument_is(request->arguments[2], "OFF")) {
        return session_error(session, syntax_error);
    }
    session->no_evict = on;
    return session_ok(session);
}

/* OFF and SKIP have no reply themselves; ON has one again. */
static enum command_outcome run_reply(struct session *session,
                                      const struct resp_request *request) {
    struct slice mode = request->arguments[2];
    if (argument_is(mode, "ON")) {
        session->reply = REPLY_ON;
        session->writer->muted = false;
        return session_ok(session);
    }
    if (argument_is(mode, "OFF")) {
        session->reply = REPLY_OFF;
        session->writer->muted = true;
    } else if (argument_is(mode, "SKIP")) {
        if (session->reply != REPLY_OFF) {
            session->reply = REPLY_SKIP_NEXT;
            session->writer->muted = true;
        }
    } else {
        return session_error(session, syntax_error);
    }
    return COMMAND_DONE;
}

/* ---- all of them ----------------------------------------------------------------- */

enum { IDS_MOST = 64 };

struct listing {
    const struct session *session;
    uint64_t now_micros;
    const uint64_t *ids; /* NULL: all */
    size_t id_count;
    struct buf text;
    enum status status;
};

static void list_one(void *context, struct client_entry *entry) {
    struct listing *listing = context;
    bool asked = listing->ids == NULL;
    if (entry->id == listing->session->id) {
        client_entry_began(entry, listing->session, listing->now_micros);
    }
    for (size_t i = 0; i < listing->id_count; i++) {
        asked |= listing->ids[i] == entry->id;
    }
    if (asked && listing->status == STATUS_OK) {
        listing->status = client_entry_print(entry, listing->session->commons->index,
                                             listing->now_micros, &listing->text);
    }
}

static enum command_outcome list(struct session *session, const uint64_t *ids,
                                 size_t id_count) {
    struct listing listing = {session,  now_micros(session), ids, id_count, {0},
                              STATUS_OK};
    client_list_visit(&server_of(session)->clients, list_one, &listing);
    if (listing.status == STATUS_OK) {
        resp_write_verbatim(session->writer, "txt", buf_slice(&listing.text));
    }
    buf_free(&listing.text);
    return listing.status == STATUS_OK ? COMMAND_DONE
                                       : session_fail(session, listing.status, NULL);
}

static enum command_outcome run_info(struct session *session,
                                     const struct resp_request *request) {
    (void)request;
    return list(session, &session->id, 1);
}

enum client_type { TYPE_NORMAL, TYPE_OTHER, TYPE_UNKNOWN };

static enum client_type type_of(struct slice word) {
    static const char *const others[] = {"MASTER", "SLAVE", "REPLICA", "PUBSUB"};
    if (argument_is(word, "NORMAL")) {
        return TYPE_NORMAL;
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (argument_is(word, others[i])) {
            return TYPE_OTHER;
        }
    }
    return TYPE_UNKNOWN;
}

static enum command_outcome tell_unknown_type(struct session *session,
                                              struct slice word) {
    return session_errorf(session, "ERR Unknown client type '%.*s'",
                          argument_text_bytes(word), (const char *)word.data);
}

static enum command_outcome list_ids(struct session *session,
                                     const struct resp_request *request) {
    uint64_t ids[IDS_MOST];
    size_t count = request->count - 3;
    if (count > IDS_MOST) {
        return session_errorf(session, "ERR at most %d client IDs", IDS_MOST);
    }
    for (size_t i = 0; i < count; i++) {
        int64_t id;
        if (!resp_integer_parse(request->arguments[3 + i], &id)) {
            return session_error(session, "ERR Invalid client ID");
        }
        ids[i] = (uint64_t)id;
    }
    return list(session, ids, count);
}

static enum command_outcome run_list(struct session *session,
                                     const struct resp_request *request) {
    if (request->count == 2) {
        return list(session, NULL, 0);
    }
    if (request->count == 4 && argument_is(request->arguments[2], "TYPE")) {
        enum client_type type = type_of(request->arguments[3]);
        return type == TYPE_UNKNOWN
                   ? tell_unknown_type(session, request->arguments[3])
                   : list(session, type == TYPE_NORMAL ? NULL : &session->id, 0);
    }
    return request->count > 3 && argument_is(request->arguments[2], "ID")
               ? list_ids(session, request)
               : session_error(session, syntax_error);
}

/* ---- CLIENT KILL ----------------------------------------------------------------- */

/* What a client must be, to be killed; what is absent is not asked for. */
struct victims {
    struct session *session;
    struct slice peer, local;
    uint64_t id; /* 0: any */
    bool nobody; /* of a type that none has */
    bool skip_me;
    size_t count;
};

static bool is_address(struct slice wanted, const char *address) {
    return !slice_present(wanted) || slice_equal(wanted, slice_of(address));
}

/* A client that kills itself has its reply first. */
static void kill_one(void *context, struct client_entry *entry) {
    struct victims *victims = context;
    struct session *session = victims->session;
    bool is_me = entry->id == session->id;
    if (victims->nobody || (is_me && victims->skip_me) ||
        (victims->id != 0 && victims->id != entry->id) ||
        !is_address(victims->peer, entry->peer) ||
        !is_address(victims->local, entry->local)) {
        return;
    }
    victims->count++;
    if (is_me) {
        session->closes = true;
    } else {
        const struct server_parts *parts = &server_of(session)->parts;
        parts->ops->kill(parts->state, entry);
    }
}

/* One option of the new form. False: it was wrong, and an error was replied. */
static bool read_filter(struct victims *victims, struct slice name, struct slice value) {
    struct session *session = victims->session;
    int64_t id;
    if (argument_is(name, "ID")) {
        if (!resp_integer_parse(value, &id) || id < 1) {
            session_error(session, "ERR client-id should be greater than 0");
            return false;
        }
        victims->id = (uint64_t)id;
    } else if (argument_is(name, "TYPE")) {
        enum client_type type = type_of(value);
        if (type == TYPE_UNKNOWN) {
            tell_unknown_type(session, value);
            return false;
        }
        victims->nobody |= type == TYPE_OTHER;
    } else if (argument_is(name, "ADDR")) {
        victims->peer = value;
    } else if (argument_is(name, "LADDR")) {
        victims->local = value;
    } else if (argument_is(name, "USER")) {
        if (!slice_equal(value, slice_of("default"))) {
            session_errorf(session, "ERR No such user '%.*s'", argument_text_bytes(value),
                           (const char *)value.data);
            return false;
        }
    } else if (argument_is(name, "SKIPME") &&
               (argument_is(value, "YES") || argument_is(value, "NO"))) {
        victims->skip_me = argument_is(value, "YES");
    } else {
        session_error(session, syntax_error);
        return false;
    }
    return true;
}

static enum command_outcome run_kill(struct session *session,
                                     const struct resp_request *request) {
    struct victims victims = {.session = session, .skip_me = true};
    bool by_address = request->count == 3; /* the old form, of one client */
    if (by_address) {
        victims.peer = request->arguments[2];
        victims.skip_me = false;
    }
    for (size_t i = 2; !by_address && i < request->count; i += 2) {
        if (i + 1 == request->count) {
            return session_error(session, syntax_error);
        }
        if (!read_filter(&victims, request->arguments[i], request->arguments[i + 1])) {
            return COMMAND_DONE;
        }
    }
    client_list_visit(&server_of(session)->clients, kill_one, &victims);
    if (!by_address) {
        return session_integer(session, (int64_t)victims.count);
    }
    return victims.count > 0 ? session_ok(session)
                             : session_error(session, "ERR No such client");
}

/* ---- the table ------------------------------------------------------------------- */

#define OWN (COMMAND_NO_SCRIPT | COMMAND_LOADING | COMMAND_STALE)
#define ADMIN (COMMAND_ADMIN | OWN)
#define SUB(name, words, since, arguments, arity, flags, run)                            \
    {                                                                                    \
        name, words, since, arguments, GROUP_CONNECTION, arity, flags, 0, 0, 0, run,     \
            NULL, 0                                                                      \
    }

static const struct redis_command subcommands[] = {
    SUB("client|getname", "The connection's name.", "2.6.9", "", 2, OWN, run_getname),
    SUB("client|help", "Describes the subcommands.", "5.0.0", "", 2,
        COMMAND_LOADING | COMMAND_STALE, command_help),
    SUB("client|id", "The connection's number.", "5.0.0", "", 2, OWN, run_id),
    SUB("client|info", "The connection's line of CLIENT LIST.", "6.2.0", "", 2, OWN,
        run_info),
    SUB("client|kill", "Closes connections.", "2.4.0",
        "{address | {ID client-id | TYPE {NORMAL | MASTER | SLAVE | REPLICA | PUBSUB} | "
        "USER name | ADDR address | LADDR address | SKIPME yes-or-no}...}",
        -3, ADMIN, run_kill),
    SUB("client|list", "All connections.", "2.4.0",
        "[TYPE {NORMAL | MASTER | REPLICA | PUBSUB}] [ID {client-id...}]", -2, ADMIN,
        run_list),
    SUB("client|no-evict", "Nobody is closed for the memory that he takes.", "7.0.0",
        "{ON | OFF}", 3, ADMIN, run_no_evict),
    SUB("client|reply", "Whether commands are replied to.", "3.2.0", "{ON | OFF | SKIP}",
        3, OWN, run_reply),
    SUB("client|setinfo", "What the client's library is.", "7.2.0",
        "[LIB-NAME name | LIB-VER version]", 4, OWN, run_setinfo),
    SUB("client|setname", "Gives the connection a name.", "2.6.9", "name", 3, OWN,
        run_setname),
};

static const struct redis_command rows[] = {
    {"client", "Connections of clients.", "2.4.0", "", GROUP_CONNECTION, -2, 0, 0, 0, 0,
     NULL, subcommands, sizeof subcommands / sizeof subcommands[0]},
};

const struct command_rows commands_client = {rows, sizeof rows / sizeof rows[0]};
