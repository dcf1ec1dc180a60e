/* COMMAND: the table, as clients ask for it. The layout is that of Redis 7.0 (its
 * server.c); of key specifications, tips and history it tells nothing. */
#include <ctype.h>
#include <stdio.h>

#include "arguments.h"
#include "command_syntax.h"
#include "commands.h"
#include "glob.h"

static void write_text(struct resp_writer *writer, const char *text) {
    resp_write_bulk(writer, slice_of(text));
}

static size_t find(const struct session *session, struct slice name) {
    return command_index_find(session->commons->index, name);
}

static const struct redis_command *row_at(const struct session *session, size_t number) {
    return session->commons->index->by_number[number];
}

static bool is_subcommand(const struct redis_command *command) {
    return strchr(command->name, '|') != NULL;
}

static size_t count_commands(const struct session *session) {
    const struct command_index *index = session->commons->index;
    size_t count = 0;
    for (size_t i = 0; i < index->count; i++) {
        count += !is_subcommand(index->by_number[i]);
    }
    return count;
}

/* ---- COMMAND INFO ---------------------------------------------------------------- */

struct flag_name {
    unsigned flag;
    const char *name;
};

static const struct flag_name flag_names[] = {
    {COMMAND_WRITES, "write"},
    {COMMAND_READS, "readonly"},
    {COMMAND_DENIES_OOM, "denyoom"},
    {COMMAND_ADMIN, "admin"},
    {COMMAND_NO_SCRIPT, "noscript"},
    {COMMAND_LOADING, "loading"},
    {COMMAND_STALE, "stale"},
    {COMMAND_SKIPS_MONITOR, "skip_monitor"},
    {COMMAND_SKIPS_SLOWLOG, "skip_slowlog"},
    {COMMAND_FAST, "fast"},
    {COMMAND_NO_AUTH, "no_auth"},
};

static void write_flags(struct resp_writer *writer, const struct redis_command *command) {
    struct output_piece *begun = resp_begin_aggregate(writer);
    size_t count = 0;
    for (size_t i = 0; i < sizeof flag_names / sizeof flag_names[0]; i++) {
        if ((command->flags & flag_names[i].flag) != 0) {
            resp_write_simple(writer, flag_names[i].name);
            count++;
        }
    }
    resp_end_aggregate(writer, begun, RESP_SET, count);
}

static void write_categories(struct resp_writer *writer,
                             const struct redis_command *command) {
    static const char *const of_group[] = {
        [GROUP_STRING] = "@string",         [GROUP_GENERIC] = "@keyspace",
        [GROUP_CONNECTION] = "@connection", [GROUP_SERVER] = NULL,
        [GROUP_STRATA] = "@keyspace",
    };
    const struct flag_name categories[] = {
        {COMMAND_READS, "@read"},
        {COMMAND_WRITES, "@write"},
        {COMMAND_ADMIN, "@admin"},
        {COMMAND_ADMIN | COMMAND_DANGEROUS, "@dangerous"},
        {COMMAND_OF_CONNECTION, "@connection"},
        {COMMAND_OF_KEYSPACE, "@keyspace"},
    };
    bool is_of_group =
        command->run != NULL && (command->flags & COMMAND_OF_CONNECTION) == 0;
    struct output_piece *begun = resp_begin_aggregate(writer);
    size_t count = 1;
    if (is_of_group && of_group[command->group] != NULL) {
        resp_write_simple(writer, of_group[command->group]);
        count++;
    }
    for (size_t i = 0; i < sizeof categories / sizeof categories[0]; i++) {
        if ((command->flags & categories[i].flag) != 0) {
            resp_write_simple(writer, categories[i].name);
            count++;
        }
    }
    resp_write_simple(writer, (command->flags & COMMAND_FAST) != 0 ? "@fast" : "@slow");
    resp_end_aggregate(writer, begun, RESP_SET, count);
}

static void write_info(struct resp_writer *writer, const struct redis_command *command) {
    resp_write_aggregate(writer, RESP_ARRAY, 10);
    write_text(writer, command->name);
    resp_write_integer(writer, command->arity);
    write_flags(writer, command);
    resp_write_integer(writer, command->first_key);
    resp_write_integer(writer, command->last_key);
    resp_write_integer(writer, command->key_step);
    write_categories(writer, command);
    resp_write_aggregate(writer, RESP_SET, 0); /* tips */
    resp_write_aggregate(writer, RESP_SET, 0); /* key specifications */
    resp_write_aggregate(writer, RESP_ARRAY, command->subcommand_count);
    for (size_t i = 0; i < command->subcommand_count; i++) {
        write_info(writer, &command->subcommands[i]);
    }
}

static void write_all(struct session *session,
                      void (*one)(struct resp_writer *, const struct redis_command *)) {
    const struct command_index *index = session->commons->index;
    for (size_t i = 0; i < index->count; i++) {
        if (!is_subcommand(index->by_number[i])) {
            one(session->writer, index->by_number[i]);
        }
    }
}

static enum command_outcome run_info(struct session *session,
                                     const struct resp_request *request) {
    size_t named = request->count < 2 ? 0 : request->count - 2;
    if (named == 0) {
        resp_write_aggregate(session->writer, RESP_ARRAY, count_commands(session));
        write_all(session, write_info);
        return COMMAND_DONE;
    }
    resp_write_aggregate(session->writer, RESP_ARRAY, named);
    for (size_t i = 2; i < request->count; i++) {
        size_t number = find(session, request->arguments[i]);
        if (number == session->commons->index->count) {
            resp_write_null(session->writer);
        } else {
            write_info(session->writer, row_at(session, number));
        }
    }
    return COMMAND_DONE;
}

/* ---- COMMAND DOCS ---------------------------------------------------------------- */

static void write_arguments(struct resp_writer *writer, const struct syntax *syntax,
                            uint8_t first);

static struct slice name_of(const struct syntax_node *node) {
    return node->kind == SYNTAX_ONE_OF  ? slice_of("choice")
           : node->kind == SYNTAX_BLOCK ? slice_of("block")
                                        : node->name;
}

static void write_argument(struct resp_writer *writer, const struct syntax *syntax,
                           const struct syntax_node *node) {
    size_t flags = (size_t)node->optional + node->multiple;
    bool has_token = slice_present(node->token);
    bool has_parts = node->first != SYNTAX_NONE;
    resp_write_aggregate(writer, RESP_MAP,
                         2 + (size_t)has_token + (flags > 0) + has_parts);
    write_text(writer, "name");
    resp_write_bulk(writer, name_of(node));
    write_text(writer, "type");
    resp_write_bulk(writer, syntax_type(node));
    if (has_token) {
        write_text(writer, "token");
        resp_write_bulk(writer, node->token);
    }
    if (flags > 0) {
        write_text(writer, "flags");
        resp_write_aggregate(writer, RESP_SET, flags);
        if (node->optional) {
            resp_write_simple(writer, "optional");
        }
        if (node->multiple) {
            resp_write_simple(writer, "multiple");
        }
    }
    if (has_parts) {
        write_text(writer, "arguments");
        write_arguments(writer, syntax, node->first);
    }
}

static void write_arguments(struct resp_writer *writer, const struct syntax *syntax,
                            uint8_t first) {
    struct output_piece *begun = resp_begin_aggregate(writer);
    size_t count = 0;
    for (uint8_t i = first; i != SYNTAX_NONE; i = syntax->nodes[i].next) {
        write_argument(writer, syntax, &syntax->nodes[i]);
        count++;
    }
    resp_end_aggregate(writer, begun, RESP_ARRAY, count);
}

static void write_docs(struct resp_writer *writer, const struct redis_command *command) {
    static const char *const groups[] = {
        [GROUP_STRING] = "string",         [GROUP_GENERIC] = "generic",
        [GROUP_CONNECTION] = "connection", [GROUP_SERVER] = "server",
        [GROUP_STRATA] = "strata",
    };
    struct syntax syntax;
    syntax_parse(&syntax, command->arguments);
    bool has_subcommands = command->subcommand_count > 0;
    bool has_arguments = syntax.first != SYNTAX_NONE;
    write_text(writer, command->name);
    resp_write_aggregate(writer, RESP_MAP, 3 + (size_t)has_arguments + has_subcommands);
    write_text(writer, "summary");
    write_text(writer, command->words);
    write_text(writer, "since");
    write_text(writer, command->since);
    write_text(writer, "group");
    write_text(writer, groups[command->group]);
    if (has_arguments) {
        write_text(writer, "arguments");
        write_arguments(writer, &syntax, syntax.first);
    }
    if (has_subcommands) {
        write_text(writer, "subcommands");
        resp_write_aggregate(writer, RESP_MAP, command->subcommand_count);
        for (size_t i = 0; i < command->subcommand_count; i++) {
            write_docs(writer, &command->subcommands[i]);
        }
    }
}

static enum command_outcome run_docs(struct session *session,
                                     const struct resp_request *request) {
    struct resp_writer *writer = session->writer;
    if (request->count == 2) {
        resp_write_aggregate(writer, RESP_MAP, count_commands(session));
        write_all(session, write_docs);
        return COMMAND_DONE;
    }
    struct output_piece *begun = resp_begin_aggregate(writer);
    size_t found = 0;
    for (size_t i = 2; i < request->count; i++) {
        size_t number = find(session, request->arguments[i]);
        if (number < session->commons->index->count) {
            write_docs(writer, row_at(session, number));
            found++;
        }
    }
    resp_end_aggregate(writer, begun, RESP_MAP, found);
    return COMMAND_DONE;
}

/* ---- COMMAND LIST, COUNT, GETKEYS ------------------------------------------------ */

static enum command_outcome run_count(struct session *session,
                                      const struct resp_request *request) {
    (void)request;
    return session_integer(session, (int64_t)count_commands(session));
}

/* All; those of a pattern; none of a module or a category of permissions, which there are
 * not. */
static enum command_outcome run_list(struct session *session,
                                     const struct resp_request *request) {
    const struct command_index *index = session->commons->index;
    bool filters = request->count == 5;
    bool by_pattern = filters && argument_is(request->arguments[3], "PATTERN");
    bool by_other = filters && (argument_is(request->arguments[3], "MODULE") ||
                                argument_is(request->arguments[3], "ACLCAT"));
    uint64_t steps = 0;
    size_t count = 0;
    if (request->count != 2 &&
        !(argument_is(request->arguments[2], "FILTERBY") && (by_pattern || by_other))) {
        return session_error(session, syntax_error);
    }
    struct output_piece *begun = resp_begin_aggregate(session->writer);
    for (size_t i = 0; i < index->count && !by_other; i++) {
        struct slice name = slice_of(index->by_number[i]->name);
        if (!by_pattern ||
            glob_match(request->arguments[4], name, GLOB_NO_CASE, &steps)) {
            resp_write_bulk(session->writer, name);
            count++;
        }
    }
    resp_end_aggregate(session->writer, begun, RESP_ARRAY, count);
    return COMMAND_DONE;
}

static enum command_outcome run_getkeys(struct session *session,
                                        const struct resp_request *request) {
    const struct resp_request whole = {request->arguments + 2, request->count - 2};
    size_t number = command_index_resolve(session->commons->index, &whole);
    if (number == session->commons->index->count) {
        return session_error(session, "ERR Invalid command specified");
    }
    const struct redis_command *command = row_at(session, number);
    if (command->first_key == 0) {
        return session_error(session, "ERR The command has no key arguments");
    }
    if (!command_has_arity(command, whole.count)) {
        return session_error(session,
                             "ERR Invalid number of arguments specified for command");
    }
    size_t first = (size_t)command->first_key;
    size_t last = command_last_key(command, whole.count);
    size_t step = (size_t)command->key_step;
    resp_write_aggregate(session->writer, RESP_ARRAY, (last - first) / step + 1);
    for (size_t i = first; i <= last; i += step) {
        resp_write_bulk(session->writer, whole.arguments[i]);
    }
    return COMMAND_DONE;
}

/* ---- HELP ------------------------------------------------------------------------ */

/* Writes the word in capitals. */
static void write_title(struct resp_writer *writer, const char *word, size_t length,
                        const char *rest) {
    char line[256];
    size_t at = 0;
    for (; at < length && at < sizeof line - 1; at++) {
        line[at] = (char)toupper((unsigned char)word[at]);
    }
    for (; *rest != '\0' && at < sizeof line - 1; at++) {
        line[at] = *rest++;
    }
    line[at] = '\0';
    resp_write_simple(writer, line);
}

enum command_outcome command_help(struct session *session,
                                  const struct resp_request *request) {
    struct resp_writer *writer = session->writer;
    const struct redis_command *command =
        row_at(session, find(session, request->arguments[0]));
    resp_write_aggregate(writer, RESP_ARRAY, 1 + 2 * command->subcommand_count);
    write_title(writer, command->name, strlen(command->name),
                " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    for (size_t i = 0; i < command->subcommand_count; i++) {
        const struct redis_command *sub = &command->subcommands[i];
        const char *name = strchr(sub->name, '|') + 1;
        char rest[200];
        snprintf(rest, sizeof rest, "%s%s", sub->arguments[0] == '\0' ? "" : " ",
                 sub->arguments);
        write_title(writer, name, strlen(name), rest);
        snprintf(rest, sizeof rest, "    %s", sub->words);
        resp_write_simple(writer, rest);
    }
    return COMMAND_DONE;
}

/* ---- the table ------------------------------------------------------------------- */

#define ALWAYS (COMMAND_LOADING | COMMAND_STALE | COMMAND_OF_CONNECTION)

static const struct redis_command command_rows[] = {
    {"command|count", "How many commands there are.", "2.8.13", "", GROUP_SERVER, 2,
     ALWAYS, 0, 0, 0, run_count, NULL, 0},
    {"command|docs", "What commands are for, and their arguments.", "7.0.0",
     "[command-name...]", GROUP_SERVER, -2, ALWAYS, 0, 0, 0, run_docs, NULL, 0},
    {"command|getkeys", "The keys of a request.", "2.8.13", "command [arg...]",
     GROUP_SERVER, -4, ALWAYS, 0, 0, 0, run_getkeys, NULL, 0},
    {"command|help", "The subcommands.", "5.0.0", "", GROUP_SERVER, 2, ALWAYS, 0, 0, 0,
     command_help, NULL, 0},
    {"command|info", "Arity, flags and keys of commands.", "2.8.13", "[command-name...]",
     GROUP_SERVER, -2, ALWAYS, 0, 0, 0, run_info, NULL, 0},
    {"command|list", "The names of commands.", "7.0.0",
     "[FILTERBY {MODULE name | ACLCAT category | PATTERN pattern}]", GROUP_SERVER, -2,
     ALWAYS, 0, 0, 0, run_list, NULL, 0},
};

static const struct redis_command rows[] = {
    {"command", "The commands that there are.", "2.8.13", "", GROUP_SERVER, -1, ALWAYS, 0,
     0, 0, run_info, command_rows, sizeof command_rows / sizeof command_rows[0]},
};

const struct command_rows commands_table = {rows, sizeof rows / sizeof rows[0]};
