/* scan and export: entries in order, one a line. */
#include "commands.h"
#include "escape.h"
#include "interrupt.h"
#include "output.h"
#include "record.h"

struct scan_values {
    const char *from, *to, *prefix;
    uint64_t limit; /* 0: none */
    bool reverse, keys, json, escape;
};

/* Entries between two looks for Ctrl-C, which the shell holds back. */
enum { SIGNAL_ENTRIES = 256 };

enum { KEY_FROM = 0x100, KEY_TO, KEY_PREFIX, KEY_KEYS, KEY_JSON };

static error_t parse_option(int key, char *argument, struct argp_state *state) {
    struct command_run *run = state->input;
    struct scan_values *values = run->values;
    switch (key) {
    case KEY_FROM:
        values->from = argument;
        return 0;
    case KEY_TO:
        values->to = argument;
        return 0;
    case KEY_PREFIX:
        values->prefix = argument;
        return 0;
    case 'n':
        return command_number(run, "limit", argument, 1, UINT64_MAX, &values->limit);
    case 'r':
        values->reverse = true;
        return 0;
    case KEY_KEYS:
        values->keys = true;
        return 0;
    case KEY_JSON:
        values->json = true;
        return 0;
    case 'e':
        values->escape = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* What --from, --to and --prefix come to: bounds, the second exclusive. */
struct bounds {
    struct buf from, to;
    bool has_to;
};

static void bounds_free(struct bounds *bounds) {
    buf_free(&bounds->from);
    buf_free(&bounds->to);
}

static enum status take_bound(const struct command_run *run, const char *name,
                              const char *text, struct buf *bound) {
    const struct scan_values *values = run->values;
    struct error cause = {0};
    enum status status = values->escape ? escape_parse(slice_of(text), bound, &cause)
                                        : buf_append_text(bound, text);
    if (status == STATUS_INVALID) {
        return error_set(run->error, status, "--%s: %s", name, cause.message);
    }
    return status == STATUS_OK ? status
                               : error_no_memory(run->error, "a bound", strlen(text));
}

/* Turns a prefix into the least key above all that begin with it: the last byte that can
 * be raised is, and what follows it goes. False if there is none, as for ff ff. */
static bool raise_prefix(struct buf *prefix) {
    while (prefix->length > 0) {
        unsigned char *last = &prefix->data[prefix->length - 1];
        if (*last != 0xff) {
            (*last)++;
            return true;
        }
        prefix->length--;
    }
    return false;
}

/* Narrows the bounds to keys that begin with the prefix. */
static enum status apply_prefix(const struct command_run *run, const char *text,
                                struct bounds *bounds) {
    struct buf prefix = {0};
    enum status status = take_bound(run, "prefix", text, &prefix);
    if (status == STATUS_OK &&
        slice_compare(buf_slice(&prefix), buf_slice(&bounds->from)) > 0) {
        status = buf_assign(&bounds->from, buf_slice(&prefix));
    }
    if (status == STATUS_OK && raise_prefix(&prefix) &&
        (!bounds->has_to ||
         slice_compare(buf_slice(&prefix), buf_slice(&bounds->to)) < 0)) {
        bounds->has_to = true;
        status = buf_assign(&bounds->to, buf_slice(&prefix));
    }
    buf_free(&prefix);
    return status == STATUS_NO_MEMORY
               ? error_no_memory(run->error, "a bound", strlen(text))
               : status;
}

static enum status take_bounds(const struct command_run *run, struct bounds *bounds) {
    const struct scan_values *values = run->values;
    enum status status = STATUS_OK;
    if (values->from != NULL) {
        status = take_bound(run, "from", values->from, &bounds->from);
    }
    if (status == STATUS_OK && values->to != NULL) {
        bounds->has_to = true;
        status = take_bound(run, "to", values->to, &bounds->to);
    }
    if (status == STATUS_OK && values->prefix != NULL) {
        status = apply_prefix(run, values->prefix, bounds);
    }
    return status;
}

static enum status print_entry(const struct command_run *run, const struct iter *iter,
                               struct buf *line) {
    const struct scan_values *values = run->values;
    struct slice value = values->keys ? (struct slice){0} : iter->value;
    buf_clear(line);
    enum status status =
        record_print(values->json ? RECORD_JSON : RECORD_TEXT, iter->key, value, line);
    if (status != STATUS_OK) {
        return error_no_memory(run->error, "a line of output", iter->value.length);
    }
    return output_write(buf_slice(line), run->error);
}

static enum status print_entries(struct command_run *run, struct iter *iter) {
    const struct scan_values *values = run->values;
    struct buf line = {0};
    enum status status = STATUS_OK;
    uint64_t count = 0;
    if (values->reverse) {
        iter_last(iter);
    } else {
        iter_first(iter);
    }
    while (status == STATUS_OK && iter->valid) {
        status = print_entry(run, iter, &line);
        if (++count == values->limit || status != STATUS_OK) {
            break;
        }
        if (count % SIGNAL_ENTRIES == 0 && interrupt_seen()) {
            run->interrupted = true;
            break;
        }
        if (values->reverse) {
            iter_prev(iter);
        } else {
            iter_next(iter);
        }
    }
    if (status == STATUS_OK && iter->error.status != STATUS_OK) {
        *run->error = iter->error;
        status = iter->error.status;
    }
    buf_free(&line);
    return status;
}

static enum status run_scan(struct command_run *run) {
    struct bounds bounds = {0};
    struct iter *iter = NULL;
    enum status status = take_bounds(run, &bounds);
    if (status == STATUS_OK) {
        struct kv_iter_options options = {.from = buf_slice(&bounds.from),
                                          .snapshot = run->snapshot};
        if (bounds.has_to) {
            options.to = buf_slice(&bounds.to);
        }
        status = kv_iter(run->kv, &options, &iter, run->error);
    }
    if (status == STATUS_OK) {
        status = print_entries(run, iter);
    }
    iter_close(iter);
    bounds_free(&bounds);
    return status;
}

static const struct argp_option scan_options[] = {
    {"from", KEY_FROM, "KEY", 0, "Begin at KEY", 0},
    {"to", KEY_TO, "KEY", 0, "End before KEY", 0},
    {"prefix", KEY_PREFIX, "TEXT", 0, "Only keys that begin with TEXT", 0},
    {"limit", 'n', "N", 0, "At most N entries", 0},
    {"reverse", 'r', NULL, 0, "From the last to the first", 0},
    {"keys", KEY_KEYS, NULL, 0, "Print keys only", 0},
    {"json", KEY_JSON, NULL, 0, "Print JSON Lines", 0},
    {"escape", 'e', NULL, 0, "The bounds are escaped: \\t \\n \\r \\\\ \\xHH", 0},
    {0}};

static const struct argp_option export_options[] = {
    {"json", KEY_JSON, NULL, 0, "JSON Lines instead of KEY<tab>VALUE", 0}, {0}};

const struct command command_scan = {
    .name = "scan",
    .arguments = "",
    .summary = "Print entries in the order of their keys",
    .help = "One line an entry, KEY<tab>VALUE, escaped as in export. Bounds are byte "
            "strings and need not be keys; --prefix narrows --from and --to.\n\n"
            "Examples:\n"
            "  $0 scan\n"
            "  $0 scan --from apple --to pear --limit 10\n"
            "  $0 scan --prefix user: --keys --reverse\n"
            "  $0 scan --escape --from '\\xff'",
    .options = scan_options,
    .parse = parse_option,
    .values_bytes = sizeof(struct scan_values),
    .arguments_least = 0,
    .arguments_most = 0,
    .directory = DIRECTORY_OPEN,
    .run = run_scan};

const struct command command_export = {
    .name = "export",
    .arguments = "",
    .summary = "Print every entry, in a form that import reads",
    .help = "Text: KEY<tab>VALUE, with \\t \\n \\r \\\\ for those bytes and \\xHH for "
            "others that are no printable UTF-8. JSON Lines: "
            "{\"key\":\"...\",\"value\":\"...\"}, where a key or value that is no UTF-8, "
            "or has a zero byte, is written as key_base64 or value_base64. Both carry "
            "any bytes; import gives back exactly the same entries.\n\n"
            "Examples:\n"
            "  $0 export > entries.tsv\n"
            "  $0 export --json | gzip > entries.json.gz\n"
            "  $0 export | $0 -d copy import",
    .options = export_options,
    .parse = parse_option,
    .values_bytes = sizeof(struct scan_values),
    .arguments_least = 0,
    .arguments_most = 0,
    .directory = DIRECTORY_OPEN,
    .run = run_scan};
