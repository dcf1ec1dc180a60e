/* Strings that are numbers, and parts of strings: commands that make the new value of the
 * old one. They keep the key's end. Replies are those of Redis 7.0 (its t_string.c). */
#include <math.h>

#include "arguments.h"
#include "commands.h"
#include "resp_number.h"

/* What is there; where there is nothing, an empty value without an end. */
static enum status look_up(struct session *session, struct slice key,
                           struct stored_value *value, bool *found, struct error *error) {
    enum status status = keyspace_get(&session->access, key, value, error);
    *found = status == STATUS_OK;
    if (status == STATUS_NOT_FOUND) {
        *value = (struct stored_value){.payload = value->payload};
        buf_clear(&value->payload);
        status = STATUS_OK;
    }
    return status;
}

/* ---- integers -------------------------------------------------------------------- */

static enum command_outcome add(struct session *session, struct slice key,
                                int64_t addend) {
    struct error error = {0};
    struct stored_value value = {0};
    char text[RESP_INTEGER_BYTES];
    bool found;
    int64_t number = 0;
    enum command_outcome outcome = COMMAND_DONE;
    enum status status = look_up(session, key, &value, &found, &error);
    if (status == STATUS_OK) {
        if (found && !argument_integer(session, buf_slice(&value.payload), &number)) {
            goto out;
        }
        if (__builtin_add_overflow(number, addend, &number)) {
            session_error(session, "ERR increment or decrement would overflow");
            goto out;
        }
        size_t length = resp_integer_print(number, text);
        status = keyspace_put(&session->access, key, slice_make(text, length),
                              value.expires_at_millis, &error);
    }
    outcome = status == STATUS_OK ? session_integer(session, number)
                                  : session_fail(session, status, &error);
out:
    buf_free(&value.payload);
    return outcome;
}

static enum command_outcome run_incr(struct session *session,
                                     const struct resp_request *request) {
    return add(session, request->arguments[1], 1);
}

static enum command_outcome run_decr(struct session *session,
                                     const struct resp_request *request) {
    return add(session, request->arguments[1], -1);
}

static enum command_outcome run_incrby(struct session *session,
                                       const struct resp_request *request) {
    int64_t addend;
    return argument_integer(session, request->arguments[2], &addend)
               ? add(session, request->arguments[1], addend)
               : COMMAND_DONE;
}

static enum command_outcome run_decrby(struct session *session,
                                       const struct resp_request *request) {
    int64_t subtrahend;
    if (!argument_integer(session, request->arguments[2], &subtrahend)) {
        return COMMAND_DONE;
    }
    if (subtrahend == INT64_MIN) {
        return session_error(session, "ERR decrement would overflow");
    }
    return add(session, request->arguments[1], -subtrahend);
}

/* ---- fractions ------------------------------------------------------------------- */

static bool read_float(struct session *session, struct slice text, long double *value) {
    bool read = resp_long_double_parse(text, value);
    if (!read) {
        session_error(session, "ERR value is not a valid float");
    }
    return read;
}

static enum command_outcome run_incrbyfloat(struct session *session,
                                            const struct resp_request *request) {
    struct error error = {0};
    struct stored_value value = {0};
    char text[RESP_LONG_DOUBLE_BYTES];
    size_t length = 0;
    bool found;
    long double number = 0;
    long double addend;
    enum command_outcome outcome = COMMAND_DONE;
    struct slice key = request->arguments[1];
    enum status status = look_up(session, key, &value, &found, &error);
    if (status == STATUS_OK) {
        if ((found && !read_float(session, buf_slice(&value.payload), &number)) ||
            !read_float(session, request->arguments[2], &addend)) {
            goto out;
        }
        number += addend;
        if (isnan(number) || isinf(number)) {
            session_error(session, "ERR increment would produce NaN or Infinity");
            goto out;
        }
        length = resp_long_double_print(number, text);
        status = keyspace_put(&session->access, key, slice_make(text, length),
                              value.expires_at_millis, &error);
    }
    if (status == STATUS_OK) {
        resp_write_bulk(session->writer, slice_make(text, length));
    } else {
        outcome = session_fail(session, status, &error);
    }
out:
    buf_free(&value.payload);
    return outcome;
}

/* ---- parts ----------------------------------------------------------------------- */

static enum command_outcome run_strlen(struct session *session,
                                       const struct resp_request *request) {
    struct error error = {0};
    struct stored_value value = {0};
    bool found;
    enum status status = look_up(session, request->arguments[1], &value, &found, &error);
    enum command_outcome outcome =
        status == STATUS_OK ? session_integer(session, (int64_t)value.payload.length)
                            : session_fail(session, status, &error);
    buf_free(&value.payload);
    return outcome;
}

/* Whether a value may have `length` and `more` bytes. */
static bool fits(struct session *session, uint64_t length, uint64_t more) {
    uint64_t most = KV_VALUE_BYTES_MAX - EXPIRY_HEADER_BYTES;
    bool is_fitting = length <= most && more <= most - length;
    if (!is_fitting) {
        session_error(session,
                      "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    }
    return is_fitting;
}

static enum command_outcome run_append(struct session *session,
                                       const struct resp_request *request) {
    struct error error = {0};
    struct stored_value value = {0};
    bool found;
    enum command_outcome outcome = COMMAND_DONE;
    struct slice key = request->arguments[1];
    struct slice tail = request->arguments[2];
    enum status status = look_up(session, key, &value, &found, &error);
    if (status == STATUS_OK && !fits(session, value.payload.length, tail.length)) {
        goto out;
    }
    if (status == STATUS_OK) {
        status = buf_append_slice(&value.payload, tail);
    }
    if (status == STATUS_OK) {
        status = keyspace_put(&session->access, key, buf_slice(&value.payload),
                              value.expires_at_millis, &error);
    }
    outcome = status == STATUS_OK
                  ? session_integer(session, (int64_t)value.payload.length)
                  : session_fail(session, status, &error);
out:
    buf_free(&value.payload);
    return outcome;
}

/* Zeros fill what lies between the old end and the part. */
static enum status replace_part(struct buf *value, size_t offset, struct slice part) {
    if (value->length < offset + part.length) {
        size_t more = offset + part.length - value->length;
        enum status status = buf_reserve(value, more);
        if (status != STATUS_OK) {
            return status;
        }
        memset(value->data + value->length, 0, more);
        value->length += more;
    }
    memcpy(value->data + offset, part.data, part.length);
    return STATUS_OK;
}

static enum command_outcome run_setrange(struct session *session,
                                         const struct resp_request *request) {
    struct error error = {0};
    struct stored_value value = {0};
    bool found;
    int64_t offset;
    enum command_outcome outcome = COMMAND_DONE;
    struct slice key = request->arguments[1];
    struct slice part = request->arguments[3];
    if (!argument_integer(session, request->arguments[2], &offset)) {
        return COMMAND_DONE;
    }
    if (offset < 0) {
        return session_error(session, "ERR offset is out of range");
    }
    enum status status = look_up(session, key, &value, &found, &error);
    if (status == STATUS_OK && part.length > 0) {
        if (!fits(session, (uint64_t)offset, part.length)) {
            goto out;
        }
        status = replace_part(&value.payload, (size_t)offset, part);
        if (status == STATUS_OK) {
            status = keyspace_put(&session->access, key, buf_slice(&value.payload),
                                  value.expires_at_millis, &error);
        }
    }
    outcome = status == STATUS_OK
                  ? session_integer(session, (int64_t)value.payload.length)
                  : session_fail(session, status, &error);
out:
    buf_free(&value.payload);
    return outcome;
}

/* The bytes from index `first` to `last`, which count from the end if negative. */
static struct slice part_of(struct slice value, int64_t first, int64_t last) {
    int64_t length = (int64_t)value.length;
    if (first < 0 && last < 0 && first > last) {
        return slice_of("");
    }
    first = first < 0 ? first + length : first;
    last = last < 0 ? last + length : last;
    first = first < 0 ? 0 : first;
    last = last < 0 ? 0 : last;
    last = last >= length ? length - 1 : last;
    return first > last ? slice_of("")
                        : slice_make(value.data + first, (size_t)(last - first + 1));
}

static enum command_outcome run_getrange(struct session *session,
                                         const struct resp_request *request) {
    struct error error = {0};
    struct stored_value value = {0};
    bool found;
    int64_t first;
    int64_t last;
    enum command_outcome outcome = COMMAND_DONE;
    if (!argument_integer(session, request->arguments[2], &first) ||
        !argument_integer(session, request->arguments[3], &last)) {
        return COMMAND_DONE;
    }
    enum status status = look_up(session, request->arguments[1], &value, &found, &error);
    if (status == STATUS_OK) {
        resp_write_bulk(session->writer, part_of(buf_slice(&value.payload), first, last));
    } else {
        outcome = session_fail(session, status, &error);
    }
    buf_free(&value.payload);
    return outcome;
}

/* ---- the table ------------------------------------------------------------------- */

#define WRITES (COMMAND_WRITES | COMMAND_DENIES_OOM)
#define WRITES_FAST (WRITES | COMMAND_FAST)

static const struct redis_command rows[] = {
    {"append", "Adds to the end of a string.", "2.0.0", "key value", GROUP_STRING, 3,
     WRITES_FAST, 1, 1, 1, run_append, NULL, 0},
    {"decr", "Subtracts one from an integer.", "1.0.0", "key", GROUP_STRING, 2,
     WRITES_FAST, 1, 1, 1, run_decr, NULL, 0},
    {"decrby", "Subtracts from an integer.", "1.0.0", "key decrement", GROUP_STRING, 3,
     WRITES_FAST, 1, 1, 1, run_decrby, NULL, 0},
    {"getrange", "A part of a string.", "2.4.0", "key start:integer end:integer",
     GROUP_STRING, 4, COMMAND_READS, 1, 1, 1, run_getrange, NULL, 0},
    {"incr", "Adds one to an integer.", "1.0.0", "key", GROUP_STRING, 2, WRITES_FAST, 1,
     1, 1, run_incr, NULL, 0},
    {"incrby", "Adds to an integer.", "1.0.0", "key increment:integer", GROUP_STRING, 3,
     WRITES_FAST, 1, 1, 1, run_incrby, NULL, 0},
    {"incrbyfloat", "Adds to a number with a fraction.", "2.6.0", "key increment:double",
     GROUP_STRING, 3, WRITES_FAST, 1, 1, 1, run_incrbyfloat, NULL, 0},
    {"setrange", "Replaces a part of a string.", "2.2.0", "key offset value",
     GROUP_STRING, 4, WRITES, 1, 1, 1, run_setrange, NULL, 0},
    {"strlen", "The length of a string.", "2.2.0", "key", GROUP_STRING, 2,
     COMMAND_READS | COMMAND_FAST, 1, 1, 1, run_strlen, NULL, 0},
    {"substr", "The same as GETRANGE.", "1.0.0", "key start:integer end:integer",
     GROUP_STRING, 4, COMMAND_READS, 1, 1, 1, run_getrange, NULL, 0},
};

const struct command_rows commands_number = {rows, sizeof rows / sizeof rows[0]};
