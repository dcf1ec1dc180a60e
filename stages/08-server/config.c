/* Rows are counted from 0: the table's own first, then those of settings.h but for
 * durability, which is appendfsync here. */
#include "config.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

#include "config_table.h"
#include "config_value.h"
#include "nearest.h"

/* ---- rows ------------------------------------------------------------------------ */

/* The engine's setting of the `nth` row behind the table's own. */
static size_t engine_setting(size_t nth) {
    for (size_t i = 0;; i++) {
        if (strcmp(settings[i].name, "durability") != 0 && nth-- == 0) {
            return i;
        }
    }
}

size_t config_count(void) {
    return config_row_count + setting_count - 1;
}

void config_row(size_t index, struct config_row *row) {
    if (index < config_row_count) {
        *row = config_rows[index];
        return;
    }
    const struct setting *setting = &settings[engine_setting(index - config_row_count)];
    *row = (struct config_row){.name = setting->name,
                               .kind = CONFIG_ENGINE,
                               .initial = setting->initial,
                               .choices = setting->choices,
                               .help = setting->help};
}

static const char *name_at(size_t index) {
    return index < config_row_count
               ? config_rows[index].name
               : settings[engine_setting(index - config_row_count)].name;
}

size_t config_find(struct slice name) {
    size_t index = 0;
    while (index < config_count() &&
           (strlen(name_at(index)) != name.length ||
            strncasecmp(name_at(index), (const char *)name.data, name.length) != 0)) {
        index++;
    }
    return index;
}

enum { NAME_BYTES_MAX = 63 };

enum status config_unknown(struct slice name, struct error *error) {
    char text[NAME_BYTES_MAX + 1];
    (void)snprintf(text, sizeof text, "%.*s", (int)name.length, (const char *)name.data);
    return error_set(error, STATUS_INVALID,
                     "%s: there is no such setting; the nearest is %s", text,
                     nearest_name(text, name_at, config_count()));
}

/* ---- values ---------------------------------------------------------------------- */

static enum status set_engine(struct kv_options *options, const char *name,
                              struct slice value, struct error *error) {
    char text[CONFIG_TEXT_BYTES];
    struct error reason = {0};
    if (value.length >= sizeof text || memchr(value.data, '\0', value.length) != NULL) {
        return error_set(error, STATUS_INVALID, "argument is too long");
    }
    memcpy(text, value.data, value.length);
    text[value.length] = '\0';
    enum status status = settings_set(options, name, text, &reason);
    if (status != STATUS_OK) { /* it begins with the name, which is told anyway */
        return error_set(error, status, "%s", reason.message + strlen(name) + 2);
    }
    return STATUS_OK;
}

enum status config_set(struct config *config, size_t index, struct slice value,
                       struct error *error) {
    struct config_row row;
    config_row(index, &row);
    enum status status = row.kind == CONFIG_ENGINE
                             ? set_engine(&config->engine, row.name, value, error)
                             : config_value_set(config, &row, value, error);
    if (status == STATUS_OK) {
        config->given[index] = true;
    }
    return status;
}

enum status config_print(const struct config *config, size_t index, struct buf *out) {
    if (index >= config_row_count) {
        return settings_print(&config->engine, engine_setting(index - config_row_count),
                              out);
    }
    return config_value_print(config, &config_rows[index], out);
}

void config_default(struct config *config) {
    assert(config_count() <= CONFIG_ROWS_MAX);
    *config = (struct config){.engine = kv_options_default()};
    for (size_t i = 0; i < config_row_count; i++) {
        enum status status = config_value_set(config, &config_rows[i],
                                              slice_of(config_rows[i].initial), NULL);
        assert(status == STATUS_OK);
    }
    enum status status = config_settle(config, NULL);
    assert(status == STATUS_OK);
}

/* ---- what depends on what -------------------------------------------------------- */

static bool given(const struct config *config, const char *name) {
    return config->given[config_find(slice_of(name))];
}

static void divide_memory(struct config *config) {
    enum { STEP_BYTES = 64 * 1024 };
    struct kv_options *engine = &config->engine;
    uint64_t whole = (uint64_t)config->maxmemory;
    if (!given(config, "write-buffer-bytes")) {
        uint64_t bytes = whole / 4 / engine->write_buffers;
        engine->write_buffer_bytes = bytes - bytes % STEP_BYTES;
    }
    if (!given(config, "block-cache-bytes")) {
        uint64_t bytes = whole / 2;
        engine->block_cache_bytes = bytes - bytes % STEP_BYTES;
    }
    if (!given(config, "memory-bytes")) {
        engine->memory_bytes = whole;
    }
}

enum status config_settle(struct config *config, struct error *error) {
    static const enum durability durabilities[] = {
        [APPENDFSYNC_ALWAYS] = DURABILITY_ALWAYS,
        [APPENDFSYNC_EVERYSEC] = DURABILITY_INTERVAL,
        [APPENDFSYNC_NO] = DURABILITY_NONE,
    };
    struct kv_options *engine = &config->engine;
    engine->durability = durabilities[config->appendfsync];
    if (!given(config, "log-region")) {
        engine->log_region = APPEND_MAPPED;
    }
    divide_memory(config);
    uint64_t whole = (uint64_t)config->maxmemory;
    if (engine->block_cache_bytes > whole ||
        engine->write_buffer_bytes >
            (whole - engine->block_cache_bytes) / engine->write_buffers) {
        return error_set(error, STATUS_INVALID,
                         "maxmemory: %" PRIu64 " bytes are less than %" PRIu32
                         " write buffers of %" PRIu64 " and a block cache of %" PRIu64,
                         whole, engine->write_buffers, engine->write_buffer_bytes,
                         engine->block_cache_bytes);
    }
    if (config->port == 0 && config->unixsocket[0] == '\0') {
        return error_set(error, STATUS_INVALID,
                         "port: 0 and no unixsocket, so there is nowhere to listen");
    }
    return STATUS_OK;
}

/* ---- CONFIG SET ------------------------------------------------------------------ */

static enum status refuse(struct slice name, const char *reason, struct error *error) {
    return error_set(error, STATUS_INVALID,
                     "ERR CONFIG SET failed (possibly related to argument '%.*s') - %s",
                     (int)name.length, (const char *)name.data, reason);
}

/* Whether each name is one that may be changed, and stands there once. */
static enum status check_names(const struct slice *pairs, size_t count,
                               struct error *error) {
    bool seen[CONFIG_ROWS_MAX] = {false};
    for (size_t i = 0; i < count; i++) {
        struct slice name = pairs[2 * i];
        size_t index = config_find(name);
        if (index == config_count()) {
            return error_set(error, STATUS_INVALID,
                             "ERR Unknown option or number of arguments for CONFIG SET - "
                             "'%.*s'",
                             (int)name.length, (const char *)name.data);
        }
        struct config_row row;
        config_row(index, &row);
        if (!row.live) {
            return refuse(name, "can't set immutable config", error);
        }
        if (seen[index]) {
            return refuse(name, "duplicate parameter", error);
        }
        seen[index] = true;
    }
    return STATUS_OK;
}

enum status config_change(const struct config *config, const struct slice *pairs,
                          size_t count, struct config *changed, struct error *error) {
    struct config copy = *config;
    struct error reason = {0};
    enum status status = check_names(pairs, count, error);
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        struct slice name = pairs[2 * i];
        status = config_set(&copy, config_find(name), pairs[2 * i + 1], &reason);
        if (status != STATUS_OK) {
            status = refuse(name, reason.message, error);
        }
    }
    if (status == STATUS_OK) {
        status = config_settle(&copy, &reason);
        if (status != STATUS_OK) {
            status = refuse(pairs[0], reason.message, error);
        }
    }
    if (status == STATUS_OK) {
        *changed = copy;
    }
    return status;
}

/* ---- help ------------------------------------------------------------------------ */

static const char *value_words(const struct config_row *row) {
    switch (row->kind) {
    case CONFIG_NUMBER:
        return "N";
    case CONFIG_BYTES:
        return "SIZE";
    case CONFIG_OCTAL:
        return "MODE";
    case CONFIG_YES_NO:
        return "yes|no";
    case CONFIG_TEXT:
        return "TEXT";
    case CONFIG_WORDS:
        return "WORD...";
    case CONFIG_SAVE:
        return "SECONDS CHANGES...";
    case CONFIG_LIMITS:
        return "normal SIZE SIZE SECONDS";
    case CONFIG_CHOICE:
    case CONFIG_ENGINE:
        break;
    }
    return row->choices != NULL ? row->choices : "VALUE";
}

/* Words, folded so that no line is longer than WIDTH. */
static enum status append_folded(struct buf *out, const char *text) {
    enum { INDENT = 6, WIDTH = 80 };
    enum status status = STATUS_OK;
    size_t column = WIDTH;
    while (*text != '\0' && status == STATUS_OK) {
        size_t length = strcspn(text, " ");
        bool turn = column + 1 + length > WIDTH;
        column = turn ? INDENT + length : column + 1 + length;
        status = buf_printf(out, "%s%.*s", turn ? "\n      " : " ", (int)length, text);
        text += length + (text[length] == ' ');
    }
    return status == STATUS_OK ? buf_append_text(out, "\n") : status;
}

static enum status append_row(struct buf *out, const struct config *config,
                              size_t index) {
    struct config_row row;
    struct buf words = {0};
    config_row(index, &row);
    enum status status = buf_printf(out, "  --%s %s", row.name, value_words(&row));
    if (status == STATUS_OK) {
        status = buf_printf(&words, "%s (default: ", row.help);
    }
    size_t before = words.length;
    if (status == STATUS_OK) {
        status = row.kind == CONFIG_ENGINE ? config_print(config, index, &words)
                                           : buf_append_text(&words, row.initial);
    }
    if (status == STATUS_OK) {
        status = buf_printf(&words, "%s)%s%c", words.length == before ? "none" : "",
                            row.live ? "; CONFIG SET" : "", '\0');
    }
    if (status == STATUS_OK) {
        status = append_folded(out, (const char *)words.data);
    }
    buf_free(&words);
    return status;
}

enum status config_help(struct buf *out) {
    struct config config;
    config_default(&config);
    enum status status = STATUS_OK;
    for (size_t i = 0; i < config_count() && status == STATUS_OK; i++) {
        status = append_row(out, &config, i);
    }
    return status;
}
