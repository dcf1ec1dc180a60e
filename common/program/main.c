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

#include "interrupt.h"
#include "invocation.h"
#include "memory.h"
#include "output.h"

enum { EXIT_USAGE = 2, EXIT_INTERRUPTED = 130 };

struct program {
    const char *name;
    struct globals globals;
    int command_at; /* index of the command in argv */
};

/* ---- running a command ------------------------------------------------------ */

/* A command that only reads must not leave an empty database behind. */
static enum status check_directory(const struct command_run *run) {
    struct stat found;
    if (run->command->directory == DIRECTORY_UNUSED ||
        run->command->directory == DIRECTORY_LENT ||
        run->command->directory == DIRECTORY_OWN ||
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
        return invocation_report(run, status, true);
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
        return invocation_report(run, status, false);
    }
    return run->interrupted ? EXIT_INTERRUPTED : run->code;
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
    int code;
    if (run.values == NULL || run.arguments == NULL) {
        enum status status =
            error_no_memory(&error, "the options", command->values_bytes);
        code = invocation_report(&run, status, false);
    } else if (invocation_parse(&run, &program->globals, count, arguments, &code)) {
        run.dir = program->globals.dir;
        enum status status =
            globals_resolve(&program->globals, environ, &options, &error);
        options.create = command->directory == DIRECTORY_CREATE;
        code = status == STATUS_OK ? run_on_store(&run)
                                   : invocation_report(&run, status, false);
    }
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

/* Whether the program has to go on; else *code is its exit code, and all is said. */
static bool parse_program(struct program *program, int count, char **arguments,
                          int *code) {
    struct error error = {0};
    error_t result = 0;
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
        result = argp_parse(&argp, count, arguments, flags, NULL, program);
    } else {
        status = error_no_memory(&error, "the help text", 1000);
    }
    buf_free(&help);
    if (status == STATUS_OK && result == 0) {
        return true;
    }
    if (status == STATUS_OK && result == GLOBALS_SHOWN) {
        status = output_flush(&error);
    } else if (status == STATUS_OK) {
        status = STATUS_INVALID; /* getopt has said why */
        fprintf(stderr, "  `%s --help` explains it\n", program->name);
    }
    if (error.message[0] != '\0') {
        fprintf(stderr, "%s: %s\n", program->name, error.message);
    }
    *code = status_exit_code(status);
    return false;
}

/* `help` is `--help`, `help COMMAND` is `COMMAND --help`. */
static int run_help(struct program *program, int count, char **arguments) {
    char option[] = "--help";
    char *line[] = {count > 1 ? arguments[1] : NULL, option, NULL};
    if (count > 1) {
        const struct command *command = command_find(line[0]);
        return command != NULL ? run_command(program, command, 2, line)
                               : invocation_unknown(program->name, false, line[0]);
    }
    int code = EXIT_SUCCESS;
    line[0] = (char *)(uintptr_t)program->name;
    parse_program(program, 2, line, &code);
    return code;
}

static int run_program(struct program *program, int count, char **arguments) {
    struct error error = {0};
    enum status status = globals_init(&program->globals, &error);
    if (status != STATUS_OK) {
        fprintf(stderr, "%s: %s\n", program->name, error.message);
        return status_exit_code(status);
    }
    int code;
    if (!parse_program(program, count, arguments, &code)) {
        return code;
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
                           : invocation_unknown(program->name, false, arguments[0]);
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
