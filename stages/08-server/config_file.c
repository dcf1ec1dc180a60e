#include "config_file.h"

#include <strings.h>

#include "inline_line.h"
#include "text_file.h"

enum status config_line_words(unsigned char *line, size_t length,
                              struct slice words[CONFIG_WORDS_MAX], size_t *count,
                              struct error *error) {
    struct inline_line rest = {line, line + length};
    *count = 0;
    while (rest.at < rest.end && (*rest.at == ' ' || *rest.at == '\t')) {
        rest.at++;
    }
    if (rest.at < rest.end && *rest.at == '#') {
        return STATUS_OK;
    }
    for (;;) {
        struct slice word;
        switch (inline_line_next(&rest, &word)) {
        case INLINE_END:
            return STATUS_OK;
        case INLINE_UNBALANCED:
            return error_set(error, STATUS_INVALID, "unbalanced quotes");
        case INLINE_WORD:
            break;
        }
        if (*count == CONFIG_WORDS_MAX) {
            return error_set(error, STATUS_INVALID, "more than %d words",
                             CONFIG_WORDS_MAX);
        }
        words[(*count)++] = word;
    }
}

static bool takes_many(enum config_kind kind) {
    return kind == CONFIG_WORDS || kind == CONFIG_SAVE || kind == CONFIG_LIMITS;
}

/* One setting by its words; the message begins with the name. */
static enum status set_words(struct config *config, struct slice name,
                             const struct slice *words, size_t count,
                             struct error *error) {
    size_t index = config_find(name);
    if (index == config_count()) {
        return config_unknown(name, error);
    }
    struct config_row row;
    config_row(index, &row);
    if (count == 0 || (count > 1 && !takes_many(row.kind))) {
        return error_set(error, STATUS_INVALID, "%s: %s", row.name,
                         count == 0 ? "a value is missing"
                                    : "takes one value; put quotes around it");
    }
    char joined[CONFIG_TEXT_BYTES];
    size_t used = 0;
    for (size_t i = 0; i < count && count > 1; i++) {
        if (used + words[i].length + 1 > sizeof joined) {
            return error_set(error, STATUS_INVALID, "%s: too long", row.name);
        }
        memcpy(joined + used, words[i].data, words[i].length);
        used += words[i].length;
        joined[used++] = ' ';
    }
    struct error reason = {0};
    enum status status = config_set(
        config, index, count == 1 ? words[0] : slice_make(joined, used - 1), &reason);
    return status == STATUS_OK
               ? status
               : error_set(error, status, "%s: %s", row.name, reason.message);
}

/* ---- files ----------------------------------------------------------------------- */

static enum status read_file(struct config *config, const struct file_system *files,
                             const char *path, unsigned depth, struct error *error);

static bool is_include(struct slice name) {
    return name.length == 7 && strncasecmp((const char *)name.data, "include", 7) == 0;
}

static enum status include(struct config *config, const struct file_system *files,
                           struct slice path, unsigned depth, struct error *error) {
    char text[CONFIG_TEXT_BYTES];
    if (path.length >= sizeof text) {
        return error_set(error, STATUS_INVALID, "include: the path is too long");
    }
    if (depth == CONFIG_INCLUDES_MAX) {
        return error_set(error, STATUS_INVALID,
                         "include: more than %d files include each other",
                         CONFIG_INCLUDES_MAX);
    }
    memcpy(text, path.data, path.length);
    text[path.length] = '\0';
    return read_file(config, files, text, depth + 1, error);
}

static enum status read_line(struct config *config, const struct file_system *files,
                             unsigned char *line, size_t length, unsigned depth,
                             struct error *error) {
    struct slice words[CONFIG_WORDS_MAX];
    size_t count;
    enum status status = config_line_words(line, length, words, &count, error);
    if (status != STATUS_OK || count == 0) {
        return status;
    }
    if (is_include(words[0]) && count == 2) {
        return include(config, files, words[1], depth, error);
    }
    return set_words(config, words[0], words + 1, count - 1, error);
}

/* Takes the text apart in place. */
static enum status read_lines(struct config *config, const struct file_system *files,
                              const char *path, struct buf *text, unsigned depth,
                              struct error *error) {
    size_t number = 1;
    for (size_t at = 0; at < text->length; number++) {
        unsigned char *line = text->data + at;
        unsigned char *end = memchr(line, '\n', text->length - at);
        size_t length = end != NULL ? (size_t)(end - line) : text->length - at;
        at += length + 1;
        struct error reason = {0};
        enum status status = read_line(config, files, line, length, depth, &reason);
        if (status != STATUS_OK) {
            return error_set(error, status, "%s:%zu: %s", path, number, reason.message);
        }
    }
    return STATUS_OK;
}

static enum status read_file(struct config *config, const struct file_system *files,
                             const char *path, unsigned depth, struct error *error) {
    struct buf text = {0};
    enum status status = text_file_read(files, path, &text, error);
    if (status == STATUS_OK) {
        status = read_lines(config, files, path, &text, depth, error);
    }
    buf_free(&text);
    return status;
}

enum status config_read(struct config *config, const struct file_system *files,
                        const char *path, struct error *error) {
    struct config changed = *config;
    enum status status = read_file(&changed, files, path, 0, error);
    if (status == STATUS_OK) {
        *config = changed;
    }
    return status;
}

enum status config_read_text(struct config *config, const struct file_system *files,
                             const char *path, struct slice text, struct error *error) {
    struct config changed = *config;
    struct buf copy = {0};
    enum status status = buf_assign(&copy, text);
    if (status != STATUS_OK) {
        status = error_no_memory(error, path, text.length);
    } else {
        status = read_lines(&changed, files, path, &copy, 0, error);
    }
    if (status == STATUS_OK) {
        *config = changed;
    }
    buf_free(&copy);
    return status;
}

/* ---- the command line ------------------------------------------------------------ */

static bool is_option(const char *argument) {
    return strncmp(argument, "--", 2) == 0;
}

/* One option with its words; *used arguments. */
static enum status set_option(struct config *config, size_t count, char *const *arguments,
                              size_t *used, struct error *error) {
    struct slice words[CONFIG_WORDS_MAX];
    size_t found = 0;
    if (!is_option(arguments[0])) {
        return error_set(error, STATUS_INVALID, "%s: an option begins with --",
                         arguments[0]);
    }
    while (1 + found < count && !is_option(arguments[1 + found])) {
        if (found == CONFIG_WORDS_MAX) {
            return error_set(error, STATUS_INVALID, "%s: more than %d words",
                             arguments[0], CONFIG_WORDS_MAX);
        }
        words[found] = slice_of(arguments[1 + found]);
        found++;
    }
    *used = 1 + found;
    struct error reason = {0};
    enum status status =
        set_words(config, slice_of(arguments[0] + 2), words, found, &reason);
    return status == STATUS_OK ? status
                               : error_set(error, status, "--%s", reason.message);
}

enum status config_load(struct config *config, const struct file_system *files,
                        size_t count, char *const *arguments, const char **path,
                        struct error *error) {
    struct config changed = *config;
    const char *file = count > 0 && !is_option(arguments[0]) ? arguments[0] : NULL;
    enum status status = STATUS_OK;
    if (file != NULL) {
        status = config_read(&changed, files, file, error);
    }
    size_t used = 0;
    for (size_t at = file != NULL; at < count && status == STATUS_OK; at += used) {
        status = set_option(&changed, count - at, arguments + at, &used, error);
    }
    if (status == STATUS_OK) {
        status = config_settle(&changed, error);
    }
    if (status == STATUS_OK) {
        *config = changed;
        *path = file;
    }
    return status;
}
