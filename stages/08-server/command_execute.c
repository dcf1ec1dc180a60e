/* What every request goes through: found, counted against its arity, let in, run. Words
 * of errors are those of Redis 7.0 (server.c: commandCheckExistence, processCommand). */
#include "redis_command.h"

#include <ctype.h>
#include <stdio.h>

#include "arguments.h"
#include "commands.h"
#include "session.h"

enum { QUOTED_BYTES = 128 }; /* of what was unknown */

/* As much of an argument as a C string has of it. */
static int quoted_bytes(struct slice argument, size_t most) {
    size_t length = strnlen((const char *)argument.data,
                            argument.length < most ? argument.length : most);
    return (int)length;
}

static void tell_unknown_subcommand(struct session *session,
                                    const struct redis_command *container,
                                    const struct resp_request *request) {
    char name[32];
    struct slice sub = request->arguments[1];
    snprintf(name, sizeof name, "%s", container->name);
    for (char *at = name; *at != '\0'; at++) {
        *at = (char)toupper((unsigned char)*at);
    }
    session_errorf(session, "ERR unknown subcommand '%.*s'. Try %s HELP.",
                   quoted_bytes(sub, QUOTED_BYTES), (const char *)sub.data, name);
}

static void tell_unknown(struct session *session, const struct resp_request *request) {
    char quoted[QUOTED_BYTES + 8] = "";
    size_t length = 0;
    struct slice name = request->arguments[0];
    for (size_t i = 1; i < request->count && length < QUOTED_BYTES; i++) {
        struct slice argument = request->arguments[i];
        int more = snprintf(quoted + length, sizeof quoted - length, "'%.*s' ",
                            quoted_bytes(argument, QUOTED_BYTES - length),
                            (const char *)argument.data);
        length += (size_t)more;
    }
    session_errorf(session, "ERR unknown command '%.*s', with args beginning with: %s",
                   quoted_bytes(name, QUOTED_BYTES), (const char *)name.data, quoted);
}

/* The first words of an HTTP request's lines. A page that somebody reads can have his
 * browser send one here, with requests in its body: none of them is carried out. */
static bool is_of_browser(struct slice name) {
    return argument_is(name, "POST") || argument_is(name, "HOST:");
}

/* False: it was refused, and told so. */
static bool is_let_in(struct session *session, const struct resp_request *request) {
    const struct command_index *index = session->commons->index;
    session->rejected = true;
    session->number = command_index_resolve(index, request);
    if (is_of_browser(request->arguments[0])) {
        session->closes = true;
        return false;
    }
    if (session->number == index->count) {
        size_t container = command_index_find(index, request->arguments[0]);
        if (container < index->count &&
            index->by_number[container]->subcommand_count > 0) {
            tell_unknown_subcommand(session, index->by_number[container], request);
        } else {
            tell_unknown(session, request);
        }
        return false;
    }
    const struct redis_command *command = session_command(session);
    if (!command_has_arity(command, request->count) || command->run == NULL) {
        session_errorf(session, "ERR wrong number of arguments for '%s' command",
                       command->name);
        return false;
    }
    if (!session->authenticated && (command->flags & COMMAND_NO_AUTH) == 0) {
        session_error(session, "NOAUTH Authentication required.");
        return false;
    }
    session->rejected = false;
    return true;
}

static enum command_outcome run_with_locks(struct session *session,
                                           const struct redis_command *command,
                                           const struct resp_request *request) {
    struct key_locks locks = {0};
    size_t last = command_last_key(command, request->count);
    for (size_t i = (size_t)command->first_key; i <= last;
         i += (size_t)command->key_step) {
        key_locks_add(&locks, request->arguments[i]);
    }
    enum status status = keyspace_lock(&session->access, &locks);
    if (status != STATUS_OK) {
        return session_fail(session, status, NULL);
    }
    enum command_outcome outcome = command->run(session, request);
    keyspace_unlock(&session->access, &locks);
    return outcome;
}

static enum command_outcome run(struct session *session,
                                const struct resp_request *request) {
    const struct redis_command *command = session_command(session);
    if ((command->flags & COMMAND_MAY_BLOCK) != 0 && !session->may_wait) {
        return COMMAND_WOULD_WAIT;
    }
    return (command->flags & COMMAND_WRITES) != 0 && command->first_key > 0
               ? run_with_locks(session, command, request)
               : command->run(session, request);
}

enum command_outcome command_execute(struct session *session,
                                     const struct resp_request *request) {
    enum command_outcome outcome = COMMAND_DONE;
    if (session->reply == REPLY_SKIP_NEXT) {
        session->reply = REPLY_SKIP;
    }
    session->writer->muted = session->reply != REPLY_ON;
    session->failed = false;
    keyspace_begin(&session->access, session->commons->keyspace, session->may_wait);
    if (is_let_in(session, request)) {
        outcome = run(session, request);
    }
    if (outcome != COMMAND_WOULD_WAIT && session->reply == REPLY_SKIP) {
        session->reply = REPLY_ON;
    }
    return outcome;
}
