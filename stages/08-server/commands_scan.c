/* Going over keys. They stand in order, so SCAN's cursor stands for the key at which to
 * go on, and what is there throughout is told once, whatever comes and goes meanwhile.
 * KEYS and RSCAN tell all that is there at one moment. */
#include "arguments.h"
#include "commands.h"
#include "glob.h"
#include "key_range.h"
#include "range_reply.h"
#include "resp_number.h"
#include "scan_table.h"

/* ---- SCAN ------------------------------------------------------------------------ */

enum { SCAN_COUNT = 10 };

struct scan {
    uint64_t cursor;      /* that the client has; 0: it begins */
    struct slice pattern; /* absent: all */
    bool of_strings;      /* of the type that all keys are of */
    int64_t count;        /* keys to look at */
    struct buf from;      /* the key to go on at; the cursor is not 0 */
};

/* A decimal number, as strtoul takes it (Redis: parseScanCursorOrReply), an empty one
 * too, but without a sign. */
static bool parse_cursor(struct session *session, struct slice text, uint64_t *cursor) {
    uint64_t value = 0;
    bool read = true;
    for (size_t i = 0; read && i < text.length; i++) {
        read = text.data[i] >= '0' && text.data[i] <= '9' &&
               !__builtin_mul_overflow(value, UINT64_C(10), &value) &&
               !__builtin_add_overflow(value, (uint64_t)(text.data[i] - '0'), &value);
    }
    if (!read) {
        session_error(session, "ERR invalid cursor");
    }
    *cursor = value;
    return read;
}

static bool parse_scan(struct session *session, const struct resp_request *request,
                       struct scan *scan) {
    *scan = (struct scan){.of_strings = true, .count = SCAN_COUNT};
    if (!parse_cursor(session, request->arguments[1], &scan->cursor)) {
        return false;
    }
    for (size_t i = 2; i < request->count; i += 2) {
        struct slice option = request->arguments[i];
        if (i + 1 == request->count) {
            session_error(session, syntax_error);
            return false;
        }
        struct slice value = request->arguments[i + 1];
        if (argument_is(option, "COUNT")) {
            if (!argument_integer(session, value, &scan->count)) {
                return false;
            }
            if (scan->count < 1) {
                session_error(session, syntax_error);
                return false;
            }
        } else if (argument_is(option, "MATCH")) {
            scan->pattern = value;
        } else if (argument_is(option, "TYPE")) {
            scan->of_strings = argument_is(value, "STRING");
        } else {
            session_error(session, syntax_error);
            return false;
        }
    }
    return true;
}

/* Writes the keys that match, of those from where the iterator stands, until it has
 * looked at so many, or they have so many bytes. */
static void tell_keys(const struct scan *scan, struct keyspace_iter *iter,
                      struct resp_writer *writer, size_t *told) {
    uint64_t steps = 0;
    size_t bytes = 0;
    for (int64_t i = 0; i < scan->count && iter->valid && bytes < REPLY_PART_BYTES; i++) {
        if (!slice_present(scan->pattern) ||
            glob_match(scan->pattern, iter->key, GLOB_CASE, &steps)) {
            resp_write_bulk(writer, iter->key);
            bytes += iter->key.length;
            (*told)++;
        }
        keyspace_iter_next(iter, false);
    }
}

/* Writes keys from scan->from on; *next is the cursor to go on with, 0 at the end. */
static enum status go_on(struct session *session, const struct scan *scan,
                         struct resp_writer *writer, size_t *told, uint64_t *next,
                         struct error *error) {
    struct keyspace_iter iter = {0};
    struct key_range range = {0};
    struct slice prefix = slice_present(scan->pattern)
                              ? key_range_pattern_prefix(scan->pattern)
                              : slice_of("");
    enum status status = key_range_of_prefix(&range, prefix);
    if (status == STATUS_OK) {
        status = keyspace_iter_open(&session->access, range.from, range.to, &iter, error);
    }
    if (status == STATUS_OK) {
        if (scan->cursor == 0) {
            keyspace_iter_first(&iter, false);
        } else {
            keyspace_iter_seek(&iter, buf_slice(&scan->from), false);
        }
        tell_keys(scan, &iter, writer, told);
        status = keyspace_iter_status(&iter, error);
    }
    *next = 0;
    if (status == STATUS_OK && iter.valid) {
        status = scan_table_add(session->commons->scans, iter.key, scan->cursor, next);
    }
    keyspace_iter_close(&iter);
    buf_free(&range.room);
    return status == STATUS_OK ? writer->output->status : status;
}

static void reply_to_scan(struct session *session, uint64_t next, size_t told,
                          struct output *keys) {
    char text[RESP_INTEGER_BYTES];
    resp_write_aggregate(session->writer, RESP_ARRAY, 2);
    resp_write_bulk(session->writer,
                    slice_make(text, resp_integer_print((int64_t)next, text)));
    resp_write_aggregate(session->writer, RESP_ARRAY, told);
    output_join(session->writer->output, keys);
}

static enum command_outcome run_scan(struct session *session,
                                     const struct resp_request *request) {
    struct error error = {0};
    struct scan scan;
    struct output keys = {0};
    struct resp_writer writer = {&keys, session->writer->protocol,
                                 session->writer->muted};
    size_t told = 0;
    uint64_t next = 0;
    enum status status = STATUS_OK;
    enum command_outcome outcome = COMMAND_DONE;
    if (!parse_scan(session, request, &scan)) {
        return COMMAND_DONE;
    }
    if (scan.cursor != 0) {
        status = scan_table_find(session->commons->scans, scan.cursor, &scan.from);
    }
    if (status == STATUS_NOT_FOUND) {
        outcome = session_error(session, "ERR invalid cursor: it is unknown, or too many "
                                         "came after it; begin again with 0");
        goto out;
    }
    if (status == STATUS_OK && scan.of_strings) {
        status = go_on(session, &scan, &writer, &told, &next, &error);
    }
    if (status == STATUS_OK) {
        reply_to_scan(session, next, told, &keys);
    } else {
        outcome = session_fail(session, status, &error);
    }
out:
    output_free(&keys);
    buf_free(&scan.from);
    return outcome;
}

/* ---- KEYS, RSCAN, RANDOMKEY ------------------------------------------------------ */

static enum command_outcome run_keys(struct session *session,
                                     const struct resp_request *request) {
    struct key_range range = {0};
    struct slice pattern = request->arguments[1];
    enum status status = key_range_of_prefix(&range, key_range_pattern_prefix(pattern));
    if (status != STATUS_OK) {
        return session_fail(session, status, NULL);
    }
    const struct range_wanted wanted = {.from = range.from,
                                        .to = range.to,
                                        .pattern = pattern,
                                        .limit = UINT64_MAX,
                                        .keys_only = true};
    enum command_outcome outcome = range_reply(session, &wanted);
    buf_free(&range.room);
    return outcome;
}

static bool is_range_option(struct slice argument) {
    return argument_is(argument, "LIMIT") || argument_is(argument, "REV") ||
           argument_is(argument, "KEYS");
}

static bool parse_range(struct session *session, const struct resp_request *request,
                        struct range_wanted *wanted) {
    size_t i = 2;
    int64_t limit;
    *wanted = (struct range_wanted){.from = request->arguments[1], .limit = UINT64_MAX};
    if (i < request->count && !is_range_option(request->arguments[i])) {
        wanted->to = request->arguments[i++];
    }
    for (; i < request->count; i++) {
        if (argument_is(request->arguments[i], "REV")) {
            wanted->reverse = true;
        } else if (argument_is(request->arguments[i], "KEYS")) {
            wanted->keys_only = true;
        } else if (argument_is(request->arguments[i], "LIMIT") &&
                   i + 1 < request->count) {
            if (!argument_integer(session, request->arguments[++i], &limit)) {
                return false;
            }
            if (limit < 0) {
                session_error(session, "ERR LIMIT is negative");
                return false;
            }
            wanted->limit = (uint64_t)limit;
        } else {
            session_error(session, syntax_error);
            return false;
        }
    }
    return true;
}

static enum command_outcome run_rscan(struct session *session,
                                      const struct resp_request *request) {
    struct range_wanted wanted;
    return parse_range(session, request, &wanted) ? range_reply(session, &wanted)
                                                  : COMMAND_DONE;
}

static enum command_outcome run_randomkey(struct session *session,
                                          const struct resp_request *request) {
    struct error error = {0};
    struct buf key = {0};
    enum command_outcome outcome = COMMAND_DONE;
    (void)request;
    enum status status = key_range_random(&session->access, &key, &error);
    if (status == STATUS_OK) {
        resp_write_bulk(session->writer, buf_slice(&key));
    } else if (status == STATUS_NOT_FOUND) {
        resp_write_null(session->writer);
    } else {
        outcome = session_fail(session, status, &error);
    }
    buf_free(&key);
    return outcome;
}

/* ---- the table ------------------------------------------------------------------- */

#define READS (COMMAND_READS | COMMAND_MAY_BLOCK)

static const struct redis_command rows[] = {
    {"keys", "All keys that match a pattern, in order.", "1.0.0", "pattern",
     GROUP_GENERIC, 2, READS | COMMAND_DANGEROUS, 0, 0, 0, run_keys, NULL, 0},
    {"randomkey", "Any of the keys.", "1.0.0", "", GROUP_GENERIC, 1, READS, 0, 0, 0,
     run_randomkey, NULL, 0},
    {"rscan", "The entries from a key on, before another one, in order.", "1.0.0",
     "start [end] [LIMIT count] [REV] [KEYS]", GROUP_STRATA, -2, READS, 0, 0, 0,
     run_rscan, NULL, 0},
    {"scan", "Some keys, and a cursor to go on with.", "2.8.0",
     "cursor [MATCH pattern] [COUNT count] [TYPE type]", GROUP_GENERIC, -2, READS, 0, 0,
     0, run_scan, NULL, 0},
};

const struct command_rows commands_scan = {rows, sizeof rows / sizeof rows[0]};
