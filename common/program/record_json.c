/* Reading is cJSON's work. Its strings end at a zero byte and it does not check UTF-8, so
 * both are refused before it sees the line. */
#include "record_json.h"

#include <cjson/cJSON.h>

#include "base64.h"
#include "utf8.h"

/* Whether \u0000 stands in the text as an escape of its own, not behind an escaped
 * backslash. */
static bool has_zero_escape(struct slice text) {
    for (size_t i = 0; i + 1 < text.length; i++) {
        if (text.data[i] != '\\') {
            continue;
        }
        if (text.length - i >= 6 && memcmp(text.data + i, "\\u0000", 6) == 0) {
            return true;
        }
        i++; /* whatever is escaped is no backslash of its own */
    }
    return false;
}

/* Which of the two is meant, and how it is written; NULL if the name is neither. */
static struct buf *part_of(struct record *record, const char *name, bool *base64) {
    *base64 = strstr(name, "_base64") != NULL;
    if (strcmp(name, "key") == 0 || strcmp(name, "key_base64") == 0) {
        return &record->key;
    }
    if (strcmp(name, "value") == 0 || strcmp(name, "value_base64") == 0) {
        return &record->value;
    }
    return NULL;
}

static enum status take_member(const cJSON *member, struct record *record,
                               const struct buf **taken, struct error *error) {
    bool base64 = false;
    struct buf *part = part_of(record, member->string, &base64);
    if (part == NULL) {
        return error_set(error, STATUS_INVALID,
                         "\"%.40s\": a line has the members key or key_base64, and value "
                         "or value_base64, and no other",
                         member->string);
    }
    if (!cJSON_IsString(member)) {
        return error_set(error, STATUS_INVALID, "\"%s\" is not a string", member->string);
    }
    struct slice text = slice_of(member->valuestring);
    enum status status = base64 ? base64_parse(text, part) : buf_append_slice(part, text);
    if (status == STATUS_INVALID) {
        return error_set(error, status, "\"%s\" is not base 64", member->string);
    }
    *taken = part;
    return status == STATUS_OK ? status
                               : error_no_memory(error, "a JSON line", text.length);
}

static enum status take_members(const cJSON *object, struct record *record,
                                struct error *error) {
    unsigned int keys = 0, values = 0;
    const cJSON *member;
    cJSON_ArrayForEach(member, object) {
        const struct buf *taken = NULL;
        enum status status = take_member(member, record, &taken, error);
        if (status != STATUS_OK) {
            return status;
        }
        keys += taken == &record->key;
        values += taken == &record->value;
    }
    if (keys != 1 || values != 1) {
        return error_set(error, STATUS_INVALID,
                         "a line has one key and one value; this has %u and %u", keys,
                         values);
    }
    return STATUS_OK;
}

static bool only_blanks(const char *text, const char *end) {
    while (text < end && (*text == ' ' || *text == '\t' || *text == '\r')) {
        text++;
    }
    return text == end;
}

enum status record_json_parse(struct slice line, struct record *record,
                              struct error *error) {
    if (!utf8_valid(line)) {
        return error_set(error, STATUS_INVALID, "not UTF-8, which JSON must be");
    }
    if (memchr(line.data, 0, line.length) != NULL || has_zero_escape(line)) {
        return error_set(error, STATUS_INVALID,
                         "a zero byte cannot stand in a string here; write the whole as "
                         "key_base64 or value_base64");
    }
    const char *text = (const char *)line.data;
    const char *end = text;
    cJSON *object = cJSON_ParseWithLengthOpts(text, line.length, &end, false);
    enum status status;
    if (object == NULL || !only_blanks(end, text + line.length)) {
        status = error_set(error, STATUS_INVALID, "not JSON at column %zu",
                           (size_t)(end - text) + 1);
    } else if (!cJSON_IsObject(object)) {
        status = error_set(error, STATUS_INVALID, "not a JSON object");
    } else {
        status = take_members(object, record, error);
    }
    cJSON_Delete(object);
    return status;
}

/* ---- writing ---------------------------------------------------------------- */

static bool needs_escape(unsigned char byte) {
    return byte < 0x20 || byte == '"' || byte == '\\' || byte == 0x7f;
}

static enum status print_string(struct slice text, struct buf *out) {
    enum status status = buf_append_text(out, "\"");
    while (status == STATUS_OK && text.length > 0) {
        size_t plain = 0;
        while (plain < text.length && !needs_escape(text.data[plain])) {
            plain++;
        }
        status = buf_append(out, text.data, plain);
        slice_advance(&text, plain);
        if (status == STATUS_OK && text.length > 0) {
            unsigned char byte = text.data[0];
            status = byte == '"' || byte == '\\' ? buf_printf(out, "\\%c", byte)
                                                 : buf_printf(out, "\\u%04x", byte);
            slice_advance(&text, 1);
        }
    }
    return status == STATUS_OK ? buf_append_text(out, "\"") : status;
}

static enum status print_part(const char *name, struct slice bytes, struct buf *out) {
    bool text = utf8_valid(bytes) && memchr(bytes.data, 0, bytes.length) == NULL;
    if (text) {
        enum status status = buf_printf(out, "\"%s\":", name);
        return status == STATUS_OK ? print_string(bytes, out) : status;
    }
    enum status status = buf_printf(out, "\"%s_base64\":\"", name);
    if (status == STATUS_OK) {
        status = base64_print(bytes, out);
    }
    return status == STATUS_OK ? buf_append_text(out, "\"") : status;
}

enum status record_json_print(struct slice key, struct slice value, struct buf *out) {
    enum status status = buf_append_text(out, "{");
    if (status == STATUS_OK) {
        status = print_part("key", key, out);
    }
    if (status == STATUS_OK && slice_present(value)) {
        status = buf_append_text(out, ",");
        if (status == STATUS_OK) {
            status = print_part("value", value, out);
        }
    }
    return status == STATUS_OK ? buf_append_text(out, "}") : status;
}
