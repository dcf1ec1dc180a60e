/* The options that stand before the command, and may stand behind it too: the directory,
 * a configuration file, one option for each row of the settings table, help. */
#ifndef STRATA_GLOBALS_H
#define STRATA_GLOBALS_H

#include <argp.h>
#include <errno.h>

#include "settings.h"

enum { GLOBALS_SETTINGS_MAX = 64, GLOBALS_FIXED_OPTIONS = 5 };

/* What argp_parse returns once --help or --version was printed: it ends there, since what
 * is missing behind it is no error. The output is still to be flushed. */
enum { GLOBALS_SHOWN = ECANCELED };

/* In the caller's storage. */
struct globals {
    const char *title; /* as in "strata-01 put", for the usage line; borrowed */
    const char *dir;
    const char *config;                       /* NULL: none */
    const char *chosen[GLOBALS_SETTINGS_MAX]; /* as given on the command line, or NULL */
    struct argp_option options[GLOBALS_FIXED_OPTIONS + GLOBALS_SETTINGS_MAX + 1];
    struct buf help[GLOBALS_SETTINGS_MAX];
};

MUST_CHECK enum status globals_init(struct globals *globals, struct error *error);
/* Only --help, for a command whose directory and settings are given already. */
void globals_init_help(struct globals *globals);
void globals_free(struct globals *globals);

/* Leave the settings out of --help; they are still understood. */
void globals_hide_settings(struct globals *globals);

/* An argp help_filter: leaves out argp's paragraph on long and short options. */
char *globals_filter_help(int key, const char *text, void *input);

/* argp's parser for globals->options; state->input is the struct globals. */
error_t globals_parse(int key, char *argument, struct argp_state *state);

/* Defaults, then file, then environment, then options. INVALID. */
MUST_CHECK enum status globals_resolve(const struct globals *globals,
                                       char *const environment[],
                                       struct kv_options *options, struct error *error);

#endif
