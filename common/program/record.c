#include "record.h"

#include "escape.h"
#include "record_json.h"

void record_free(struct record *record) {
    buf_free(&record->key);
    buf_free(&record->value);
}

static enum status parse_text(struct slice line, struct record *record,
                              struct error *error) {
    const unsigned char *tab = memchr(line.data, '\t', line.length);
    if (tab == NULL) {
        return error_set(error, STATUS_INVALID,
                         "no tab between key and value (a line is KEY<tab>VALUE)");
    }
    struct slice key = slice_make(line.data, (size_t)(tab - line.data));
    struct slice value = slice_make(tab + 1, line.length - key.length - 1);
    if (memchr(value.data, '\t', value.length) != NULL) {
        return error_set(error, STATUS_INVALID,
                         "a second tab; inside a value a tab is written \\t");
    }
    struct error cause = {0};
    const char *part = "key";
    enum status status = escape_parse(key, &record->key, &cause);
    if (status == STATUS_OK) {
        part = "value";
        status = escape_parse(value, &record->value, &cause);
    }
    return status == STATUS_OK ? status
                               : error_set(error, status, "%s: %s", part, cause.message);
}

enum status record_parse(enum record_format format, struct slice line,
                         struct record *record, struct error *error) {
    buf_clear(&record->key);
    buf_clear(&record->value);
    return format == RECORD_JSON ? record_json_parse(line, record, error)
                                 : parse_text(line, record, error);
}

static enum status print_text(struct slice key, struct slice value, struct buf *out) {
    enum status status = escape_print(key, out);
    if (status == STATUS_OK && slice_present(value)) {
        status = buf_append_text(out, "\t");
        if (status == STATUS_OK) {
            status = escape_print(value, out);
        }
    }
    return status;
}

enum status record_print(enum record_format format, struct slice key, struct slice value,
                         struct buf *out) {
    enum status status = format == RECORD_JSON ? record_json_print(key, value, out)
                                               : print_text(key, value, out);
    return status == STATUS_OK ? buf_append_text(out, "\n") : status;
}
