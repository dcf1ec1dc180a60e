#include "command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#include "commands.h"

const struct command *const common_commands[] = {
    &command_put,    &command_get,    &command_del,  &command_scan,
    &command_import, &command_export, &command_sync, &command_stats,
    &command_verify, &command_repair, &command_dump, &command_bench,
};

const size_t common_command_count = sizeof common_commands / sizeof common_commands[0];

static const struct {
    const char *name;
    enum feature feature;
} later[] = {
    {"shell", FEATURE_SHELL},           {"flush", FEATURE_FLUSH},
    {"compact", FEATURE_COMPACT},       {"levels", FEATURE_LEVELS},
    {"checkpoint", FEATURE_CHECKPOINT}, {"backup", FEATURE_BACKUP},
    {"restore", FEATURE_RESTORE},       {"server", FEATURE_SERVER},
};

enum { LATER_COUNT = sizeof later / sizeof later[0] };

const struct command *command_find(const char *name) {
    for (size_t i = 0; i < stage.command_count; i++) {
        if (strcmp(stage.commands[i]->name, name) == 0) {
            return stage.commands[i];
        }
    }
    for (size_t i = 0; i < common_command_count; i++) {
        if (strcmp(common_commands[i]->name, name) == 0) {
            return common_commands[i];
        }
    }
    return NULL;
}

static bool is_common(const struct command *command) {
    for (size_t i = 0; i < common_command_count; i++) {
        if (strcmp(common_commands[i]->name, command->name) == 0) {
            return true;
        }
    }
    return false;
}

const struct command *command_at(size_t index) {
    if (index < common_command_count) { /* the stage's own row where it has one */
        return command_find(common_commands[index]->name);
    }
    index -= common_command_count;
    for (size_t i = 0; i < stage.command_count; i++) {
        if (!is_common(stage.commands[i]) && index-- == 0) {
            return stage.commands[i];
        }
    }
    return NULL;
}

bool command_lacked(const char *name, enum feature *feature) {
    for (size_t i = 0; i < LATER_COUNT; i++) {
        if (strcmp(later[i].name, name) == 0 && !stage_has(later[i].feature)) {
            *feature = later[i].feature;
            return true;
        }
    }
    return false;
}

enum status command_list_one(const struct command *command, struct buf *out) {
    int width = (int)(strlen(command->name) + 1 + strlen(command->arguments));
    return buf_printf(out, "  %s %s%*s  %s\n", command->name, command->arguments,
                      width < 20 ? 20 - width : 0, "", command->summary);
}

enum status command_list(struct buf *out) {
    enum status status = STATUS_OK;
    for (size_t i = 0; command_at(i) != NULL && status == STATUS_OK; i++) {
        status = command_list_one(command_at(i), out);
    }
    bool first = true;
    for (size_t i = 0; i < LATER_COUNT && status == STATUS_OK; i++) {
        if (!stage_has(later[i].feature)) {
            status = buf_printf(out, "%s%s", first ? "  in later stages: " : ", ",
                                later[i].name);
            first = false;
        }
    }
    return status == STATUS_OK && !first ? buf_append_text(out, "\n") : status;
}

error_t command_usage_error(const struct command_run *run, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s: %s: ", run->program, run->command->name);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    return EINVAL;
}

error_t command_number(const struct command_run *run, const char *name, const char *text,
                       uint64_t least, uint64_t most, uint64_t *number) {
    char *end = NULL;
    errno = 0;
    unsigned long long read = strtoull(text, &end, 10);
    bool digits = text[0] >= '0' && text[0] <= '9';
    if (!digits || *end != '\0' || errno != 0 || read < least) {
        return command_usage_error(run, "--%s %s: not a whole number of at least %llu",
                                   name, text, (unsigned long long)least);
    }
    if (read > most) {
        return command_usage_error(run, "--%s %s: at most %llu", name, text,
                                   (unsigned long long)most);
    }
    *number = read;
    return 0;
}
