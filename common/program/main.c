/* The program: global options, then a command with its own, then the store.
 *
 *     parse globals → find the command → parse its options → resolve the settings
 *     → open the store (where the command wants it) → run → close → flush stdout
 *
 * The first failure of these decides the exit code, and is printed as
 * "PROGRAM: COMMAND: message" with a line of advice where there is something to do. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "advice.h"
#include "globals.h"
#include "interrupt.h"
#include "memory.h"
#include "output.h"

enum { EXIT_USAGE = 2, EXIT_INTERRUPTED = 130 };

struct program {
    const char *name;
    struct globals globals;
    int command_at; /* index of the command in argv */
};

/* ---- messages --------------------------------------------------------------- */

static int report(const struct command_run *run, enum status status, bool opening) {
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

static void take_argument(struct command_run *run, char *argument) {
    int most = run->command->arguments_most;
    if (most >= 0 && run->count >= most) {
        command_usage_error(run, "too many arguments, from \"%s\" on", argument);
    }
    run->arguments[run->count++] = argument;
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
        take_argument(run, argument);
        return 0;
    case ARGP_KEY_END:
        if (run->count < run->command->arguments_least) {
            command_usage_error(run, "too few arguments, it takes %s",
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

/* Ends the program on a wrong option (getopt has said which) and after --help. */
static enum status parse_command(struct command_run *run, struct globals *globals,
                                 int count, char **arguments) {
    struct buf title = {0}, prefix = {0}, help = {0};
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
        if (argp_parse(&argp, count, arguments, ARGP_NO_HELP, NULL, &parse) != 0) {
            fprintf(stderr, "  `%s --help` explains it\n", globals->title);
            exit(EXIT_USAGE);
        }
    }
    buf_free(&title);
    buf_free(&prefix);
    buf_free(&help);
    return status == STATUS_OK ? status
                               : error_no_memory(run->error, "the help text", 1000);
}

/* ---- running a command ------------------------------------------------------ */

/* A command that only reads must not leave an empty database behind. */
static enum status check_directory(const struct command_run *run) {
    struct stat found;
    if (run->command->directory == DIRECTORY_UNUSED ||
        run->command->directory == DIRECTORY_CREATE) {
        return STATUS_OK;
    }
    if (stat(run->dir, &found) == 0 || errno != ENOENT) {
        return STATUS_OK; /* the store says what is wrong with it */
    }
    return error_set(run->error, STATUS_INVALID,
                     "%s: there is no such directory; `%s -d %s put KEY VALUE` makes a "
                     "database there",
                     run->dir, run->program, run->dir);
}

static int run_on_store(struct command_run *run) {
    bool opens = run->command->directory == DIRECTORY_OPEN ||
                 run->command->directory == DIRECTORY_CREATE;
    enum status status = check_directory(run);
    if (run->command->interruptible) {
        interrupt_hold(); /* before the store creates threads */
    }
    if (status == STATUS_OK && opens) {
        status = kv_open(run->dir, run->options, &run->kv, run->error);
    }
    if (status != STATUS_OK) {
        return report(run, status, true);
    }
    status = run->command->run(run);
    struct error later = {0};
    enum status flushed = output_flush(&later);
    if (status == STATUS_OK && flushed != STATUS_OK) {
        status = flushed;
        *run->error = later;
    }
    enum status closed = kv_close(run->kv, &later);
    if (status == STATUS_OK && closed != STATUS_OK) {
        status = closed;
        *run->error = later;
    }
    if (status != STATUS_OK) {
        return report(run, status, false);
    }
    return run->interrupted ? EXIT_INTERRUPTED : EXIT_SUCCESS;
}

static int run_command(struct program *program, const struct command *command, int count,
                       char **arguments) {
    struct error error = {0};
    struct kv_options options = {0};
    struct command_run run = {.program = program->name,
                              .command = command,
                              .options = &options,
                              .error = &error};
    run.values = memory_take_zeroed(command->values_bytes);
    run.arguments = memory_take_zeroed(sizeof *run.arguments * ((size_t)count + 1));
    enum status status = STATUS_OK;
    if (run.values == NULL || run.arguments == NULL) {
        status = error_no_memory(&error, "the options", command->values_bytes);
    }
    if (status == STATUS_OK) {
        status = parse_command(&run, &program->globals, count, arguments);
    }
    if (status == STATUS_OK) {
        run.dir = program->globals.dir;
        status = globals_resolve(&program->globals, environ, &options, &error);
    }
    options.create = command->directory == DIRECTORY_CREATE;
    int code = status == STATUS_OK ? run_on_store(&run) : report(&run, status, false);
    memory_give(run.values);
    memory_give(run.arguments);
    return code;
}

/* ---- before the command ----------------------------------------------------- */

static error_t parse_program_option(int key, char *argument, struct argp_state *state) {
    struct program *program = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->err_stream = NULL;
        state->child_inputs[0] = &program->globals;
        return 0;
    case ARGP_KEY_ARG:
        for (int i = 1; i < state->argc; i++) {
            if (state->argv[i] == argument) {
                program->command_at = i;
            }
        }
        state->next = state->argc; /* the rest is the command's */
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static enum status program_help(const char *name, struct buf *help) {
    enum status status = buf_printf(
        help,
        "Strata, stage %s: a crash-safe key-value database, one layer at a time.\v"
        "Commands (`%s COMMAND --help` shows options and examples):\n",
        stage.name, name);
    if (status == STATUS_OK) {
        status = command_list(help);
    }
    if (status == STATUS_OK) {
        status = buf_append_text(
            help, "\nExit codes: 0 ok, 1 not found, 2 usage or invalid argument, "
                  "3 corrupt, 4 I/O error, 5 held by another process, 6 out of memory "
                  "or space, 7 limit exceeded, 130 interrupted.\n");
    }
    return status == STATUS_OK ? buf_append(help, "", 1) : status;
}

static enum status parse_program(struct program *program, int count, char **arguments,
                                 struct error *error) {
    struct buf help = {0};
    enum status status = program_help(program->name, &help);
    if (status == STATUS_OK) {
        struct argp shared = {.options = program->globals.options,
                              .parser = globals_parse};
        struct argp_child children[] = {{&shared, 0, NULL, 0}, {0}};
        struct argp argp = {.parser = parse_program_option,
                            .args_doc = "COMMAND [ARGUMENT...]",
                            .doc = (const char *)help.data,
                            .children = children,
                            .help_filter = globals_filter_help};
        program->globals.title = program->name;
        unsigned int flags = ARGP_IN_ORDER | ARGP_NO_HELP;
        if (argp_parse(&argp, count, arguments, flags, NULL, program) != 0) {
            fprintf(stderr, "  `%s --help` explains it\n", program->name);
            exit(EXIT_USAGE);
        }
    } else {
        status = error_no_memory(error, "the help text", 1000);
    }
    buf_free(&help);
    return status;
}

static int unknown_command(const struct program *program, const char *name) {
    enum feature feature;
    struct error error = {0};
    if (command_lacked(name, &feature)) {
        enum status status = stage_lacks(feature, &error);
        fprintf(stderr, "%s: %s: %s\n", program->name, name, error.message);
        return status_exit_code(status);
    }
    fprintf(stderr, "%s: %s: unknown command; `%s help` lists them\n", program->name,
            name, program->name);
    return EXIT_USAGE;
}

/* `help` is `--help`, `help COMMAND` is `COMMAND --help`. */
static int run_help(struct program *program, int count, char **arguments) {
    char option[] = "--help";
    char *line[] = {count > 1 ? arguments[1] : NULL, option, NULL};
    if (count > 1) {
        const struct command *command = command_find(line[0]);
        return command != NULL ? run_command(program, command, 2, line)
                               : unknown_command(program, line[0]);
    }
    struct error error = {0};
    line[0] = (char *)(uintptr_t)program->name;
    return status_exit_code(parse_program(program, 2, line, &error));
}

static int run_program(struct program *program, int count, char **arguments) {
    struct error error = {0};
    enum status status = globals_init(&program->globals, &error);
    if (status == STATUS_OK) {
        status = parse_program(program, count, arguments, &error);
    }
    if (status != STATUS_OK) {
        fprintf(stderr, "%s: %s\n", program->name, error.message);
        return status_exit_code(status);
    }
    if (program->command_at == 0) {
        fprintf(stderr, "%s: no command; `%s help` lists them\n", program->name,
                program->name);
        return EXIT_USAGE;
    }
    count -= program->command_at;
    arguments += program->command_at;
    if (strcmp(arguments[0], "help") == 0) {
        return run_help(program, count, arguments);
    }
    const struct command *command = command_find(arguments[0]);
    return command != NULL ? run_command(program, command, count, arguments)
                           : unknown_command(program, arguments[0]);
}

/* A descriptor that the caller has closed would go to the next file that is opened, a log
 * perhaps, and what is meant for a person would be written into it. */
static void hold_standard_descriptors(void) {
    int fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO) {
        fd = open("/dev/null", O_RDWR);
    }
    if (fd >= 0) {
        close(fd);
    }
}

int main(int count, char **arguments) {
    hold_standard_descriptors();
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is a write error, exit code 4 */
    if (count < 1) {
        return EXIT_USAGE;
    }
    const char *slash = strrchr(arguments[0], '/');
    arguments[0] += slash != NULL ? slash + 1 - arguments[0] : 0;
    struct program program = {.name = arguments[0]};
    int code = run_program(&program, count, arguments);
    globals_free(&program.globals);
    return code;
}
