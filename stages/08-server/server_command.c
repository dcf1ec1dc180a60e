/* server: the command of the program. Its arguments are the server's own
 * (config_file.h). */
#include "server_command.h"

#include "config_file.h"
#include "host.h"
#include "process.h"
#include "program/output.h"

static bool asks_for_help(const struct command_run *run) {
    for (int i = 0; i < run->count; i++) {
        if (strcmp(run->arguments[i], "--help") == 0 ||
            strcmp(run->arguments[i], "-h") == 0) {
            return true;
        }
    }
    return false;
}

static const char help[] =
    "Serves the database to clients that speak the Redis protocol: redis-cli, "
    "redis-benchmark,\nand the libraries for Redis. It runs until SIGTERM, Ctrl-C or the "
    "command SHUTDOWN;\nthen it answers what it has read, syncs, and exits with 0. A "
    "second signal hurries it.\n\n"
    "FILE is in redis.conf syntax: lines of NAME VALUE. Options overrule it. What is set "
    "before\nthe command, or in the environment (STRATA_TABLE_BYTES), counts less than "
    "both.\n\n"
    "Examples:\n"
    "  $0 server                                  ./data at 127.0.0.1:6380\n"
    "  $0 server --port 6390 --dir /var/lib/strata --appendfsync always\n"
    "  $0 server strata.conf --loglevel debug\n"
    "  redis-cli -p 6380 set greeting hello       in another terminal\n\n"
    "Settings (\"CONFIG SET\": may be changed while it runs):\n";

static enum status print_help(const struct command_run *run) {
    struct buf text = {0};
    enum status status =
        buf_printf(&text, "Usage: %s server [FILE] [--NAME VALUE...]\n\n", run->program);
    for (const char *at = help, *next; at != NULL && status == STATUS_OK; at = next) {
        const char *mark = strstr(at, "$0");
        size_t length = mark != NULL ? (size_t)(mark - at) : strlen(at);
        next = mark != NULL ? mark + 2 : NULL;
        status = buf_append(&text, at, length);
        if (status == STATUS_OK && mark != NULL) {
            status = buf_append_text(&text, run->program);
        }
    }
    if (status == STATUS_OK) {
        status = config_help(&text);
    }
    status = status == STATUS_OK
                 ? output_write(buf_slice(&text), run->error)
                 : error_no_memory(run->error, "the help text", text.length);
    buf_free(&text);
    return status;
}

static enum status take_setting(const struct command_run *run, size_t index,
                                struct config *config) {
    const struct kv_options usual = kv_options_default();
    const char *name = settings[index].name;
    size_t row = config_find(slice_of(name));
    struct buf value = {0}, initial = {0};
    enum status status = settings_print(run->options, index, &value);
    if (status == STATUS_OK) {
        status = settings_print(&usual, index, &initial);
    }
    if (status != STATUS_OK) {
        status = error_no_memory(run->error, "a setting", value.length);
    } else if (!slice_equal(buf_slice(&value), buf_slice(&initial))) {
        status = row < config_count()
                     ? config_set(config, row, buf_slice(&value), run->error)
                     : error_set(run->error, STATUS_INVALID,
                                 "%s: the server has appendfsync instead", name);
    }
    buf_free(&value);
    buf_free(&initial);
    return status;
}

/* What stands before the command, in its file, or in the environment, counts less than
 * what the server is given; and what is as by default does not count. */
static enum status take_settings(const struct command_run *run, struct config *config) {
    enum status status = STATUS_OK;
    for (size_t i = 0; i < setting_count && status == STATUS_OK; i++) {
        status = take_setting(run, i, config);
    }
    return status;
}

/* -d before the command says where the database is, if nothing behind it does. */
static enum status load(const struct command_run *run, struct config *config,
                        const char **path) {
    config_default(config);
    enum status status = take_settings(run, config);
    if (status != STATUS_OK) {
        return status;
    }
    status = config_load(config, world_system.files, (size_t)run->count, run->arguments,
                         path, run->error);
    size_t row = config_find(slice_of("dir"));
    if (status == STATUS_OK && !config->given[row] &&
        strcmp(run->dir, config->dir) != 0) {
        status = config_set(config, row, slice_of(run->dir), run->error);
    }
    return status;
}

/* For advice about what could not be opened; it outlives the config. */
static void name_directory(struct command_run *run, const struct config *config) {
    memcpy(run->values, config->dir, sizeof config->dir);
    run->dir = run->values;
}

/* Others go on with what is not waited for; nothing of theirs was promised. */
static void end_at_once(struct host *host) {
    struct error error = {0};
    enum status status = host_sync(host, &error);
    if (status != STATUS_OK) {
        (void)fprintf(stderr, "server: %s\n", error.message);
    }
    process_end(status_exit_code(status));
}

static enum status run_server(struct command_run *run) {
    struct config config;
    struct host *host;
    const char *path = NULL;
    struct error later = {0};
    if (asks_for_help(run)) {
        return print_help(run);
    }
    enum status status = load(run, &config, &path);
    if (status == STATUS_OK) {
        name_directory(run, &config);
        status = host_open(&world_system, &config, path, &host, run->error);
    }
    if (status != STATUS_OK) {
        return status;
    }
    status = host_run(host, run->error);
    if (host_stop_is_cut_short(host)) {
        end_at_once(host);
    }
    enum status closed = host_close(host, &later);
    if (status == STATUS_OK && closed != STATUS_OK) {
        status = closed;
        *run->error = later;
    }
    return status;
}

const struct command command_server = {
    .name = "server",
    .arguments = "[FILE] [--NAME VALUE...]",
    .summary = "Serve the database to clients of Redis",
    .help = help,
    .arguments_least = 0,
    .arguments_most = -1,
    .own_options = true,
    .values_bytes = CONFIG_TEXT_BYTES,
    .directory = DIRECTORY_OWN,
    .interruptible = true,
    .run = run_server,
};
