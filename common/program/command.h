/* The command-line program: a table of commands over one store. A command is a row here
 * or in its stage's `commands`; the main function finds it, parses its options (argp),
 * opens the database where it wants one, runs it and turns its status into the exit code.
 */
#ifndef STRATA_COMMAND_H
#define STRATA_COMMAND_H

#include <argp.h>
#include <stdio.h>

#include "stage.h"

/* What a command is given. */
struct command_run {
    const char *program;              /* as called, for messages */
    const char *dir;                  /* -d, "data" unless given */
    const struct kv_options *options; /* all settings resolved */
    struct kv *kv;                    /* open, if the command asks for one; else NULL */
    int count;                        /* arguments behind the command's options */
    char **arguments;
    void *values; /* the command's own parsed options, zeroed before parsing */
    struct error *error;
};

typedef enum status command_body(struct command_run *run);

struct command {
    const char *name;
    const char *arguments; /* "KEY VALUE", as in usage lines */
    const char *summary;   /* one line */
    const char *help;      /* paragraphs: what it does, examples, exit codes */
    const struct argp_option *options; /* own options, or NULL */
    error_t (*parse)(int key, char *argument,
                     struct argp_state *state); /* state->input:
                                                   struct command_run */
    size_t values_bytes;
    int arguments_least, arguments_most; /* -1: no limit */
    bool opens;                          /* wants run->kv */
    command_body *run;
};

#endif
