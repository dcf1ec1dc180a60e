/* The table of commands: one row for each, and one for each subcommand. It is what
 * requests are dispatched by, what arity errors and COMMAND go by, and what
 * notes/protocol.md is made of. A group of commands is an array of rows in its own file
 * (commands_string.c and so on); command_table.c lists the groups.
 *
 * A row is constant, and so is the table; an index over it is built for each server, and
 * then read by any thread.
 *
 * (Not command.h: that is the command-line program's.) */
#ifndef STRATA_REDIS_COMMAND_H
#define STRATA_REDIS_COMMAND_H

#include "resp_parser.h"

struct session; /* session.h */

/* What clients are told that this server is like. */
#define REDIS_VERSION_TOLD "7.0.15"

enum command_outcome {
    /* It has replied: an error is a reply too. */
    COMMAND_DONE,
    /* It would have to wait, and the session may not. Nothing has been done, and nothing
     * was replied: to be run again from the start, where it may wait. */
    COMMAND_WOULD_WAIT,
    /* The reply has begun; session->stream has the rest of it (reply_stream.h). */
    COMMAND_STREAMS
};

/* The request has as many arguments as the row's arity says, its name among them, and
 * lives until it returns. If the row says that it writes, the locks of its keys are held
 * (keyspace.h). It may be called by any thread; the session, and its writer, are
 * that thread's for so long. */
typedef enum command_outcome command_run(struct session *session,
                                         const struct resp_request *request);

enum command_group {
    GROUP_STRING,
    GROUP_GENERIC, /* of keys, whatever they hold */
    GROUP_CONNECTION,
    GROUP_SERVER,
    GROUP_STRATA /* what Redis does not have */
};

/* Those that Redis has keep its names: they are what COMMAND INFO tells. */
enum command_flag {
    COMMAND_WRITES = 1 << 0,
    COMMAND_READS = 1 << 1,
    COMMAND_FAST = 1 << 2,
    COMMAND_ADMIN = 1 << 3,
    COMMAND_DENIES_OOM = 1 << 4,
    COMMAND_NO_AUTH = 1 << 5, /* for clients that have not authenticated, too */
    COMMAND_NO_SCRIPT = 1 << 6,
    COMMAND_LOADING = 1 << 7,
    COMMAND_STALE = 1 << 8,
    COMMAND_SKIPS_MONITOR = 1 << 9,
    COMMAND_SKIPS_SLOWLOG = 1 << 10,
    /* Told by nobody: always run where it may wait, as it reads much or waits for what
     * is slow. */
    COMMAND_MAY_BLOCK = 1 << 16,
    /* Told as categories, beside those that follow from the group and the flags; that of
     * connections is in place of the group's. */
    COMMAND_OF_CONNECTION = 1 << 17,
    COMMAND_OF_KEYSPACE = 1 << 18,
    COMMAND_DANGEROUS = 1 << 19
};

struct redis_command {
    const char *name;  /* "get"; a subcommand's is "client|setname" */
    const char *words; /* what it does, in one line */
    const char *since; /* version of Redis, or of Strata, that brought it */
    /* Behind its name, as in Redis's documentation: words in capitals stand for
     * themselves, others for a value, [ ] is optional, | separates choices, { } holds
     * together, ... is once or more, :integer is the type (command_syntax.h). For COMMAND
     * DOCS and the notes; requests are not parsed by it. */
    const char *arguments;
    enum command_group group;
    int arity; /* arguments with the name, and that of the subcommand; -n: n or more */
    unsigned flags;
    int first_key; /* index of an argument; 0: it has no keys */
    int last_key;  /* -1: the last argument */
    int key_step;
    command_run *run; /* NULL: it is nothing without a subcommand */
    const struct redis_command *subcommands;
    size_t subcommand_count;
};

/* Whether a request for it may have so many arguments. */
static inline bool command_has_arity(const struct redis_command *command, size_t count) {
    return command->arity >= 0 ? count == (size_t)command->arity
                               : count >= (size_t)-command->arity;
}

/* The index of its last key in a request of so many arguments. */
static inline size_t command_last_key(const struct redis_command *command, size_t count) {
    return command->last_key < 0 ? count - (size_t)-command->last_key
                                 : (size_t)command->last_key;
}

struct command_rows {
    const struct redis_command *rows;
    size_t count;
};

extern const struct command_rows *const command_groups[];
extern const size_t command_group_count;

/* ---- finding --------------------------------------------------------------------- */

enum { COMMAND_SLOTS = 512 };

/* Commands with their subcommands have numbers, from 0, in the order of the table: so
 * statistics of them are an array. */
struct command_index {
    size_t count; /* of all numbers */
    const struct redis_command *by_number[COMMAND_SLOTS / 2];
    uint16_t slots[COMMAND_SLOTS]; /* number + 1; 0: empty */
};

/* Fills the caller's storage; about 6 KiB. */
void command_index_init(struct command_index *index);

/* Its number by its name in any case, for a subcommand "client|setname"; `count` if there
 * is none. */
size_t command_index_find(const struct command_index *index, struct slice name);

/* What a request asks for: the command, or its subcommand if it has such; `count` if
 * there is none. */
size_t command_index_resolve(const struct command_index *index,
                             const struct resp_request *request);

/* ---- running --------------------------------------------------------------------- */

/* Finds the command, and refuses what is unknown, has too few or too many arguments, or
 * needs authentication; else runs it. Begins and ends what session.h says of a request.
 * When it would have to wait (COMMAND_WOULD_WAIT) it is to be called again with
 * session->may_wait. */
enum command_outcome command_execute(struct session *session,
                                     const struct resp_request *request);

#endif
