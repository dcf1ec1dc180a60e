/* Keys, whatever their values are. Replies are those of Redis 7.0 (its db.c, object.c).
 * Commands that write have the locks of their keys (command_execute.c). */
#include <xxhash.h>

#include "arguments.h"
#include "commands.h"
#include "memory.h"
#include "resp_number.h"

static const char no_such_key[] = "ERR no such key";

/* ---- DEL, EXISTS ----------------------------------------------------------------- */

/* Keys that may repeat, each told once: a table of open addressing of indices + 1. */
struct distinct {
    const struct slice *keys;
    uint32_t *slots;
    size_t slot_count; /* a power of two, at least twice the keys */
};

static bool is_first(struct distinct *distinct, size_t i) {
    struct slice key = distinct->keys[i];
    size_t slot = XXH3_64bits(key.data, key.length) & (distinct->slot_count - 1);
    while (distinct->slots[slot] != 0) {
        if (slice_equal(distinct->keys[distinct->slots[slot] - 1], key)) {
            return false;
        }
        slot = (slot + 1) & (distinct->slot_count - 1);
    }
    distinct->slots[slot] = (uint32_t)i + 1;
    return true;
}

/* Which of the keys are there, as changes that delete each of them. */
static enum status find_doomed(struct session *session, struct distinct *distinct,
                               size_t count, struct key_change *changes, size_t *found,
                               struct error *error) {
    struct stored_value value = {0};
    enum status status = STATUS_OK;
    *found = 0;
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        struct slice key = distinct->keys[i];
        if (!is_first(distinct, i)) {
            continue;
        }
        status = keyspace_get(&session->access, key, &value, error);
        if (status == STATUS_OK) {
            changes[(*found)++] = (struct key_change){.key = key};
        } else if (status == STATUS_NOT_FOUND) {
            status = STATUS_OK;
        }
    }
    buf_free(&value.payload);
    return status;
}

static enum command_outcome run_del(struct session *session,
                                    const struct resp_request *request) {
    struct error error = {0};
    size_t count = request->count - 1;
    size_t found = 0;
    struct distinct distinct = {.keys = request->arguments + 1, .slot_count = 2};
    while (distinct.slot_count < 2 * count) {
        distinct.slot_count *= 2;
    }
    distinct.slots = memory_take_zeroed(distinct.slot_count * sizeof *distinct.slots);
    struct key_change *changes = memory_take(count * sizeof *changes);
    enum status status = STATUS_NO_MEMORY;
    if (distinct.slots != NULL && changes != NULL) {
        status = find_doomed(session, &distinct, count, changes, &found, &error);
    }
    if (status == STATUS_OK && found > 0) {
        status = keyspace_write(&session->access, changes, found, &error);
    }
    memory_give(distinct.slots);
    memory_give(changes);
    return status == STATUS_OK ? session_integer(session, (int64_t)found)
                               : session_fail(session, status, &error);
}

static enum command_outcome run_exists(struct session *session,
                                       const struct resp_request *request) {
    struct error error = {0};
    struct stored_value value = {0};
    int64_t found = 0;
    enum status status = STATUS_OK;
    for (size_t i = 1; i < request->count; i++) {
        status = keyspace_get(&session->access, request->arguments[i], &value, &error);
        if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
            break;
        }
        found += status == STATUS_OK;
        status = STATUS_OK;
    }
    buf_free(&value.payload);
    return status == STATUS_OK ? session_integer(session, found)
                               : session_fail(session, status, &error);
}

static enum command_outcome run_type(struct session *session,
                                     const struct resp_request *request) {
    struct error error = {0};
    struct stored_value value = {0};
    enum status status =
        keyspace_get(&session->access, request->arguments[1], &value, &error);
    buf_free(&value.payload);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        return session_fail(session, status, &error);
    }
    resp_write_simple(session->writer, status == STATUS_OK ? "string" : "none");
    return COMMAND_DONE;
}

/* ---- RENAME, COPY ---------------------------------------------------------------- */

struct transfer {
    struct slice from;
    struct slice to;
    bool keeps;    /* what it is taken from */
    bool replaces; /* what is there */
};

/* NOT_FOUND: there is nothing to take; *done is false where something is in the way. */
static enum status carry_out_transfer(struct session *session,
                                      const struct transfer *transfer, bool *done,
                                      struct error *error) {
    struct stored_value value = {0};
    struct stored_value other = {0};
    enum status status = keyspace_get(&session->access, transfer->from, &value, error);
    if (status == STATUS_OK && !transfer->replaces) {
        status = keyspace_get(&session->access, transfer->to, &other, error);
        if (status == STATUS_OK) {
            *done = false;
            goto out;
        }
        status = status == STATUS_NOT_FOUND ? STATUS_OK : status;
    }
    if (status == STATUS_OK && !slice_equal(transfer->from, transfer->to)) {
        const struct key_change changes[] = {
            {transfer->to, true, buf_slice(&value.payload), value.expires_at_millis},
            {.key = transfer->from},
        };
        status =
            keyspace_write(&session->access, changes, transfer->keeps ? 1 : 2, error);
    }
    *done = true;
out:
    buf_free(&value.payload);
    buf_free(&other.payload);
    return status;
}

static enum command_outcome run_rename(struct session *session,
                                       const struct resp_request *request) {
    const struct transfer transfer = {
        .from = request->arguments[1], .to = request->arguments[2], .replaces = true};
    struct error error = {0};
    bool done;
    enum status status = carry_out_transfer(session, &transfer, &done, &error);
    if (status == STATUS_NOT_FOUND) {
        return session_error(session, no_such_key);
    }
    return status == STATUS_OK ? session_ok(session)
                               : session_fail(session, status, &error);
}

static enum command_outcome run_renamenx(struct session *session,
                                         const struct resp_request *request) {
    const struct transfer transfer = {.from = request->arguments[1],
                                      .to = request->arguments[2]};
    struct error error = {0};
    bool done;
    enum status status = carry_out_transfer(session, &transfer, &done, &error);
    if (status == STATUS_NOT_FOUND) {
        return session_error(session, no_such_key);
    }
    return status == STATUS_OK ? session_integer(session, done)
                               : session_fail(session, status, &error);
}

static bool parse_copy(struct session *session, const struct resp_request *request,
                       bool *replaces) {
    *replaces = false;
    for (size_t i = 3; i < request->count; i++) {
        int database;
        if (argument_is(request->arguments[i], "REPLACE")) {
            *replaces = true;
        } else if (argument_is(request->arguments[i], "DB") && i + 1 < request->count) {
            if (!argument_int(session, request->arguments[++i], &database)) {
                return false;
            }
            if (database != 0) {
                session_error(session, "ERR DB index is out of range");
                return false;
            }
        } else {
            session_error(session, syntax_error);
            return false;
        }
    }
    return true;
}

static enum command_outcome run_copy(struct session *session,
                                     const struct resp_request *request) {
    struct transfer transfer = {
        .from = request->arguments[1], .to = request->arguments[2], .keeps = true};
    struct error error = {0};
    bool done;
    if (!parse_copy(session, request, &transfer.replaces)) {
        return COMMAND_DONE;
    }
    if (slice_equal(transfer.from, transfer.to)) {
        return session_error(session, "ERR source and destination objects are the same");
    }
    enum status status = carry_out_transfer(session, &transfer, &done, &error);
    if (status == STATUS_NOT_FOUND) {
        return session_integer(session, 0);
    }
    return status == STATUS_OK ? session_integer(session, done)
                               : session_fail(session, status, &error);
}

/* ---- OBJECT ---------------------------------------------------------------------- */

enum { EMBEDDED_BYTES = 44, INTEGER_DIGITS = 20 };

/* What Redis would keep it as. */
static const char *encoding_of(struct slice value) {
    int64_t number;
    if (value.length <= INTEGER_DIGITS && resp_integer_parse(value, &number)) {
        return "int";
    }
    return value.length <= EMBEDDED_BYTES ? "embstr" : "raw";
}

static enum command_outcome run_object(struct session *session,
                                       const struct resp_request *request) {
    struct error error = {0};
    struct stored_value value = {0};
    enum command_outcome outcome = COMMAND_DONE;
    struct slice asked = request->arguments[1];
    enum status status =
        keyspace_get(&session->access, request->arguments[2], &value, &error);
    if (status == STATUS_NOT_FOUND) {
        resp_write_null(session->writer);
    } else if (status != STATUS_OK) {
        outcome = session_fail(session, status, &error);
    } else if (argument_is(asked, "ENCODING")) {
        resp_write_bulk(session->writer,
                        slice_of(encoding_of(buf_slice(&value.payload))));
    } else if (argument_is(asked, "REFCOUNT")) {
        resp_write_integer(session->writer, 1);
    } else if (argument_is(asked, "IDLETIME")) {
        resp_write_integer(session->writer, 0);
    } else {
        session_error(session, "ERR An LFU maxmemory policy is not selected, access "
                               "frequency not tracked. Please note that when switching "
                               "between policies at runtime LRU and LFU data will take "
                               "some time to adjust.");
    }
    buf_free(&value.payload);
    return outcome;
}

static const struct redis_command object_rows[] = {
    {"object|encoding", "What Redis would keep a value as: int, embstr or raw.", "2.2.3",
     "key", GROUP_GENERIC, 3, COMMAND_READS, 2, 2, 1, run_object, NULL, 0},
    {"object|freq", "An error: how often a key is used is not counted.", "4.0.0", "key",
     GROUP_GENERIC, 3, COMMAND_READS, 2, 2, 1, run_object, NULL, 0},
    {"object|help", "The subcommands.", "6.2.0", "", GROUP_GENERIC, 2,
     COMMAND_LOADING | COMMAND_STALE, 0, 0, 0, command_help, NULL, 0},
    {"object|idletime", "0: when a key was used is not remembered.", "2.2.3", "key",
     GROUP_GENERIC, 3, COMMAND_READS, 2, 2, 1, run_object, NULL, 0},
    {"object|refcount", "1: values are not shared.", "2.2.3", "key", GROUP_GENERIC, 3,
     COMMAND_READS, 2, 2, 1, run_object, NULL, 0},
};

/* ---- FLUSHALL -------------------------------------------------------------------- */

static enum command_outcome run_flush(struct session *session,
                                      const struct resp_request *request) {
    struct error error = {0};
    if (request->count > 2 ||
        (request->count == 2 && !argument_is(request->arguments[1], "SYNC") &&
         !argument_is(request->arguments[1], "ASYNC"))) {
        return session_error(session, syntax_error);
    }
    enum status status = keyspace_erase(&session->access, &error);
    return status == STATUS_OK ? session_ok(session)
                               : session_fail(session, status, &error);
}

static enum command_outcome run_dbsize(struct session *session,
                                       const struct resp_request *request) {
    struct error error = {0};
    uint64_t count = 0;
    (void)request;
    enum status status = keyspace_count(&session->access, &count, &error);
    return status == STATUS_OK ? session_integer(session, (int64_t)count)
                               : session_fail(session, status, &error);
}

/* ---- the table ------------------------------------------------------------------- */

#define READS (COMMAND_READS | COMMAND_FAST)
#define FLUSHES                                                                          \
    (COMMAND_WRITES | COMMAND_MAY_BLOCK | COMMAND_OF_KEYSPACE | COMMAND_DANGEROUS)

static const struct redis_command rows[] = {
    {"copy", "Sets a key to the value and the end of another one.", "6.2.0",
     "source destination [DB destination-db] [REPLACE]", GROUP_GENERIC, -3,
     COMMAND_WRITES | COMMAND_DENIES_OOM, 1, 2, 1, run_copy, NULL, 0},
    {"dbsize", "How many keys there are, counted.", "1.0.0", "", GROUP_SERVER, 1,
     READS | COMMAND_MAY_BLOCK | COMMAND_OF_KEYSPACE, 0, 0, 0, run_dbsize, NULL, 0},
    {"del", "Deletes keys; how many were there.", "1.0.0", "key...", GROUP_GENERIC, -2,
     COMMAND_WRITES, 1, -1, 1, run_del, NULL, 0},
    {"exists", "How many of the keys are there.", "1.0.0", "key...", GROUP_GENERIC, -2,
     READS, 1, -1, 1, run_exists, NULL, 0},
    {"flushall", "Deletes everything.", "1.0.0", "[ASYNC | SYNC]", GROUP_SERVER, -1,
     FLUSHES, 0, 0, 0, run_flush, NULL, 0},
    {"flushdb", "The same as FLUSHALL.", "1.0.0", "[ASYNC | SYNC]", GROUP_SERVER, -1,
     FLUSHES, 0, 0, 0, run_flush, NULL, 0},
    {"object", "What is known of a value.", "2.2.3", "", GROUP_GENERIC, -2, 0, 0, 0, 0,
     NULL, object_rows, sizeof object_rows / sizeof object_rows[0]},
    {"rename", "Gives a value, with its end, another key.", "1.0.0", "key newkey",
     GROUP_GENERIC, 3, COMMAND_WRITES, 1, 2, 1, run_rename, NULL, 0},
    {"renamenx", "Gives a value another key if that is not there.", "1.0.0", "key newkey",
     GROUP_GENERIC, 3, COMMAND_WRITES | COMMAND_FAST, 1, 2, 1, run_renamenx, NULL, 0},
    {"touch", "How many of the keys are there.", "3.2.1", "key...", GROUP_GENERIC, -2,
     READS, 1, -1, 1, run_exists, NULL, 0},
    {"type", "string, or none.", "1.0.0", "key", GROUP_GENERIC, 2, READS, 1, 1, 1,
     run_type, NULL, 0},
    {"unlink", "The same as DEL.", "4.0.0", "key...", GROUP_GENERIC, -2,
     COMMAND_WRITES | COMMAND_FAST, 1, -1, 1, run_del, NULL, 0},
};

const struct command_rows commands_keys = {rows, sizeof rows / sizeof rows[0]};
