/* As in info.c, the first failure is remembered. */
#include "metrics.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

struct text {
    struct buf *out;
    enum status status;
};

static void add(struct text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void add(struct text *text, const char *format, ...) {
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (text->status == STATUS_OK) {
        text->status = buf_append_text(text->out, line);
    }
}

/* `kind` is counter, gauge, or untyped where the engine does not tell which. */
static void add_family(struct text *text, const char *name, const char *kind,
                       const char *help) {
    add(text, "# HELP strata_%s %s\n# TYPE strata_%s %s\n", name, help, name, kind);
}

static void add_one(struct text *text, const char *name, const char *kind,
                    const char *help, uint64_t value) {
    add_family(text, name, kind, help);
    add(text, "strata_%s %" PRIu64 "\n", name, value);
}

static void add_process(struct text *text, const struct info_facts *facts) {
    const struct process_facts *process = &facts->process;
    add_one(text, "uptime_seconds", "gauge", "since the start",
            facts->uptime_micros / 1000000);
    add_one(text, "connected_clients", "gauge", "connections", facts->clients);
    add_one(text, "resident_bytes", "gauge", "memory of the process",
            process->resident_bytes);
    add_one(text, "maxmemory_bytes", "gauge", "the budget of memory",
            (uint64_t)facts->config.maxmemory);
    add_family(text, "cpu_seconds_total", "counter", "time of the processor");
    add(text, "strata_cpu_seconds_total{mode=\"user\"} %" PRIu64 ".%06" PRIu64 "\n",
        process->user_micros / 1000000, process->user_micros % 1000000);
    add(text, "strata_cpu_seconds_total{mode=\"system\"} %" PRIu64 ".%06" PRIu64 "\n",
        process->system_micros / 1000000, process->system_micros % 1000000);
    add_one(text, "checkpoints_total", "counter", "checkpoints made", facts->saver.saves);
    add_one(text, "writes_fail", "gauge", "1: the store takes no writes",
            facts->writes_fail);
    add_one(text, "last_checkpoint_failed", "gauge", "1: the last one could not be made",
            facts->saver.last_failed);
#define ADD_COUNT(name, words, help)                                                     \
    add_one(text, #name "_total", "counter", help, facts->counts.name);
    SERVER_COUNT_TABLE(ADD_COUNT)
#undef ADD_COUNT
}

/* One family of the commands that were called; `at` is the number's place in struct
 * command_totals. */
static void add_commands(struct text *text, const struct info_facts *facts,
                         const char *name, const char *help, size_t at) {
    add_family(text, name, "counter", help);
    for (size_t i = 0; i < facts->index->count; i++) {
        const struct command_totals *totals = &facts->totals[i];
        uint64_t value;
        memcpy(&value, (const char *)totals + at, sizeof value);
        if (totals->calls > 0 || totals->rejected > 0) {
            add(text, "strata_%s{command=\"%s\"} %" PRIu64 "\n", name,
                facts->index->by_number[i]->name, value);
        }
    }
}

static void add_engine(struct text *text, const struct kv_stats *kv) {
#define ADD_STATISTIC(name, words, unit)                                                 \
    add_one(text, "engine_" #name, "untyped", words, kv->name);
    KV_STATS_TABLE(ADD_STATISTIC)
#undef ADD_STATISTIC
#define ADD_LEVELS(name, words)                                                          \
    add_family(text, "level_" #name, "untyped", words " of the level");                  \
    for (size_t i = 0; i < KV_LEVELS; i++) {                                             \
        add(text, "strata_level_" #name "{level=\"%zu\"} %" PRIu64 "\n", i,              \
            kv->levels[i].name);                                                         \
    }
    KV_LEVEL_STATS_TABLE(ADD_LEVELS)
#undef ADD_LEVELS
}

enum status metrics_print(const struct info_facts *facts, struct buf *out) {
    struct text text = {out, STATUS_OK};
    add_process(&text, facts);
    add_commands(&text, facts, "command_calls_total", "commands run",
                 offsetof(struct command_totals, calls));
    add_commands(&text, facts, "command_micros_total", "microseconds that they took",
                 offsetof(struct command_totals, micros));
    add_commands(&text, facts, "command_failed_total", "commands that replied an error",
                 offsetof(struct command_totals, failed));
    add_commands(&text, facts, "command_rejected_total", "commands that were not run",
                 offsetof(struct command_totals, rejected));
    add_engine(&text, &facts->kv);
    return text.status;
}
