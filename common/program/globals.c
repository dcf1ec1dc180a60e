#include "globals.h"

#include <assert.h>
#include <ctype.h>

#include "stage.h"

/* Keys beyond all characters, so that argp gives them no short form. */
enum { KEY_VERSION = 0x1000, KEY_SETTINGS };

enum { SETTINGS_GROUP = 2 };

static const struct argp_option fixed[] = {
    {"dir", 'd', "DIR", 0, "Directory of the database (default: data)", 1},
    {"config", 'c', "FILE", 0, "Read settings from FILE: lines of NAME VALUE, # comments",
     1},
    {"help", 'h', NULL, 0, "Show this help, or with a command before it, that command's",
     3},
    {"version", KEY_VERSION, NULL, 0, "Show which stage this is", 3},
    {NULL, 0, NULL, 0,
     "Settings, also from the environment (STRATA_LOG_BYTES=64m):", SETTINGS_GROUP},
};

static const char *argument_name(const struct setting *setting) {
    switch (setting->kind) {
    case SETTING_COUNT:
        return "N";
    case SETTING_BYTES:
        return "SIZE";
    case SETTING_MILLIS:
        return "TIME";
    case SETTING_CHOICE:
        return setting->choices;
    }
    return "VALUE";
}

enum status globals_init(struct globals *globals, struct error *error) {
    assert(setting_count <= GLOBALS_SETTINGS_MAX);
    *globals = (struct globals){.dir = "data"};
    size_t used = sizeof fixed / sizeof fixed[0];
    memcpy(globals->options, fixed, sizeof fixed);
    for (size_t i = 0; i < setting_count; i++) {
        struct buf *help = &globals->help[i];
        enum status status =
            buf_printf(help, "%s (default: %s)", settings[i].help, settings[i].initial);
        if (status == STATUS_OK) {
            status = buf_append(help, "", 1);
        }
        if (status != STATUS_OK) {
            return error_no_memory(error, "the table of options", 100);
        }
        help->data[0] = (unsigned char)toupper(help->data[0]);
        globals->options[used++] = (struct argp_option){settings[i].name,
                                                        KEY_SETTINGS + (int)i,
                                                        argument_name(&settings[i]),
                                                        0,
                                                        (const char *)help->data,
                                                        SETTINGS_GROUP};
    }
    return STATUS_OK;
}

void globals_init_help(struct globals *globals) {
    *globals = (struct globals){.options = {{"help", 'h', NULL, 0, "Show this help", 3}}};
}

void globals_free(struct globals *globals) {
    for (size_t i = 0; i < setting_count; i++) {
        buf_free(&globals->help[i]);
    }
}

void globals_hide_settings(struct globals *globals) {
    for (struct argp_option *option = globals->options;
         option->name != NULL || option->doc != NULL; option++) {
        if (option->group == SETTINGS_GROUP && option->name == NULL) {
            option->doc =
                "Settings are options here too: see the help without a command.";
        } else if (option->group == SETTINGS_GROUP) {
            option->flags |= OPTION_HIDDEN;
        }
    }
}

error_t globals_parse(int key, char *argument, struct argp_state *state) {
    struct globals *globals = state->input;
    switch (key) {
    case 'd':
        globals->dir = argument;
        return 0;
    case 'c':
        globals->config = argument;
        return 0;
    case 'h':
        state->name = (char *)(uintptr_t)globals->title; /* argp only reads it */
        argp_state_help(state, stdout, ARGP_HELP_STD_HELP & ~(unsigned)ARGP_HELP_EXIT_OK);
        return GLOBALS_SHOWN;
    case KEY_VERSION:
        printf("strata, stage %s\n", stage.name);
        return GLOBALS_SHOWN;
    default:
        break;
    }
    if (key >= KEY_SETTINGS && (size_t)(key - KEY_SETTINGS) < setting_count) {
        globals->chosen[key - KEY_SETTINGS] = argument;
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

char *globals_filter_help(int key, const char *text, void *input) {
    (void)input;
    return key == ARGP_KEY_HELP_DUP_ARGS_NOTE ? NULL : (char *)(uintptr_t)text;
}

enum status globals_resolve(const struct globals *globals, char *const environment[],
                            struct kv_options *options, struct error *error) {
    *options = kv_options_default();
    enum status status = STATUS_OK;
    if (globals->config != NULL) {
        status = settings_read(options, globals->config, error);
    }
    if (status == STATUS_OK) {
        status = settings_from_environment(options, environment, error);
    }
    for (size_t i = 0; i < setting_count && status == STATUS_OK; i++) {
        if (globals->chosen[i] != NULL) {
            status = settings_set(options, settings[i].name, globals->chosen[i], error);
        }
    }
    return status;
}
