/* put, get, del: one entry, named on the command line. */
#include <errno.h>
#include <unistd.h>

#include "commands.h"
#include "escape.h"
#include "memory.h"
#include "output.h"

struct entry_values {
    bool escape;
};

static error_t parse_option(int key, char *argument, struct argp_state *state) {
    struct command_run *run = state->input;
    struct entry_values *values = run->values;
    (void)argument;
    if (key != 'e') {
        return ARGP_ERR_UNKNOWN;
    }
    values->escape = true;
    return 0;
}

static bool escaped(const struct command_run *run) {
    const struct entry_values *values = run->values;
    return values->escape;
}

/* The bytes that an argument stands for. */
static enum status take_argument(const struct command_run *run, int index,
                                 struct buf *bytes) {
    struct slice text = slice_of(run->arguments[index]);
    if (escaped(run)) {
        struct error cause = {0};
        enum status status = escape_parse(text, bytes, &cause);
        return status == STATUS_OK ? status
                                   : error_set(run->error, status, "argument %d: %s",
                                               index + 1, cause.message);
    }
    enum status status = buf_append_slice(bytes, text);
    return status == STATUS_OK ? status
                               : error_no_memory(run->error, "argument", text.length);
}

static enum status read_standard_input(struct buf *bytes, struct error *error) {
    enum { STEP_BYTES = 64 * 1024 };
    for (;;) {
        if (bytes->length > KV_VALUE_BYTES_MAX) {
            return error_set(error, STATUS_LIMIT,
                             "the value on standard input is longer than %d bytes",
                             KV_VALUE_BYTES_MAX);
        }
        if (buf_reserve(bytes, STEP_BYTES) != STATUS_OK) {
            return error_no_memory(error, "value from standard input", bytes->length);
        }
        ssize_t got = read(STDIN_FILENO, bytes->data + bytes->length, STEP_BYTES);
        if (got < 0) {
            return error_set(error, STATUS_IO, "standard input: %s", strerror(errno));
        }
        if (got == 0) {
            return STATUS_OK;
        }
        bytes->length += (size_t)got;
    }
}

/* Into the batch that is being collected, if there is one: all of them or none. */
static enum status write_ops(const struct command_run *run, const struct kv_op *ops,
                             size_t count) {
    struct kv_batch *added = NULL;
    if (run->batch == NULL) {
        return kv_write(run->kv, ops, count, NULL, run->error);
    }
    enum status status = kv_batch_open(0, &added, run->error);
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        status = ops[i].type == KV_PUT
                     ? kv_batch_put(added, ops[i].key, ops[i].value, run->error)
                     : kv_batch_delete(added, ops[i].key, run->error);
    }
    if (status == STATUS_OK) {
        status = kv_batch_append(run->batch, added, run->error);
    }
    kv_batch_close(added);
    return status;
}

static enum status run_put(struct command_run *run) {
    struct buf key = {0}, value = {0};
    enum status status = take_argument(run, 0, &key);
    if (status == STATUS_OK) {
        status = strcmp(run->arguments[1], "-") == 0 && !run->in_shell
                     ? read_standard_input(&value, run->error)
                     : take_argument(run, 1, &value);
    }
    if (status == STATUS_OK) {
        const struct kv_op op = {KV_PUT, buf_slice(&key), buf_slice(&value)};
        status = write_ops(run, &op, 1);
    }
    buf_free(&key);
    buf_free(&value);
    return status;
}

static enum status print_value(const struct command_run *run, struct slice value) {
    enum status status = STATUS_OK;
    bool line = escaped(run) || run->in_shell || isatty(STDOUT_FILENO) == 1;
    if (escaped(run)) {
        struct buf text = {0};
        status = escape_print(value, &text);
        status = status == STATUS_OK
                     ? output_write(buf_slice(&text), run->error)
                     : error_no_memory(run->error, "the escaped value", value.length);
        buf_free(&text);
    } else {
        status = output_write(value, run->error);
    }
    return status == STATUS_OK && line ? output_write(slice_of("\n"), run->error)
                                       : status;
}

static enum status run_get(struct command_run *run) {
    struct buf key = {0}, value = {0};
    const struct kv_read_options options = {.snapshot = run->snapshot};
    enum status status = take_argument(run, 0, &key);
    if (status == STATUS_OK) {
        status = kv_get(run->kv, buf_slice(&key), &value, &options, run->error);
    }
    if (status == STATUS_OK) {
        status = print_value(run, buf_slice(&value));
    }
    buf_free(&key);
    buf_free(&value);
    return status;
}

/* All keys go in one change: after a crash all of them are gone, or none. */
static enum status run_del(struct command_run *run) {
    size_t count = (size_t)run->count;
    struct buf *keys = memory_take_zeroed(count * sizeof *keys);
    struct kv_op *ops = memory_take_zeroed(count * sizeof *ops);
    enum status status = STATUS_OK;
    if (keys == NULL || ops == NULL) {
        status = error_no_memory(run->error, "the keys", count * sizeof *keys);
    }
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        status = take_argument(run, (int)i, &keys[i]);
        ops[i] = (struct kv_op){.type = KV_DELETE, .key = buf_slice(&keys[i])};
    }
    if (status == STATUS_OK) {
        status = write_ops(run, ops, count);
    }
    for (size_t i = 0; keys != NULL && i < count; i++) {
        buf_free(&keys[i]);
    }
    memory_give(keys);
    memory_give(ops);
    return status;
}

static const struct argp_option put_options[] = {
    {"escape", 'e', NULL, 0, "KEY and VALUE are escaped: \\t \\n \\r \\\\ \\xHH", 0},
    {0}};

static const struct argp_option get_options[] = {
    {"escape", 'e', NULL, 0,
     "KEY is escaped (\\t \\n \\r \\\\ \\xHH); print the value so, and a line end", 0},
    {0}};

static const struct argp_option del_options[] = {
    {"escape", 'e', NULL, 0, "The keys are escaped: \\t \\n \\r \\\\ \\xHH", 0}, {0}};

const struct command command_put = {
    .name = "put",
    .arguments = "KEY VALUE",
    .summary = "Store VALUE under KEY",
    .help =
        "The database is made where there is none. A value of - is read from standard "
        "input, byte for byte. When the command returns, the change is as durable as "
        "--durability says: always (the default) survives a power cut.\n\n"
        "Examples:\n"
        "  $0 put apple red\n"
        "  $0 -d /srv/fruit put --durability interval pear green\n"
        "  $0 put photo - < photo.jpg\n"
        "  $0 put --escape 'line\\n1' 'a\\x00b'\n"
        "  $0 put -- -5 'a key that begins with a dash'\n\n"
        "Exit code 7: the key is longer than 65,536 bytes or the value than 512 MiB.",
    .options = put_options,
    .parse = parse_option,
    .values_bytes = sizeof(struct entry_values),
    .arguments_least = 2,
    .arguments_most = 2,
    .directory = DIRECTORY_CREATE,
    .run = run_put};

const struct command command_get = {
    .name = "get",
    .arguments = "KEY",
    .summary = "Print the value under KEY",
    .help = "The value is printed byte for byte; only on a terminal a line end follows "
            "it.\n\n"
            "Examples:\n"
            "  $0 get apple\n"
            "  $0 get photo > photo.jpg\n"
            "  $0 get --escape 'line\\n1'\n"
            "  $0 get pear || echo \"exit code $?\"\n\n"
            "Exit code 1, and \"not found\" on standard error: there is no such key.",
    .options = get_options,
    .parse = parse_option,
    .values_bytes = sizeof(struct entry_values),
    .arguments_least = 1,
    .arguments_most = 1,
    .directory = DIRECTORY_OPEN,
    .run = run_get};

const struct command command_del = {
    .name = "del",
    .arguments = "KEY...",
    .summary = "Delete keys, all of them or none",
    .help = "The keys are deleted in one change: after a crash all of them are gone or "
            "none. A key that is not there is no error.\n\n"
            "Examples:\n"
            "  $0 del apple\n"
            "  $0 del apple pear plum",
    .options = del_options,
    .parse = parse_option,
    .values_bytes = sizeof(struct entry_values),
    .arguments_least = 1,
    .arguments_most = -1,
    .directory = DIRECTORY_OPEN,
    .run = run_del};
