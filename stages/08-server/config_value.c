#include "config_value.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <strings.h>

#include "resp_number.h"

static void *field_of(struct config *config, const struct config_row *row) {
    return (char *)config + row->offset;
}

static const void *field_in(const struct config *config, const struct config_row *row) {
    return (const char *)config + row->offset;
}

static int64_t number_in(const struct config *config, const struct config_row *row) {
    int64_t number;
    memcpy(&number, field_in(config, row), sizeof number);
    return number;
}

static bool is_word(struct slice text, const char *word) {
    return text.length == strlen(word) &&
           strncasecmp((const char *)text.data, word, text.length) == 0;
}

bool config_next_word(struct slice *rest, struct slice *word) {
    while (rest->length > 0 && rest->data[0] == ' ') {
        slice_advance(rest, 1);
    }
    *word = *rest;
    while (rest->length > 0 && rest->data[0] != ' ') {
        slice_advance(rest, 1);
    }
    word->length -= rest->length;
    return word->length > 0;
}

/* ---- numbers --------------------------------------------------------------------- */

/* Digits and a unit, as in redis.conf. What does not fit is the largest number. */
static bool parse_bytes(struct slice text, int64_t *value) {
    static const struct {
        const char *unit;
        int64_t bytes;
    } units[] = {{"", 1},           {"b", 1},
                 {"k", 1000},       {"kb", INT64_C(1) << 10},
                 {"m", 1000000},    {"mb", INT64_C(1) << 20},
                 {"g", 1000000000}, {"gb", INT64_C(1) << 30}};
    int64_t number = 0;
    struct slice unit = text;
    for (; unit.length > 0 && isdigit(unit.data[0]) != 0; slice_advance(&unit, 1)) {
        int64_t digit = unit.data[0] - '0';
        number = number > (INT64_MAX - digit) / 10 ? INT64_MAX : number * 10 + digit;
    }
    if (unit.length == text.length) {
        return false;
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (is_word(unit, units[i].unit)) {
            *value =
                number > INT64_MAX / units[i].bytes ? INT64_MAX : number * units[i].bytes;
            return true;
        }
    }
    return false;
}

static bool parse_octal(struct slice text, int64_t *value) {
    int64_t number = 0;
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] < '0' || text.data[i] > '7' || number > 0777) {
            return false;
        }
        number = number * 8 + (text.data[i] - '0');
    }
    *value = number;
    return text.length > 0 && number <= 0777;
}

static enum status set_number(const struct config_row *row, struct slice text,
                              int64_t *value, struct error *error) {
    if (row->kind == CONFIG_BYTES ? !parse_bytes(text, value)
                                  : !resp_integer_parse(text, value)) {
        return error_set(error, STATUS_INVALID, "%s",
                         row->kind == CONFIG_BYTES
                             ? "argument must be a memory value"
                             : "argument couldn't be parsed into an integer");
    }
    if (*value < row->smallest || *value > row->largest) {
        return error_set(error, STATUS_INVALID,
                         "argument must be between %" PRId64 " and %" PRId64 " inclusive",
                         row->smallest, row->largest);
    }
    return STATUS_OK;
}

/* ---- choices --------------------------------------------------------------------- */

/* The choice that is `index`-th in "a|b|c"; NULL past the last. */
static const char *choice_at(const char *choices, int64_t index) {
    while (index-- > 0 && choices != NULL) {
        choices = strchr(choices, '|');
        choices += choices != NULL;
    }
    return choices;
}

static enum status set_choice(const struct config_row *row, struct slice text,
                              int64_t *value, struct error *error) {
    for (int64_t i = 0; choice_at(row->choices, i) != NULL; i++) {
        const char *choice = choice_at(row->choices, i);
        if (text.length == strcspn(choice, "|") &&
            strncasecmp((const char *)text.data, choice, text.length) == 0) {
            *value = i;
            return STATUS_OK;
        }
    }
    char words[128];
    size_t used = 0;
    for (const char *at = row->choices; *at != '\0' && used + 3 < sizeof words; at++) {
        words[used++] = *at == '|' ? ',' : *at;
        words[used] = ' ';
        used += *at == '|';
    }
    return error_set(error, STATUS_INVALID,
                     "argument(s) must be one of the following: %.*s", (int)used, words);
}

static enum status set_yes_no(struct slice text, int64_t *value, struct error *error) {
    if (!is_word(text, "yes") && !is_word(text, "no")) {
        return error_set(error, STATUS_INVALID, "argument must be 'yes' or 'no'");
    }
    *value = is_word(text, "yes");
    return STATUS_OK;
}

/* ---- several words --------------------------------------------------------------- */

static enum status check_save(struct slice text, struct error *error) {
    struct slice word;
    size_t count = 0;
    for (; config_next_word(&text, &word); count++) {
        int64_t number;
        if (!resp_integer_parse(word, &number) || number < 1 - (int64_t)(count % 2)) {
            return error_set(error, STATUS_INVALID, "Invalid save parameters");
        }
    }
    if (count % 2 != 0) {
        return error_set(error, STATUS_INVALID, "Invalid save parameters");
    }
    return STATUS_OK;
}

static enum status set_limits(struct slice text, struct config_limits *limits,
                              struct error *error) {
    struct slice words[4] = {{0}}, more;
    size_t count = 0;
    while (count < 4 && config_next_word(&text, &words[count])) {
        count++;
    }
    if (count != 4 || config_next_word(&text, &more)) {
        return error_set(error, STATUS_INVALID,
                         "Wrong number of arguments in buffer limit configuration.");
    }
    if (!is_word(words[0], "normal")) {
        return error_set(error, STATUS_INVALID,
                         "Invalid client class specified in buffer limit configuration.");
    }
    struct config_limits read = {0};
    if (!parse_bytes(words[1], &read.hard_bytes) ||
        !parse_bytes(words[2], &read.soft_bytes) ||
        !resp_integer_parse(words[3], &read.seconds) || read.seconds < 0) {
        return error_set(error, STATUS_INVALID,
                         "Error in hard, soft or soft_seconds setting in buffer limit "
                         "configuration.");
    }
    *limits = read;
    return STATUS_OK;
}

static enum status set_text(char *to, struct slice text, struct error *error) {
    if (text.length >= CONFIG_TEXT_BYTES ||
        memchr(text.data, '\0', text.length) != NULL) {
        return error_set(error, STATUS_INVALID,
                         "argument must be text of less than %d bytes",
                         CONFIG_TEXT_BYTES);
    }
    memmove(to, text.data, text.length); /* it may be its own value */
    to[text.length] = '\0';
    return STATUS_OK;
}

/* ---- all kinds ------------------------------------------------------------------- */

enum status config_value_set(struct config *config, const struct config_row *row,
                             struct slice text, struct error *error) {
    int64_t value = 0;
    enum status status = STATUS_OK;
    switch (row->kind) {
    case CONFIG_NUMBER:
    case CONFIG_BYTES:
        status = set_number(row, text, &value, error);
        break;
    case CONFIG_OCTAL:
        if (!parse_octal(text, &value)) {
            return error_set(error, STATUS_INVALID,
                             "argument must be permissions of a file, 0 to 777");
        }
        break;
    case CONFIG_YES_NO:
        status = set_yes_no(text, &value, error);
        break;
    case CONFIG_CHOICE:
        status = set_choice(row, text, &value, error);
        break;
    case CONFIG_SAVE:
        status = check_save(text, error);
        return status == STATUS_OK ? set_text(field_of(config, row), text, error)
                                   : status;
    case CONFIG_TEXT:
    case CONFIG_WORDS:
        return set_text(field_of(config, row), text, error);
    case CONFIG_LIMITS:
        return set_limits(text, &config->output, error);
    case CONFIG_ENGINE:
        assert(false);
    }
    if (status == STATUS_OK) {
        memcpy(field_of(config, row), &value, sizeof value);
    }
    return status;
}

enum status config_value_print(const struct config *config, const struct config_row *row,
                               struct buf *out) {
    const char *choice;
    switch (row->kind) {
    case CONFIG_NUMBER:
    case CONFIG_BYTES:
        return buf_printf(out, "%" PRId64, number_in(config, row));
    case CONFIG_OCTAL:
        return buf_printf(out, "%" PRIo64, (uint64_t)number_in(config, row));
    case CONFIG_YES_NO:
        return buf_append_text(out, number_in(config, row) != 0 ? "yes" : "no");
    case CONFIG_CHOICE:
        choice = choice_at(row->choices, number_in(config, row));
        return buf_append(out, choice, strcspn(choice, "|"));
    case CONFIG_TEXT:
    case CONFIG_WORDS:
    case CONFIG_SAVE:
        return buf_append_text(out, field_in(config, row));
    case CONFIG_LIMITS:
        return buf_printf(out, "normal %" PRId64 " %" PRId64 " %" PRId64,
                          config->output.hard_bytes, config->output.soft_bytes,
                          config->output.seconds);
    case CONFIG_ENGINE:
        break;
    }
    assert(false);
    return STATUS_INVALID;
}
