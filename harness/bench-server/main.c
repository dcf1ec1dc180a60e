/* open-loop: how long the users of a server wait, at a rate that they choose. */
#include <argp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "load.h"
#include "program/output.h"

enum { EXIT_USAGE = 2, EXIT_ERRORS = 1 };

/* ---- options --------------------------------------------------------------------- */

enum {
    KEY_HOST = 'h',
    KEY_PORT = 'p',
    KEY_CONNECTIONS = 'c',
    KEY_RATE = 'r',
    KEY_SECONDS = 's',
    KEY_WARMUP = 0x100,
    KEY_KEYS,
    KEY_VALUE_BYTES,
    KEY_SET_PERCENT,
    KEY_FILL,
    KEY_SEED,
    KEY_PATIENCE,
    KEY_JSON
};

static const struct argp_option options[] = {
    {"host", KEY_HOST, "ADDRESS", 0, "Of the server, in digits (default 127.0.0.1)", 1},
    {"port", KEY_PORT, "N", 0, "Of the server (default 6380)", 1},
    {"rate", KEY_RATE, "N", 0, "Requests a second (default 10000)", 1},
    {"seconds", KEY_SECONDS, "N", 0, "That are measured (default 10)", 1},
    {"warmup", KEY_WARMUP, "N", 0, "Seconds before them that are not (default 1)", 1},
    {"connections", KEY_CONNECTIONS, "N", 0, "Requests go over them in turn (default 50)",
     1},
    {"keys", KEY_KEYS, "N", 0, "key:000000000000 and so on, at random (default 100000)",
     2},
    {"fill", KEY_FILL, NULL, 0, "Set every key before, so that each GET finds its value",
     2},
    {"value-bytes", KEY_VALUE_BYTES, "N", 0, "Of each value (default 100)", 2},
    {"set-percent", KEY_SET_PERCENT, "N", 0,
     "Of the requests; the others are GET "
     "(default 50)",
     2},
    {"seed", KEY_SEED, "N", 0, "Of keys and kinds (default 1)", 2},
    {"patience", KEY_PATIENCE, "N", 0,
     "Seconds that the last replies are waited for (default 10)", 3},
    {"json", KEY_JSON, NULL, 0, "One JSON object instead of a table", 3},
    {0}};

struct arguments {
    struct load_plan plan;
    bool json;
};

static uint64_t parse_number(struct argp_state *state, const char *text, uint64_t least,
                             uint64_t most) {
    char *end;
    unsigned long long number = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || number < least || number > most) {
        argp_error(state, "\"%s\" is not a number from %" PRIu64 " to %" PRIu64, text,
                   least, most);
    }
    return number;
}

static error_t parse_option(int key, char *argument, struct argp_state *state) {
    struct arguments *arguments = state->input;
    struct load_plan *plan = &arguments->plan;
    switch (key) {
    case KEY_HOST:
        plan->host = argument;
        return 0;
    case KEY_PORT:
        plan->port = (uint16_t)parse_number(state, argument, 1, UINT16_MAX);
        return 0;
    case KEY_CONNECTIONS:
        plan->connections = parse_number(state, argument, 1, LOAD_CONNECTIONS_MAX);
        return 0;
    case KEY_RATE:
        plan->rate = parse_number(state, argument, 1, 10 * 1000 * 1000);
        return 0;
    case KEY_SECONDS:
        plan->seconds = parse_number(state, argument, 1, 100 * 1000);
        return 0;
    case KEY_WARMUP:
        plan->warmup_seconds = parse_number(state, argument, 0, 100 * 1000);
        return 0;
    case KEY_KEYS:
        plan->keys = parse_number(state, argument, 1, 1000 * 1000 * 1000);
        return 0;
    case KEY_VALUE_BYTES:
        plan->value_bytes = parse_number(state, argument, 0, LOAD_VALUE_BYTES_MAX);
        return 0;
    case KEY_SET_PERCENT:
        plan->set_percent = parse_number(state, argument, 0, 100);
        return 0;
    case KEY_FILL:
        plan->fill = true;
        return 0;
    case KEY_SEED:
        plan->seed = parse_number(state, argument, 0, UINT32_MAX);
        return 0;
    case KEY_PATIENCE:
        plan->patience_seconds = parse_number(state, argument, 0, 100 * 1000);
        return 0;
    case KEY_JSON:
        arguments->json = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const char help[] =
    "Asks a server that speaks the Redis protocol for SET and GET, at a constant rate, "
    "and tells how long the replies took.\v"
    "A request is due at its time, whether or not earlier ones are answered, as with "
    "users who do not know of each other; its time counts from when it was due until "
    "its reply has come. So a pause of the server is seen by all who would have asked "
    "meanwhile. redis-benchmark asks again when it was answered: it tells how much a "
    "server can do, and less than the truth of how long its users wait.\n"
    "\n"
    "Choose a rate that the server can keep up with: beyond that all times grow with "
    "the length of the run. \"late\" is how long after its time a request was sent, "
    "for the generator itself is slow, or has no processor: where late is not small "
    "beside the others, they mean little.\n"
    "\n"
    "Exit code: 0, or 1 if a reply was an error or did not come, or that of the "
    "failure.\n"
    "\n"
    "Examples:\n"
    "  open-loop --port 6380 --rate 20000 --fill\n"
    "  open-loop --port 6379 --rate 1000 --set-percent 100 --seconds 60 --json\n";

/* ---- the report ------------------------------------------------------------------ */

static const double percents[] = {50, 90, 99, 99.9};

enum { PERCENTS = sizeof percents / sizeof percents[0] };

static enum status print_row(const char *name, const struct histogram *micros,
                             struct buf *out) {
    enum status status = buf_printf(out, "%-8s %10" PRIu64 " %9.1f", name, micros->count,
                                    histogram_mean(micros));
    for (size_t i = 0; i < PERCENTS && status == STATUS_OK; i++) {
        status = buf_printf(out, " %9" PRIu64, histogram_percentile(micros, percents[i]));
    }
    return status == STATUS_OK
               ? buf_printf(out, " %9" PRIu64 "\n",
                            micros->count > 0 ? micros->largest : UINT64_C(0))
               : status;
}

static enum status print_json_row(const char *name, const struct histogram *micros,
                                  struct buf *out) {
    enum status status = buf_printf(out, ",\"%s\":{\"count\":%" PRIu64 ",\"mean\":%.1f",
                                    name, micros->count, histogram_mean(micros));
    for (size_t i = 0; i < PERCENTS && status == STATUS_OK; i++) {
        status = buf_printf(out, ",\"p%g\":%" PRIu64, percents[i],
                            histogram_percentile(micros, percents[i]));
    }
    return status == STATUS_OK
               ? buf_printf(out, ",\"max\":%" PRIu64 "}",
                            micros->count > 0 ? micros->largest : UINT64_C(0))
               : status;
}

typedef enum status print_one(const char *name, const struct histogram *micros,
                              struct buf *out);

static enum status print_rows(const struct load_result *result, print_one *print,
                              struct buf *out) {
    struct histogram both = result->micros[LOAD_SET];
    histogram_merge(&both, &result->micros[LOAD_GET]);
    enum status status = print("set", &result->micros[LOAD_SET], out);
    if (status == STATUS_OK) {
        status = print("get", &result->micros[LOAD_GET], out);
    }
    if (status == STATUS_OK) {
        status = print("both", &both, out);
    }
    return status == STATUS_OK ? print("late", &result->late_micros, out) : status;
}

static enum status print_text(const struct load_plan *plan,
                              const struct load_result *result, struct buf *out) {
    uint64_t unanswered = result->sent - load_answered(result);
    enum status status = buf_printf(
        out,
        "%" PRIu64 " requests a second for %" PRIu64 " s over %" PRIu64
        " connections, %" PRIu64 " %% SET, values of %" PRIu64 " bytes\n"
        "answered %.0f a second, errors %" PRIu64 ", unanswered %" PRIu64 "%s%s\n\n"
        "%-8s %10s %9s %9s %9s %9s %9s %9s\n",
        plan->rate, plan->seconds, plan->connections, plan->set_percent,
        plan->value_bytes, result->answered_per_second, result->errors, unanswered,
        result->first_error[0] != '\0' ? "; the first error: " : "", result->first_error,
        "micros", "count", "mean", "p50", "p90", "p99", "p99.9", "max");
    return status == STATUS_OK ? print_rows(result, print_row, out) : status;
}

static enum status print_json(const struct load_plan *plan,
                              const struct load_result *result, struct buf *out) {
    uint64_t unanswered = result->sent - load_answered(result);
    enum status status = buf_printf(
        out,
        "{\"rate\":%" PRIu64 ",\"seconds\":%" PRIu64 ",\"connections\":%" PRIu64
        ",\"set_percent\":%" PRIu64 ",\"value_bytes\":%" PRIu64
        ",\"answered_per_second\":%.0f,\"errors\":%" PRIu64 ",\"unanswered\":%" PRIu64,
        plan->rate, plan->seconds, plan->connections, plan->set_percent,
        plan->value_bytes, result->answered_per_second, result->errors, unanswered);
    if (status == STATUS_OK) {
        status = print_rows(result, print_json_row, out);
    }
    return status == STATUS_OK ? buf_append_text(out, "}\n") : status;
}

/* ---- main ------------------------------------------------------------------------ */

static enum status measure(const struct arguments *arguments, struct load_result *result,
                           struct error *error) {
    struct buf out = {0};
    enum status status = load_run(&arguments->plan, result, error);
    if (status != STATUS_OK) {
        return status;
    }
    status = arguments->json ? print_json(&arguments->plan, result, &out)
                             : print_text(&arguments->plan, result, &out);
    status = status == STATUS_OK ? output_write(buf_slice(&out), error)
                                 : error_no_memory(error, "the report", out.length);
    buf_free(&out);
    return status == STATUS_OK ? output_flush(error) : status;
}

int main(int count, char **words) {
    struct arguments arguments = {.plan = {.host = "127.0.0.1",
                                           .port = 6380,
                                           .connections = 50,
                                           .rate = 10000,
                                           .warmup_seconds = 1,
                                           .seconds = 10,
                                           .keys = 100 * 1000,
                                           .value_bytes = 100,
                                           .set_percent = 50,
                                           .seed = 1,
                                           .patience_seconds = 10}};
    struct argp argp = {.options = options, .parser = parse_option, .doc = help};
    struct load_result result;
    struct error error = {0};
    argp_err_exit_status = EXIT_USAGE;
    argp_parse(&argp, count, words, 0, NULL, &arguments);
    enum status status = measure(&arguments, &result, &error);
    if (status != STATUS_OK) {
        fprintf(stderr, "open-loop: %s\n", error.message);
        return status_exit_code(status);
    }
    bool whole = result.errors == 0 && result.sent == load_answered(&result);
    return whole ? EXIT_SUCCESS : EXIT_ERRORS;
}
