/* The command-line program: a table of commands over one store. A command is a row of
 * commands.c or of its stage's `commands`; the main function finds it, parses its options
 * (argp), opens the database where it wants one, runs it and turns its status into the
 * exit code. */
#ifndef STRATA_COMMAND_H
#define STRATA_COMMAND_H

#include <argp.h>
#include <stdio.h>

#include "kv_batch.h"
#include "stage.h"

/* What a command wants of the directory named with -d. */
enum command_directory {
    DIRECTORY_UNUSED,
    DIRECTORY_PRESENT, /* it must be there; the command works on it offline */
    DIRECTORY_BESIDE,  /* it must be there; the command looks at it, open or not */
    DIRECTORY_OPEN,    /* it must be there; run->kv is open */
    DIRECTORY_CREATE,  /* made where missing; run->kv is open */
    DIRECTORY_LENT,    /* run->kv is open in a shell, else NULL: the command opens it */
    DIRECTORY_OWN      /* the command opens one, and says in run->dir which */
};

/* What a command is given. */
struct command_run {
    const char *program;              /* as called, without its directory; for messages */
    const struct command *command;    /* the row that runs */
    const char *dir;                  /* -d, "data" unless given */
    const struct kv_options *options; /* all settings resolved */
    struct kv *kv;                    /* open, if the command asks for one; else NULL */
    int count;                        /* arguments behind the command's options */
    char **arguments;
    void *values; /* the command's own parsed options, zeroed before parsing */
    struct error *error;
    bool interrupted; /* the command sets it when a signal made it end early */
    bool in_shell;    /* standard input is the shell's; output is for a person */
    bool beside; /* the shell goes on meanwhile: nothing that moves on the terminal */
    struct kv_batch *batch; /* not NULL: what is put and deleted goes into it */
    const struct kv_snapshot *snapshot; /* not NULL: what is read is read at it */
    int code; /* a shell sets it: exit code of its last failing command, or 0 */
};

typedef enum status command_body(struct command_run *run);

struct command {
    const char *name;
    const char *arguments; /* "KEY VALUE", as in usage lines */
    const char *summary;   /* one line */
    const char *help; /* paragraphs: what it does, examples, exit codes; "$0" stands for
                         the program's name */
    const struct argp_option *options; /* own options, or NULL */
    error_t (*parse)(int key, char *argument, struct argp_state *state); /* state->input:
                                                   struct command_run */
    size_t values_bytes;
    int arguments_least, arguments_most; /* -1: no limit */
    bool own_options; /* `run` reads all that stands behind the name, --help too */
    enum command_directory directory;
    bool interruptible; /* Ctrl-C waits until the command asks for it (interrupt.h) */
    command_body *run;
};

/* The commands that every stage has. */
extern const struct command *const common_commands[];
extern const size_t common_command_count;

/* The row of that name, the stage's own first; NULL if there is none. */
const struct command *command_find(const char *name);

/* The rows one by one, each name once; NULL behind the last. */
const struct command *command_at(size_t index);

/* Whether some stage has the command and this one has not. */
bool command_lacked(const char *name, enum feature *feature);

/* Appends the command's line in such a list. */
MUST_CHECK enum status command_list_one(const struct command *command, struct buf *out);

/* Appends the list of commands, one a line, with those that later stages bring. */
MUST_CHECK enum status command_list(struct buf *out);

/* Says what is wrong with the arguments. Returns EINVAL, for a parse function to return:
 * then the command does not run, and its exit code is 2. */
MUST_CHECK error_t command_usage_error(const struct command_run *run, const char *format,
                                       ...) __attribute__((format(printf, 2, 3)));

/* Reads a whole number of `least` to `most` for the option `name`; 0, or EINVAL as above.
 */
MUST_CHECK error_t command_number(const struct command_run *run, const char *name,
                                  const char *text, uint64_t least, uint64_t most,
                                  uint64_t *number);

#endif
