#include "invocation.h"

#include "advice.h"
#include "output.h"

/* ---- messages --------------------------------------------------------------- */

int invocation_report(const struct command_run *run, enum status status, bool opening) {
    const char *message =
        run->error->message[0] != '\0' ? run->error->message : status_words(status);
    fprintf(stderr, "%s: %s: %s\n", run->program, run->command->name, message);
    struct buf advice = {0};
    if (advice_print(run, status, opening, &advice) == STATUS_OK) {
        fwrite(buf_slice(&advice).data, 1, advice.length, stderr);
    }
    buf_free(&advice);
    if (status == STATUS_NOT_FOUND && run->error->message[0] != '\0') {
        status = STATUS_INVALID; /* not a key, but a file that the user has named */
    }
    return status_exit_code(status);
}

/* A copy of `text` with the program's name for each "$0", ended by a zero byte. */
static enum status name_program(const char *text, const char *program, struct buf *out) {
    enum status status = STATUS_OK;
    const char *found;
    while (status == STATUS_OK && (found = strstr(text, "$0")) != NULL) {
        status = buf_append(out, text, (size_t)(found - text));
        if (status == STATUS_OK) {
            status = buf_append_text(out, program);
        }
        text = found + 2;
    }
    return status == STATUS_OK ? buf_printf(out, "%s\n%c", text, 0) : status;
}

/* ---- options of a command --------------------------------------------------- */

/* What the two argp parsers of a command share: state->input of the outer one. */
struct command_parse {
    struct command_run *run;
    struct globals *globals;
};

static error_t take_argument(struct command_run *run, char *argument) {
    int most = run->command->arguments_most;
    if (most >= 0 && run->count >= most) {
        return command_usage_error(run, "too many arguments, from \"%s\" on", argument);
    }
    run->arguments[run->count++] = argument;
    return 0;
}

static error_t parse_command_option(int key, char *argument, struct argp_state *state) {
    struct command_parse *parse = state->input;
    struct command_run *run = parse->run;
    switch (key) {
    case ARGP_KEY_INIT:
        state->err_stream = NULL; /* no "Try ..." of argp's: it would not name us right */
        state->child_inputs[0] = parse->globals;
        return 0;
    case ARGP_KEY_ARG:
        return take_argument(run, argument);
    case ARGP_KEY_END:
        if (run->count < run->command->arguments_least) {
            return command_usage_error(run, "too few arguments, it takes %s",
                                       run->command->arguments);
        }
        return 0;
    default:
        break;
    }
    if (run->command->parse == NULL || key >= ARGP_KEY_FINI) {
        return ARGP_ERR_UNKNOWN;
    }
    state->input = run;
    error_t result = run->command->parse(key, argument, state);
    state->input = parse;
    return result;
}

bool invocation_parse(struct command_run *run, struct globals *globals, int count,
                      char **arguments, int *code) {
    error_t result = 0;
    struct buf title = {0}, prefix = {0}, help = {0};
    if (run->command->own_options) {
        memcpy(run->arguments, arguments + 1, sizeof *arguments * (size_t)(count - 1));
        run->count = count - 1;
        return true;
    }
    enum status status =
        buf_printf(&title, "%s %s%c", run->program, run->command->name, 0);
    if (status == STATUS_OK) {
        status = buf_printf(&prefix, "%s: %s%c", run->program, run->command->name, 0);
    }
    if (status == STATUS_OK) {
        status = buf_printf(&help, "%s\v", run->command->summary);
    }
    if (status == STATUS_OK) {
        status = name_program(run->command->help, run->program, &help);
    }
    if (status == STATUS_OK) {
        struct argp shared = {.options = globals->options, .parser = globals_parse};
        struct argp_child children[] = {{&shared, 0, NULL, 10}, {0}};
        struct argp argp = {.options = run->command->options,
                            .parser = parse_command_option,
                            .args_doc = run->command->arguments,
                            .doc = (const char *)help.data,
                            .children = children,
                            .help_filter = globals_filter_help};
        struct command_parse parse = {run, globals};
        arguments[0] = (char *)prefix.data; /* getopt begins its messages with it */
        globals->title = (const char *)title.data;
        globals_hide_settings(globals);
        result = argp_parse(&argp, count, arguments, ARGP_NO_HELP, NULL, &parse);
        if (result == GLOBALS_SHOWN) {
            status = output_flush(run->error);
        } else if (result != 0) {
            fprintf(stderr, "  `%s --help` explains it\n", globals->title);
        }
    } else {
        status = error_no_memory(run->error, "the help text", 1000);
    }
    buf_free(&title);
    buf_free(&prefix);
    buf_free(&help);
    if (status != STATUS_OK) {
        *code = invocation_report(run, status, false);
    } else if (result != 0) {
        *code = status_exit_code(result == GLOBALS_SHOWN ? STATUS_OK : STATUS_INVALID);
    }
    return status == STATUS_OK && result == 0;
}

int invocation_unknown(const char *program, bool in_shell, const char *name) {
    enum feature feature;
    struct error error = {0};
    if (command_lacked(name, &feature)) {
        enum status status = stage_lacks(feature, &error);
        fprintf(stderr, "%s: %s: %s\n", program, name, error.message);
        return status_exit_code(status);
    }
    if (in_shell) {
        fprintf(stderr, "%s: %s: unknown command; .help lists them\n", program, name);
    } else {
        fprintf(stderr, "%s: %s: unknown command; `%s help` lists them\n", program, name,
                program);
    }
    return status_exit_code(STATUS_INVALID);
}
